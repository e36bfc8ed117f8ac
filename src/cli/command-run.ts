/**
 * One run of one command: its vault, its notes to the user, its end.
 *
 * Owns the opening and closing of the vault, also when the command is interrupted. Must not know commands.
 *
 * @module
 */

import type { Vault } from "../facade/vault.ts";
import { leftFilesBeside } from "../vault/files/atomic-file.ts";
import type { VaultHost } from "../vault/index.ts";
import { STANDARD } from "./files/file-streams.ts";
import { isStderrTerminal, writeErr } from "./io.ts";
import { openCliHost, openCliVault, type VaultFlags } from "./open.ts";
import { type Format, visible } from "./output/format.ts";
import { bytesText } from "./output/progress.ts";

/** Options that every command has. */
export interface CommonFlags extends VaultFlags {
  readonly format?: Format | undefined;
  readonly field?: string | undefined;
}

/** One run of one verb. */
export class CommandRun {
  readonly flags: CommonFlags;
  readonly signal: AbortSignal;
  /** Signals that do not end the command. */
  readonly ignoredSignals = new Set<NodeJS.Signals>();
  /** Ends a command that runs until it is told to: the exit code is its own then. */
  onInterrupt: (() => Promise<number>) | undefined;
  #vault: Promise<Vault> | undefined;
  #host: Promise<VaultHost> | undefined;

  constructor(flags: CommonFlags, signal: AbortSignal) {
    this.flags = flags;
    this.signal = signal;
  }

  get format(): Format {
    return this.flags.format ?? "table";
  }

  /** Opens the vault; only after all input has been read, for another command of a pipeline may be making it. */
  open(options: { readonly create: boolean } = { create: false }): Promise<Vault> {
    const { create } = options;
    this.#vault ??= this.noting((onNotice) => openCliVault(this.flags, { create, onNotice }));
    return this.#vault;
  }

  /** Opens what is behind the vault, for commands that look after the vault itself. */
  openHost(
    options: { readonly create: boolean; readonly listen?: boolean } = { create: false },
  ): Promise<VaultHost> {
    const { create, listen = false } = options;
    this.#host ??= this.noting((onNotice) => openCliHost({ ...this.flags, listen }, { create, onNotice }));
    return this.#host;
  }

  /** Runs `work`, and tells the user what it notices before anything else is told. */
  async noting<T>(work: (onNotice: (notice: string) => void) => Promise<T>): Promise<T> {
    const notes: Promise<void>[] = [];
    try {
      return await work((notice) => void notes.push(this.note(notice)));
    } finally {
      await Promise.all(notes);
    }
  }

  /** Tells the user something beside the result. */
  note(text: string): Promise<void> {
    return writeErr(noteText(text, this.format));
  }

  /** Tells of unfinished files beside a result that runs ended by force have left: they may hold what was decrypted. */
  async tellLeftFiles(path: string): Promise<void> {
    for (const { path: left, bytes } of path === STANDARD ? [] : leftFilesBeside(path)) {
      await this.note(`a run that was ended by force has left ${left} (${bytesText(bytes)}): delete it`);
    }
  }

  /** Shows how far a long command has come, on a terminal. Without text, takes that away again. */
  async progress(text = ""): Promise<void> {
    if (isStderrTerminal()) await writeErr(`\r\u001b[K${text}`);
  }

  async close(): Promise<void> {
    const vault = await this.#vault?.catch(() => undefined);
    await vault?.close();
    const host = await this.#host?.catch(() => undefined);
    await host?.close();
  }
}

function noteText(text: string, format: Format): string {
  return format === "json" ? `${JSON.stringify({ note: text })}\n` : `coffer: note: ${visible(text)}\n`;
}

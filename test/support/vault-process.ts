/**
 * Another process that holds a vault: started by tests, told line by line what to do.
 *
 * Owns both ends of the conversation: {@link VaultProcess} in the test, and, where this file is run by itself, the
 * process. Each line is JSON: `{ id, call, args }` one way, `{ id, value }` or `{ id, error }` the other.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import type { KekSelector } from "../../src/keks/index.ts";
import type { Lease } from "../../src/keys/lease.ts";
import { type EmbeddedVault, type OpenVaultOptions, openVault } from "../../src/vault/index.ts";

const SELF = fileURLToPath(import.meta.url);

/** What a call in the other process failed with. */
export interface RemoteError {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
  readonly retryable: boolean | undefined;
}

/** The test's end. */
export class VaultProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: unknown) => void }
  >();
  readonly #ended: Promise<void>;
  #next = 1;

  constructor(env: Record<string, string> = {}) {
    this.#child = spawn(process.execPath, [SELF], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, COFFER_ROOT_KEY: "", ...env },
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#onAnswer(line));
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", () => {
        for (const { reject } of this.#waiting.values()) reject(new Error("the process has ended"));
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Calls something of {@link CALLS} there. Rejects with a {@link RemoteError} if it failed. */
  call(call: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin!.write(`${JSON.stringify({ id, call, args })}\n`);
    });
  }

  /** The code of the error that a call fails with, or "none". */
  async codeOf(call: string, ...args: readonly unknown[]): Promise<string> {
    try {
      await this.call(call, ...args);
      return "none";
    } catch (error) {
      return (error as RemoteError).code ?? (error as RemoteError).message;
    }
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    this.#child.stdin!.end();
    await this.#ended;
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #onAnswer(line: string): void {
    const answer = JSON.parse(line) as { id: number; value?: unknown; error?: RemoteError };
    const { resolve, reject } = this.#waiting.get(answer.id)!;
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) resolve(answer.value);
    else reject(answer.error);
  }
}

// The other end.

let vault: EmbeddedVault | undefined;
let lease: Lease | undefined;
let raw: DatabaseSync | undefined;
const notices: string[] = [];

/** What can be called there: these, and every method of the vault. */
const CALLS: Record<string, (...args: never[]) => unknown> = {
  shred: (kek: KekSelector) => vault!.keks.shred(kek),
  open: async (options: OpenVaultOptions) => {
    vault = await openVault({ ...options, onNotice: (notice) => void notices.push(notice) });
    return { environmentId: vault.environmentId, notices };
  },
  close: () => vault!.close(),
  takeLease: async (context: Record<string, string>) => {
    lease = await vault!.lease(context);
  },
  leaseEncrypt: (data: string) => lease!.encryptSync(data),
  leaseDecrypt: (text: string) => lease!.decryptSync(text),
  list: async (request: object) => await vault!.listKv(request),
  /** Takes SQLite's lock on a file and keeps it. */
  holdLock: (path: string) => {
    raw = new DatabaseSync(path, { timeout: 10_000 });
    raw.exec("BEGIN IMMEDIATE");
  },
  /** Reads from a file and goes on looking at what was then. */
  holdRead: (path: string) => {
    raw = new DatabaseSync(path, { timeout: 10_000 });
    raw.exec("BEGIN; SELECT count(*) FROM kek_versions");
    raw.prepare("SELECT count(*) AS n FROM kek_versions").get();
  },
  /** What a shred writes, and nothing after it. */
  holdLockAndErase: (path: string) => {
    raw = new DatabaseSync(path, { timeout: 10_000 });
    raw.exec("PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0");
    raw.exec("UPDATE kek_versions SET state = 'destroyed', wrapped = NULL");
  },
  letGo: () => {
    raw!.exec("ROLLBACK");
    raw!.close();
  },
  exit: () => process.exit(0),
};

async function answer(line: string): Promise<void> {
  const { id, call, args } = JSON.parse(line) as { id: number; call: string; args: never[] };
  let out: object;
  try {
    const own = CALLS[call];
    const value =
      own === undefined
        ? await (vault as unknown as Record<string, (...args: never[]) => unknown>)[call]!(...args)
        : await own(...args);
    out = { id, value: value ?? null };
  } catch (error) {
    const { name, message, code, retryable } = error as RemoteError;
    out = { id, error: { name, message, code, retryable } };
  }
  process.stdout.write(`${JSON.stringify(out)}\n`);
}

if (process.argv[1] === SELF) {
  const lines = createInterface({ input: process.stdin });
  lines.on("line", (line) => void answer(line));
  lines.on("close", async () => {
    await vault?.close();
    process.exit(0);
  });
}

/**
 * What all parts of a soak share: they start writers, end them, and compare what they have said with what the vault holds.
 *
 * Owns the writers' processes and the folder of a part. Must not know what goes wrong under them.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openFileHost, type VaultHost } from "../../src/vault/index.ts";
import type { Account } from "./account.ts";
import type { Line, WriterOrder } from "./writer.ts";

/** How long and how often a part runs. */
export interface Run {
  readonly rounds: number;
  readonly isShort: boolean;
  readonly seed: number;
  /** A number below another one, by the seed. */
  readonly pick: (below: number) => number;
}

/** Does its rounds; a text says why it cannot be done here. */
export type Part = (run: Run) => Promise<Account | string>;

/** Of all vaults of soaks. */
export const ROOT_KEY = Buffer.alloc(32, 9).toString("base64");
/** Processes on one vault. */
export const PROCESSES = 3;
const WRITER = join(import.meta.dirname, "writer.ts");
const WRITERS = 3;
/** How long a process may live at most. */
const LIFE_MS_MAX = 30_000;

const running = new Set<ChildProcess>();

/** Ends all writers that are under way. */
export function endWriters(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** A writer under way. */
export interface Writing {
  readonly child: ChildProcess;
  /** When it has said something, or has ended. */
  readonly spoke: Promise<unknown>;
  /** What it has said, once it has ended. */
  readonly said: Promise<Line[]>;
}

/** Starts a writer. */
export function write(
  order: Partial<WriterOrder> & { where: string; label: string },
  env: object = {},
): Writing {
  const whole = { rootKey: ROOT_KEY, writers: WRITERS, forMs: LIFE_MS_MAX, ...order };
  const child = spawn(process.execPath, [WRITER, JSON.stringify(whole)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
  });
  running.add(child);
  let output = "";
  const spoke = new Promise<void>((resolve) => {
    child.stdout!.once("data", () => resolve());
    child.once("close", () => resolve());
  });
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const said = new Promise<Line[]>((resolve) => {
    child.once("close", () => {
      running.delete(child);
      const lines = output.split("\n");
      lines.pop(); // What comes after the last line's end was cut off, or nothing.
      resolve(lines.map((line) => JSON.parse(line) as Line));
    });
  });
  return { child, spoke, said };
}

/** Opens what writers have left, compares all of it, and closes it again. */
export async function compare(account: Account, open: () => Promise<VaultHost>): Promise<void> {
  const host = await open();
  try {
    const { id } = await host.environment("default");
    await account.compare(host, host.session(id, { actor: { id: "soak", name: "soak", source: "api" } }));
  } finally {
    await host.close();
  }
}

/** Opens the vault of a file. */
export const openFile = (path: string) => () => openFileHost({ path, rootKey: ROOT_KEY, onNotice: () => {} });

/** What SQLite itself says of a file. */
export function checkFile(account: Account, path: string): void {
  const database = new DatabaseSync(path);
  try {
    const integrity = database.prepare("PRAGMA integrity_check").all();
    const keys = database.prepare("PRAGMA foreign_key_check").all();
    if (integrity.length === 1 && integrity[0]!.integrity_check === "ok" && keys.length === 0) return;
    account.wrong += 1;
    console.log(`soak: wrong: the file is not sound: ${path}`);
  } finally {
    database.close();
  }
}

/** Runs with a directory, which is kept if something came out badly. */
export async function inDirectory(
  account: Account,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "coffer-soak-"));
  await work(directory);
  if (account.lost + account.wrong > 0) console.log(`soak: what is left is in ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}

/**
 * Embedded vaults for tests: in directories that go away afterwards, with a root key that is always the same.
 *
 * Owns what is opened and made here, and closes and removes it after the file's tests. Must not know what the tests
 * do with it.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll } from "vitest";
import type { HostSession, VaultHost } from "../../src/vault/host.ts";
import { type EmbeddedVault, type OpenFileOptions, openVault } from "../../src/vault/index.ts";
import { openFileHost } from "../../src/vault/open-vault.ts";

/** 32 bytes, 01 02 03 … 20, in base64. */
export const ROOT_KEY = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

/** More than any vault of these tests has. */
const FILES_BYTES_MAX = 256 * 1024 * 1024;

const opened: EmbeddedVault[] = [];
const directories: string[] = [];

afterAll(async () => {
  for (const vault of opened) await vault.close();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A new directory, empty; `fast`: in memory where the system has such a place, for tests that open many files. */
export function freshDirectory(fast = false): string {
  const base = fast && existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const directory = mkdtempSync(join(base, "coffer-vault-test-"));
  directories.push(directory);
  return directory;
}

/** A path at which nothing is yet. */
export function freshPath(fast = false): string {
  return join(freshDirectory(fast), "vault.db");
}

/** Opens a vault with the tests' root key, in memory unless a path is given. */
export async function openTestVault(options: Partial<OpenFileOptions> = {}): Promise<EmbeddedVault> {
  const vault = await openVault({ path: ":memory:", rootKey: ROOT_KEY, onNotice: () => {}, ...options });
  opened.push(vault);
  return vault;
}

/** Runs `work` on the tables of a vault's file, past the vault; constraints do not hold. */
export function tamper<T>(path: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  try {
    database.exec("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
    return work(database);
  } finally {
    database.close();
  }
}

/** Makes writes to a vault's file wait, as those of another process would, until the function that it answers is called. */
export async function stallFile(path: string): Promise<() => Promise<void>> {
  const other = new DatabaseSync(path, { timeout: 5_000 });
  other.exec("BEGIN IMMEDIATE");
  return async () => {
    other.exec("ROLLBACK");
    other.close();
  };
}

/**
 * All bytes of a vault's files, one after the other: the database, its journal, the index of the journal. Read by another
 * process: one that opens and closes the file itself loses all its locks on it (POSIX), and with them its journal.
 */
export function filesOf(path: string): Buffer {
  const names = readdirSync(dirname(path)).filter((name) =>
    /^(-wal|-shm|-journal)?$/.test(suffix(name, path)),
  );
  const files = names.map((name) => join(dirname(path), name));
  return execFileSync("cat", ["--", ...files], { maxBuffer: FILES_BYTES_MAX });
}

function suffix(name: string, path: string): string {
  return name.startsWith(basename(path)) ? name.slice(basename(path).length) : "-another file";
}

/** A clock that stands still until it is told. */
export class TestClock {
  time = Date.UTC(2026, 0, 1);

  readonly now = (): number => this.time;

  advance(milliseconds: number): void {
    this.time += milliseconds;
  }
}

/** Waits until `isSo`, with a bound that only a broken program reaches. */
export async function eventually(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const until = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > until) throw new Error(`never came about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Opens a vault's host with the tests' root key, in memory unless a path is given; the test closes it. */
export function openTestHost(options: Partial<OpenFileOptions> = {}): Promise<VaultHost> {
  return openFileHost({ path: ":memory:", rootKey: ROOT_KEY, onNotice: () => {}, ...options });
}

/** Who opens the sessions of tests. */
export const TEST_ACTOR = { id: "user_test", name: "Test", source: "api" } as const;

/** The services of an environment, which is made if need be. */
export async function sessionOf(host: VaultHost, environment = "default"): Promise<HostSession> {
  return host.session((await host.environment(environment)).id, { actor: TEST_ACTOR });
}

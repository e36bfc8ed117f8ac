/**
 * A vault's file on SQLite, opened.
 *
 * Owns the file and its directory: where they may be made, with which modes, and that the runtime has `node:sqlite`. Must
 * not know what is in the file.
 *
 * @module
 */
import { closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isVaultError, VaultError } from "../../../errors.ts";
import { syncDirectory } from "../../files/atomic-file.ts";
import { checkRuntime } from "../../needed-runtime.ts";
import type { Database } from "../database.ts";
import { SqliteConnection } from "./connection.ts";
import { BLOCKING_WAIT_MS, SqliteDatabase } from "./database.ts";
import { fileError, translating } from "./errors.ts";

/** Mode of the file and of the directory made for it: only their owner may read them. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Path that means "in memory", as SQLite has it. */
export const IN_MEMORY = ":memory:";

/** How a vault's file is opened. */
export interface SqliteOptions {
  /** Make the file if there is none. */
  readonly create: boolean;
  /** Milliseconds to wait for a lock. */
  readonly lockWaitMs: number;
}

/**
 * Opens the database, makes it if allowed, and brings its tables to the newest version.
 *
 * @throws VaultError ERR_VAULT_NOT_FOUND, ERR_STORAGE_CORRUPT (not a coffer vault, or damaged), ERR_STORAGE_SCHEMA (made by
 *   a newer coffer), ERR_STORAGE_BUSY, ERR_STORAGE_READ_ONLY, ERR_STORAGE_FULL, ERR_STORAGE_UNAVAILABLE, ERR_UNSUPPORTED (a
 *   runtime without `node:sqlite`). What it answers with fails with ERR_VAULT_LOST from when its file is removed or replaced:
 *   before a write is answered, within a second elsewhere.
 */
export async function openSqlite(path: string, options: SqliteOptions): Promise<Database> {
  checkRuntime();
  if (path !== IN_MEMORY) prepareFile(path, options.create);
  // An absolute path, because SQLite would take one that begins with "file:" for a URI, and open another file.
  const file = path === IN_MEMORY ? path : resolve(path);
  const known = path === IN_MEMORY ? undefined : file;
  const { DatabaseSync } = loadSqlite();
  const opened = translating(() => new DatabaseSync(file, { timeout: BLOCKING_WAIT_MS }), known);
  const database = new SqliteDatabase(new SqliteConnection(opened, known), options.lockWaitMs);
  try {
    await database.initialize(options.create);
  } catch (error) {
    opened.close();
    throw error;
  }
  return database;
}

/** When a vault is opened and not at import: where it is missing, an import would fail without a word on why. */
export function loadSqlite(): typeof import("node:sqlite") {
  const sqlite = process.getBuiltinModule("node:sqlite");
  if (sqlite !== undefined) return sqlite;
  throw new VaultError("ERR_UNSUPPORTED", `coffer/vault needs node:sqlite, which this runtime has not`);
}

/** Makes directory and file with modes that keep others out, before SQLite would make them with looser ones. */
function prepareFile(path: string, create: boolean): void {
  try {
    if (!statSync(path).isFile())
      throw new VaultError("ERR_STORAGE_UNAVAILABLE", "the vault's path is not a file");
    return;
  } catch (error) {
    if (isVaultError(error)) throw error;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fileError(error);
  }
  if (!create) throw new VaultError("ERR_VAULT_NOT_FOUND", "there is no vault at this path");
  try {
    makeDirectory(dirname(path));
    closeSync(openSync(path, "a", FILE_MODE));
    syncDirectory(dirname(path));
  } catch (error) {
    throw fileError(error);
  }
}

/** Makes a directory and those above it. Node's own recursive call never ends where one cannot be made, as in /proc. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, DIRECTORY_MODE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    makeDirectory(dirname(path));
    mkdirSync(path, DIRECTORY_MODE);
  }
}

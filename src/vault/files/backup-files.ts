/**
 * What backups and restores do with files, and its errors as ours.
 *
 * Owns the table of these errors. Must not know what is in the files.
 *
 * @module
 */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isVaultError, VaultError } from "../../errors.ts";
import { fileError, sqliteError } from "../storage/sqlite/errors.ts";

/** Runs `work`, whose errors are told as ours. */
export async function translating<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asVaultError(error);
  }
}

/** A directory that only this user may look into; the caller's to remove. */
export function privateDirectory(): Promise<string> {
  return translating(() => mkdtempSync(join(tmpdir(), "coffer-backup-")));
}

/** A failure of SQLite or of the file system as ours. */
export function asVaultError(error: unknown): VaultError {
  if (isVaultError(error)) return error;
  if ((error as NodeJS.ErrnoException).code === "EEXIST") return exists();
  return sqliteError(error, undefined) ?? fileError(error);
}

/** Of a file that is in the way. */
export function exists(): VaultError {
  return new VaultError("ERR_FILE_EXISTS", "there is a file of this name: it is not replaced");
}

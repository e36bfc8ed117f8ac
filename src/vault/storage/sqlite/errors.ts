/**
 * SQLite's errors and those of the file system, as ours.
 *
 * Owns the one table from their codes to our code, words that a person can act on, and whether to try again; which codes of a
 * COMMIT leave unknown what happened; and how the system's own reason is found out, which SQLite does not tell. Must not
 * know statements or transactions.
 *
 * @module
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { VaultError } from "../../../errors.ts";
import { failureOf, type Meaning, meaning } from "../meaning.ts";

const DISK_FULL = meaning("ERR_STORAGE_FULL", "the disk is full: make room");
const READ_ONLY = meaning(
  "ERR_STORAGE_READ_ONLY",
  "the vault's file is read-only: check its rights, its directory's, and how the file system is mounted",
);
const NOT_ALLOWED = meaning(
  "ERR_STORAGE_UNAVAILABLE",
  "the system does not allow this process to use the vault's files: check their rights and owner",
);

/** errno of file calls. */
const SYSTEM: Readonly<Record<string, Meaning>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: meaning("ERR_STORAGE_FULL", "the disk quota is used up: make room"),
  EFBIG: meaning("ERR_STORAGE_FULL", "the vault's files may not grow further (ulimit -f)"),
  EROFS: meaning("ERR_STORAGE_READ_ONLY", "the file system is read-only"),
  EACCES: NOT_ALLOWED,
  EPERM: NOT_ALLOWED,
  EMFILE: meaning("ERR_STORAGE_UNAVAILABLE", "this process has no file descriptor left (ulimit -n)", true),
  ENFILE: meaning("ERR_STORAGE_UNAVAILABLE", "this machine has no file descriptor left", true),
  ENOTDIR: meaning("ERR_STORAGE_UNAVAILABLE", "a part of the vault's path is not a directory"),
  EIO: meaning("ERR_STORAGE_UNAVAILABLE", "the disk failed: see the system's log"),
};

/** SQLite's primary result codes (sqlite.org/rescode.html): names and meanings. */
const CODES: Readonly<Record<number, readonly [name: string, meaning: Meaning]>> = {
  5: ["BUSY", meaning("ERR_STORAGE_BUSY", "another process holds the vault's lock", true)],
  6: ["LOCKED", meaning("ERR_STORAGE_BUSY", "the vault is locked by another call", true)],
  7: ["NOMEM", meaning("ERR_STORAGE_UNAVAILABLE", "this process is out of memory", true)],
  8: ["READONLY", READ_ONLY],
  10: [
    "IOERR",
    meaning(
      "ERR_STORAGE_UNAVAILABLE",
      "the disk or file system failed: see its space, its limits and the system's log",
    ),
  ],
  11: ["CORRUPT", meaning("ERR_STORAGE_CORRUPT", "the vault's file is damaged or not a database")],
  13: ["FULL", DISK_FULL],
  14: [
    "CANTOPEN",
    meaning("ERR_STORAGE_UNAVAILABLE", "the vault's files cannot be opened: check path and rights"),
  ],
  15: ["PROTOCOL", meaning("ERR_STORAGE_BUSY", "other processes hold the vault's locks", true)],
  19: [
    "CONSTRAINT",
    meaning("ERR_STORAGE_UNAVAILABLE", "the vault refused a change that breaks its own rules"),
  ],
  22: ["NOLFS", meaning("ERR_STORAGE_FULL", "the file system cannot hold so large a file")],
  26: ["NOTADB", meaning("ERR_STORAGE_CORRUPT", "the vault's file is damaged or not a database")],
};
const CODE_UNKNOWN = meaning("ERR_STORAGE_UNAVAILABLE", "the storage failed");

/** Extended codes that tell more. */
const IOERR_WRITE = 778;
const EXTENDED: Readonly<Record<number, string>> = {
  266: "IOERR_READ",
  522: "IOERR_SHORT_READ",
  [IOERR_WRITE]: "IOERR_WRITE",
  1034: "IOERR_FSYNC",
  1290: "IOERR_DIR_FSYNC",
  1546: "IOERR_TRUNCATE",
  3850: "IOERR_LOCK",
  4618: "IOERR_SHMOPEN",
  4874: "IOERR_SHMSIZE",
  5130: "IOERR_SHMLOCK",
  5386: "IOERR_SHMMAP",
  1032: "READONLY_DBMOVED",
  1544: "READONLY_DIRECTORY",
};

const PRIMARY_IOERR = 10;
const PRIMARY_CANTOPEN = 14;
/** A COMMIT that fails with these has written no end of the transaction: busy, read-only, full, a rule of the tables. */
const NOT_COMMITTED = new Set([5, 8, 13, 19]);
/** Bytes that the system is asked to take to learn why SQLite's were refused: as many as its shared index grows by at once. */
const PROBE_BYTES = 32_768;

/** What is left of SQLite's or the system's error: its code. */
class StorageCause extends Error {
  override readonly name: string;
  readonly code: string;

  constructor(name: string, code: string, cause?: unknown) {
    super(code, cause === undefined ? undefined : { cause });
    this.name = name;
    this.code = code;
  }
}

/** SQLite's code, with what it adds to its primary one; undefined if it was not SQLite. */
function codeOf(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown }).errcode;
  return typeof code === "number" ? code : undefined;
}

/** The low byte is the primary code (sqlite.org/rescode.html, section 2). */
function primaryOf(code: number): number {
  return code & 0xff;
}

/**
 * Whether it is not known if a COMMIT that failed so has happened. SQLite writes a transaction's last frame, syncs, and enters it
 * into its index: a failure after the first leaves on the disk what a later opening may take for committed.
 */
export function isOutcomeUnknown(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && code !== IOERR_WRITE && !NOT_COMMITTED.has(primaryOf(code));
}

/**
 * SQLite's error as ours; undefined for any other.
 *
 * @param path - of the vault's file, to ask the system why; undefined in memory
 */
export function sqliteError(error: unknown, path: string | undefined): VaultError | undefined {
  const code = codeOf(error);
  if (code === undefined) return undefined;
  const primary = primaryOf(code);
  const [short, known] = CODES[primary] ?? [String(primary), CODE_UNKNOWN];
  const name = `SQLITE_${EXTENDED[code] ?? short}`;
  const asks = path !== undefined && (primary === PRIMARY_IOERR || primary === PRIMARY_CANTOPEN);
  const reason = asks ? reasonOf(path) : undefined;
  const found = (reason === undefined ? undefined : SYSTEM[reason]) ?? known;
  const cause = new StorageCause(
    "SqliteError",
    name,
    reason === undefined ? undefined : new StorageCause("SystemError", reason),
  );
  return failureOf(found, reason === undefined ? name : `${name}, ${reason}`, cause);
}

/** What a failed call of the file system means. */
export function fileError(error: unknown): VaultError {
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  const found =
    SYSTEM[code] ??
    meaning("ERR_STORAGE_UNAVAILABLE", "the vault's files cannot be used: check path and rights");
  return failureOf(found, code, error);
}

/** Does what SQLite could not, to hear the system's own word: opens the file, and writes beside it. */
function reasonOf(path: string): string | undefined {
  const probe = `${path}.probe-${process.pid}`;
  let isMade = false;
  try {
    closeSync(openSync(path, "r+"));
    const fd = openSync(probe, "wx", 0o600);
    isMade = true;
    try {
      const bytes = new Uint8Array(PROBE_BYTES);
      for (let written = 0; written < PROBE_BYTES; ) written += writeSync(fd, bytes, written);
    } finally {
      closeSync(fd);
    }
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    if (isMade) rmSync(probe, { force: true });
  }
}

/** A row that the schema does not allow. */
export function damaged(): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", "a stored row is damaged in the vault's file");
}

/** Runs `work`, whose errors are told as ours. @param path - of the file; undefined in memory */
export function translating<T>(work: () => T, path: string | undefined): T {
  try {
    return work();
  } catch (error) {
    throw translate(error, path);
  }
}

/** SQLite's error as ours; anything else as it is. SQLite's texts name tables and columns, never values. */
export function translate(error: unknown, path: string | undefined): unknown {
  // node:sqlite refuses to read integers beyond 2^53. coffer writes none.
  if ((error as { code?: unknown }).code === "ERR_OUT_OF_RANGE") return damaged();
  return sqliteError(error, path) ?? error;
}

/**
 * A rekey of a file without moving its body: the header alone is written anew.
 *
 * Owns the order of steps by which that survives a crash and two at once, and what users are told of it. The journal
 * (rekey-journal.ts) is written first, and is the lock. Must not know how keys are wrapped.
 *
 * @module
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { equalBytes } from "../../base/bytes.ts";
import { NATIVE_PREFIX_BYTES } from "../../crypto/native/format.ts";
import { isOther, syncDirectory } from "../../vault/files/atomic-file.ts";
import { CliError, systemReason } from "../errors.ts";
import {
  findJournal,
  headerState,
  journalPath,
  readAt,
  removeJournal,
  writeJournal,
} from "./rekey-journal.ts";

/**
 * Milliseconds after which a journal counts as left, even if a process has its writer's id: writing 64 KiB takes
 * less, and ids are given out again.
 */
const UNDER_WAY_MS = 60_000;

/**
 * Looks whether the header of a file is whole, before it is read.
 *
 * @throws CliError ERR_INPUT_UNREADABLE if a rekey of it was interrupted between old and new header
 */
export function checkHeaderWhole(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch {
    return; // The next call that opens it says why it cannot.
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return;
    const found = findJournal(realpathSync(path), stats.uid);
    if (found.kind !== "journal" || headerState(found.journal, fd, stats.size) !== "torn") return;
  } catch (error) {
    throw new CliError("ERR_INPUT_UNREADABLE", `the file cannot be read (${systemReason(error)})`);
  } finally {
    closeSync(fd);
  }
  throw new CliError(
    "ERR_INPUT_UNREADABLE",
    "a rekey of this file is under way or was interrupted: its header is half old, half new",
    "`coffer rekey-file` on the same file finishes it",
  );
}

/**
 * Ends what an interrupted rekey has left: a torn header is completed, and the journal goes.
 *
 * @param path - the file's own path, not that of a link to it: the journal stands beside it
 * @param fd - the file, open to read and write
 * @returns what was found: `finished` if the header was completed, or had been
 * @throws CliError ERR_OUTPUT_FAILED
 */
export function finishRekey(path: string, fd: number): "finished" | "undone" | "stale" | "nothing" {
  return failing(() => {
    const { uid, size } = fstatSync(fd);
    const found = findJournal(path, uid);
    if (found.kind !== "journal") return "nothing";
    const { journal, stats } = found;
    if (isOther(journal.writer) && Date.now() - stats.mtimeMs < UNDER_WAY_MS) throw underWay();
    const state = headerState(journal, fd, size);
    if (state === "torn") writeHeader(fd, journal.new);
    removeJournal(path, stats);
    return state === "other" ? "stale" : state === "old" ? "undone" : "finished";
  });
}

/**
 * Writes a header of the same length over the old one.
 *
 * @param fd - the file, open to read and write
 * @param old - the header that the new one was made for
 * @throws CliError ERR_OUTPUT_FAILED; what was begun, {@link finishRekey} ends
 */
export function replaceHeader(path: string, fd: number, old: Uint8Array, header: Uint8Array): void {
  failing(() => {
    const { size, uid } = fstatSync(fd);
    const prefix = readAt(fd, old.length, NATIVE_PREFIX_BYTES);
    removeEmptyJournal(path, uid);
    try {
      writeJournal(path, { writer: process.pid, size, prefix, old, new: header });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (findJournal(path, uid).kind !== "foreign") throw underWay();
      throw new CliError(
        "ERR_OUTPUT_FAILED",
        "the file's name with .rekey added, where its journal goes, is taken by something else: nothing was changed",
        "move that file away, or write a new file with --out",
      );
    }
    const found = findJournal(path, uid);
    if (found.kind !== "journal") throw underWay();
    // The process that had the lock before may have changed the header since it was read, or another file may stand here.
    if (!isSame(path, fd, old)) {
      removeJournal(path, found.stats);
      throw changed();
    }
    try {
      writeHeader(fd, header);
    } catch (error) {
      // Half a header must not stay without its journal.
      if (!equalBytes(readAt(fd, 0, old.length), old)) throw halfWritten(error);
      removeJournal(path, found.stats);
      throw error;
    }
    removeJournal(path, found.stats);
  });
}

function isSame(path: string, fd: number, old: Uint8Array): boolean {
  const mine = fstatSync(fd);
  const now = statSync(path);
  return mine.ino === now.ino && mine.dev === now.dev && equalBytes(readAt(fd, 0, old.length), old);
}

function changed(): CliError {
  return new CliError(
    "ERR_OUTPUT_FAILED",
    "the file has been changed by another process meanwhile: nothing was written",
    "try again",
  );
}

/** A journal's name that was taken and not filled, where files cannot be linked: it has nothing to lose. */
function removeEmptyJournal(path: string, owner: number): void {
  if (findJournal(path, owner).kind !== "foreign") return;
  const journal = journalPath(path);
  const stats = lstatSync(journal, { throwIfNoEntry: false });
  if (stats === undefined || !stats.isFile() || stats.size !== 0) return;
  if (stats.uid !== owner && stats.uid !== process.geteuid?.()) return;
  rmSync(journal, { force: true });
  syncDirectory(dirname(journal));
}

function writeHeader(fd: number, header: Uint8Array): void {
  for (let at = 0; at < header.length; ) at += writeSync(fd, header, at, header.length - at, at);
  fsyncSync(fd);
}

function halfWritten(error: unknown): CliError {
  return new CliError(
    "ERR_OUTPUT_FAILED",
    `the file's header could not be written to its end (${systemReason(error)})`,
    "`coffer rekey-file` on the same file finishes it, once it can be written",
  );
}

function underWay(): CliError {
  return new CliError(
    "ERR_OUTPUT_FAILED",
    "another rekey of this file is under way: nothing was changed",
    "try again when it has ended",
  );
}

function failing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError("ERR_OUTPUT_FAILED", `the file cannot be written (${systemReason(error)})`);
  }
}

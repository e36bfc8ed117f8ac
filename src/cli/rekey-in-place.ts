/**
 * A rekey of a file without moving its body: the header alone is written anew.
 *
 * Owns how that survives a crash. The new header goes into a journal beside the file first; whoever finds a complete
 * journal writes it again, which does no harm twice; an incomplete one means that the file was not touched. Must not
 * know how keys are wrapped.
 *
 * @module
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { concatBytes, equalBytes } from "../crypto/bytes.ts";
import { hash } from "../crypto/hash.ts";
import { NATIVE_HEADER_BYTES_MAX } from "../crypto/native-format.ts";
import { CliError, systemReason } from "./errors.ts";
import { syncDirectory } from "./file-streams.ts";
import { writeAll } from "./io.ts";

const JOURNAL_SUFFIX = ".rekey";
const FILE_MODE = 0o600;
/** Bytes of the SHA-256 at the end of a journal, by which a complete one is known. */
const CHECK_BYTES = 32;

/** @throws CliError ERR_INPUT_UNREADABLE if a rekey of the file was interrupted: its header may be half old, half new */
export function checkNoJournal(path: string): void {
  if (!existsSync(journalOf(path))) return;
  throw new CliError(
    "ERR_INPUT_UNREADABLE",
    "a rekey of this file is under way or was interrupted",
    "`coffer rekey-file` on the same file finishes it",
  );
}

/**
 * Finishes a rekey that was interrupted.
 *
 * @param file - open to read and write
 * @returns whether there was one
 */
export async function finishRekey(path: string, file: FileHandle): Promise<boolean> {
  const journal = journalOf(path);
  if (!existsSync(journal)) return false;
  const header = readJournal(journal);
  if (header !== undefined) await writeHeader(file, header);
  rmSync(journal);
  syncDirectory(dirname(path));
  return header !== undefined;
}

/**
 * Writes a header of the same length over the old one.
 *
 * @param file - open to read and write
 * @throws CliError ERR_OUTPUT_FAILED; what was begun, {@link finishRekey} finishes
 */
export async function replaceHeader(path: string, file: FileHandle, header: Uint8Array): Promise<void> {
  const journal = journalOf(path);
  try {
    const fd = openSync(journal, "wx", FILE_MODE);
    try {
      writeAll(fd, concatBytes(header, hash.sha256(header)));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncDirectory(dirname(path));
    await writeHeader(file, header);
    rmSync(journal);
    syncDirectory(dirname(path));
  } catch (error) {
    throw new CliError("ERR_OUTPUT_FAILED", `the file cannot be written (${systemReason(error)})`);
  }
}

async function writeHeader(file: FileHandle, header: Uint8Array): Promise<void> {
  for (let at = 0; at < header.length; ) at += writeSync(file.fd, header, at, header.length - at, at);
  await file.sync();
}

/** The header in a journal; undefined if it was not written to its end. */
function readJournal(path: string): Uint8Array | undefined {
  const { size } = lstatSync(path);
  if (size <= CHECK_BYTES || size > NATIVE_HEADER_BYTES_MAX + CHECK_BYTES) return undefined;
  const bytes = new Uint8Array(readFileSync(path));
  const header = bytes.subarray(0, -CHECK_BYTES);
  return equalBytes(hash.sha256(header), bytes.subarray(-CHECK_BYTES)) ? header : undefined;
}

const journalOf = (path: string): string => `${path}${JOURNAL_SUFFIX}`;

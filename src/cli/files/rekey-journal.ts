/**
 * The journal of a rekey in place: what a crash between two writes of a header is mended from.
 *
 * Owns the journal's name and bytes (docs/spec/native-envelope.md section 8.1), which files it is taken for, and
 * whether it belongs to the file that stands there now. Must not know how keys are wrapped, nor what users are told.
 *
 * @module
 */
import { lstatSync, readFileSync, readSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ascii, concatBytes, equalBytes, toHex, utf8 } from "../../base/bytes.ts";
import {
  NATIVE_HEADER_BYTES_MAX,
  NATIVE_PREFIX_BYTES,
  parseNativeHeader,
} from "../../crypto/native/format.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { AtomicFile, cutName, NAME_BYTES_MAX, syncDirectory } from "../../vault/files/atomic-file.ts";

const SUFFIX = ".rekey";
const MAGIC = ascii("CFR-RKY1");
/** Magic, process id, header length, file size; then the file's salt and commitment. */
const HEAD_BYTES = 24;
const HEADERS_AT = HEAD_BYTES + NATIVE_PREFIX_BYTES;
/** Bytes of the SHA-256 at the end. */
const CHECK_BYTES = 32;
const JOURNAL_BYTES_MAX = HEADERS_AT + 2 * NATIVE_HEADER_BYTES_MAX + CHECK_BYTES;

/** Hexadecimal digits of a long name's digest that stand in the journal's name. */
const NAME_DIGEST_DIGITS = 16;
const OTHERS_WRITE = 0o022;
const ROOT = 0;

/** What is written down before a header is changed. */
export interface Journal {
  /** The process that does it. */
  readonly writer: number;
  /** Bytes of the whole file. */
  readonly size: number;
  /** The file's first bytes behind the header, which no other message has. */
  readonly prefix: Uint8Array;
  readonly old: Uint8Array;
  readonly new: Uint8Array;
}

/** What stands in the journal's place. */
export type Found =
  | { readonly kind: "nothing" }
  /** No journal, or one of another owner: it is neither used nor removed. */
  | { readonly kind: "foreign" }
  | { readonly kind: "journal"; readonly journal: Journal; readonly stats: Stats };

/**
 * How a file's header stands to a journal: `old` or `new` as written down, `torn` between the two; `other` if the
 * journal is not about what stands there.
 */
export type HeaderState = "old" | "new" | "torn" | "other";

/** The journal's path. A long name is cut and told apart by its digest, so that every file can have one. */
export function journalPath(path: string): string {
  const name = basename(path);
  if (Buffer.byteLength(name) + SUFFIX.length <= NAME_BYTES_MAX) return join(dirname(path), name + SUFFIX);
  const digest = toHex(hash.sha256(utf8(name, "name"))).slice(0, NAME_DIGEST_DIGITS);
  const suffix = `.${digest}${SUFFIX}`;
  return join(dirname(path), cutName(name, NAME_BYTES_MAX - suffix.length) + suffix);
}

/** Makes a file's journal, durable with its name. @throws EEXIST if there is one; what the system says */
export function writeJournal(path: string, journal: Journal): void {
  const head = new Uint8Array(HEAD_BYTES);
  head.set(MAGIC);
  const view = new DataView(head.buffer);
  view.setUint32(8, journal.writer);
  view.setUint32(12, journal.old.length);
  view.setBigUint64(16, BigInt(journal.size));
  const bytes = concatBytes(head, journal.prefix, journal.old, journal.new);
  const file = new AtomicFile(journalPath(path), { replace: false });
  try {
    file.writeSync(concatBytes(bytes, hash.sha256(bytes)));
    file.commitSync();
  } finally {
    file.discard();
  }
}

/**
 * Looks for a file's journal.
 *
 * @param owner - who owns the file: beside this process's user and root, the one whose journal is believed
 * @throws what the system says
 */
export function findJournal(path: string, owner: number): Found {
  const journal = journalPath(path);
  let stats: Stats;
  try {
    stats = lstatSync(journal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { kind: "nothing" };
    throw error;
  }
  const isTrusted = [process.geteuid?.() ?? stats.uid, owner, ROOT].includes(stats.uid);
  const isOnlyTheirs = process.platform === "win32" || (stats.mode & OTHERS_WRITE) === 0;
  if (!stats.isFile() || !isTrusted || !isOnlyTheirs || stats.size > JOURNAL_BYTES_MAX) {
    return { kind: "foreign" };
  }
  const parsed = parseJournal(new Uint8Array(readFileSync(journal)));
  return parsed === undefined ? { kind: "foreign" } : { kind: "journal", journal: parsed, stats };
}

/** Takes the journal away, if it is still this one. */
export function removeJournal(path: string, { ino, dev }: Stats): void {
  const journal = journalPath(path);
  const now = lstatSync(journal, { throwIfNoEntry: false });
  if (now === undefined || now.ino !== ino || now.dev !== dev) return;
  rmSync(journal, { force: true });
  syncDirectory(dirname(journal));
}

/** Takes away the journal of a file that another one has replaced. What is no journal stays. */
export function dropJournal(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  const found = findJournal(path, stats?.uid ?? ROOT);
  if (found.kind === "journal") removeJournal(path, found.stats);
}

/** @param fd - the file, open to read */
export function headerState(journal: Journal, fd: number, size: number): HeaderState {
  if (size !== journal.size) return "other";
  const { length } = journal.old;
  const bytes = readAt(fd, 0, length + NATIVE_PREFIX_BYTES);
  if (!equalBytes(bytes.subarray(length), journal.prefix)) return "other";
  const header = bytes.subarray(0, length);
  if (equalBytes(header, journal.new)) return "new";
  if (equalBytes(header, journal.old)) return "old";
  // Zeros are what some file systems leave of a sector that they were about to write.
  const isMixed = header.every(
    (byte, at) => byte === journal.old[at] || byte === journal.new[at] || byte === 0,
  );
  // The same message under a third header was put there whole, by a restore for instance.
  return isMixed || !isHeader(header) ? "torn" : "other";
}

/** Reads as many bytes as there are, up to `length`. */
export function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const count = readSync(fd, bytes, at, length - at, offset + at);
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

function isHeader(bytes: Uint8Array): boolean {
  try {
    return parseNativeHeader(bytes).bytes === bytes.length;
  } catch {
    return false;
  }
}

function parseJournal(bytes: Uint8Array): Journal | undefined {
  if (bytes.length < HEADERS_AT || !equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(12);
  const end = HEADERS_AT + 2 * length;
  if (bytes.length !== end + CHECK_BYTES) return undefined;
  if (!equalBytes(hash.sha256(bytes.subarray(0, end)), bytes.subarray(end))) return undefined;
  const journal = {
    writer: view.getUint32(8),
    size: Number(view.getBigUint64(16)),
    prefix: bytes.subarray(HEAD_BYTES, HEADERS_AT),
    old: bytes.subarray(HEADERS_AT, HEADERS_AT + length),
    new: bytes.subarray(HEADERS_AT + length, end),
  };
  return isHeader(journal.old) && isHeader(journal.new) ? journal : undefined;
}

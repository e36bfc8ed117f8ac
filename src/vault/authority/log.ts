/**
 * The log of changes of authority (docs/spec/authority.md section 3).
 *
 * Owns the chain of entries, its head and its snapshot: how they are written, and how what others have written is read.
 * Must not know what the entries' subjects are.
 *
 * @module
 */
import { compareBytes, concatBytes, EMPTY, equalBytes, isUint8Array, utf8 } from "../../base/bytes.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { VaultError } from "../../errors.ts";
import { AUTHORITY_LOG_MAX } from "../limits.ts";
import type { Row, Sql } from "../storage/database.ts";
import { insertRow } from "../storage/statements.ts";
import { MAC_BYTES, type Macs } from "./macs.ts";

/** What is changed. */
export type ChangeKind =
  | "rotate"
  | "disable"
  | "enable"
  | "shred"
  | "revoke"
  | "webhook"
  | "environment"
  | "senders"
  | "renew";

/** The row of `meta` that says where the log ends. */
const HEAD_NAME = "authority_head";
/** The row of `meta` that holds what the log had before its first entry. */
const SNAPSHOT_NAME = "authority_snapshot";

const GENERATION_BYTES = 8;
const SUBJECT_BYTES = 16;
const ENTRY_BYTES = SUBJECT_BYTES + GENERATION_BYTES;
const NO_MAC = new Uint8Array(MAC_BYTES);

/** A generation, and the MAC of its entry. */
export interface Head {
  readonly generation: number;
  readonly mac: Uint8Array;
}

/** An entry, but for its MAC. */
interface Entry {
  readonly generation: number;
  readonly kind: ChangeKind;
  readonly subject: string;
  readonly at: number;
}

/** The log as one transaction sees it. */
export interface LogState extends Head {
  /** The generation of the last change of a subject; 0 if it never was changed. */
  lastChange(subject: string): number;
}

/** All changes up to a generation, in a form that needs no reading: entries sorted by their bytes. */
interface Snapshot extends Head {
  readonly entries: Uint8Array;
}

class ReadLog implements LogState {
  readonly generation: number;
  readonly mac: Uint8Array;
  readonly snapshot: Snapshot;
  readonly tail: ReadonlyMap<string, number>;

  constructor(head: Head, snapshot: Snapshot, tail: ReadonlyMap<string, number>) {
    this.generation = head.generation;
    this.mac = head.mac;
    this.snapshot = snapshot;
    this.tail = tail;
  }

  lastChange(subject: string): number {
    return this.tail.get(subject) ?? lastInSnapshot(this.snapshot.entries, subject);
  }
}

/**
 * The log as it is now.
 *
 * @param known - as it was before: only what was appended since is read then
 * @param stored - its head, as {@link readHead} has read it
 * @throws VaultError ERR_STORAGE_CORRUPT
 */
export async function readLog(
  sql: Sql,
  macs: Macs,
  known: LogState | undefined,
  stored: Uint8Array | undefined,
): Promise<LogState> {
  const head = openHead(macs, stored ?? EMPTY);
  if (known instanceof ReadLog && head.generation >= known.generation) {
    if (head.generation === known.generation) {
      if (equalBytes(head.mac, known.mac)) return known;
      throw damagedLog("a fork");
    }
    const rows = await entriesAfter(sql, known.generation, head.generation);
    // Otherwise it was compacted since.
    if (rows[0]?.generation === known.generation + 1) {
      return new ReadLog(head, known.snapshot, follow(macs, known, rows, head, known.tail));
    }
  }
  const snapshot = openSnapshot(macs, await metaValue(sql, SNAPSHOT_NAME));
  const rows = await entriesAfter(sql, snapshot.generation, head.generation);
  return new ReadLog(head, snapshot, follow(macs, snapshot, rows, head, new Map()));
}

/** The head as it is stored; its last bytes are its MAC. */
export function readHead(sql: Sql): Promise<Uint8Array | undefined> {
  return metaValue(sql, HEAD_NAME);
}

/** Whether a log that was not seen committed is what the stored one begins with. */
export async function isPartOf(sql: Sql, log: LogState, head: Uint8Array | undefined): Promise<boolean> {
  if (head === undefined || head.length < GENERATION_BYTES + MAC_BYTES) return false;
  const generation = readU64(head, 0);
  if (generation < log.generation) return false;
  if (generation === log.generation) {
    return equalBytes(head.subarray(GENERATION_BYTES, GENERATION_BYTES + MAC_BYTES), log.mac);
  }
  const row = await sql.get("SELECT mac FROM authority_log WHERE generation = ?", log.generation);
  return isUint8Array(row?.mac) && equalBytes(row.mac, log.mac);
}

/** Throws if there is an entry behind the head. Only for a transaction that sees one state. */
export async function checkEnd(sql: Sql, log: LogState): Promise<void> {
  const row = await sql.get("SELECT max(generation) AS newest FROM authority_log");
  if (((row?.newest ?? 0) as number) > log.generation) throw damagedLog("an entry behind its head");
}

/** Whether the log has an entry, or had it before it was compacted or sealed anew: then its MAC is not known any more. */
export async function hasEntry(sql: Sql, log: LogState, { generation, mac }: Head): Promise<boolean> {
  const { snapshot } = log as ReadLog;
  if (generation > log.generation) return false;
  if (generation <= snapshot.generation) return true;
  if (generation === log.generation) return equalBytes(mac, log.mac);
  const row = await sql.get("SELECT mac FROM authority_log WHERE generation = ?", generation);
  return isUint8Array(row?.mac) && equalBytes(mac, row.mac);
}

/** Makes the transaction the only one that appends, to its end. */
export async function lockLog(sql: Sql): Promise<void> {
  await sql.run("UPDATE meta SET value = value WHERE name = ?", HEAD_NAME);
}

/** Appends an entry. @param log - locked, and as it is now */
export async function appendEntry(
  sql: Sql,
  macs: Macs,
  log: LogState,
  entry: Omit<Entry, "generation">,
): Promise<LogState> {
  const read = log as ReadLog;
  const generation = log.generation + 1;
  const mac = macs.of(entryRecord({ ...entry, generation }, log));
  const head = { generation, mac };
  const tail = new Map(read.tail).set(entry.subject, generation);
  if (generation - read.snapshot.generation > AUTHORITY_LOG_MAX) {
    const snapshot = { ...head, entries: merged(read.snapshot.entries, tail) };
    await putMeta(sql, SNAPSHOT_NAME, snapshotBytes(macs, snapshot));
    await sql.run("DELETE FROM authority_log WHERE generation <= ?", generation);
    await putMeta(sql, HEAD_NAME, headBytes(macs, head));
    return new ReadLog(head, snapshot, new Map());
  }
  await insertRow(sql, "authority_log", { generation, ...entry, mac });
  await putMeta(sql, HEAD_NAME, headBytes(macs, head));
  return new ReadLog(head, read.snapshot, tail);
}

/**
 * Puts a log's head, snapshot and entries under the newest key: all entries become the snapshot. The MAC of its last entry
 * stays what it was, as a value that head and snapshot cover: those who know the log know it again.
 *
 * @param log - locked, and as it is now
 */
export async function sealLogAnew(sql: Sql, macs: Macs, log: LogState): Promise<void> {
  const { snapshot, tail, generation, mac } = log as ReadLog;
  if (generation > 0) {
    const entries = merged(snapshot.entries, tail);
    await putMeta(sql, SNAPSHOT_NAME, snapshotBytes(macs, { generation, mac, entries }));
    await sql.run("DELETE FROM authority_log");
  }
  await putMeta(sql, HEAD_NAME, headBytes(macs, { generation, mac }));
}

/** Begins the log of a vault. */
export async function beginLog(sql: Sql, macs: Macs): Promise<void> {
  await putMeta(sql, HEAD_NAME, headBytes(macs, { generation: 0, mac: NO_MAC }));
}

function entryRecord({ generation, kind, subject, at }: Entry, before: Head) {
  const macBefore = before.generation === 0 ? null : before.mac;
  return { table: "authority_log", values: [generation, kind, subject, at, macBefore] };
}

function entriesAfter(sql: Sql, after: number, to: number): Promise<readonly Row[]> {
  return sql.all(
    `SELECT generation, kind, subject, at, mac FROM authority_log WHERE generation > ? AND generation <= ?
     ORDER BY generation`,
    after,
    to,
  );
}

/** Follows the chain from one entry to the head. @returns the last changes of `tail` and of what follows */
function follow(
  macs: Macs,
  from: Head,
  rows: readonly Row[],
  to: Head,
  tail: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const all = new Map(tail);
  let last = from;
  for (const row of rows) {
    const entry = row as unknown as Entry;
    if (entry.generation !== last.generation + 1) throw damagedLog("a gap");
    if (!macs.isOf(entryRecord(entry, last), row.mac)) throw damagedLog(`its entry ${entry.generation}`);
    last = { generation: entry.generation, mac: row.mac as Uint8Array };
    all.set(entry.subject, entry.generation);
  }
  if (last.generation !== to.generation) throw damagedLog("a gap");
  if (!equalBytes(last.mac, to.mac)) throw damagedLog("another head");
  return all;
}

/** The head of a log as it is stored. */
export function headBytes(macs: Macs, { generation, mac }: Head): Uint8Array {
  return concatBytes(u64(generation), mac, macs.of({ table: "head", values: [generation, mac] }));
}

function openHead(macs: Macs, bytes: Uint8Array): Head {
  if (bytes.length !== GENERATION_BYTES + 2 * MAC_BYTES) throw damagedLog("no head");
  const generation = readU64(bytes, 0);
  const mac = bytes.subarray(GENERATION_BYTES, GENERATION_BYTES + MAC_BYTES);
  const own = bytes.subarray(GENERATION_BYTES + MAC_BYTES);
  if (!macs.isOf({ table: "head", values: [generation, mac] }, own)) throw damagedLog("a foreign head");
  return { generation, mac };
}

function snapshotBytes(macs: Macs, { generation, mac, entries }: Snapshot): Uint8Array {
  const own = macs.of({ table: "snapshot", values: [generation, mac, entries] });
  return concatBytes(u64(generation), mac, entries, own);
}

function openSnapshot(macs: Macs, bytes: Uint8Array | undefined): Snapshot {
  if (bytes === undefined) return { generation: 0, mac: NO_MAC, entries: EMPTY };
  const size = bytes.length - GENERATION_BYTES - 2 * MAC_BYTES;
  if (size < 0 || size % ENTRY_BYTES !== 0) throw damagedLog("its snapshot");
  const generation = readU64(bytes, 0);
  const mac = bytes.subarray(GENERATION_BYTES, GENERATION_BYTES + MAC_BYTES);
  const entries = bytes.subarray(GENERATION_BYTES + MAC_BYTES, GENERATION_BYTES + MAC_BYTES + size);
  const own = bytes.subarray(bytes.length - MAC_BYTES);
  if (!macs.isOf({ table: "snapshot", values: [generation, mac, entries] }, own))
    throw damagedLog("its snapshot");
  return { generation, mac, entries };
}

/** Entries of a snapshot with those of a tail, which are newer. */
function merged(entries: Uint8Array, tail: ReadonlyMap<string, number>): Uint8Array {
  const all: Uint8Array[] = [];
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) all.push(entries.subarray(at, at + ENTRY_BYTES));
  const newer = [...tail].map(([subject, generation]) => concatBytes(subjectBytes(subject), u64(generation)));
  const places = new Map(newer.map((entry) => [keyOf(entry), entry]));
  const kept = all.filter((entry) => !places.has(keyOf(entry)));
  return concatBytes(...[...kept, ...newer].sort(compareBytes));
}

function keyOf(entry: Uint8Array): string {
  return Buffer.from(entry.buffer, entry.byteOffset, SUBJECT_BYTES).toString("latin1");
}

/** Halves the sorted entries until the subject's is found. */
function lastInSnapshot(entries: Uint8Array, subject: string): number {
  if (entries.length === 0) return 0;
  const wanted = subjectBytes(subject);
  let low = 0;
  let high = entries.length / ENTRY_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * ENTRY_BYTES;
    const order = compareBytes(entries.subarray(at, at + SUBJECT_BYTES), wanted);
    if (order === 0) return readU64(entries, at + SUBJECT_BYTES);
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return 0;
}

function subjectBytes(subject: string): Uint8Array {
  return hash.sha256(utf8(subject, "subject")).subarray(0, SUBJECT_BYTES);
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(GENERATION_BYTES);
  bytes.writeBigUInt64BE(BigInt(value));
  return Uint8Array.from(bytes);
}

function readU64(bytes: Uint8Array, at: number): number {
  return Number(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readBigUInt64BE(at));
}

async function metaValue(sql: Sql, name: string): Promise<Uint8Array | undefined> {
  const value = (await sql.get("SELECT value FROM meta WHERE name = ?", name))?.value;
  return isUint8Array(value) ? value : undefined;
}

/** Writes a row of `meta`. */
export async function putMeta(sql: Sql, name: string, value: Uint8Array): Promise<void> {
  await insertRow(sql, "meta", { name, value }, "ON CONFLICT (name) DO UPDATE SET value = excluded.value");
}

function damagedLog(how: string): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", `the log of changes of authority is damaged: ${how}`);
}

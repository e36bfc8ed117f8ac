/**
 * The verification of a rewrap: every wrapped key of an environment read again ([KEY-62]).
 *
 * Owns the walk over stored versions and recipients, and what their bytes are counted as. Writes nothing. Must not know keys.
 *
 * @module
 */
import { EventLoopBreaks } from "../../base/concurrency.ts";
import { resultOf } from "../../base/item-result.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import { VaultError } from "../../errors.ts";
import type { KekState } from "../../keks/kek-service.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { RewrapKvOptions } from "../../kv/kv-service.ts";
import {
  addWrappedKeys,
  NO_WRAPPED_KEYS,
  type WrappedKeyCount,
  type WrappedKeysReport,
} from "../../kv/wrapped-keys.ts";
import { type KekVersion, kekText } from "../keks/locks.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import { REWRAP_PART_MS_MAX, VERIFY_BATCH, VERIFY_PART_MAX } from "../limits.ts";
import type { Row, Sql } from "../storage/database.ts";
import { OLD_KEY_LABEL } from "./rows.ts";

/** One part of a verification. */
export interface WrappedKeysPart extends WrappedKeysReport {
  /** Where the next part begins; null if this was the last. */
  readonly after: string | null;
  /** How many wrapped keys there were to read; null but in the first part. */
  readonly total: number | null;
}

/** Reads every wrapped key of the environment. @throws the signal's reason, between two parts */
export async function verifyStored(
  parts: SessionParts,
  { onProgress, ...options }: RewrapKvOptions,
): Promise<WrappedKeysReport> {
  let report = NO_WRAPPED_KEYS;
  let total = 0;
  for (let after: string | undefined; ; ) {
    const part = await verifyPart(parts, { ...options, after });
    report = addWrappedKeys(report, part);
    total = part.total ?? total;
    onProgress?.(report.checked, Math.max(total, report.checked));
    if (part.after === null) return report;
    after = part.after;
  }
}

/**
 * The same for a part that ends soon, so that a request can carry it.
 *
 * @param options.after - where the part before ended; default from the beginning
 * @throws VaultError ERR_CURSOR_INVALID; the signal's reason
 */
export async function verifyPart(
  { database, access }: SessionParts,
  options: CallOptions & { readonly after?: string | undefined },
): Promise<WrappedKeysPart> {
  let place: Place | undefined = options.after === undefined ? BEGINNING : placeOf(options.after);
  const { signal } = options;
  const until = performance.now() + REWRAP_PART_MS_MAX;
  const { environmentId } = access;
  const total =
    options.after === undefined
      ? await database.read(
          async (sql) => {
            const values = await sql.get(COUNT_VALUES, environmentId);
            const recipients = await sql.get(COUNT_RECIPIENTS, environmentId);
            return (values!.n as number) + (recipients!.n as number);
          },
          { signal },
        )
      : null;
  const totals: Totals = { checked: 0, old: 0, unreadable: 0, keks: new Map(), states: new Map() };
  do {
    signal?.throwIfAborted();
    const from: Place = place;
    place = await database.read((sql) => countPage(sql, environmentId, from, totals), { signal });
  } while (place !== undefined && totals.checked < VERIFY_PART_MAX && performance.now() < until);
  const { checked, old, unreadable } = totals;
  const keks = [...totals.keks.values()];
  return { checked, old, unreadable, keks, total, after: place === undefined ? null : textOf(place) };
}

/** How far a verification has come: first all objects in the order of their making, then all recipients. */
interface Place {
  readonly kind: "v" | "r";
  /** An object's number, or a recipient's id. */
  readonly owner: string;
  readonly version: number;
}

const BEGINNING: Place = { kind: "v", owner: "0", version: 0 };
const FIRST_RECIPIENT: Place = { kind: "r", owner: "", version: 0 };
const PLACE = /^(?:(v)\.(\d{1,15})|(r)\.([0-9a-f-]{0,36}))\.(\d{1,15})$/;

const textOf = ({ kind, owner, version }: Place): string => `${kind}.${owner}.${version}`;

function placeOf(text: string): Place {
  const found = PLACE.exec(text);
  if (found === null) throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not one of a verification");
  const [, v, sequence, , id, version] = found;
  return { kind: v === undefined ? "r" : "v", owner: (sequence ?? id)!, version: Number(version) };
}

// CROSS JOIN: SQLite then takes the tables in this order, by their indexes.
const VALUES = `kv_objects o CROSS JOIN kv_versions v
  WHERE o.environment_id = ? AND v.object_id = o.id AND v.key_blob IS NOT NULL`;
const RECIPIENTS = `recipients r CROSS JOIN recipient_versions v
  WHERE r.environment_id = ? AND v.recipient_id = r.id AND v.wrapped IS NOT NULL`;
const COUNT_VALUES = `SELECT count(*) AS n FROM ${VALUES}`;
const COUNT_RECIPIENTS = `SELECT count(*) AS n FROM ${RECIPIENTS}`;
const NEXT_VALUES = `SELECT o.sequence AS owner, v.number AS version, v.key_blob AS blob, v.key_label AS label FROM ${VALUES}
  AND o.sequence >= ? AND (o.sequence > ? OR v.number > ?) ORDER BY o.sequence, v.number LIMIT ${VERIFY_BATCH}`;
const NEXT_RECIPIENTS = `SELECT r.id AS owner, v.version, v.wrapped AS blob, NULL AS label FROM ${RECIPIENTS}
  AND r.id >= ? AND (r.id > ? OR v.version > ?) ORDER BY r.id, v.version LIMIT ${VERIFY_BATCH}`;

/** The running totals of a part. */
interface Totals {
  checked: number;
  old: number;
  unreadable: number;
  /** By KEK id and version. */
  readonly keks: Map<string, Mutable<WrappedKeyCount>>;
  /** Of KEK versions; undefined for those that the environment does not have. */
  readonly states: Map<string, KekState | undefined>;
}

type Mutable<T> = { -readonly [name in keyof T]: T[name] };

/** Counts the next wrapped keys behind a place. @returns the place behind them, undefined where nothing comes after */
async function countPage(
  sql: Sql,
  environmentId: string,
  { kind, owner, version }: Place,
  totals: Totals,
): Promise<Place | undefined> {
  const isOfValues = kind === "v";
  const from = isOfValues ? Number(owner) : owner;
  const rows = await sql.all(isOfValues ? NEXT_VALUES : NEXT_RECIPIENTS, environmentId, from, from, version);
  const breaks = new EventLoopBreaks();
  for (const row of rows) {
    await breaks.takeIfDue();
    await count(sql, environmentId, row, isOfValues ? "kvVersions" : "recipientVersions", totals);
  }
  const last = rows.at(-1);
  if (rows.length === VERIFY_BATCH)
    return { kind, owner: String(last!.owner), version: last!.version as number };
  return isOfValues ? FIRST_RECIPIENT : undefined;
}

/** Counts a wrapped key by what its bytes name. */
async function count(
  sql: Sql,
  environmentId: string,
  { blob, label }: Row,
  counter: "kvVersions" | "recipientVersions",
  totals: Totals,
): Promise<void> {
  totals.checked += 1;
  const read = resultOf(() => decodeKeyBlob(blob as Uint8Array).keks.map(kekText));
  const named: (KekVersion & { readonly state: KekState | undefined })[] = [];
  for (const kek of read.ok ? read.value : [])
    named.push({ ...kek, state: await stateOf(sql, environmentId, kek, totals.states) });
  if (named.length === 0 || named.some(({ state }) => state === undefined)) {
    totals.unreadable += 1;
    return;
  }
  if (label === OLD_KEY_LABEL || named.some(({ state }) => state !== "active")) totals.old += 1;
  for (const { id, version, state } of named) {
    const name = `${id} ${version}`;
    const counts = totals.keks.get(name) ?? {
      kekId: id,
      version,
      state: state!,
      kvVersions: 0,
      recipientVersions: 0,
    };
    totals.keks.set(name, counts);
    counts[counter] += 1;
  }
}

async function stateOf(
  sql: Sql,
  environmentId: string,
  { id, version }: KekVersion,
  states: Totals["states"],
): Promise<KekState | undefined> {
  const name = `${id} ${version}`;
  if (!states.has(name)) {
    const row = await sql.get(
      `SELECT v.state FROM kek_versions v JOIN keks k ON k.id = v.kek_id
       WHERE k.environment_id = ? AND v.kek_id = ? AND v.version = ?`,
      environmentId,
      id,
      version,
    );
    states.set(name, row?.state as KekState | undefined);
  }
  return states.get(name);
}

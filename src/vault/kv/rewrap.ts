/**
 * Rewrap of the store: the data keys of all stored versions, and the private keys of recipients, under the newest KEK versions.
 *
 * Owns the walk over both, and the exchange of versions' key blobs; values are not touched. Must not know how a value is
 * sealed, nor how a recipient is.
 *
 * @module
 */

import { EventLoopBreaks } from "../../base/concurrency.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import { VaultError } from "../../errors.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { RewrapKvOptions, RewrapReport } from "../../kv/kv-service.ts";
import {
  areActive,
  distinctVersions,
  isOutOfUse,
  type KekVersion,
  kekLocks,
  kekText,
  REVOKED_RETRIES_MAX,
  revokedTooFast,
} from "../keks/locks.ts";
import type { RingDataKey } from "../keks/ring.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import { REWRAP_BATCH, REWRAP_PART_MAX, REWRAP_PART_MS_MAX } from "../limits.ts";
import { findOldPrivateKeys, rewrapPrivateKeys } from "../recipients/rewrap.ts";
import type { Row, Sql } from "../storage/database.ts";
import { checkOldVersion, insertVersionKeks, keyOwnerOf, OLD_KEY_LABEL, OWN_KEY_LABEL } from "./rows.ts";

/** A stored version whose data key has been wrapped anew. */
interface MovedVersion {
  readonly versionId: string;
  readonly old: Uint8Array;
  readonly made: RingDataKey;
  /** What it is wrapped under now. */
  readonly keks: readonly KekVersion[];
}

/** One part of a rewrap. */
export interface RewrapPart extends RewrapReport {
  /** Where the next part begins; null if this was the last. */
  readonly after: string | null;
  /** How many wrapped keys there were to look at; null but in the first part. */
  readonly total: number | null;
}

/**
 * Wraps the data keys of stored versions and the private keys of recipients under the newest KEK versions; values are not touched.
 * Looks only at those that are under a KEK version which new data keys are not made with.
 *
 * Goes on where it stopped when called again. Others may read and write meanwhile.
 *
 * @throws the signal's reason, between two batches
 */
export async function rewrapStored(parts: SessionParts, options: RewrapKvOptions): Promise<RewrapReport> {
  const report = { checked: 0, rewrapped: 0, skipped: 0 };
  let total = 0;
  for (let after: string | undefined; ; ) {
    const part = await rewrapPart(parts, { ...options, after, keys: REWRAP_BATCH });
    total = part.total ?? total;
    report.checked += part.checked;
    report.rewrapped += part.rewrapped;
    report.skipped += part.skipped;
    if (part.checked > 0) options.onProgress?.(report.checked, Math.max(total, report.checked));
    if (part.after === null) return report;
    after = part.after;
  }
}

/**
 * The same for a part that ends soon, so that a request can carry it.
 *
 * @param options.after - where the part before ended; default from the beginning
 * @param options.keys - how many wrapped keys at most, but for the versions of one recipient; default 1,000. It ends earlier when 2 s
 *   are over.
 * @throws VaultError ERR_CURSOR_INVALID; the signal's reason, between two batches
 */
export async function rewrapPart(
  parts: SessionParts,
  options: CallOptions & { readonly after?: string | undefined; readonly keys?: number | undefined },
): Promise<RewrapPart> {
  let place: Place | undefined = options.after === undefined ? BEGINNING : placeOf(options.after);
  const { signal } = options;
  const max = options.keys ?? REWRAP_PART_MAX;
  const until = performance.now() + REWRAP_PART_MS_MAX;
  const total = options.after === undefined ? await countLeft(parts, { signal }) : null;
  const report = { checked: 0, rewrapped: 0, skipped: 0 };
  do {
    signal?.throwIfAborted();
    const from: Place = place;
    const limit = Math.min(REWRAP_BATCH, max - report.checked);
    const walk = from.kekId === RECIPIENTS ? walkRecipients : walkVersions;
    const { next, ...moved } = await walk(parts, from, limit, { signal });
    place = next;
    report.checked += moved.checked;
    report.rewrapped += moved.rewrapped;
    report.skipped += moved.skipped;
  } while (place !== undefined && report.checked < max && performance.now() < until);
  return { ...report, total, after: place === undefined ? null : textOf(place) };
}

/** How far a walk has come: in the order of KEKs, their versions, and the stored versions under them. */
interface Place {
  readonly kekId: string;
  readonly kekVersion: number;
  /** The last stored version that was looked at; "" for none. */
  readonly versionId: string;
}

const BEGINNING: Place = { kekId: "", kekVersion: 0, versionId: "" };
/** Stands for a KEK behind all others: what is under no such KEK version, but has the label of applications. */
const OLD_LABEL = "old";
/** And behind that one: the recipients, by their ids in the place of stored versions. */
const RECIPIENTS = "recipients";
const PLACE = /^([0-9a-f-]{0,36}|old|recipients)\.(\d{1,15})\.([0-9A-Za-z_-]{0,64})$/;

function textOf({ kekId, kekVersion, versionId }: Place): string {
  return `${kekId}.${kekVersion}.${versionId}`;
}

function placeOf(text: string): Place {
  const found = PLACE.exec(text);
  if (found === null) throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not one of a rewrap");
  return { kekId: found[1] as string, kekVersion: Number(found[2]), versionId: found[3] as string };
}

// CROSS JOIN: SQLite then takes the tables in this order, by their indexes, and never sorts what is left anew for each batch.
/** KEK versions of an environment that new data keys are not made with. */
const LEFT_KEKS = `kek_versions kv CROSS JOIN keks k
  WHERE k.id = kv.kek_id AND k.environment_id = ? AND kv.state <> 'active'`;
/** A stored version under several such KEK versions is visited under the first KEK. */
const IS_FIRST = `NOT EXISTS (
  SELECT 1 FROM kv_version_keks w CROSS JOIN kek_versions x
  WHERE w.version_id = vk.version_id AND w.kek_id < vk.kek_id
    AND x.kek_id = w.kek_id AND x.version = w.kek_version AND x.state <> 'active')`;
const COUNT_LEFT = `SELECT count(*) AS n FROM kek_versions kv CROSS JOIN keks k CROSS JOIN kv_version_keks vk
  WHERE k.id = kv.kek_id AND k.environment_id = ? AND kv.state <> 'active'
    AND vk.kek_id = kv.kek_id AND vk.kek_version = kv.version AND ${IS_FIRST}`;
const NEXT_KEK = `SELECT kv.kek_id, kv.version FROM ${LEFT_KEKS} AND (kv.kek_id, kv.version) > (?, ?)
    AND EXISTS (SELECT 1 FROM kv_version_keks vk WHERE vk.kek_id = kv.kek_id AND vk.kek_version = kv.version)
  ORDER BY kv.kek_id, kv.version LIMIT 1`;
// The value itself only where the version's MAC covers it.
const VERSION_COLUMNS = `v.id, v.object_id, v.number, v.key_id, v.key_blob, v.key_label, v.created_at, v.mac,
  CASE WHEN v.key_label = ${OLD_KEY_LABEL} THEN v.sealed END AS sealed`;
const UNDER_KEK = `SELECT ${VERSION_COLUMNS} FROM kv_version_keks vk CROSS JOIN kv_versions v
  WHERE vk.kek_id = ? AND vk.kek_version = ? AND vk.version_id > ? AND v.id = vk.version_id AND v.key_blob IS NOT NULL
    AND ${IS_FIRST} ORDER BY vk.version_id LIMIT ?`;
const LEFT_OLD = `kv_versions v CROSS JOIN kv_objects o
  WHERE v.key_label = ${OLD_KEY_LABEL} AND v.key_blob IS NOT NULL AND o.id = v.object_id AND o.environment_id = ?
    AND NOT EXISTS (
      SELECT 1 FROM kv_version_keks w CROSS JOIN kek_versions x
      WHERE w.version_id = v.id AND x.kek_id = w.kek_id AND x.version = w.kek_version AND x.state <> 'active')`;
const WITH_OLD_LABEL = `SELECT ${VERSION_COLUMNS} FROM ${LEFT_OLD} AND v.id > ? ORDER BY v.id LIMIT ?`;
const COUNT_OLD = `SELECT count(*) AS n FROM ${LEFT_OLD}`;

async function countLeft({ database, access }: SessionParts, options: CallOptions): Promise<number> {
  return database.read(async (sql) => {
    const left = await sql.get(COUNT_LEFT, access.environmentId);
    const old = await sql.get(COUNT_OLD, access.environmentId);
    let total = (left!.n as number) + (old!.n as number);
    for (let after: string | undefined = ""; after !== undefined; ) {
      const found = await findOldPrivateKeys(sql, access.environmentId, after, REWRAP_BATCH);
      total += found.keys.length;
      after = found.after;
    }
    return total;
  }, options);
}

/** A step of the walk: what became of its keys, and the place behind it; undefined where nothing comes after. */
type Step = RewrapReport & { readonly next: Place | undefined };

async function walkVersions(
  parts: SessionParts,
  from: Place,
  limit: number,
  options: CallOptions,
): Promise<Step> {
  const { rows, next } = await parts.database.read((sql) => findLeft(sql, parts, from, limit), options);
  const moved = rows.length === 0 ? NOTHING : await rewrapBatch(parts, rows, options);
  return { ...moved, checked: rows.length, next };
}

async function walkRecipients(
  parts: SessionParts,
  { versionId }: Place,
  limit: number,
  options: CallOptions,
): Promise<Step> {
  const { database, access } = parts;
  const { keys, after } = await database.read(
    (sql) => findOldPrivateKeys(sql, access.environmentId, versionId, limit),
    options,
  );
  const moved = await rewrapPrivateKeys(parts, keys, options);
  const next = after === undefined ? undefined : { kekId: RECIPIENTS, kekVersion: 0, versionId: after };
  return { ...moved, checked: keys.length, next };
}

const NOTHING = { rewrapped: 0, skipped: 0 };

/** The next stored versions after a place, and the place behind them. */
async function findLeft(
  sql: Sql,
  { authority, access }: SessionParts,
  place: Place,
  limit: number,
): Promise<{ rows: Row[]; next: Place }> {
  const rows: Row[] = [];
  let { kekId, kekVersion, versionId } = place;
  for (let keks = 0; keks < REWRAP_BATCH; keks++) {
    const room = limit - rows.length;
    if (kekId !== "") {
      const found =
        kekId === OLD_LABEL
          ? await sql.all(WITH_OLD_LABEL, access.environmentId, versionId, room)
          : await sql.all(UNDER_KEK, kekId, kekVersion, versionId, room);
      for (const row of found) {
        if (row.key_label === OLD_KEY_LABEL) await checkOldVersion(sql, authority, row);
      }
      rows.push(...found);
      if (found.length === room) {
        versionId = found[found.length - 1]!.id as string;
        break;
      }
    }
    if (kekId === OLD_LABEL) return { rows, next: { kekId: RECIPIENTS, kekVersion: 0, versionId: "" } };
    const next = await sql.get(NEXT_KEK, access.environmentId, kekId, kekVersion);
    kekId = (next?.kek_id as string | undefined) ?? OLD_LABEL;
    kekVersion = (next?.version as number | undefined) ?? 0;
    versionId = "";
  }
  return { rows, next: { kekId, kekVersion, versionId } };
}

async function rewrapBatch(
  parts: SessionParts,
  rows: readonly Row[],
  options: CallOptions,
): Promise<{ rewrapped: number; skipped: number }> {
  const { database } = parts;
  for (let attempt = 0; attempt < REVOKED_RETRIES_MAX; attempt++) {
    const { moved, skipped } = await wrapAnew(parts, rows, options);
    if (moved.length === 0) return { rewrapped: 0, skipped };
    const keks = distinctVersions(moved.flatMap((version) => version.keks));
    const rewrapped = await database.write(
      async (sql) => ((await areActive(sql, keks)) ? replaceKeyBlobs(sql, moved) : undefined),
      { ...options, sharedLocks: kekLocks(keks) },
    );
    if (rewrapped !== undefined) return { rewrapped, skipped };
    await database.lookAfresh();
  }
  throw revokedTooFast();
}

/** Wraps the data keys of stored versions under the newest KEK versions; says how many cannot be. */
async function wrapAnew(
  { keyring, access }: SessionParts,
  rows: readonly Row[],
  options: CallOptions,
): Promise<{ moved: MovedVersion[]; skipped: number }> {
  const moved: MovedVersion[] = [];
  let skipped = 0;
  const breaks = new EventLoopBreaks();
  for (const row of rows) {
    await breaks.takeIfDue();
    const old = row.key_blob as Uint8Array;
    let unwrapped: RingDataKey | undefined;
    try {
      unwrapped = await keyring.unwrap(old, keyOwnerOf(row), options);
      const made = await keyring.rewrap(unwrapped, "store", access.events, options);
      if (made !== unwrapped) {
        const keks = decodeKeyBlob(made.blob).keks.map(kekText);
        moved.push({ versionId: row.id as string, old, made, keks });
      }
    } catch (error) {
      if (!isOutOfUse(error)) throw error;
      skipped += 1;
    } finally {
      unwrapped?.key.fill(0); // Both wraps are of the same bytes.
    }
  }
  return { moved, skipped };
}

/** Puts new key blobs in the place of those that were read; answers how many. */
async function replaceKeyBlobs(sql: Sql, moved: readonly MovedVersion[]): Promise<number> {
  let done = 0;
  for (const { versionId, old, made, keks } of moved) {
    // Only what is still as it was read: another rewrap, or a destroy, may have come between.
    const changed = await sql.run(
      `UPDATE kv_versions SET key_blob = ?, key_id = ?, key_label = ${OWN_KEY_LABEL}, mac = NULL
       WHERE id = ? AND key_blob = ?`,
      made.blob,
      made.id,
      versionId,
      old,
    );
    if (changed === 0) continue;
    done += 1;
    await sql.run("DELETE FROM kv_version_keks WHERE version_id = ?", versionId);
    await insertVersionKeks(sql, versionId, keks);
  }
  return done;
}

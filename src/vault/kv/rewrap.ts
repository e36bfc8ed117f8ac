/**
 * Rewrap of the store: the data keys of all stored versions under the newest KEK versions.
 *
 * Owns the walk over versions and the exchange of their key blobs; values are not touched. Must not know how a value is
 * sealed.
 *
 * @module
 */

import { EventLoopBreaks } from "../../base/concurrency.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import { VaultError } from "../../errors.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { RewrapKvOptions, RewrapReport } from "../../kv/kv-service.ts";
import type { Access } from "../access/access.ts";
import type { Authority } from "../authority/authority.ts";
import type { Keyring } from "../keks/keyring.ts";
import { areActive, distinctVersions, type KekVersion, kekLocks } from "../keks/locks.ts";
import type { RingDataKey } from "../keks/ring.ts";
import { REWRAP_BATCH, REWRAP_PART_MAX, REWRAP_PART_MS_MAX } from "../limits.ts";
import type { Database, Row, Sql } from "../storage/database.ts";
import {
  checkOldVersion,
  insertVersionKeks,
  kekText,
  keyOwnerOf,
  OLD_KEY_LABEL,
  OWN_KEY_LABEL,
  REVOKED_RETRIES_MAX,
  revokedTooFast,
} from "./rows.ts";

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
  /** How many stored versions there were to look at; null but in the first part. */
  readonly total: number | null;
}

/**
 * Wraps the data keys of stored versions under the newest KEK versions; values are not touched. Looks only at those that are
 * under a KEK version which new data keys are not made with.
 *
 * Goes on where it stopped when called again. Others may read and write meanwhile.
 *
 * @throws the signal's reason, between two batches
 */
export async function rewrapStored(
  database: Database,
  keyring: Keyring,
  authority: Authority,
  access: Access,
  options: RewrapKvOptions,
): Promise<RewrapReport> {
  const report = { checked: 0, rewrapped: 0, skipped: 0 };
  let total = 0;
  for (let after: string | undefined; ; ) {
    const part = await rewrapPart(database, keyring, authority, access, {
      ...options,
      after,
      versions: REWRAP_BATCH,
    });
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
 * @param options.versions - how many stored versions at most; default 1,000. It ends earlier when 2 s are over.
 * @throws VaultError ERR_CURSOR_INVALID; the signal's reason, between two batches
 */
export async function rewrapPart(
  database: Database,
  keyring: Keyring,
  authority: Authority,
  access: Access,
  options: CallOptions & { readonly after?: string | undefined; readonly versions?: number | undefined },
): Promise<RewrapPart> {
  let place: Place | undefined = options.after === undefined ? BEGINNING : placeOf(options.after);
  const { signal } = options;
  const max = options.versions ?? REWRAP_PART_MAX;
  const until = performance.now() + REWRAP_PART_MS_MAX;
  const total = options.after === undefined ? await countLeft(database, access, { signal }) : null;
  const report = { checked: 0, rewrapped: 0, skipped: 0 };
  do {
    signal?.throwIfAborted();
    const from: Place = place;
    const limit = Math.min(REWRAP_BATCH, max - report.checked);
    const batch = await database.read((sql) => findLeft(sql, authority, access, from, limit), { signal });
    place = batch.next;
    if (batch.rows.length === 0) continue;
    const moved = await rewrapBatch(database, keyring, access, batch.rows, { signal });
    report.checked += batch.rows.length;
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
const PLACE = /^([0-9a-f-]{0,36}|old)\.(\d{1,15})\.([0-9A-Za-z_-]{0,64})$/;

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

async function countLeft(database: Database, access: Access, options: CallOptions): Promise<number> {
  return database.read(async (sql) => {
    const left = await sql.get(COUNT_LEFT, access.environmentId);
    const old = await sql.get(COUNT_OLD, access.environmentId);
    return (left!.n as number) + (old!.n as number);
  }, options);
}

/** The next stored versions after a place, and the place behind them; without one where nothing comes after. */
async function findLeft(
  sql: Sql,
  authority: Authority,
  access: Access,
  place: Place,
  limit: number,
): Promise<{ rows: Row[]; next: Place | undefined }> {
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
    if (kekId === OLD_LABEL) return { rows, next: undefined };
    const next = await sql.get(NEXT_KEK, access.environmentId, kekId, kekVersion);
    kekId = (next?.kek_id as string | undefined) ?? OLD_LABEL;
    kekVersion = (next?.version as number | undefined) ?? 0;
    versionId = "";
  }
  return { rows, next: { kekId, kekVersion, versionId } };
}

async function rewrapBatch(
  database: Database,
  keyring: Keyring,
  access: Access,
  rows: readonly Row[],
  options: CallOptions,
): Promise<{ rewrapped: number; skipped: number }> {
  for (let attempt = 0; attempt < REVOKED_RETRIES_MAX; attempt++) {
    const { moved, skipped } = await wrapAnew(keyring, access, rows, options);
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
  keyring: Keyring,
  access: Access,
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
      if (!isUnusable(error)) throw error;
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

function isUnusable(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "ERR_KEY_DISABLED" || code === "ERR_KEY_DESTROYED";
}

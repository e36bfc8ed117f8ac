/**
 * Rewrap of the store: the data keys of all stored versions under the newest KEK versions.
 *
 * Owns the walk over versions and the exchange of their key blobs; values are not touched. Must not know how a value is
 * sealed.
 *
 * @module
 */
import { decodeKeyBlob } from "../crypto/key-blob.ts";
import type { CallOptions } from "../keys/key-service.ts";
import { Turns } from "../keys/turns.ts";
import type { Keyring, RingDataKey } from "./keyring.ts";
import { insertVersionKeks, isUnrevoked, kekText, REVOKED_RETRIES_MAX, revokedTooFast } from "./kv-rows.ts";
import { REWRAP_BATCH } from "./limits.ts";
import type { Session } from "./session.ts";
import type { Database, Row, Sql } from "./storage/database.ts";

/** What a rewrap of the store has done. */
export interface RewrapReport {
  /** Stored versions that were looked at. */
  readonly checked: number;
  /** Stored versions whose data key is now under newer KEK versions. */
  readonly rewrapped: number;
  /** Stored versions that could not be unwrapped, because their KEK is disabled or destroyed. */
  readonly skipped: number;
}

/** A stored version whose data key has been wrapped anew. */
interface MovedVersion {
  readonly versionId: string;
  readonly old: Uint8Array;
  readonly made: RingDataKey;
}

export interface RewrapOptions extends CallOptions {
  /** Told after each batch: versions done and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Wraps the data keys of all stored versions under the newest KEK versions; values are not touched.
 *
 * Goes on where it stopped when called again. Others may read and write meanwhile.
 *
 * @param onProgress - told after each batch: versions done and in all
 * @throws the signal's reason, between two batches
 */
export async function rewrapStored(
  database: Database,
  keyring: Keyring,
  session: Session,
  options: RewrapOptions,
): Promise<RewrapReport> {
  const inEnvironment = `FROM kv_versions v JOIN kv_objects o ON o.id = v.object_id
      WHERE o.environment_id = ? AND v.sealed IS NOT NULL AND v.key_blob IS NOT NULL`;
  const count = await database.read(
    (sql) => sql.get(`SELECT count(*) AS n ${inEnvironment}`, session.environmentId),
    options,
  );
  const total = count!.n as number;
  const report = { checked: 0, rewrapped: 0, skipped: 0 };
  for (let last = ""; ; ) {
    options.signal?.throwIfAborted();
    const rows = await database.read(
      (sql) =>
        sql.all(
          `SELECT v.id, v.key_blob ${inEnvironment} AND v.id > ? ORDER BY v.id LIMIT ?`,
          session.environmentId,
          last,
          REWRAP_BATCH,
        ),
      options,
    );
    if (rows.length === 0) return report;
    last = rows[rows.length - 1]!.id as string;
    const moved = await rewrapBatch(database, keyring, session, rows, options);
    report.checked += rows.length;
    report.rewrapped += moved.rewrapped;
    report.skipped += moved.skipped;
    options.onProgress?.(report.checked, Math.max(total, report.checked));
  }
}

async function rewrapBatch(
  database: Database,
  keyring: Keyring,
  session: Session,
  rows: readonly Row[],
  options: CallOptions,
): Promise<{ rewrapped: number; skipped: number }> {
  for (let attempt = 0; attempt < REVOKED_RETRIES_MAX; attempt++) {
    const revocations = await keyring.revocations(options);
    const { moved, skipped } = await wrapAnew(keyring, session, rows, options);
    if (moved.length === 0) return { rewrapped: 0, skipped };
    const rewrapped = await database.write(
      async (sql) =>
        (await isUnrevoked(sql, database, revocations)) ? replaceKeyBlobs(sql, moved) : undefined,
      options,
    );
    if (rewrapped !== undefined) return { rewrapped, skipped };
    await database.lookAfresh();
  }
  throw revokedTooFast();
}

/** Wraps the data keys of stored versions under the newest KEK versions; says how many cannot be. */
async function wrapAnew(
  keyring: Keyring,
  session: Session,
  rows: readonly Row[],
  options: CallOptions,
): Promise<{ moved: MovedVersion[]; skipped: number }> {
  const moved: MovedVersion[] = [];
  let skipped = 0;
  const turns = new Turns();
  for (const row of rows) {
    await turns.give();
    const old = row.key_blob as Uint8Array;
    let unwrapped: RingDataKey | undefined;
    try {
      unwrapped = await keyring.unwrap(old, options);
      const made = await keyring.rewrap(unwrapped, session.events, options);
      if (made !== unwrapped) moved.push({ versionId: row.id as string, old, made });
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
  for (const { versionId, old, made } of moved) {
    // Only what is still as it was read: another rewrap, or a destroy, may have come between.
    const changed = await sql.run(
      "UPDATE kv_versions SET key_blob = ?, key_id = ? WHERE id = ? AND key_blob = ?",
      made.blob,
      made.id,
      versionId,
      old,
    );
    if (changed === 0) continue;
    done += 1;
    await sql.run("DELETE FROM kv_version_keks WHERE version_id = ?", versionId);
    await insertVersionKeks(sql, versionId, decodeKeyBlob(made.blob).keks.map(kekText));
  }
  return done;
}

function isUnusable(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "ERR_KEY_DISABLED" || code === "ERR_KEY_DESTROYED";
}

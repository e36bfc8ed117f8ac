/**
 * What a shred makes unreadable.
 *
 * Owns the counts and samples of contexts, objects, stored versions and recipients under some versions of a KEK. Must not change
 * anything.
 *
 * @module
 */
import { resultOf } from "../../base/item-result.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import { contextObject } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import type { ShredReport } from "../../keks/kek-service.ts";
import { SHRED_SAMPLE_MAX } from "../limits.ts";
import type { Sql, SqlValue } from "../storage/database.ts";
import { WIDE_CONTEXT } from "./environment-wide.ts";
import { type KekRow, storedContext, type VersionRow } from "./rows.ts";

/**
 * The account of a shred.
 *
 * @param meant - the versions that are destroyed, or would be, the newest first
 */
export async function shredAccount(
  sql: Sql,
  kek: KekRow,
  meant: readonly VersionRow[],
): Promise<Omit<ShredReport, "isDryRun" | "destroyAt" | "erasure">> {
  const targets = meant.map(({ version }) => version);
  const contexts = await sql.all(
    `SELECT c.canonical FROM contexts c JOIN context_keks ck ON ck.context_id = c.id WHERE ck.kek_id = ?
     ORDER BY c.created_at, c.id LIMIT ?`,
    kek.id,
    SHRED_SAMPLE_MAX,
  );
  const contextCount = await sql.get("SELECT count(*) AS n FROM context_keks WHERE kek_id = ?", kek.id);
  const marks = targets.map(() => "?").join(", ");
  const under = `FROM kv_version_keks vk JOIN kv_versions v ON v.id = vk.version_id
                 JOIN kv_objects o ON o.id = v.object_id
                 WHERE vk.kek_id = ? AND vk.kek_version IN (${marks}) AND v.sealed IS NOT NULL`;
  const kvVersions = await sql.get(`SELECT count(*) AS n ${under}`, kek.id, ...targets);
  const isCurrent = "o.current_version = v.id AND o.deleted_at IS NULL";
  const objectCount = await sql.get(`SELECT count(*) AS n ${under} AND ${isCurrent}`, kek.id, ...targets);
  const names = await sql.all(
    `SELECT o.name ${under} AND ${isCurrent} ORDER BY o.name LIMIT ?`,
    kek.id,
    ...targets,
    SHRED_SAMPLE_MAX,
  );
  return {
    kekId: kek.id,
    name: kek.name,
    value: kek.value,
    versions: [...targets].reverse(),
    contexts: {
      count: contextCount!.n as number,
      sample: contexts.map((row) => contextObject(storedContext(row.canonical))),
    },
    kvObjects: {
      count: objectCount!.n as number,
      sample: names.map((row) => row.name as string),
    },
    kvVersions: kvVersions!.n as number,
    recipientVersions: await countRecipientVersions(sql, kek, targets),
    uncoveredRecipients: await uncoveredRecipients(sql, kek, targets),
  };
}

/** Environment-wide recipients that keep a private key which is not under these versions ([SDK-45]). */
async function uncoveredRecipients(
  sql: Sql,
  kek: KekRow,
  targets: readonly number[],
): Promise<ShredReport["uncoveredRecipients"]> {
  const rows = await sql.all(
    `SELECT r.id, v.wrapped FROM recipients r JOIN recipient_versions v ON v.recipient_id = r.id
     WHERE r.environment_id = ? AND r.canonical = ? AND v.state <> 'destroyed' ORDER BY r.id`,
    kek.stored.environment_id as string,
    WIDE_CONTEXT.bytes,
  );
  const ids = new Set(
    rows.filter(({ wrapped }) => !isUnder(wrapped, kek, targets)).map(({ id }) => id as string),
  );
  return { count: ids.size, sample: [...ids].slice(0, SHRED_SAMPLE_MAX) };
}

/** Which KEK versions wrap a private key is told by its blob only; those of the contexts that name the KEK are looked at. */
async function countRecipientVersions(sql: Sql, kek: KekRow, targets: readonly number[]): Promise<number> {
  const rows = await sql.all(
    `SELECT v.wrapped FROM recipient_versions v JOIN recipients r ON r.id = v.recipient_id
     WHERE v.state <> 'destroyed' AND r.environment_id = ? AND r.canonical IN (
       SELECT c.canonical FROM contexts c JOIN context_keks ck ON ck.context_id = c.id WHERE ck.kek_id = ?)`,
    kek.stored.environment_id as string,
    kek.id,
  );
  return rows.filter(({ wrapped }) => isUnder(wrapped, kek, targets)).length;
}

/** Whether a private key is wrapped under one of these versions. */
function isUnder(wrapped: SqlValue | undefined, kek: KekRow, targets: readonly number[]): boolean {
  const keks = resultOf(() => decodeKeyBlob(wrapped as Uint8Array).keks);
  // What was damaged is lost already, and must not keep a shred from being done.
  return (
    keks.ok && keks.value.some(({ id, version }) => uuidToText(id) === kek.id && targets.includes(version))
  );
}

/**
 * Rewrap of recipients: their private keys under the newest KEK versions ([KEY-60]).
 *
 * Owns the walk over recipients and the exchange of wrapped private keys; key pairs and states stay. Must not know stored values, nor
 * how a private key is used.
 *
 * @module
 */
import { equalBytes } from "../../base/bytes.ts";
import { decodeKeyBlob } from "../../crypto/keys/key-blob.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { RewrapReport } from "../../kv/kv-service.ts";
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
import type { SessionParts } from "../keks/session-parts.ts";
import { ROOT_LOCK } from "../root/roots.ts";
import type { Row, Sql } from "../storage/database.ts";
import { checkRecipient, findRecipient, sealRecipient } from "./recipient-rows.ts";

/** A private key under a KEK version which new ones are not wrapped under. */
export interface OldPrivateKey {
  readonly recipientId: string;
  readonly version: number;
  readonly wrapped: Uint8Array;
}

/** A private key that has been wrapped anew. */
interface MovedKey extends OldPrivateKey {
  readonly made: Uint8Array;
  readonly keks: readonly KekVersion[];
}

/** Of recipients with a KEK that has a version which is not active: no other private key can be old. */
const MAY_BE_OLD = `SELECT r.id FROM recipients r WHERE r.environment_id = ? AND r.id > ? AND EXISTS (
    SELECT 1 FROM contexts c CROSS JOIN context_keks ck CROSS JOIN kek_versions x
    WHERE c.environment_id = r.environment_id AND c.canonical = r.canonical AND ck.context_id = c.id
      AND x.kek_id = ck.kek_id AND x.state <> 'active')
  ORDER BY r.id LIMIT ?`;

/**
 * Old private keys of an environment's recipients behind one.
 *
 * @param limit - recipients at most; all keys of each
 * @returns the keys, and the last recipient that was looked at: undefined where none comes after
 */
export async function findOldPrivateKeys(
  sql: Sql,
  environmentId: string,
  after: string,
  limit: number,
): Promise<{ readonly keys: OldPrivateKey[]; readonly after: string | undefined }> {
  const recipients = await sql.all(MAY_BE_OLD, environmentId, after, limit);
  const keys: OldPrivateKey[] = [];
  for (const { id } of recipients) {
    const versions = await sql.all(
      "SELECT version, wrapped FROM recipient_versions WHERE recipient_id = ? AND wrapped IS NOT NULL ORDER BY version",
      id as string,
    );
    for (const { version, wrapped } of versions) {
      const keks = decodeKeyBlob(wrapped as Uint8Array).keks.map(kekText);
      if (await areActive(sql, keks)) continue;
      keys.push({
        recipientId: id as string,
        version: version as number,
        wrapped: wrapped as Uint8Array,
      });
    }
  }
  return { keys, after: recipients.length < limit ? undefined : (recipients.at(-1)!.id as string) };
}

/** Wraps private keys anew that {@link findOldPrivateKeys} has found. @throws VaultError ERR_STORAGE_CORRUPT, ERR_STORAGE_BUSY */
export async function rewrapPrivateKeys(
  parts: SessionParts,
  keys: readonly OldPrivateKey[],
  options: CallOptions,
): Promise<Omit<RewrapReport, "checked">> {
  const report = { rewrapped: 0, skipped: 0 };
  const byRecipient = Map.groupBy(keys, ({ recipientId }) => recipientId);
  for (const [id, own] of byRecipient) {
    const { rewrapped, skipped } = await rewrapRecipient(parts, id, own, options);
    report.rewrapped += rewrapped;
    report.skipped += skipped;
  }
  return report;
}

async function rewrapRecipient(
  parts: SessionParts,
  id: string,
  keys: readonly OldPrivateKey[],
  options: CallOptions,
): Promise<Omit<RewrapReport, "checked">> {
  const { database } = parts;
  for (let attempt = 0; attempt < REVOKED_RETRIES_MAX; attempt++) {
    const moved: MovedKey[] = [];
    for (const key of keys) {
      const made = await wrapAnew(parts, key, options);
      if (made !== undefined) moved.push(made);
    }
    const skipped = keys.length - moved.length;
    if (moved.length === 0) return { rewrapped: 0, skipped };
    const keks = distinctVersions(moved.flatMap((key) => key.keks));
    const rewrapped = await database.write(
      async (sql) => ((await areActive(sql, keks)) ? replace(sql, parts, id, moved) : undefined),
      { ...options, sharedLocks: [...kekLocks(keks), ROOT_LOCK] },
    );
    if (rewrapped !== undefined) return { rewrapped, skipped };
    await database.lookAfresh();
  }
  throw revokedTooFast();
}

/** A private key under the newest KEK versions of its context; undefined if it cannot be unwrapped, or wrapped. */
async function wrapAnew(
  { keyring, access }: SessionParts,
  key: OldPrivateKey,
  options: CallOptions,
): Promise<MovedKey | undefined> {
  let bytes: Uint8Array | undefined;
  try {
    const unwrapped = await keyring.unwrap(key.wrapped, "recipient", options);
    bytes = unwrapped.key;
    const made = await keyring.rewrap(unwrapped, "recipient", access.events, options);
    return { ...key, made: made.blob, keks: decodeKeyBlob(made.blob).keks.map(kekText) };
  } catch (error) {
    if (!isOutOfUse(error)) throw error;
    return undefined;
  } finally {
    bytes?.fill(0); // Both wraps are of the same bytes.
  }
}

/** Puts new wraps in the place of those that were read, and seals the recipient with them. @returns how many */
async function replace(
  sql: Sql,
  { authority, access }: SessionParts,
  id: string,
  moved: readonly MovedKey[],
): Promise<number> {
  await authority.prepare(sql);
  const recipient = await findRecipient(sql, access.environmentId, id, true);
  checkRecipient(await authority.look(sql), recipient);
  let done = 0;
  const versions: Row[] = [];
  for (const row of recipient.versions) {
    const key = moved.find(({ version }) => version === row.version);
    // Only what is still as it was read: another rewrap, or a shred, may have come between.
    if (key === undefined || row.wrapped === null || !equalBytes(row.wrapped as Uint8Array, key.wrapped)) {
      versions.push(row);
      continue;
    }
    await sql.run(
      "UPDATE recipient_versions SET wrapped = ? WHERE recipient_id = ? AND version = ?",
      key.made,
      id,
      key.version,
    );
    versions.push({ ...row, wrapped: key.made });
    done += 1;
  }
  // The record keeps its generation: one that was put back stays older than its last change.
  if (done > 0)
    await sealRecipient(sql, authority, recipient.stored, versions, recipient.stored.generation as number);
  return done;
}

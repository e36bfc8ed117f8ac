/**
 * Locks of KEKs: what keeps writers and changes of a KEK's state apart (docs/spec/revocation.md section 1).
 *
 * Owns the number of a KEK's lock, and the look whether versions may still be wrapped under. Must not know how a storage
 * locks.
 *
 * @module
 */
import { uuidFromText, uuidToText } from "../../crypto/primitives/uuid.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import type { Sql } from "../storage/database.ts";
import { damagedKek } from "./rows.ts";

/** A KEK version that something is wrapped under. */
export interface KekVersion {
  /** UUID text. */
  readonly id: string;
  readonly version: number;
}

/** A KEK version as a key blob names it. */
export const kekText = (kek: { readonly id: Uint8Array; readonly version: number }): KekVersion => ({
  id: uuidToText(kek.id),
  version: kek.version,
});

/** KEK versions of one statement. Ours: SQLite takes expressions of at most 1,000 levels. */
const VERSIONS_PER_STATEMENT = 100;

/**
 * The number of a KEK's lock: the first 64 bits of its random id, signed.
 *
 * @throws VaultError ERR_STORAGE_CORRUPT if the id is no UUID
 */
export function kekLock(kekId: string): bigint {
  const bytes = uuidFromText(kekId);
  if (bytes === undefined) throw damagedKek(kekId);
  return new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0);
}

/** The locks of all these KEKs. */
export const kekLocks = (keks: readonly KekVersion[]): bigint[] => keks.map(({ id }) => kekLock(id));

/** Each version once. */
export function distinctVersions(keks: Iterable<KekVersion>): KekVersion[] {
  const found = new Map<string, KekVersion>();
  for (const kek of keks) found.set(`${kek.id} ${kek.version}`, kek);
  return [...found.values()];
}

/** Whether all of these KEK versions may be wrapped under. @param keks - each of them once */
export async function areActive(sql: Sql, keks: readonly KekVersion[]): Promise<boolean> {
  for (let from = 0; from < keks.length; from += VERSIONS_PER_STATEMENT) {
    const part = keks.slice(from, from + VERSIONS_PER_STATEMENT);
    const which = part.map(() => "(kek_id = ? AND version = ?)").join(" OR ");
    const row = await sql.get(
      `SELECT count(*) AS n FROM kek_versions WHERE state = 'active' AND (${which})`,
      ...part.flatMap(({ id, version }) => [id, version]),
    );
    if (row!.n !== part.length) return false;
  }
  return true;
}

/** How often a write starts over because its KEKs were rotated or revoked while it was under way. */
export const REVOKED_RETRIES_MAX = 10;

/** KEKs were revoked each time before a write could end. */
export function revokedTooFast(): VaultError {
  return new VaultError("ERR_STORAGE_BUSY", "keys are being revoked faster than values can be written");
}

/** Whether a wrapped key cannot be moved because a KEK of it is out of use. */
export const isOutOfUse = (error: unknown): boolean =>
  isVaultError(error, "ERR_KEY_DISABLED") || isVaultError(error, "ERR_KEY_DESTROYED");

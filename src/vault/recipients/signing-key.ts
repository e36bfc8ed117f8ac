/**
 * The vault's signing key: a vault key of the purpose `signing`, the seed of an Ed25519 key (docs/spec/authority.md section 1).
 *
 * Owns when it is made and how it is read. Must not know what is signed.
 *
 * @module
 */
import { VaultError } from "../../errors.ts";
import { dropOldVaultKeys, insertVaultKey, SIGNING_PURPOSE } from "../authority/vault-keys.ts";
import type { RootKeys } from "../root/root-keys.ts";
import type { Roots } from "../root/roots.ts";
import type { Sql } from "../storage/database.ts";

/** Makes the signing key unless there is one. Not for a transaction that others overtake. */
export async function makeSigningKey(sql: Sql, root: RootKeys, now: number): Promise<void> {
  const statement = "SELECT version FROM vault_keys WHERE purpose = ? LIMIT 1";
  if ((await sql.get(statement, SIGNING_PURPOSE)) !== undefined) return;
  (await insertVaultKey(sql, root, SIGNING_PURPOSE, 1, now)).dispose();
}

/** Makes another signing key in the place of the one there is; nothing where there is none. */
export async function replaceSigningKey(sql: Sql, root: RootKeys, now: number): Promise<void> {
  const statement = "SELECT version FROM vault_keys WHERE purpose = ? ORDER BY version DESC LIMIT 1";
  const newest = await sql.get(statement, SIGNING_PURPOSE);
  if (newest === undefined) return;
  (await insertVaultKey(sql, root, SIGNING_PURPOSE, (newest.version as number) + 1, now)).dispose();
  await dropOldVaultKeys(sql, SIGNING_PURPOSE);
}

/** Lends the seed of the newest signing key. @throws VaultError ERR_STORAGE_CORRUPT if it is missing or altered; ERR_STORAGE_UNAVAILABLE */
export async function withSigningKey<T>(sql: Sql, roots: Roots, use: (seed: Uint8Array) => T): Promise<T> {
  const row = await sql.get(
    "SELECT version, wrapped FROM vault_keys WHERE purpose = ? ORDER BY version DESC LIMIT 1",
    SIGNING_PURPOSE,
  );
  const seed = row && roots.unwrapVaultKey(row.wrapped as Uint8Array, SIGNING_PURPOSE, row.version as number);
  if (seed === undefined) {
    await roots.current(sql);
    throw new VaultError("ERR_STORAGE_CORRUPT", "the vault key signing is missing or damaged");
  }
  try {
    return use(seed);
  } finally {
    seed.fill(0);
  }
}

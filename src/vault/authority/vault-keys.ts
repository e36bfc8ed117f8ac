/**
 * Vault keys (docs/spec/authority.md section 1): random, in versions, wrapped by the root.
 *
 * Owns their rows and purposes. Must not know what is done with them.
 *
 * @module
 */
import { KEY_BYTES } from "../../crypto/limits.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { VaultError } from "../../errors.ts";
import type { RootKeys } from "../root/root-keys.ts";
import type { Roots } from "../root/roots.ts";
import { ServiceKeys } from "../root/service-keys.ts";
import type { Sql } from "../storage/database.ts";
import { insertRow } from "../storage/statements.ts";

/** What vault keys there are. */
export const PURPOSES = ["row-mac", "event-mac", "webhook-secret", "fingerprint"] as const;

/** What a vault key is for. */
export type Purpose = (typeof PURPOSES)[number];

/** The purpose of the key that recipients' documents are signed with. It is made with the first recipient, and read only to sign. */
export const SIGNING_PURPOSE = "signing";

/** The versions of each vault key. */
export type VaultKeys = Readonly<Record<Purpose, ReadonlyMap<number, SecretBytes>>>;

/** Makes a version of a vault key and stores it wrapped. */
export async function insertVaultKey(
  sql: Sql,
  root: RootKeys,
  purpose: Purpose | typeof SIGNING_PURPOSE,
  version: number,
  now: number,
): Promise<SecretBytes> {
  const key = randomBytes(KEY_BYTES);
  const wrapped = root.wrapVaultKey(key, purpose, version);
  await insertRow(sql, "vault_keys", { purpose, version, wrapped, created_at: now });
  return new SecretBytes(key);
}

/** Makes a version of each vault key: the first in a vault that has none, else a newer one. @returns these versions only */
export async function createVaultKeys(sql: Sql, root: RootKeys, now: number): Promise<VaultKeys> {
  const keys = noKeys();
  // One after the other: they share one connection.
  for (const purpose of PURPOSES) {
    const row = await sql.get("SELECT max(version) AS newest FROM vault_keys WHERE purpose = ?", purpose);
    const version = ((row?.newest ?? 0) as number) + 1;
    keys[purpose].set(version, await insertVaultKey(sql, root, purpose, version, now));
  }
  return keys;
}

/** No version of any. */
function noKeys(): Record<Purpose, Map<number, SecretBytes>> {
  return {
    "row-mac": new Map(),
    "event-mac": new Map(),
    "webhook-secret": new Map(),
    fingerprint: new Map(),
  };
}

/** The vault keys as they are stored. @throws VaultError ERR_STORAGE_CORRUPT if one is missing or altered */
export async function loadVaultKeys(sql: Sql, roots: Roots): Promise<VaultKeys> {
  const keys = noKeys();
  const select = "SELECT purpose, version, wrapped FROM vault_keys WHERE purpose <> ?";
  for (const row of await sql.all(select, SIGNING_PURPOSE)) {
    const purpose = row.purpose as string;
    const version = row.version as number;
    const key = roots.unwrapVaultKey(row.wrapped as Uint8Array, purpose, version);
    if (key === undefined || !isPurpose(purpose)) throw damaged(purpose);
    keys[purpose].set(version, new SecretBytes(key));
  }
  for (const purpose of PURPOSES) if (keys[purpose].size === 0) throw damaged(purpose);
  return keys;
}

/** Wraps all vault keys under another root. @throws VaultError ERR_STORAGE_CORRUPT if one was altered */
export async function rewrapVaultKeys(sql: Sql, roots: Roots, next: RootKeys): Promise<void> {
  for (const row of await sql.all("SELECT purpose, version, wrapped FROM vault_keys")) {
    const purpose = row.purpose as string;
    const version = row.version as number;
    const key = roots.unwrapVaultKey(row.wrapped as Uint8Array, purpose, version);
    if (key === undefined) throw damaged(purpose);
    await sql.run(
      "UPDATE vault_keys SET wrapped = ? WHERE purpose = ? AND version = ?",
      next.wrapVaultKey(key, purpose, version),
      purpose,
      version,
    );
    key.fill(0);
  }
}

/** Whether there is a vault key of a purpose in more than one version: its rows are about to go from one to the other. */
export async function isBeingReplaced(sql: Sql, purpose: Purpose): Promise<boolean> {
  const row = await sql.get("SELECT count(*) AS n FROM vault_keys WHERE purpose = ?", purpose);
  return (row!.n as number) > 1;
}

/** Deletes all versions of a vault key but the newest. */
export async function dropOldVaultKeys(sql: Sql, purpose: Purpose | typeof SIGNING_PURPOSE): Promise<void> {
  await sql.run(
    "DELETE FROM vault_keys WHERE purpose = ? AND version < (SELECT max(version) FROM vault_keys WHERE purpose = ?)",
    purpose,
    purpose,
  );
}

/** The service's keys, of the newest versions of the vault keys for them, which may be disposed of afterwards. */
export function serviceKeysOf(keys: VaultKeys, vaultId: Uint8Array): ServiceKeys {
  const newest = (purpose: Purpose): SecretBytes => keys[purpose].get(Math.max(...keys[purpose].keys()))!;
  return new ServiceKeys(
    { webhookSecret: newest("webhook-secret"), fingerprint: newest("fingerprint") },
    vaultId,
  );
}

/** Lets go of all of these. */
export function disposeVaultKeys(keys: Partial<VaultKeys>): void {
  for (const versions of Object.values(keys)) for (const key of versions.values()) key.dispose();
}

function isPurpose(text: string): text is Purpose {
  return (PURPOSES as readonly string[]).includes(text);
}

function damaged(purpose: string): VaultError {
  const which = isPurpose(purpose) ? purpose : "of an unknown purpose";
  return new VaultError("ERR_STORAGE_CORRUPT", `the vault key ${which} is missing or damaged`);
}

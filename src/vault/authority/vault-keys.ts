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
import type { Sql } from "../storage/database.ts";

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
  await sql.run(
    "INSERT INTO vault_keys (purpose, version, wrapped, created_at) VALUES (?, ?, ?, ?)",
    purpose,
    version,
    root.wrapVaultKey(key, purpose, version),
    now,
  );
  return new SecretBytes(key);
}

/** Makes the vault keys of a vault that has none. */
export async function createVaultKeys(sql: Sql, root: RootKeys, now: number): Promise<VaultKeys> {
  const make = async (purpose: Purpose) => new Map([[1, await insertVaultKey(sql, root, purpose, 1, now)]]);
  // One after the other: they share one connection.
  const rowMac = await make("row-mac");
  const eventMac = await make("event-mac");
  const webhookSecret = await make("webhook-secret");
  const fingerprint = await make("fingerprint");
  return { "row-mac": rowMac, "event-mac": eventMac, "webhook-secret": webhookSecret, fingerprint };
}

/** The vault keys as they are stored. @throws VaultError ERR_STORAGE_CORRUPT if one is missing or altered */
export async function loadVaultKeys(sql: Sql, roots: Roots): Promise<VaultKeys> {
  const keys = {
    "row-mac": new Map(),
    "event-mac": new Map(),
    "webhook-secret": new Map(),
    fingerprint: new Map(),
  } satisfies Record<Purpose, Map<number, SecretBytes>>;
  for (const row of await sql.all(
    "SELECT purpose, version, wrapped FROM vault_keys WHERE purpose <> ?",
    SIGNING_PURPOSE,
  )) {
    const purpose = row.purpose as string;
    const version = row.version as number;
    const key = roots.unwrapVaultKey(row.wrapped as Uint8Array, purpose, version);
    if (key === undefined || !isPurpose(purpose)) throw damaged(purpose);
    keys[purpose].set(version, new SecretBytes(key));
  }
  for (const purpose of PURPOSES) if (keys[purpose].size === 0) throw damaged(purpose);
  return keys;
}

/** The newest version of a vault key. */
export function newestOf(keys: VaultKeys, purpose: Purpose): SecretBytes {
  const versions = keys[purpose];
  return versions.get(Math.max(...versions.keys()))!;
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

/**
 * The authority of a database that a test has opened by itself, under the tests' root key.
 *
 * Owns how root key, checks and vault keys come together there. Must not know what the test does with it.
 *
 * @module
 */
import { SecretBytes } from "../../src/crypto/primitives/secret-bytes.ts";
import { openAuthority } from "../../src/vault/authority/authority.ts";
import type { OpenedVault } from "../../src/vault/authority/opened-vault.ts";
import { ROOT_FORM_NAMES, RootKeys } from "../../src/vault/root/root-keys.ts";
import { checksAmong, Roots } from "../../src/vault/root/roots.ts";
import type { Database } from "../../src/vault/storage/database.ts";
import { fromBase64 } from "./bytes.ts";
import { ROOT_KEY } from "./vaults.ts";

/** Opens a vault's database with its authority; without rows that decide that has no use. */
export async function openTestDatabase(database: Database): Promise<OpenedVault> {
  const rows = await database.read((sql) => sql.all("SELECT name, value FROM meta"));
  const vaultId = rows.find((row) => row.name === "vault_id")!.value as Uint8Array;
  const root = (): SecretBytes => new SecretBytes(fromBase64(ROOT_KEY));
  const roots = new Roots(checksAmong(rows)!, () =>
    ROOT_FORM_NAMES.map((form) => new RootKeys(root(), vaultId, form)),
  );
  const authority = await openAuthority(database, roots, vaultId, Date.now);
  return { database, authority, vaultId, now: Date.now };
}

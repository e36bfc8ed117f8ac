/**
 * The beginning of a vault's authority: its vault keys and its empty log.
 *
 * Owns what a vault must have before its first record is sealed. Must not know whether the vault is new.
 *
 * @module
 */
import type { RootKeys } from "../root/root-keys.ts";
import type { Sql } from "../storage/database.ts";
import { beginLog } from "./log.ts";
import { Macs } from "./macs.ts";
import { createVaultKeys, type VaultKeys } from "./vault-keys.ts";

/** Makes vault keys and log. @returns the vault keys, the caller's to dispose of */
export async function beginAuthority(sql: Sql, root: RootKeys, now: number): Promise<VaultKeys> {
  const keys = await createVaultKeys(sql, root, now);
  await beginLog(sql, new Macs(keys));
  return keys;
}

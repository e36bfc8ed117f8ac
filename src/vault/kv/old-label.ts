/**
 * Data keys of stored values that were wrapped with the label of applications, before the store had its own ([AUT-14]).
 *
 * Owns the question which data keys these are. Must not know how they are wrapped.
 *
 * @module
 */
import type { Authority } from "../authority/authority.ts";
import type { IsStoredKey } from "../keks/key-service.ts";
import type { Database } from "../storage/database.ts";
import { OLD_KEY_LABEL } from "./rows.ts";

/**
 * Answers for a database. In an authenticated vault nothing new gets the old label: where there is none now, nothing is looked up
 * any more. In others a program of before, which still runs, may write more of them.
 */
export async function storedKeysWithOldLabel(database: Database, authority: Authority): Promise<IsStoredKey> {
  const some = `SELECT 1 AS found FROM kv_versions WHERE key_label = ${OLD_KEY_LABEL}`;
  if (authority.isAuthenticated && (await database.read((sql) => sql.get(`${some} LIMIT 1`))) === undefined)
    return () => false;
  return async (id, options) =>
    (await database.read((sql) => sql.get(`${some} AND key_id = ? LIMIT 1`, id), options)) !== undefined;
}

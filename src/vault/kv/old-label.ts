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

const SOME = `SELECT 1 AS found FROM kv_versions WHERE key_label = ${OLD_KEY_LABEL}`;
/** Whether a stored value has the data key of an id, with the old label. By an index of its own: it is asked for each unwrap. */
export const STORED_WITH_OLD_LABEL = `${SOME} AND key_id = ? LIMIT 1`;

/**
 * Answers for a database. In an authenticated vault nothing new gets the old label: where there is none now, nothing is looked up
 * any more. In others a program of before, which still runs, may write more of them.
 */
export async function storedKeysWithOldLabel(database: Database, authority: Authority): Promise<IsStoredKey> {
  if (authority.isAuthenticated && (await database.read((sql) => sql.get(`${SOME} LIMIT 1`))) === undefined)
    return () => false;
  return async (id, options) =>
    (await database.read((sql) => sql.get(STORED_WITH_OLD_LABEL, id), options)) !== undefined;
}

/**
 * Rows of senders (docs/spec/sealed-data-key.md section 9).
 *
 * Owns how they are found, written and read. Must not know which change of a sender is allowed, nor signatures.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { VaultError } from "../../errors.ts";
import type { SenderInfo } from "../../keks/sender-service.ts";
import type { Authenticated, Authority } from "../authority/authority.ts";
import { recordOf } from "../authority/record.ts";
import { iso } from "../keks/rows.ts";
import type { Row, Sql } from "../storage/database.ts";
import { insertRow, updateRow } from "../storage/statements.ts";

/** All of a recipient's senders, those that were revoked too. Each is checked. @throws VaultError ERR_STORAGE_CORRUPT */
export async function sendersOf(
  sql: Sql,
  known: Authenticated,
  recipientId: string,
): Promise<readonly Row[]> {
  const rows = await sql.all("SELECT * FROM senders WHERE recipient_id = ? ORDER BY id", recipientId);
  for (const row of rows) checkSender(known, row);
  return rows;
}

/** A page of a recipient's senders by id, and one more. Each is checked. @throws VaultError ERR_STORAGE_CORRUPT */
export async function sendersAfter(
  sql: Sql,
  known: Authenticated,
  recipientId: string,
  after: string,
  limit: number,
): Promise<readonly Row[]> {
  const rows = await sql.all(
    "SELECT * FROM senders WHERE recipient_id = ? AND id > ? ORDER BY id LIMIT ?",
    recipientId,
    after,
    limit + 1,
  );
  for (const row of rows) checkSender(known, row);
  return rows;
}

/** A sender of a recipient; others that would change it wait from now on. @throws VaultError ERR_KEY_NOT_FOUND */
export async function lockSender(sql: Sql, recipientId: string, id: string): Promise<Row> {
  await sql.run(
    "UPDATE senders SET created_at = created_at WHERE recipient_id = ? AND id = ?",
    recipientId,
    id,
  );
  const row = await sql.get("SELECT * FROM senders WHERE recipient_id = ? AND id = ?", recipientId, id);
  if (row === undefined) throw new VaultError("ERR_KEY_NOT_FOUND", "the recipient has no such sender");
  return row;
}

/** How many senders a recipient has, and whether one of them is of an id. */
export async function countSenders(
  sql: Sql,
  recipientId: string,
  id: string,
): Promise<{ readonly count: number; readonly isThere: boolean }> {
  const row = (await sql.get(
    "SELECT count(*) AS n, count(CASE WHEN id = ? THEN 1 END) AS same FROM senders WHERE recipient_id = ?",
    id,
    recipientId,
  ))!;
  return { count: row.n as number, isThere: row.same !== 0 };
}

/** Stores a sender that is new. @throws VaultError ERR_STORAGE_CORRUPT if it was there before and its row was deleted */
export async function insertSender(sql: Sql, authority: Authority, row: Row): Promise<SenderInfo> {
  const stored = { ...row, generation: 0 };
  await authority.checkNew(sql, recordOf("senders", stored));
  await insertRow(sql, "senders", { ...stored, mac: authority.seal(recordOf("senders", stored)) });
  return senderInfo(stored);
}

/** Changes a sender that was checked, and seals it: it is not read again. */
export async function changeSender(
  sql: Sql,
  authority: Authority,
  row: Row,
  changes: Row & { readonly generation: number },
): Promise<SenderInfo> {
  const changed = { ...row, ...changes };
  await updateRow(sql, "senders", row.id!, { ...changes, mac: authority.seal(recordOf("senders", changed)) });
  return senderInfo(changed);
}

/** Refuses a sender that is not as it was written. @throws VaultError ERR_STORAGE_CORRUPT */
export function checkSender(authority: Authenticated, row: Row): void {
  authority.check(recordOf("senders", row), row.mac);
}

/** A sender as callers are told of it. */
export function senderInfo(row: Row): SenderInfo {
  const moment = (value: Row[string] | undefined): string | null =>
    typeof value === "number" ? iso(value) : null;
  return {
    id: row.id as string,
    recipientId: row.recipient_id as string,
    name: row.name as string,
    publicKey: encodeBase64(row.public_key as Uint8Array),
    createdAt: iso(row.created_at as number),
    expiresAt: moment(row.expires_at),
    revokedAt: moment(row.revoked_at),
  };
}

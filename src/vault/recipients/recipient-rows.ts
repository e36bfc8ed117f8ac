/**
 * Rows of recipients and their versions.
 *
 * Owns how they are found, written and read, and their record. Must not know which change of a state is allowed, nor private keys.
 *
 * @module
 */
import { contextObject } from "../../crypto/keys/key-context.ts";
import type { SealedSuite } from "../../crypto/keys/sealed-key-blob.ts";
import { VaultError } from "../../errors.ts";
import type { RecipientInfo, RecipientState } from "../../keks/recipient-service.ts";
import type { Authenticated, Authority } from "../authority/authority.ts";
import { recipientRecord } from "../authority/record.ts";
import { contextOfRecipient } from "../keks/environment-wide.ts";
import { iso } from "../keks/rows.ts";
import type { Row, Sql } from "../storage/database.ts";
import { updateRow } from "../storage/statements.ts";

/** A recipient as it is stored, with its versions, the lowest first. */
export interface RecipientRow {
  readonly id: string;
  readonly suite: SealedSuite;
  readonly stored: Row;
  readonly versions: readonly Row[];
}

const COLUMNS = "id, environment_id, canonical, suite, created_at, requires_sender, generation, mac";

/**
 * A recipient of an environment.
 *
 * @param forChange - others that would change it wait from now on
 * @throws VaultError ERR_KEY_NOT_FOUND
 */
export async function findRecipient(
  sql: Sql,
  environmentId: string,
  id: string,
  forChange: boolean,
): Promise<RecipientRow> {
  if (forChange) {
    await sql.run(
      "UPDATE recipients SET created_at = created_at WHERE environment_id = ? AND id = ?",
      environmentId,
      id,
    );
  }
  const row = await sql.get(
    `SELECT ${COLUMNS} FROM recipients WHERE environment_id = ? AND id = ?`,
    environmentId,
    id,
  );
  if (row === undefined) throw unknownRecipient();
  return withVersions(sql, row);
}

/** A page of an environment's recipients by id, and one more. */
export async function recipientsAfter(
  sql: Sql,
  environmentId: string,
  after: string,
  limit: number,
): Promise<RecipientRow[]> {
  const rows = await sql.all(
    `SELECT ${COLUMNS} FROM recipients WHERE environment_id = ? AND id > ? ORDER BY id LIMIT ?`,
    environmentId,
    after,
    limit + 1,
  );
  const found: RecipientRow[] = [];
  for (const row of rows) found.push(await withVersions(sql, row));
  return found;
}

/** Stores a recipient with its first version. @returns it as it is then */
export async function insertRecipient(
  sql: Sql,
  authority: Authority,
  row: Row,
  version: Row,
): Promise<RecipientRow> {
  const stored = { ...row, generation: 0 };
  const mac = authority.seal(recipientRecord(stored, [version]));
  await sql.run(
    `INSERT INTO recipients (id, environment_id, canonical, suite, created_at, requires_sender, mac)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    row.id!,
    row.environment_id!,
    row.canonical!,
    row.suite!,
    row.created_at!,
    row.requires_sender!,
    mac,
  );
  await insertRecipientVersion(sql, row.id as string, version);
  return recipientRow({ ...stored, mac }, [version]);
}

/** A version that is active, to be stored. */
export function newRecipientVersion(
  version: number,
  made: { readonly publicKey: Uint8Array; readonly wrapped: Uint8Array },
  now: number,
): Row {
  return { version, state: "active", public_key: made.publicKey, wrapped: made.wrapped, created_at: now };
}

/** Stores a version. */
export async function insertRecipientVersion(sql: Sql, recipientId: string, row: Row): Promise<void> {
  await sql.run(
    `INSERT INTO recipient_versions (recipient_id, version, state, public_key, wrapped, created_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
    recipientId,
    row.version!,
    row.state!,
    row.public_key!,
    row.wrapped!,
    row.created_at!,
  );
}

/** Puts a version into a state; of a destroyed one the private key goes too. @returns the version as it is then */
export async function setRecipientState(
  sql: Sql,
  recipientId: string,
  row: Row,
  state: RecipientState,
): Promise<Row> {
  const wrapped = state === "destroyed" ? null : row.wrapped!;
  await sql.run(
    "UPDATE recipient_versions SET state = ?, wrapped = ? WHERE recipient_id = ? AND version = ?",
    state,
    wrapped,
    recipientId,
    row.version!,
  );
  return { ...row, state, wrapped };
}

/** Makes a recipient demand a sender, or none. @returns its row as it is then */
export async function setRequiresSender(sql: Sql, stored: Row, isRequired: boolean): Promise<Row> {
  const requires_sender = isRequired ? 1 : 0;
  await updateRow(sql, "recipients", stored.id!, { requires_sender });
  return { ...stored, requires_sender };
}

/**
 * Gives a recipient, after a change of it, the MAC of what was checked and changed. It is not read again: that could be altered.
 *
 * @param versions - all rows of its versions as they are now, the lowest first
 * @returns it as it is now
 */
export async function sealRecipient(
  sql: Sql,
  authority: Authority,
  stored: Row,
  versions: readonly Row[],
  generation: number,
): Promise<RecipientRow> {
  const mac = authority.seal(recipientRecord({ ...stored, generation }, versions));
  await sql.run("UPDATE recipients SET generation = ?, mac = ? WHERE id = ?", generation, mac, stored.id!);
  return recipientRow({ ...stored, generation, mac }, versions);
}

/** Refuses a recipient that is not as it was written. @throws VaultError ERR_STORAGE_CORRUPT */
export function checkRecipient(authority: Authenticated, { stored, versions }: RecipientRow): void {
  authority.check(recipientRecord(stored, versions), stored.mac);
}

/** A recipient as callers are told of it. */
export function recipientInfo({ id, suite, stored, versions }: RecipientRow): RecipientInfo {
  const newestFirst = versions.toReversed();
  const context = contextOfRecipient(stored);
  return {
    id,
    context: context === undefined ? null : contextObject(context),
    suite,
    state: newestFirst[0]!.state as RecipientState,
    createdAt: iso(stored.created_at as number),
    requiresSender: stored.requires_sender !== 0,
    versions: newestFirst.map((row) => ({
      version: row.version as number,
      state: row.state as RecipientState,
      createdAt: iso(row.created_at as number),
    })),
  };
}

/** The one answer for a recipient that does not exist and for one that the caller may not know of. */
export function unknownRecipient(): VaultError {
  return new VaultError("ERR_KEY_NOT_FOUND", "this vault's environment does not hold this recipient");
}

/** @throws VaultError ERR_KEY_DESTROYED, ERR_KEY_DISABLED unless a version in this state is used for anything */
export function checkUsable(state: RecipientState): void {
  if (state === "destroyed") {
    throw new VaultError(
      "ERR_KEY_DESTROYED",
      "the recipient was destroyed: nothing sealed to it can be read",
    );
  }
  if (state === "disabled") throw new VaultError("ERR_KEY_DISABLED", "the recipient is disabled");
}

async function withVersions(sql: Sql, stored: Row): Promise<RecipientRow> {
  const versions = await sql.all(
    `SELECT version, state, public_key, wrapped, created_at FROM recipient_versions
     WHERE recipient_id = ? ORDER BY version`,
    stored.id as string,
  );
  if (versions.length === 0) {
    throw new VaultError("ERR_STORAGE_CORRUPT", `the recipient ${stored.id} is damaged in the vault's file`);
  }
  return recipientRow(stored, versions);
}

function recipientRow(stored: Row, versions: readonly Row[]): RecipientRow {
  return { id: stored.id as string, suite: stored.suite as SealedSuite, stored, versions };
}

/**
 * Records: what of a row a MAC covers, as bytes (docs/spec/authority.md section 2).
 *
 * Owns the encoding and the list of values for each table. Must not know keys, nor where rows come from.
 *
 * @module
 */
import { hash } from "../../crypto/primitives/hash.ts";
import { hexOf } from "../ids.ts";
import type { Row, SqlValue } from "../storage/database.ts";

/** Which vault key makes MACs of a record. */
export type MacPurpose = "row-mac" | "event-mac";

/** What a MAC covers. */
export interface RowRecord {
  /** Default `row-mac`. */
  readonly purpose?: MacPurpose | undefined;
  readonly table: string;
  readonly values: readonly SqlValue[];
  /** Names the row in errors; without a secret or a context value. */
  readonly what: string;
  /** Of records whose changes the log has: whose they are, and the generation that the row says. */
  readonly subject?: string | undefined;
  readonly generation?: number | undefined;
}

const LABEL = "coffer/v2/row";

const TYPE_NULL = 0;
const TYPE_NUMBER = 1;
const TYPE_TEXT = 2;
const TYPE_BYTES = 3;

/** Bytes of the longest encoding of a UTF-16 unit in UTF-8. */
const UTF8_BYTES_MAX = 3;
/** Bytes of a type and a length. */
const HEAD_BYTES = 5;

/** The bytes of a record, the same for no two records. */
export function recordBytes({ table, values }: Pick<RowRecord, "table" | "values">): Uint8Array {
  let size = 2 * HEAD_BYTES + UTF8_BYTES_MAX * (LABEL.length + table.length) + HEAD_BYTES;
  const texts = values.map((value) => (typeof value === "number" ? String(value) : value));
  for (const value of texts) {
    if (typeof value === "string") size += UTF8_BYTES_MAX * value.length;
    else if (value !== null) size += value.length;
    size += HEAD_BYTES;
  }
  const out = Buffer.allocUnsafe(size);
  let at = writeText(out, 0, LABEL);
  at = writeText(out, at, table);
  at = out.writeUInt32BE(values.length, at);
  for (const [i, value] of texts.entries()) {
    if (value === null) {
      out[at++] = TYPE_NULL;
    } else if (typeof value === "string") {
      out[at++] = typeof values[i] === "number" ? TYPE_NUMBER : TYPE_TEXT;
      at = writeText(out, at, value);
    } else {
      out[at++] = TYPE_BYTES;
      at = out.writeUInt32BE(value.length, at);
      out.set(value, at);
      at += value.length;
    }
  }
  return out.subarray(0, at);
}

function writeText(out: Buffer, at: number, text: string): number {
  const length = out.write(text, at + 4);
  out.writeUInt32BE(length, at);
  return at + 4 + length;
}

/** Names of columns, written as SQL does. */
const columns = (names: string): readonly string[] => names.split(", ");

/** Columns of each table that a record holds, in their order. */
const COLUMNS = {
  environments: columns("id, name, created_at, generation"),
  api_keys: columns(
    "id, environment_id, name, digest, permissions, constraints, created_at, revoked_at, generation",
  ),
  webhooks: columns("id, environment_id, url, kinds, sealed_secret, created_at, disabled_at, generation"),
  keks: columns("id, environment_id, context_name, context_value, created_at, generation"),
  recipients: columns("id, environment_id, canonical, suite, created_at, generation"),
  senders: columns("id, recipient_id, name, public_key, created_at, expires_at, revoked_at, generation"),
  kv_objects: columns(
    "id, environment_id, name, canonical, current_version, current_number, current_generation, created_at, updated_at, deleted_at",
  ),
  kv_versions: columns("id, object_id, number, key_id, key_blob, sealed, created_at"),
  events: columns("id, environment_id, kind, data, created_at, generation"),
};

/** Columns of a KEK version within its KEK's record. */
const VERSION_COLUMNS = columns("version, state, wrapped, created_at, destroy_at");

/** Columns of a recipient's version within its recipient's record. */
const RECIPIENT_VERSION_COLUMNS = columns("version, state, public_key, wrapped, created_at");

/** How errors name a row of a table. */
const WORDS: Readonly<Record<keyof typeof COLUMNS, string>> = {
  environments: "environment",
  api_keys: "API key",
  webhooks: "webhook",
  keks: "KEK",
  recipients: "recipient",
  senders: "sender",
  kv_objects: "object",
  kv_versions: "stored version",
  events: "event",
};

/** Tables whose changes the log has. */
const LOGGED: ReadonlySet<string> = new Set([
  "environments",
  "api_keys",
  "webhooks",
  "keks",
  "recipients",
  "senders",
]);

/** A table whose rows have a MAC each. */
export type RecordTable = Exclude<keyof typeof COLUMNS, "keks" | "recipients">;

/** The record of a row. @param row - has all columns of the record */
export function recordOf(table: RecordTable, row: Row): RowRecord {
  return { ...head(table, row), values: valuesOf(COLUMNS[table], row) };
}

/** The record of an event that is made now. @param values - of all columns of the record, in their order */
export function eventRecord(values: readonly SqlValue[]): RowRecord {
  return { table: "events", purpose: "event-mac", what: `the event ${values[0]}`, values };
}

/** The record of a KEK with all its versions. @param versions - the lowest first */
export function kekRecord(kek: Row, versions: readonly Row[]): RowRecord {
  return {
    ...head("keks", kek),
    subject: kekSubject(kek),
    values: [
      ...valuesOf(COLUMNS.keks, kek),
      ...versions.flatMap((version) => valuesOf(VERSION_COLUMNS, version)),
    ],
  };
}

/** Ends the record of a recipient that demands a sender. Records from before there were senders have no such end. */
const REQUIRES_SENDER = "requires-sender";

/** The record of a recipient with all its versions. @param versions - the lowest first */
export function recipientRecord(recipient: Row, versions: readonly Row[]): RowRecord {
  return {
    ...head("recipients", recipient),
    values: [
      ...valuesOf(COLUMNS.recipients, recipient),
      ...versions.flatMap((version) => valuesOf(RECIPIENT_VERSION_COLUMNS, version)),
      ...(recipient.requires_sender === 0 ? [] : [REQUIRES_SENDER]),
    ],
  };
}

/**
 * Whose changes the log has for a KEK: those of its environment and entry, whatever its id. One that is made anew, after the rows
 * of a disabled one were deleted, is older than the disable.
 */
export function kekSubject({ environment_id, context_name, context_value }: Row): string {
  const values = [environment_id, context_name, context_value] as SqlValue[];
  return `kek:${hexOf(hash.sha256(recordBytes({ table: "kek", values })))}`;
}

function head(table: keyof typeof COLUMNS, row: Row): Omit<RowRecord, "values"> {
  const id = row.id as string;
  const what = `the ${WORDS[table]} ${id}`;
  const purpose = table === "events" ? "event-mac" : "row-mac";
  return LOGGED.has(table)
    ? { table, what, purpose, subject: id, generation: row.generation as number }
    : { table, what, purpose };
}

function valuesOf(columns: readonly string[], row: Row): SqlValue[] {
  return columns.map((column) => row[column] as SqlValue);
}

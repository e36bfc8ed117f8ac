/**
 * The types of columns on SQLite, which itself stores anything anywhere.
 *
 * Owns what a column is declared with, and that a row has nothing else. Must not know what the tables mean.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import { isUint8Array } from "../../../base/bytes.ts";
import type { Row } from "../database.ts";
import type { SchemaTypes } from "../schema.ts";
import { damaged } from "./errors.ts";

/** The schema's types in SQLite's words; its text is compared byte by byte unless told otherwise. */
export const SQLITE_TYPES: SchemaTypes = {
  text: "TEXT",
  bytes: "BLOB",
  integer: "INTEGER",
  sequence: "INTEGER PRIMARY KEY",
  write: "INTEGER NOT NULL DEFAULT 0",
};

/** The most milliseconds from 1970 that a date can have (ECMA-262, section 21.4.1.1). */
const DATE_MS_MAX = 8.64e15;

/** What may be in the columns of a name. */
export class ColumnTypes {
  /** Declared types, and NULL, by the column's name. */
  readonly #types = new Map<string, Set<string>>();

  /** Reads which types the columns are declared with. */
  constructor(connection: DatabaseSync) {
    const columns = connection
      .prepare(
        `SELECT c.name, c.type, c."notnull", c.pk FROM sqlite_schema s JOIN pragma_table_info(s.name) c
         WHERE s.type = 'table'`,
      )
      .all();
    for (const { name, type, notnull, pk } of columns) {
      const accepted = this.#types.get(name as string) ?? new Set();
      this.#types.set(name as string, accepted.add(type as string));
      if (notnull === 0 && pk === 0) accepted.add("NULL");
    }
  }

  /** Rows as the schema declares them. @throws VaultError ERR_STORAGE_CORRUPT for anything else */
  check(rows: readonly Record<string, unknown>[]): readonly Row[] {
    for (const row of rows) {
      for (const name in row) {
        // Dates may have been given another name in the statement.
        const accepted =
          this.#types.get(name) ?? (name.endsWith("_at") ? this.#types.get("created_at") : undefined);
        if (accepted !== undefined && !accepted.has(typeOf(row[name], name))) throw damaged();
      }
    }
    return rows as readonly Row[];
  }
}

/** The declared type that a value fits; columns that end in `_at` are dates. */
function typeOf(value: unknown, name: string): string {
  if (value === null) return "NULL";
  if (typeof value === "string") return SQLITE_TYPES.text;
  if (isUint8Array(value)) return SQLITE_TYPES.bytes;
  const max = name.endsWith("_at") ? DATE_MS_MAX : Number.MAX_SAFE_INTEGER;
  return Number.isInteger(value) && Math.abs(value as number) <= max ? SQLITE_TYPES.integer : "none";
}

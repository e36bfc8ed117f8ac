/**
 * Statements that are the same for every table: a row as it is, put into one or changed.
 *
 * Owns their text. Names of tables and columns are the program's own, never a caller's. Must not know what the tables mean.
 *
 * @module
 */
import type { Row, Sql, SqlValue } from "./database.ts";

/**
 * Inserts a row.
 *
 * @param row - its columns by name
 * @param end - ends the statement: what to do where the row is there
 * @returns 1, or 0 where the row was there
 */
export function insertRow(sql: Sql, table: string, row: Row, end = ""): Promise<number> {
  return sql.run(insertText(table, [row], end), ...Object.values(row));
}

/**
 * Inserts rows, on the way of what is asked next.
 *
 * @param rows - at least one; all have the same columns in the same order
 * @param otherwise - what the transaction fails with where a row is there already; default the database's error
 */
export function sendRows(
  sql: Sql,
  table: string,
  rows: readonly Row[],
  otherwise?: () => Error,
): Promise<void> {
  const values = rows.flatMap((row) => Object.values(row));
  if (otherwise === undefined) return sql.send(insertText(table, rows, ""), values);
  const must = { changed: rows.length, otherwise };
  return sql.send(insertText(table, rows, "ON CONFLICT DO NOTHING"), values, must);
}

/** Changes the columns that are named of the row of an id, on the way of what is asked next. */
export function updateRow(sql: Sql, table: string, id: SqlValue, changes: Row): Promise<void> {
  const set = Object.keys(changes).map((column) => `${column} = ?`);
  return sql.send(`UPDATE ${table} SET ${set.join(", ")} WHERE id = ?`, [...Object.values(changes), id]);
}

function insertText(table: string, rows: readonly Row[], end: string): string {
  const columns = Object.keys(rows[0]!);
  const marks = `(${columns.map(() => "?").join(", ")})`;
  return `INSERT INTO ${table} (${columns.join(", ")}) VALUES ${rows.map(() => marks).join(", ")} ${end}`;
}

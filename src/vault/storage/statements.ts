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
  const columns = Object.keys(row);
  const marks = columns.map(() => "?").join(", ");
  return sql.run(
    `INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks}) ${end}`,
    ...Object.values(row),
  );
}

/** Changes the columns that are named of the row of an id. */
export async function updateRow(sql: Sql, table: string, id: SqlValue, changes: Row): Promise<void> {
  const set = Object.keys(changes).map((column) => `${column} = ?`);
  await sql.run(`UPDATE ${table} SET ${set.join(", ")} WHERE id = ?`, ...Object.values(changes), id);
}

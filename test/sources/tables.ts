/**
 * Tables for tests of sources, on SQLite and on PostgreSQL, told apart by nothing but how they are made.
 *
 * Owns the making of databases and statements on them. Must not know what the tests do.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { postgresTable, sqliteTable } from "../../src/sources/index.ts";
import type { TableOptions } from "../../src/sources/sql/table-options.ts";
import type { TableSource } from "../../src/sources/sql/table-source.ts";
import { emptyDatabaseUrl } from "../support/postgres.ts";

/** A database with whatever tables a test makes. */
export interface TestDatabase {
  /** Runs a statement with `?` for its parameters. */
  query(statement: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** A source over a table, on connections of its own. */
  open(options: TableOptions): Promise<TableSource>;
  close(): Promise<void>;
}

/** A database of SQLite in a file of its own. */
export async function sqliteDatabase(): Promise<TestDatabase & { readonly path: string }> {
  const directory = mkdtempSync(join(tmpdir(), "coffer-source-"));
  const path = join(directory, "app.db");
  const connection = new DatabaseSync(path, { timeout: 5_000 });
  connection.exec("PRAGMA journal_mode = WAL");
  return {
    path,
    query: async (statement, parameters = []) =>
      connection.prepare(statement).all(...(parameters as never[])) as Record<string, unknown>[],
    open: async ({ schema: _, ...options }) => sqliteTable({ database: path, ...options }),
    close: async () => {
      connection.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A database of PostgreSQL, of its own. */
export async function postgresDatabase(): Promise<
  TestDatabase & { readonly pool: pg.Pool; readonly url: string }
> {
  const url = await emptyDatabaseUrl();
  const pool = new pg.Pool({ connectionString: url, max: 20 });
  pool.on("error", () => {}); // A server that is stopped by a test.
  return {
    url,
    pool,
    query: async (statement, parameters = []) => {
      let n = 0;
      const { rows } = await pool.query(
        statement.replace(/\?/g, () => `$${++n}`),
        [...parameters],
      );
      return rows;
    },
    open: async (options) => postgresTable({ pool, ...options }),
    close: () => pool.end(),
  };
}

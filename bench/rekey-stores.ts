/**
 * The tables of the rekey bench, on SQLite and on PostgreSQL: how they are filled, and what programs do to them without coffer.
 *
 * Owns the statements. Must not know jobs, nor what is measured.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import type { CiphertextSource } from "../src/rekey/index.ts";
import { postgresTable, sqliteTable } from "../src/sources/index.ts";
import { postgresScanSource, type ScanSource, sqliteScanSource } from "../src/sources/scan/index.ts";

/** Rows that are written or read in one go. */
export const ROWS_AT_ONCE = 1_000;

/** A table of ciphertexts. */
export interface Store {
  readonly name: string;
  /** As the database has it. */
  readonly table: string;
  /** Path or URL. */
  readonly target: string;
  /** Puts these rows in the place of all. */
  fill(texts: readonly string[]): Promise<void>;
  get(id: number): Promise<string>;
  set(id: number, text: string): Promise<void>;
  /** Writes the same bytes again, without any cryptography, as fast as the database can from this process. */
  bareUpdate(texts: readonly string[]): Promise<void>;
  source(): CiphertextSource;
  /** Reads all texts by the driver alone, in pages. @returns how many there are */
  bareSelect(): Promise<number>;
  /** What a census reads the same table by. */
  scanSource(): Promise<{ readonly source: ScanSource; readonly close: () => Promise<void> | void }>;
  close(): Promise<void>;
}

/** A table of SQLite. @param path - of the file that is made */
export function sqliteStore(path: string): Store {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  const insert = database.prepare("INSERT INTO t VALUES (?, ?)");
  const update = database.prepare("UPDATE t SET body = ? WHERE id = ?");
  const get = database.prepare("SELECT body FROM t WHERE id = ?");
  const select = database.prepare(`SELECT id, body FROM t WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE}`);
  const inPages = (texts: readonly string[], write: (id: number, text: string) => void): void => {
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      database.exec("BEGIN");
      for (const [i, text] of texts.slice(from, from + ROWS_AT_ONCE).entries()) write(from + i + 1, text);
      database.exec("COMMIT");
    }
  };
  return {
    name: "SQLite",
    table: "t",
    target: path,
    fill: async (texts) => {
      database.exec("DELETE FROM t");
      inPages(texts, (id, text) => insert.run(id, text));
    },
    get: async (id) => get.get(id)!.body as string,
    set: async (id, text) => void update.run(text, id),
    bareUpdate: async (texts) => inPages(texts, (id, text) => update.run(text, id)),
    source: () => sqliteTable({ database: path, table: "t", columns: ["body"] }),
    bareSelect: async () => {
      let [seen, last] = [0, 0];
      for (;;) {
        const page = select.all(last) as { id: number; body: string }[];
        if (page.length === 0) return seen;
        seen += page.length;
        last = page[page.length - 1]!.id;
      }
    },
    scanSource: async () => {
      const source = await sqliteScanSource(path);
      return { source, close: () => source[Symbol.dispose]() };
    },
    close: async () => database.close(),
  };
}

/** A table of PostgreSQL, which is dropped in the end. */
export async function postgresStore(url: string): Promise<Store> {
  const pool = new pg.Pool({ connectionString: url, max: 10 });
  await pool.query("DROP TABLE IF EXISTS coffer_bench");
  await pool.query("CREATE TABLE coffer_bench (id INTEGER PRIMARY KEY, body TEXT NOT NULL)");
  const inPages = async (texts: readonly string[], statement: string): Promise<void> => {
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      const part = texts.slice(from, from + ROWS_AT_ONCE);
      await pool.query(statement, [part.map((_, i) => from + i + 1), part]);
    }
  };
  return {
    name: "PostgreSQL",
    table: "coffer_bench",
    target: url,
    fill: async (texts) => {
      await pool.query("TRUNCATE coffer_bench");
      await inPages(texts, "INSERT INTO coffer_bench SELECT * FROM unnest($1::int[], $2::text[])");
      await pool.query("ANALYZE coffer_bench");
    },
    get: async (id) => (await pool.query("SELECT body FROM coffer_bench WHERE id = $1", [id])).rows[0].body,
    set: async (id, text) =>
      void (await pool.query("UPDATE coffer_bench SET body = $1 WHERE id = $2", [text, id])),
    bareUpdate: (texts) =>
      inPages(
        texts,
        "UPDATE coffer_bench AS t SET body = v.b FROM unnest($1::int[], $2::text[]) AS v(i, b) WHERE t.id = v.i",
      ),
    source: () => postgresTable({ pool, table: "coffer_bench", columns: ["body"] }),
    bareSelect: async () => {
      const client = await pool.connect();
      try {
        await client.query("BEGIN READ ONLY");
        await client.query("DECLARE bare NO SCROLL CURSOR FOR SELECT body FROM coffer_bench");
        for (let seen = 0; ; ) {
          const { rows } = await client.query(`FETCH ${ROWS_AT_ONCE} FROM bare`);
          if (rows.length === 0) return seen;
          seen += rows.length;
        }
      } finally {
        await client.query("ROLLBACK");
        client.release();
      }
    },
    scanSource: async () => {
      const client = await pool.connect();
      return {
        source: postgresScanSource({ query: (text, of) => client.query(text, of as unknown[]) }),
        close: () => client.release(),
      };
    },
    close: async () => {
      await pool.query("DROP TABLE coffer_bench");
      await pool.end();
    },
  };
}

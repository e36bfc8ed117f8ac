/**
 * The tables of an SQLite database, for a census.
 *
 * Owns which tables and columns are read, and how a sample is spread. The file is opened read-only. Must not know what values
 * mean.
 *
 * @module
 */
import { VaultError } from "../../errors.ts";
import { SCAN_HEAD_MAX, type ScanPlace, type ScanSource } from "./scan.ts";
import type { Cell } from "./tally.ts";

/** Rows that are read in one go. Ours. */
const PAGE_ROWS = 1_000;

/** Stretches of a table from which a sample is taken: neighbours are often of one age. Ours. */
const STRETCHES = 100;

type Database = import("node:sqlite").DatabaseSync;

/**
 * The tables of a file.
 *
 * @throws VaultError ERR_UNSUPPORTED where there is no `node:sqlite`, ERR_STORAGE_CORRUPT for a file that is no database, and by
 *   the system's code for one that cannot be opened
 */
export async function sqliteScanSource(path: string): Promise<ScanSource & Disposable> {
  const { DatabaseSync } = await import("node:sqlite");
  let database: Database;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    database.exec("PRAGMA query_only = 1");
    database.prepare("SELECT count(*) FROM sqlite_schema").get();
  } catch (error) {
    throw new VaultError("ERR_STORAGE_CORRUPT", "the file is no SQLite database, or cannot be read", {
      cause: error,
    });
  }
  return {
    kind: "sqlite",
    async *places() {
      const tables = database
        .prepare(
          "SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'coffer\\_rekey\\_%' ESCAPE '\\' ORDER BY name",
        )
        .all() as { name: string; wr: number }[];
      for (const { name, wr } of tables) yield tablePlace(database, name, wr === 0);
    },
    [Symbol.dispose]: () => database.close(),
  };
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function tablePlace(database: Database, table: string, hasRowid: boolean): ScanPlace {
  const columns = (
    database.prepare(`SELECT name FROM pragma_table_info(?)`).all(table) as { name: string }[]
  ).map(({ name }) => name);
  const { rows } = database.prepare(`SELECT count(*) AS rows FROM ${quoted(table)}`).get() as {
    rows: number;
  };
  // Long values are cut by the database: only their beginning is looked at.
  const cells = columns.map(quoted).flatMap((name) => {
    const isLong = `typeof(${name}) IN ('text', 'blob') AND octet_length(${name}) > ${SCAN_HEAD_MAX}`;
    return [
      `CASE WHEN ${isLong} THEN substr(${name}, 1, ${SCAN_HEAD_MAX}) ELSE ${name} END`,
      `CASE WHEN ${isLong} THEN octet_length(${name}) END`,
    ];
  });
  const from = `SELECT ${cells.join(", ")} FROM ${quoted(table)}`;
  return {
    name: table,
    rows,
    isEstimate: false,
    columns,
    async *read(sample) {
      if (columns.length === 0) return;
      if (sample === undefined || rows <= sample || !hasRowid) {
        const limit = sample === undefined ? "" : ` LIMIT ${sample}`;
        yield* pages(database, `${from}${limit}`, []);
        return;
      }
      const { least, most } = database
        .prepare(`SELECT min(rowid) AS least, max(rowid) AS most FROM ${quoted(table)}`)
        .get() as { least: number; most: number };
      const each = Math.max(1, Math.ceil(sample / STRETCHES));
      for (let i = 0; i < STRETCHES && i * each < sample; i += 1) {
        const start = least + Math.floor(((most - least) * i) / STRETCHES);
        const end = least + Math.floor(((most - least) * (i + 1)) / STRETCHES);
        yield* pages(database, `${from} WHERE rowid >= ? AND rowid <= ? LIMIT ?`, [
          start,
          i === STRETCHES - 1 ? most : end - 1,
          Math.min(each, sample - i * each),
        ]);
      }
    },
  };
}

async function* pages(database: Database, statement: string, values: number[]): AsyncGenerator<Cell[][]> {
  const prepared = database.prepare(statement);
  prepared.setReturnArrays(true);
  let page: Cell[][] = [];
  for (const row of prepared.iterate(...values) as unknown as Iterable<
    (string | Uint8Array | number | null)[]
  >) {
    const cells: Cell[] = [];
    for (let i = 0; i < row.length; i += 2) {
      const value = row[i] as string | Uint8Array | number | null;
      const size = row[i + 1] as number | null;
      cells.push(size === null ? value : { head: value as string | Uint8Array, size });
    }
    page.push(cells);
    if (page.length === PAGE_ROWS) {
      yield page;
      page = [];
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (page.length > 0) yield page;
}

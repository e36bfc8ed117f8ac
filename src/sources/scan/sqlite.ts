/**
 * The tables of an SQLite database, for a census.
 *
 * Owns which tables and columns are read, and how a sample is spread. The file is opened read-only. Must not know what values
 * mean.
 *
 * @module
 */
import { isUint8Array } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import { SCAN_HEAD_MAX, type ScanPlace, type ScanSource } from "./scan.ts";
import type { Cell } from "./tally.ts";

/** Rows that are read in one go. Ours. */
const PAGE_ROWS = 1_000;

/** Stretches of a table from which a sample is taken: neighbours are often of one age. Ours. */
const STRETCHES = 100;

/** Rowids have 64 bits (sqlite.org/autoinc.html). */
const ROWID_MIN = -(2n ** 63n);
const ROWID_MAX = 2n ** 63n - 1n;

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
  // Of long values only the beginning is read, and one more: that tells in the row itself that it is not the whole. SQLite tells
  // lengths from the headers of rows, without their values.
  const cut = columns
    .map(quoted)
    .map(
      (name) =>
        `CASE WHEN octet_length(${name}) > ${SCAN_HEAD_MAX} THEN substr(${name}, 1, ${SCAN_HEAD_MAX + 1}) ELSE ${name} END`,
    );
  // A column may have one of its names, but hardly all three (sqlite.org/lang_createtable.html#rowid).
  const rowid = hasRowid
    ? ["rowid", "_rowid_", "oid"].find((name) => !columns.some((column) => column.toLowerCase() === name))
    : undefined;
  const from = `SELECT ${cut.join(", ")} FROM ${quoted(table)}`;
  return {
    name: table,
    rows,
    isEstimate: false,
    columns,
    async *read(sample) {
      if (columns.length === 0) return;
      if (rowid === undefined) {
        yield* pages(database, sample === undefined ? from : `${from} LIMIT ${sample}`, []);
        return;
      }
      if (sample === undefined || rows <= sample) {
        yield* pagesByRowid(database, cut.join(", "), quoted(table), rowid);
        return;
      }
      const ends = database.prepare(
        `SELECT min(${rowid}) AS least, max(${rowid}) AS most FROM ${quoted(table)}`,
      );
      ends.setReadBigInts(true);
      const { least, most } = ends.get() as { least: bigint; most: bigint };
      const each = Math.max(1, Math.ceil(sample / STRETCHES));
      for (let i = 0; i < STRETCHES && i * each < sample; i += 1) {
        const start = least + ((most - least) * BigInt(i)) / BigInt(STRETCHES);
        const end = least + ((most - least) * BigInt(i + 1)) / BigInt(STRETCHES);
        yield* pages(database, `${from} WHERE ${rowid} >= ? AND ${rowid} <= ? LIMIT ?`, [
          start,
          i === STRETCHES - 1 ? most : end - 1n,
          Math.min(each, sample - i * each),
        ]);
      }
    },
  };
}

/** All rows of a table, a page by a statement of its own: cheaper than row by row, and no reader of the file for long. */
async function* pagesByRowid(
  database: Database,
  selected: string,
  table: string,
  rowid: string,
): AsyncGenerator<Cell[][]> {
  const prepared = database.prepare(
    `SELECT ${selected}, ${rowid} FROM ${table} WHERE ${rowid} >= ? ORDER BY ${rowid} LIMIT ${PAGE_ROWS}`,
  );
  prepared.setReturnArrays(true);
  prepared.setReadBigInts(true);
  for (let last = ROWID_MIN - 1n; last < ROWID_MAX; ) {
    const page = prepared.all(last + 1n) as unknown as Cell[][];
    for (const row of page) {
      last = row.pop() as bigint;
      cutLong(row);
    }
    if (page.length > 0) yield page;
    if (page.length < PAGE_ROWS) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Rows in pages, as the statement gives them. */
async function* pages(
  database: Database,
  statement: string,
  values: (number | bigint)[],
): AsyncGenerator<Cell[][]> {
  const prepared = database.prepare(statement);
  prepared.setReturnArrays(true);
  // Whole numbers beyond 2^53 are read too.
  prepared.setReadBigInts(true);
  let page: Cell[][] = [];
  for (const row of prepared.iterate(...values) as unknown as Iterable<Cell[]>) {
    cutLong(row);
    page.push(row);
    if (page.length === PAGE_ROWS) {
      yield page;
      page = [];
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (page.length > 0) yield page;
}

/** The beginning of a long value in the place of what was read of it. */
function cutLong(row: Cell[]): void {
  for (let i = 0; i < row.length; i += 1) {
    const cell = row[i];
    if ((typeof cell === "string" || isUint8Array(cell)) && cell.length > SCAN_HEAD_MAX)
      row[i] = { head: cell.slice(0, SCAN_HEAD_MAX), size: cell.length };
  }
}

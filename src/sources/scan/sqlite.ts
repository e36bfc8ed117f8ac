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
  const isLong = (name: string): string =>
    `typeof(${name}) IN ('text', 'blob') AND octet_length(${name}) > ${SCAN_HEAD_MAX}`;
  // Long values are cut by the database: only their beginning is looked at.
  const cut = columns.map(quoted).flatMap((name) => {
    const head = `CASE WHEN ${isLong(name)} THEN substr(${name}, 1, ${SCAN_HEAD_MAX}) ELSE ${name} END`;
    return [head, `CASE WHEN ${isLong(name)} THEN octet_length(${name}) END`];
  });
  const from = `SELECT ${cut.join(", ")} FROM ${quoted(table)}`;
  const plain = `SELECT ${columns.map(quoted).join(", ")} FROM ${quoted(table)}`;
  /** Whether any value is to be cut. SQLite tells lengths from the headers of rows, without their values. */
  const hasLong = (): boolean =>
    database
      .prepare(
        `SELECT 1 FROM ${quoted(table)} WHERE ${columns.map((name) => `octet_length(${quoted(name)}) > ${SCAN_HEAD_MAX}`).join(" OR ")} LIMIT 1`,
      )
      .get() !== undefined;
  return {
    name: table,
    rows,
    isEstimate: false,
    columns,
    async *read(sample) {
      if (columns.length === 0) return;
      if (sample === undefined || rows <= sample || !hasRowid) {
        const limit = sample === undefined ? "" : ` LIMIT ${sample}`;
        yield* hasLong()
          ? cutPages(database, `${from}${limit}`, [])
          : pages(database, `${plain}${limit}`, []);
        return;
      }
      // Rowids have 64 bits.
      const ends = database.prepare(`SELECT min(rowid) AS least, max(rowid) AS most FROM ${quoted(table)}`);
      ends.setReadBigInts(true);
      const { least, most } = ends.get() as { least: bigint; most: bigint };
      const each = Math.max(1, Math.ceil(sample / STRETCHES));
      for (let i = 0; i < STRETCHES && i * each < sample; i += 1) {
        const start = least + ((most - least) * BigInt(i)) / BigInt(STRETCHES);
        const end = least + ((most - least) * BigInt(i + 1)) / BigInt(STRETCHES);
        yield* cutPages(database, `${from} WHERE rowid >= ? AND rowid <= ? LIMIT ?`, [
          start,
          i === STRETCHES - 1 ? most : end - 1n,
          Math.min(each, sample - i * each),
        ]);
      }
    },
  };
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
    page.push(row);
    if (page.length === PAGE_ROWS) {
      yield page;
      page = [];
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (page.length > 0) yield page;
}

/** The same for a statement with two columns for each cell: the beginning, and the size where it is not the whole. */
async function* cutPages(
  database: Database,
  statement: string,
  values: (number | bigint)[],
): AsyncGenerator<Cell[][]> {
  for await (const page of pages(database, statement, values)) {
    yield page.map((row) => {
      const cells: Cell[] = [];
      for (let i = 0; i < row.length; i += 2) {
        const [value, size] = [row[i] ?? null, row[i + 1]];
        cells.push(size === null ? value : { head: value as string | Uint8Array, size: Number(size) });
      }
      return cells;
    });
  }
}

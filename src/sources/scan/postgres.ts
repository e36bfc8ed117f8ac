/**
 * The tables of a PostgreSQL database, for a census.
 *
 * Owns which tables and columns are read, and how a sample is spread. Everything happens in read-only transactions. Must not know
 * how a connection is made.
 *
 * @module
 */
import { SCAN_HEAD_MAX, type ScanPlace, type ScanSource } from "./scan.ts";
import type { Cell } from "./tally.ts";

/** Rows that are fetched in one go. Ours. */
const PAGE_ROWS = 1_000;

/** How much more than the sample the planner's estimate is asked for: blocks are picked whole. Ours. */
const SAMPLE_MARGIN = 1.5;

/** A connection that this source has for itself. */
export interface ScanConnection {
  query(
    statement: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}

/** Texts, bytes and JSON: types by category (PostgreSQL's manual, pg_type.typcategory) and name. */
const TABLES = `
  SELECT c.oid::text AS oid, n.nspname AS schema, c.relname AS name, c.reltuples::float8 AS rows, c.relkind AS kind,
    json_agg(json_build_object('name', a.attname, 'type', t.typname) ORDER BY a.attnum) AS columns
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_type b ON b.oid = t.typbasetype
  WHERE c.relkind IN ('r', 'm') AND NOT c.relispartition IS NULL
    AND n.nspname NOT IN ('information_schema', 'coffer_rekey') AND n.nspname NOT LIKE 'pg\\_%'
    AND (t.typcategory = 'S' OR t.typname IN ('json', 'jsonb', 'bytea', '_text', '_varchar')
      OR b.typcategory = 'S' OR b.typname IN ('json', 'jsonb', 'bytea'))
  GROUP BY c.oid, n.nspname, c.relname, c.reltuples, c.relkind
  ORDER BY n.nspname, c.relname`;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The tables that the connection's user may see. */
export function postgresScanSource(connection: ScanConnection): ScanSource {
  return {
    kind: "postgres",
    async *places() {
      const { rows } = await connection.query(TABLES);
      for (const row of rows) yield tablePlace(connection, row as unknown as TableRow);
    },
  };
}

interface TableRow {
  readonly schema: string;
  readonly name: string;
  /** -1 where it was never counted (pg_class.reltuples). */
  readonly rows: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

function tablePlace(connection: ScanConnection, { schema, name, rows, columns }: TableRow): ScanPlace {
  const table = `${quoted(schema)}.${quoted(name)}`;
  const cells = columns.flatMap(({ name: column, type }, i) => {
    const value = type === "bytea" ? quoted(column) : `${quoted(column)}::text`;
    return [`substring(${value} from 1 for ${SCAN_HEAD_MAX}) AS v${i}`, `octet_length(${value}) AS s${i}`];
  });
  const isJson = columns.map(({ type }) => type === "json" || type === "jsonb");
  return {
    name: schema === "public" ? name : `${schema}.${name}`,
    rows: rows < 0 ? undefined : rows,
    isEstimate: true,
    columns: columns.map((column) => column.name),
    async *read(sample) {
      const isSampled = sample !== undefined && rows > sample * SAMPLE_MARGIN;
      // Whole blocks: rows that were written together stand together, but a block has few of them.
      const percent = isSampled ? Math.min(100, (100 * SAMPLE_MARGIN * sample) / rows) : 100;
      const from = `SELECT ${cells.join(", ")} FROM ${table}${isSampled ? ` TABLESAMPLE SYSTEM (${percent})` : ""}`;
      await connection.query("BEGIN READ ONLY");
      try {
        const limit = sample === undefined ? "" : ` LIMIT ${sample}`;
        await connection.query(`DECLARE coffer_scan NO SCROLL CURSOR FOR ${from}${limit}`);
        for (;;) {
          const { rows: page } = await connection.query(`FETCH ${PAGE_ROWS} FROM coffer_scan`);
          if (page.length === 0) break;
          yield page.map((row) =>
            columns.map((_, i) => cellOf(row[`v${i}`], Number(row[`s${i}`]), isJson[i]!)),
          );
        }
      } finally {
        await connection.query("ROLLBACK");
      }
    },
  };
}

function cellOf(value: unknown, size: number, isJson: boolean): Cell {
  if (value === null || value === undefined) return null;
  const head = value as string | Uint8Array;
  if (size > SCAN_HEAD_MAX && head.length >= SCAN_HEAD_MAX) return { head, size };
  if (!isJson) return head;
  return { json: JSON.parse(head as string) };
}

/**
 * PostgreSQL's dialect: its catalogue, its types and JSON, the one statement that writes a page, and how locks of others are
 * gone around.
 *
 * Owns the text of PostgreSQL's statements on an application's table. Must not know jobs, connections, nor what is done to a
 * ciphertext.
 *
 * @module
 */
import { VaultError } from "../../errors.ts";
import {
  type ChangeResult,
  type ColumnFacts,
  type KeyPart,
  ordered,
  type RowChange,
  type SqlDialect,
  type SqlParameter,
  type SqlRow,
  type SqlSession,
  type TableFacts,
  type TableShape,
  type TableSlot,
} from "./dialect.ts";
import { quoteIdentifier, quoteText } from "./identifiers.ts";
import { jobSchema } from "./job-schema.ts";

/** SQLSTATE codes (PostgreSQL's manual, appendix A). */
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";
/**
 * What is not of a row: connection, transaction, rights, statement, resources, operator. All else, a trigger's own code
 * among it, is a refusal of the row.
 */
const NOT_OF_A_ROW = /^(?:$|08|0A|25|26|28|2D|34|3B|3D|3F|40|42|53|55|57|58|F0|HV|XX)/;
const isRefusal = (error: unknown): boolean => !NOT_OF_A_ROW.test(sqlStateOf(error));

/** The code that the server told, which the connection leaves on its errors. */
const sqlStateOf = (error: unknown): string => (error as { sqlState?: string }).sqlState ?? "";

const pathOf = (path: readonly string[]): string => `ARRAY[${path.map(quoteText).join(", ")}]::text[]`;

/** The escape that no text of PostgreSQL can hold: a document with one cannot be looked into. */
const NUL_ESCAPE = "\\u0000";

function slotText({ column, path, json }: TableSlot): string {
  const name = `t.${quoteIdentifier(column)}`;
  if (path === undefined) return `${name}::text`;
  const text = `(${name} #>> ${pathOf(path)})`;
  if (json === "parsed") return text;
  // It would fail the whole page: as an empty text it is listed.
  return `CASE WHEN strpos(${name}::text, '${NUL_ESCAPE}') > 0 THEN '' ELSE ${text} END`;
}

/** A document with a text of it replaced by `after`. */
function replaced(document: string, { path, json, type }: TableSlot, before: string, after: string): string {
  if (json === "parsed") return `jsonb_set(${document}, ${pathOf(path!)}, to_jsonb(${after}))`;
  // By its text: jsonb would change the order of its members and drop those with the same name.
  const old = `to_json(${before})::text`;
  const rest = `replace(${document}::text, ${old}, '')`;
  const isOnce = `length(${document}::text) - length(${rest}) = length(${old})`;
  const changed = `replace(${document}::text, ${old}, to_json(${after})::text)::${type}`;
  // A document that has it twice, or with escapes, is refused as no JSON.
  return `CASE WHEN ${isOnce} THEN ${changed} ELSE (${document}::text || ' ambiguous')::${type} END`;
}

/** Statements over many rows, whose parameters are {@link arraysOf} them. */
interface PageStatements {
  /** Changes some slots, and answers which rows it has changed. */
  readonly update: string;
  /** Answers for each row that is there whether its slots are as before, or as they shall be. */
  readonly compare: string;
}

function pageStatements({ table, key, slots }: TableShape, indexes: readonly number[]): PageStatements {
  const changed = indexes.map((index) => slots[index]!);
  const columns = [...new Set(changed.map(({ column }) => column))];
  const sets = columns.map((column) => {
    const name = quoteIdentifier(column);
    const own = changed.flatMap((slot, n) => (slot.column === column ? [{ slot, n }] : []));
    const whole = own.find(({ slot }) => slot.path === undefined);
    // No cast to the column's type: that would cut off what is too long for it.
    if (whole !== undefined) return `${name} = COALESCE(v.a${whole.n}, t.${name}::text)`;
    let expression = `t.${name}`;
    for (const { slot, n } of own)
      expression = `CASE WHEN v.a${n} IS NULL THEN ${expression} ELSE ${replaced(expression, slot, `v.b${n}`, `v.a${n}`)} END`;
    return `${name} = ${expression}`;
  });
  const are = (side: "a" | "b"): string =>
    changed
      .map((slot, n) => `(v.a${n} IS NULL OR (${slotText(slot)}) COLLATE "C" = v.${side}${n})`)
      .join(" AND ");
  const keys = key.map(
    ({ name, type, collation }, i) => `${ordered(quoteIdentifier(name), collation)} = v.k${i}::${type}`,
  );
  const names = [
    "i",
    ...key.map((_, i) => `k${i}`),
    ...changed.map((_, n) => `b${n}`),
    ...changed.map((_, n) => `a${n}`),
  ];
  const arrays = names.map((_, n) => (n === 0 ? "$1::int4[]" : `$${n + 1}::text[]`));
  const rows = `unnest(${arrays.join(", ")}) AS v(${names.join(", ")})`;
  return {
    update: `UPDATE ${table} AS t SET ${sets.join(", ")} FROM ${rows}
      WHERE ${[...keys, are("b")].join(" AND ")} RETURNING v.i`,
    compare: `SELECT v.i, (${are("b")}) AS is_before, (${are("a")}) AS is_after
      FROM ${rows} JOIN ${table} AS t ON ${keys.join(" AND ")}`,
  };
}

/** Arrays for {@link PageStatements}: one for each column of theirs. */
function arraysOf(
  { key }: TableShape,
  indexes: readonly number[],
  changes: readonly RowChange[],
): SqlParameter[] {
  const textAt = (change: RowChange, index: number, side: "before" | "after"): string | null =>
    change.slots.find((slot) => slot.index === index)?.[side] ?? null;
  return [
    changes.map((_, i) => i),
    ...key.map((_, part) => changes.map((change) => change.key[part] as string)),
    ...indexes.map((index) => changes.map((change) => textAt(change, index, "before"))),
    ...indexes.map((index) => changes.map((change) => textAt(change, index, "after"))),
  ];
}

async function applyChanges(
  session: SqlSession,
  shape: TableShape,
  changes: readonly RowChange[],
): Promise<ChangeResult[]> {
  const indexes = [...new Set(changes.flatMap(({ slots }) => slots.map(({ index }) => index)))].sort(
    (a, b) => a - b,
  );
  const statements = pageStatements(shape, indexes);
  const write = (part: readonly RowChange[]): Promise<ChangeResult[]> =>
    writeAll(session, statements, arraysOf(shape, indexes, part), part.length, shape.hasTriggers);
  await session.run("SAVEPOINT coffer_page");
  try {
    return await write(changes);
  } catch (error) {
    if (!isOfRows(error)) throw error;
    await session.run("ROLLBACK TO SAVEPOINT coffer_page");
  }
  // One row, or one lock, is in the way of all others: one row after another then, and none that others hold.
  const results: ChangeResult[] = [];
  for (const change of changes) results.push(await applyOne(session, shape, change, write));
  return results;
}

/** A row is not what was written into it: a trigger has made something else of it. */
const ALTERED = Symbol("altered by a trigger");

/** @throws ALTERED */
async function writeAll(
  session: SqlSession,
  { update, compare }: PageStatements,
  arrays: SqlParameter[],
  count: number,
  hasTriggers: boolean,
): Promise<ChangeResult[]> {
  const results = Array.from({ length: count }, (): ChangeResult => "changed");
  for (const row of await session.all(update, arrays)) results[row.i as number] = "written";
  if (!hasTriggers) return results;
  const now = new Map((await session.all(compare, arrays)).map((row) => [row.i, row]));
  for (const [i, result] of results.entries()) {
    if (result === "written" && now.get(i)?.is_after !== true) throw ALTERED;
    // A trigger has left it out, unless another writer has put it back in between: it is listed in any case.
    if (result === "changed" && now.get(i)?.is_before === true) results[i] = "refused";
  }
  return results;
}

async function applyOne(
  session: SqlSession,
  { table, key }: TableShape,
  change: RowChange,
  write: (part: readonly RowChange[]) => Promise<ChangeResult[]>,
): Promise<ChangeResult> {
  const condition = key
    .map(
      ({ name, type, collation }, i) => `${ordered(quoteIdentifier(name), collation)} = $${i + 1}::${type}`,
    )
    .join(" AND ");
  const held = await session.all(
    `SELECT 1 AS held FROM ${table} AS t WHERE ${condition} FOR UPDATE SKIP LOCKED`,
    change.key,
  );
  if (held.length === 0) return "changed";
  await session.run("SAVEPOINT coffer_row");
  try {
    return (await write([change]))[0]!;
  } catch (error) {
    if (!isOfRows(error)) throw error;
    await session.run("ROLLBACK TO SAVEPOINT coffer_row");
    return isLocked(error) ? "changed" : "refused";
  }
}

const isOfRows = (error: unknown): boolean => error === ALTERED || isLocked(error) || isRefusal(error);
const isLocked = (error: unknown): boolean => [LOCK_NOT_AVAILABLE, DEADLOCK].includes(sqlStateOf(error));

const DESCRIBE_COLUMNS = `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    a.attgenerated <> '' AS is_generated, t.typcategory = 'S' AS is_text,
    CASE COALESCE(NULLIF(t.typbasetype, 0), t.oid) WHEN 'json'::regtype THEN 'text' WHEN 'jsonb'::regtype THEN 'parsed' END AS json,
    CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS characters
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;
const DESCRIBE_KEYS = `SELECT i.indexrelid, i.indisprimary AS is_primary, array_agg(a.attname::text ORDER BY u.place) AS names,
    array_agg(CASE WHEN c.oid <> a.attcollation THEN format('%I.%I', n.nspname, c.collname) END ORDER BY u.place) AS collations
  FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey, i.indcollation) WITH ORDINALITY AS u(number, collation_oid, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
  LEFT JOIN pg_collation c ON c.oid = u.collation_oid LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
  WHERE i.indrelid = $1::oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND u.place <= i.indnkeyatts
  GROUP BY i.indexrelid, i.indisprimary`;
const DESCRIBE_TRIGGERS = `SELECT tgname AS name FROM pg_trigger
  WHERE tgrelid = $1::oid AND NOT tgisinternal AND (tgtype & 16) <> 0 AND tgenabled <> 'D' ORDER BY tgname`;

async function describe(
  session: SqlSession,
  { schema, name }: { readonly schema: string | undefined; readonly name: string },
): Promise<TableFacts> {
  const quoted = (schema === undefined ? [name] : [schema, name]).map(quoteIdentifier).join(".");
  const [found] = await session.all(
    `SELECT oid::text AS oid, relkind::text AS kind, relrowsecurity AS has_policies,
      relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = pg_class.oid) AS has_heirs
     FROM pg_class WHERE oid = to_regclass($1)`,
    [quoted],
  );
  if (found === undefined) throw new VaultError("ERR_SOURCE_INVALID", "there is no such table");
  if (found.kind !== "r" && found.kind !== "p")
    throw new VaultError("ERR_SOURCE_INVALID", "it is not a table");
  const oid = [found.oid as string];
  const columns = await session.all(DESCRIBE_COLUMNS, oid);
  const keys = await session.all(DESCRIBE_KEYS, oid);
  const triggers = await session.all(DESCRIBE_TRIGGERS, oid);
  return {
    columns: columns.map(
      (row): ColumnFacts => ({
        name: row.name as string,
        type: row.type as string,
        isGenerated: row.is_generated as boolean,
        isText: row.is_text as boolean,
        json: (row.json as "text" | "parsed" | null) ?? undefined,
        charactersMax: (row.characters as number | null) ?? undefined,
      }),
    ),
    primaryKey: keyParts(keys.find((row) => row.is_primary as boolean)),
    uniqueKeys: keys.map(keyParts),
    hasTriggers: triggers.length > 0,
    hasHeirs: found.has_heirs as boolean,
    warnings: [
      ...(found.has_heirs === true
        ? ["tables inherit from the table: their rows are left as they are, name each of them by itself"]
        : []),
      ...triggers.map((row) => `the table has a trigger that fires at each write: ${row.name as string}`),
      ...(found.has_policies === true
        ? ["the table has row-level security: rows that this role does not see are left as they are"]
        : []),
    ],
  };
}

function keyParts(row: SqlRow | undefined): KeyPart[] {
  const collations = (row?.collations ?? []) as (string | null)[];
  return ((row?.names ?? []) as string[]).map((name, i) => ({ name, collation: collations[i] ?? undefined }));
}

const SCHEMA = quoteIdentifier("coffer_rekey");
const jobTable = (table: string): string => `${SCHEMA}.${quoteIdentifier(table)}`;

/** PostgreSQL's row. */
export const POSTGRES: SqlDialect = {
  name: "postgres",
  quote: quoteIdentifier,
  placeholder: (n, type) => (type === undefined ? `$${n}` : `$${n}::${type}`),
  jobTable,
  jobSchema: [
    // Two processes that make a schema at the same time get in each other's way, IF NOT EXISTS or not.
    "SELECT pg_advisory_xact_lock(hashtext('coffer_rekey'))",
    `CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`,
    ...jobSchema(jobTable, { text: "text", integer: "integer", double: "double precision" }),
  ],
  now: "(extract(epoch FROM clock_timestamp()) * 1000)::float8",
  skipLocked: " FOR UPDATE SKIP LOCKED",
  keyColumn: ({ name }) => `t.${quoteIdentifier(name)}::text`,
  keyText: (value) => value as string,
  keyParameter: (text) => text,
  textOf: (column) => `t.${quoteIdentifier(column)}::text`,
  slotText,
  describe,
  applyChanges,
};

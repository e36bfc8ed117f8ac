/**
 * Tables of PostgreSQL as sources of ciphertexts, over the caller's own pool of the package `pg`.
 *
 * Owns PostgreSQL's dialect: its catalogue, its types and JSON, the one statement that writes a page, and how locks of
 * others are gone around. Must not know jobs, nor what is done to a ciphertext, nor how a connection is opened.
 *
 * @module
 */
import { checkOptions, optionNames } from "../base/options.ts";
import { invalidType, VaultError, type VaultErrorCode } from "../errors.ts";
import type {
  ChangeResult,
  ColumnFacts,
  RowChange,
  Slot,
  SqlDatabase,
  SqlDialect,
  SqlParameter,
  SqlRow,
  SqlSession,
  TableFacts,
  TableShape,
} from "./sql/dialect.ts";
import { quoteIdentifier, quoteText } from "./sql/identifiers.ts";
import { jobSchema } from "./sql/job-schema.ts";
import { TABLE_OPTIONS, type TableOptions, TableSource } from "./sql/table-source.ts";

/** What is used of a client of `pg`. */
export interface PgClient {
  // biome-ignore lint/suspicious/noExplicitAny: pg's own declaration of parameters and rows
  query(text: string, values?: any[]): Promise<{ rows: any[]; rowCount: number | null }>;
  /** @param error - true: the connection is not used again */
  release(error?: boolean | Error): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** What is used of a pool of `pg`. */
export interface PgPool {
  connect(): Promise<PgClient>;
}

/** What a table of PostgreSQL is told. */
export interface PostgresTableOptions extends TableOptions {
  /** A pool of the package `pg`, which stays the caller's. A run uses a connection for each worker. */
  readonly pool: PgPool;
}

const POSTGRES_OPTIONS = optionNames<Pick<PostgresTableOptions, "pool">>({ pool: true }, TABLE_OPTIONS);

/** Milliseconds that a page waits for an application's row locks, before it leaves the locked rows for later. Ours. */
const LOCK_TIMEOUT_MS = 500;

/**
 * The ciphertexts in columns of a PostgreSQL table. Its database gets a schema `coffer_rekey` with the job's tables.
 *
 * @param options.pool - reaches the database; `table` - the table's name; `schema` - default the search path; `columns` -
 *   where its ciphertexts are; `key` - default its primary key
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT. Whether the table fits is found out by `plan`
 */
export function postgresTable(options: PostgresTableOptions): TableSource {
  checkOptions(options, POSTGRES_OPTIONS, "postgresTable");
  const { pool, ...table } = options;
  if (typeof pool?.connect !== "function") throw invalidType("pool must be a pool of the package pg");
  return new TableSource(POSTGRES, new PgDatabase(pool), table);
}

/** The caller's pool as a database. */
class PgDatabase implements SqlDatabase {
  readonly #pool: PgPool;

  constructor(pool: PgPool) {
    this.#pool = pool;
  }

  all(statement: string, parameters?: readonly SqlParameter[]): Promise<SqlRow[]> {
    return this.#withClient((session) => session.all(statement, parameters));
  }

  run(statement: string, parameters?: readonly SqlParameter[]): Promise<number> {
    return this.#withClient((session) => session.run(statement, parameters));
  }

  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#withClient(async (session) => {
      await session.run("BEGIN ISOLATION LEVEL READ COMMITTED");
      try {
        await session.run(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT_MS}ms'`);
        const result = await work(session);
        await session.run("COMMIT");
        return result;
      } catch (error) {
        await session.run("ROLLBACK").catch(() => {}); // The first error says more.
        throw error;
      }
    });
  }

  /** The pool is the caller's. */
  async close(): Promise<void> {}

  async #withClient<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    let client: PgClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw translate(error);
    }
    let isBroken = true;
    // A server that ends between two statements says so by an event, which ends the process where nobody listens.
    const onError = (): void => {};
    client.on("error", onError);
    const ask = async (statement: string, parameters: readonly SqlParameter[] = []) => {
      try {
        return await client.query(statement, parameters as SqlParameter[]);
      } catch (error) {
        throw translate(error);
      }
    };
    try {
      const result = await work({
        all: async (statement, parameters) => (await ask(statement, parameters)).rows as SqlRow[],
        run: async (statement, parameters) => (await ask(statement, parameters)).rowCount ?? 0,
      });
      isBroken = false;
      return result;
    } catch (error) {
      // An error that the server told leaves the connection usable; a lost one must not go back.
      isBroken = (error as { sqlState?: unknown }).sqlState === undefined;
      throw error;
    } finally {
      client.removeListener("error", onError);
      client.release(isBroken);
    }
  }
}

/** SQLSTATE classes and codes (PostgreSQL's manual, appendix A). */
const DUPLICATE = "23505";
const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK = "40P01";
const UNDEFINED_TABLE = "42P01";
const OWN_SCHEMA = /coffer_rekey/;
/** What a value of a row can be refused with: data exceptions, integrity constraints, RAISE of a trigger. */
const REFUSALS = /^(?:22|23|P0)/;

const CODES: readonly (readonly [
  pattern: RegExp,
  code: VaultErrorCode,
  message: string,
  retryable: boolean,
])[] = [
  [/^53100$/, "ERR_STORAGE_FULL", "the database's disk is full", false],
  [/^25006$/, "ERR_STORAGE_READ_ONLY", "the database can only be read", true],
  [/^42501$/, "ERR_STORAGE_READ_ONLY", "the database role may not do this", false],
  [/^3D000$|^28/, "ERR_STORAGE_UNAVAILABLE", "the database refuses the connection", false],
  [/^42(?:P01|703|804|883|P02)$/, "ERR_SOURCE_CHANGED", "the table is no longer as it was planned", false],
  [/^(?:40|55P03)/, "ERR_STORAGE_BUSY", "others hold the locks", true],
  [/^(?:08|57|53)/, "ERR_STORAGE_UNAVAILABLE", "the database is not available", true],
];

/** pg's errors as ours. `sqlState` stays on those that the server told, `sqlKind` tells what the tables of jobs ask for. */
function translate(cause: unknown): VaultError {
  const { code, message } = cause as { code?: unknown; message?: string };
  const isState = typeof code === "string" && /^[0-9A-Z]{5}$/.test(code);
  if (!isState) {
    return new VaultError("ERR_STORAGE_UNAVAILABLE", "the connection to the database is lost", {
      cause,
      retryable: true,
    });
  }
  const found = CODES.find(([pattern]) => pattern.test(code));
  const [, ours, text, retryable] = found ?? [
    undefined,
    "ERR_STORAGE_UNAVAILABLE" as const,
    "the database refuses the statement",
    false,
  ];
  const isOwn = OWN_SCHEMA.test(message ?? "");
  const sqlKind =
    code === DUPLICATE ? "duplicate" : code === UNDEFINED_TABLE && isOwn ? "missing-table" : undefined;
  // The end of a session by the server closes the connection too.
  const sqlState = /^(?:08|57P)/.test(code) ? undefined : code;
  return Object.assign(new VaultError(ours, text, { cause, retryable }), { sqlState, sqlKind });
}

const sqlStateOf = (error: unknown): string => (error as { sqlState?: string }).sqlState ?? "";

const pathOf = (path: readonly string[]): string => `ARRAY[${path.map(quoteText).join(", ")}]::text[]`;

function slotExpression({ column, path }: Slot, alias = ""): string {
  const name = `${alias}${quoteIdentifier(column)}`;
  return path === undefined ? `${name}::text` : `(${name}::jsonb #>> ${pathOf(path)})`;
}

/** The one statement that changes some slots of many rows, and answers which it has changed. */
function updateStatement({ table, key, slots }: TableShape, indexes: readonly number[]): string {
  const changed = indexes.map((index) => slots[index]!);
  const columns = [...new Set(changed.map(({ column }) => column))];
  const sets = columns.map((column) => {
    const name = quoteIdentifier(column);
    const own = changed.flatMap((slot, n) => (slot.column === column ? [{ slot, n }] : []));
    const whole = own.find(({ slot }) => slot.path === undefined);
    // No cast to the column's type: that would cut off what is too long for it.
    if (whole !== undefined) return `${name} = COALESCE(v.a${whole.n}, t.${name}::text)`;
    let expression = `t.${name}::jsonb`;
    for (const { slot, n } of own) {
      const set = `jsonb_set(${expression}, ${pathOf(slot.path!)}, to_jsonb(v.a${n}))`;
      expression = `CASE WHEN v.a${n} IS NULL THEN ${expression} ELSE ${set} END`;
    }
    return `${name} = (${expression})::${own[0]!.slot.type}`;
  });
  const guards = changed.map(
    (slot, n) => `(v.a${n} IS NULL OR (${slotExpression(slot, "t.")}) COLLATE "C" = v.b${n})`,
  );
  const keys = key.map(({ name, type }, i) => `t.${quoteIdentifier(name)} = v.k${i}::${type}`);
  const names = [
    "i",
    ...key.map((_, i) => `k${i}`),
    ...changed.map((_, n) => `b${n}`),
    ...changed.map((_, n) => `a${n}`),
  ];
  const arrays = names.map((_, n) => (n === 0 ? "$1::int4[]" : `$${n + 1}::text[]`));
  return `UPDATE ${table} AS t SET ${sets.join(", ")} FROM unnest(${arrays.join(", ")}) AS v(${names.join(", ")})
    WHERE ${[...keys, ...guards].join(" AND ")} RETURNING v.i`;
}

/** Arrays for {@link updateStatement}: one for each of its columns. */
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
  const statement = updateStatement(shape, indexes);
  const write = async (part: readonly RowChange[]): Promise<ChangeResult[]> => {
    const results = part.map((): ChangeResult => "changed");
    for (const row of await session.all(statement, arraysOf(shape, indexes, part)))
      results[row.i as number] = "written";
    return results;
  };
  await session.run("SAVEPOINT coffer_page");
  try {
    return await write(changes);
  } catch (error) {
    const isOfRows = REFUSALS.test(sqlStateOf(error)) || isLocked(error);
    if (!isOfRows) throw error;
    await session.run("ROLLBACK TO SAVEPOINT coffer_page");
  }
  // One row, or one lock, is in the way of all others: one row after another then, and none that others hold.
  const results: ChangeResult[] = [];
  for (const change of changes) results.push(await applyOne(session, shape, change, write));
  return results;
}

async function applyOne(
  session: SqlSession,
  { table, key }: TableShape,
  change: RowChange,
  write: (part: readonly RowChange[]) => Promise<ChangeResult[]>,
): Promise<ChangeResult> {
  const condition = key
    .map(({ name, type }, i) => `${quoteIdentifier(name)} = $${i + 1}::${type}`)
    .join(" AND ");
  const held = await session.all(
    `SELECT 1 AS held FROM ${table} WHERE ${condition} FOR UPDATE SKIP LOCKED`,
    change.key,
  );
  if (held.length === 0) return "changed";
  await session.run("SAVEPOINT coffer_row");
  try {
    return (await write([change]))[0]!;
  } catch (error) {
    if (!REFUSALS.test(sqlStateOf(error)) && !isLocked(error)) throw error;
    await session.run("ROLLBACK TO SAVEPOINT coffer_row");
    return isLocked(error) ? "changed" : "refused";
  }
}

const isLocked = (error: unknown): boolean => [LOCK_NOT_AVAILABLE, DEADLOCK].includes(sqlStateOf(error));

const DESCRIBE_COLUMNS = `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    a.attgenerated <> '' AS is_generated, t.typcategory = 'S' AS is_text,
    COALESCE(NULLIF(t.typbasetype, 0), t.oid) IN ('json'::regtype, 'jsonb'::regtype) AS is_json,
    CASE WHEN a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS characters
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;
const DESCRIBE_KEYS = `SELECT i.indexrelid, i.indisprimary AS is_primary, array_agg(a.attname::text ORDER BY u.place) AS names
  FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS u(number, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
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
    "SELECT oid::text AS oid, relkind::text AS kind, relrowsecurity AS has_policies FROM pg_class WHERE oid = to_regclass($1)",
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
        isJson: row.is_json as boolean,
        charactersMax: (row.characters as number | null) ?? undefined,
      }),
    ),
    primaryKey: (keys.find((row) => row.is_primary as boolean)?.names as string[] | undefined) ?? [],
    uniqueKeys: keys.map((row) => row.names as string[]),
    warnings: [
      ...triggers.map((row) => `the table has a trigger that fires at each write: ${row.name as string}`),
      ...(found.has_policies === true
        ? ["the table has row-level security: rows that this role does not see are left as they are"]
        : []),
    ],
  };
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
  keyColumn: ({ name }) => `${quoteIdentifier(name)}::text`,
  keyText: (value) => value as string,
  keyParameter: (text) => text,
  textOf: (column) => `${quoteIdentifier(column)}::text`,
  slotText: (slot) => slotExpression(slot),
  describe,
  applyChanges,
};

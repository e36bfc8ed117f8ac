/**
 * Tables of PostgreSQL as sources of ciphertexts, over the caller's own pool of the package `pg`.
 *
 * Owns how the pool's connections are used, and pg's errors. Must not know jobs, nor what is done to a ciphertext, nor how a
 * connection is opened.
 *
 * @module
 */
import { checkOptions, optionNames } from "../base/options.ts";
import { invalidType, VaultError, type VaultErrorCode } from "../errors.ts";
import type { SqlDatabase, SqlParameter, SqlRow, SqlSession } from "./sql/dialect.ts";
import { POSTGRES } from "./sql/postgres-dialect.ts";
import { TABLE_OPTIONS, type TableOptions } from "./sql/table-options.ts";
import { TableSource } from "./sql/table-source.ts";

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
        // What waits for the end of a transaction would fail the page there, and not its row.
        await session.run(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT_MS}ms'; SET CONSTRAINTS ALL IMMEDIATE`);
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
const UNDEFINED_TABLE = "42P01";
const OWN_SCHEMA = /coffer_rekey/;
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

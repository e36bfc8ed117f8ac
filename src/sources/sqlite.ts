/**
 * Tables of SQLite as sources of ciphertexts, by the runtime's own `node:sqlite`.
 *
 * Owns the connection: its turns, its locks and its errors. Must not know jobs, nor what is done to a ciphertext.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { checkOptions, optionNames } from "../base/options.ts";
import { invalidType, isVaultError, VaultError, type VaultErrorCode } from "../errors.ts";
import type { SqlDatabase, SqlParameter, SqlRow, SqlSession } from "./sql/dialect.ts";
import { CONSTRAINT, SQLITE } from "./sql/sqlite-dialect.ts";
import { TABLE_OPTIONS, type TableOptions } from "./sql/table-options.ts";
import { TableSource } from "./sql/table-source.ts";

/** What a table of SQLite is told. */
export interface SqliteTableOptions extends Omit<TableOptions, "schema"> {
  /** Path of the database's file, or a connection that nobody else uses while the job runs. */
  readonly database: string | DatabaseSync;
  /** Milliseconds to wait for the lock of other writers; default 10,000. */
  readonly lockWaitMs?: number | undefined;
}

const SQLITE_OPTIONS = optionNames<Pick<SqliteTableOptions, "database" | "lockWaitMs">>(
  { database: true, lockWaitMs: true },
  TABLE_OPTIONS,
);

/** Milliseconds to wait for the lock of other writers, unless told otherwise. Ours. */
const LOCK_WAIT_MS_DEFAULT = 10_000;
/** Milliseconds that SQLite itself waits, blocking the process; longer waits are ours, asynchronous. */
const BLOCKING_WAIT_MS = 20;
/** Milliseconds between two tries for a lock, at most. Ours. */
const RETRY_MS_MAX = 20;
/** Statements that are kept prepared. Ours. */
const STATEMENTS_MAX = 100;

/**
 * The ciphertexts in columns of a SQLite table. Its file gets the job's tables, whose names begin with `coffer_rekey_`.
 *
 * @param options.table - the table's name; `columns` - where its ciphertexts are; `key` - default its primary key
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_UNSUPPORTED (a runtime without `node:sqlite`),
 *   ERR_SOURCE_INVALID (no such file). Whether the table fits is found out by `plan`
 */
export function sqliteTable(options: SqliteTableOptions): TableSource {
  checkOptions(options, SQLITE_OPTIONS, "sqliteTable");
  const { database, lockWaitMs = LOCK_WAIT_MS_DEFAULT, ...table } = options;
  const isPath = typeof database === "string";
  if (!isPath && typeof database?.prepare !== "function")
    throw invalidType("database must be a path or a DatabaseSync");
  const connection = isPath ? openFile(database) : database;
  return new TableSource(SQLITE, new SqliteConnection(connection, lockWaitMs, isPath), table);
}

/**
 * A database in a file, on a connection of its own.
 *
 * @param isMade - whether a file that is not there is made
 * @throws VaultError ERR_UNSUPPORTED, ERR_SOURCE_INVALID
 */
export function openSqlite(path: string, isMade: boolean): SqlDatabase {
  return new SqliteConnection(openFile(path, isMade), LOCK_WAIT_MS_DEFAULT, true);
}

function openFile(path: string, isMade = false): DatabaseSync {
  const sqlite = process.getBuiltinModule("node:sqlite");
  if (sqlite === undefined)
    throw new VaultError("ERR_UNSUPPORTED", "this needs node:sqlite, which this runtime has not");
  try {
    if (!isMade) {
      // Only to see that there is one: SQLite would make what is missing.
      new sqlite.DatabaseSync(path, { timeout: BLOCKING_WAIT_MS, readOnly: true }).close();
    }
    return new sqlite.DatabaseSync(path, { timeout: BLOCKING_WAIT_MS });
  } catch (cause) {
    throw new VaultError("ERR_SOURCE_INVALID", "the database cannot be opened", { cause });
  }
}

/** One connection, whose transactions take turns. */
class SqliteConnection implements SqlDatabase {
  readonly #connection: DatabaseSync;
  readonly #lockWaitMs: number;
  readonly #isOwn: boolean;
  readonly #statements = new Map<string, StatementSync>();
  #queue: Promise<unknown> = Promise.resolve();
  readonly #session: SqlSession = {
    all: async (statement, parameters = []) =>
      this.#prepared(statement).all(...(parameters as never[])) as SqlRow[],
    run: async (statement, parameters = []) =>
      Number(this.#prepared(statement).run(...(parameters as never[])).changes),
  };

  constructor(connection: DatabaseSync, lockWaitMs: number, isOwn: boolean) {
    this.#connection = connection;
    this.#lockWaitMs = lockWaitMs;
    this.#isOwn = isOwn;
  }

  all(statement: string, parameters?: readonly SqlParameter[]): Promise<SqlRow[]> {
    return this.#inTurn(() => this.#session.all(statement, parameters));
  }

  run(statement: string, parameters?: readonly SqlParameter[]): Promise<number> {
    return this.#inTurn(() => this.#session.run(statement, parameters));
  }

  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T> {
    return this.#inTurn(async () => {
      await this.#session.run("BEGIN IMMEDIATE");
      try {
        const result = await work(this.#session);
        await this.#session.run("COMMIT");
        return result;
      } catch (error) {
        // SQLite may have ended it by itself.
        if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#queue.catch(() => {});
    this.#statements.clear();
    if (this.#isOwn && this.#connection.isOpen) this.#connection.close();
  }

  /** Runs work when all before it is done, again while others hold the lock. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      const until = performance.now() + this.#lockWaitMs;
      for (let wait = 1; ; wait = Math.min(RETRY_MS_MAX, wait * 2)) {
        try {
          return await work();
        } catch (error) {
          const translated = translate(error);
          const isBusy = isVaultError(translated, "ERR_STORAGE_BUSY");
          if (!isBusy || performance.now() > until) throw translated;
          await sleep(wait);
        }
      }
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  #prepared(text: string): StatementSync {
    const kept = this.#statements.get(text);
    if (kept !== undefined) return kept;
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    const statement = this.#connection.prepare(text);
    // Keys beyond 2^53 must come back as they are.
    statement.setReadBigInts(true);
    this.#statements.set(text, statement);
    return statement;
  }
}

/** Result codes (sqlite.org/rescode.html), the low byte. */
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const NOT_A_DATABASE = 26;

const CODES: Readonly<Record<number, VaultErrorCode>> = {
  [BUSY]: "ERR_STORAGE_BUSY",
  [LOCKED]: "ERR_STORAGE_BUSY",
  [READONLY]: "ERR_STORAGE_READ_ONLY",
  [CORRUPT]: "ERR_STORAGE_CORRUPT",
  [FULL]: "ERR_STORAGE_FULL",
  [NOT_A_DATABASE]: "ERR_SOURCE_INVALID",
};

const MESSAGES: Readonly<Partial<Record<VaultErrorCode, string>>> = {
  ERR_STORAGE_BUSY: "another connection holds the database's lock",
  ERR_STORAGE_READ_ONLY: "the database cannot be written",
  ERR_STORAGE_CORRUPT: "the database is damaged",
  ERR_STORAGE_FULL: "the disk is full",
  ERR_SOURCE_INVALID: "the file is no SQLite database",
};

/** SQLite's errors as ours; `sqlKind` tells those that the tables of jobs ask for. */
function translate(error: unknown): unknown {
  if ((error as { code?: unknown }).code !== "ERR_SQLITE_ERROR") return error;
  const { errcode, message } = error as { errcode: number; message: string };
  const primary = errcode & 0xff;
  if (primary === CONSTRAINT)
    return kind(error, "ERR_STORAGE_UNAVAILABLE", "a constraint of the database", "duplicate");
  const code = CODES[primary];
  if (code !== undefined) return new VaultError(code, MESSAGES[code]!, { cause: error });
  if (/^no such table: (?:main\.)?coffer_rekey_/.test(message))
    return kind(error, "ERR_JOB_NOT_FOUND", "no job has ever run here", "missing-table");
  if (/^no such (?:table|column)|has no column named/.test(message))
    return new VaultError("ERR_SOURCE_CHANGED", "the table is no longer as it was planned", { cause: error });
  return new VaultError("ERR_STORAGE_UNAVAILABLE", "the database refuses the statement", { cause: error });
}

function kind(cause: unknown, code: VaultErrorCode, message: string, sqlKind: string): VaultError {
  return Object.assign(new VaultError(code, message, { cause }), { sqlKind });
}

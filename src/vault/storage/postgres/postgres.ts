/**
 * The storage port on PostgreSQL, by the library `pg`.
 *
 * Owns transactions, what a lost COMMIT means, and how other servers' changes of KEKs are noticed. Keeps nothing in a
 * session, so that a pooler in transaction mode may stand between. Must not know keys or what the tables mean, nor how
 * connections are made and given up.
 *
 * @module
 */

import type { ClientConfig } from "pg";
import { checkOptions, optionNames } from "../../../base/options.ts";
import { invalidRange, invalidType, isVaultError, VaultError } from "../../../errors.ts";
import { checkRuntime } from "../../needed-runtime.ts";
import type { Changes, Database, Row, Sql, SqlValue, WaitOptions } from "../database.ts";
import { migrations, SCHEMA_VERSION, type SchemaTypes } from "../schema.ts";
import { PROBE_CHANGE, WriteProbe } from "../write-probe.ts";
import { type Connection, type ConnectionLimits, Connections } from "./connection.ts";
import { isFatal, isWithoutTls, outcomeUnknown, sqlState, translate } from "./errors.ts";
import { readTls } from "./url.ts";

/** How to reach a PostgreSQL database. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?sslmode=…`. The parameters of TLS mean what they do to libpq, or are refused:
   * docs/postgres.md has the list.
   */
  readonly url: string;
  /** TLS beyond what the URL says: CA, client certificate and key, as PEM text. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  /** Connections at most; default 10. */
  readonly maxConnections?: number | undefined;
  /** Milliseconds to wait for a connection; default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds that one statement may take on the server, waiting for locks included; default 10,000. */
  readonly statementTimeoutMs?: number | undefined;
  /**
   * Milliseconds after which the server's answer is no longer waited for, and the connection given up; default 5,000 more than
   * `statementTimeoutMs`, within which a server that can be reached answers.
   */
  readonly answerTimeoutMs?: number | undefined;
  /** Milliseconds after which a connection that nobody uses is closed; default 10,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds that `close` waits for transactions under way before it breaks them off; default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
  /** Told what the user should know: that nobody checks who the server is, say. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /**
   * Hear of other servers' changes by LISTEN, on a connection of its own; default true. Turn it off behind a pooler in
   * transaction mode: changes are then seen within half a second all the same.
   */
  readonly listen?: boolean | undefined;
}

/** Names of {@link PostgresOptions}. */
export const POSTGRES_OPTIONS = optionNames<PostgresOptions>({
  url: true,
  tls: true,
  maxConnections: true,
  connectTimeoutMs: true,
  statementTimeoutMs: true,
  answerTimeoutMs: true,
  idleTimeoutMs: true,
  closeTimeoutMs: true,
  onNotice: true,
  listen: true,
});

/** Connections at most unless told otherwise. Ours. */
const CONNECTIONS_DEFAULT = 10;
/** Milliseconds to wait for a connection unless told otherwise. Ours. */
const CONNECT_TIMEOUT_MS_DEFAULT = 5_000;
/** Milliseconds that one statement may take unless told otherwise. Ours. */
const STATEMENT_TIMEOUT_MS_DEFAULT = 10_000;
/** Milliseconds that an answer may come after the time of its statement, unless told otherwise. Ours. */
const ANSWER_MARGIN_MS = 5_000;
/** Milliseconds after which a connection that nobody uses is closed, unless told otherwise. As pg's own. */
const IDLE_TIMEOUT_MS_DEFAULT = 10_000;
/** Milliseconds that closing waits for transactions, unless told otherwise. Ours. */
const CLOSE_TIMEOUT_MS_DEFAULT = 5_000;
/** Milliseconds that a transaction has to end by itself after an abort: half of what an abort may take. Ours. */
const ABORT_GRACE_MS = 50;
/** Milliseconds that one statement of a migration may take: ten minutes. Ours. */
const MIGRATION_STATEMENT_MS_MAX = 600_000;
/** Milliseconds between two looks whether the connection that listens is alive, and for its answer. Ours. */
const LISTENER_LOOK_EVERY_MS = 2_000;
/** Milliseconds before the system asks whether a silent connection is alive. Ours. */
const KEEP_ALIVE_MS = 10_000;
/** Milliseconds between two looks at the counters. Ours: half of what a revocation may take. */
const COUNTERS_EVERY_MS = 500;
/** Milliseconds after which the counters that were seen are no longer believed. Ours. */
const COUNTERS_AGE_MS_MAX = 1_000;
/** How often a transaction starts over that lost against another. Ours. */
const RETRIES_MAX = 5;
/** The channel on which servers tell each other that a counter was raised. */
const CHANNEL = "coffer_changes";
/** Locks out other migrations: an arbitrary number, "CFR1". */
const MIGRATION_LOCK = 0x43465231;

const BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

const POSTGRES_TYPES: SchemaTypes = {
  // Names compare by their bytes whatever the database's locale is.
  text: 'TEXT COLLATE "C"',
  bytes: "BYTEA",
  integer: "BIGINT",
  sequence: "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
  write: "BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint)",
};

/**
 * Transaction ids of a dump mean nothing to the cluster that it was restored to, whose own may still be smaller. A row that can
 * be seen cannot be of a future transaction: where there is one, all events were restored, and are before all new ones.
 */
const SETTLE_RESTORED = `
  UPDATE events SET write_id = 0 WHERE write_id > 0 AND EXISTS (
    SELECT 1 FROM environments n, LATERAL (
      SELECT e.write_id FROM events e WHERE e.environment_id = n.id ORDER BY e.write_id DESC, e.sequence DESC LIMIT 1
    ) newest WHERE newest.write_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)`;

/** Counters that cannot be believed differ from all others, and from themselves: everything is looked up afresh. */
const UNKNOWN: Changes = { keks: Number.NaN, revocations: Number.NaN, apiKeys: Number.NaN };

/** Transactions that fail so may succeed when they start over: also a name that another one took a moment ago. */
const RETRIED = new Set(["40001", "40P01", "23505"]);
/**
 * Stands for a text with a NUL character, which PostgreSQL can neither store nor be asked for: it is longer than any
 * text that statements look for, so it equals none and is within none.
 */
const NO_STORED_TEXT = "\ufffe".repeat(4_096);
/** Type ids of pg_type.dat. */
const OID_BYTEA = 17;
const OID_INT8 = 20;

/**
 * Opens a database that `migratePostgres` has prepared.
 *
 * @throws VaultError ERR_STORAGE_SCHEMA (not migrated, or by a newer coffer), ERR_STORAGE_UNAVAILABLE, ERR_UNSUPPORTED
 *   (the library `pg` is not installed)
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const pg = await loadPg();
  const limits = limitsOf(options);
  const config = await settledConfig(pg, options, limits);
  const database = new PostgresDatabase(new Connections(pg, config, limits), options);
  try {
    await database.initialize();
  } catch (error) {
    await database.close();
    throw translate(error);
  }
  return database;
}

/**
 * Brings a database's tables to the newest version. Run it before the servers of a new release; several at once take
 * turns.
 *
 * @returns the versions before and after
 * @throws VaultError ERR_STORAGE_SCHEMA (made by a newer coffer), ERR_STORAGE_READ_ONLY (a standby), ERR_STORAGE_FULL,
 *   ERR_STORAGE_UNAVAILABLE, ERR_OUTCOME_UNKNOWN (run it again), ERR_UNSUPPORTED
 */
export async function migratePostgres(options: PostgresOptions): Promise<{ from: number; to: number }> {
  checkOptions(options, POSTGRES_OPTIONS, "migratePostgres");
  const pg = await loadPg();
  const limits = { ...limitsOf(options), answerTimeoutMs: MIGRATION_STATEMENT_MS_MAX };
  const connections = new Connections(pg, await settledConfig(pg, options, limits), limits);
  let isCommitting = false;
  try {
    return await connections.use(async (connection) => {
      await connection.query("BEGIN", [], limits.connectTimeoutMs);
      await connection.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      await connection.query("CREATE TABLE IF NOT EXISTS coffer_schema (version BIGINT NOT NULL)");
      const { rows } = await connection.query("SELECT version FROM coffer_schema");
      const from = (rows[0]?.version as number | undefined) ?? 0;
      checkVersion(from, true);
      for (const statements of migrations(POSTGRES_TYPES).slice(from)) await connection.query(statements);
      await connection.query("DELETE FROM coffer_schema");
      await connection.query("INSERT INTO coffer_schema (version) VALUES ($1)", [SCHEMA_VERSION]);
      isCommitting = true;
      await connection.query("COMMIT");
      return { from, to: SCHEMA_VERSION };
    });
  } catch (error) {
    throw isCommitting && isUnanswered(error) ? outcomeUnknown(translate(error)) : translate(error);
  } finally {
    await connections.close();
  }
}

function checkVersion(version: number, isMigration: boolean): void {
  if (version > SCHEMA_VERSION) {
    throw new VaultError("ERR_STORAGE_SCHEMA", `the database has version ${version}, made by a newer coffer`);
  }
  if (!isMigration && version < SCHEMA_VERSION) {
    throw new VaultError(
      "ERR_STORAGE_SCHEMA",
      `the database has version ${version}, not ${SCHEMA_VERSION}: run coffer migrate`,
    );
  }
}

type Pg = typeof import("pg");

async function loadPg(): Promise<Pg> {
  checkRuntime();
  try {
    const module = await import("pg");
    return (module.default ?? module) as Pg;
  } catch (cause) {
    throw new VaultError("ERR_UNSUPPORTED", "PostgreSQL needs the package pg: npm install pg", { cause });
  }
}

function limitsOf(options: PostgresOptions): ConnectionLimits {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS_DEFAULT;
  return {
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT,
    answerTimeoutMs: options.answerTimeoutMs ?? statementTimeoutMs + ANSWER_MARGIN_MS,
    idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS_DEFAULT,
    maxConnections: options.maxConnections ?? CONNECTIONS_DEFAULT,
  };
}

/** How to connect; where TLS depends on what the server offers, that is found out once, by connecting. */
async function settledConfig(
  pg: Pg,
  options: PostgresOptions,
  limits: ConnectionLimits,
): Promise<ClientConfig> {
  const { url, ssl, isOptional, isUnverified } = readTls(options.url, options.tls);
  let config = { ...clientConfig(pg, url), ssl };
  try {
    new pg.Client(config);
  } catch {
    throw invalidType("url must be postgres://user:password@host:port/database");
  }
  if (isOptional) {
    const connections = new Connections(pg, config, limits);
    try {
      (await connections.openOne()).breakOff(closed());
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (!isWithoutTls(cause)) throw error;
      config = { ...config, ssl: false };
    } finally {
      await connections.close();
    }
  }
  const host = new pg.Client(config).host;
  if (isUnverified && !/^(\/|127\.|localhost$|::1$)/.test(host)) {
    options.onNotice?.(
      config.ssl === false
        ? "the connection to the database is not encrypted: use sslmode=verify-full in its URL"
        : "the connection to the database is encrypted, but nobody checks who the server is: use sslmode=verify-full in its URL",
    );
  }
  return config;
}

function clientConfig(pg: Pg, url: string): ClientConfig {
  return {
    connectionString: url,
    application_name: "coffer",
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: {
      getTypeParser: ((oid: number, format?: "text" | "binary") => {
        if (oid === OID_INT8) return Number; // counts, sequences and milliseconds: all below 2^53
        const parser = pg.types.getTypeParser(oid, format as "text");
        if (oid !== OID_BYTEA) return parser;
        return (text: string) => Uint8Array.from(parser(text) as Uint8Array);
      }) as typeof pg.types.getTypeParser,
    },
  };
}

/** A transaction under way. */
interface Transaction {
  readonly isWrite: boolean;
  raisesCounters: boolean;
  /** Where it runs, from BEGIN to COMMIT: there it may be broken off, and nothing has happened. */
  breakable: Connection | undefined;
}

class PostgresDatabase implements Database {
  readonly lockRows = " FOR SHARE";
  readonly #connections: Connections;
  readonly #listens: boolean;
  readonly #statementTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #closeTimeoutMs: number;
  readonly #numbered = new Map<string, string>();
  #listener: Connection | undefined;
  #isListening = false;
  #listenerSeenAt = Number.NEGATIVE_INFINITY;
  #changes: Changes = UNKNOWN;
  #changesSeenAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setInterval> | undefined;
  #refreshing: Promise<void> | undefined;
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;
  // ONLY: no news of a changed counter for others.
  readonly #probe = new WriteProbe(() => this.write((sql) => sql.run(`UPDATE ONLY ${PROBE_CHANGE}`)));

  constructor(connections: Connections, options: PostgresOptions) {
    this.#connections = connections;
    this.#listens = options.listen !== false;
    this.#statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS_DEFAULT;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS_DEFAULT;
  }

  async initialize(): Promise<void> {
    const version = await this.#connections.use(async (client) => {
      const { rows } = await client.query("SELECT to_regclass('coffer_schema') AS found");
      if (rows[0].found === null) return 0;
      return (
        ((await client.query("SELECT version FROM coffer_schema")).rows[0]?.version as number | undefined) ??
        0
      );
    });
    checkVersion(version, false);
    await this.#connections.use((client) => client.query(SETTLE_RESTORED));
    await this.#refresh();
    await this.#listen();
    this.#timer = setInterval(() => {
      this.#refresh().catch(() => {}); // Counters that grow too old speak for themselves.
      this.#lookAtListener().catch(() => {}); // It is tried again.
    }, COUNTERS_EVERY_MS);
    this.#timer.unref();
  }

  read<T>(work: (sql: Sql) => Promise<T>, options?: WaitOptions): Promise<T> {
    return this.#begin(false, work, options);
  }

  async write<T>(work: (sql: Sql) => Promise<T>, options?: WaitOptions): Promise<T> {
    try {
      const result = await this.#begin(true, work, options);
      this.#probe.succeeded();
      return result;
    } catch (error) {
      this.#probe.failed();
      throw error;
    }
  }

  async writable({ signal }: WaitOptions = {}): Promise<void> {
    if (this.#isClosed) throw closed();
    await this.#probe.check(signal);
  }

  changes(): Changes {
    if (this.#isClosed) throw closed();
    return performance.now() - this.#changesSeenAt <= COUNTERS_AGE_MS_MAX ? this.#changes : UNKNOWN;
  }

  atOnce<T>(work: () => T): T {
    return work(); // Looking asks nobody.
  }

  async lookAfresh(): Promise<void> {
    await this.#refresh(true);
  }

  settled(alias: string): string {
    // Rows of transactions with smaller ids than any that is still running: all of these have ended, and what is committed
    // later has a greater id. (Sequences say nothing of that: a transaction may draw its number before others that end first.)
    return ` AND ${alias}.write_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`;
  }

  /** Dead rows are PostgreSQL's to clean up (autovacuum); nothing here can make it sooner. */
  async scrub(): Promise<void> {}

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    // The pool would leave those that still wait for a connection waiting. Who does not end in time is broken off.
    const timer = setTimeout(() => this.#connections.breakOff(brokenOff()), this.#closeTimeoutMs);
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    clearTimeout(timer);
    this.#listener?.breakOff(closed());
    await this.#connections.close();
  }

  async #begin<T>(
    isWrite: boolean,
    work: (sql: Sql) => Promise<T>,
    { signal }: WaitOptions = {},
  ): Promise<T> {
    if (this.#isClosed) throw closed();
    signal?.throwIfAborted();
    const transaction: Transaction = { isWrite, raisesCounters: false, breakable: undefined };
    const running = this.#transaction(transaction, work, signal);
    this.#underWay.add(running);
    const isOver = running.finally(() => this.#underWay.delete(running));
    isOver.catch(() => {}); // An abort may be the answer.
    return signal === undefined ? isOver : untilGivenUp(isOver, transaction, signal);
  }

  async #transaction<T>(
    transaction: Transaction,
    work: (sql: Sql) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#connections.use(
          (connection) => this.#attempt(connection, transaction, work),
          signal,
        );
      } catch (error) {
        if (signal?.aborted === true && error === signal.reason) throw error;
        const code = sqlState(error);
        const mayRetry = code !== undefined && RETRIED.has(code) && attempt < RETRIES_MAX;
        if (!mayRetry || signal?.aborted === true || this.#isClosed) throw translate(error);
      }
    }
  }

  async #attempt<T>(
    connection: Connection,
    transaction: Transaction,
    work: (sql: Sql) => Promise<T>,
  ): Promise<T> {
    transaction.raisesCounters = false;
    transaction.breakable = connection;
    let result: T;
    try {
      // One round trip; SET LOCAL ends with the transaction, so a pooler's next user sees nothing of it. A connection that
      // died while idle shows now.
      await connection.query(
        `${transaction.isWrite ? BEGIN_WRITE : BEGIN_READ}; SET LOCAL statement_timeout = ${this.#statementTimeoutMs}; SET LOCAL synchronous_commit = on`,
        [],
        this.#connectTimeoutMs,
      );
      result = await work(this.#sql(connection, transaction));
      if (transaction.raisesCounters) await connection.query(`NOTIFY ${CHANNEL}`);
    } catch (error) {
      if (!connection.isBroken)
        await connection.query("ROLLBACK", [], this.#connectTimeoutMs).catch(() => {});
      throw error;
    } finally {
      transaction.breakable = undefined;
    }
    await this.#commit(connection, transaction);
    // This server sees its own change at once, the others when they hear of it.
    if (transaction.raisesCounters) await this.#look(connection).catch(() => this.#distrust());
    return result;
  }

  /**
   * Commits; a connection that breaks now leaves unknown what happened to a write, while a read can be done again. So does a
   * warning: PostgreSQL gives one when waiting for a standby was cut short, and answers as if all were well.
   */
  async #commit(connection: Connection, { isWrite }: Transaction): Promise<void> {
    let isWarned = false;
    const onNotice = (notice: { severity?: string | undefined }): void => {
      isWarned ||= notice.severity === "WARNING";
    };
    connection.client.on("notice", onNotice);
    try {
      const { command } = await connection.query("COMMIT");
      if (command !== "COMMIT")
        throw new VaultError("ERR_STORAGE_UNAVAILABLE", "the database rolled a transaction back", {
          retryable: true,
        });
    } catch (error) {
      if (!isWrite || !isUnanswered(error)) throw error;
      this.#distrust();
      throw outcomeUnknown(translate(error));
    } finally {
      connection.client.off("notice", onNotice);
    }
    if (isWarned && isWrite) throw outcomeUnknown();
  }

  #sql(connection: Connection, transaction: Transaction): Sql {
    const query = (statement: string, parameters: readonly SqlValue[]) => {
      transaction.raisesCounters ||= statement.startsWith("UPDATE counters");
      // pg sends a Uint8Array as JSON; a Buffer over the same memory as bytes.
      const values = parameters.map((value) => {
        if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        if (typeof value !== "string" || !value.includes("\0")) return value;
        if (statement.startsWith("INSERT")) throw invalidRange("text must not hold a NUL character");
        return NO_STORED_TEXT;
      });
      return connection.query(this.#withNumbers(statement), values);
    };
    return {
      all: async (statement, ...parameters) => (await query(statement, parameters)).rows as Row[],
      get: async (statement, ...parameters) =>
        (await query(statement, parameters)).rows[0] as Row | undefined,
      run: async (statement, ...parameters) => (await query(statement, parameters)).rowCount ?? 0,
    };
  }

  /** `?` as `$1`, `$2`…; no statement of ours has a question mark elsewhere. */
  #withNumbers(statement: string): string {
    let numbered = this.#numbered.get(statement);
    if (numbered === undefined) {
      let count = 0;
      numbered = statement.replace(/\?/g, () => `$${++count}`);
      this.#numbered.set(statement, numbered);
    }
    return numbered;
  }

  /** Looks at the counters; `afresh` does not content itself with a look that began earlier. */
  async #refresh(afresh = false): Promise<void> {
    if (this.#refreshing !== undefined && !afresh) return this.#refreshing;
    const look = this.#connections
      .use((connection) => this.#look(connection))
      .finally(() => {
        if (this.#refreshing === look) this.#refreshing = undefined;
      });
    this.#refreshing = look;
    return look;
  }

  async #look(connection: Connection): Promise<void> {
    const startedAt = performance.now();
    const { rows } = await connection.query("SELECT name, value FROM counters", [], this.#connectTimeoutMs);
    const value = (name: string): number => rows.find((row) => row.name === name)?.value as number;
    if (startedAt < this.#changesSeenAt) return; // A later look has come back sooner.
    this.#changes = { keks: value("keks"), revocations: value("revocations"), apiKeys: value("api_keys") };
    this.#changesSeenAt = startedAt;
  }

  #distrust(): void {
    this.#changesSeenAt = Number.NEGATIVE_INFINITY;
  }

  /** Makes sure that somebody listens: a connection over which nothing comes back says nothing by itself. */
  async #lookAtListener(): Promise<void> {
    if (this.#listener === undefined) return this.#listen();
    if (performance.now() - this.#listenerSeenAt < LISTENER_LOOK_EVERY_MS) return;
    this.#listenerSeenAt = performance.now();
    await this.#listener.query(`LISTEN ${CHANNEL}`, [], LISTENER_LOOK_EVERY_MS);
  }

  async #listen(): Promise<void> {
    if (!this.#listens || this.#isClosed || this.#isListening) return;
    this.#isListening = true;
    try {
      const listener = await this.#connections.openOne();
      const { client } = listener;
      const lose = (): void => {
        if (this.#listener === listener) this.#listener = undefined;
        this.#distrust(); // Something may have been said meanwhile.
      };
      client.on("error", lose);
      client.on("end", lose);
      client.on("notification", () => this.#refresh(true).catch(() => this.#distrust()));
      try {
        await listener.query(`LISTEN ${CHANNEL}`, [], this.#connectTimeoutMs);
        await this.#refresh(true);
      } catch (error) {
        listener.breakOff(error);
        throw translate(error);
      }
      if (this.#isClosed) return listener.breakOff(closed());
      this.#listenerSeenAt = performance.now();
      if (!listener.isBroken) this.#listener = listener;
    } finally {
      this.#isListening = false;
    }
  }
}

/** Answers with what a transaction does, or with the signal's reason soon after it was aborted. */
async function untilGivenUp<T>(
  running: Promise<T>,
  transaction: Transaction,
  signal: AbortSignal,
): Promise<T> {
  const givenUp = Promise.withResolvers<never>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = (): void => {
    // What is about to end is finished. A COMMIT that was sent goes on by itself, but is not waited for.
    timer = setTimeout(() => {
      transaction.breakable?.breakOff(signal.reason);
      givenUp.reject(signal.reason);
    }, ABORT_GRACE_MS);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([running, givenUp.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
  }
}

/** Whether nobody knows what the server did: without its answer, or with its last words only. */
function isUnanswered(error: unknown): boolean {
  if (isVaultError(error)) return (error.cause as { name?: unknown } | undefined)?.name === "PostgresError";
  return sqlState(error) === undefined || isFatal(error);
}

/** Tells those whom `close` breaks off. */
function brokenOff(): Error {
  return new Error("Connection terminated: the vault was closed");
}

function closed(): VaultError {
  return new VaultError("ERR_DISPOSED", "the vault has been closed");
}

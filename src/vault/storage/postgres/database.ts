/**
 * The storage port on PostgreSQL, by the library `pg`.
 *
 * Owns transactions and what a lost COMMIT means. Keeps nothing in a session, so that a pooler in transaction mode may stand
 * between. Must not know keys or what the tables mean, how connections are made and given up, nor how other servers' changes
 * are noticed.
 *
 * @module
 */

import { isUint8Array } from "../../../base/bytes.ts";
import { invalidRange, VaultError } from "../../../errors.ts";
import { type Changes, RAISE_COUNTER } from "../changes.ts";
import type { Database, ReadOptions, Sql, SqlValue, WaitOptions, WriteLocks } from "../database.ts";
import { PROBE_CHANGE, WriteProbe } from "../write-probe.ts";
import { CHANNEL, ChangesWatch } from "./changes-watch.ts";
import type { Connection, Connections } from "./connection.ts";
import { closed, outcomeUnknown, sqlState, translate } from "./errors.ts";
import { checkVersion, storedVersion } from "./migrate.ts";
import { limitsOf, type PostgresOptions } from "./options.ts";
import type { Statement } from "./pipeline.ts";
import { Statements } from "./statements.ts";

/** Milliseconds that a transaction has to end by itself after an abort: half of what an abort may take. Ours. */
const ABORT_GRACE_MS = 50;
/** How often a transaction starts over that lost against another. Ours. */
const RETRIES_MAX = 5;
/** The clock at this moment, and not when the transaction began. */
const CLOCK = "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
const BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
const BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/**
 * Transaction ids of a dump mean nothing to the cluster that it was restored to, whose own may still be smaller. A row that can
 * be seen cannot be of a future transaction: where there is one, all events were restored, and are before all new ones.
 */
const SETTLE_RESTORED = `
  UPDATE events SET write_id = 0 WHERE write_id > 0 AND EXISTS (
    SELECT 1 FROM environments n, LATERAL (
      SELECT e.write_id FROM events e WHERE e.environment_id = n.id ORDER BY e.write_id DESC, e.sequence DESC LIMIT 1
    ) newest WHERE newest.write_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)`;

/** Transactions that fail so may succeed when they start over: also a name that another one took a moment ago. */
const RETRIED = new Set(["40001", "40P01", "23505"]);
/**
 * Stands for a text with a NUL character, which PostgreSQL can neither store nor be asked for: it is longer than any
 * text that statements look for, so it equals none and is within none.
 */
const NO_STORED_TEXT = "\ufffe".repeat(4_096);
/** Thrown by the second statement of work that was expected to ask one. */
const NEEDS_STATE = new Error("one statement is not enough");

/** A transaction under way. */
interface Transaction {
  readonly isWrite: boolean;
  readonly sharedLocks: readonly bigint[];
  /** Whether these are held when the work begins. */
  readonly locksBefore: boolean;
  /** Whether one statement is expected. */
  isSingle: boolean;
  raisesCounters: boolean;
  /** Where it runs, from BEGIN to COMMIT: there it may be broken off, and nothing has happened. */
  breakable: Connection | undefined;
}

/** The port over a pool of connections. Made by `openPostgres`. */
export class PostgresDatabase implements Database {
  readonly erases = false;
  readonly #connections: Connections;
  readonly #watch: ChangesWatch;
  readonly #statementTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #closeTimeoutMs: number;
  readonly #numbered = new Map<string, string>();
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosed = false;
  // ONLY: no news of a changed counter for others.
  readonly #probe = new WriteProbe(() => this.write((sql) => sql.run(`UPDATE ONLY ${PROBE_CHANGE}`)));

  constructor(connections: Connections, options: PostgresOptions) {
    this.#connections = connections;
    const { statementTimeoutMs, connectTimeoutMs, closeTimeoutMs } = limitsOf(options);
    this.#watch = new ChangesWatch(connections, options.listen !== false, connectTimeoutMs);
    this.#statementTimeoutMs = statementTimeoutMs;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#closeTimeoutMs = closeTimeoutMs;
  }

  async initialize(): Promise<void> {
    checkVersion((await this.#connections.use(storedVersion)) ?? 0, false);
    await this.#connections.use((client) => client.query(SETTLE_RESTORED));
    await this.#watch.start();
  }

  read<T>(work: (sql: Sql) => Promise<T>, options?: ReadOptions): Promise<T> {
    return this.#begin(false, work, options);
  }

  async write<T>(work: (sql: Sql) => Promise<T>, options?: WriteLocks): Promise<T> {
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
    return this.#watch.changes();
  }

  async lookAfresh(): Promise<void> {
    await this.#watch.refresh(true);
  }

  settled(alias: string): string {
    // Rows of transactions with smaller ids than any that is still running: all of these have ended, and what is committed
    // later has a greater id. (Sequences say nothing of that: a transaction may draw its number before others that end first.)
    return ` AND ${alias}.write_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint`;
  }

  /** Dead rows are PostgreSQL's to clean up (autovacuum), which overwrites nothing; and the WAL keeps copies. */
  async scrub(): Promise<boolean> {
    return this.erases;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.stop();
    // The pool would leave those that still wait for a connection waiting. Who does not end in time is broken off.
    const timer = setTimeout(() => this.#connections.breakOff(brokenOff()), this.#closeTimeoutMs);
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    clearTimeout(timer);
    this.#watch.letGo();
    await this.#connections.close();
  }

  async #begin<T>(
    isWrite: boolean,
    work: (sql: Sql) => Promise<T>,
    { signal, sharedLocks = [], locksWithFirst = false, isSingle = false }: WriteLocks & ReadOptions = {},
  ): Promise<T> {
    if (this.#isClosed) throw closed();
    signal?.throwIfAborted();
    const transaction: Transaction = {
      isWrite,
      sharedLocks,
      locksBefore: sharedLocks.length > 0 && !locksWithFirst,
      isSingle,
      raisesCounters: false,
      breakable: undefined,
    };
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
          (connection) =>
            transaction.isSingle
              ? this.#alone(connection, transaction, work)
              : this.#attempt(connection, transaction, work),
          signal,
        );
      } catch (error) {
        if (error === NEEDS_STATE) {
          transaction.isSingle = false;
          continue;
        }
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
    const statements = new Statements(connection, this.#opening(transaction), this.#connectTimeoutMs);
    let result: T;
    const began = performance.now();
    try {
      if (transaction.locksBefore) await statements.open();
      result = await work(this.#sql(statements, transaction, began));
      if (transaction.raisesCounters) statements.add(plain(`NOTIFY ${CHANNEL}`));
    } catch (error) {
      await this.#rollBack(connection, statements);
      throw error;
    } finally {
      transaction.breakable = undefined;
    }
    await this.#commit(connection, statements, transaction);
    // This server sees its own change at once, the others when they hear of it.
    if (transaction.raisesCounters) await this.#watch.look(connection).catch(() => this.#watch.distrust());
    return result;
  }

  /**
   * What goes before the first statement, on the same way. The settings end with the transaction, so that a pooler's next user sees
   * nothing of them. What the transaction reads comes after the locks, in statements of its own: each sees what was committed
   * before it. A connection that died while idle shows now.
   */
  #opening({ isWrite, sharedLocks, isSingle }: Transaction): Statement[] {
    const settings = plain(
      `SELECT set_config('statement_timeout', '${this.#statementTimeoutMs}', true), set_config('synchronous_commit', 'on', true)`,
    );
    // Until the Sync behind it, a single statement is in a transaction of its own, and so are the settings.
    if (isSingle) return [settings];
    const locks =
      sharedLocks.length === 0 ? [] : [plain(advisoryLocks("pg_advisory_xact_lock_shared", sharedLocks))];
    return [plain(isWrite ? BEGIN_WRITE : BEGIN_READ), settings, ...locks];
  }

  async #rollBack(connection: Connection, statements: Statements): Promise<void> {
    await statements.abandon();
    if (connection.isBroken || !statements.hasBegun) return;
    await connection.query("ROLLBACK", [], this.#connectTimeoutMs).catch(() => {});
  }

  /** Runs work that is expected to ask one statement. @throws {@link NEEDS_STATE} if it asks another */
  async #alone<T>(
    connection: Connection,
    transaction: Transaction,
    work: (sql: Sql) => Promise<T>,
  ): Promise<T> {
    transaction.breakable = connection;
    const statements = new Statements(connection, this.#opening(transaction), this.#connectTimeoutMs);
    let asked = 0;
    const once = {
      ask: (statement: Statement) => {
        asked += 1;
        return asked === 1 ? statements.ask(statement) : Promise.reject(NEEDS_STATE);
      },
      add: (statement: Statement) => statements.add(statement),
    };
    try {
      const result = await work(this.#sql(once, transaction, performance.now()));
      if (asked > 1) throw NEEDS_STATE;
      return result;
    } catch (error) {
      throw asked > 1 && !connection.isBroken ? NEEDS_STATE : error;
    } finally {
      transaction.breakable = undefined;
      await statements.abandon();
    }
  }

  /**
   * Commits, together with what was not sent yet. A connection that breaks now leaves unknown what happened to a write, while a
   * read can be done again. So does a warning: PostgreSQL gives one when waiting for a standby was cut short, and answers as if all
   * were well.
   */
  async #commit(connection: Connection, statements: Statements, { isWrite }: Transaction): Promise<void> {
    if (!statements.hasBegun && !statements.hasAdded) return; // Nothing was asked.
    let isWarned = false;
    const onNotice = (notice: { severity?: string | undefined }): void => {
      isWarned ||= notice.severity === "WARNING";
    };
    connection.client.on("notice", onNotice);
    try {
      const tag = statements.hasAdded
        ? (await statements.end(plain("COMMIT"))).tag
        : (await connection.query("COMMIT")).command;
      if (tag !== "COMMIT")
        throw new VaultError("ERR_STORAGE_UNAVAILABLE", "the database rolled a transaction back", {
          retryable: true,
        });
    } catch (error) {
      // Anything but an answer has broken it; what a statement must have done is the caller's own error.
      if (!isWrite || !connection.isBroken) {
        await this.#rollBack(connection, statements);
        throw error;
      }
      this.#watch.distrust();
      throw outcomeUnknown(translate(error));
    } finally {
      connection.client.off("notice", onNotice);
    }
    if (isWarned && isWrite) throw outcomeUnknown();
  }

  #sql(statements: Pick<Statements, "ask" | "add">, transaction: Transaction, began: number): Sql {
    const prepared = (statement: string, parameters: readonly SqlValue[]): Statement => {
      // A Buffer over the same memory: `pg` takes others for text.
      const values = parameters.map((value) => {
        if (isUint8Array(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        if (typeof value !== "string" || !value.includes("\0")) return value;
        if (statement.startsWith("INSERT")) throw invalidRange("text must not hold a NUL character");
        return NO_STORED_TEXT;
      });
      return { text: this.#withNumbers(statement), values };
    };
    const query = async (statement: string, parameters: readonly SqlValue[]) =>
      statements.ask(prepared(statement, parameters));
    return {
      began,
      all: async (statement, ...parameters) => (await query(statement, parameters)).rows,
      get: async (statement, ...parameters) => (await query(statement, parameters)).rows[0],
      run: async (statement, ...parameters) => (await query(statement, parameters)).rowCount,
      send: async (statement, parameters, must) => statements.add(prepared(statement, parameters), must),
      lock: async (...locks) => {
        await statements.ask(plain(advisoryLocks("pg_advisory_xact_lock", locks)));
      },
      now: async () => (await statements.ask(plain(CLOCK))).rows[0]!.now as number,
      raise: async (...counters) => {
        transaction.raisesCounters = true;
        for (const counter of counters) statements.add(prepared(RAISE_COUNTER, [counter]));
      },
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

/** A statement without values. */
const plain = (text: string): Statement => ({ text, values: [] });

/** Takes locks one after another; by their order, so that two that take several do not wait for each other. */
function advisoryLocks(take: string, locks: readonly bigint[]): string {
  const inOrder = [...new Set(locks)].sort((a, b) => (a < b ? -1 : 1));
  return `SELECT ${inOrder.map((lock) => `${take}('${lock}'::bigint)`).join(", ")}`;
}

/** Tells those whom `close` breaks off. */
function brokenOff(): Error {
  return new Error("Connection terminated: the vault was closed");
}

/**
 * The storage port on SQLite, over one connection.
 *
 * Owns who has the connection's one transaction, the wait for locks, which has a bound, and when the journal (WAL, synchronous=FULL:
 * durable before it answers) is emptied. Several processes may hold the file. Must not know keys or what the tables mean,
 * nor how the file was made.
 *
 * @module
 */
// The module's own: tests that fake the global timers do not mean a turn of the event loop.
import { setImmediate } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import { untilAborted } from "../../../base/concurrency.ts";
import { isVaultError, VaultError } from "../../../errors.ts";
import {
  ALL_COUNTERS,
  allChangesOf,
  type Changes,
  COUNTERS,
  changesOf,
  NO_CHANGES,
  RAISE_COUNTER,
} from "../changes.ts";
import type { Database, Row, Sql, WaitOptions } from "../database.ts";
import { PROBE_CHANGE, WriteProbe } from "../write-probe.ts";
import type { SqliteConnection } from "./connection.ts";
import { damaged, isOutcomeUnknown, translate, translating } from "./errors.ts";
import type { FileWatch } from "./file-watch.ts";
import type { ColumnTypes } from "./types.ts";

/** Begins a transaction that only reads. */
const BEGIN_READ = "BEGIN";

/** Milliseconds that SQLite itself waits, blocking the process; longer waits are ours, asynchronous. */
export const BLOCKING_WAIT_MS = 20;
/** Milliseconds between two tries for a lock, at first and at most. */
const RETRY_MS_MIN = 2;
const RETRY_MS_MAX = 50;

/** Milliseconds that a vault which is being closed waits for locks, at most. Ours. */
export const CLOSE_LOCK_WAIT_MS_MAX = 5_000;

/** Writes that share one transaction at most: others get their turn between two. */
const WRITES_TOGETHER_MAX = 64;

/** Milliseconds between two tries to empty a journal that others still read. */
const SCRUB_EVERY_MS = 1_000;

interface Write {
  readonly work: (sql: Sql) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** It no longer waits: it has begun, or it has been refused. */
  readonly stopWaiting: () => void;
}

/** The port over one connection. Made by `openSqlite`. */
export class SqliteDatabase implements Database {
  readonly erases = true;
  readonly #connection: SqliteConnection;
  readonly #lockWaitMs: number;
  readonly #sql: Sql;
  readonly #writes: Write[] = [];
  /** Known once the tables are there. */
  #types: ColumnTypes | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #changes: Changes = NO_CHANGES;
  #changesAt: number | undefined;
  /** What is read may be an older state than the newest. */
  #isReading = false;
  /** A counter, in the transaction under way. */
  #hasRaised = false;
  /** When the last transaction did. */
  #began = 0;
  #isWriting = false;
  #isOpen = true;
  /** When waits for locks end, whatever was asked for: soon after the vault is being closed. */
  #closeBy = Number.POSITIVE_INFINITY;
  /** What was overwritten is still in the journal. */
  #isScrubDue = true;
  #scrubTriedAt = Number.NEGATIVE_INFINITY;
  #end: VaultError | undefined;
  #watch: FileWatch | undefined;
  readonly #probe = new WriteProbe(() => this.write((sql) => sql.run(`UPDATE ${PROBE_CHANGE}`)));

  constructor(connection: SqliteConnection, lockWaitMs: number) {
    this.#connection = connection;
    this.#lockWaitMs = lockWaitMs;
    const began = (): number => this.#began;
    this.#sql = {
      get began() {
        return began();
      },
      all: async (statement, ...parameters) =>
        this.#connection.run((s) => this.#types!.check(s.all(...parameters)), statement),
      get: async (statement, ...parameters) =>
        this.#connection.run((s) => {
          const row = s.get(...parameters);
          return row === undefined ? undefined : this.#types!.check([row])[0];
        }, statement),
      run: async (statement, ...parameters) =>
        this.#connection.run((s) => Number(s.run(...parameters).changes), statement),
      send: async (statement, parameters, must) => {
        const changed = this.#connection.run((s) => Number(s.run(...parameters).changes), statement);
        if (must !== undefined && changed !== must.changed) throw must.otherwise();
      },
      lock: async () => {}, // Writes take turns.
      now: async (own) => own(), // The machine's.
      raise: async (...counters) => {
        this.#hasRaised = true;
        for (const counter of counters) this.#connection.run((s) => s.run(counter), RAISE_COUNTER);
      },
    };
  }

  async initialize(create: boolean): Promise<void> {
    await this.#retrying(() => this.#connection.setUp(create));
    if (this.#connection.isOutdated) {
      await this.#exclusively(() =>
        this.#transaction("BEGIN IMMEDIATE", async () => this.#connection.migrate()),
      );
    }
    this.#types = this.#connection.columnTypes();
    // Who wrote last may have been killed before it could.
    this.#emptyJournal();
    this.#watch = this.#connection.watch();
  }

  read<T>(work: (sql: Sql) => Promise<T>, { signal }: WaitOptions = {}): Promise<T> {
    const isWanted = (): boolean => signal?.aborted !== true;
    const turn = this.#exclusively(async () => {
      signal?.throwIfAborted();
      return this.#transaction(BEGIN_READ, () => work(this.#sql), isWanted);
    });
    return untilAborted(turn, signal);
  }

  /**
   * Writes that wait for their turn at the same time share one transaction, and so one sync of the disk, each within
   * a savepoint of its own: one that fails takes nothing of the others with it.
   */
  write<T>(work: (sql: Sql) => Promise<T>, { signal }: WaitOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = (): void => {
        this.#writes.splice(this.#writes.indexOf(write), 1);
        reject(signal!.reason);
      };
      const stopWaiting = (): void => signal?.removeEventListener("abort", onAbort);
      const write: Write = { work, resolve: resolve as (value: unknown) => void, reject, stopWaiting };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#writes.push(write);
      // The first call takes a turn for all; later ones join until it ends.
      if (this.#writes.length === 1) this.#takeTurnToWrite();
    });
  }

  changes(): Changes {
    this.#checkUsable();
    // No other process can commit now, and what could be read is not committed.
    if (this.#isWriting) return this.#changes;
    this.#look();
    return this.#changes;
  }

  #look(): void {
    // data_version changes when another connection has committed; counters that we raise reset #changesAt.
    const version = this.#connection.dataVersion();
    if (version !== this.#changesAt) {
      const rowsOf = (statement: string): readonly Row[] =>
        this.#connection.run((s) => s.all(), statement) as Row[];
      let changes = changesOf(rowsOf(COUNTERS), this.#changes);
      if (changes !== undefined && changes.revocations !== this.#changes.revocations)
        changes = allChangesOf(rowsOf(ALL_COUNTERS));
      if (changes === undefined) throw damaged();
      this.#changes = changes;
      // Look again afterwards: another process may have committed since this transaction began.
      this.#changesAt = this.#isReading ? undefined : version;
    }
  }

  async lookAfresh(): Promise<void> {}

  settled(): string {
    return "";
  }

  async scrub({ signal }: WaitOptions = {}): Promise<boolean> {
    this.#isScrubDue = true;
    const until = performance.now() + this.#lockWaitMs;
    for (let wait = RETRY_MS_MIN; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      await this.#exclusively(async () => this.#emptyJournal());
      if (!this.#isScrubDue || performance.now() >= until || this.#isClosing || signal?.aborted === true)
        return !this.#isScrubDue;
      await sleep(wait);
    }
  }

  async writable({ signal }: WaitOptions = {}): Promise<void> {
    this.#checkUsable();
    await this.#probe.check(signal);
  }

  close(): Promise<void> {
    if (!this.#isClosing) this.#closeBy = performance.now() + CLOSE_LOCK_WAIT_MS_MAX;
    return this.#exclusively(
      async () => {
        // Writes that were asked for before come first, however many.
        while (this.#writes.length > 0) await this.#writeTogether();
        if (this.#isOpen) this.#connection.database.close();
        this.#isOpen = false;
        this.#end ??= new VaultError("ERR_DISPOSED", "the vault has been closed");
      },
      () => {},
    );
  }

  get #isClosing(): boolean {
    return this.#closeBy !== Number.POSITIVE_INFINITY;
  }

  /** Not before this turn of the event loop ends: what else has come in it would otherwise miss the commit. */
  #takeTurnToWrite(): void {
    setImmediate(() => {
      this.#exclusively(() => this.#writeTogether()).catch((error) => this.#refuse(error));
    });
  }

  async #writeTogether(): Promise<void> {
    const isWanted = (): boolean => this.#writes.length > 0;
    if (!isWanted()) return; // An earlier turn has taken them, or they wait no more.
    const done: (() => void)[] = [];
    const batch: Write[] = [];
    const work = async (): Promise<void> => {
      this.changes(); // What is committed, as long as it can be read.
      this.#isWriting = true;
      while (batch.length < WRITES_TOGETHER_MAX && this.#writes.length > 0) {
        const write = this.#writes.shift()!;
        write.stopWaiting();
        batch.push(write);
        try {
          const result = await this.#connection.savepoint(() => write.work(this.#sql));
          done.push(() => write.resolve(result));
        } catch (error) {
          // A full disk makes SQLite roll back everything, what others had written in this turn too.
          if (this.#connection.hasRolledBack()) throw error;
          done.push(() => write.reject(error));
        }
      }
    };
    try {
      await this.#transaction("BEGIN IMMEDIATE", work, isWanted);
      // What was committed to a file that has lost its name must not be acknowledged.
      this.#endIfLost(() => this.#watch?.look());
      this.#probe.succeeded();
      for (const finish of done) finish();
      if (this.#isScrubDue && performance.now() - this.#scrubTriedAt > SCRUB_EVERY_MS) this.#emptyJournal();
    } catch (error) {
      this.#probe.failed();
      for (const write of batch) write.reject(error);
      // It did not even begin (the lock was not to be had, the file is read-only): all who wait for it have waited.
      if (batch.length === 0) this.#refuse(error);
    }
    if (this.#writes.length > 0) this.#takeTurnToWrite();
  }

  #refuse(error: unknown): void {
    for (const write of this.#writes.splice(0)) {
      write.stopWaiting();
      write.reject(error);
    }
  }

  /**
   * Moves the journal into the database and cuts it off: old pages, a shredded KEK's among them, would live on in it.
   * Where another process that reads just now, or a full disk, stops that, it stays due.
   */
  #emptyJournal(): void {
    this.#scrubTriedAt = performance.now();
    try {
      this.#isScrubDue = !this.#connection.emptyJournal();
    } catch {
      this.#isScrubDue = true; // What has been committed stays so, and whatever is wrong here shows at the next write.
    }
  }

  async #transaction<T>(begin: string, work: () => Promise<T>, isWanted?: () => boolean): Promise<T> {
    await this.#retrying(() => {
      this.#began = performance.now();
      this.#connection.database.exec(begin);
    }, isWanted);
    this.#isReading = begin === BEGIN_READ;
    try {
      const result = await work();
      this.#commit(begin !== BEGIN_READ);
      return result;
    } catch (error) {
      this.#connection.rollBack();
      throw error;
    } finally {
      this.#isReading = false;
      this.#isWriting = false;
      if (this.#hasRaised) this.#changesAt = undefined;
      this.#hasRaised = false;
    }
  }

  /** One connection has one transaction: calls take turns. */
  #exclusively<T>(work: () => Promise<T>, check = () => this.#checkUsable()): Promise<T> {
    const turn = this.#queue.then(async () => {
      check();
      return work();
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  #commit(isWrite: boolean): void {
    try {
      this.#connection.database.exec("COMMIT");
    } catch (error) {
      const translated = translate(error, this.#connection.path);
      if (!isWrite || !isOutcomeUnknown(error)) throw translated;
      // After a failed fsync it is not known what is on the disk, and a later one would not tell (Rebello et al.,
      // USENIX ATC 2020): only a fresh open reads the truth.
      this.#end = new VaultError(
        "ERR_STORAGE_UNAVAILABLE",
        "the disk failed while writing: open the vault again",
        { cause: translated },
      );
      throw new VaultError(
        "ERR_OUTCOME_UNKNOWN",
        "the disk failed while a change was being committed: it may or may not have happened",
        { cause: translated },
      );
    }
  }

  /** Tries `work` again while another process holds the lock and a call waits, up to the bounded wait. */
  async #retrying<T>(work: () => T, isWanted = (): boolean => true): Promise<T> {
    const until = performance.now() + this.#lockWaitMs;
    for (let wait = RETRY_MS_MIN; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      try {
        return translating(work, this.#connection.path);
      } catch (error) {
        const mayRetry =
          isVaultError(error, "ERR_STORAGE_BUSY") &&
          isWanted() &&
          performance.now() < Math.min(until, this.#closeBy);
        if (!mayRetry) throw error;
      }
      // A random share, so that two that wait for each other's lock do not stay in step.
      await sleep(wait * (0.5 + Math.random() / 2));
    }
  }

  #checkUsable(): void {
    if (this.#end !== undefined) throw this.#end;
    this.#endIfLost(() => this.#watch?.lookNowAndThen());
  }

  /** A file that was lost stays so for this connection, whatever is under its name later. */
  #endIfLost(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#end = error as VaultError;
      throw error;
    }
  }
}

/**
 * The storage port on SQLite, by the runtime's own `node:sqlite`.
 *
 * Owns the journal (WAL, synchronous=FULL: durable before it answers), the locks with a bounded wait, transactions and
 * migrations. Several processes may hold the file. Must not know keys or what the tables mean, nor how the file was made.
 * Longer than others: queue, transaction, journal and the end of a connection share one state, and each of them changes it.
 *
 * @module
 */
import { realpathSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
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
import { migrations, SCHEMA_VERSION } from "../schema.ts";
import { PROBE_CHANGE, WriteProbe } from "../write-probe.ts";
import { damaged, isOutcomeUnknown, translate, translating } from "./errors.ts";
import { FileWatch } from "./file-watch.ts";
import { ColumnTypes, SQLITE_TYPES } from "./types.ts";

/** Marks a file as a coffer vault: "CFR1" (SQLite's application_id, section 1.3.17 of its file format). */
export const APPLICATION_ID = 0x43465231;

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

/** Statements that are kept prepared. */
const STATEMENTS_MAX = 200;

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
  readonly #connection: DatabaseSync;
  readonly #lockWaitMs: number;
  /** Of the file; undefined in memory. */
  readonly #path: string | undefined;
  readonly #statements = new Map<string, StatementSync>();
  readonly #sql: Sql;
  readonly #dataVersion: StatementSync;
  readonly #writes: Write[] = [];
  /** Known once the tables are there. */
  #types: ColumnTypes | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #changes: Changes = NO_CHANGES;
  #changesAt: number | undefined;
  #isInTransaction = false;
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

  constructor(connection: DatabaseSync, lockWaitMs: number, path: string | undefined) {
    this.#connection = connection;
    this.#path = path;
    this.#lockWaitMs = lockWaitMs;
    this.#dataVersion = connection.prepare("PRAGMA data_version");
    const began = (): number => this.#began;
    this.#sql = {
      get began() {
        return began();
      },
      all: async (statement, ...parameters) =>
        this.#run((s) => this.#types!.check(s.all(...parameters)), statement),
      get: async (statement, ...parameters) =>
        this.#run((s) => {
          const row = s.get(...parameters);
          return row === undefined ? undefined : this.#types!.check([row])[0];
        }, statement),
      run: async (statement, ...parameters) =>
        this.#run((s) => Number(s.run(...parameters).changes), statement),
      lock: async () => {}, // Writes take turns.
      now: async (own) => own(), // The machine's.
      raise: async (...counters) => {
        for (const counter of counters) this.#run((s) => s.run(counter), RAISE_COUNTER);
      },
    };
  }

  /** @param file - its absolute path; undefined in memory */
  async initialize(create: boolean, file: string | undefined): Promise<void> {
    await this.#retrying(() => {
      const { id, version, isEmpty } = this.#kindOfFile();
      if (!(id === APPLICATION_ID || (id === 0 && version === 0 && isEmpty))) {
        throw new VaultError("ERR_STORAGE_CORRUPT", "this file is a database, but not a coffer vault");
      }
      // A file without a byte, or without a table, is a vault that is only about to be made, or was cut off.
      if (isEmpty && !create) throw new VaultError("ERR_VAULT_NOT_FOUND", "the file at this path is empty");
      if (version > SCHEMA_VERSION) {
        throw new VaultError(
          "ERR_STORAGE_SCHEMA",
          `this vault has version ${version}, made by a newer coffer`,
        );
      }
      this.#connection.exec("PRAGMA journal_mode = WAL");
    });
    // secure_delete: what is overwritten or deleted is zeroed in the file, or a shredded KEK would linger in it.
    // temp_store: what a savepoint may have to take back is kept in memory, not in a file elsewhere (and 64 KiB of it, which
    // two writes together exceed, would be written there for each).
    this.#exec(
      `PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;
       PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY`,
    );
    if (this.#pragma("user_version") < SCHEMA_VERSION) {
      await this.#exclusively(() => this.#transaction("BEGIN IMMEDIATE", async () => this.#migrate()));
    }
    this.#types = translating(() => new ColumnTypes(this.#connection), this.#path);
    // Who wrote last may have been killed before it could.
    this.#emptyJournal();
    if (file !== undefined) {
      // SQLite keeps its journal beside the file that links lead to, for as long as anybody has the file open.
      const real = translating(() => realpathSync(file), file);
      this.#watch = new FileWatch([file, `${real}-wal`]);
    }
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
    // data_version changes when another connection has committed; our own commits reset #changesAt.
    const version = translating(() => this.#dataVersion.get(), this.#path)!.data_version as number;
    if (version !== this.#changesAt) {
      const rowsOf = (statement: string): readonly Row[] => this.#run((s) => s.all(), statement) as Row[];
      let changes = changesOf(rowsOf(COUNTERS), this.#changes);
      if (changes !== undefined && changes.revocations !== this.#changes.revocations)
        changes = allChangesOf(rowsOf(ALL_COUNTERS));
      if (changes === undefined) throw damaged();
      this.#changes = changes;
      // Within a transaction of ours the state may be an old one: look again afterwards.
      this.#changesAt = this.#isInTransaction ? undefined : version;
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
        if (this.#isOpen) this.#connection.close();
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
          const result = await this.#savepoint(() => write.work(this.#sql));
          done.push(() => write.resolve(result));
        } catch (error) {
          // A full disk makes SQLite roll back everything, what others had written in this turn too.
          if (this.#hasRolledBack()) throw error;
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
      const answer = this.#run((s) => s.get(), "PRAGMA wal_checkpoint(TRUNCATE)") as { busy: number };
      this.#isScrubDue = answer.busy !== 0;
    } catch {
      this.#isScrubDue = true; // What has been committed stays so, and whatever is wrong here shows at the next write.
    }
  }

  async #savepoint<T>(work: () => Promise<T>): Promise<T> {
    this.#exec("SAVEPOINT write_of_one");
    try {
      const result = await work();
      this.#exec("RELEASE write_of_one");
      return result;
    } catch (error) {
      if (!this.#hasRolledBack()) this.#exec("ROLLBACK TO write_of_one; RELEASE write_of_one");
      throw error;
    }
  }

  async #transaction<T>(begin: string, work: () => Promise<T>, isWanted?: () => boolean): Promise<T> {
    await this.#retrying(() => {
      this.#began = performance.now();
      this.#connection.exec(begin);
    }, isWanted);
    this.#isInTransaction = true;
    try {
      const result = await work();
      this.#commit(begin !== BEGIN_READ);
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    } finally {
      this.#isInTransaction = false;
      this.#isWriting = false;
      this.#changesAt = undefined;
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
      this.#connection.exec("COMMIT");
    } catch (error) {
      const translated = translate(error, this.#path);
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

  #rollBack(): void {
    try {
      this.#connection.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself; the first error is the one to tell.
    }
  }

  /** Whether SQLite has ended the transaction by itself, as it does when the disk is full. */
  #hasRolledBack(): boolean {
    const { isTransaction } = this.#connection as { isTransaction?: boolean };
    if (isTransaction !== undefined) return !isTransaction;
    // Node before 22.16 does not tell. There is one transaction or none: only one of these two can succeed.
    try {
      this.#connection.exec("BEGIN");
    } catch {
      return false;
    }
    this.#connection.exec("ROLLBACK");
    return true;
  }

  /** Tries `work` again while another process holds the lock and a call waits, up to the bounded wait. */
  async #retrying<T>(work: () => T, isWanted = (): boolean => true): Promise<T> {
    const until = performance.now() + this.#lockWaitMs;
    for (let wait = RETRY_MS_MIN; ; wait = Math.min(2 * wait, RETRY_MS_MAX)) {
      try {
        return translating(work, this.#path);
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

  #run<T>(work: (statement: StatementSync) => T, text: string): T {
    return translating(() => {
      let statement = this.#statements.get(text);
      if (statement === undefined) {
        if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
        statement = this.#connection.prepare(text);
        this.#statements.set(text, statement);
      }
      return work(statement);
    }, this.#path);
  }

  #exec(statements: string): void {
    translating(() => this.#connection.exec(statements), this.#path);
  }

  #migrate(): void {
    // Another process may have been faster.
    const version = this.#pragma("user_version");
    for (const statements of migrations(SQLITE_TYPES).slice(version)) this.#exec(statements);
    this.#exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${Math.max(version, SCHEMA_VERSION)}`,
    );
  }

  /** What the file says that it is, all at one moment: another process may be making the vault. */
  #kindOfFile(): { id: number; version: number; isEmpty: boolean } {
    this.#connection.exec("BEGIN");
    try {
      return {
        // Checks the header: the first statement that reads the file.
        id: this.#pragma("application_id"),
        version: this.#pragma("user_version"),
        isEmpty: this.#connection.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!.n === 0,
      };
    } finally {
      this.#connection.exec("COMMIT");
    }
  }

  #pragma(name: string): number {
    const row = translating(() => this.#connection.prepare(`PRAGMA ${name}`).get(), this.#path);
    return row![name] as number;
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

/**
 * The storage port: transactions over a SQL database.
 *
 * Owns the contract that SQLite and PostgreSQL fulfil; statements are written once, in the dialect both
 * share, with `?` for parameters. One contract suite, test/contract/database.ts, runs on all. Must not know
 * tables or keys.
 *
 * @module
 */

import type { Changes, Counter } from "./changes.ts";

/** What a column or a parameter holds. */
export type SqlValue = string | number | null | Uint8Array;
/** A row by the names of its columns. */
export type Row = Readonly<Record<string, SqlValue>>;

/** What a statement must have done. */
export interface Must {
  /** Rows that it changes or inserts. */
  readonly changed: number;
  /** What the transaction fails with where they are more or fewer. */
  otherwise(): Error;
}

/**
 * Runs statements within one transaction. Must not be used after it. Statements that are asked for without waiting for each other
 * run in the order of asking; where the database is far, that costs one way to it instead of several.
 */
export interface Sql {
  /** When the transaction began, by `performance.now()`: it sees whatever was committed before. */
  readonly began: number;
  /** Every row that a statement answers with. */
  all(statement: string, ...parameters: readonly SqlValue[]): Promise<readonly Row[]>;
  /** The first row, or undefined. */
  get(statement: string, ...parameters: readonly SqlValue[]): Promise<Row | undefined>;
  /** How many rows a statement changed. */
  run(statement: string, ...parameters: readonly SqlValue[]): Promise<number>;
  /**
   * Runs a statement whose answer nothing in the transaction needs: it may be sent with what is asked next, or with the end. Where it
   * fails, so does the transaction, and what was asked behind it.
   *
   * @param must - an INSERT or UPDATE without a RETURNING of its own; default any number of rows
   */
  send(statement: string, parameters: readonly SqlValue[], must?: Must): Promise<void>;
  /**
   * Takes locks exclusively, and keeps them to the end of the transaction: waits for those that hold one, in the order of
   * asking. Nothing where writes take turns anyway. Only in a write.
   */
  lock(...locks: readonly bigint[]): Promise<void>;
  /**
   * The database's clock, in milliseconds since 1970, where it has one that all its processes share.
   *
   * @param own - the clock of this process, which counts where the database has none
   */
  now(own: () => number): Promise<number>;
  /** Raises counters, by which all processes notice the change once it is committed. */
  raise(...counters: readonly Counter[]): Promise<void>;
}

/** What every wait takes. */
export interface WaitOptions {
  /**
   * Ends the wait for a turn or a lock: the call rejects with the signal's reason and has done nothing. A write that has
   * begun is finished.
   */
  readonly signal?: AbortSignal | undefined;
}

/** What a read takes. */
export interface ReadOptions extends WaitOptions {
  /**
   * Whether `work` nearly always asks one statement, which sees one state by itself: it is then run alone. Work that asks
   * another one after all is run again from its beginning. Default false.
   */
  readonly isSingle?: boolean | undefined;
}

/** What a write takes. */
export interface WriteLocks extends WaitOptions {
  /**
   * Locks to share with other writes that name them, and with none that holds one exclusively; taken when the transaction
   * begins, before it reads anything. Signed numbers of 64 bits.
   */
  readonly sharedLocks?: readonly bigint[] | undefined;
  /**
   * Whether the locks may be taken on the way of the first statement, and not before `work` begins: for work that does nothing that
   * needs them before its first answer. Default false.
   */
  readonly locksWithFirst?: boolean | undefined;
}

/** A database of one vault. */
export interface Database {
  /**
   * Runs `work` on one consistent state.
   *
   * @throws what `work` throws; VaultError ERR_STORAGE_BUSY, ERR_STORAGE_CORRUPT, ERR_STORAGE_UNAVAILABLE, ERR_DISPOSED
   */
  read<T>(work: (sql: Sql) => Promise<T>, options?: ReadOptions): Promise<T>;

  /**
   * Runs `work` as one transaction. When the promise resolves, its changes are durable; when it rejects, there are none.
   * Writes take turns, or, where several run at once, those that change the same row do from that change on.
   *
   * @throws what `work` throws; VaultError as `read`, and ERR_STORAGE_FULL, ERR_STORAGE_READ_ONLY
   */
  write<T>(work: (sql: Sql) => Promise<T>, options?: WriteLocks): Promise<T>;

  /**
   * A condition to add to a WHERE so that rows that come before in the order of `write_id, sequence` cannot appear later:
   * empty where writes take turns anyway.
   *
   * @param alias - of the table whose rows are numbered so
   */
  settled(alias: string): string;

  /**
   * Counters that any process's changes of KEKs and API keys raise; answers at once with what has been committed. Where that
   * cannot be known just now they are NaN, which equals nothing that was seen before.
   */
  changes(): Changes;

  /** Makes `changes` tell what other processes have committed by now, where it may lag behind. */
  lookAfresh(): Promise<void>;

  /** Whether `scrub` overwrites bytes at all. */
  readonly erases: boolean;

  /**
   * Puts what was overwritten or deleted out of reach, where the database can. Where others' open transactions do not allow it
   * within the wait for a lock, or until the signal, it is done later; so it throws ERR_DISPOSED only.
   *
   * @returns whether it is out of reach now
   */
  scrub(options?: WaitOptions): Promise<boolean>;

  /**
   * Resolves if writes are possible now: one was made durable less than a second ago, or a small change that means nothing
   * has just been. Cheap: callers who ask at the same time share it.
   *
   * @throws VaultError as `write`: the storage is full, read-only, busy, away; or the signal's reason
   */
  writable(options?: WaitOptions): Promise<void>;

  /** Waits for transactions that are under way, then lets go. Later calls throw ERR_DISPOSED. */
  close(): Promise<void>;
}

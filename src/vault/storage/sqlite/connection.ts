/**
 * One connection to a vault's file, by the runtime's own `node:sqlite`.
 *
 * Owns what is set on a connection, its prepared statements, savepoints, and the tables that it finds or makes. Every error
 * is told as ours. Must not know who waits for a transaction, nor for which lock.
 *
 * @module
 */
import { realpathSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { VaultError } from "../../../errors.ts";
import { migrations, SCHEMA_VERSION } from "../schema.ts";
import { translating } from "./errors.ts";
import { FileWatch } from "./file-watch.ts";
import { ColumnTypes, SQLITE_TYPES } from "./types.ts";

/** Marks a file as a coffer vault: "CFR1" (SQLite's application_id, section 1.3.17 of its file format). */
export const APPLICATION_ID = 0x43465231;

/** Statements that are kept prepared. */
const STATEMENTS_MAX = 200;

/** A connection, which has one transaction at a time. */
export class SqliteConnection {
  /** As the runtime has it: for statements whose errors the caller looks at. */
  readonly database: DatabaseSync;
  /** Of the file, absolute; undefined in memory. */
  readonly path: string | undefined;
  readonly #statements = new Map<string, StatementSync>();
  readonly #dataVersion: StatementSync;

  constructor(database: DatabaseSync, path: string | undefined) {
    this.database = database;
    this.path = path;
    this.#dataVersion = database.prepare("PRAGMA data_version");
  }

  /**
   * Sets the connection up, after a look at what the file is. May be called again where a lock was not to be had.
   *
   * @param create - take an empty file, to make a vault in it
   * @throws VaultError ERR_STORAGE_CORRUPT, ERR_VAULT_NOT_FOUND, ERR_STORAGE_SCHEMA, ERR_STORAGE_BUSY
   */
  setUp(create: boolean): void {
    const { id, version, isEmpty } = this.#kindOfFile();
    if (!(id === APPLICATION_ID || (id === 0 && version === 0 && isEmpty))) {
      throw new VaultError("ERR_STORAGE_CORRUPT", "this file is a database, but not a coffer vault");
    }
    // A file without a byte, or without a table, is a vault that is only about to be made, or was cut off.
    if (isEmpty && !create) throw new VaultError("ERR_VAULT_NOT_FOUND", "the file at this path is empty");
    if (version > SCHEMA_VERSION) {
      throw new VaultError("ERR_STORAGE_SCHEMA", `this vault has version ${version}, made by a newer coffer`);
    }
    this.exec("PRAGMA journal_mode = WAL");
    // secure_delete: what is overwritten or deleted is zeroed in the file, or a shredded KEK would linger in it.
    // temp_store: what a savepoint may have to take back is kept in memory, not in a file elsewhere (and 64 KiB of it, which
    // two writes together exceed, would be written there for each).
    this.exec(
      `PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;
       PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536`,
    );
  }

  /** Whether the tables lack what this version needs. */
  get isOutdated(): boolean {
    return this.#pragma("user_version") < SCHEMA_VERSION;
  }

  /** Brings the tables to the newest version, within a transaction. */
  migrate(): void {
    // Another process may have been faster.
    const version = this.#pragma("user_version");
    for (const statements of migrations(SQLITE_TYPES).slice(version)) this.exec(statements);
    this.exec(
      `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${Math.max(version, SCHEMA_VERSION)}`,
    );
  }

  /** What the columns of the tables may hold. */
  columnTypes(): ColumnTypes {
    return translating(() => new ColumnTypes(this.database), this.path);
  }

  /** Watches the file and its journal; undefined in memory. */
  watch(): FileWatch | undefined {
    const { path } = this;
    if (path === undefined) return undefined;
    // SQLite keeps its journal beside the file that links lead to, for as long as anybody has the file open.
    const real = translating(() => realpathSync(path), path);
    return new FileWatch([path, `${real}-wal`]);
  }

  /** Runs a statement, which stays prepared. */
  run<T>(work: (statement: StatementSync) => T, text: string): T {
    return translating(() => {
      let statement = this.#statements.get(text);
      if (statement === undefined) {
        if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
        statement = this.database.prepare(text);
        this.#statements.set(text, statement);
      }
      return work(statement);
    }, this.path);
  }

  /** Runs statements that answer nothing. */
  exec(statements: string): void {
    translating(() => this.database.exec(statements), this.path);
  }

  /** Another number once another connection has committed. */
  dataVersion(): number {
    return translating(() => this.#dataVersion.get(), this.path)!.data_version as number;
  }

  /** Moves the journal into the database and cuts it off. @returns false where others' reads do not allow it now */
  emptyJournal(): boolean {
    return this.run((s) => s.get(), "PRAGMA wal_checkpoint(TRUNCATE)")!.busy === 0;
  }

  /** Runs `work` within the transaction so that its changes, and no others, are taken back if it fails. */
  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    this.exec("SAVEPOINT write_of_one");
    try {
      const result = await work();
      this.exec("RELEASE write_of_one");
      return result;
    } catch (error) {
      if (!this.hasRolledBack()) this.exec("ROLLBACK TO write_of_one; RELEASE write_of_one");
      throw error;
    }
  }

  /** Takes back the transaction, if there is one. */
  rollBack(): void {
    try {
      this.database.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself; the first error is the one to tell.
    }
  }

  /** Whether SQLite has ended the transaction by itself, as it does when the disk is full. */
  hasRolledBack(): boolean {
    const { isTransaction } = this.database as { isTransaction?: boolean };
    if (isTransaction !== undefined) return !isTransaction;
    // Node before 22.16 does not tell. There is one transaction or none: only one of these two can succeed.
    try {
      this.database.exec("BEGIN");
    } catch {
      return false;
    }
    this.database.exec("ROLLBACK");
    return true;
  }

  /** What the file says that it is, all at one moment: another process may be making the vault. */
  #kindOfFile(): { id: number; version: number; isEmpty: boolean } {
    this.database.exec("BEGIN");
    try {
      return {
        // Checks the header: the first statement that reads the file.
        id: this.#pragma("application_id"),
        version: this.#pragma("user_version"),
        isEmpty: this.database.prepare("SELECT count(*) AS n FROM sqlite_schema").get()!.n === 0,
      };
    } finally {
      this.database.exec("COMMIT");
    }
  }

  #pragma(name: string): number {
    return translating(() => this.database.prepare(`PRAGMA ${name}`).get(), this.path)![name] as number;
  }
}

/**
 * The SqlDialect port: what differs between databases that hold ciphertexts.
 *
 * Owns the shape of a dialect's row, of a connection, and of what a database tells of a table. Must not know jobs, nor any
 * single database.
 *
 * @module
 */

/** A value of a parameter. */
export type SqlParameter = string | number | bigint | Uint8Array | null | readonly (string | number | null)[];

/** A row as the database's driver has it. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs statements. Values are parameters; identifiers have been quoted by the dialect. */
export interface SqlSession {
  all(statement: string, parameters?: readonly SqlParameter[]): Promise<SqlRow[]>;
  /** @returns rows that were changed */
  run(statement: string, parameters?: readonly SqlParameter[]): Promise<number>;
}

/** A database, reached by one or several connections. */
export interface SqlDatabase extends SqlSession {
  /** Runs `work` as one transaction, and again where the database asks for that. */
  transaction<T>(work: (session: SqlSession) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A column as the database describes it. */
export interface ColumnFacts {
  readonly name: string;
  /** As the database spells it. */
  readonly type: string;
  /** Computed from others: it cannot be written. */
  readonly isGenerated: boolean;
  /** Holds text, so that it can be a ciphertext as a whole. */
  readonly isText: boolean;
  /** Holds JSON, so that a path within it can be read and written. */
  readonly isJson: boolean;
  /** Characters at most; undefined without a limit. */
  readonly charactersMax: number | undefined;
}

/** A table as the database describes it. */
export interface TableFacts {
  readonly columns: readonly ColumnFacts[];
  /** Columns of the primary key, in its order; none if there is no primary key. */
  readonly primaryKey: readonly string[];
  /** Sets of columns that a unique index covers. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** What may surprise. */
  readonly warnings: readonly string[];
}

/** A place of ciphertexts in a row: a column, or a path within a JSON column. */
export interface Slot {
  readonly column: string;
  /** Names and indexes from the outside in; undefined for the whole column. */
  readonly path: readonly string[] | undefined;
  /** For people and reports. */
  readonly name: string;
}

/** A table with its key and its slots: names that the table has. */
export interface TableShape {
  /** Quoted, with its schema. */
  readonly table: string;
  readonly key: readonly ColumnFacts[];
  readonly slots: readonly (Slot & { readonly type: string })[];
}

/** What is to be written into one row, if its slots still have the old texts. */
export interface RowChange {
  /** One for each column of the key. */
  readonly key: readonly SqlParameter[];
  readonly slots: readonly { readonly index: number; readonly before: string; readonly after: string }[];
}

/** What became of a {@link RowChange}: written, the row has changed or is locked, or the database refuses the new value. */
export type ChangeResult = "written" | "changed" | "refused";

/** The tables of jobs. */
export type JobTable = "jobs" | "ranges" | "pending" | "findings";

/** A kind of database. */
export interface SqlDialect {
  readonly name: string;
  /** An identifier, quoted. @throws RangeError ERR_INVALID_ARGUMENT for one that cannot be quoted */
  quote(identifier: string): string;
  /** The `n`th parameter from 1, as a value of `type` where the database must be told. */
  placeholder(n: number, type?: string): string;
  /** A table of jobs, quoted. */
  jobTable(table: JobTable): string;
  /** Statements that make the tables of jobs where there are none. */
  readonly jobSchema: readonly string[];
  /** Milliseconds since 1970 by the database's clock. */
  readonly now: string;
  /** Added to a SELECT so that workers do not wait for each other's ranges. */
  readonly skipLocked: string;
  /** A key column as it is selected. */
  keyColumn(column: ColumnFacts): string;
  /** A value of {@link keyColumn} as text, and back. */
  keyText(value: unknown): string;
  keyParameter(text: string): SqlParameter;
  /** A column as text, for fields. */
  textOf(column: string): string;
  /** A slot's text as it is selected. */
  slotText(slot: Slot): string;
  /** @throws VaultError ERR_SOURCE_INVALID if there is no such table */
  describe(
    session: SqlSession,
    table: { readonly schema: string | undefined; readonly name: string },
  ): Promise<TableFacts>;
  /** Writes changes within the transaction of `session`; one result per change, in order. */
  applyChanges(
    session: SqlSession,
    shape: TableShape,
    changes: readonly RowChange[],
  ): Promise<ChangeResult[]>;
}

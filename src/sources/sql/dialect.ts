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

/** A column of a key as it is compared and ordered. */
export const ordered = (quotedName: string, collation: string | undefined): string =>
  collation === undefined ? `t.${quotedName}` : `t.${quotedName} COLLATE ${collation}`;

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
  /** How it holds JSON, as its text or parsed, so that a path within it can be read and written; undefined for none. */
  readonly json: "text" | "parsed" | undefined;
  /** Characters at most; undefined without a limit. */
  readonly charactersMax: number | undefined;
}

/** A column of a unique index. */
export interface KeyPart {
  readonly name: string;
  /** The collation of the index, quoted; undefined where it is the column's, or where there is none. */
  readonly collation: string | undefined;
}

/** A column of a key, in the order and the sense of equality of its unique index. */
export type KeyColumn = ColumnFacts & Pick<KeyPart, "collation">;

/** A table as the database describes it. */
export interface TableFacts {
  readonly columns: readonly ColumnFacts[];
  /** Columns of the primary key, in its order; none if there is no primary key. */
  readonly primaryKey: readonly KeyPart[];
  /** Sets of columns that a unique index covers. */
  readonly uniqueKeys: readonly (readonly KeyPart[])[];
  /** Triggers may change what is written. */
  readonly hasTriggers: boolean;
  /** Rows of other tables show in this one, and their keys may be those of its own rows. */
  readonly hasHeirs: boolean;
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

/** A {@link Slot} of a table that was looked at. */
export type TableSlot = Slot & Pick<ColumnFacts, "type" | "json">;

/** A table with its key and its slots: names that the table has. */
export interface TableShape {
  /** Quoted, with its schema. Statements call it `t`: a bare name could be that of a result's column too. */
  readonly table: string;
  readonly key: readonly KeyColumn[];
  readonly slots: readonly TableSlot[];
  readonly hasTriggers: boolean;
}

/** What is to be written into one row, if its slots still have the old texts. */
export interface RowChange {
  /** One for each column of the key. */
  readonly key: readonly SqlParameter[];
  readonly slots: readonly { readonly index: number; readonly before: string; readonly after: string }[];
}

/**
 * What became of a {@link RowChange}: written as it is, the row has changed or is locked, or the database does not take the
 * new value or makes something else of it.
 */
export type ChangeResult = "written" | "changed" | "refused";

/** A row whose refusal ended the whole transaction: the page must be written again without it. */
export class TransactionEnded extends Error {
  readonly change: RowChange;

  constructor(change: RowChange, cause: unknown) {
    super("a row ended the transaction", { cause });
    this.change = change;
  }
}

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
  /** A key column of `t` as it is selected. */
  keyColumn(column: KeyColumn): string;
  /** A value of {@link keyColumn} as text, and back. @throws VaultError ERR_SOURCE_INVALID for one that has no text */
  keyText(value: unknown): string;
  keyParameter(text: string): SqlParameter;
  /** A column of `t` as text, for fields. */
  textOf(column: string): string;
  /** A slot's text as it is selected from `t`. */
  slotText(slot: TableSlot): string;
  /** @throws VaultError ERR_SOURCE_INVALID if there is no such table */
  describe(
    session: SqlSession,
    table: { readonly schema: string | undefined; readonly name: string },
  ): Promise<TableFacts>;
  /**
   * Writes changes within the transaction of `session`; one result per change, in order.
   *
   * @throws TransactionEnded
   */
  applyChanges(
    session: SqlSession,
    shape: TableShape,
    changes: readonly RowChange[],
  ): Promise<ChangeResult[]>;
}

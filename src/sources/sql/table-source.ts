/**
 * A table as a source of ciphertexts, in any SQL database.
 *
 * Owns the statements that read pages by keyset, and the transaction of a page: guarded writes, checkpoint, findings. What
 * differs between databases is in their dialect. Must not know keys, nor what is done to a ciphertext.
 *
 * @module
 */
import { checkOptions, optionNames } from "../../base/options.ts";
import { invalidType, VaultError } from "../../errors.ts";
import { addCounts, findingsOf, LISTED_OUTCOMES, tally } from "../../rekey/job/outcomes.ts";
import type {
  CiphertextSource,
  Claim,
  DecidedRow,
  JobRecord,
  JobStatus,
  KeyRange,
  PageCommit,
  SourceFacts,
  SourceRow,
} from "../../rekey/job/source.ts";
import type {
  ColumnFacts,
  RowChange,
  Slot,
  SqlDatabase,
  SqlDialect,
  SqlParameter,
  SqlRow,
  TableFacts,
  TableShape,
} from "./dialect.ts";
import { JobTables } from "./job-tables.ts";

/** Where in a row ciphertexts are: the name of a column, or a path within a JSON column. */
export type SlotOption = string | { readonly column: string; readonly path: readonly string[] };

/** What a table source is told. */
export interface TableOptions {
  /** The table's name, as it is; no SQL. */
  readonly table: string;
  /** Its schema; default the database's own search. */
  readonly schema?: string | undefined;
  /** The columns that hold ciphertexts, at least one. */
  readonly columns: readonly SlotOption[];
  /** The columns that name a row: default those of the primary key. Others must have a unique index and no NULL. */
  readonly key?: readonly string[] | undefined;
  /** Further columns that the functions of a job get, as text. */
  readonly fields?: readonly string[] | undefined;
}

/** Names of {@link TableOptions}. */
export const TABLE_OPTIONS = optionNames<TableOptions>({
  table: true,
  schema: true,
  columns: true,
  key: true,
  fields: true,
});

/** The table, as it was found. */
interface Opened extends TableShape {
  readonly fields: readonly ColumnFacts[];
  readonly charactersMax: readonly (number | undefined)[];
  readonly warnings: readonly string[];
}

/** Ciphertexts in the columns of a table. */
export class TableSource implements CiphertextSource {
  readonly name: string;
  readonly shape: string;
  readonly slots: readonly string[];
  readonly #dialect: SqlDialect;
  readonly #database: SqlDatabase;
  readonly #options: TableOptions;
  readonly #slots: readonly Slot[];
  readonly #jobs: JobTables;
  #opened: Promise<Opened> | undefined;

  /** @throws TypeError ERR_INVALID_ARGUMENT for options that are no names */
  constructor(dialect: SqlDialect, database: SqlDatabase, options: TableOptions) {
    checkOptions(options, TABLE_OPTIONS, "table source");
    const { table, schema, columns, key, fields } = options;
    for (const name of [table, ...(schema === undefined ? [] : [schema]), ...(key ?? []), ...(fields ?? [])])
      checkName(name);
    if (!Array.isArray(columns) || columns.length === 0)
      throw invalidType("columns must be a list of at least one");
    this.#slots = columns.map(slotOf);
    this.slots = this.#slots.map(({ name }) => name);
    if (new Set(this.slots).size < this.slots.length) throw invalidType("columns has a column twice");
    this.#dialect = dialect;
    this.#database = database;
    this.#options = options;
    this.name = `${dialect.name}:${schema === undefined ? "" : `${schema}.`}${table}`;
    this.shape = JSON.stringify({ schema: schema ?? null, table });
    this.#jobs = new JobTables(database, dialect, this.shape);
  }

  async survey({ cuts, signal }: { cuts: number; signal?: AbortSignal | undefined }): Promise<SourceFacts> {
    // Looked at anew: a table may have changed since.
    this.#opened = undefined;
    const { table, key, charactersMax, warnings } = await this.#open();
    const names = key.map(({ name }) => this.#dialect.quote(name));
    const [counted] = await this.#database.all(
      `SELECT count(*) AS n, ${names.map((name, i) => `count(${name}) AS k${i}`).join(", ")} FROM ${table}`,
    );
    signal?.throwIfAborted();
    const rows = Number(counted!.n);
    if (key.some((_, i) => Number(counted![`k${i}`]) !== rows))
      throw invalidSource("some rows have NULL in the columns of their key");
    const step = Math.ceil(rows / (cuts + 1));
    const order = names.join(", ");
    const found =
      rows <= cuts
        ? []
        : await this.#database.all(
            `SELECT ${key.map((column, i) => `${this.#dialect.keyColumn(column)} AS k${i}`).join(", ")} FROM
              (SELECT ${order}, row_number() OVER (ORDER BY ${order}) AS coffer_n FROM ${table}) AS t
             WHERE coffer_n % ${this.#dialect.placeholder(1)} = 0 ORDER BY coffer_n`,
            [step],
          );
    return { rows, cuts: found.map((row) => this.#keyOf(row, key.length)), charactersMax, warnings };
  }

  async readPage(range: KeyRange, after: string | null, limit: number): Promise<SourceRow[]> {
    const opened = await this.#open();
    const { table, key } = opened;
    const parameters: SqlParameter[] = [];
    const conditions: string[] = [];
    const order = key.map(({ name }) => this.#dialect.quote(name)).join(", ");
    const bound = (operator: string, text: string): void => {
      const values = this.#keyParameters(text).map((value, i) => {
        parameters.push(value);
        return this.#dialect.placeholder(parameters.length, key[i]!.type);
      });
      conditions.push(`(${order}) ${operator} (${values.join(", ")})`);
    };
    const from = after ?? range.after;
    if (from !== null) bound(">", from);
    if (range.upTo !== null) bound("<=", range.upTo);
    const where = conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
    parameters.push(limit);
    const rows = await this.#database.all(
      `SELECT ${this.#selection(opened)} FROM ${table}${where}
       ORDER BY ${order} LIMIT ${this.#dialect.placeholder(parameters.length)}`,
      parameters,
    );
    return rows.map((row) => this.#rowOf(row, opened));
  }

  async readRows(keys: readonly string[]): Promise<SourceRow[]> {
    const opened = await this.#open();
    const condition = opened.key
      .map(({ name, type }, i) => `${this.#dialect.quote(name)} = ${this.#dialect.placeholder(i + 1, type)}`)
      .join(" AND ");
    const found: SourceRow[] = [];
    for (const key of keys) {
      const rows = await this.#database.all(
        `SELECT ${this.#selection(opened)} FROM ${opened.table} WHERE ${condition}`,
        this.#keyParameters(key),
      );
      // A key that is unique names one row at most.
      for (const row of rows.slice(0, 1)) found.push(this.#rowOf(row, opened));
    }
    return found;
  }

  findJob(): Promise<JobRecord | undefined> {
    return this.#jobs.find();
  }

  createJob(job: Parameters<CiphertextSource["createJob"]>[0]): Promise<JobRecord> {
    return this.#jobs.create(job);
  }

  closeJob(jobId: string, state: "done" | "aborted"): Promise<void> {
    return this.#jobs.close(jobId, state);
  }

  claim(jobId: string, leaseMs: number): Promise<Claim | undefined> {
    return this.#jobs.claim(jobId, leaseMs);
  }

  async commitPage(claim: Claim, page: PageCommit): Promise<Claim> {
    const opened = await this.#open();
    const isRetry = page.position === undefined;
    const changes: { readonly at: number; readonly change: RowChange }[] = [];
    for (const [at, row] of page.rows.entries()) {
      const slots = row.values.flatMap(({ replacement }, index) =>
        replacement === undefined ? [] : [{ index, before: row.row.values[index]!, after: replacement }],
      );
      if (slots.length > 0) changes.push({ at, change: { key: this.#keyParameters(row.row.key), slots } });
    }
    return this.#database.transaction(async (sql) => {
      await this.#jobs.hold(sql, claim);
      const results =
        changes.length === 0
          ? []
          : await this.#dialect.applyChanges(
              sql,
              opened,
              changes.map(({ change }) => change),
            );
      const settled = new Map(changes.map(({ at }, n) => [at, results[n]!]));
      const changed = page.rows.filter((_, at) => settled.get(at) === "changed");
      const decided = page.rows
        .map((row, at) => (settled.get(at) === "refused" ? refused(row) : row))
        .filter((_, at) => settled.get(at) !== "changed");
      const findings = findingsOf(decided, this.slots);
      await this.#jobs.addFindings(sql, claim, findings, listed(claim));
      if (isRetry) {
        const keys = [...decided.map(({ row }) => row.key), ...(page.gone ?? [])];
        await this.#jobs.removePending(sql, claim, keys);
      } else {
        await this.#jobs.addPending(
          sql,
          claim,
          changed.map(({ row }) => row.key),
        );
      }
      const counts = addCounts(claim.counts, {
        ...tally(decided),
        conflicts: changed.length,
        gone: page.gone?.length ?? 0,
      });
      const position = page.position ?? claim.position;
      return this.#jobs.advance(sql, claim, { position, counts, leaseMs: page.leaseMs });
    });
  }

  pendingKeys(claim: Claim, limit: number): Promise<string[]> {
    return this.#jobs.pending(claim, limit);
  }

  endClaim(claim: Claim, state: "done" | "released"): Promise<void> {
    return this.#jobs.end(claim, state);
  }

  status(jobId: string): Promise<JobStatus> {
    return this.#jobs.status(jobId);
  }

  findings(jobId: string, limit: number): ReturnType<CiphertextSource["findings"]> {
    return this.#jobs.findings(jobId, limit);
  }

  close(): Promise<void> {
    return this.#database.close();
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#look();
    this.#opened.catch(() => {
      this.#opened = undefined;
    });
    return this.#opened;
  }

  async #look(): Promise<Opened> {
    const { table, schema, key, fields = [] } = this.#options;
    const facts = await this.#dialect.describe(this.#database, { schema, name: table });
    const columnOf = (name: string): ColumnFacts => {
      const column = facts.columns.find((one) => one.name === name);
      if (column === undefined) throw invalidSource(`the table has no column ${name}`);
      return column;
    };
    const columns = this.#slots.map((slot) => checkSlot(slot, columnOf(slot.column)));
    const keyNames = key ?? facts.primaryKey;
    checkKey(keyNames, key !== undefined, facts);
    for (const name of keyNames) {
      if (this.#slots.some(({ column }) => column === name))
        throw invalidSource(`the column ${name} cannot be both a key and a ciphertext`);
    }
    return {
      table: (schema === undefined ? [table] : [schema, table])
        .map((name) => this.#dialect.quote(name))
        .join("."),
      key: keyNames.map(columnOf),
      slots: this.#slots.map((slot, i) => ({ ...slot, type: columns[i]!.type })),
      fields: fields.map(columnOf),
      charactersMax: columns.map(({ charactersMax }, i) =>
        this.#slots[i]!.path === undefined ? charactersMax : undefined,
      ),
      warnings: facts.warnings,
    };
  }

  #keyParameters(text: string): SqlParameter[] {
    return (JSON.parse(text) as string[]).map((part) => this.#dialect.keyParameter(part));
  }

  #keyOf(row: SqlRow, parts: number): string {
    return JSON.stringify(Array.from({ length: parts }, (_, i) => this.#dialect.keyText(row[`k${i}`])));
  }

  #rowOf(row: SqlRow, { key, slots, fields }: Opened): SourceRow {
    const own: Record<string, string | null> = Object.create(null);
    for (const [i, { name }] of key.entries()) own[name] = String(row[`k${i}`]);
    for (const [i, { name }] of fields.entries()) own[name] = row[`f${i}`] as string | null;
    return {
      key: this.#keyOf(row, key.length),
      values: slots.map((_, i) => slotValue(row[`v${i}`])),
      fields: own,
    };
  }

  #selection({ key, slots, fields }: Opened): string {
    return [
      ...key.map((column, i) => `${this.#dialect.keyColumn(column)} AS k${i}`),
      ...slots.map((slot, i) => `${this.#dialect.slotText(slot)} AS v${i}`),
      ...fields.map(({ name }, i) => `${this.#dialect.textOf(name)} AS f${i}`),
    ].join(", ");
  }
}

const checkName = (name: unknown): void => {
  if (typeof name !== "string" || name === "") throw invalidType("names of tables and columns must be texts");
};

function slotOf(option: SlotOption): Slot {
  if (typeof option === "string") {
    checkName(option);
    return { column: option, path: undefined, name: option };
  }
  const { column, path } = option;
  checkName(column);
  if (!Array.isArray(path) || path.length === 0)
    throw invalidType("the path of a column must be a list of names");
  path.forEach(checkName);
  return { column, path: [...path], name: `${column}:/${path.join("/")}` };
}

function checkSlot(slot: Slot, column: ColumnFacts): ColumnFacts {
  if (column.isGenerated)
    throw invalidSource(`the column ${slot.column} is computed from others and cannot be written`);
  if (slot.path === undefined && !column.isText)
    throw invalidSource(
      `the column ${slot.column} is of no text type: name a path within it, if it holds JSON`,
    );
  if (slot.path !== undefined && !column.isJson)
    throw invalidSource(
      `the column ${slot.column} is not of a JSON type, so no path within it can be written`,
    );
  return column;
}

function checkKey(names: readonly string[], isGiven: boolean, { primaryKey, uniqueKeys }: TableFacts): void {
  if (names.length === 0)
    throw invalidSource("the table has no primary key: name columns that have a unique index as its key");
  const isSame = (key: readonly string[]): boolean =>
    key.length > 0 && key.length === new Set(names).size && key.every((name) => names.includes(name));
  if (isGiven && ![primaryKey, ...uniqueKeys].some(isSame))
    throw invalidSource("the columns of the key have no unique index together");
}

/** The text of a slot; what is no text is shown as one that is no ciphertext. */
function slotValue(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === "string" ? value : "";
}

/** A row that the database does not take: its values stay as they are. */
function refused(row: DecidedRow): DecidedRow {
  return {
    ...row,
    values: row.values.map((value) =>
      value.replacement === undefined ? value : { outcome: "refused", reason: "constraint" },
    ),
  };
}

/** Findings of a range that have been counted so far. */
function listed({ counts }: Claim): number {
  let sum = 0;
  for (const outcome of LISTED_OUTCOMES) sum += counts[outcome];
  return sum;
}

function invalidSource(problem: string): VaultError {
  return new VaultError("ERR_SOURCE_INVALID", problem);
}

/**
 * A table as a source of ciphertexts, in any SQL database.
 *
 * Owns the statements that read pages by keyset, and the transaction of a page: guarded writes, checkpoint, findings. What
 * differs between databases is in their dialect. Must not know keys, nor what is done to a ciphertext.
 *
 * @module
 */
import { checkOptions } from "../../base/options.ts";
import { invalidType } from "../../errors.ts";
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
import {
  type ColumnFacts,
  ordered,
  type RowChange,
  type Slot,
  type SqlDatabase,
  type SqlDialect,
  type SqlParameter,
  type SqlRow,
  type SqlSession,
  type TableShape,
  TransactionEnded,
} from "./dialect.ts";
import { JobTables } from "./job-tables.ts";
import {
  checkName,
  checkSlot,
  invalidSource,
  keyPartsOf,
  slotOf,
  TABLE_OPTIONS,
  type TableOptions,
} from "./table-options.ts";

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
    const counts = key.map(({ name }, i) => `count(t.${this.#dialect.quote(name)}) AS k${i}`);
    const [counted] = await this.#database.all(
      `SELECT count(*) AS n, ${counts.join(", ")} FROM ${table} AS t`,
    );
    signal?.throwIfAborted();
    const rows = Number(counted!.n);
    if (key.some((_, i) => Number(counted![`k${i}`]) !== rows))
      throw invalidSource("some rows have NULL in the columns of their key");
    const step = Math.ceil(rows / (cuts + 1));
    const names = key.map((_, i) => `k${i}`).join(", ");
    const columns = key.map((column, i) => `${this.#dialect.keyColumn(column)} AS k${i}`).join(", ");
    const found =
      rows <= cuts
        ? []
        : await this.#database.all(
            `SELECT ${names} FROM
              (SELECT ${columns}, row_number() OVER (ORDER BY ${this.#order(key)}) AS n FROM ${table} AS t) AS cuts
             WHERE n % ${this.#dialect.placeholder(1)} = 0 ORDER BY n`,
            [step],
          );
    return { rows, cuts: found.map((row) => this.#keyOf(row, key.length)), charactersMax, warnings };
  }

  async readPage(range: KeyRange, after: string | null, limit: number): Promise<SourceRow[]> {
    const opened = await this.#open();
    const { table, key } = opened;
    const parameters: SqlParameter[] = [];
    const conditions: string[] = [];
    const order = this.#order(key);
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
      `SELECT ${this.#selection(opened)} FROM ${table} AS t${where}
       ORDER BY ${order} LIMIT ${this.#dialect.placeholder(parameters.length)}`,
      parameters,
    );
    return rows.map((row) => this.#rowOf(row, opened));
  }

  async readRows(keys: readonly string[]): Promise<SourceRow[]> {
    const opened = await this.#open();
    const condition = opened.key
      .map(
        ({ name, type, collation }, i) =>
          `${ordered(this.#dialect.quote(name), collation)} = ${this.#dialect.placeholder(i + 1, type)}`,
      )
      .join(" AND ");
    const found: SourceRow[] = [];
    for (const key of keys) {
      const rows = await this.#database.all(
        `SELECT ${this.#selection(opened)} FROM ${opened.table} AS t WHERE ${condition}`,
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
    // One for each row; undefined where nothing of it is to be written.
    const changes = page.rows.map((row) => this.#changeOf(row));
    return this.#writePage(async (sql, impossible) => {
      await this.#jobs.hold(sql, claim);
      const possible = changes.filter(
        (change): change is RowChange => change !== undefined && !impossible.has(change),
      );
      const results = possible.length === 0 ? [] : await this.#dialect.applyChanges(sql, opened, possible);
      const decided: DecidedRow[] = [];
      const changed: string[] = [];
      let n = 0;
      for (let at = 0; at < changes.length; at++) {
        const [row, change] = [page.rows[at]!, changes[at]];
        const result = change === undefined ? "written" : impossible.has(change) ? "refused" : results[n++]!;
        if (result === "changed") changed.push(row.row.key);
        else decided.push(result === "refused" ? refused(row) : row);
      }
      const findings = findingsOf(decided, this.slots);
      await this.#jobs.addFindings(sql, claim, findings, listed(claim));
      if (isRetry) {
        const keys = [...decided.map(({ row }) => row.key), ...(page.gone ?? [])];
        await this.#jobs.removePending(sql, claim, keys);
      } else await this.#jobs.addPending(sql, claim, changed);
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
    const parts = keyPartsOf(key, facts);
    for (const { name } of parts) {
      if (this.#slots.some(({ column }) => column === name))
        throw invalidSource(`the column ${name} cannot be both a key and a ciphertext`);
    }
    const quoted = (schema === undefined ? [table] : [schema, table])
      .map((name) => this.#dialect.quote(name))
      .join(".");
    return {
      table: facts.hasHeirs ? `ONLY ${quoted}` : quoted,
      key: parts.map(({ name, collation }) => ({ ...columnOf(name), collation })),
      slots: this.#slots.map((slot, i) => ({ ...slot, type: columns[i]!.type, json: columns[i]!.json })),
      hasTriggers: facts.hasTriggers,
      fields: fields.map(columnOf),
      charactersMax: columns.map(({ charactersMax }, i) =>
        this.#slots[i]!.path === undefined ? charactersMax : undefined,
      ),
      warnings: facts.warnings,
    };
  }

  /** Runs `write` as one transaction, and again without each row that ends it. */
  async #writePage<T>(
    write: (sql: SqlSession, impossible: ReadonlySet<RowChange>) => Promise<T>,
  ): Promise<T> {
    const impossible = new Set<RowChange>();
    for (;;) {
      try {
        return await this.#database.transaction((sql) => write(sql, impossible));
      } catch (error) {
        if (!(error instanceof TransactionEnded)) throw error;
        impossible.add(error.change);
      }
    }
  }

  #changeOf({ row, values }: DecidedRow): RowChange | undefined {
    const slots: RowChange["slots"][number][] = [];
    for (let index = 0; index < values.length; index++) {
      const { replacement: after } = values[index]!;
      if (after !== undefined) slots.push({ index, before: row.values[index]!, after });
    }
    return slots.length === 0 ? undefined : { key: this.#keyParameters(row.key), slots };
  }

  #order(key: TableShape["key"]): string {
    return key.map(({ name, collation }) => ordered(this.#dialect.quote(name), collation)).join(", ");
  }

  #keyParameters(text: string): SqlParameter[] {
    return (JSON.parse(text) as string[]).map((part) => this.#dialect.keyParameter(part));
  }

  #keyOf(row: SqlRow, parts: number): string {
    const texts: string[] = [];
    for (let i = 0; i < parts; i++) texts.push(this.#dialect.keyText(row[`k${i}`]));
    return JSON.stringify(texts);
  }

  #rowOf(row: SqlRow, { key, slots, fields }: Opened): SourceRow {
    const own: Record<string, string | null> = Object.create(null);
    for (let i = 0; i < key.length; i++) own[key[i]!.name] = String(row[`k${i}`]);
    for (let i = 0; i < fields.length; i++) own[fields[i]!.name] = row[`f${i}`] as string | null;
    const values: (string | null)[] = [];
    for (let i = 0; i < slots.length; i++) values.push(slotValue(row[`v${i}`]));
    return { key: this.#keyOf(row, key.length), values, fields: own };
  }

  #selection({ key, slots, fields }: Opened): string {
    return [
      ...key.map((column, i) => `${this.#dialect.keyColumn(column)} AS k${i}`),
      ...slots.map((slot, i) => `${this.#dialect.slotText(slot)} AS v${i}`),
      ...fields.map(({ name }, i) => `${this.#dialect.textOf(name)} AS f${i}`),
    ].join(", ");
  }
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

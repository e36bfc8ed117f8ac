/**
 * Sources without transactions: a journal beside the data, in a SQLite file of its own (docs/spec/rekey-job.md section 6).
 *
 * Owns the order of things: a page is noted before its first write, and what was noted is written again after an interruption.
 * Checkpoints, leases and findings are those of tables. Must not know keys, nor what kind of data it is.
 *
 * @module
 */
import { existsSync, rmSync } from "node:fs";
import { addCounts, type DecidedValue, findingsOf, LISTED_OUTCOMES, tally } from "../rekey/job/outcomes.ts";
import type {
  CiphertextSource,
  Claim,
  JobRecord,
  JobStatus,
  KeyRange,
  PageCommit,
  SourceFacts,
  SourceRow,
} from "../rekey/job/source.ts";
import type { ChangeResult, SqlDatabase, SqlSession } from "./sql/dialect.ts";
import { JobTables } from "./sql/job-tables.ts";
import { SQLITE } from "./sql/sqlite-dialect.ts";
import { openSqlite } from "./sqlite.ts";

/** A row of a page, as it is noted: what is to be written, and what becomes of its values. */
export interface NotedRow {
  readonly key: string;
  readonly values: readonly (DecidedValue & { readonly before: string | null })[];
}

/** Data that can be read in order and written row by row. */
export interface JournalledData {
  readonly name: string;
  readonly shape: string;
  readonly slots: readonly string[];
  readonly isSpliceOnly?: boolean;
  survey(): Promise<Pick<SourceFacts, "rows" | "charactersMax" | "warnings">>;
  readPage(after: string | null, limit: number): Promise<SourceRow[]>;
  readRows(keys: readonly string[]): Promise<SourceRow[]>;
  /** Where the data is before a page, as JSON text: noted, and given back when the page is written again. */
  place(): Promise<string>;
  /**
   * Writes a page. A row that has its new values already counts as written, so that a page can be written again.
   *
   * @param place - what {@link place} answered before the page was noted
   * @param isRepeat - it may have been written already, in whole or in part
   */
  write(rows: readonly NotedRow[], place: string, isRepeat: boolean): Promise<ChangeResult[]>;
  /** All pages are written, or the job was aborted. */
  finish(state: "done" | "aborted"): Promise<void>;
  close(): Promise<void>;
}

/** A page that has been noted. */
interface Note {
  readonly rows: readonly NotedRow[];
  readonly position: string | undefined;
  readonly gone: readonly string[];
  readonly place: string;
}

const NOTES = '"coffer_rekey_notes"';
const NOTES_SCHEMA = `CREATE TABLE IF NOT EXISTS ${NOTES} (job_id TEXT NOT NULL, number INTEGER NOT NULL, note TEXT NOT NULL,
  PRIMARY KEY (job_id, number))`;

/** Data with a journal, as a source. */
export class JournalledSource implements CiphertextSource {
  readonly name: string;
  readonly shape: string;
  readonly slots: readonly string[];
  readonly isSpliceOnly: boolean;
  readonly #data: JournalledData;
  readonly #path: string;
  #opened: { readonly database: SqlDatabase; readonly jobs: JobTables } | undefined;

  /** @param path - of the journal's file, which is made when a job begins */
  constructor(data: JournalledData, path: string) {
    this.name = data.name;
    this.shape = data.shape;
    this.slots = data.slots;
    this.isSpliceOnly = data.isSpliceOnly ?? false;
    this.#data = data;
    this.#path = path;
  }

  /** One range: what has no transactions is written by one worker. */
  async survey(): Promise<SourceFacts> {
    return { ...(await this.#data.survey()), cuts: [] };
  }

  readPage(range: KeyRange, after: string | null, limit: number): Promise<SourceRow[]> {
    return this.#data.readPage(after ?? range.after, limit);
  }

  readRows(keys: readonly string[]): Promise<SourceRow[]> {
    return this.#data.readRows(keys);
  }

  async findJob(): Promise<JobRecord | undefined> {
    return existsSync(this.#path) ? (await this.#open()).jobs.find() : undefined;
  }

  async createJob(job: Parameters<CiphertextSource["createJob"]>[0]): Promise<JobRecord> {
    const { database, jobs } = await this.#open();
    await database.run(NOTES_SCHEMA);
    return jobs.create(job);
  }

  async closeJob(jobId: string, state: "done" | "aborted"): Promise<void> {
    const { jobs } = await this.#open();
    await this.#data.finish(state);
    await jobs.close(jobId, state);
  }

  async claim(jobId: string, leaseMs: number): Promise<Claim | undefined> {
    const { database, jobs } = await this.#open();
    const claim = await jobs.claim(jobId, leaseMs);
    if (claim === undefined) return undefined;
    const [found] = await database.all(`SELECT note FROM ${NOTES} WHERE job_id = ?1 AND number = ?2`, [
      jobId,
      claim.number,
    ]);
    if (found === undefined) return claim;
    // Whoever noted the page may have written all of it, some of it, or nothing.
    const note = JSON.parse(found.note as string) as Note;
    return this.#settle(claim, note, await this.#data.write(note.rows, note.place, true), leaseMs);
  }

  async commitPage(claim: Claim, page: PageCommit): Promise<Claim> {
    const { database, jobs } = await this.#open();
    const note: Note = {
      rows: page.rows.map(({ row, values }) => ({
        key: row.key,
        values: values.map((value, i) => ({ ...value, before: row.values[i]! })),
      })),
      position: page.position,
      gone: page.gone ?? [],
      place: await this.#data.place(),
    };
    await database.transaction(async (sql) => {
      await jobs.hold(sql, claim);
      await sql.run(`INSERT INTO ${NOTES} VALUES (?1, ?2, ?3)`, [
        claim.jobId,
        claim.number,
        JSON.stringify(note),
      ]);
    });
    const results = await this.#data.write(note.rows, note.place, false);
    return this.#settle(claim, note, results, page.leaseMs);
  }

  /** Counts what a page has become, and forgets its note. */
  async #settle(claim: Claim, note: Note, results: readonly ChangeResult[], leaseMs: number): Promise<Claim> {
    const { database, jobs } = await this.#open();
    const decided = note.rows.flatMap((row, i) =>
      results[i] === "changed"
        ? []
        : [
            {
              row: { key: row.key },
              values: results[i] === "refused" ? row.values.map(refused) : row.values,
            },
          ],
    );
    const changed = note.rows.filter((_, i) => results[i] === "changed").map(({ key }) => key);
    const listed = [...LISTED_OUTCOMES].reduce((sum, outcome) => sum + claim.counts[outcome], 0);
    return database.transaction(async (sql: SqlSession) => {
      await jobs.hold(sql, claim);
      await jobs.addFindings(sql, claim, findingsOf(decided, this.slots), listed);
      if (note.position === undefined)
        await jobs.removePending(sql, claim, [...decided.map(({ row }) => row.key), ...note.gone]);
      else await jobs.addPending(sql, claim, changed);
      const counts = addCounts(claim.counts, {
        ...tally(decided),
        conflicts: changed.length,
        gone: note.gone.length,
      });
      await sql.run(`DELETE FROM ${NOTES} WHERE job_id = ?1 AND number = ?2`, [claim.jobId, claim.number]);
      return jobs.advance(sql, claim, { position: note.position ?? claim.position, counts, leaseMs });
    });
  }

  async pendingKeys(claim: Claim, limit: number): Promise<string[]> {
    return (await this.#open()).jobs.pending(claim, limit);
  }

  async endClaim(claim: Claim, state: "done" | "released"): Promise<void> {
    return (await this.#open()).jobs.end(claim, state);
  }

  async status(jobId: string): Promise<JobStatus> {
    return (await this.#open()).jobs.status(jobId);
  }

  async findings(jobId: string, limit: number): ReturnType<CiphertextSource["findings"]> {
    return (await this.#open()).jobs.findings(jobId, limit);
  }

  /** The journal goes when nothing is left to do. */
  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened !== undefined) {
      const isOpen = (await opened.jobs.find())?.state === "open";
      await opened.database.close();
      this.#opened = undefined;
      if (!isOpen) for (const suffix of ["", "-journal"]) rmSync(this.#path + suffix, { force: true });
    }
    await this.#data.close();
  }

  async #open(): Promise<{ readonly database: SqlDatabase; readonly jobs: JobTables }> {
    if (this.#opened === undefined) {
      const database = openSqlite(this.#path, true);
      this.#opened = { database, jobs: new JobTables(database, SQLITE, this.shape) };
    }
    return this.#opened;
  }
}

function refused(value: NotedRow["values"][number]): DecidedValue {
  return value.replacement === undefined ? value : { outcome: "refused", reason: "constraint" };
}

/**
 * Checkpoints of jobs in tables beside the data (docs/spec/rekey-job.md section 3).
 *
 * Owns the rows of jobs, ranges, pending keys and findings, and the leases of ranges. Must not know which database it is,
 * nor the table that holds ciphertexts.
 *
 * @module
 */
import { uuidToText, uuidV4 } from "../../crypto/primitives/uuid.ts";
import { VaultError } from "../../errors.ts";
import { LEASE_MS_MAX } from "../../rekey/job/limits.ts";
import {
  addCounts,
  type Counts,
  countsFromText,
  FINDINGS_PER_RANGE_MAX,
  type Finding,
  NO_COUNTS,
  VALUE_OUTCOMES,
  type ValueOutcome,
} from "../../rekey/job/outcomes.ts";
import type { Claim, JobRecord, JobStatus, KeyRange } from "../../rekey/job/source.ts";
import type { SqlDatabase, SqlDialect, SqlRow, SqlSession } from "./dialect.ts";

/** The form of the tables. A job of another form is not touched. */
export const JOB_FORMAT = 1;

/** Characters of a UUID as text (RFC 9562 section 4). */
const UUID_CHARACTERS = 36;

/**
 * A lease's proof: what tells it from all others, and its length in milliseconds. With the length, a lease that begins in the
 * future shows: the clock has gone back since.
 */
const leaseToken = (id: string, leaseMs: number): string => `${id}/${leaseMs}`;

/** The length of a range's lease. A lease that an earlier coffer gave does not tell it. */
const LEASE_LENGTH = `COALESCE(CAST(NULLIF(substr(token, ${UUID_CHARACTERS + 2}), '') AS double precision), ${LEASE_MS_MAX})`;

const JOB_COLUMNS = "id, settings, state, planned_rows, created_at, format";

/** Checkpoints of the jobs on one source. */
export class JobTables {
  readonly #database: SqlDatabase;
  readonly #dialect: SqlDialect;
  /** What names the source in the tables. */
  readonly #source: string;
  #areMade = false;

  constructor(database: SqlDatabase, dialect: SqlDialect, source: string) {
    this.#database = database;
    this.#dialect = dialect;
    this.#source = source;
  }

  /**
   * The newest job on the source; undefined also where the tables have never been made. One that is open is the newest, whatever
   * the clock said: tables of an earlier coffer may have two jobs of the same millisecond, or of a clock that went back.
   */
  async find(): Promise<JobRecord | undefined> {
    let rows: SqlRow[];
    try {
      rows = await this.#database.all(
        `SELECT ${JOB_COLUMNS} FROM ${this.#table("jobs")} WHERE source = ${this.#p(1)}
         ORDER BY CASE state WHEN 'open' THEN 0 ELSE 1 END, created_at DESC LIMIT 1`,
        [this.#source],
      );
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    const row = rows[0];
    return row === undefined ? undefined : recordOf(row);
  }

  /** @throws VaultError ERR_JOB_CONFLICT if one is open */
  async create(job: {
    readonly settings: string;
    readonly rows: number;
    readonly ranges: readonly KeyRange[];
  }): Promise<JobRecord> {
    await this.#make();
    const id = uuidToText(uuidV4());
    return this.#database.transaction(async (sql) => {
      const open = await sql.all(
        `SELECT id FROM ${this.#table("jobs")} WHERE source = ${this.#p(1)} AND state = 'open'`,
        [this.#source],
      );
      if (open.length > 0) throw conflict();
      const [before] = await sql.all(
        `SELECT max(created_at) AS latest FROM ${this.#table("jobs")} WHERE source = ${this.#p(1)}`,
        [this.#source],
      );
      // The clock may stand still between two jobs, or have gone back.
      const earliest = Number(before!.latest ?? 0) + 1;
      try {
        await sql.run(
          `INSERT INTO ${this.#table("jobs")} (id, format, source, settings, state, planned_rows, created_at)
           VALUES (${this.#p(1)}, ${JOB_FORMAT}, ${this.#p(2)}, ${this.#p(3)}, 'open', ${this.#p(4)},
             (SELECT max(moment) FROM (SELECT ${this.#dialect.now} AS moment UNION ALL SELECT ${this.#p(5)}) AS moments))`,
          [id, this.#source, job.settings, job.rows, earliest],
        );
      } catch (error) {
        // Another process was faster: one open job per source is a unique index.
        if (isDuplicate(error)) throw conflict();
        throw error;
      }
      for (const [number, { after, upTo }] of job.ranges.entries()) {
        await sql.run(
          `INSERT INTO ${this.#table("ranges")} (job_id, number, after_key, upto_key, counts, state, leased_until)
           VALUES (${this.#p(1)}, ${this.#p(2)}, ${this.#p(3)}, ${this.#p(4)}, ${this.#p(5)}, 'open', 0)`,
          [id, number, after, upTo, JSON.stringify(NO_COUNTS)],
        );
      }
      const [made] = await sql.all(
        `SELECT ${JOB_COLUMNS} FROM ${this.#table("jobs")} WHERE id = ${this.#p(1)}`,
        [id],
      );
      return recordOf(made!);
    });
  }

  /** Ends a job. Leases end with it: what their workers were about to write is refused. */
  async close(jobId: string, state: "done" | "aborted"): Promise<void> {
    await this.#database.transaction(async (sql) => {
      await sql.run(`UPDATE ${this.#table("jobs")} SET state = ${this.#p(1)} WHERE id = ${this.#p(2)}`, [
        state,
        jobId,
      ]);
      if (state === "aborted") {
        await sql.run(
          `UPDATE ${this.#table("ranges")} SET token = NULL, state = 'aborted'
           WHERE job_id = ${this.#p(1)} AND state = 'open'`,
          [jobId],
        );
      }
    });
  }

  /** Takes the lease of a range that is open and free. */
  async claim(jobId: string, leaseMs: number): Promise<Claim | undefined> {
    const token = leaseToken(uuidToText(uuidV4()), leaseMs);
    return this.#database.transaction(async (sql) => {
      const [row] = await sql.all(
        `SELECT number, after_key, upto_key, position_key, counts FROM ${this.#table("ranges")}
         WHERE job_id = ${this.#p(1)} AND state = 'open' AND NOT ${this.#isLeased}
         ORDER BY number LIMIT 1${this.#dialect.skipLocked}`,
        [jobId],
      );
      if (row === undefined) return undefined;
      const number = Number(row.number);
      await sql.run(
        `UPDATE ${this.#table("ranges")} SET token = ${this.#p(1)}, leased_until = ${this.#dialect.now} + ${this.#p(2)}
         WHERE job_id = ${this.#p(3)} AND number = ${this.#p(4)}`,
        [token, leaseMs, jobId, number],
      );
      return {
        jobId,
        number,
        range: { after: row.after_key as string | null, upTo: row.upto_key as string | null },
        position: row.position_key as string | null,
        counts: readCounts(row.counts),
        token,
      };
    });
  }

  /**
   * Moves a range on, within the transaction that writes its page.
   *
   * @throws VaultError ERR_LEASE_EXPIRED unless the range is held by, and where, the claim says
   */
  async advance(
    sql: SqlSession,
    claim: Claim,
    to: { readonly position: string | null; readonly counts: Counts; readonly leaseMs: number },
  ): Promise<Claim> {
    const token = leaseToken(claim.token.slice(0, UUID_CHARACTERS), to.leaseMs);
    const changed = await sql.run(
      `UPDATE ${this.#table("ranges")}
       SET position_key = ${this.#p(1)}, counts = ${this.#p(2)}, leased_until = ${this.#dialect.now} + ${this.#p(3)},
         token = ${this.#p(4)}
       WHERE job_id = ${this.#p(5)} AND number = ${this.#p(6)} AND token = ${this.#p(7)} AND counts = ${this.#p(8)}`,
      [
        to.position,
        JSON.stringify(to.counts),
        to.leaseMs,
        token,
        claim.jobId,
        claim.number,
        claim.token,
        JSON.stringify(claim.counts),
      ],
    );
    if (changed !== 1) throw leaseLost();
    return { ...claim, position: to.position, counts: to.counts, token };
  }

  /** Proves and locks a lease, before anything else of a page is written. @throws VaultError ERR_LEASE_EXPIRED */
  async hold(sql: SqlSession, claim: Claim): Promise<void> {
    const changed = await sql.run(
      `UPDATE ${this.#table("ranges")} SET token = token
       WHERE job_id = ${this.#p(1)} AND number = ${this.#p(2)} AND token = ${this.#p(3)} AND counts = ${this.#p(4)}`,
      [claim.jobId, claim.number, claim.token, JSON.stringify(claim.counts)],
    );
    if (changed !== 1) throw leaseLost();
  }

  async addPending(sql: SqlSession, claim: Claim, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await sql.run(
        `INSERT INTO ${this.#table("pending")} (job_id, number, row_key)
         VALUES (${this.#p(1)}, ${this.#p(2)}, ${this.#p(3)}) ON CONFLICT DO NOTHING`,
        [claim.jobId, claim.number, key],
      );
    }
  }

  async removePending(sql: SqlSession, claim: Claim, keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      await sql.run(
        `DELETE FROM ${this.#table("pending")}
         WHERE job_id = ${this.#p(1)} AND number = ${this.#p(2)} AND row_key = ${this.#p(3)}`,
        [claim.jobId, claim.number, key],
      );
    }
  }

  async pending(claim: Claim, limit: number): Promise<string[]> {
    const rows = await this.#database.all(
      `SELECT row_key FROM ${this.#table("pending")} WHERE job_id = ${this.#p(1)} AND number = ${this.#p(2)}
       ORDER BY row_key LIMIT ${this.#p(3)}`,
      [claim.jobId, claim.number, limit],
    );
    return rows.map((row) => row.row_key as string);
  }

  /** Lists findings, as far as the range has room for them. @param listed - findings that were counted before */
  async addFindings(
    sql: SqlSession,
    claim: Claim,
    findings: readonly Finding[],
    listed: number,
  ): Promise<void> {
    for (const { key, slot, outcome, reason } of findings.slice(
      0,
      Math.max(0, FINDINGS_PER_RANGE_MAX - listed),
    )) {
      await sql.run(
        `INSERT INTO ${this.#table("findings")} (job_id, number, row_key, slot, outcome, reason)
         VALUES (${[1, 2, 3, 4, 5, 6].map((n) => this.#p(n)).join(", ")}) ON CONFLICT DO NOTHING`,
        [claim.jobId, claim.number, key, slot, outcome, reason],
      );
    }
  }

  /** Whether a range is leased. A lease that has more than its length before it is of a clock that has gone back since. */
  get #isLeased(): string {
    const { now } = this.#dialect;
    return `(leased_until >= ${now} AND leased_until <= ${now} + ${LEASE_LENGTH})`;
  }

  /** Ends a range, or its lease. */
  async end(claim: Claim, state: "done" | "released"): Promise<void> {
    const changed = await this.#database.run(
      `UPDATE ${this.#table("ranges")} SET token = NULL, leased_until = 0, state = ${this.#p(1)}
       WHERE job_id = ${this.#p(2)} AND number = ${this.#p(3)} AND token = ${this.#p(4)}`,
      [state === "done" ? "done" : "open", claim.jobId, claim.number, claim.token],
    );
    if (changed !== 1) throw leaseLost();
  }

  async status(jobId: string): Promise<JobStatus> {
    const [job] = await this.#database.all(
      `SELECT ${JOB_COLUMNS} FROM ${this.#table("jobs")} WHERE id = ${this.#p(1)}`,
      [jobId],
    );
    if (job === undefined) throw new VaultError("ERR_JOB_NOT_FOUND", "there is no such job on this source");
    const rows = await this.#database.all(
      `SELECT state, counts, CASE WHEN ${this.#isLeased} THEN 1 ELSE 0 END AS is_leased
       FROM ${this.#table("ranges")} WHERE job_id = ${this.#p(1)}`,
      [jobId],
    );
    const ranges = { open: 0, leased: 0, done: 0 };
    let counts = NO_COUNTS;
    for (const row of rows) {
      if (row.state === "done") ranges.done += 1;
      else if (Number(row.is_leased) === 1) ranges.leased += 1;
      else ranges.open += 1;
      counts = addCounts(counts, readCounts(row.counts));
    }
    const [pending] = await this.#database.all(
      `SELECT count(*) AS n FROM ${this.#table("pending")} WHERE job_id = ${this.#p(1)}`,
      [jobId],
    );
    return { record: recordOf(job), ranges, pending: Number(pending!.n), counts };
  }

  async findings(jobId: string, limit: number): Promise<Finding[]> {
    const rows = await this.#database.all(
      `SELECT row_key, slot, outcome, reason FROM ${this.#table("findings")} WHERE job_id = ${this.#p(1)}
       ORDER BY number, row_key, slot LIMIT ${this.#p(2)}`,
      [jobId, limit],
    );
    return rows.map((row) => ({
      key: row.row_key as string,
      slot: row.slot as string,
      outcome: VALUE_OUTCOMES.find((name) => name === row.outcome) ?? ("unreadable" satisfies ValueOutcome),
      reason: row.reason as string,
    }));
  }

  async #make(): Promise<void> {
    if (this.#areMade) return;
    await this.#database.transaction(async (sql) => {
      for (const statement of this.#dialect.jobSchema) await sql.run(statement);
    });
    this.#areMade = true;
  }

  #table(table: "jobs" | "ranges" | "pending" | "findings"): string {
    return this.#dialect.jobTable(table);
  }

  #p(n: number): string {
    return this.#dialect.placeholder(n);
  }
}

function recordOf(row: SqlRow): JobRecord {
  const state = row.state as JobRecord["state"];
  if (Number(row.format) !== JOB_FORMAT && state === "open") {
    throw new VaultError(
      "ERR_STORAGE_SCHEMA",
      "the open job was begun by another version of coffer: end it with that",
    );
  }
  return {
    id: row.id as string,
    settings: row.settings as string,
    state,
    rows: Number(row.planned_rows),
    createdAt: Number(row.created_at),
  };
}

function readCounts(text: unknown): Counts {
  const counts = typeof text === "string" ? countsFromText(text) : undefined;
  if (counts === undefined)
    throw new VaultError("ERR_STORAGE_CORRUPT", "the counts of a job's range are damaged");
  return counts;
}

function leaseLost(): VaultError {
  return new VaultError("ERR_LEASE_EXPIRED", "another worker has taken over this range");
}

function conflict(): VaultError {
  return new VaultError("ERR_JOB_CONFLICT", "a job is open on this source: let it end, or abort it");
}

/** Drivers' errors come translated, with this name for the two kinds that are asked for here. */
const isMissing = (error: unknown): boolean => (error as { sqlKind?: unknown }).sqlKind === "missing-table";
const isDuplicate = (error: unknown): boolean => (error as { sqlKind?: unknown }).sqlKind === "duplicate";

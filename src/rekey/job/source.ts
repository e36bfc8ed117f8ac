/**
 * The CiphertextSource port: where the ciphertexts of a job are, and where its checkpoints are kept (docs/spec/rekey-job.md).
 *
 * Owns the contract that tables, files and streams fulfil; one suite, test/contract/ciphertext-source.ts, runs on all of
 * them. Must not know keys, nor any of them.
 *
 * @module
 */
import type { Counts, DecidedValue, Finding } from "./outcomes.ts";

/** What a row has besides its ciphertexts: its key columns and those that were asked for, by name. */
export type RowFields = Readonly<Record<string, string | null>>;

/** One row: everything that is written or not written together. */
export interface SourceRow {
  /** Names the row within its source. */
  readonly key: string;
  /** One for each slot, in order; null where there is none. */
  readonly values: readonly (string | null)[];
  readonly fields: RowFields;
}

/** A part of the keys: those behind `after`, up to and with `upTo`. Null is an end that is open. */
export interface KeyRange {
  readonly after: string | null;
  readonly upTo: string | null;
}

/** What a source tells of itself before the first write. */
export interface SourceFacts {
  readonly rows: number;
  /** Where the keys are cut into ranges, in order. None: one range. */
  readonly cuts: readonly string[];
  /** Characters that a slot takes at most, in the order of the slots; undefined where there is no limit. */
  readonly charactersMax: readonly (number | undefined)[];
  /** What may surprise: triggers, policies that hide rows. */
  readonly warnings: readonly string[];
}

/** What a job is, as it is stored beside the data. */
export interface JobRecord {
  readonly id: string;
  /** The mode and what must stay the same from one run to the next, as JSON text. */
  readonly settings: string;
  readonly state: "open" | "done" | "aborted";
  /** Rows when it was planned. */
  readonly rows: number;
  /** Milliseconds since 1970, by the clock of the source. */
  readonly createdAt: number;
}

/** A range of a job that one worker holds, until its lease ends. */
export interface Claim {
  readonly jobId: string;
  readonly number: number;
  readonly range: KeyRange;
  /** The last key that has been dealt with; null for none. */
  readonly position: string | null;
  /** Of the range, so far. */
  readonly counts: Counts;
  /** Proves the lease. */
  readonly token: string;
}

/** A row with what became of its values. */
export interface DecidedRow {
  readonly row: SourceRow;
  readonly values: readonly DecidedValue[];
}

/** What is written in one transaction. */
export interface PageCommit {
  readonly rows: readonly DecidedRow[];
  /** The last key of the page; undefined when rows are tried again that had changed under an earlier page. */
  readonly position?: string | undefined;
  /** Keys that were to be tried again, and whose rows are gone. */
  readonly gone?: readonly string[] | undefined;
  /** Milliseconds that the lease lasts from now on. */
  readonly leaseMs: number;
}

/** How far all workers have come. */
export interface JobStatus {
  readonly record: JobRecord;
  readonly ranges: { readonly open: number; readonly leased: number; readonly done: number };
  /** Rows that changed under a page and wait to be tried again. */
  readonly pending: number;
  readonly counts: Counts;
}

/** Where ciphertexts are. */
export interface CiphertextSource {
  /** For people: what it reads. Holds no password. */
  readonly name: string;
  /** What must be the same from one run of a job to the next: the place, keys and slots. */
  readonly shape: string;
  /** Names of the values that each row has. */
  readonly slots: readonly string[];
  /** Holds wrapped keys without their payloads: only modes that splice can be used. Default false. */
  readonly isSpliceOnly?: boolean;

  /**
   * Looks at everything that can be known before the first write, and writes nothing.
   *
   * @throws VaultError ERR_SOURCE_INVALID for what would make every page fail (no key, a missing or generated column)
   */
  survey(options: { readonly cuts: number; readonly signal?: AbortSignal | undefined }): Promise<SourceFacts>;

  /** The next rows of a range behind `after`, in the order of their keys, at most `limit`. */
  readPage(range: KeyRange, after: string | null, limit: number): Promise<SourceRow[]>;

  /** Rows by their keys; those that are gone are left out. */
  readRows(keys: readonly string[]): Promise<SourceRow[]>;

  /** The newest job on this source. @throws VaultError ERR_STORAGE_SCHEMA for one of another version's */
  findJob(): Promise<JobRecord | undefined>;

  /** Makes a job with its ranges. @throws VaultError ERR_JOB_CONFLICT if another one is open */
  createJob(job: {
    readonly settings: string;
    readonly rows: number;
    readonly ranges: readonly KeyRange[];
  }): Promise<JobRecord>;

  /** Ends a job: what is written stays. */
  closeJob(jobId: string, state: "done" | "aborted"): Promise<void>;

  /** Takes the lease of an open range that nobody holds; undefined if there is none just now. */
  claim(jobId: string, leaseMs: number): Promise<Claim | undefined>;

  /**
   * Writes a page: replacements whose old value is still there, and in the same transaction the position, the counts and
   * the findings of the range. Rows that have changed are kept to be tried again.
   *
   * @returns the claim as it is from now on
   * @throws VaultError ERR_LEASE_EXPIRED if the lease is another's by now, or the range is no longer where the claim has it:
   *   then nothing is written
   */
  commitPage(claim: Claim, page: PageCommit): Promise<Claim>;

  /** Keys of a range that are to be tried again, at most `limit`. */
  pendingKeys(claim: Claim, limit: number): Promise<string[]>;

  /** Ends a range that has no rows left, or lets go of its lease so that another worker can take it at once. */
  endClaim(claim: Claim, state: "done" | "released"): Promise<void>;

  status(jobId: string): Promise<JobStatus>;

  /** What was found, at most `limit`, in the order of ranges. */
  findings(jobId: string, limit: number): Promise<Finding[]>;

  /** Lets go of connections and files. */
  close(): Promise<void>;
}

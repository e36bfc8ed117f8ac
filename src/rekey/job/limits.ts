/**
 * Limits and defaults of jobs, with unit and source.
 *
 * Owns numbers only. Must not know what is done with them.
 *
 * @module
 */

/** Rows of a page unless told otherwise. Ours: five batches of a key service. */
export const PAGE_ROWS_DEFAULT = 500;
/** Rows of a page at most. Ours. */
export const PAGE_ROWS_MAX = 10_000;
/** Rows of the first page of a range, before it is known how long they are. Ours. */
export const PAGE_ROWS_FIRST = 50;
/** Characters of ciphertext that a page aims at, at most: what a worker holds in memory. Ours. */
export const PAGE_CHARACTERS = 4 * 1024 * 1024;
/** Workers of one run unless told otherwise. Ours: one waits for the database while the other computes. */
export const WORKERS_DEFAULT = 2;
/** Workers of one run at most. Ours. */
export const WORKERS_MAX = 64;
/** Ranges that the keys are cut into at most. Ours: what workers share among them. */
export const RANGES_MAX = 128;
/** Rows of a range at least, where there are so many. Ours. */
export const RANGE_ROWS_MIN = 2_000;
/** Milliseconds that a worker which no longer answers keeps its range. Ours. */
export const LEASE_MS_DEFAULT = 15_000;
/** Milliseconds of a lease at least: a page has to fit in. Ours. */
export const LEASE_MS_MIN = 200;
/** Milliseconds of a lease at most: one day. Ours. */
export const LEASE_MS_MAX = 86_400_000;
/** Milliseconds between two looks for a range that is free, and whether a pause is over. Ours. */
export const LOOK_EVERY_MS = 200;
/** Rounds in which rows that keep changing are tried again, before they are listed. Ours. */
export const CHANGED_ROUNDS_MAX = 20;
/** Milliseconds between two such rounds. Ours. */
export const CHANGED_PAUSE_MS = 50;
/**
 * Times that a run tries again when its source or its key service fails in a way that may pass. Ours: with the waits between them
 * 31.5 s, in which a database starts anew or a standby takes its place. Connections and the transport try by themselves too.
 */
export const RETRIES = 6;
/** Milliseconds before the first of them; each further one waits twice as long. Ours. */
export const RETRY_MS = 500;
/** Rows of the sample that a plan moves without writing. Ours. */
export const PLAN_SAMPLE_ROWS = 60;
/** Findings of a report unless told otherwise. Ours. */
export const FINDINGS_DEFAULT = 100;
/** One of so many values is unwrapped by `verify` with `sample`. Ours. */
export const VERIFY_SAMPLE_EVERY = 100;
/** Times that a run tries to begin a job while others begin and end theirs. Ours. */
export const BEGIN_TRIES_MAX = 10;

/**
 * How far a run has come, and how fast.
 *
 * Owns the arithmetic. Must not know workers.
 *
 * @module
 */
import type { Counts } from "./outcomes.ts";

/** How far a run has come. */
export interface JobProgress {
  /** All workers' rows so far, also those of earlier runs and, as far as this run has seen, of other processes. */
  readonly counts: Counts;
  /** Rows when the job was planned. */
  readonly rows: number;
  /** Rows a second of this run. */
  readonly rate: number;
  /** Milliseconds until the end at this rate; undefined if there is no telling. */
  readonly remainingMs: number | undefined;
}

/** What counters have become more by. */
export function differences(after: Counts, before: Counts): Partial<Counts> {
  const names = Object.keys(after) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]]));
}

/** @param begun - how far the job had come when the run began, and when that was by `performance.now` */
export function progressOf(counts: Counts, rows: number, begun: { rows: number; at: number }): JobProgress {
  const seconds = (performance.now() - begun.at) / 1_000;
  const rate = seconds > 0 ? (counts.rows - begun.rows) / seconds : 0;
  const left = rows - counts.rows;
  return { counts, rows, rate, remainingMs: rate > 0 && left >= 0 ? (left / rate) * 1_000 : undefined };
}

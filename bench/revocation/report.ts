/**
 * The result of measuring revocations, and its tables for people.
 *
 * Owns both. Must not know how they were measured.
 *
 * @module
 */
import type { Header } from "../lib/report.ts";

/** Disables on PostgreSQL while others write under the KEK. */
export interface BehindWriters {
  readonly writers: number;
  /** Values stored in a second by all writers together, before the disable. */
  readonly writesPerSecond: number;
  /** From the call to its answer, in milliseconds. */
  readonly medianMs: number;
  readonly maxMs: number;
  /** Writes that were answered between the two; the most of all rounds. */
  readonly writesMeanwhileMax: number;
}

/** How long a holder goes on after a disable was answered, in milliseconds. */
export interface Reach {
  readonly holder: string;
  /** What the specification allows, in words. */
  readonly bound: string;
  readonly medianMs: number;
  readonly maxMs: number;
}

/** What a look costs a call of a holder that is good, in microseconds; and the same call of a holder that never looks. */
export interface LookCost {
  readonly call: string;
  readonly withUs: number;
  readonly withoutUs: number;
}

export interface RevocationReport extends Omit<Header, "settings"> {
  readonly settings: {
    readonly rounds: number;
    readonly reachRounds: number;
    readonly costCalls: number;
    /** PostgreSQL waits for its disk. */
    readonly fsync: "on";
  };
  readonly postgres: string;
  readonly behindWriters: readonly BehindWriters[];
  readonly reach: readonly Reach[];
  readonly cost: readonly LookCost[];
}

/** A head and three tables. */
export function revocationMarkdown(report: RevocationReport): string {
  const { settings, load } = report;
  return [
    `# Revocation, ${report.startedAt.slice(0, 10)}`,
    "",
    `coffer ${report.versions.coffer} (commit ${report.versions.commit}), Node ${report.versions.node}, ${report.postgres}; ${report.machine.cpu}, ${report.machine.cores} cores shared by database, servers and writers; load average ${load.before} before, ${load.after} after.`,
    "",
    `Disables behind writers on PostgreSQL (fsync ${settings.fsync}), ${settings.rounds} rounds each:`,
    "",
    "| writers | writes /s | median ms | max ms | writes answered meanwhile, at most |",
    "|--:|--:|--:|--:|--:|",
    ...report.behindWriters.map(
      ({ writers, writesPerSecond, medianMs, maxMs, writesMeanwhileMax }) =>
        `| ${writers} | ${Math.round(writesPerSecond)} | ${medianMs.toFixed(1)} | ${maxMs.toFixed(1)} | ${writesMeanwhileMax} |`,
    ),
    "",
    `The last use that a holder made after a disable was answered, ${settings.reachRounds} rounds each:`,
    "",
    "| holder | bound | median ms | max ms |",
    "|---|---|--:|--:|",
    ...report.reach.map(
      ({ holder, bound, medianMs, maxMs }) =>
        `| ${holder} | ${bound} | ${Math.round(medianMs)} | ${Math.round(maxMs)} |`,
    ),
    "",
    `What a look costs, ${settings.costCalls} calls, best of several passes in turns:`,
    "",
    "| call | with µs | without µs |",
    "|---|--:|--:|",
    ...report.cost.map(
      ({ call, withUs, withoutUs }) => `| ${call} | ${withUs.toFixed(2)} | ${withoutUs.toFixed(2)} |`,
    ),
    "",
  ].join("\n");
}

/**
 * The result of measuring servers under load, and its table for people.
 *
 * Owns both. Must not know how they were measured.
 *
 * @module
 */
import type { Header } from "../lib/report.ts";

/** One operation at one number of connections; medians of the rounds. */
export interface LoadCell {
  readonly operation: string;
  readonly connections: number;
  readonly coffer: Measure;
  readonly echo: Measure;
  /** Median of the ratios of throughput within a round. */
  readonly ratioToEcho: number;
  /** For writes: rows a second that the storage engine alone stores, each durably, in the same rounds. */
  readonly enginePerSecond?: number;
  readonly ratioToEngine?: number;
}

/** How one server answered. */
export interface Measure {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the server per request. */
  readonly cpuUs: number;
}

export interface LoadReport extends Omit<Header, "settings"> {
  readonly settings: {
    readonly rounds: number;
    readonly roundMs: number;
    readonly connections: readonly number[];
  };
  /** Resident memory of each server at the end. */
  readonly rssMiB: { readonly coffer: number; readonly echo: number };
  readonly cells: readonly LoadCell[];
}

/** A head, one table, and what the storage engine alone does. */
export function loadMarkdown(report: LoadReport): string {
  const rows = report.cells.map(({ operation, connections, coffer, echo, ratioToEcho }) =>
    [
      operation,
      connections,
      Math.round(coffer.perSecond),
      Math.round(echo.perSecond),
      `${Math.round(ratioToEcho * 100)}%`,
      coffer.p50Ms.toFixed(2),
      coffer.p99Ms.toFixed(2),
      Math.round(coffer.cpuUs),
      Math.round(echo.cpuUs),
    ].join(" | "),
  );
  return [
    `# Load, ${report.startedAt.slice(0, 10)}`,
    "",
    `coffer ${report.versions.coffer} (commit ${report.versions.commit}), Node ${report.versions.node}; ${report.machine.cpu}, ${report.machine.cores} cores shared by server, load generator and others; load average ${report.load.before} before, ${report.load.after} after. ${report.settings.rounds} rounds of ${report.settings.roundMs} ms, coffer and echo in turns; medians.`,
    "",
    "| operation | connections | coffer /s | echo /s | of echo | p50 ms | p99 ms | coffer CPU µs | echo CPU µs |",
    "|---|---|---|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
    "",
    ...report.cells
      .filter((cell) => cell.ratioToEngine !== undefined)
      .map(
        ({ operation, connections, enginePerSecond, ratioToEngine }) =>
          `- ${operation}, ${connections} connections: ${Math.round(ratioToEngine! * 100)}% of the engine alone (node:sqlite, one row per durable commit, in the same rounds: ${Math.round(enginePerSecond!)}/s)`,
      ),
    "",
    `Memory at the end: coffer ${report.rssMiB.coffer} MiB, echo ${report.rssMiB.echo} MiB.`,
    "",
  ].join("\n");
}

/**
 * The result of `npm run bench:root-rotation` as a table.
 *
 * Owns its form. Measures nothing.
 *
 * @module
 */

/** One rotation. */
export interface RotationRow {
  readonly storage: string;
  readonly keks: number;
  /** Whether MACs were made anew too, of how many rows. */
  readonly hasLeaked: boolean;
  readonly rows: number;
  readonly seconds: number;
  readonly keksPerSecond: number;
  /** Puts of another host beside the rotation. */
  readonly puts: number;
  readonly putMedianMs: number;
  readonly putMaxMs: number;
}

/** What a run has measured. */
export interface RootRotationReport {
  readonly startedAt: string;
  readonly fileSystem: string;
  readonly machine: { readonly cpu: string; readonly cores: number };
  readonly load: { readonly before: number; readonly after: number };
  readonly rotations: readonly RotationRow[];
}

/** The result as Markdown: a column for each rotation. */
export function rootRotationMarkdown(report: RootRotationReport): string {
  const { rotations, machine, load, fileSystem, startedAt } = report;
  const line = (name: string, value: (row: RotationRow) => string): string =>
    `| ${[name, ...rotations.map(value)].join(" | ")} |`;
  return [
    "# Benchmark: rotation of the root",
    "",
    `${startedAt}, ${machine.cores} cores of ${machine.cpu}, load ${load.before} to ${load.after}, ${fileSystem}.`,
    "",
    line("", ({ storage, hasLeaked }) => `${storage}${hasLeaked ? ", --leaked" : ""}`),
    `|---|${rotations.map(() => "--:|").join("")}`,
    line("KEKs", ({ keks }) => String(keks)),
    line("rows with new MACs", ({ rows }) => String(rows)),
    line("seconds", ({ seconds }) => seconds.toFixed(1)),
    line("KEKs a second", ({ keksPerSecond }) => String(keksPerSecond)),
    line("puts beside", ({ puts }) => String(puts)),
    line("a put, median, ms", ({ putMedianMs }) => putMedianMs.toFixed(2)),
    line("a put, longest, ms", ({ putMaxMs }) => putMaxMs.toFixed(0)),
    "",
  ].join("\n");
}

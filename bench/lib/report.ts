/**
 * Results for people: Markdown tables.
 *
 * Owns how results look on a screen; their files are lib/result-file.ts's. Must not know how they were measured.
 *
 * @module
 */
import type { CaseResult, Clock, CompetitorResult, Settings } from "./harness.ts";
import type { Machine, Versions } from "./machine.ts";
import type { REPORT_SCHEMA } from "./result-file.ts";

/** What every result says of itself. */
export interface Header {
  readonly schema: typeof REPORT_SCHEMA;
  readonly name: string;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: Machine;
  /** Load average of a minute. */
  readonly load: { readonly before: number; readonly after: number };
  readonly versions: Versions;
  readonly settings: Settings;
}

export interface Report extends Header {
  /** Of the directory in which stores were measured. */
  readonly fileSystem: string;
  readonly cases: readonly CaseResult[];
}

const CLOCKS: Readonly<Record<Clock, string>> = { cpu: "processor time", wall: "time" };

/** A cell whose quartiles lie further apart than this is marked. */
const SPREAD_DOUBTFUL = 0.25;

/** Everything, as Markdown. */
export function toMarkdown(report: Report): string {
  const { versions } = report;
  const peers = Object.entries(versions.peers).map(([name, version]) => `${name} ${version}`);
  return [
    ...headLines(report, [`OpenSSL ${versions.openssl}`, `SQLite ${versions.sqlite}`, ...peers], {
      place: `; stores on ${report.fileSystem}`,
    }),
    ...caseTables(report.cases, "##"),
  ].join("\n");
}

/**
 * The title, and on what it was measured.
 *
 * @param versions - beside those of coffer and Node
 */
export function headLines(
  { name, startedAt, seconds, machine, load, versions: { coffer, commit, isDirty, node }, settings }: Header,
  versions: readonly string[],
  { place = "" } = {},
): string[] {
  const state = `${commit ?? "unknown"}${isDirty === true ? " with changes" : ""}`;
  const busy = Math.max(load.before, load.after) > machine.cores / 2;
  return [
    `# Benchmark ${name}, ${startedAt.slice(0, 10)}`,
    "",
    `coffer ${coffer} (commit ${state}), ${[`Node ${node}`, ...versions].join(", ")}.`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}${place}.`,
    `Load average ${load.before} before, ${load.after} after${busy ? ": others were working too, trust ratios and the best samples only" : ""}.`,
    `${settings.rounds} rounds of ${settings.sampleMs} ms samples, ${seconds} s in all.`,
    "",
  ];
}

/**
 * Two tables for each work: ratios, and what a caller waits.
 *
 * @param level - of the titles
 */
export function caseTables(cases: readonly CaseResult[], level: "##" | "###"): string[] {
  const works = Map.groupBy(cases, (result) => `${result.suite}: ${result.work}`);
  return [...works].flatMap(([title, results]) => {
    const [{ clock, competitors }] = results as [CaseResult];
    const names = competitors.map(({ name }) => name);
    const row = (result: CaseResult, cell: (competitor: CompetitorResult) => string): string[] => [
      result.size,
      ...result.competitors.map(cell),
    ];
    return [
      `${level} ${title}`,
      "",
      `Times ${names[0]}, in ${CLOCKS[clock]}: median of the ratios within a round (~ where the middle half of them spreads over more than ${SPREAD_DOUBTFUL * 100}%); in brackets the ratio of the best samples.`,
      "",
      ...table([
        ["", ...names],
        ...results.map((result) => row(result, (c) => ratio(c, result.competitors[0]!, clock))),
      ]),
      "",
      "A caller waits: median; in brackets the best sample.",
      "",
      ...table([["", ...names], ...results.map((result) => row(result, time))]),
      "",
    ];
  });
}

function ratio(competitor: CompetitorResult, baseline: CompetitorResult, clock: Clock): string {
  if (competitor === baseline) return "1";
  const { median, spread } = competitor.ratio;
  const best = competitor[clock].ns.min / baseline[clock].ns.min;
  return `${spread > SPREAD_DOUBTFUL ? "~" : ""}${digits(median)} (${digits(best)})`;
}

function time({ wall: { ns } }: CompetitorResult): string {
  return `${duration(ns.median)} (${duration(ns.min)})`;
}

/** Nanoseconds, for people. */
export function duration(ns: number): string {
  if (ns < 1e6) return `${digits(ns / 1e3)} µs`;
  return `${digits(ns / 1e6)} ms`;
}

/** Three digits at most say as much as these measurements can. */
export function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Markdown that is aligned as plain text as well; the first row is the head. */
export function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  const [head = [], ...body] = rows;
  return [line(head), rule, ...body.map(line)];
}

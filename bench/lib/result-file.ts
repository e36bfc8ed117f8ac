/**
 * A result as a file: what a reader of the tables needs, in as few bytes as that takes.
 *
 * Owns the form of the file. Cases of the same competitors become one table: their names once, then one list of
 * numbers for each size and competitor. Samples are left out. Must not know what was measured.
 *
 * @module
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CaseResult, CompetitorResult, Subject } from "./harness.ts";

/** Changes when a reader of the files would have to. */
export const REPORT_SCHEMA = 3;

/** Digits of a number that is not whole: one more than the tables show. */
const PRECISION = 4;
/** Characters of a line, as in the sources; longer values stand on several lines. */
const LINE_CHARACTERS = 110;

/** Numbers of one competitor, in this order: nanoseconds by the wall's clock and the processor's, then the ratio. */
const COLUMNS = [
  "wall median",
  "wall min",
  "wall spread",
  "cpu median",
  "cpu min",
  "cpu spread",
  "ratio median",
  "ratio spread",
] as const;

/** Cases of one work, which differ in size only. */
interface Table extends Omit<Subject, "size"> {
  readonly columns: typeof COLUMNS;
  readonly competitors: readonly string[];
  readonly rows: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/**
 * Writes `<name>.json`, in place of an older one.
 *
 * @returns its path
 */
export function writeResult(result: { readonly name: string }, directory: string): string {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${result.name}.json`);
  const compact = (key: string, value: unknown): unknown => {
    if (key === "cases") return tablesOf(value as readonly CaseResult[]);
    return typeof value === "number" && !Number.isInteger(value)
      ? Number(value.toPrecision(PRECISION))
      : value;
  };
  writeFileSync(path, `${inLines(JSON.parse(JSON.stringify(result, compact)))}\n`);
  return path;
}

/** Reads what `writeResult` wrote. */
export function readResult<T>(path: string): T {
  const expand = (key: string, value: unknown): unknown =>
    key === "cases" ? (value as readonly Table[]).flatMap(casesOf) : value;
  return JSON.parse(readFileSync(path, "utf8"), expand) as T;
}

function tablesOf(cases: readonly CaseResult[]): Table[] {
  const groups = Map.groupBy(cases, ({ suite, work, clock, competitors }) =>
    JSON.stringify([suite, work, clock, competitors.map(({ name }) => name)]),
  );
  return [...groups.values()].map((group) => {
    const { suite, work, clock, competitors } = group[0]!;
    return {
      suite,
      work,
      clock,
      columns: COLUMNS,
      competitors: competitors.map(({ name }) => name),
      rows: Object.fromEntries(group.map((result) => [result.size, result.competitors.map(numbersOf)])),
    };
  });
}

function numbersOf({ wall, cpu, ratio }: CompetitorResult): number[] {
  const times = [wall, cpu].flatMap(({ ns }) => [
    Math.round(ns.median),
    Math.round(ns.min),
    percent(ns.spread),
  ]);
  return [...times, ratio.median, percent(ratio.spread)];
}

/** A spread to the hundredth. */
function percent(spread: number): number {
  return Math.round(spread * 100) / 100;
}

function casesOf({ suite, work, clock, competitors, rows }: Table): CaseResult[] {
  return Object.entries(rows).map(([size, row]) => ({
    suite,
    work,
    size,
    clock,
    competitors: row.map((numbers, i) => {
      const at = (column: (typeof COLUMNS)[number]): number => numbers[COLUMNS.indexOf(column)]!;
      return {
        name: competitors[i]!,
        wall: { ns: { median: at("wall median"), min: at("wall min"), spread: at("wall spread") } },
        cpu: { ns: { median: at("cpu median"), min: at("cpu min"), spread: at("cpu spread") } },
        ratio: { median: at("ratio median"), spread: at("ratio spread") },
      };
    }),
  }));
}

/** JSON in which a value that fits a line stands on one. */
function inLines(value: unknown): string {
  const flat = JSON.stringify(value);
  if (flat.length <= LINE_CHARACTERS || typeof value !== "object" || value === null) return flat;
  if (Array.isArray(value)) return `[\n${value.map(inLines).join(",\n")}\n]`;
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${inLines(member)}`);
  return `{\n${members.join(",\n")}\n}`;
}

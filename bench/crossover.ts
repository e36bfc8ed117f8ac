/**
 * `npm run bench:crossover -- [--runtimes LIST]`: up to which size the WebAssembly module is faster than what the
 * runtime has natively, on each runtime that is installed (bench/runtimes). What src/crypto/aead/choose.ts decides by is
 * measured with it.
 *
 * Owns the table of crossovers. It writes nothing but its result and decides nothing: a person enters the numbers
 * there.
 *
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { CaseResult } from "./lib/harness.ts";
import { caseTables, headLines, table } from "./lib/report.ts";
import { readResult, writeResult } from "./lib/result-file.ts";
import { measureRuntimes, runtimeNames } from "./runtimes/main.ts";
import type { RuntimesReport } from "./runtimes/report.ts";
import { CROSSOVER_SIZES } from "./runtimes/suite.ts";

/** Who meets whom. Sync calls compare with sync ones, async with async, since an await costs by itself. */
const DUELS = [
  { ours: "wasm", native: "node" },
  { ours: "wasm, async", native: "node, async" },
  { ours: "wasm, async", native: "webcrypto, async" },
  { ours: "node, async", native: "webcrypto, async" },
] as const;

/**
 * The largest size at which `ours` is no slower, all smaller ones included.
 *
 * @returns bytes as text; "none" or "all" of those measured
 */
export function crossover(
  cases: readonly CaseResult[],
  work: string,
  ours: string,
  native: string,
): string | undefined {
  let last: string | undefined;
  let isAll = true;
  for (const { competitors } of cases.filter((result) => result.work === work)) {
    const best = (name: string): number | undefined =>
      competitors.find((competitor) => competitor.name === name)?.cpu.ns.min;
    const [a, b] = [best(ours), best(native)];
    if (a === undefined || b === undefined) return undefined;
    if (a > b) {
      isAll = false;
      break;
    }
    last = cases.find((result) => result.competitors === competitors)?.size;
  }
  return isAll ? `all up to ${last}` : (last ?? "none");
}

/** The crossovers, then all tables. */
export function crossoverMarkdown(report: RuntimesReport): string {
  const rows = report.runtimes.flatMap(({ name, cases }) =>
    DUELS.flatMap(({ ours, native }) => {
      const [seal, open] = (["seal", "open"] as const).map((work) => crossover(cases, work, ours, native));
      return seal === undefined || open === undefined ? [] : [[name, ours, native, seal, open]];
    }),
  );
  return [
    ...headLines(report, []),
    ...report.runtimes.map(({ name, about }) => `- ${name}: ${about.engine}`),
    ...report.skipped.map(({ name, why }) => `- not measured: ${name}, ${why}`),
    "",
    "## Up to which size one is faster than the other",
    "",
    "By the best samples of processor time.",
    "",
    ...table([["", "this", "than this", "seal", "open"], ...rows]),
    "",
    ...report.runtimes.flatMap(({ name, cases }) => [`## ${name}`, "", ...caseTables(cases, "###")]),
  ].join("\n");
}

if (import.meta.main) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ options: { runtimes: text, name: text, out: text } });
  const names = values.runtimes?.split(",");
  if (names?.some((name) => !runtimeNames().includes(name))) {
    process.stderr.write(`node bench/crossover.ts [--runtimes ${runtimeNames().join(",")}]\n`);
    process.exitCode = 2;
  } else {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
    const log = (line: string): void => console.error(line);
    const report = await measureRuntimes("runtimes", "crossover", values.name ?? "crossover", names, log);
    const path = writeResult(report, values.out ?? join(import.meta.dirname, "results"));
    console.log(`\n${crossoverMarkdown(readResult(path))}`);
    console.error(`written to ${path}; ${CROSSOVER_SIZES.length} sizes`);
  }
}

/**
 * `npm run bench:show -- RESULT.json`: the tables of a result that was kept.
 *
 * Owns which tables belong to which result.
 *
 * @module
 */
import { crossoverMarkdown } from "./crossover.ts";
import { type Header, type Report, toMarkdown } from "./lib/report.ts";
import { readResult } from "./lib/result-file.ts";
import { type LoadReport, loadMarkdown } from "./load/report.ts";
import { type NativeReport, nativeMarkdown } from "./native/report.ts";
import { type RekeyReport, rekeyMarkdown } from "./rekey-report.ts";
import { type RevocationReport, revocationMarkdown } from "./revocation/report.ts";
import { type RootRotationReport, rootRotationMarkdown } from "./root-rotation-report.ts";
import { type RuntimesReport, runtimesMarkdown, showRuntimes } from "./runtimes/report.ts";
import { SEALED_SUITE } from "./runtimes/suite.ts";
import { type TenantsReport, tenantsMarkdown } from "./tenants/report.ts";

/** The runtimes' own cipher: crossovers compare providers with each other, without it. */
const FLOOR = "bare";

/** The tables of a result, as Markdown. */
export function showResult(path: string): string {
  const result = readResult<Omit<Header, "settings"> | RuntimesReport>(path);
  if ("behindWriters" in result) return revocationMarkdown(result as RevocationReport);
  if ("rssMiB" in result) return loadMarkdown(result as LoadReport);
  if ("firstUs" in result) return tenantsMarkdown(result as unknown as TenantsReport);
  if ("secretBytes" in result) return rekeyMarkdown(result as unknown as RekeyReport);
  if ("rotations" in result) return rootRotationMarkdown(result as unknown as RootRotationReport);
  if ("cells" in result) return nativeMarkdown(result as NativeReport);
  if (!("runtimes" in result)) return toMarkdown(result as Report);
  const hasFloor = result.runtimes.some(({ cases }) =>
    cases.some(({ competitors }) => competitors.some(({ name }) => name === FLOOR)),
  );
  if (hasFloor) return runtimesMarkdown(result);
  const isSealed = result.runtimes.some(({ cases }) => cases.some(({ suite }) => suite === SEALED_SUITE));
  return isSealed ? showRuntimes(result) : crossoverMarkdown(result);
}

if (import.meta.main) {
  const [path] = process.argv.slice(2);
  if (path === undefined) {
    process.stderr.write("npm run bench:show -- RESULT.json\n");
    process.exitCode = 2;
  } else console.log(showResult(path));
}

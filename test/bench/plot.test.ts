/** The picture of a benchmark: made of a result as it is written, with nothing that is not a number in it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Report } from "../../bench/lib/report.ts";
import { toSvg } from "../../bench/plot.ts";
import type { RuntimesReport } from "../../bench/runtimes/report.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

test("every result that is kept can be drawn", () => {
  const directory = join(REPOSITORY_ROOT, "bench", "results");
  const results = readdirSync(directory).filter((name) => name.endsWith(".json"));
  expect(results.length).toBeGreaterThan(0);
  for (const name of results) {
    const report = JSON.parse(readFileSync(join(directory, name), "utf8")) as Report | RuntimesReport;
    // Other results have no curves: of files, of a server, of crossovers.
    const cases = "runtimes" in report ? report.runtimes.flatMap((found) => found.cases) : report.cases;
    const hasCurves = cases?.some(
      ({ suite, competitors }) =>
        suite === "envelope" || competitors.some((competitor) => competitor.name === "coffer sync"),
    );
    if (hasCurves !== true) continue;
    const svg = toSvg(report);
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    expect(svg.match(/<polyline /g)?.length).toBeGreaterThan(2);
  }
});

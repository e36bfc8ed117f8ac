/** The results that are kept: what is printed and drawn of them is made of numbers only, and they stay small. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Report } from "../../bench/lib/report.ts";
import { readResult } from "../../bench/lib/result-file.ts";
import { toSvg } from "../../bench/plot.ts";
import type { RuntimesReport } from "../../bench/runtimes/report.ts";
import { showResult } from "../../bench/show.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const DIRECTORY = join(REPOSITORY_ROOT, "bench", "results");
/** Bytes of all results that are kept. */
const MAX_BYTES = 210_000;
/** Names of the kept ones have no dash: the others are of single runs, and git ignores them. */
const results = readdirSync(DIRECTORY).filter((name) => /^\w+\.json$/.test(name));

test("one result of each suite is kept, within the bound", () => {
  expect(results.toSorted()).toEqual(
    [
      "crossover",
      "envelope",
      "files",
      "kv",
      "load",
      "native",
      "peers",
      "rekey",
      "revocation",
      "root",
      "runtimes",
      "sealed",
      "sealedRuntimes",
      "tenants",
      "ways",
    ].map((suite) => `${suite}.json`),
  );
  const bytes = results.reduce((sum, name) => sum + statSync(join(DIRECTORY, name)).size, 0);
  expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
});

test.each(results)("%s can be shown as tables", (name) => {
  const text = showResult(join(DIRECTORY, name));
  expect(text).toMatch(/^# (Benchmark|Load|Revocation)/);
  expect(text).not.toMatch(/NaN|undefined|Infinity/);
  expect(text.split("\n").filter((line) => line.startsWith("|")).length).toBeGreaterThan(5);
});

test.each([
  { result: "envelope", picture: "bench" },
  { result: "runtimes", picture: "bench-runtimes" },
])("docs/$picture.svg is drawn from $result.json", ({ result, picture }) => {
  const svg = toSvg(readResult<Report | RuntimesReport>(join(DIRECTORY, `${result}.json`)));
  expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg.match(/<polyline /g)?.length).toBeGreaterThan(2);
  expect(svg).toBe(readFileSync(join(REPOSITORY_ROOT, "docs", `${picture}.svg`), "utf8"));
});

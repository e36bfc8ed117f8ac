/**
 * The checks that need no test runner: types, format and lint, imports, documents, what the files may not say.
 *
 * Owns their list. Each is implemented in a file of its own.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkPages } from "./documents/api/pages.ts";
import { readDocuments } from "./documents/coverage.ts";
import { checkBundles } from "./imports/bundle.ts";
import { checkEngines } from "./imports/engines.ts";
import { checkSources, formatViolation } from "./imports/rules.ts";
import { checkClaims } from "./repository/claims.ts";
import { checkDocstrings } from "./repository/docstrings.ts";
import { checkLinks } from "./repository/links.ts";
import { listFiles } from "./repository/list-files.ts";
import {
  checkDependencyRanges,
  checkImportTable,
  checkNamedImports,
  type PackageManifest,
} from "./repository/package.ts";
import { checkLockFile, checkTexts } from "./repository/texts.ts";
import { ROOT } from "./root.ts";
import { type RunOptions, runNode } from "./run.ts";
import { checkSizes } from "./sizes/check.ts";
import type { Step } from "./steps.ts";

/** biome paints its output whatever it is written to. */
const COLORS = process.stdout.isTTY ? "--colors=force" : "--colors=off";

export const CHECK_STEPS: readonly Step[] = [
  { name: "types: tsc", run: () => tool("node_modules/typescript7/bin/tsc", ["-p", "."]) },
  {
    name: "types: tsc, the inspector's page",
    run: () => tool("node_modules/typescript7/bin/tsc", ["-p", "examples/inspector"]),
  },
  {
    name: "format and lint: biome",
    run: () =>
      tool("node_modules/@biomejs/biome/bin/biome", [
        "ci",
        COLORS,
        "--error-on-warnings",
        "--diagnostic-level=warn",
        ".",
      ]),
  },
  { name: "imports: the rules of the house", run: () => checkSources(ROOT).map(formatViolation) },
  {
    name: "imports: portable entries bundle for browsers",
    run: async () => (await checkBundles(ROOT)).map(formatViolation),
  },
  {
    name: "imports: no feature that a supported engine lacks",
    run: () => checkEngines(ROOT).map(formatViolation),
  },
  { name: "sizes: no import grows beyond its limit", run: () => checkSizes(ROOT) },
  {
    name: "package: README and llms.txt name what is exported, dependencies are ranges",
    run: () => {
      const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as PackageManifest;
      const readme = readFileSync(join(ROOT, "README.md"), "utf8");
      const llms = readFileSync(join(ROOT, "llms.txt"), "utf8");
      return [
        ...checkImportTable(manifest, readme),
        ...checkNamedImports(manifest, llms),
        ...checkDependencyRanges(manifest),
      ];
    },
  },
  {
    name: "sources: every exported name has a docstring",
    run: () => checkDocstrings(ROOT, listFiles(ROOT)),
  },
  {
    name: "documents: blocks of code run, or name the test that covers them",
    run: () => readDocuments(ROOT, listFiles(ROOT)).problems,
  },
  { name: "documents: docs/api is what the docstrings say", run: () => checkPages(ROOT, listFiles(ROOT)) },
  {
    name: "security: every claim names tests that run",
    run: () => checkClaims(ROOT, listFiles(ROOT)),
  },
  { name: "documents: links resolve", run: () => checkLinks(ROOT, listFiles(ROOT)) },
  { name: "files: no registry hosts, no absolute paths", run: () => checkTexts(ROOT, listFiles(ROOT)) },
  { name: "files: the lock file names no download address", run: () => checkLockFile(ROOT) },
];

/** Runs a tool's script; what it printed is the problem if it fails. */
export async function tool(
  script: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string[]> {
  const { ok, output, reason } = await runNode(script, args, { capture: true, ...options });
  return ok ? [] : [`${output.trimEnd()}\n(${reason})`];
}

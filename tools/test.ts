/**
 * `npm test`: the checks, the build, all tests with coverage, and the scripts that are tests as well.
 *
 * Owns the order and the sum. The last line is `N passed, N failed`, over tests, steps and scripts.
 *
 * @module
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CHECK_STEPS, tool } from "./check-steps.ts";
import { ROOT } from "./root.ts";
import { endChildrenOnSignals, runNode } from "./run.ts";
import { runStep, type Step, Tally } from "./steps.ts";
import { readSummary } from "./summary-reporter.ts";

/** Scripts that test what vitest cannot hold; each says by its exit code whether all is well. */
const SCRIPTS: readonly { name: string; file: string; args: readonly string[] }[] = [
  {
    name: "soak: the WebAssembly provider against node:crypto",
    file: "test/soak/wasm-aead.ts",
    args: ["--short"],
  },
  { name: "soak: processes killed while they write", file: "test/soak/kill-nine.ts", args: ["--short"] },
];

const TESTS_TIMEOUT_MINUTES = 30;

const BUILD: Step = {
  name: "build: tsup",
  run: () => tool("node_modules/tsup/dist/cli-default.js", []),
};

endChildrenOnSignals();
const tally = new Tally();
for (const step of [...CHECK_STEPS, BUILD]) await runStep(step, tally);
await runTests();
for (const script of SCRIPTS) await runScript(script);
tally.finish();

async function runTests(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "coffer-test-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "summary.json");
  const { ok, reason } = await runNode("node_modules/vitest/vitest.mjs", ["run", "--coverage"], {
    env: { COFFER_TEST_SUMMARY: path },
    timeoutMinutes: TESTS_TIMEOUT_MINUTES,
  });
  const summary = readSummary(path);
  const failed = summary === undefined ? 0 : summary.failed + summary.broken.length;
  tally.passed += summary?.passed ?? 0;
  tally.failed += failed;
  for (const { name, reason: why } of summary?.skipped ?? []) tally.skip(`${name}: ${why}`);
  for (const what of summary?.broken ?? []) console.log(`FAIL  ${what}`);
  // Failed tests fail the runner as well; and coverage, which tests that failed did not give, is not measured.
  if (failed > 0) return;
  // Coverage below its threshold, no tests at all, a crash of the runner.
  const problems = ok ? [] : [`${reason}: see above`];
  await runStep({ name: "tests: coverage and the runner itself", run: () => problems }, tally);
}

async function runScript({ name, file, args }: (typeof SCRIPTS)[number]): Promise<void> {
  if (!existsSync(join(ROOT, file))) {
    tally.skip(`${name}: there is no ${file}`);
    return;
  }
  console.log(`\n${name}`);
  const run = async (): Promise<string[]> => {
    const { ok, reason } = await runNode(file, args);
    return ok ? [] : [reason];
  };
  await runStep({ name, run }, tally);
}

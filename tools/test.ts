/**
 * `npm test`: the checks, the build, all tests with coverage, and the scripts that are tests as well. `npm run test:full`
 * (`--full`) adds what takes too long for every change: long soaks, and the packed tarball with every compiler and framework.
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

/** A script that tests what vitest cannot hold; it says by its exit code whether all is well. */
interface Script {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Its arguments with `--full`, if others. */
  readonly fullArgs?: readonly string[];
  /** It runs with `--full` only. */
  readonly isLong?: boolean;
  /** It writes a summary of its own tests, which are counted one by one. */
  readonly counts?: boolean;
}

const SCRIPTS: readonly Script[] = [
  {
    name: "soak: the WebAssembly provider against node:crypto",
    file: "test/soak/wasm-aead.ts",
    args: ["--short"],
    fullArgs: [],
  },
  {
    name: "soak: kills, failing calls and crashes, and nothing lost",
    file: "test/soak/main.ts",
    args: ["--short"],
    fullArgs: [],
  },
  {
    name: "soak: rotate, rewrap and shred under writers on PostgreSQL, and nothing lost",
    file: "test/soak/revocation.ts",
    args: [],
    isLong: true,
  },
  {
    name: "soak: rotations of the root killed while others write",
    file: "test/soak/root.ts",
    args: ["--short"],
    fullArgs: [],
  },
  {
    name: "soak: workers of a rekey job killed while they write",
    file: "test/soak/rekey-data.ts",
    args: ["--short"],
    fullArgs: ["--rows", "200000", "--kills", "40"],
  },
  {
    name: "soak: a rekey job whose database crashes and fails over",
    file: "test/soak/rekey-data.ts",
    args: ["--rows", "100000", "--kills", "10", "--restarts", "3", "--failovers", "2"],
    isLong: true,
  },
  {
    name: "soak: the short ways against the long way",
    file: "test/soak/short-ways.ts",
    args: [],
    isLong: true,
  },
  {
    name: "soak: HPKE against another implementation, in both directions",
    file: "test/soak/hpke.ts",
    args: [],
    isLong: true,
  },
  {
    name: "fuzz: mutated envelopes, key blobs and bodies",
    file: "test/fuzz/main.ts",
    args: ["--seconds", "6"],
    fullArgs: ["--seconds", "60"],
  },
  {
    name: "mutation: what protects a secret or a right, each taken away",
    file: "tools/mutation/main.ts",
    args: ["--named", "--sample", "8"],
    fullArgs: ["--named"],
  },
  {
    name: "mutation: a sample of the files that are done",
    file: "tools/mutation/main.ts",
    args: ["--sample", "40"],
    isLong: true,
  },
  { name: "inspector: the page in three engines", file: "test/inspector/run.ts", args: [], counts: true },
  {
    name: "contact form: the example in three engines, with its server and a vault",
    file: "test/contact-form/run.ts",
    args: [],
    counts: true,
  },
  { name: "interop: WorkOS's own SDKs", file: "test/interop/run.ts", args: [], counts: true },
  {
    name: "runtimes: the portable core everywhere",
    file: "test/runtimes/run.ts",
    args: [],
    fullArgs: ["--full"],
    counts: true,
  },
  {
    name: "documents: every block of code, from the tarball",
    file: "test/documents/run.ts",
    args: [],
    counts: true,
  },
  {
    name: "package: the tarball in every kind of project",
    file: "test/package/run.ts",
    args: [],
    fullArgs: ["--full"],
    counts: true,
  },
];

const TESTS_TIMEOUT_MINUTES = 30;
/** For a script; ours, several times what the longest takes. */
const SCRIPT_TIMEOUT_MINUTES = { normal: 10, full: 60 };

const BUILD: Step = {
  name: "build: tsup",
  run: () => tool("node_modules/tsup/dist/cli-default.js", []),
};

endChildrenOnSignals();
const tally = new Tally();
for (const step of [...CHECK_STEPS, BUILD]) await runStep(step, tally);
await runTests();
const isFull = process.argv.slice(2).includes("--full");
for (const script of SCRIPTS) if (isFull || script.isLong !== true) await runScript(script);
tally.finish();

async function runTests(): Promise<void> {
  const path = summaryPath();
  const { ok, reason } = await runNode("node_modules/vitest/vitest.mjs", ["run", "--coverage"], {
    env: { COFFER_TEST_SUMMARY: path },
    timeoutMinutes: TESTS_TIMEOUT_MINUTES,
  });
  const failed = addSummary(path);
  // Failed tests fail the runner as well; and coverage, which tests that failed did not give, is not measured.
  if (failed > 0) return;
  // Coverage below its threshold, no tests at all, a crash of the runner.
  const problems = ok ? [] : [`${reason}: see above`];
  await runStep({ name: "tests: coverage and the runner itself", run: () => problems }, tally);
}

async function runScript({ name, file, args, fullArgs = args, counts }: Script): Promise<void> {
  if (!existsSync(join(ROOT, file))) {
    tally.skip(`${name}: there is no ${file}`);
    return;
  }
  console.log(`\n${name}`);
  const run = async (): Promise<string[]> => {
    const path = summaryPath();
    const { ok, reason } = await runNode(file, isFull ? fullArgs : args, {
      timeoutMinutes: isFull ? SCRIPT_TIMEOUT_MINUTES.full : SCRIPT_TIMEOUT_MINUTES.normal,
      ...(counts ? { env: { COFFER_TEST_SUMMARY: path } } : {}),
    });
    if (counts) addSummary(path);
    return ok ? [] : [reason];
  };
  await runStep({ name, run }, tally);
}

/** Where a run writes its counts; gone when this process ends. */
function summaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "coffer-test-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "summary.json");
}

/** Counts what a run wrote. @returns how much of it failed */
function addSummary(path: string): number {
  const summary = readSummary(path);
  const failed = summary === undefined ? 0 : summary.failed + summary.broken.length;
  tally.passed += summary?.passed ?? 0;
  tally.failed += failed;
  for (const { name, reason } of summary?.skipped ?? []) tally.skip(`${name}: ${reason}`);
  for (const what of summary?.broken ?? []) console.log(`FAIL  ${what}`);
  return failed;
}

/**
 * `npm run test:runtimes`: the conformance program on every runtime that can be had here.
 *
 * Owns installing the pinned runtimes, starting and ending each, and what is counted: every part of the program on
 * every runtime. Names what it skips, and ends with `N passed, N failed`. Must not know how a runtime is started.
 *
 *     node test/runtimes/run.ts [--full] [--only=NAME,…]
 *
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createApp, listen } from "../../src/server/index.ts";
import { PERMISSIONS } from "../../src/vault/access/api-keys.ts";
import { openFileHost } from "../../src/vault/open-vault.ts";
import { runStep, Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { type Command, HOSTS, type Host } from "./hosts.ts";
import { installRuntimes } from "./install.ts";
import { packedSteps } from "./packed.ts";
import type { Input, Report } from "./report.ts";
import { openSite, type Page, type Site } from "./site.ts";
import { readSealedTestkit, readTestkit, readVectors } from "./vectors.ts";

const MS_PER_SECOND = 1_000;
/** For one runtime; ours. The slowest takes about a tenth of it. */
const RUN_MS = 180 * MS_PER_SECOND;
const VERSION_MS = 20 * MS_PER_SECOND;
/** Of a process that has posted its report and should end by itself. */
const GRACE_MS = 5 * MS_PER_SECOND;
/** Of a runtime's own output, where it failed. */
const OUTPUT_CHARS = 2_000;
/** Not a runtime: the packed tarball, by --only. */
const PACKED = "packed";
/** Runtimes at a time. */
const LANES = 2;

const { values: options } = parseArgs({
  options: { full: { type: "boolean", default: false }, only: { type: "string" } },
});
const only = options.only?.split(",");
const unknown = only?.find((name) => name !== PACKED && !HOSTS.some((host) => host.name === name));
if (unknown !== undefined) {
  console.error(`there is no runtime ${unknown}; there are ${HOSTS.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
const chosen = HOSTS.filter(({ name, isLong }) =>
  only === undefined ? options.full || isLong !== true : only.includes(name),
);

const tally = new Tally();
const skipped: { name: string; reason: string }[] = [];
const scratch = mkdtempSync(join(tmpdir(), "coffer-runtimes-"));
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) killGroup(child);
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(1));

const installProblem = installRuntimes();
const { vectors, absent } = readVectors();
for (const path of absent) skip("vectors", `${path} is not there (COFFER_VECTORS says where vectors are)`);
const vault = await openFileHost({ path: ":memory:" });
const server = await listen(createApp({ host: vault }), { port: 0 });
const { id } = await vault.environment("runtimes");
const { key: apiKey } = await vault.apiKeys.create(id, { name: "runtimes", permissions: PERMISSIONS });
const inputs = new Map<string, Input>();
const pages = new Map<string, Page>();
const site = await openSite(inputs, pages, server.url);
const testkit = readTestkit();
const sealedTestkit = readSealedTestkit();
for (const { name, expected, page } of chosen) {
  const url = page === undefined ? server.url : site.url;
  inputs.set(name, { name, expected, vectors, testkit, sealedTestkit, server: { url, apiKey } });
  if (page !== undefined) pages.set(name, page);
}

const queue = [...chosen];
await Promise.all(
  Array.from({ length: LANES }, async () => {
    for (let host = queue.shift(); host !== undefined; host = queue.shift()) await runHost(host, site);
  }),
);
if (only === undefined || only.includes(PACKED)) {
  const packed = packedSteps(scratch);
  for (const { name, reason } of packed.skipped) skip(name, reason);
  for (const step of packed.steps) await runStep(step, tally);
}
await site.close();
await server.close();
await vault.close();

leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();

function skip(name: string, reason: string): void {
  skipped.push({ name: `runtimes: ${name}`, reason });
  tally.skip(`${name}: ${reason}`);
}

/** Runs one runtime, prints a line on it, and counts the parts that it reports. */
async function runHost(host: Host, at: Site): Promise<void> {
  const executable = host.executable();
  if (executable === undefined) {
    const why = host.page === undefined && installProblem !== undefined ? `: ${installProblem}` : "";
    skip(host.name, `it is not on this machine (${host.source})${why}`);
    return;
  }
  const version = versionOf(executable, host);
  const directory = join(scratch, host.name);
  mkdirSync(directory);
  const start = performance.now();
  const command = host.command(executable, at, directory);
  // Runtimes end by themselves, browsers do not.
  const graceMs = host.page === undefined ? GRACE_MS : 0;
  const { report, problem } = await execute(command, at.reportOf(host.name), graceMs);
  const seconds = ((performance.now() - start) / MS_PER_SECOND).toFixed(1);
  const checks = report?.parts.reduce((sum, part) => sum + part.checks, 0) ?? 0;
  const { providers, syncSmall, syncLarge, asyncLarge } = host.expected;
  console.log(
    `\n${host.name}: ${version}; ${providers.join(", ")}; at once ${syncSmall} and ${syncLarge}, ` +
      `else ${asyncLarge}; ${checks} checks in ${seconds} s`,
  );
  for (const { name, checks: count, failures } of report?.parts ?? []) {
    // A part that checked nothing has proved nothing.
    const problems = count === 0 && failures.length === 0 ? ["nothing was checked"] : failures;
    await runStep({ name: `${host.name}: ${name}, ${count} checks`, run: () => problems }, tally);
  }
  await runStep(
    { name: `${host.name}: comes to its end`, run: () => (problem === "" ? [] : [problem]) },
    tally,
  );
}

function versionOf(executable: string, { version }: Host): string {
  const { file, args } = version(executable);
  const text = execFileSync(file, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    timeout: VERSION_MS,
  });
  return text.split("\n", 1)[0]!.trim();
}

interface Ended {
  readonly report: Report | undefined;
  /** Empty if a report came. */
  readonly problem: string;
}

/** Runs a command until its report has come, then ends it. */
async function execute({ file, args }: Command, reported: Promise<Report>, graceMs: number): Promise<Ended> {
  const child = spawn(file, args, {
    cwd: scratch,
    env: { ...process.env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1", HOME: scratch },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARS);
    });
  }
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) =>
      resolve(signal === null ? `exit code ${code}` : `ended by ${signal}`),
    );
  });
  const { promise: late, resolve: end } = Promise.withResolvers<string>();
  const timer = setTimeout(() => end(`no report within ${RUN_MS / MS_PER_SECOND} s`), RUN_MS);
  try {
    const first = await Promise.race([reported, ended, late]);
    if (typeof first === "string") return { report: undefined, problem: `${first}\n${output}` };
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, graceMs))]);
    return { report: first, problem: "" };
  } catch (error) {
    return { report: undefined, problem: `a report that cannot be read: ${String(error)}` };
  } finally {
    clearTimeout(timer);
    killGroup(child);
    await ended;
    running.delete(child);
  }
}

/** A detached child leads a group of its own id, in which a browser's many processes are as well. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

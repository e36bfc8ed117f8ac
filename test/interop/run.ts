/**
 * `npm run test:interop`: WorkOS's own SDKs, unmodified, against a coffer server.
 *
 * Owns which SDKs are run, how they are fetched and built, and what is checked of what they report. Runs those whose
 * toolchain and packages can be had, names those that it skips, and ends with `N passed, N failed`. What is built lies
 * under node_modules/.cache and is used again.
 *
 *     node test/interop/run.ts [--only=NAME,…] [--rust]
 *
 * @module
 */
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { Vault } from "../../src/facade/vault.ts";
import { createApp, listen } from "../../src/server/index.ts";
import { PERMISSIONS } from "../../src/vault/access/api-keys.ts";
import { openFileHost } from "../../src/vault/open-vault.ts";
import { ROOT } from "../../tools/root.ts";
import { runStep, type Step, Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { CHECKS, type Exchanged, formatExchanged, MESSAGES, parseReport } from "./protocol.ts";

const SOURCES = join(ROOT, "test/interop");
const CACHE = join(ROOT, "node_modules/.cache/coffer-interop");
const MS_PER_MINUTE = 60_000;
/** To fetch an SDK and what it needs. Ours; seconds if the registry is well. */
const FETCH_MINUTES = 4;
const BUILD_MINUTES = 4;
const RUST_BUILD_MINUTES = 20;
const DRIVER_MINUTES = 2;
const REASON_CHARS = 300;

/** A program to run, with the directory it runs in. */
interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

interface Sdk {
  readonly name: string;
  /** The layout that it writes, and the only one it reads. */
  readonly layout: "iv12" | "leb-first";
  /** Run only if asked for, and why. */
  readonly optIn?: string;
  /** No registry served it where its driver was written: that the driver does not build is told, not counted. */
  readonly isUnproven?: boolean;
  /** What must be on the PATH. */
  readonly toolchain: readonly string[];
  /**
   * Makes the driver ready.
   *
   * @param directory - for what is built; the SDK's own, made already
   * @throws Unavailable if a package cannot be had, any other error if the driver does not build
   */
  readonly prepare: (directory: string) => Promise<Command>;
}

/** An SDK cannot be run here, and that says nothing about coffer. */
class Unavailable extends Error {}

const nodeDriver = (version: string): Sdk => ({
  name: `node-${version}`,
  layout: "iv12",
  toolchain: [],
  prepare: async () => ({ file: process.execPath, args: [join(SOURCES, "node/driver.ts"), version] }),
});

const goDriver = (version: string, layout: Sdk["layout"]): Sdk => ({
  name: `go-${version}`,
  layout,
  toolchain: ["go"],
  prepare: async (directory) => {
    cpSync(join(SOURCES, "go", version), directory, { recursive: true });
    await fetchBy({ file: "go", args: ["mod", "download"], cwd: directory });
    await build({ file: "go", args: ["build", "-mod=mod", "-o", "driver", "."], cwd: directory });
    return { file: join(directory, "driver"), args: [] };
  },
});

const SDKS: readonly Sdk[] = [
  nodeDriver("10.9"),
  nodeDriver("11"),
  goDriver("v6", "iv12"),
  { ...goDriver("v10", "leb-first"), isUnproven: true },
  {
    name: "python",
    layout: "iv12",
    toolchain: ["python3"],
    prepare: async (directory) => {
      const python = join(directory, "venv/bin/python");
      const requirements = join(SOURCES, "python/requirements.txt");
      await once(directory, requirements, async () => {
        await fetchBy({ file: "python3", args: ["-m", "venv", "--clear", join(directory, "venv")] });
        await fetchBy({ file: python, args: ["-m", "pip", "install", "--quiet", "-r", requirements] });
      });
      return { file: python, args: [join(SOURCES, "python/driver.py")] };
    },
  },
  {
    name: "java",
    layout: "iv12",
    toolchain: ["java", "javac", "mvn"],
    prepare: async (directory) => {
      const libraries = join(directory, "lib");
      cpSync(join(SOURCES, "java"), directory, { recursive: true });
      await once(directory, join(SOURCES, "java/pom.xml"), () => {
        rmSync(libraries, { recursive: true, force: true });
        const args = ["-B", "-q", "dependency:copy-dependencies", `-DoutputDirectory=${libraries}`];
        return fetchBy({ file: "mvn", args, cwd: directory });
      });
      const classes = `${join(libraries, "*")}:${directory}`;
      await build({
        file: "javac",
        args: ["-encoding", "UTF-8", "-cp", classes, "Driver.java"],
        cwd: directory,
      });
      return { file: "java", args: ["-Dfile.encoding=UTF-8", "-cp", classes, "Driver"] };
    },
  },
  {
    name: "rust",
    layout: "leb-first",
    optIn: "it compiles for minutes; --rust runs it",
    toolchain: ["cargo"],
    prepare: async (directory) => {
      cpSync(join(SOURCES, "rust"), directory, { recursive: true });
      await fetchBy({ file: "cargo", args: ["fetch", "--quiet"], cwd: directory });
      await build({ file: "cargo", args: ["build", "--quiet"], cwd: directory }, RUST_BUILD_MINUTES);
      return { file: join(directory, "target/debug/driver"), args: [] };
    },
  },
];

const { values: options } = parseArgs({
  options: { only: { type: "string" }, rust: { type: "boolean" } },
});
const only = options.only?.split(",");
const unknown = only?.find((name) => !SDKS.some((sdk) => sdk.name === name));
if (unknown !== undefined) {
  console.error(`there is no SDK ${unknown}; there are ${SDKS.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}

const tally = new Tally();
const skipped: { name: string; reason: string }[] = [];
const host = await openFileHost({ path: ":memory:" });
const server = await listen(createApp({ host }), { port: 0 });

const chosen = SDKS.filter(({ name, optIn }) =>
  only === undefined ? optIn === undefined || options.rust === true : only.includes(name),
);
for (const { name, optIn } of SDKS) {
  if (only === undefined && optIn !== undefined && options.rust !== true) skip(name, optIn);
}
// Fetching waits for the network and building for two processors: all at once, then one driver after the other.
const prepared = chosen.map((sdk) => ({ sdk, ready: prepare(sdk) }));
for (const { sdk, ready } of prepared) {
  const command = await ready;
  if (command instanceof Unavailable) skip(sdk.name, command.message);
  else if (command instanceof Error && sdk.isUnproven) skip(sdk.name, `does not build: ${command.message}`);
  else if (command instanceof Error) await report(`${sdk.name}: builds`, [command.message]);
  else await run(sdk, command);
}
await server.close();
await host.close();

leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();

function skip(name: string, reason: string): void {
  skipped.push({ name: `interop: ${name}`, reason });
  tally.skip(`${name}: ${reason}`);
}

function report(name: string, problems: readonly string[]): Promise<void> {
  return runStep({ name, run: () => problems } satisfies Step, tally);
}

async function prepare(sdk: Sdk): Promise<Command | Error> {
  try {
    const missing = sdk.toolchain.find((program) => !isOnPath(program));
    if (missing !== undefined) throw new Unavailable(`there is no ${missing} on this machine`);
    const directory = join(CACHE, sdk.name);
    mkdirSync(directory, { recursive: true });
    return await sdk.prepare(directory);
  } catch (error) {
    return error as Error;
  }
}

/** Runs a driver in an environment of its own, and checks what it reports and wrote. */
async function run(sdk: Sdk, command: Command): Promise<void> {
  const start = performance.now();
  const { id } = await host.environment(`interop-${sdk.name.replaceAll(".", "-")}`);
  const { key } = await host.apiKeys.create(id, { name: "interop", permissions: PERMISSIONS });
  using vault = new Vault({ apiKey: key, baseUrl: server.url, layout: sdk.layout });
  const input = await writeFor(vault);
  const environment = {
    COFFER_INTEROP_URL: server.url,
    COFFER_INTEROP_KEY: key,
    NO_PROXY: "127.0.0.1",
    no_proxy: "127.0.0.1",
  };
  const ended = await execute(command, {
    minutes: DRIVER_MINUTES,
    environment,
    input: input.map(formatExchanged).join(""),
  });
  const heard = parseReport(ended.output);
  for (const name of CHECKS) {
    const outcomes = heard.outcomes.filter((outcome) => outcome.name === name);
    const [first] = outcomes;
    const title = `${sdk.name}: ${name}`;
    if (first === undefined || outcomes.length > 1)
      await report(title, [`reported ${outcomes.length} times`]);
    else if (first.state === "none") console.log(`NONE  ${title}: ${first.why}`);
    else await report(title, first.state === "fail" ? [first.why] : []);
  }
  await report(`${sdk.name}: coffer opens what it wrote`, await openAll(vault, sdk, heard.written));
  await report(`${sdk.name}: comes to its end`, ended.problem === "" ? [] : [ended.problem, ended.errors]);
  console.log(`      ${sdk.name} took ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

/** Ciphertexts of coffer's: written as they are, and moved to another context afterwards. */
async function writeFor(vault: Vault): Promise<Exchanged[]> {
  const written: Exchanged[] = [];
  for (const message of MESSAGES) {
    const context = { organization_id: "org_coffer", region: "eu" };
    const ciphertext = await vault.encrypt(message.text, context, message.associatedData);
    const moved = await vault.rekey(ciphertext, { organization_id: "org_moved" });
    written.push({ ...message, ciphertext }, { ...message, ciphertext: moved });
  }
  return written;
}

async function openAll(vault: Vault, sdk: Sdk, written: readonly Exchanged[]): Promise<string[]> {
  const problems: string[] = [];
  if (written.length !== MESSAGES.length) problems.push(`it wrote ${written.length} of ${MESSAGES.length}`);
  for (const { ciphertext, text, associatedData } of written) {
    try {
      const { layout, isCanonical } = inspect(ciphertext);
      if (layout !== sdk.layout || !isCanonical) problems.push(`layout ${layout}, canonical ${isCanonical}`);
      const opened = await vault.decrypt(ciphertext, associatedData, { layouts: [sdk.layout] });
      if (opened !== text) problems.push(`a text of ${text.length} characters came back otherwise`);
    } catch (error) {
      problems.push(String(error));
    }
  }
  return problems;
}

interface Ended {
  readonly output: string;
  readonly errors: string;
  /** Empty if it ended with 0 in time. */
  readonly problem: string;
}

function execute(
  { file, args, cwd }: Command,
  limits: { minutes: number; environment?: Record<string, string>; input?: string },
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: cwd ?? ROOT,
      env: { ...process.env, ...limits.environment },
      timeout: limits.minutes * MS_PER_MINUTE,
      killSignal: "SIGKILL",
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (part: Buffer) => output.push(part));
    child.stderr.on("data", (part: Buffer) => errors.push(part));
    // A driver that dies does not read what it is given; how it ended says enough.
    child.stdin.on("error", () => {});
    child.stdin.end(limits.input ?? "");
    const end = (problem: string): void =>
      resolve({
        output: Buffer.concat(output).toString("utf8"),
        errors: Buffer.concat(errors).toString("utf8"),
        problem,
      });
    child.once("error", (error) => end(error.message));
    child.once("close", (code, signal) =>
      end(code === 0 ? "" : signal === null ? `exit code ${code}` : `ended by ${signal}`),
    );
  });
}

/** Fetches packages. What a registry does not serve is no fault of coffer's. */
async function fetchBy(command: Command): Promise<void> {
  const { output, errors, problem } = await execute(command, { minutes: FETCH_MINUTES });
  if (problem === "") return;
  const said = `${output}\n${errors}`.trim().split("\n").at(-1)!.trim();
  throw new Unavailable(`its packages cannot be had: ${said.slice(0, REASON_CHARS) || problem}`);
}

/** Fetches what a manifest names, unless that was done to its end for the same manifest. */
async function once(directory: string, manifest: string, fetch: () => Promise<void>): Promise<void> {
  const marker = join(directory, ".fetched");
  const wanted = readFileSync(manifest, "utf8");
  if (existsSync(marker) && readFileSync(marker, "utf8") === wanted) return;
  await fetch();
  writeFileSync(marker, wanted);
}

async function build(command: Command, minutes = BUILD_MINUTES): Promise<void> {
  const { output, errors, problem } = await execute(command, { minutes });
  if (problem !== "") throw new Error(`${output}${errors}(${problem})`);
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? "").split(":").some((directory) => existsSync(join(directory, program)));
}

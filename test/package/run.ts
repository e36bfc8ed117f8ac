/**
 * `npm run test:package`: the packed tarball in every kind of project.
 *
 * Owns packing, installing and the table of results. Names what it skips, and ends with `N passed, N failed`. Needs
 * `npm run build`. Must not know what the projects do.
 *
 *     node test/package/run.ts [--full] [--only TEXT]
 *
 * @module
 */
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { createApp, listen } from "../../src/server/index.ts";
import { PERMISSIONS } from "../../src/vault/access/api-keys.ts";
import { openFileHost } from "../../src/vault/open-vault.ts";
import { ROOT } from "../../tools/root.ts";
import { runStep, Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { HOSTS, PACKAGES } from "../runtimes/hosts.ts";
import type { Command, Kind, Tools } from "./kinds/kind.ts";
import { KINDS } from "./kinds.ts";

const HERE = import.meta.dirname;
/** Inside this folder, so that the tools are found from a project as a parent's packages are. */
const WORK = join(HERE, "work");
/** For one command of a project; ours, ten times what the slowest takes. */
const COMMAND_MS = 120_000;
/** To fetch the tools, about 800 MB; ours. */
const INSTALL_MS = 300_000;
const OUTPUT_CHARS = 3_000;

const { values: options } = parseArgs({
  options: { full: { type: "boolean", default: false }, only: { type: "string" } },
});

const tally = new Tally();
const skipped: { name: string; reason: string }[] = [];
const chosen = KINDS.filter(
  (kind) =>
    (options.full || options.only !== undefined || kind.isSlow !== true) &&
    (options.only === undefined || kind.name.includes(options.only)),
);

const host = await openFileHost({ path: ":memory:", onNotice: () => {} });
const server = await listen(createApp({ host }), { port: 0 });
const { id } = await host.environment("package");
const { key } = await host.apiKeys.create(id, { name: "package", permissions: PERMISSIONS });
/** How projects reach a coffer server. */
const service = { COFFER_BASE_URL: server.url, COFFER_API_KEY: key };

rmSync(WORK, { recursive: true, force: true });
process.once("exit", () => rmSync(WORK, { recursive: true, force: true }));
const problem = prepare();
if (problem !== undefined) skip("package", problem);
else for (const [number, kind] of chosen.entries()) await runKind(kind, join(WORK, `${number}`));
await server.close();
await host.close();
leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();

/** Installs the tools, packs, and installs the tarball once. @returns why not, if it could not */
function prepare(): string | undefined {
  if (!existsSync(join(ROOT, "dist"))) return "dist/ is not there: npm run build";
  // Once for each lock file, as the runtimes.
  const marker = join(HERE, "node_modules", ".installed");
  const wanted = readFileSync(join(HERE, "package-lock.json"), "utf8");
  if (!existsSync(marker) || readFileSync(marker, "utf8") !== wanted) {
    const { status } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: HERE,
      stdio: "ignore",
      timeout: INSTALL_MS,
    });
    if (status !== 0) return "its tools could not be installed (test/package/package.json)";
    writeFileSync(marker, wanted);
  }
  mkdirSync(join(WORK, "installed"), { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", WORK], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  copyFileSync(join(WORK, filename), join(WORK, "coffer.tgz"));
  writeFileSync(join(WORK, "installed", "package.json"), '{ "private": true }');
  const { status, stderr } = spawnSync(
    "npm",
    ["install", "--no-audit", "--no-fund", "--ignore-scripts", "../coffer.tgz"],
    { cwd: join(WORK, "installed"), encoding: "utf8", timeout: INSTALL_MS },
  );
  return status === 0 ? undefined : `the tarball could not be installed: ${stderr}`;
}

async function runKind(kind: Kind, folder: string): Promise<void> {
  const tools: Tools = {
    tool: (path) => join(HERE, "node_modules", path),
    runtime: (path) => (existsSync(join(PACKAGES, path)) ? join(PACKAGES, path) : undefined),
    chromium: HOSTS.find(({ name }) => name === "chromium")?.executable(),
  };
  const commands = kind.commands(tools);
  if (commands === undefined) {
    skip(kind.name, "the runtime is not on this machine (test/runtimes/package.json)");
    return;
  }
  await runStep({ name: `package: ${kind.name}`, run: () => runProject(kind, commands, folder) }, tally);
}

async function runProject(kind: Kind, commands: readonly Command[], folder: string): Promise<string[]> {
  cpSync(join(WORK, "installed", "node_modules"), join(folder, "node_modules"), { recursive: true });
  cpSync(join(HERE, "projects"), folder, { recursive: true });
  if (kind.example !== undefined) cpSync(join(ROOT, "examples", kind.example), folder, { recursive: true });
  copyFileSync(join(WORK, "coffer.tgz"), join(folder, "coffer.tgz"));
  for (const [path, text] of Object.entries(kind.files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const { NODE_OPTIONS, COFFER_ROOT_KEY, ...inherited } = process.env;
  const env = { ...inherited, ...service, NO_COLOR: "1", CI: "true", NEXT_TELEMETRY_DISABLED: "1" };
  let last = "";
  for (const { file, args } of commands) {
    const ran = await execute(file, args, { cwd: folder, env, timeout: COMMAND_MS });
    last = ran.output;
    if (ran.reason !== "") {
      return [`${[file, ...args].join(" ")}: ${ran.reason}\n${last.slice(-OUTPUT_CHARS)}`];
    }
  }
  rmSync(folder, { recursive: true, force: true });
  const expected = kind.expected ?? "smoke: ok";
  return last.includes(expected) ? [] : [`it did not say "${expected}":\n${last.slice(-OUTPUT_CHARS)}`];
}

/** Runs a program; the coffer server of this process goes on answering meanwhile. */
function execute(
  file: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; timeout: number },
): Promise<{ output: string; reason: string }> {
  return new Promise((resolve) => {
    execFile(file, args, { ...options, encoding: "utf8" }, (error, stdout, stderr) =>
      resolve({
        output: `${stdout}${stderr}`,
        reason: error === null ? "" : error.message.split("\n", 1)[0]!,
      }),
    );
  });
}

function skip(name: string, reason: string): void {
  tally.skip(`${name}: ${reason}`);
  skipped.push({ name, reason });
}

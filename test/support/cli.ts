/**
 * The `coffer` command as a process, for tests.
 *
 * Owns how it is started and what is seen of it. Every run is looked through for secrets on standard error: a test
 * puts {@link CANARY} into what must not be shown there.
 *
 * @module
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
export const MAIN = join(ROOT, "src", "cli", "main.ts");

/** Where Node keeps compiled code between runs: without it, most of a run's time would go into reading TypeScript. */
const COMPILE_CACHE = join(ROOT, "node_modules", ".cache", "coffer-cli");

/** Part of every secret of these tests. */
export const CANARY = "CANARY-93f1";

/** How a run ended, and what it wrote. */
export interface Ran {
  /** Exit code; null if a signal ended it. */
  readonly code: number | null;
  readonly out: string;
  readonly bytes: Buffer;
  readonly err: string;
}

export interface RunOptions {
  /** What is piped in; default nothing at all, as `/dev/null`. */
  readonly stdin?: string | Uint8Array | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A directory that is gone after the test, with a command that works in it. */
export interface Workplace {
  readonly directory: string;
  /** A path in the directory. */
  path(name: string): string;
  /** Runs the command; COFFER_VAULT is `vault.db` in the directory unless said otherwise. */
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs it, expects success, and returns what it wrote. */
  out(args: readonly string[], options?: RunOptions): Promise<string>;
  /** The same, parsed, with `--format json` added. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it with matchers
  json(args: readonly string[], options?: RunOptions): Promise<any>;
  /** Starts it without waiting. */
  start(args: readonly string[], options?: { readonly env?: Readonly<Record<string, string>> }): Started;
  /** Runs a line of shell, in which `coffer` is the command. */
  shell(line: string): Promise<Ran>;
  /** Runs it on a terminal, on which `typed` is typed once `prompt` stands there. */
  terminal(
    args: readonly string[],
    typing?: { readonly prompt: string; readonly typed: string },
  ): Promise<Ran>;
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ran>;
}

export function workplace(): Workplace {
  const directory = mkdtempSync(join(tmpdir(), "coffer-cli-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const env = (extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
    const mine = Object.entries(process.env).filter(([name]) => !/^(COFFER_|NODE_|VITEST)/.test(name));
    const own = { COFFER_VAULT: join(directory, "vault.db"), NODE_COMPILE_CACHE: COMPILE_CACHE };
    return { ...Object.fromEntries(mine), ...own, ...extra };
  };
  const launch = (file: string, args: readonly string[], options: RunOptions = {}): Started => {
    const child = spawn(file, args, {
      cwd: directory,
      env: env(options.env),
      stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    }) as ChildProcessWithoutNullStreams;
    // A command that refuses its input, or is ended, closes it.
    child.stdin?.on("error", () => {});
    return { child, ended: watch(child, args) };
  };
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
    const { child, ended } = launch(process.execPath, [MAIN, ...args], options);
    if (options.stdin !== undefined) child.stdin.end(options.stdin);
    return ended;
  };
  const out = async (args: readonly string[], options?: RunOptions): Promise<string> => {
    const ran = await run(args, options);
    if (ran.code !== 0) throw new Error(`coffer ${args.join(" ")} ended with ${ran.code}: ${ran.err}`);
    return ran.out;
  };
  return {
    directory,
    path: (name) => join(directory, name),
    run,
    out,
    json: async (args, options) => JSON.parse(await out([...args, "--format", "json"], options)),
    start: (args, options = {}) => launch(process.execPath, [MAIN, ...args], { ...options, stdin: "" }),
    shell: (line) =>
      launch("sh", ["-c", `coffer() { "${process.execPath}" "${MAIN}" "$@"; }\n${line}`]).ended,
    terminal: async (args, typing) => {
      const command = [process.execPath, MAIN, ...args].map((arg) => `'${arg}'`).join(" ");
      const { child, ended } = launch("script", ["-qec", command, "/dev/null"], { stdin: "" });
      let seen = "";
      child.stdout.on("data", (chunk) => {
        const before = seen;
        seen += chunk;
        if (typing === undefined || before.includes(typing.prompt) || !seen.includes(typing.prompt)) return;
        child.stdin.write(typing.typed);
      });
      return ended;
    },
  };
}

/** Whether there is a `script` that gives a command a terminal: that of util-linux. */
export function hasTerminal(): boolean {
  const { stdout } = spawnSync("script", ["--version"], { encoding: "utf8" });
  return typeof stdout === "string" && stdout.includes("util-linux");
}

/** The command line that the README shows, as npm runs it. */
export async function npmShell(line: string): Promise<Ran> {
  const child = spawn("sh", ["-c", line], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  return watch(child as unknown as ChildProcessWithoutNullStreams, [line]);
}

function watch(child: ChildProcessWithoutNullStreams, args: readonly string[]): Promise<Ran> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      const bytes = Buffer.concat(out);
      const ran = { code, bytes, out: bytes.toString(), err: Buffer.concat(err).toString() };
      if (ran.err.includes(CANARY)) reject(new Error(`a secret on standard error of: ${args.join(" ")}`));
      else if (/^\s+at /m.test(ran.err)) reject(new Error(`a stack trace of: ${args.join(" ")}\n${ran.err}`));
      else resolve(ran);
    });
  });
}

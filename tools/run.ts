/**
 * Child processes of the tools: started in a process group of their own, and never left behind.
 *
 * Owns starting, the time limit and the end by signal. Must not know what the processes do.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { ROOT } from "./root.ts";

export interface RunOptions {
  /** Collect the output instead of passing it through. */
  readonly capture?: boolean;
  readonly timeoutMinutes?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly ok: boolean;
  /** Why it failed, for people; empty when it did not. */
  readonly reason: string;
  /** What it printed, if it was captured. */
  readonly output: string;
}

const TIMEOUT_MINUTES = 10;
const MS_PER_MINUTE = 60_000;
/** Time to clean up between the request to end and the kill. */
const GRACE_MS = 3_000;

const running = new Set<ChildProcess>();
let interrupted = false;

/** Runs this Node with a script of the repository. Paths are relative to the root. */
export function runNode(script: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [script, ...args], {
    cwd: ROOT,
    env: childEnvironment(options.env),
    stdio: options.capture ? ["ignore", "pipe", "pipe"] : ["ignore", "inherit", "inherit"],
    detached: true,
  });
  running.add(child);
  const output: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => output.push(chunk));
  const minutes = options.timeoutMinutes ?? TIMEOUT_MINUTES;
  let reason = "";
  const timer = setTimeout(() => {
    reason = `did not end within ${minutes} minutes`;
    killGroup(child, "SIGKILL");
  }, minutes * MS_PER_MINUTE);
  return new Promise((resolve) => {
    const done = (why: string): void => {
      clearTimeout(timer);
      running.delete(child);
      // The caller would go on to the next step, or call the interruption a failure.
      if (interrupted) return;
      resolve({ ok: why === "", reason: why, output: Buffer.concat(output).toString("utf8") });
    };
    child.once("error", (error) => done(error.message));
    child.once("close", (code, signal) => {
      if (reason !== "") done(reason);
      else done(code === 0 ? "" : signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  });
}

/** On an interruption ends every child by its process id, waits for them, and exits as the signal asks. */
export function endChildrenOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, async () => {
      interrupted = true;
      console.error(`\ninterrupted by ${signal}`);
      const exits = [...running].map((child) => new Promise((resolve) => child.once("close", resolve)));
      for (const child of running) killGroup(child, "SIGTERM");
      const timer = setTimeout(() => {
        for (const child of running) killGroup(child, "SIGKILL");
      }, GRACE_MS);
      await Promise.all(exits);
      clearTimeout(timer);
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/** A detached child leads a group of its own id, which its own children are in as well. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended already.
  }
}

function childEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { FORCE_COLOR, NO_COLOR, ...inherited } = process.env;
  return {
    ...inherited,
    // As under npm, also when a tool is started without it: whatever says `node` gets the toolchain's.
    PATH: [join(ROOT, "node_modules", ".bin"), process.env.PATH].join(delimiter),
    // Logs are read as text.
    ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }),
    ...extra,
  };
}

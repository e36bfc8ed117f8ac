/**
 * A worker process that is started again when a mutant has hung it.
 *
 * Owns the process and the wait. Must not know which mutants there are.
 *
 * @module
 */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../root.ts";
import type { RunAnswer, RunRequest } from "./worker.ts";

/** Against mutants that never stop asking for memory: for each process of tests. */
const HEAP_MEBIBYTES_MAX = 1_024;
const START_MS_MAX = 120_000;

export class Runner {
  #child: ChildProcess | undefined;
  readonly #environment: Readonly<Record<string, string>>;

  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.#environment = environment;
  }

  /** @returns undefined if it did not end in time or the process ended by itself */
  async run(request: RunRequest, milliseconds: number): Promise<RunAnswer | undefined> {
    this.#child ??= await this.#start();
    this.#child.send(request);
    const answer = await heard(this.#child, milliseconds);
    if (answer === undefined) this.end();
    return answer as RunAnswer | undefined;
  }

  end(): void {
    const pid = this.#child?.pid;
    this.#child = undefined;
    if (pid === undefined) return;
    try {
      // It leads a group of its own, in which its tests' processes are.
      process.kill(-pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, "worker.ts"), [], {
      cwd: ROOT,
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: {
        ...process.env,
        NODE_OPTIONS: `--max-old-space-size=${HEAP_MEBIBYTES_MAX}`,
        ...this.#environment,
      },
    });
    if ((await heard(child, START_MS_MAX)) !== "ready") throw new Error("the worker does not start");
    return child;
  }
}

/** The next message; undefined after that time, and when the process ends. */
function heard(child: ChildProcess, milliseconds: number): Promise<unknown> {
  return new Promise((resolve) => {
    const done = (message: unknown): void => {
      clearTimeout(timer);
      child.off("message", done);
      child.off("exit", gone);
      resolve(message);
    };
    const gone = (): void => done(undefined);
    const timer = setTimeout(gone, milliseconds);
    child.once("message", done);
    child.once("exit", gone);
  });
}

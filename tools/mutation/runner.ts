/**
 * A worker process that is started again when a mutant has hung it.
 *
 * Owns the process, its confinement and the wait. Must not know which mutants there are.
 *
 * Mutants run real code: one has written a file into `/dev`. So the worker and all its children are in namespaces of
 * their own (Linux, `unshare`): the file system is read-only but for one temporary folder, they can signal nothing outside,
 * and they end with it.
 *
 * @module
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../root.ts";
import type { RunAnswer, RunRequest } from "./worker.ts";

/** Against mutants that never stop asking for memory: for each process of tests. */
const HEAP_MEBIBYTES_MAX = 1_024;
const START_MS_MAX = 120_000;

/** Makes every mount read-only, gives back the folder `$1`, and runs the rest. */
const CONFINE = `
set -e
for at in $(cut -d' ' -f5 /proc/self/mountinfo); do
  case "$at" in /proc*|/sys*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
done
mount -t tmpfs tmpfs /dev/shm
mount --bind "$1" "$1"
mount -o remount,bind,rw "$1"
if touch "$0" 2>/dev/null; then exit 1; fi
shift
exec "$@"`;
const UNSHARE = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"];
/** An ordinary user becomes the root of a namespace of its own. */
const AS_USER = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];

/** How a program is run in confinement: it may write into this folder only. */
function confined(folder: string, program: string): string[] {
  return [
    ...AS_USER,
    ...UNSHARE,
    "sh",
    "-c",
    CONFINE,
    join(import.meta.dirname, "runner.ts"),
    folder,
    program,
  ];
}

/** @returns why mutants cannot be confined here, or undefined where they can */
export function whyUnconfined(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "coffer-mutation-"));
  try {
    const { status, stderr, error } = spawnSync("unshare", confined(folder, "true"), { encoding: "utf8" });
    if (status === 0) return undefined;
    return error?.message ?? `unshare: ${stderr.trim() || "the file system stays writable"}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export class Runner {
  #child: ChildProcess | undefined;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #folder: string;

  /**
   * @param folder - the one folder that the worker may write into
   */
  constructor(folder: string, environment: Readonly<Record<string, string>> = {}) {
    this.#folder = folder;
    this.#environment = environment;
    // Tests run PostgreSQL as another user.
    chmodSync(folder, 0o711);
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
      execPath: "unshare",
      execArgv: confined(this.#folder, process.execPath),
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: {
        ...process.env,
        TMPDIR: this.#folder,
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

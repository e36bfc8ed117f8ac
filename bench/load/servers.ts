/**
 * Servers that are measured: their start as processes of their own, their end, and what they use.
 *
 * Owns the processes and the look at `/proc`. Must not know what is asked of them. Linux only, as `/proc` is.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const PAGE_BYTES = 4096;

/** A server that listens. */
export interface Server {
  readonly child: ChildProcess;
  readonly port: number;
}

const children: ChildProcess[] = [];

/**
 * Starts a server with this process's Node, and waits until it says where it listens.
 *
 * @param args - the program and its arguments
 * @param cwd - the directory that `args` are seen from; default this process's
 * @param stderr - where the server's standard error goes
 */
export function start(
  args: readonly string[],
  cwd?: string,
  stderr: "inherit" | "ignore" = "inherit",
): Promise<Server> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", stderr], cwd });
  children.push(child);
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (part: Buffer) => {
      text += part.toString();
      const port = /listening on http:\/\/[^:]+:(\d+)/.exec(text)?.[1];
      if (port !== undefined) resolve({ child, port: Number(port) });
    });
    child.once("exit", (code) => reject(new Error(`a server ended with ${code}`)));
  });
}

/** Ends all servers. */
export function stopAll(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): void {
  for (const child of children.splice(0)) child.kill(signal);
}

/** Nanoseconds that the threads of a process have run (the kernel's Documentation/scheduler/sched-stats.rst, `schedstat`). */
export function processorNs({ child }: Server): number {
  const tasks = `/proc/${child.pid}/task`;
  let ns = 0;
  for (const task of readdirSync(tasks)) {
    ns += Number(readFileSync(`${tasks}/${task}/schedstat`, "utf8").split(" ")[0]);
  }
  return ns;
}

/** MiB of memory that a process has now. */
export function rssMiB({ child }: Server): number {
  const pages = Number(readFileSync(`/proc/${child.pid}/statm`, "utf8").split(" ")[1]);
  return Math.round((pages * PAGE_BYTES) / 2 ** 20);
}

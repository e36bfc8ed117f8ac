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

/** MiB of memory that a server's process has now. */
export const rssMiB = ({ child }: Server): number => rssOf(child.pid!);

/** What the processes of a server have now: its own, and those that it has started. */
export function processesOf({ child }: Server): { rssMiB: number; descriptors: number }[] {
  const started = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim();
  const ids = [child.pid!, ...started.split(" ").filter(Boolean).map(Number)];
  return ids.map((id) => ({ rssMiB: rssOf(id), descriptors: readdirSync(`/proc/${id}/fd`).length }));
}

function rssOf(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]);
  return Math.round((pages * PAGE_BYTES) / 2 ** 20);
}

/**
 * Processes that serve one port: this one starts them, and each gets connections in turn.
 *
 * Owns their start, their restart after an end that was not asked for, and their end. Must not know what they serve.
 *
 * @module
 */
import type { Worker } from "node:cluster";
import { RESTART_MS_FIRST, RESTART_MS_MAX, RESTART_RESET_MS } from "../limits.ts";
import { urlOf } from "../node/listener.ts";
import { GroupHead } from "./head.ts";
import type { HeadLink } from "./member.ts";
import type { FromMember, ToMember } from "./messages.ts";

/** How to start a group. */
export interface GroupOptions {
  /** Processes. */
  readonly workers: number;
  readonly host: string;
  readonly requestsPerMinute: number | undefined;
  /** Is told when a process has ended that should not have, before another takes its place. */
  readonly onEnd: (how: string) => void;
}

/** Where a member listens, or how it ended before. */
interface Started {
  readonly port?: number;
  readonly exitCode?: number;
}

/** The exit code for a member that a signal ended before it listened. */
const EXIT_KILLED = 1;

/** A group that serves. */
export interface ServingGroup {
  readonly url: string;
  /** Lets all members end after the requests under way. Never rejects, and may never resolve: {@link kill} ends it. */
  close(): Promise<void>;
  /** Ends the members that are left at once. */
  kill(): void;
}

/**
 * Starts this program again, with the same arguments, as often as there are workers.
 *
 * @returns the group once all of them listen; or the exit code of one that ended before, which has said why
 */
export async function startGroup(options: GroupOptions): Promise<ServingGroup | number> {
  const { default: cluster } = await import("node:cluster");
  // Connections in turn on every system, so that a few long ones do not meet in one process.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const head = new GroupHead(options.requestsPerMinute);
  const members = new Set<Worker>();
  const restarts = new Set<NodeJS.Timeout>();
  let isEnding = false;

  /** @returns where it listens, or its exit code */
  const start = (waitMs: number): Promise<Started> => {
    const worker = cluster.fork();
    const startedAt = performance.now();
    members.add(worker);
    const link = { send: (message: ToMember) => tell(worker, message) };
    head.joined(link);
    worker.on("message", (message: FromMember) => head.heard(link, message));
    // A pipe that breaks while its process ends: the end itself is told below.
    worker.on("error", () => {});
    return new Promise((resolve) => {
      let isListening = false;
      worker.once("listening", ({ port }) => {
        isListening = true;
        resolve({ port });
      });
      worker.once("exit", (code, signal) => {
        members.delete(worker);
        head.left(link);
        resolve({ exitCode: code ?? EXIT_KILLED });
        if (isEnding || !(isListening || waitMs > 0)) return;
        options.onEnd(signal === null ? `exit code ${code}` : signal);
        const lived = performance.now() - startedAt;
        const next =
          lived > RESTART_RESET_MS
            ? RESTART_MS_FIRST
            : Math.min(RESTART_MS_MAX, waitMs * 2 || RESTART_MS_FIRST);
        const timer = setTimeout(() => {
          restarts.delete(timer);
          void start(next);
        }, next);
        restarts.add(timer);
      });
    });
  };

  const group = {
    close: async (): Promise<void> => {
      isEnding = true;
      for (const timer of restarts) clearTimeout(timer);
      const ends = [...members].map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
      for (const worker of members) tell(worker, { coffer: "stop" });
      await Promise.all(ends);
    },
    kill: (): void => {
      for (const worker of members) worker.process.kill("SIGKILL");
    },
  };

  // The first alone: what is wrong with the address or the vault is said once.
  const started = [await start(0)];
  if (started[0]?.port !== undefined) {
    const others = Array.from({ length: options.workers - 1 }, () => start(0));
    started.push(...(await Promise.all(others)));
  }
  const failed = started.find(({ exitCode }) => exitCode !== undefined);
  if (failed?.exitCode === undefined) return { ...group, url: urlOf(options.host, started[0]!.port!) };
  await group.close();
  return failed.exitCode;
}

/** Says something to a member. One that is ending may not hear it: its end is seen. */
function tell(worker: Worker, message: ToMember): void {
  if (worker.isConnected()) worker.send(message, undefined, undefined, () => {});
}

/** Whether this process was started by {@link startGroup}. */
export async function isMember(): Promise<boolean> {
  return (await import("node:cluster")).default.isWorker;
}

/** The link of this process to the one that started it. */
export const HEAD_LINK: HeadLink = {
  send: (message) => {
    // A head that is gone ends this process: there is no one to tell.
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  },
  listen: (listener) => void process.on("message", listener),
};

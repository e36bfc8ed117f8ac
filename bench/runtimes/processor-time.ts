/**
 * The processor time of other processes, to the nanosecond, as Linux's scheduler counts it.
 *
 * Owns the reading of `/proc/<pid>/task/<tid>/schedstat` (kernel documentation, scheduler/sched-stats: the first number
 * is nanoseconds on the processor). Runtimes' own clocks are not alike: Deno's ticks in 10 ms, workerd's stands still while
 * code runs, a page has none. The count of a thread is exact once it waits; while it runs it is up to a tick behind.
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

/** Nanoseconds by thread. */
export type ProcessorTime = ReadonlyMap<string, number>;

/** Undefined where the kernel does not tell: no Linux, or built without it. */
export function readProcessorTime(pids: readonly number[]): ProcessorTime | undefined {
  const times = new Map<string, number>();
  try {
    for (const pid of pids) {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const path = `/proc/${pid}/task/${thread}/schedstat`;
        const nanoseconds = numberIn(path);
        if (nanoseconds !== undefined) times.set(path, nanoseconds);
      }
    }
  } catch {
    return undefined;
  }
  return times.size === 0 ? undefined : times;
}

/** What all threads used in between. One that ended in between is left out: how much it used is no longer told. */
export function processorTimeBetween(before: ProcessorTime, after: ProcessorTime): number {
  let used = 0;
  for (const [thread, nanoseconds] of after) used += nanoseconds - (before.get(thread) ?? 0);
  return used;
}

function numberIn(path: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(path, "latin1"), 10);
  } catch {
    return undefined; // The thread ended after it was listed.
  }
}

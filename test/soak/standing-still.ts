/**
 * Processes that get no processor time for a while.
 *
 * Owns the stopping and the going on. Must not know what the processes do.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Writing } from "./writing.ts";

/** The longest time that a process stands still. */
const STILL_MS_MAX = 2_500;
const BETWEEN_MS_MAX = 300;

/** Lets one after the other stand still at any moment, with whatever locks it holds, and go on. */
export async function standStill(
  writing: readonly Writing[],
  times: number,
  pick: (below: number) => number,
): Promise<void> {
  for (let time = 0; time < times; time++) {
    await sleep(pick(BETWEEN_MS_MAX));
    const { child } = writing[pick(writing.length)]!;
    child.kill("SIGSTOP");
    await sleep(pick(STILL_MS_MAX));
    child.kill("SIGCONT");
  }
}

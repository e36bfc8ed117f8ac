/**
 * Many pieces of work at once, and how they give way to everything else.
 *
 * Owns the one worker pool, the wait that a signal ends, and the rhythm in which batches let timers, signals and other
 * requests run. Must not know the work.
 *
 * @module
 */

import { settleable } from "./features.ts";

/** Milliseconds that a batch works before it lets the event loop run. Ours: what all others wait at most. */
export const BATCH_SLICE_MS = 10;

/** Taken at load: a test that fakes the timers does not mean the event loop, and would never let a batch go on. */
const { setTimeout: setRealTimeout } = globalThis;

/**
 * Lets the event loop run whenever a batch has worked for {@link BATCH_SLICE_MS}. A vault in the same process answers
 * in microtasks, which would otherwise hold up timers and other requests until the batch is done.
 */
export class EventLoopBreaks {
  #since = performance.now();

  /** Whether a break is due: for items that take less than an await. */
  get isDue(): boolean {
    return performance.now() - this.#since >= BATCH_SLICE_MS;
  }

  /** Call between two items. */
  async takeIfDue(): Promise<void> {
    if (!this.isDue) return;
    await new Promise((resolve) => setRealTimeout(resolve, 0));
    this.#since = performance.now();
  }
}

/**
 * Runs `work` for every item, some at once, and begins them in order.
 *
 * @param limit - items that are under way at once, at least 1
 * @throws what `work` throws first; no further item of that worker begins, and those under way go on
 */
export async function forEachAtOnce<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      await work(items[index]!, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}

/**
 * Waits for `promise` no longer than `signal` allows. Work that others share goes on.
 *
 * @throws the signal's reason
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  signal.throwIfAborted();
  const aborted = settleable<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** A list in parts of at most `size` items, in order. */
export function inParts<T>(items: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/**
 * Waits for all of these, also where one fails: none goes on when the caller does.
 *
 * @throws what the first of them in this order throws
 */
export async function allOf<const T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const outcomes = await Promise.allSettled(promises);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  }) as { -readonly [K in keyof T]: Awaited<T[K]> };
}

/**
 * Turns: how long work gives way to everything else.
 *
 * Owns the rhythm in which batches let timers, signals and other requests run: a vault in the same process answers in
 * microtasks, which would never end a turn of the event loop by themselves. Must not know the work.
 *
 * @module
 */

/** Milliseconds that a batch works before it gives up a turn. Ours: what anybody else waits at most. */
export const TURN_MS = 10;

/** Gives up a turn of the event loop whenever one has lasted long enough. */
export class Turns {
  #since = performance.now();

  /** Call between two items. */
  async give(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#since = performance.now();
  }
}

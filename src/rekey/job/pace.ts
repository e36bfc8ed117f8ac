/**
 * The pace of a run: how many rows a second, and when it pauses.
 *
 * Owns the waits between pages, which all workers of a run share. Must not know pages.
 *
 * @module
 */
import { untilAborted } from "../../base/concurrency.ts";
import { LOOK_EVERY_MS } from "./limits.ts";

/** Taken at load: a test that fakes the timers does not mean the waits of a job. */
const { setTimeout: setRealTimeout } = globalThis;

/** A wait that a signal ends. @throws the signal's reason */
export function pauseFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return untilAborted(
    new Promise<void>((resolve) => {
      setRealTimeout(resolve, ms);
    }),
    signal,
  );
}

/** What workers ask before each page. */
export class Pace {
  readonly #rate: number;
  readonly #isPaused: () => boolean | Promise<boolean>;
  readonly #signal: AbortSignal | undefined;
  readonly #isStopping: () => boolean;
  /** When the rows that have been granted are due, in milliseconds of `performance.now`. */
  #dueAt = performance.now();

  /** @param rate - rows a second; Infinity for as many as there are */
  constructor(
    rate: number,
    isPaused: () => boolean | Promise<boolean>,
    isStopping: () => boolean,
    signal: AbortSignal | undefined,
  ) {
    this.#rate = rate;
    this.#isPaused = isPaused;
    this.#isStopping = isStopping;
    this.#signal = signal;
  }

  /** Waits until the next page may be read, or the run is to stop. @throws the signal's reason */
  async turn(): Promise<void> {
    while (!this.#isStopping() && (await this.#isPaused())) await pauseFor(LOOK_EVERY_MS, this.#signal);
    while (!this.#isStopping()) {
      const wait = this.#dueAt - performance.now();
      if (wait <= 0) return;
      await pauseFor(Math.min(wait, LOOK_EVERY_MS), this.#signal);
    }
  }

  /** Notes rows that have been read. */
  spend(rows: number): void {
    if (this.#rate === Number.POSITIVE_INFINITY) return;
    this.#dueAt = Math.max(this.#dueAt, performance.now()) + (rows / this.#rate) * 1_000;
  }
}

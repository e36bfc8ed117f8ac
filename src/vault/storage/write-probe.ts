/**
 * Whether a database takes writes: the answer of the last one, or of one that is made to find out.
 *
 * Owns how long an answer is believed, and that callers who ask at once share one try. Must not know how a database is
 * written to.
 *
 * @module
 */
import { untilAborted } from "../../base/concurrency.ts";

/** Milliseconds for which a write that was made says that others can be. Ours. */
export const WRITABLE_AGE_MS_MAX = 1_000;

/** The answer of the last write, and a small write where that is old. */
export class WriteProbe {
  readonly #write: () => Promise<unknown>;
  #wroteAt = Number.NEGATIVE_INFINITY;
  #trying: Promise<unknown> | undefined;

  /** @param write - makes a small durable change that means nothing */
  constructor(write: () => Promise<unknown>) {
    this.#write = write;
  }

  /** A write was made durable. */
  succeeded(): void {
    this.#wroteAt = performance.now();
  }

  /** A write was refused, or may not have been made: what was before says nothing any more. */
  failed(): void {
    this.#wroteAt = Number.NEGATIVE_INFINITY;
  }

  /** @throws what a write fails with; the signal's reason */
  async check(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (performance.now() - this.#wroteAt <= WRITABLE_AGE_MS_MAX) return;
    this.#trying ??= this.#write().finally(() => {
      this.#trying = undefined;
    });
    await untilAborted(this.#trying, signal);
  }
}

/** The change: a row of every vault stays as it is. */
export const PROBE_CHANGE = "counters SET value = value WHERE name = 'api_keys'";

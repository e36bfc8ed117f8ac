/**
 * The account that the demo gives of itself.
 *
 * Owns the layout of what is printed, timings, the progress line, and that long work lets the event loop turn.
 * Must not know the vault.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";

const WIDTH = 100;
/** Milliseconds between two pauses of long work, and between two changes of the progress line. */
const SLICE_MS = 50;

export class Report {
  readonly #out: NodeJS.WriteStream;
  readonly #signal: AbortSignal;
  #steps = 0;
  #title = "";
  #progressAt = 0;

  constructor(out: NodeJS.WriteStream, signal: AbortSignal) {
    this.#out = out;
    this.#signal = signal;
  }

  print(text: string): void {
    this.#out.write(`${text}\n`);
  }

  /** Runs a step and prints its title, how long it took, and what it had to say. */
  async step<T>(title: string, work: (say: (line: string) => void) => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    this.#title = `${++this.#steps}  ${title}`;
    const lines: string[] = [];
    const start = performance.now();
    this.#transient(this.#title);
    let outcome = "";
    try {
      const result = await work((line) => lines.push(line));
      outcome = milliseconds(performance.now() - start);
      return result;
    } finally {
      this.#transient("");
      if (outcome === "") outcome = this.#signal.aborted ? "stopped" : "failed";
      this.print(this.#title.padEnd(WIDTH - outcome.length) + outcome);
      for (const line of lines) this.print(`   ${line}`);
    }
  }

  /**
   * Walks over `items`. The embedded vault answers without waiting, so that a long loop of awaits never lets
   * timers, signals or other requests have their turn: it pauses for them, and shows how far it is.
   */
  async *each<T>(items: readonly T[]): AsyncGenerator<T, void, undefined> {
    let pausedAt = performance.now();
    for (const [index, item] of items.entries()) {
      yield item;
      this.progress(index + 1, items.length);
      if (performance.now() - pausedAt < SLICE_MS) continue;
      await setImmediate();
      this.#signal.throwIfAborted();
      pausedAt = performance.now();
    }
  }

  /** Shows on a terminal how far the current step is. */
  readonly progress = (done: number, total: number): void => {
    if (performance.now() - this.#progressAt < SLICE_MS) return;
    this.#progressAt = performance.now();
    this.#transient(`${this.#title}: ${count(done)} of ${count(total)}`);
  };

  /** A line that the next one replaces; only on a terminal. */
  #transient(text: string): void {
    if (this.#out.isTTY) this.#out.write(`\r${text}\x1b[K`);
  }
}

/** A number as people write it; with a noun, in its plural if need be. */
export function count(n: number, noun = ""): string {
  return `${n.toLocaleString("en")}${noun === "" ? "" : ` ${noun}${n === 1 ? "" : "s"}`}`;
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

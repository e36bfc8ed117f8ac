/**
 * Rings that are kept: the most recently used ones, each under one name or two.
 *
 * Owns how many are kept, and that a ring which is let go of is disposed of. Must not know what the names mean, nor how long rings
 * are true.
 *
 * @module
 */
import type { Ring } from "./ring.ts";

/** A ring, and under how many names it is kept. */
interface Entry {
  readonly ring: Ring;
  names: number;
}

/** Rings by name. */
export class RingCache {
  readonly #ringsMax: number;
  #rings = 0;
  /** In order of use, the oldest first, from when there are half as many rings as may be. */
  readonly #entries = new Map<string, Entry>();

  /** @param ringsMax - that are kept at most */
  constructor(ringsMax: number) {
    this.#ringsMax = ringsMax;
  }

  /** The ring of a name. */
  get(name: string): Ring | undefined {
    const entry = this.#entries.get(name);
    // Which is the oldest matters to who will need room soon.
    if (entry !== undefined && this.#rings > this.#ringsMax / 2) {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
    return entry?.ring;
  }

  /** Keeps a ring under names, in the place of what these had. It is the cache's to dispose of. */
  set(ring: Ring, ...names: readonly string[]): void {
    const entry: Entry = { ring, names: names.length };
    for (const name of names) {
      this.#drop(name);
      this.#entries.set(name, entry);
    }
    this.#rings += 1;
    while (this.#rings > this.#ringsMax) this.#drop(this.#entries.keys().next().value!);
  }

  /** Lets go of all. */
  clear(): void {
    for (const { ring } of new Set(this.#entries.values())) ring.wrappingKey.dispose();
    this.#entries.clear();
    this.#rings = 0;
  }

  #drop(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    entry.names -= 1;
    if (entry.names > 0) return;
    entry.ring.wrappingKey.dispose();
    this.#rings -= 1;
  }
}

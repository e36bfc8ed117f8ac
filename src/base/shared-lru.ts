/**
 * Things that are expensive to get, shared by all who ask for them at the same time and kept for a while.
 *
 * Owns how long and how many are kept, which goes first (the one longest unused), and that nothing is disposed of while
 * it is in use. Must not know what is kept.
 *
 * @module
 */

/** Milliseconds of the longest timer: a longer one goes off at once (HTML, section 8.7: a 32-bit number). */
export const TIMER_MS_MAX = 2 ** 31 - 1;

/** One thing, from the moment it is asked for. Only {@link SharedLru} changes it. */
export interface SharedEntry<T> {
  readonly id: string;
  /** Fails as the request for it fails. */
  readonly ready: Promise<T>;
  /** The same, once it is there. */
  value: T | undefined;
  /** When it was asked for; then, when it came. Milliseconds. */
  since: number;
  /** Calls that wait for it or use it. */
  users: number;
  /** No longer kept: the last user lets it be disposed of. */
  isDropped: boolean;
}

/** How much is kept, and how long. */
export interface SharedLruOptions {
  /** Entries that are kept at once; 0: what is asked for is shared while it is under way, and not kept. */
  readonly entriesMax: number;
  /** Milliseconds that an entry is kept; default without end; 0 as for `entriesMax`. */
  readonly ageMsMax?: number | undefined;
  /** The clock, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** A cache that counts users, and disposes of an entry when it is dropped and out of use. */
export class SharedLru<T extends { dispose(): void }> {
  readonly #entriesMax: number;
  readonly #ageMsMax: number;
  readonly #now: () => number;
  /** In order of use, the oldest first; also what is under way. */
  readonly #entries = new Map<string, SharedEntry<T>>();
  /** The entry that was used last. */
  #newest: SharedEntry<T> | undefined;
  #sweep: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor({ entriesMax, ageMsMax, now }: SharedLruOptions) {
    this.#entriesMax = entriesMax;
    this.#ageMsMax = ageMsMax ?? Number.POSITIVE_INFINITY;
    this.#now = now ?? Date.now;
  }

  /** How many are kept or under way. */
  get size(): number {
    return this.#entries.size;
  }

  /** What is kept or under way under `id`. One that is too old is dropped instead. */
  get(id: string): SharedEntry<T> | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined || !this.#isOld(entry)) return entry;
    this.drop(entry);
    return undefined;
  }

  /** Keeps the answer of `request` under `id`, as the one used last. A failure is not kept. */
  add(id: string, request: Promise<T>): SharedEntry<T> {
    const land = async (): Promise<T> => {
      try {
        const value = await request;
        entry.value = value;
        entry.since = this.#now();
        if (this.#ageMsMax === 0 || this.#entriesMax === 0) this.drop(entry);
        return value;
      } catch (error) {
        this.drop(entry);
        throw error;
      }
    };
    const entry: SharedEntry<T> = {
      id,
      ready: land(),
      value: undefined,
      since: this.#now(),
      users: 0,
      isDropped: this.#isClosed,
    };
    if (this.#isClosed) return entry;
    this.#newest = entry;
    this.#entries.set(id, entry);
    if (this.#entriesMax > 0 && this.#entries.size > this.#entriesMax) {
      this.drop(this.#entries.values().next().value as SharedEntry<T>);
    }
    if (this.#ageMsMax > 0 && this.#ageMsMax < Number.POSITIVE_INFINITY) this.#scheduleSweep();
    return entry;
  }

  /** Makes a kept entry the one used last. */
  touch(entry: SharedEntry<T>): void {
    // The order of use changes only when another one is used.
    if (this.#newest === entry || entry.isDropped) return;
    this.#newest = entry;
    this.#entries.delete(entry.id);
    this.#entries.set(entry.id, entry);
  }

  /** Keeps an entry from being disposed of until {@link release}. */
  hold(entry: SharedEntry<T>): void {
    entry.users += 1;
  }

  /** Ends one {@link hold}. */
  release(entry: SharedEntry<T>): void {
    entry.users -= 1;
    if (entry.isDropped) disposeIfUnused(entry);
  }

  /** Keeps an entry no longer. May be called more than once. */
  drop(entry: SharedEntry<T>): void {
    // Another entry may have taken its place.
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
    entry.isDropped = true;
    disposeIfUnused(entry);
  }

  /** Drops the entries whose ids are chosen. */
  dropWhere(isChosen: (id: string) => boolean): void {
    for (const entry of [...this.#entries.values()]) if (isChosen(entry.id)) this.drop(entry);
  }

  /** Drops everything. */
  clear(): void {
    this.dropWhere(() => true);
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
  }

  /** Drops everything, and keeps nothing from now on: what is still asked for is disposed of by its last user. */
  close(): void {
    this.#isClosed = true;
    this.clear();
  }

  #isOld(entry: SharedEntry<T>): boolean {
    if (this.#ageMsMax === Number.POSITIVE_INFINITY) return false;
    const age = this.#now() - entry.since;
    // A clock that was set back makes an entry older, not younger. At age 0 a request is still shared.
    return age > this.#ageMsMax || (age === this.#ageMsMax && age > 0) || age < 0;
  }

  /** Old entries go also if nothing is asked for again; the timer does not keep a process alive. */
  #scheduleSweep(): void {
    if (this.#sweep !== undefined) return;
    const sweep = (): void => {
      this.#sweep = undefined;
      for (const entry of [...this.#entries.values()]) if (this.#isOld(entry)) this.drop(entry);
      if (this.#entries.size > 0) this.#scheduleSweep();
    };
    this.#sweep = setTimeout(sweep, Math.min(this.#ageMsMax, TIMER_MS_MAX));
    (this.#sweep as { unref?: () => void }).unref?.();
  }
}

function disposeIfUnused<T extends { dispose(): void }>(entry: SharedEntry<T>): void {
  if (entry.users > 0) return;
  entry.ready.then(
    (value) => value.dispose(),
    () => {}, // A request that failed left nothing.
  );
}

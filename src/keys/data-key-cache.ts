/**
 * The decrypt cache: data keys that were unwrapped a moment ago.
 *
 * Owns who is asked how often: one request per wrapped key however many callers wait (single-flight), kept for
 * a bounded time and number, dropped when the service revokes keys. Keys from here only ever decrypt. Must not
 * know envelopes.
 *
 * @module
 */
import type { DataKey } from "../crypto/data-key.ts";
import { invalidRange } from "../errors.ts";
import { type CallOptions, type KeyService, untilAborted } from "./key-service.ts";
import { CACHE_AGE_MS_DEFAULT, CACHE_ENTRIES_DEFAULT, TIMER_MS_MAX } from "./limits.ts";

export interface DataKeyCacheOptions {
  /** Milliseconds that a key is kept; default 60,000; 0 turns the cache off. */
  readonly maxAgeMs?: number | undefined;
  /** Keys that are kept at once; default 1,000; 0 turns the cache off. */
  readonly maxEntries?: number | undefined;
  /** The clock, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

interface Entry {
  readonly service: string;
  /** The service's answer, awaited by all who came while it was under way. */
  readonly ready: Promise<DataKey>;
  since: number;
  /** Calls that wait for the key or use it: it is not disposed of under them. */
  users: number;
  isDropped: boolean;
}

/** Unwrapped data keys, bound to service, environment and wrapped form. */
export class DataKeyCache {
  readonly #maxAgeMs: number;
  readonly #maxEntries: number;
  readonly #now: () => number;
  /** In order of use, the oldest first; also what is under way. */
  readonly #entries = new Map<string, Entry>();
  readonly #revocations = new Map<string, number | undefined>();
  #sweep: ReturnType<typeof setTimeout> | undefined;

  constructor(options: DataKeyCacheOptions = {}) {
    this.#maxAgeMs = checkCount(options.maxAgeMs ?? CACHE_AGE_MS_DEFAULT, "maxAgeMs");
    this.#maxEntries = checkCount(options.maxEntries ?? CACHE_ENTRIES_DEFAULT, "maxEntries");
    this.#now = options.now ?? Date.now;
  }

  /** How many keys are kept or under way. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * Runs `work` with the data key of a wrapped form, from the cache or from the service.
   *
   * @param encryptedKeys - the wrapped form, base64
   * @param work - must not keep the key
   * @throws what the service throws (never cached), or the signal's reason
   */
  async use<T>(
    service: KeyService,
    encryptedKeys: string,
    work: (key: DataKey) => T | Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    options.signal?.throwIfAborted();
    const entry = this.#lookUp(service, encryptedKeys) ?? this.#request(service, encryptedKeys);
    entry.users += 1;
    try {
      // The request is everybody's, so a caller's signal ends its own wait only.
      return await work(await untilAborted(entry.ready, options.signal));
    } finally {
      entry.users -= 1;
      if (entry.isDropped) disposeIfUnused(entry);
    }
  }

  /** Lets go of every key; those in use are disposed of when their calls end. */
  clear(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
  }

  #lookUp(service: KeyService, encryptedKeys: string): Entry | undefined {
    const revocations = service.revocations?.();
    if (this.#revocations.get(service.id) !== revocations) {
      for (const [id, entry] of [...this.#entries]) if (entry.service === service.id) this.#drop(id);
      this.#revocations.set(service.id, revocations);
    }
    const id = entryId(service, encryptedKeys);
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (this.#isOld(entry)) {
      this.#drop(id);
      return undefined;
    }
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return entry;
  }

  #request(service: KeyService, encryptedKeys: string): Entry {
    const id = entryId(service, encryptedKeys);
    const answer = ask(service, encryptedKeys);
    const land = async (): Promise<DataKey> => {
      try {
        const key = await answer;
        entry.since = this.#now();
        if (this.#maxAgeMs === 0 || this.#maxEntries === 0) this.#dropIfHeld(id, entry);
        return key;
      } catch (error) {
        this.#dropIfHeld(id, entry);
        throw error;
      }
    };
    const entry: Entry = {
      service: service.id,
      ready: land(),
      since: this.#now(),
      users: 0,
      isDropped: false,
    };
    this.#entries.set(id, entry);
    if (this.#maxEntries > 0 && this.#entries.size > this.#maxEntries) {
      this.#drop(this.#entries.keys().next().value as string);
    }
    if (this.#maxAgeMs > 0) this.#scheduleSweep();
    return entry;
  }

  #isOld(entry: Entry): boolean {
    const age = this.#now() - entry.since;
    // A clock that was set back makes an entry older, not younger. At age 0 a request is still shared.
    return age > this.#maxAgeMs || (age === this.#maxAgeMs && age > 0) || age < 0;
  }

  #dropIfHeld(id: string, entry: Entry): void {
    if (this.#entries.get(id) === entry) this.#drop(id);
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id) as Entry;
    this.#entries.delete(id);
    entry.isDropped = true;
    disposeIfUnused(entry);
  }

  /** Old keys go even if nobody asks again; the timer does not keep a process alive. */
  #scheduleSweep(): void {
    if (this.#sweep !== undefined) return;
    const sweep = (): void => {
      this.#sweep = undefined;
      for (const [id, entry] of [...this.#entries]) if (this.#isOld(entry)) this.#drop(id);
      if (this.#entries.size > 0) this.#scheduleSweep();
    };
    this.#sweep = setTimeout(sweep, Math.min(this.#maxAgeMs, TIMER_MS_MAX));
    (this.#sweep as { unref?: () => void }).unref?.();
  }
}

/** The service's answer; one that throws at once has failed like any other. */
async function ask(service: KeyService, encryptedKeys: string): Promise<DataKey> {
  return service.createDecrypt({ keys: encryptedKeys });
}

function disposeIfUnused(entry: Entry): void {
  if (entry.users > 0) return;
  entry.ready.then(
    (key) => key.dispose(),
    () => {}, // A request that failed left no key.
  );
}

function entryId(service: KeyService, encryptedKeys: string): string {
  // Base64 holds no line break: the two parts cannot run into each other.
  return `${encryptedKeys}\n${service.id}`;
}

function checkCount(value: number, what: string): number {
  if (!Number.isFinite(value) || value < 0) throw invalidRange(`${what} must be a number of at least 0`);
  return value;
}

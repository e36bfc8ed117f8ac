/**
 * The decrypt cache: data keys that were unwrapped a moment ago.
 *
 * Owns who is asked how often: one request per wrapped key however many callers wait (single-flight), kept for
 * a bounded time and number, dropped when the service revokes keys. Keys from here only ever decrypt. Must not
 * know envelopes.
 *
 * @module
 */

import { checkOptions, optionNames } from "../base/options.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
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

const CACHE_OPTIONS = optionNames<DataKeyCacheOptions>({ maxAgeMs: true, maxEntries: true, now: true });

interface Entry {
  readonly service: string;
  /** The service's answer, awaited by all who came while it was under way. */
  readonly ready: Promise<DataKey>;
  /** The same, once it is there. */
  key?: DataKey;
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
  /** The entry that was used last. */
  #newest: Entry | undefined;
  /** Entries by a few characters of ciphertexts: no text is hashed to find one. */
  readonly #byMark = new Map<number, string>();
  readonly #revocations = new Map<string, number | undefined>();
  #sweep: ReturnType<typeof setTimeout> | undefined;

  constructor(options: DataKeyCacheOptions = {}) {
    checkOptions(options, CACHE_OPTIONS, "cache");
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

  /**
   * The data key of a ciphertext like one that was decrypted before, without taking the ciphertext apart. A guess:
   * whoever uses the key must compare the wrapped form. Must be used at once, without a wait in between.
   *
   * @returns undefined if there is none at hand, or any doubt about it
   */
  atHand(service: KeyService, ciphertext: string): DataKey | undefined {
    const id = this.#byMark.get(markOf(ciphertext));
    const entry = id === undefined ? undefined : this.#entries.get(id);
    if (
      entry?.key === undefined ||
      entry.service !== service.id ||
      this.#isOld(entry) ||
      this.#revocations.get(service.id) !== service.revocations?.()
    ) {
      return undefined;
    }
    // The order of use changes only when another key is used.
    if (this.#newest !== entry) {
      this.#newest = entry;
      this.#entries.delete(id as string);
      this.#entries.set(id as string, entry);
    }
    return entry.key;
  }

  /** Remembers which wrapped form a ciphertext has, for `atHand`. Nothing depends on it being right. */
  remember(service: KeyService, ciphertext: string, encryptedKeys: string): void {
    if (this.#byMark.size > MARKS_PER_ENTRY * this.#maxEntries) this.#byMark.clear();
    this.#byMark.set(markOf(ciphertext), entryId(service, encryptedKeys));
  }

  /** Lets go of every key; those in use are disposed of when their calls end. */
  clear(): void {
    for (const id of [...this.#entries.keys()]) this.#drop(id);
    this.#byMark.clear();
    this.#newest = undefined;
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
    this.#newest = entry;
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
        entry.key = key;
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
    this.#newest = entry;
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

/** Marks that may be kept for each entry, before all are forgotten: ciphertexts of one key differ in layout only. */
const MARKS_PER_ENTRY = 4;

/**
 * Where the mark stands: these characters code bytes 171 to 173 of an envelope, which in the layout that is written
 * by default lie in the encrypted part of a wrapped key, WorkOS's or coffer's, of up to four KEKs.
 */
const MARK_AT = 228;

/** Four characters of a text as a number; the same for all texts that are too short. */
function markOf(text: string): number {
  return (
    (text.charCodeAt(MARK_AT) << 21) ^
    (text.charCodeAt(MARK_AT + 1) << 14) ^
    (text.charCodeAt(MARK_AT + 2) << 7) ^
    text.charCodeAt(MARK_AT + 3)
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

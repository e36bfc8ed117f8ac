/**
 * The decrypt cache: data keys that were unwrapped a moment ago.
 *
 * Owns who is asked how often: one request per wrapped key however many callers wait (single-flight), kept for
 * a bounded time and number, dropped when the service revokes keys. Keys from here only ever decrypt. Must not
 * know envelopes.
 *
 * @module
 */

import { untilAborted } from "../base/concurrency.ts";
import { type ItemResult, resultOf, resultOfLater, resultValue } from "../base/item-result.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { type SharedEntry, SharedLru } from "../base/shared-lru.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { invalidRange } from "../errors.ts";
import { unwrapKeys } from "./batch-calls.ts";
import { type HeldKey, HeldKeys } from "./held-keys.ts";
import type { CallOptions, KeyService } from "./key-service.ts";
import { CACHE_AGE_MS_DEFAULT, CACHE_ENTRIES_DEFAULT } from "./limits.ts";

/** How much the decrypt cache keeps, and how long. */
export interface DataKeyCacheOptions {
  /** Milliseconds that a key is kept; default 60,000; 0 turns the cache off. */
  readonly maxAgeMs?: number | undefined;
  /** Keys that are kept at once; default 1,000; 0 turns the cache off. */
  readonly maxEntries?: number | undefined;
  /** The clock, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

const CACHE_OPTIONS = /* @__PURE__ */ optionNames<DataKeyCacheOptions>({
  maxAgeMs: true,
  maxEntries: true,
  now: true,
});

/** Limits of a cache, checked and with their defaults. */
interface CacheLimits {
  readonly ageMsMax: number;
  readonly entriesMax: number;
}

/**
 * Checks a cache's options.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless both limits are finite numbers of at least 0
 */
export function checkCacheOptions(options: DataKeyCacheOptions = {}): CacheLimits {
  checkOptions(options, CACHE_OPTIONS, "cache");
  return {
    ageMsMax: checkCount(options.maxAgeMs ?? CACHE_AGE_MS_DEFAULT, "maxAgeMs"),
    entriesMax: checkCount(options.maxEntries ?? CACHE_ENTRIES_DEFAULT, "maxEntries"),
  };
}

/** Unwrapped data keys, bound to service, environment and wrapped form. */
export class DataKeyCache {
  readonly #keys: SharedLru<CachedKey>;
  readonly #marksMax: number;
  /** Which entry ciphertexts had, by a few of their characters: no whole text is hashed to find one. */
  readonly #idByMark = new Map<number, string>();
  /** What is held of each service, by its id. */
  readonly #heldKeys = new Map<string, HeldKeys>();
  readonly #now: (() => number) | undefined;

  /**
   * @param heldKeys - of a service of which others hold keys too; of all other services this cache keeps its own
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  constructor(options: DataKeyCacheOptions = {}, heldKeys?: HeldKeys) {
    const limits = checkCacheOptions(options);
    this.#keys = new SharedLru({ ...limits, now: options.now });
    this.#now = options.now;
    if (heldKeys !== undefined) this.#heldKeys.set(heldKeys.service.id, heldKeys);
    this.#marksMax = MARKS_PER_ENTRY * limits.entriesMax;
  }

  /** How many keys are kept or under way. */
  get size(): number {
    return this.#keys.size;
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
    const heldKeys = this.#heldKeysOf(service);
    for (;;) {
      let isOwn = false;
      const entry = this.#entryFor(heldKeys, encryptedKeys, (keys) => {
        isOwn = true;
        return unwrap(service, keys, options.headers);
      });
      this.#keys.hold(entry);
      try {
        // The request is shared, so a caller's signal ends its own wait only; its headers are those of the call that makes it.
        const cached = await untilAborted(entry.ready, options.signal);
        // What this call has asked for itself is as new as the call.
        if (isOwn || (await isGood(cached, options))) return await work(cached.key);
        this.#keys.drop(entry);
      } finally {
        this.#keys.release(entry);
      }
    }
  }

  /**
   * Runs `work` with the data keys of several wrapped forms. What the cache has not is asked for in one batch.
   *
   * @param encryptedKeys - the wrapped forms, base64; at most as many as a batch of the service has items
   * @param work - must not keep the key
   * @returns what became of each, in order; failures of the service are never cached
   */
  async useMany<T>(
    service: KeyService,
    encryptedKeys: readonly string[],
    work: (key: DataKey, index: number) => T | Promise<T>,
    options: CallOptions = {},
  ): Promise<ItemResult<T>[]> {
    const heldKeys = this.#heldKeysOf(service);
    const results = new Array<ItemResult<T>>(encryptedKeys.length);
    const others: number[] = [];
    const underWay: Promise<void>[] = [];
    const isCurrent = heldKeys.oneLook();
    for (const [index, keys] of encryptedKeys.entries()) {
      const entry = this.#keys.get(entryId(service.id, keys));
      if (entry?.value === undefined || !isCurrent(entry.value.held)) {
        others.push(index);
        continue;
      }
      this.#keys.touch(entry);
      const { key } = entry.value;
      const done = resultOf(() => work(key, index));
      if (!done.ok || !(done.value instanceof Promise)) {
        results[index] = done as ItemResult<T>;
        continue;
      }
      this.#keys.hold(entry);
      underWay.push(
        resultOfLater(done.value).then((result) => {
          results[index] = result;
          this.#keys.release(entry);
        }),
      );
    }
    if (others.length > 0) {
      const wanted = others.map((index) => encryptedKeys[index]!);
      const more = await this.#useOthers(heldKeys, wanted, (key, n) => work(key, others[n]!), options);
      for (const [n, index] of others.entries()) results[index] = more[n]!;
    }
    await Promise.all(underWay);
    return results;
  }

  /** The same for keys that are not kept, or are in doubt. */
  async #useOthers<T>(
    heldKeys: HeldKeys,
    encryptedKeys: readonly string[],
    work: (key: DataKey, index: number) => T | Promise<T>,
    options: CallOptions,
  ): Promise<ItemResult<T>[]> {
    const { service } = heldKeys;
    // What is in doubt is asked about in one round; what is refused then is missing.
    const isDoubtful = encryptedKeys.some((keys) => this.#isDoubtful(heldKeys, keys));
    if (isDoubtful) await untilAborted(heldKeys.settle(), options.signal);
    const missing: string[] = [];
    const own = new Set<number>();
    let begin: (answer: ItemResult<DataKey>[] | Promise<ItemResult<DataKey>[]>) => void = () => {};
    const batch = new Promise<ItemResult<DataKey>[]>((resolve) => {
      begin = resolve;
    });
    const request = async (keys: string): Promise<DataKey> => {
      const index = missing.push(keys) - 1;
      return resultValue((await batch)[index]!);
    };
    const entries = encryptedKeys.map((keys, index) => {
      const entry = this.#entryFor(heldKeys, keys, (wanted) => {
        own.add(index);
        return request(wanted);
      });
      this.#keys.hold(entry);
      return entry;
    });
    // Shared like the answer to one request: a caller's signal ends its own wait only.
    begin(missing.length === 0 ? [] : unwrapKeys(service, missing, { headers: options.headers }));
    return Promise.all(
      entries.map(async (entry, index) => {
        try {
          const cached = await untilAborted(entry.ready, options.signal);
          const value =
            own.has(index) || cached.held.isCurrent()
              ? await work(cached.key, index)
              : await this.use(service, encryptedKeys[index]!, (key) => work(key, index), options);
          return { ok: true as const, value };
        } catch (error) {
          return { ok: false as const, error: error as Error };
        } finally {
          this.#keys.release(entry);
        }
      }),
    );
  }

  /**
   * Guesses the data key of a ciphertext from one that was decrypted before and is like it, without taking the
   * ciphertext apart. The caller must compare the wrapped form, and use the key at once, without a wait in between.
   *
   * @returns undefined if no key is kept, or there is any doubt about it
   */
  guessKey(service: KeyService, ciphertext: string): DataKey | undefined {
    const id = this.#idByMark.get(markOf(ciphertext));
    const entry = id === undefined ? undefined : this.#keys.get(id);
    if (entry?.value === undefined || !entry.id.endsWith(service.id) || !entry.value.held.isCurrent())
      return undefined;
    this.#keys.touch(entry);
    return entry.value.key;
  }

  /** Notes which wrapped form a ciphertext has, for {@link guessKey}. Nothing depends on it being right. */
  noteCiphertext(service: KeyService, ciphertext: string, encryptedKeys: string): void {
    if (this.#idByMark.size > this.#marksMax) this.#idByMark.clear();
    this.#idByMark.set(markOf(ciphertext), entryId(service.id, encryptedKeys));
  }

  /** Lets go of every key; those in use are disposed of when their calls end. */
  clear(): void {
    this.#keys.clear();
    this.#idByMark.clear();
  }

  /** Lets go of every key and keeps none from now on. */
  dispose(): void {
    this.#keys.close();
    this.#idByMark.clear();
  }

  #heldKeysOf(service: KeyService): HeldKeys {
    let heldKeys = this.#heldKeys.get(service.id);
    if (heldKeys?.service !== service) {
      heldKeys = new HeldKeys(service, this.#now);
      this.#heldKeys.set(service.id, heldKeys);
    }
    return heldKeys;
  }

  #isDoubtful(heldKeys: HeldKeys, encryptedKeys: string): boolean {
    const entry = this.#keys.get(entryId(heldKeys.service.id, encryptedKeys));
    return entry?.value !== undefined && !entry.value.held.isCurrent();
  }

  #entryFor(
    heldKeys: HeldKeys,
    encryptedKeys: string,
    request: (encryptedKeys: string) => Promise<DataKey>,
  ): SharedEntry<CachedKey> {
    const id = entryId(heldKeys.service.id, encryptedKeys);
    const entry = this.#keys.get(id);
    if (entry !== undefined) {
      this.#keys.touch(entry);
      return entry;
    }
    // Read before the key is asked for: a revocation in between must be noticed.
    const before = heldKeys.newest();
    const made = request(encryptedKeys).then((key) => {
      const held = heldKeys.hold(key, before, () => this.#keys.drop(added));
      return new CachedKey(key, held);
    });
    const added = this.#keys.add(id, made);
    return added;
  }
}

/** A key that is kept, and how it is heard of. */
class CachedKey {
  readonly key: DataKey;
  readonly held: HeldKey;

  constructor(key: DataKey, held: HeldKey) {
    this.key = key;
    this.held = held;
  }

  dispose(): void {
    this.held.release();
    this.key.dispose();
  }
}

/** Whether a kept key may be used by a call that has begun after it was asked for: asks the service if that is in doubt. */
async function isGood({ held }: CachedKey, { signal }: CallOptions): Promise<boolean> {
  if (held.isCurrent()) return true;
  if (held.isRefused) return false;
  await untilAborted(held.settle(), signal);
  return held.isCurrent();
}

/** The service's answer. One that throws at once has failed like any other. */
async function unwrap(
  service: KeyService,
  encryptedKeys: string,
  headers: CallOptions["headers"],
): Promise<DataKey> {
  return service.createDecrypt({ keys: encryptedKeys }, { headers });
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

/** Base64 holds no line break: the two parts cannot run into each other. */
function entryId(serviceId: string, encryptedKeys: string): string {
  return `${encryptedKeys}\n${serviceId}`;
}

function checkCount(value: number, what: string): number {
  if (!Number.isFinite(value) || value < 0) throw invalidRange(`${what} must be a number of at least 0`);
  return value;
}

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
import type { ItemResult } from "../base/item-result.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { type SharedEntry, SharedLru } from "../base/shared-lru.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { invalidRange } from "../errors.ts";
import { unwrapKeys } from "./batch-calls.ts";
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
  readonly #keys: SharedLru<DataKey>;
  readonly #marksMax: number;
  /** Which entry ciphertexts had, by a few of their characters: no whole text is hashed to find one. */
  readonly #idByMark = new Map<number, string>();
  /** What each service's `revocations` was when its keys were kept, by the service's id. */
  readonly #revocations = new Map<string, number | undefined>();

  /** @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
  constructor(options: DataKeyCacheOptions = {}) {
    const limits = checkCacheOptions(options);
    this.#keys = new SharedLru({ ...limits, now: options.now });
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
    const entry = this.#entryFor(service, encryptedKeys, (keys) => unwrap(service, keys, options.headers));
    this.#keys.hold(entry);
    try {
      // The request is shared, so a caller's signal ends its own wait only; its headers are those of the call that makes it.
      return await work(await untilAborted(entry.ready, options.signal));
    } finally {
      this.#keys.release(entry);
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
    const missing: string[] = [];
    let begin: (answer: ItemResult<DataKey>[] | Promise<ItemResult<DataKey>[]>) => void = () => {};
    const batch = new Promise<ItemResult<DataKey>[]>((resolve) => {
      begin = resolve;
    });
    const request = async (keys: string): Promise<DataKey> => {
      const index = missing.push(keys) - 1;
      return wantedOf((await batch)[index]!);
    };
    const entries = encryptedKeys.map((keys) => {
      const entry = this.#entryFor(service, keys, request);
      this.#keys.hold(entry);
      return entry;
    });
    // Shared like the answer to one request: a caller's signal ends its own wait only.
    begin(missing.length === 0 ? [] : unwrapKeys(service, missing, { headers: options.headers }));
    return Promise.all(
      entries.map(async (entry, index) => {
        try {
          return {
            ok: true as const,
            value: await work(await untilAborted(entry.ready, options.signal), index),
          };
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
    if (entry?.value === undefined || this.#revocations.get(service.id) !== service.revocations?.()) {
      return undefined;
    }
    this.#keys.touch(entry);
    return entry.value;
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

  #entryFor(
    service: KeyService,
    encryptedKeys: string,
    request: (encryptedKeys: string) => Promise<DataKey>,
  ): SharedEntry<DataKey> {
    const revocations = service.revocations?.();
    if (this.#revocations.get(service.id) !== revocations) {
      this.#keys.dropWhere((id) => id.endsWith(entryId(service.id, "")));
      this.#revocations.set(service.id, revocations);
    }
    const id = entryId(service.id, encryptedKeys);
    const entry = this.#keys.get(id);
    if (entry === undefined) return this.#keys.add(id, request(encryptedKeys));
    this.#keys.touch(entry);
    return entry;
  }
}

/** The service's answer. One that throws at once has failed like any other. */
async function unwrap(
  service: KeyService,
  encryptedKeys: string,
  headers: CallOptions["headers"],
): Promise<DataKey> {
  return service.createDecrypt({ keys: encryptedKeys }, { headers });
}

function wantedOf(result: ItemResult<DataKey>): DataKey {
  if (result.ok) return result.value;
  throw result.error;
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

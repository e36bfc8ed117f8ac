/**
 * A data key held for several messages: what a lease is inside.
 *
 * Owns what the held key may be used for and how its envelopes are made. Takes arguments that were checked. Must not
 * know how a service makes data keys, nor which KEKs stand behind one.
 *
 * @module
 */

import { type Bytes, equalBytes } from "../base/bytes.ts";
import { type ItemResult, resultOf, resultOfLater } from "../base/item-result.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import type { AeadProviderName } from "../crypto/aead/aead.ts";
import type { Ciphers } from "../crypto/ciphers/ciphers.ts";
import { ciphersOf } from "../crypto/ciphers/of-call.ts";
import type { SyncCrypto } from "../crypto/ciphers/sync-crypto.ts";
import { failuresOf, type Prepared } from "../crypto/envelope/batch-items.ts";
import { type Envelope, parseEnvelope } from "../crypto/envelope/envelope.ts";
import { isFrameLayout, type WritableLayout } from "../crypto/envelope/layouts.ts";
import { bytesOfPlaintext } from "../crypto/envelope/plaintext.ts";
import type { ReadyKey } from "../crypto/envelope/short-ways.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import {
  checkLayout,
  DEFAULT_LAYOUT,
  decryptEnvelope,
  decryptEnvelopeSync,
  encryptEnvelope,
  encryptEnvelopeSync,
  type LocalDecryptOptions,
} from "../crypto/local.ts";
import { VaultError } from "../errors.ts";
import type { HeldKey, HeldKeys } from "./held-keys.ts";
import { CALL_OPTIONS, type CallOptions } from "./key-service.ts";
import {
  type CheckedLimits,
  checkLimits,
  LEASE_LIMITS,
  LeaseBudget,
  type LeaseLimits,
} from "./lease-budget.ts";
import { LeaseLifetime } from "./lease-lifetime.ts";

/** A message of a batch whose arguments were checked, or what was wrong with them. */
export type SealItem = ItemResult<Prepared<string | Uint8Array>>;

/** The same for a ciphertext. */
export type OpenItem = ItemResult<Prepared<string>>;

/** What a lease is told when it is taken. */
export interface LeaseOptions extends LeaseLimits {
  /** Layout to write; default `iv12`, or `native` with `requireCommitment`. */
  readonly layout?: WritableLayout | undefined;
  /** Refuse to write or read a layout that does not commit to its key. Default false. */
  readonly requireCommitment?: boolean | undefined;
  /** Overrides the choice of AEAD provider. */
  readonly provider?: AeadProviderName | undefined;
  /** From `coffer/sync`, where the runtime has nothing built in that answers at once. */
  readonly sync?: SyncCrypto | undefined;
  /** The clock, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Names of {@link LeaseOptions}, with those of calls. */
export const LEASE_OPTIONS = /* @__PURE__ */ optionNames<Omit<LeaseOptions, keyof LeaseLimits>>(
  { layout: true, requireCommitment: true, provider: true, sync: true, now: true },
  LEASE_LIMITS,
  CALL_OPTIONS,
);

/** {@link LeaseOptions} that were checked, with their defaults filled in. */
export interface LeaseSettings {
  readonly limits: CheckedLimits;
  readonly layout: WritableLayout;
  readonly requireCommitment: boolean;
  readonly provider: AeadProviderName | undefined;
  readonly sync: SyncCrypto | undefined;
  readonly now: () => number;
}

/**
 * Checks what a lease is told, and reads it once.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_LAYOUT_NOT_ALLOWED
 */
export function leaseSettings(options: LeaseOptions & CallOptions): LeaseSettings {
  checkOptions(options, LEASE_OPTIONS, "lease");
  const requireCommitment = options.requireCommitment === true;
  return {
    limits: checkLimits(options),
    layout: checkLayout(options.layout, requireCommitment),
    requireCommitment,
    provider: options.provider,
    sync: options.sync,
    now: options.now ?? Date.now,
  };
}

/** Settings of a key that is held behind the scenes, whose messages name their layouts themselves. */
export function settingsOf(limits: CheckedLimits, sync: SyncCrypto): LeaseSettings {
  return {
    limits,
    layout: DEFAULT_LAYOUT,
    requireCommitment: false,
    provider: undefined,
    sync,
    now: Date.now,
  };
}

/**
 * Takes a data key and holds it.
 *
 * @param context - checked, and frozen or the service's own
 * @throws what `createDataKey` throws
 */
export async function takeLeasedKey(
  heldKeys: HeldKeys,
  context: KeyContext,
  settings: LeaseSettings,
  { signal, headers }: Pick<CallOptions, "signal" | "headers"> = {},
): Promise<LeasedKey> {
  // Read before the key is made: a revocation in between must end the lease.
  const before = heldKeys.newest();
  const key = await heldKeys.service.createDataKey({ context }, { signal, headers });
  return new LeasedKey(key, settings, (onRefused) => heldKeys.hold(key, before, onRefused));
}

/** A held data key with its budget and its lifetime. */
export class LeasedKey {
  readonly settings: LeaseSettings;
  readonly budget: LeaseBudget;
  readonly #key: DataKey;
  readonly #keyBlob: Uint8Array;
  readonly #ciphers: Ciphers;
  /** The key made ready, where the lease's ciphers have short ways. */
  readonly #ready: ReadyKey | undefined;
  readonly #lifetime: LeaseLifetime;

  /** @param hold - makes it heard of when the service refuses the key; undefined for one that no service stands behind */
  constructor(key: DataKey, settings: LeaseSettings, hold?: (onRefused: () => void) => HeldKey) {
    this.settings = settings;
    this.budget = new LeaseBudget(settings.limits);
    this.#key = key;
    this.#keyBlob = key.keyBlob;
    this.#ciphers = ciphersOf(settings.sync);
    this.#ready = this.#ciphers.shortWays?.of(key);
    this.#lifetime = new LeaseLifetime(
      settings.limits.maxAgeMs,
      settings.now,
      hold?.(() => this.#lifetime.end("revoked")),
      settings.limits.onOutage === "continue",
      () => key.dispose(),
    );
  }

  /** The service's id of the data key. */
  get id(): string {
    return this.#key.id;
  }

  /** Whether one more message of `bytes` bytes would be accepted now. */
  canEncrypt(bytes: number): boolean {
    return !this.#lifetime.isOver() && !this.#lifetime.isStale() && this.budget.hasRoomFor(bytes);
  }

  /** Whether a call that can wait should {@link freshen} it first. */
  isStale(): boolean {
    return this.#lifetime.isStale();
  }

  /** Asks the service for the key and waits for the answer, or that there is none. */
  freshen(): Promise<void> {
    return this.#lifetime.freshen();
  }

  /**
   * Seals a message at once.
   *
   * @param canWait - that the call is one that can wait for Web Crypto
   * @returns undefined where no provider answers at once, or there is no short way: nothing was spent then
   * @throws VaultError ERR_DISPOSED, ERR_LEASE_EXPIRED, ERR_LEASE_STALE, ERR_DATA_KEY_EXHAUSTED, ERR_RANDOM_UNAVAILABLE
   */
  sealNow(
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    layout: WritableLayout,
    canWait: boolean,
  ): string | undefined {
    this.#lifetime.checkSeal();
    const { provider } = this.settings;
    return this.#ready?.seal(plaintext, associatedData, layout, provider, this.budget, canWait);
  }

  /** Seals a message. @throws as {@link sealNow} */
  async seal(
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    layout: WritableLayout,
  ): Promise<string> {
    const now = this.sealNow(plaintext, associatedData, layout, true);
    return now ?? this.sealLater(plaintext, associatedData, layout);
  }

  /** Seals a message that {@link sealNow} did not. @throws as that */
  async sealLater(
    plaintext: string | Uint8Array,
    associatedData: Uint8Array,
    layout: WritableLayout,
  ): Promise<string> {
    const bytes = this.#spendFor(plaintext);
    return encryptEnvelope(bytes, this.#key, associatedData, layout, this.#ciphers, this.settings.provider);
  }

  /** Seals a message at once; not where Web Crypto is the provider. @throws as {@link sealNow} */
  sealSync(plaintext: string | Uint8Array, associatedData: Uint8Array, layout: WritableLayout): string {
    const now = this.sealNow(plaintext, associatedData, layout, false);
    if (now !== undefined) return now;
    const bytes = this.#spendFor(plaintext);
    return encryptEnvelopeSync(
      bytes,
      this.#key,
      associatedData,
      layout,
      this.#ciphers,
      this.settings.provider,
    );
  }

  /** Seals many messages; one result per item, in order. @throws as {@link sealNow} what holds for all */
  async sealBatch(items: readonly SealItem[], layout: WritableLayout): Promise<ItemResult<string>[]> {
    const seal = (item: Prepared<string | Uint8Array>): Promise<ItemResult<string>> =>
      resultOfLater(this.seal(item.data, item.associatedData, layout));
    // All begin at once: each call reads what was passed before it returns.
    return Promise.all(withRest(this.#sealMany(items, layout), items, seal));
  }

  /** The same at once; not where Web Crypto is the provider. */
  sealBatchSync(items: readonly SealItem[], layout: WritableLayout): ItemResult<string>[] {
    return withRest(this.#sealMany(items, layout), items, (item) =>
      resultOf(() => this.sealSync(item.data, item.associatedData, layout)),
    );
  }

  /** Opens a message of the layout that the lease writes at once; undefined for all others, and where there is any doubt. */
  openNow(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: LocalDecryptOptions,
    canWait: boolean,
  ): string | Bytes | undefined {
    this.#lifetime.check();
    const { layout } = this.settings;
    if (!isPlain(options)) return undefined;
    const provider = this.#providerOf(options);
    const ready =
      options.sync === undefined ? this.#ready : this.#ciphersOf(options).shortWays?.of(this.#key);
    return ready?.open(ciphertext, associatedData, layout, as, provider, canWait);
  }

  /**
   * Opens a message of this key.
   *
   * @throws VaultError ERR_KEY_MISMATCH if the ciphertext names another wrapped key; ERR_DISPOSED, ERR_LEASE_EXPIRED; and as
   *   `localDecrypt`
   */
  async open(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): Promise<string | Bytes> {
    const now = this.openNow(ciphertext, associatedData, as, options, true);
    return now ?? this.openLater(ciphertext, associatedData, as, options);
  }

  /** Opens a message that {@link openNow} did not. @throws as {@link open} */
  async openLater(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): Promise<string | Bytes> {
    const envelope = this.#parse(ciphertext, options);
    const ciphers = this.#ciphersOf(options);
    return decryptEnvelope(envelope, this.#key, associatedData, as, ciphers, this.#providerOf(options));
  }

  /** The same at once; not where Web Crypto is the provider. */
  openSync(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): string | Bytes {
    const now = this.openNow(ciphertext, associatedData, as, options, false);
    if (now !== undefined) return now;
    const envelope = this.#parse(ciphertext, options);
    const ciphers = this.#ciphersOf(options);
    return decryptEnvelopeSync(envelope, this.#key, associatedData, as, ciphers, this.#providerOf(options));
  }

  /** Opens many messages of this key; one result per item, in order. @throws as {@link openNow} what holds for all */
  async openBatch(
    items: readonly OpenItem[],
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): Promise<ItemResult<string | Bytes>[]> {
    const open = (item: Prepared<string>): Promise<ItemResult<string | Bytes>> =>
      resultOfLater(this.open(item.data, item.associatedData, as, options));
    return Promise.all(withRest(this.#openMany(items, as, options), items, open));
  }

  /** The same at once; not where Web Crypto is the provider. */
  openBatchSync(
    items: readonly OpenItem[],
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): ItemResult<string | Bytes>[] {
    return withRest(this.#openMany(items, as, options), items, (item) =>
      resultOf(() => this.openSync(item.data, item.associatedData, as, options)),
    );
  }

  /** Zeroes the key (best effort). May be called more than once. */
  dispose(): void {
    this.#lifetime.end("disposed");
  }

  #sealMany(items: readonly SealItem[], layout: WritableLayout): (ItemResult<string> | undefined)[] {
    this.#lifetime.checkSeal();
    if (!isFrameLayout(layout)) return failuresOf(items);
    const { shortWays } = this.#ciphers;
    const { provider } = this.settings;
    return shortWays?.sealMany(this.#key, items, layout, provider, this.budget) ?? failuresOf(items);
  }

  #openMany(
    items: readonly OpenItem[],
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): (ItemResult<string | Bytes> | undefined)[] {
    this.#lifetime.check();
    const { layout } = this.settings;
    if (!isFrameLayout(layout) || !isPlain(options)) return failuresOf(items);
    const { shortWays } = this.#ciphersOf(options);
    const provider = this.#providerOf(options);
    return shortWays?.openMany(this.#key, items, layout, as, provider) ?? failuresOf(items);
  }

  #ciphersOf({ sync }: LocalDecryptOptions): Ciphers {
    return sync === undefined ? this.#ciphers : ciphersOf(sync);
  }

  #providerOf(options: LocalDecryptOptions): AeadProviderName | undefined {
    return options.provider ?? this.settings.provider;
  }

  /** The bytes of a message, which is taken out of the budget. */
  #spendFor(plaintext: string | Uint8Array): Uint8Array {
    this.#lifetime.checkSeal();
    const bytes = bytesOfPlaintext(plaintext);
    this.budget.spend(bytes.length);
    return bytes;
  }

  #parse(ciphertext: string, options: LocalDecryptOptions): Envelope {
    this.#lifetime.check();
    const requireCommitment = options.requireCommitment ?? this.settings.requireCommitment;
    const envelope = parseEnvelope(ciphertext, { ...options, requireCommitment });
    if (!equalBytes(envelope.keyBlob, this.#keyBlob)) {
      throw new VaultError(
        "ERR_KEY_MISMATCH",
        "the ciphertext was not encrypted under this lease's data key",
      );
    }
    return envelope;
  }
}

/** Results with those that the batch has left to do: items that were prepared without an error. */
function withRest<T, R, D>(
  results: readonly (R | undefined)[],
  items: readonly ItemResult<Prepared<T>>[],
  work: (item: Prepared<T>) => D,
): (R | D)[] {
  return results.map((result, index) => result ?? work((items[index] as { value: Prepared<T> }).value));
}

/** Whether a reader accepts the layout that the lease writes without looking at its options again. */
function isPlain(options: LocalDecryptOptions): boolean {
  return options.layouts === undefined && options.requireCommitment !== true;
}

/**
 * Leases: one data key, many messages, within a budget.
 *
 * Owns the budget (messages, bytes, age) and what a held key may be used for. Must not know how a service makes
 * data keys, nor which KEKs stand behind one.
 *
 * @module
 */

import { equalBytes } from "../base/bytes.ts";
import { DISPOSE } from "../base/dispose.ts";
import { type ItemResult, resultOf, resultOfLater } from "../base/item-result.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import type { AeadProviderName } from "../crypto/aead/aead.ts";
import { type Envelope, parseEnvelope, type WritableLayout } from "../crypto/envelope/envelope.ts";
import {
  type DecryptItem,
  type EncryptItem,
  failuresOf,
  openMany,
  type Prepared,
  prepareOpens,
  prepareSeals,
  sealMany,
} from "../crypto/envelope/fast/envelope-batch.ts";
import { type EnvelopeKey, envelopeKeyOf } from "../crypto/envelope/fast/envelope-key.ts";
import type { Budget } from "../crypto/envelope/plaintext.ts";
import { type DataKey, keyBlobFromText } from "../crypto/keys/data-key.ts";
import { canonicalContext, contextObject, type KeyContext } from "../crypto/keys/key-context.ts";
import {
  type AssociatedData,
  associatedDataBytes,
  checkLayout,
  checkResultType,
  decryptEnvelope,
  decryptEnvelopeSync,
  LOCAL_DECRYPT_OPTIONS,
  type LocalDecryptOptions,
  localEncrypt,
  localEncryptSync,
  plaintextBytes,
} from "../crypto/local.ts";
import { INSPECT } from "../crypto/primitives/secret-bytes.ts";
import { invalidRange, VaultError } from "../errors.ts";
import { CALL_OPTIONS, type CallOptions, type KeyService } from "./key-service.ts";
import {
  LEASE_AGE_MS_DEFAULT,
  LEASE_AGE_MS_MAX,
  LEASE_BYTES_DEFAULT,
  LEASE_BYTES_MAX,
  LEASE_MESSAGES_DEFAULT,
  LEASE_MESSAGES_MAX,
  LEASE_REVOCATION_CHECK_MS,
} from "./limits.ts";

/** The budget of a lease; each part has a default and a ceiling. */
export interface LeaseLimits {
  /** Messages to encrypt; default 2^20, at most 2^32. */
  readonly maxMessages?: number | undefined;
  /** Bytes of plaintext to encrypt; default 64 GiB, at most 1 PiB. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds to live; default one hour, at most one day. */
  readonly maxAgeMs?: number | undefined;
}

/** Names of {@link LeaseLimits}. */
export const LEASE_LIMITS = optionNames<LeaseLimits>({ maxMessages: true, maxBytes: true, maxAgeMs: true });

export interface LeaseOptions extends LeaseLimits {
  /** Layout to write; default `iv12`, or `native` with `requireCommitment`. */
  readonly layout?: WritableLayout | undefined;
  /** Refuse to write or read a layout that does not commit to its key. Default false. */
  readonly requireCommitment?: boolean | undefined;
  /** Overrides the choice of AEAD provider. */
  readonly provider?: AeadProviderName | undefined;
  /** The clock, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

const TAKE_OPTIONS = optionNames<Omit<LeaseOptions, keyof LeaseLimits>>(
  { layout: true, requireCommitment: true, provider: true, now: true },
  LEASE_LIMITS,
  CALL_OPTIONS,
);

export interface LeaseEncryptOptions {
  /** Layout to write; default the lease's. */
  readonly layout?: WritableLayout | undefined;
}

const LEASE_ENCRYPT_OPTIONS = optionNames<LeaseEncryptOptions>({ layout: true });

/** What of a lease's budget is left. */
class LeaseBudget implements Budget {
  messagesLeft: number;
  bytesLeft: number;

  constructor(messages: number, bytes: number) {
    this.messagesLeft = messages;
    this.bytesLeft = bytes;
  }

  /** Takes one message out of the budget, or throws and takes nothing. */
  spend(bytes: number): void {
    if (this.messagesLeft < 1 || this.bytesLeft < bytes) {
      throw exhausted();
    }
    // Invariant: messages are counted when they start. A failure overcounts, which costs one nonce; counting
    // afterwards would let concurrent calls exceed the budget.
    this.messagesLeft -= 1;
    this.bytesLeft -= bytes;
  }
}

/** A data key held for several messages. Made by {@link takeLease}. */
export class Lease {
  readonly #key: DataKey;
  readonly #keyBlob: Uint8Array;
  readonly #envelopes: EnvelopeKey;
  readonly #budget: LeaseBudget;
  readonly #layout: WritableLayout;
  readonly #requireCommitment: boolean;
  readonly #provider: AeadProviderName | undefined;
  readonly #limits: Required<{ [K in keyof LeaseLimits]: number }>;
  readonly #now: () => number;
  readonly #since: number;
  readonly #revocations: (() => number) | undefined;
  readonly #revocationsAtStart: number | undefined;
  readonly #expiry: ReturnType<typeof setTimeout>;
  #revocationsSeenAt: number;
  #end: "disposed" | "expired" | "revoked" | undefined;

  constructor(
    key: DataKey,
    options: LeaseOptions & Pick<KeyService, "revocations"> & { revocationsAtStart?: number | undefined },
  ) {
    this.#limits = checkLimits(options);
    this.#requireCommitment = options.requireCommitment === true;
    this.#layout = checkLayout(options.layout, this.#requireCommitment);
    this.#keyBlob = keyBlobFromText(key.encryptedKeys);
    this.#key = key;
    this.#envelopes = envelopeKeyOf(key);
    this.#budget = new LeaseBudget(this.#limits.maxMessages, this.#limits.maxBytes);
    this.#provider = options.provider;
    this.#now = options.now ?? Date.now;
    this.#since = this.#now();
    this.#revocations = options.revocations;
    this.#revocationsAtStart = options.revocationsAtStart;
    this.#revocationsSeenAt = this.#since;
    // The key must not outlive the lease's age even if nobody calls again.
    this.#expiry = setTimeout(() => this.#finish("expired"), this.#limits.maxAgeMs);
    (this.#expiry as { unref?: () => void }).unref?.();
  }

  /** The service's id of the data key. */
  get keyId(): string {
    return this.#key.id;
  }

  /** Messages that may still be encrypted. */
  get messagesLeft(): number {
    return this.#budget.messagesLeft;
  }

  /** Bytes of plaintext that may still be encrypted. */
  get bytesLeft(): number {
    return this.#budget.bytesLeft;
  }

  /**
   * Whether one more message of `bytes` bytes would be accepted now.
   */
  canEncrypt(bytes: number): boolean {
    this.#lookAround();
    return this.#end === undefined && this.messagesLeft >= 1 && this.bytesLeft >= bytes;
  }

  /**
   * Encrypts one message under the held key, with a fresh nonce.
   *
   * @param data - text or bytes, at most 64 MiB
   * @throws VaultError ERR_DATA_KEY_EXHAUSTED (messages or bytes used up; nothing is encrypted), ERR_LEASE_EXPIRED
   *   (too old, or keys of the service were revoked), ERR_DISPOSED; and as `localEncrypt`
   */
  async encrypt(
    data: string | Uint8Array,
    associatedData?: AssociatedData,
    options: LeaseEncryptOptions = {},
  ): Promise<string> {
    checkOptions(options, LEASE_ENCRYPT_OPTIONS, "encrypt");
    // An async function without an await: one promise, and the input is read before the call returns.
    return this.#seal(data, associatedData, options, true) ?? this.#sealLater(data, associatedData, options);
  }

  /** The same at once; not where Web Crypto is the provider. */
  encryptSync(
    data: string | Uint8Array,
    associatedData?: AssociatedData,
    options: LeaseEncryptOptions = {},
  ): string {
    checkOptions(options, LEASE_ENCRYPT_OPTIONS, "encryptSync");
    const fast = this.#seal(data, associatedData, options, false);
    if (fast !== undefined) return fast;
    const plaintext = this.#spendFor(data);
    return localEncryptSync(plaintext, this.#key, associatedData, this.#encryptOptions(options));
  }

  /**
   * Decrypts a message that was encrypted under the held key. Costs no budget.
   *
   * @throws VaultError ERR_KEY_MISMATCH if the ciphertext names another wrapped key; and as `encrypt` and `localDecrypt`
   */
  async decrypt(
    ciphertext: string,
    associatedData: AssociatedData,
    options: LocalDecryptOptions & { readonly as: "bytes" },
  ): Promise<Uint8Array>;
  async decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<string>;
  async decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options: LocalDecryptOptions = {},
  ): Promise<string | Uint8Array> {
    checkOptions(options, LOCAL_DECRYPT_OPTIONS, "decrypt");
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    const fast = this.#open(ciphertext, aad, as, options, true);
    if (fast !== undefined) return fast;
    const envelope = this.#ours(ciphertext, options);
    return decryptEnvelope(envelope, this.#key, aad, as, options.provider ?? this.#provider);
  }

  /** The same at once; not where Web Crypto is the provider. */
  decryptSync(
    ciphertext: string,
    associatedData: AssociatedData,
    options: LocalDecryptOptions & { readonly as: "bytes" },
  ): Uint8Array;
  decryptSync(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
  ): string;
  decryptSync(
    ciphertext: string,
    associatedData?: AssociatedData,
    options: LocalDecryptOptions = {},
  ): string | Uint8Array {
    checkOptions(options, LOCAL_DECRYPT_OPTIONS, "decryptSync");
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    const fast = this.#open(ciphertext, aad, as, options, false);
    if (fast !== undefined) return fast;
    const envelope = this.#ours(ciphertext, options);
    return decryptEnvelopeSync(envelope, this.#key, aad, as, options.provider ?? this.#provider);
  }

  /**
   * Encrypts many messages: less work for each than one by one, and nonces from one read of the kernel.
   *
   * @param items - texts or bytes, or `{ data, associatedData }` for associated data of their own
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless items is an array and associatedData is right;
   *   VaultError ERR_LEASE_EXPIRED, ERR_DISPOSED, ERR_RANDOM_UNAVAILABLE, which hold for all. What `encrypt` throws
   *   for one message (ERR_DATA_KEY_EXHAUSTED among it) is that item's error.
   */
  async encryptMany(
    items: readonly EncryptItem[],
    associatedData?: AssociatedData,
    options: LeaseEncryptOptions = {},
  ): Promise<ItemResult<string>[]> {
    const prepared = prepareSeals(items, associatedData);
    const results = this.#sealMany(prepared, options);
    // All begin at once: each call reads what was passed before it returns.
    return Promise.all(
      results.map((result, index) => {
        if (result !== undefined) return result;
        // Prepared without an error, and not sealed: no provider for it answers at once.
        const { value } = prepared[index] as { value: Prepared<string | Uint8Array> };
        return resultOfLater(this.encrypt(value.data, value.associatedData, options));
      }),
    );
  }

  /** The same at once; not where Web Crypto is the provider. */
  encryptManySync(
    items: readonly EncryptItem[],
    associatedData?: AssociatedData,
    options: LeaseEncryptOptions = {},
  ): ItemResult<string>[] {
    const prepared = prepareSeals(items, associatedData);
    return this.#sealMany(prepared, options).map((result, index) => {
      if (result !== undefined) return result;
      const { value } = prepared[index] as { value: Prepared<string | Uint8Array> };
      return resultOf(() => this.encryptSync(value.data, value.associatedData, options));
    });
  }

  /**
   * Decrypts many messages of this lease. Costs no budget.
   *
   * @param items - ciphertexts, or `{ ciphertext, associatedData }` for associated data of their own
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws as `encryptMany`; what `decrypt` throws for one ciphertext is that item's error
   */
  async decryptMany(
    items: readonly DecryptItem[],
    associatedData: AssociatedData,
    options: LocalDecryptOptions & { readonly as: "bytes" },
  ): Promise<ItemResult<Uint8Array>[]>;
  async decryptMany(
    items: readonly DecryptItem[],
    associatedData?: AssociatedData,
    options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<ItemResult<string>[]>;
  async decryptMany(
    items: readonly DecryptItem[],
    associatedData?: AssociatedData,
    options: LocalDecryptOptions = {},
  ): Promise<ItemResult<string | Uint8Array>[]> {
    const as = checkResultType(options.as);
    const prepared = prepareOpens(items, associatedData);
    const results = this.#openMany(prepared, as, options);
    return Promise.all(
      results.map((result, index) => {
        if (result !== undefined) return result;
        const { value } = prepared[index] as { value: Prepared<string> };
        const slow = this.decrypt(value.data, value.associatedData, options as { as: "bytes" });
        return resultOfLater<string | Uint8Array>(slow);
      }),
    );
  }

  /** The same at once; not where Web Crypto is the provider. */
  decryptManySync(
    items: readonly DecryptItem[],
    associatedData: AssociatedData,
    options: LocalDecryptOptions & { readonly as: "bytes" },
  ): ItemResult<Uint8Array>[];
  decryptManySync(
    items: readonly DecryptItem[],
    associatedData?: AssociatedData,
    options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
  ): ItemResult<string>[];
  decryptManySync(
    items: readonly DecryptItem[],
    associatedData?: AssociatedData,
    options: LocalDecryptOptions = {},
  ): ItemResult<string | Uint8Array>[] {
    const as = checkResultType(options.as);
    const prepared = prepareOpens(items, associatedData);
    return this.#openMany(prepared, as, options).map((result, index) => {
      if (result !== undefined) return result;
      const { value } = prepared[index] as { value: Prepared<string> };
      return resultOf<string | Uint8Array>(() =>
        this.decryptSync(value.data, value.associatedData, options as { as: "bytes" }),
      );
    });
  }

  /** Zeroes the key (best effort). Later calls throw ERR_DISPOSED. May be called more than once. */
  dispose(): void {
    this.#finish("disposed");
  }

  [DISPOSE](): void {
    this.dispose();
  }

  toJSON(): { keyId: string } {
    return { keyId: this.keyId };
  }

  [INSPECT](): string {
    return `Lease { keyId: '${this.keyId}', key: [secret] }`;
  }

  /** The fast way (src/crypto/envelope/fast/envelope-key.ts); undefined where it has none. */
  #seal(
    data: string | Uint8Array,
    associatedData: AssociatedData,
    options: LeaseEncryptOptions,
    canWait: boolean,
  ): string | undefined {
    this.#checkAlive();
    const layout =
      options.layout === undefined ? this.#layout : checkLayout(options.layout, this.#requireCommitment);
    if (layout === "native") return undefined;
    return this.#envelopes.seal(data, associatedData, layout, this.#provider, this.#budget, canWait);
  }

  #sealMany(
    prepared: readonly ItemResult<Prepared<string | Uint8Array>>[],
    options: LeaseEncryptOptions,
  ): (ItemResult<string> | undefined)[] {
    this.#checkAlive();
    const layout =
      options.layout === undefined ? this.#layout : checkLayout(options.layout, this.#requireCommitment);
    if (layout === "native") return failuresOf(prepared);
    return sealMany(this.#envelopes, prepared, layout, this.#provider, this.#budget);
  }

  #openMany(
    prepared: readonly ItemResult<Prepared<string>>[],
    as: "text" | "bytes",
    options: LocalDecryptOptions,
  ): (ItemResult<string | Uint8Array> | undefined)[] {
    this.#checkAlive();
    if (this.#layout === "native" || !isPlain(options)) {
      return failuresOf(prepared);
    }
    return openMany(this.#envelopes, prepared, this.#layout, as, options.provider ?? this.#provider);
  }

  async #sealLater(
    data: string | Uint8Array,
    associatedData: AssociatedData,
    options: LeaseEncryptOptions,
  ): Promise<string> {
    const plaintext = this.#spendFor(data);
    return localEncrypt(plaintext, this.#key, associatedData, this.#encryptOptions(options));
  }

  #open(
    ciphertext: string,
    associatedData: Uint8Array,
    as: "text" | "bytes",
    options: LocalDecryptOptions,
    canWait: boolean,
  ): string | Uint8Array | undefined {
    this.#checkAlive();
    if (this.#layout === "native" || !isPlain(options)) return undefined;
    const provider = options.provider ?? this.#provider;
    return this.#envelopes.open(ciphertext, associatedData, this.#layout, as, provider, canWait);
  }

  #encryptOptions(options: LeaseEncryptOptions) {
    return {
      layout: options.layout ?? this.#layout,
      requireCommitment: this.#requireCommitment,
      provider: this.#provider,
    };
  }

  /** The bytes of a message, which is taken out of the budget. */
  #spendFor(data: string | Uint8Array): Uint8Array {
    this.#checkAlive();
    const plaintext = plaintextBytes(data);
    this.#budget.spend(plaintext.length);
    return plaintext;
  }

  #ours(ciphertext: string, options: LocalDecryptOptions): Envelope {
    this.#checkAlive();
    const requireCommitment = options.requireCommitment ?? this.#requireCommitment;
    const envelope = parseEnvelope(ciphertext, { ...options, requireCommitment });
    if (!equalBytes(envelope.keyBlob, this.#keyBlob)) {
      throw new VaultError(
        "ERR_KEY_MISMATCH",
        "the ciphertext was not encrypted under this lease's data key",
      );
    }
    return envelope;
  }

  #checkAlive(): void {
    this.#lookAround();
    if (this.#end === "disposed") throw new VaultError("ERR_DISPOSED", "the lease has been disposed of");
    if (this.#end === "expired")
      throw new VaultError("ERR_LEASE_EXPIRED", "the lease is too old: take a new one");
    if (this.#end === "revoked") {
      throw new VaultError("ERR_LEASE_EXPIRED", "keys of the service were revoked: take a new lease");
    }
  }

  #lookAround(): void {
    if (this.#end !== undefined) return;
    const now = this.#now();
    // A clock that was set back ends the lease too: how old it is can no longer be told.
    if (now - this.#since >= this.#limits.maxAgeMs || now < this.#since) {
      this.#finish("expired");
    } else if (
      this.#revocations !== undefined &&
      // Either way: a clock that was set back must not put the next look off.
      Math.abs(now - this.#revocationsSeenAt) >= LEASE_REVOCATION_CHECK_MS
    ) {
      const revocations = this.#revocations();
      // Only now: a look that failed was none.
      this.#revocationsSeenAt = now;
      if (revocations !== this.#revocationsAtStart) this.#finish("revoked");
    }
  }

  #finish(end: "disposed" | "expired" | "revoked"): void {
    clearTimeout(this.#expiry);
    this.#end ??= end;
    this.#key.dispose();
  }
}

/**
 * Takes a data key for `context` and holds it.
 *
 * @throws RangeError ERR_INVALID_ARGUMENT for a limit that is not a whole number from 1 to its ceiling; and what
 *   `createDataKey` throws
 */
export async function takeLease(
  service: KeyService,
  context: KeyContext,
  options: LeaseOptions & CallOptions = {},
): Promise<Lease> {
  checkOptions(options, TAKE_OPTIONS, "lease");
  checkLimits(options);
  checkLayout(options.layout, options.requireCommitment);
  // Read before the key is made: a revocation in between must end the lease.
  const revocationsAtStart = service.revocations?.();
  // As they are now: the caller's object may change while this waits.
  const own = { ...options };
  const key = await service.createDataKey(
    { context: contextObject(canonicalContext(context)) },
    {
      signal: own.signal,
    },
  );
  return new Lease(key, {
    ...own,
    revocationsAtStart,
    ...(service.revocations === undefined ? {} : { revocations: () => service.revocations!() }),
  });
}

/** Whether a reader accepts the layout that the lease writes without looking at its options again. */
function isPlain(options: LocalDecryptOptions): boolean {
  return options.layouts === undefined && options.requireCommitment !== true;
}

/** What a message that no budget has room for fails with. */
export function exhausted(): VaultError {
  return new VaultError("ERR_DATA_KEY_EXHAUSTED", "the lease's budget is used up: take a new lease");
}

/** A budget with its defaults filled in. @throws RangeError ERR_INVALID_ARGUMENT */
export function checkLimits(limits: LeaseLimits): Required<{ [K in keyof LeaseLimits]: number }> {
  return {
    maxMessages: checkLimit(limits.maxMessages, LEASE_MESSAGES_DEFAULT, LEASE_MESSAGES_MAX, "maxMessages"),
    maxBytes: checkLimit(limits.maxBytes, LEASE_BYTES_DEFAULT, LEASE_BYTES_MAX, "maxBytes"),
    maxAgeMs: checkLimit(limits.maxAgeMs, LEASE_AGE_MS_DEFAULT, LEASE_AGE_MS_MAX, "maxAgeMs"),
  };
}

function checkLimit(value: number | undefined, byDefault: number, max: number, what: string): number {
  if (value === undefined) return byDefault;
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw invalidRange(`${what} must be a whole number from 1 to ${max}`);
  }
  return value;
}

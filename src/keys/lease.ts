/**
 * Leases: one data key, many messages, within a budget.
 *
 * Owns the doors of a lease: the checks of its arguments, and batches. Must not know how messages are sealed.
 *
 * @module
 */

import { type Bytes, copyBytes } from "../base/bytes.ts";
import { DISPOSE } from "../base/dispose.ts";
import type { ItemResult } from "../base/item-result.ts";
import { NULLISH_OPTION, type NullishOption, withoutNullish } from "../base/nullish.ts";
import { checkOptions, type OptionNames, optionNames } from "../base/options.ts";
import { type AssociatedData, associatedDataBytes } from "../crypto/associated-data.ts";
import {
  type DecryptItem,
  type EncryptItem,
  prepareOpens,
  prepareSeals,
} from "../crypto/envelope/batch-items.ts";
import type { WritableLayout } from "../crypto/envelope/layouts.ts";
import { checkPlaintext } from "../crypto/envelope/plaintext.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { checkedContext, type KeyContext } from "../crypto/keys/key-context.ts";
import {
  checkLayout,
  checkResultType,
  LOCAL_DECRYPT_OPTIONS,
  type LocalDecryptOptions,
} from "../crypto/local.ts";
import { INSPECT } from "../crypto/primitives/secret-bytes.ts";
import { isVaultError } from "../errors.ts";
import { runCall } from "./calls.ts";
import { HeldKeys } from "./held-keys.ts";
import type { CallOptions, KeyService } from "./key-service.ts";
import { LeasedKey, type LeaseOptions, leaseSettings, type SealItem, takeLeasedKey } from "./leased-key.ts";

/** What the encrypting calls of a lease take. */
export interface LeaseEncryptOptions {
  /** Layout to write; default the lease's. */
  readonly layout?: WritableLayout | undefined;
}

/** What `encryptMany` of a lease takes. */
export interface LeaseEncryptManyOptions extends LeaseEncryptOptions, NullishOption {}

/** What `decryptMany` of a lease takes. */
export interface LeaseDecryptManyOptions extends LocalDecryptOptions, NullishOption {}

const LEASE_ENCRYPT_OPTIONS = /* @__PURE__ */ optionNames<LeaseEncryptOptions>({ layout: true });
const LEASE_ENCRYPT_MANY_OPTIONS: OptionNames = /* @__PURE__ */ new Set([
  ...LEASE_ENCRYPT_OPTIONS,
  ...NULLISH_OPTION,
]);
const LEASE_DECRYPT_MANY_OPTIONS: OptionNames = /* @__PURE__ */ new Set([
  ...LOCAL_DECRYPT_OPTIONS,
  ...NULLISH_OPTION,
]);

/** A data key held for several messages. Made by {@link takeLease}. */
export class Lease {
  readonly #held: LeasedKey;

  /**
   * @param key - the data key, which the lease disposes of
   * @param options - of a key that is not held yet
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  constructor(key: DataKey | LeasedKey, options: LeaseOptions = {}) {
    this.#held = key instanceof LeasedKey ? key : new LeasedKey(key, leaseSettings(options));
  }

  /** The service's id of the data key. */
  get keyId(): string {
    return this.#held.id;
  }

  /** Messages that may still be encrypted. */
  get messagesLeft(): number {
    return this.#held.budget.messagesLeft;
  }

  /** Bytes of plaintext that may still be encrypted. */
  get bytesLeft(): number {
    return this.#held.budget.bytesLeft;
  }

  /** Whether one more message of `bytes` bytes would be accepted now. */
  canEncrypt(bytes: number): boolean {
    return this.#held.canEncrypt(bytes);
  }

  /**
   * Encrypts one message under the held key, with a fresh nonce.
   *
   * @param data - text or bytes, at most 64 MiB
   * @throws VaultError ERR_DATA_KEY_EXHAUSTED (messages or bytes used up; nothing is encrypted), ERR_LEASE_EXPIRED
   *   (too old, or keys of the service were revoked), ERR_LEASE_STALE (the service has not been heard for 15 s, and does not
   *   answer now), ERR_DISPOSED; and as `localEncrypt`
   */
  async encrypt(
    data: string | Uint8Array,
    associatedData?: AssociatedData,
    options?: LeaseEncryptOptions,
  ): Promise<string> {
    checkOptions(options, LEASE_ENCRYPT_OPTIONS, "encrypt");
    const layout = this.#layoutOf(options);
    const plaintext = checkPlaintext(data);
    const aad = associatedDataBytes(associatedData);
    try {
      // Without an await: one promise, and the input is read before the call returns.
      return this.#held.sealNow(plaintext, aad, layout, true) ?? this.#held.sealLater(plaintext, aad, layout);
    } catch (error) {
      if (!isVaultError(error, "ERR_LEASE_STALE")) throw error;
    }
    // This call can wait for a look.
    const [own, ownAad] = [ownOf(plaintext), copyBytes(aad)];
    try {
      await this.#held.freshen();
      return await this.#held.seal(own, ownAad, layout);
    } finally {
      if (typeof own !== "string") own.fill(0);
    }
  }

  /**
   * The same at once; not where Web Crypto is the provider. After 15 s without a call of the service it throws
   * ERR_LEASE_STALE, and asks the service beside that: await {@link encrypt}, or try again a moment later.
   */
  encryptSync(
    data: string | Uint8Array,
    associatedData?: AssociatedData,
    options?: LeaseEncryptOptions,
  ): string {
    checkOptions(options, LEASE_ENCRYPT_OPTIONS, "encryptSync");
    const layout = this.#layoutOf(options);
    const plaintext = checkPlaintext(data);
    const aad = associatedDataBytes(associatedData);
    return this.#held.sealSync(plaintext, aad, layout);
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
  ): Promise<Bytes>;
  async decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<string>;
  async decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    given?: LocalDecryptOptions,
  ): Promise<string | Bytes> {
    checkOptions(given, LOCAL_DECRYPT_OPTIONS, "decrypt");
    const options = given ?? {};
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    const now = this.#held.openNow(ciphertext, aad, as, options, true);
    return now ?? this.#held.openLater(ciphertext, aad, as, options);
  }

  /** The same at once; not where Web Crypto is the provider. */
  decryptSync(
    ciphertext: string,
    associatedData: AssociatedData,
    options: LocalDecryptOptions & { readonly as: "bytes" },
  ): Bytes;
  decryptSync(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: LocalDecryptOptions & { readonly as?: "text" | undefined },
  ): string;
  decryptSync(
    ciphertext: string,
    associatedData?: AssociatedData,
    given?: LocalDecryptOptions,
  ): string | Bytes {
    checkOptions(given, LOCAL_DECRYPT_OPTIONS, "decryptSync");
    const options = given ?? {};
    const as = checkResultType(options.as);
    const aad = associatedDataBytes(associatedData);
    return this.#held.openSync(ciphertext, aad, as, options);
  }

  /**
   * Encrypts many messages: less work for each than one by one, and nonces from one read of the kernel.
   *
   * @param items - texts or bytes, or `{ data, associatedData }` for associated data of their own; null and undefined are
   *   answered as they are at their index, or with `nullish: "refuse"` an error there
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless items is an array and associatedData is right;
   *   VaultError ERR_LEASE_EXPIRED, ERR_LEASE_STALE, ERR_DISPOSED, ERR_RANDOM_UNAVAILABLE, which hold for all. What `encrypt` throws
   *   for one message (ERR_DATA_KEY_EXHAUSTED among it) is that item's error.
   */
  async encryptMany<Item extends EncryptItem | null | undefined>(
    items: readonly Item[],
    associatedData?: AssociatedData,
    options?: LeaseEncryptManyOptions,
  ): Promise<ItemResult<string | Extract<Item, null | undefined>>[]>;
  async encryptMany(
    items: readonly (EncryptItem | null | undefined)[],
    associatedData?: AssociatedData,
    options: LeaseEncryptManyOptions = {},
  ): Promise<ItemResult<string | null | undefined>[]> {
    checkOptions(options, LEASE_ENCRYPT_MANY_OPTIONS, "encryptMany");
    const layout = this.#layoutOf(options);
    const present = withoutNullish(items, options);
    const prepared = prepareSeals(present.items, associatedData);
    // A batch that must wait for a look keeps what it was given.
    const isWaiting = this.#held.isStale();
    const own = isWaiting ? prepared.map(ownItem) : prepared;
    if (isWaiting) await this.#held.freshen();
    return present.restore(await this.#held.sealBatch(own, layout));
  }

  /** The same at once; not where Web Crypto is the provider. */
  encryptManySync<Item extends EncryptItem | null | undefined>(
    items: readonly Item[],
    associatedData?: AssociatedData,
    options?: LeaseEncryptManyOptions,
  ): ItemResult<string | Extract<Item, null | undefined>>[];
  encryptManySync(
    items: readonly (EncryptItem | null | undefined)[],
    associatedData?: AssociatedData,
    options: LeaseEncryptManyOptions = {},
  ): ItemResult<string | null | undefined>[] {
    checkOptions(options, LEASE_ENCRYPT_MANY_OPTIONS, "encryptManySync");
    const layout = this.#layoutOf(options);
    const present = withoutNullish(items, options);
    const sealed = this.#held.sealBatchSync(prepareSeals(present.items, associatedData), layout);
    return present.restore(sealed);
  }

  /**
   * Decrypts many messages of this lease. Costs no budget.
   *
   * @param items - ciphertexts, or `{ ciphertext, associatedData }` for associated data of their own; null and undefined as
   *   for {@link encryptMany}
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws as `encryptMany`; what `decrypt` throws for one ciphertext is that item's error
   */
  async decryptMany<Item extends DecryptItem | null | undefined>(
    items: readonly Item[],
    associatedData: AssociatedData,
    options: LeaseDecryptManyOptions & { readonly as: "bytes" },
  ): Promise<ItemResult<Bytes | Extract<Item, null | undefined>>[]>;
  async decryptMany<Item extends DecryptItem | null | undefined>(
    items: readonly Item[],
    associatedData?: AssociatedData,
    options?: LeaseDecryptManyOptions & { readonly as?: "text" | undefined },
  ): Promise<ItemResult<string | Extract<Item, null | undefined>>[]>;
  async decryptMany(
    items: readonly (DecryptItem | null | undefined)[],
    associatedData?: AssociatedData,
    options: LeaseDecryptManyOptions = {},
  ): Promise<ItemResult<string | Bytes | null | undefined>[]> {
    checkOptions(options, LEASE_DECRYPT_MANY_OPTIONS, "decryptMany");
    const as = checkResultType(options.as);
    const present = withoutNullish(items, options);
    const opened = await this.#held.openBatch(prepareOpens(present.items, associatedData), as, options);
    return present.restore(opened);
  }

  /** The same at once; not where Web Crypto is the provider. */
  decryptManySync<Item extends DecryptItem | null | undefined>(
    items: readonly Item[],
    associatedData: AssociatedData,
    options: LeaseDecryptManyOptions & { readonly as: "bytes" },
  ): ItemResult<Bytes | Extract<Item, null | undefined>>[];
  decryptManySync<Item extends DecryptItem | null | undefined>(
    items: readonly Item[],
    associatedData?: AssociatedData,
    options?: LeaseDecryptManyOptions & { readonly as?: "text" | undefined },
  ): ItemResult<string | Extract<Item, null | undefined>>[];
  decryptManySync(
    items: readonly (DecryptItem | null | undefined)[],
    associatedData?: AssociatedData,
    options: LeaseDecryptManyOptions = {},
  ): ItemResult<string | Bytes | null | undefined>[] {
    checkOptions(options, LEASE_DECRYPT_MANY_OPTIONS, "decryptManySync");
    const as = checkResultType(options.as);
    const present = withoutNullish(items, options);
    const opened = this.#held.openBatchSync(prepareOpens(present.items, associatedData), as, options);
    return present.restore(opened);
  }

  /** Zeroes the key (best effort). Later calls throw ERR_DISPOSED. May be called more than once. */
  dispose(): void {
    this.#held.dispose();
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

  /** The layout of a call: its own, or the lease's, which was checked when it was taken. */
  #layoutOf(options: LeaseEncryptOptions | undefined): WritableLayout {
    const layout = options?.layout;
    const { settings } = this.#held;
    return layout === undefined ? settings.layout : checkLayout(layout, settings.requireCommitment);
  }
}

function ownItem(item: SealItem): SealItem {
  if (!item.ok) return item;
  const { data, associatedData } = item.value;
  return { ok: true, value: { data: ownOf(data), associatedData: copyBytes(associatedData) } };
}

/** What a call that waits keeps of its caller's bytes. */
function ownOf(plaintext: string | Uint8Array): string | Uint8Array {
  return typeof plaintext === "string" ? plaintext : copyBytes(plaintext);
}

/**
 * Takes a data key for `context` and holds it.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT, for a limit that is not a whole number from 1 to its ceiling among
 *   others; VaultError ERR_LAYOUT_NOT_ALLOWED, ERR_KEY_CONTEXT_INVALID; and what `createDataKey` throws
 */
export async function takeLease(
  service: KeyService,
  context: KeyContext,
  options: LeaseOptions & CallOptions = {},
): Promise<Lease> {
  const settings = leaseSettings(options);
  const checked = checkedContext(context);
  return runCall(options, service, async (call) => {
    return new Lease(await takeLeasedKey(new HeldKeys(service, settings.now), checked, settings, call));
  });
}

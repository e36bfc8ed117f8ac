/**
 * Vault: the facade that applications use.
 *
 * Owns the composition of the ports into encrypt, decrypt, rekey and the store; portable, so that it runs in
 * browsers and on edge runtimes. Must not know which key service or store stands behind it.
 *
 * @module
 */

import { bindMethods } from "../base/bound-methods.ts";
import type { Bytes } from "../base/bytes.ts";
import { DISPOSE } from "../base/dispose.ts";
import type { ItemResult } from "../base/item-result.ts";
import type { AssociatedData } from "../crypto/associated-data.ts";
import type { DecryptItem } from "../crypto/envelope/batch-items.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import { checkedContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { readyRandom } from "../crypto/primitives/random.ts";
import type { VaultEncryptItem } from "../keys/batches.ts";
import {
  CALL_OPTIONS,
  type CallOptions,
  type CreateDataKeyRequest,
  type DecryptRequest,
  type KeyService,
  type RekeyRequest,
} from "../keys/key-service.ts";
import type { Lease } from "../keys/lease.ts";
import type { LeaseOptions } from "../keys/leased-key.ts";
import {
  BATCH_OPTIONS,
  type BatchOptions,
  REKEY_OPTIONS,
  type RekeyOptions,
  rekey,
  rekeyMany,
  rewrap,
  rewrapMany,
} from "../rekey/rekey.ts";
import { PortCalls, VaultCalls } from "./calls.ts";
import { VaultKeks } from "./keks.ts";
import { VaultMessages } from "./messages.ts";
import {
  type DecryptManyOptions,
  type DecryptOptions,
  type EncryptManyOptions,
  type EncryptOptions,
  REWRAP_OPTIONS,
  type SealedPlaintext,
  type VaultOptions,
} from "./options.ts";
import { portsOf } from "./ports.ts";
import { VaultRecipients } from "./recipients.ts";
import { VaultStreams } from "./streams.ts";

/**
 * Encrypts, decrypts, rekeys and stores secrets with the data keys of one key service. Its methods work without it too:
 * `const { encrypt } = vault`.
 */
export class Vault extends VaultStreams {
  /** The KEKs of the vault's environment. */
  readonly keks: VaultKeks;
  /** Key pairs of contexts that others encrypt for without this vault (`coffer/sealed`). */
  readonly recipients: VaultRecipients;
  /** The key service behind the vault, for a `RekeyJob` of coffer/rekey. It keeps no keys, and is closed with the vault. */
  readonly keys: KeyService;
  readonly #keys: PortCalls<KeyService>;
  readonly #calls: VaultCalls;
  readonly #messages: VaultMessages;

  /**
   * @param options - ports, or how to reach the service: default by COFFER_BASE_URL and COFFER_API_KEY, or
   *   WorkOS's own service and WORKOS_API_KEY; names that are not known are refused
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_RANDOM_UNAVAILABLE if the kernel's random device
   *   cannot be opened
   */
  constructor(options: VaultOptions = {}) {
    readyRandom();
    const { keys, kv, keks, recipients } = portsOf(options);
    const calls = new VaultCalls();
    const ofKeys = new PortCalls(keys, calls);
    const messages = new VaultMessages(ofKeys, calls, options);
    super(new PortCalls(kv, calls), ofKeys, calls, messages);
    this.keks = new VaultKeks(keks, calls);
    this.recipients = new VaultRecipients(recipients, calls);
    this.keys = keys;
    this.#keys = ofKeys;
    this.#calls = calls;
    this.#messages = messages;
    bindMethods(this);
  }

  /**
   * Encrypts one message under a data key of `keyContext`.
   *
   * @param data - text or bytes, at most 64 MiB
   * @param keyContext - 1 to 10 names with values; every KEK it names is needed to decrypt
   * @param associatedData - authenticated, not stored; must be given again to decrypt
   * @returns the ciphertext as base64 text
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID, ERR_TEXT_MALFORMED,
   *   ERR_PLAINTEXT_TOO_LARGE (all before any request), ERR_KEY_DISABLED, ERR_KEY_DESTROYED, and the service's codes
   */
  encrypt(
    data: string | Uint8Array,
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options?: EncryptOptions,
  ): Promise<string> {
    return this.#messages.encrypt(data, keyContext, associatedData, options);
  }

  /**
   * Decrypts a ciphertext of any layout.
   *
   * @param associatedData - exactly what was given to encrypt
   * @returns the text, or bytes with `as: "bytes"`
   * @throws VaultError the parse errors of a ciphertext (before any request); ERR_DECRYPT_FAILED for a wrong key,
   *   context or associated data and for altered data alike; ERR_PLAINTEXT_NOT_TEXT; ERR_KEY_NOT_FOUND,
   *   ERR_KEY_DISABLED, ERR_KEY_DESTROYED, ERR_SENDER_REFUSED; ERR_UNSUPPORTED if `context` is expected of a service that does not
   *   tell contexts
   */
  decrypt(
    ciphertext: string,
    associatedData: AssociatedData,
    options: DecryptOptions & { readonly as: "bytes" },
  ): Promise<Bytes>;
  decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: DecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<string>;
  decrypt(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: DecryptOptions,
  ): Promise<string | Bytes> {
    return this.#messages.decrypt(ciphertext, associatedData, options);
  }

  /**
   * Decrypts a ciphertext as {@link decrypt} does, and tells what is known of where it comes from: who signed its sealed data key, and
   * the id by which copies are told.
   *
   * @param associatedData - exactly what was given to encrypt
   * @throws as {@link decrypt}; VaultError ERR_SENDER_REFUSED
   */
  decryptSealed(
    ciphertext: string,
    associatedData: AssociatedData,
    options: DecryptOptions & { readonly as: "bytes" },
  ): Promise<SealedPlaintext<Bytes>>;
  decryptSealed(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: DecryptOptions & { readonly as?: "text" | undefined },
  ): Promise<SealedPlaintext<string>>;
  decryptSealed(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: DecryptOptions,
  ): Promise<SealedPlaintext<string | Bytes>> {
    return this.#messages.decryptSealed(ciphertext, associatedData, options);
  }

  /**
   * Encrypts many messages. Messages of the same context share one data key, so the service is asked once per context.
   *
   * @param items - texts or bytes, or `{ data, associatedData?, context? }` for an item's own; null and undefined are
   *   answered as they are at their index, or with `nullish: "refuse"` an error there
   * @param keyContext - of all items that have none of their own
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID for `keyContext`; the
   *   signal's reason. What `encrypt` throws for one message is that item's error.
   */
  encryptMany<Item extends VaultEncryptItem | null | undefined>(
    items: readonly Item[],
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options?: EncryptManyOptions,
  ): Promise<ItemResult<string | Extract<Item, null | undefined>>[]>;
  encryptMany(
    items: readonly (VaultEncryptItem | null | undefined)[],
    keyContext: KeyContext,
    associatedData?: AssociatedData,
    options?: EncryptManyOptions,
  ): Promise<ItemResult<string | null | undefined>[]> {
    return this.#messages.encryptMany(items, keyContext, associatedData, options);
  }

  /**
   * Decrypts many ciphertexts of any layouts. Each data key is asked for once.
   *
   * @param items - ciphertexts, or `{ ciphertext, associatedData }` for associated data of their own; null and undefined
   *   as for {@link encryptMany}
   * @param associatedData - of all items that have none of their own
   * @returns one result per item, in order; a failed item does not stop the others
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; the signal's reason. What `decrypt` throws for one
   *   ciphertext is that item's error.
   */
  decryptMany<Item extends DecryptItem | null | undefined>(
    items: readonly Item[],
    associatedData: AssociatedData,
    options: DecryptManyOptions & { readonly as: "bytes" },
  ): Promise<ItemResult<Bytes | Extract<Item, null | undefined>>[]>;
  decryptMany<Item extends DecryptItem | null | undefined>(
    items: readonly Item[],
    associatedData?: AssociatedData,
    options?: DecryptManyOptions & { readonly as?: "text" | undefined },
  ): Promise<ItemResult<string | Extract<Item, null | undefined>>[]>;
  decryptMany(
    items: readonly (DecryptItem | null | undefined)[],
    associatedData?: AssociatedData,
    options?: DecryptManyOptions,
  ): Promise<ItemResult<string | Bytes | null | undefined>[]> {
    return this.#messages.decryptMany(items, associatedData, options);
  }

  /**
   * Encrypts a ciphertext of any layout anew: into the native layout, under a fresh data key of the same context. The
   * old ciphertext stays as it is; a native one is answered unchanged.
   *
   * @param associatedData - exactly what was given to encrypt; it stays the same
   * @param options.context - the ciphertext's context; needed only of services that do not tell contexts, checked with
   *   those that do
   * @param options.requireCommitment - the vault's policy, if it requires commitment, refuses what is to be upgraded;
   *   `false` lets this call read it
   * @throws VaultError ERR_UNSUPPORTED if the service does not tell the context and none was given; and as `decrypt`
   *   and `encrypt`
   */
  upgrade(
    ciphertext: string,
    associatedData?: AssociatedData,
    options?: Omit<DecryptOptions, "as">,
  ): Promise<string> {
    return this.#messages.upgrade(ciphertext, associatedData, options);
  }

  /**
   * Takes a data key for `context` and holds it for several messages, within a budget.
   *
   * @throws as `encrypt`
   */
  lease(context: KeyContext, options?: LeaseOptions & CallOptions): Promise<Lease> {
    return this.#messages.lease(context, options);
  }

  /** Moves a ciphertext to another context without touching its data. @throws as `rekey` of coffer/rekey */
  rekey(ciphertext: string, context: KeyContext, options: RekeyOptions = {}): Promise<string> {
    return this.#keys.run("rekey", REKEY_OPTIONS, options, (keys, call) =>
      rekey(keys, ciphertext, context, this.#messages.withPolicy(call)),
    );
  }

  /** Moves many ciphertexts; one result per item, in order. @throws as `rekeyMany` of coffer/rekey */
  rekeyMany(
    ciphertexts: readonly string[],
    context: KeyContext,
    options: BatchOptions = {},
  ): Promise<ItemResult<string>[]> {
    return this.#keys.run("rekeyMany", BATCH_OPTIONS, options, (keys, call) =>
      rekeyMany(keys, ciphertexts, context, this.#messages.withPolicy(call)),
    );
  }

  /** Wraps a ciphertext's data key under the newest KEK versions. @throws as `rewrap` of coffer/rekey */
  rewrap(
    ciphertext: string,
    options: RekeyOptions & { readonly context?: KeyContext | undefined } = {},
  ): Promise<string> {
    return this.#keys.run("rewrap", REWRAP_OPTIONS, options, (keys, call) =>
      rewrap(keys, ciphertext, this.#messages.withPolicy(call)),
    );
  }

  /**
   * Wraps the data keys of many ciphertexts under the newest KEK versions; one result per item, in order. Ciphertexts
   * that share a data key go on sharing it, and cost one request. @throws as `rewrapMany` of coffer/rekey
   */
  rewrapMany(ciphertexts: readonly string[], options: BatchOptions = {}): Promise<ItemResult<string>[]> {
    return this.#keys.run("rewrapMany", BATCH_OPTIONS, options, (keys, call) =>
      rewrapMany(keys, ciphertexts, this.#messages.withPolicy(call)),
    );
  }

  /**
   * Makes a data key, for use with coffer/crypto. Dispose of it.
   *
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID (before any request),
   *   ERR_KEY_DISABLED, ERR_KEY_DESTROYED, and the service's codes
   */
  createDataKey(request: CreateDataKeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#keys.run("createDataKey", CALL_OPTIONS, options, (keys, call) =>
      keys.createDataKey({ context: checkedContext(request.context) }, call),
    );
  }

  /**
   * Unwraps a data key, for use with coffer/crypto. Dispose of it.
   *
   * @param request.keys - the wrapped form, base64
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND,
   *   ERR_KEY_DISABLED, ERR_KEY_DESTROYED, ERR_DECRYPT_FAILED (altered), and the service's codes
   */
  createDecrypt(request: DecryptRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#keys.run("createDecrypt", CALL_OPTIONS, options, (keys, call) =>
      keys.createDecrypt({ keys: request.keys }, call),
    );
  }

  /** The same as {@link createDecrypt}. */
  decryptDataKey(request: DecryptRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.createDecrypt(request, options);
  }

  /**
   * Wraps a data key for another context. Dispose of it.
   *
   * @param request.encryptedKeys - the wrapped form, base64, which stays valid
   * @throws as {@link createDecrypt} and {@link createDataKey}
   */
  createRekey(request: RekeyRequest, options: CallOptions = {}): Promise<DataKey> {
    return this.#keys.run("createRekey", CALL_OPTIONS, options, (keys, call) => {
      const { context, encryptedKeys } = request;
      return keys.createRekey({ context: checkedContext(context), encryptedKeys }, call);
    });
  }

  /** Lets go of every key that is held, and waits for calls that are under way. Later calls throw ERR_DISPOSED. */
  async close(): Promise<void> {
    this.dispose();
    await this.#calls.settled();
  }

  /** Lets go of every key that is held. Later calls throw ERR_DISPOSED. May be called more than once. */
  dispose(): void {
    this.#calls.close();
    this.#messages.dispose();
  }

  [DISPOSE](): void {
    this.dispose();
  }
}

/**
 * The KeyService port: who makes and unwraps data keys.
 *
 * Owns the contract that every key service fulfils (the embedded vault, a server behind HTTP); one contract
 * suite, test/contract/key-service.ts, runs on all of them. Must not know any of them.
 *
 * @module
 */

import type { Bytes } from "../base/bytes.ts";
import type { ItemResult } from "../base/item-result.ts";
import { optionNames } from "../base/options.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import type { RevisionSource } from "./revisions.ts";

/** What every call that waits takes. */
export interface CallOptions {
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds for the whole call, retries and the waits between them included: 1 to 2^31 - 1, no bound by default. A call
   * that is not done by then rejects with ERR_SERVICE_TIMEOUT and has done nothing, or is finished as a whole. A change that a
   * service behind a network may have made is ERR_OUTCOME_UNKNOWN.
   */
  readonly timeout?: number | undefined;
  /**
   * Over HTTP: headers of each request of this call, by name. Those that coffer sets itself (`authorization`, `content-type`,
   * `idempotency-key` and the like) are refused; so are all where no requests are sent.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What calls take that make one change. */
export interface ChangeOptions extends CallOptions {
  /**
   * Over HTTP: the `Idempotency-Key` of this change, 1 to 255 visible ASCII characters; default a random one for each call. A
   * coffer server makes a change once per key, within a day: a repetition gets the first one's answer, and another request with
   * the same key is ERR_IDEMPOTENCY_CONFLICT. Refused where no requests are sent.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Items of one batch of a key service at most. As the API of a coffer server has it (docs/spec/key-service-api.md). */
export const KEY_BATCH_ITEMS_MAX = 100;

/** Names of {@link CallOptions}. */
export const CALL_OPTIONS = /* @__PURE__ */ optionNames<CallOptions>({
  signal: true,
  timeout: true,
  headers: true,
});

/** Names of {@link ChangeOptions}. */
export const CHANGE_OPTIONS = /* @__PURE__ */ optionNames<Omit<ChangeOptions, keyof CallOptions>>(
  { idempotencyKey: true },
  CALL_OPTIONS,
);

/** A data key's wrapped form, as a service answers it where the key itself is not wanted. */
export interface WrappedDataKey {
  readonly id: string;
  /** The wrapped data key; not to be changed. */
  readonly keyBlob: Bytes;
  /** The key context, where the service tells it. */
  readonly context: KeyContext | undefined;
  /** Of a sealed data key: the id of the sender whose signature the service has checked; missing where there is none. */
  readonly sender?: string | undefined;
}

/** What `createDataKey` takes. */
export interface CreateDataKeyRequest {
  readonly context: KeyContext;
}

/** What `createDataKeys` takes. */
export interface CreateDataKeysRequest extends CreateDataKeyRequest {
  /** 1 to {@link KEY_BATCH_ITEMS_MAX}. */
  readonly count: number;
}

/** What `createDecrypt` takes. */
export interface DecryptRequest {
  /** The wrapped data key, base64. */
  readonly keys: string;
}

/** What `unwrapMany` and `checkMany` take. */
export interface UnwrapManyRequest {
  /** Wrapped data keys, base64. */
  readonly keys: readonly string[];
}

/** What `createRewrap` takes. */
export interface RewrapRequest {
  /** The wrapped data key, base64. */
  readonly encryptedKeys: string;
}

/** What `createRekey` takes. */
export interface RekeyRequest extends RewrapRequest {
  readonly context: KeyContext;
}

/** What `rekeyMany` takes. */
export interface RekeyManyRequest {
  readonly items: readonly RekeyRequest[];
}

/** What `rewrapMany` takes. */
export interface RewrapManyRequest {
  /** Wrapped data keys, base64. */
  readonly encryptedKeys: readonly string[];
}

/** A service that issues data keys for key contexts and gives them back for their wrapped form. */
export interface KeyService {
  /** Tells services and environments apart where their answers are cached; not secret. */
  readonly id: string;
  /** Whether calls are requests over HTTP, which take `headers`; absent where they are not. */
  readonly takesHeaders?: boolean;

  /**
   * Makes a new data key.
   *
   * @returns a fresh random key, its id, its wrapped form and its context; the caller disposes of it
   * @throws VaultError ERR_KEY_CONTEXT_INVALID, ERR_KEY_DISABLED, ERR_KEY_DESTROYED, or the storage's codes
   */
  createDataKey(request: CreateDataKeyRequest, options?: CallOptions): Promise<DataKey>;

  /**
   * Unwraps a data key.
   *
   * @returns the same key and id as when it was made; the caller disposes of it
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND, ERR_KEY_DISABLED, ERR_KEY_DESTROYED,
   *   ERR_DECRYPT_FAILED (altered), ERR_SENDER_REFUSED (sealed), or the storage's codes
   */
  createDecrypt(request: DecryptRequest, options?: CallOptions): Promise<DataKey>;

  /**
   * Wraps the same data key for another context.
   *
   * @returns the same key under a new wrapped form; the old one stays valid
   * @throws VaultError as `createDecrypt` and `createDataKey`
   */
  createRekey(request: RekeyRequest, options?: CallOptions): Promise<DataKey>;

  /**
   * Wraps the same data key for the same context under the newest KEK versions. Services that do not offer it
   * (WorkOS) leave it out.
   *
   * @returns the same key; its `encryptedKeys` is unchanged if they were the newest already
   * @throws VaultError as `createDecrypt` and `createDataKey`
   */
  createRewrap?(request: RewrapRequest, options?: CallOptions): Promise<DataKey>;

  /**
   * Unwraps several data keys at once: at most {@link KEY_BATCH_ITEMS_MAX}. Services without batches leave it out, as they
   * do {@link rekeyMany} and {@link rewrapMany}; batch-calls.ts then asks for one after another.
   *
   * @returns one result per item, in order; the caller disposes of the keys. What `createDecrypt` throws about a wrapped
   *   form is that item's error
   * @throws VaultError what is wrong with the service or the request as a whole; the signal's reason
   */
  unwrapMany?(request: UnwrapManyRequest, options?: CallOptions): Promise<ItemResult<DataKey>[]>;

  /** Wraps several data keys for other contexts at once, as {@link unwrapMany}; the keys themselves are not answered. */
  rekeyMany?(request: RekeyManyRequest, options?: CallOptions): Promise<ItemResult<WrappedDataKey>[]>;

  /** Wraps several data keys under the newest KEK versions of their contexts at once, as {@link unwrapMany}. */
  rewrapMany?(request: RewrapManyRequest, options?: CallOptions): Promise<ItemResult<WrappedDataKey>[]>;

  /**
   * Makes several data keys for one context at once: at most {@link KEY_BATCH_ITEMS_MAX}. The caller disposes of them.
   *
   * @throws VaultError as `createDataKey`
   */
  createDataKeys?(request: CreateDataKeysRequest, options?: CallOptions): Promise<DataKey[]>;

  /**
   * Tells which of several wrapped forms would be unwrapped now: at most {@link KEY_BATCH_ITEMS_MAX}; no key is answered.
   *
   * @returns one result per item, in order; what `createDecrypt` would throw about a wrapped form is that item's error
   * @throws VaultError what is wrong with the service or the request as a whole; the signal's reason
   */
  checkMany?(request: UnwrapManyRequest, options?: CallOptions): Promise<ItemResult<true>[]>;

  /** How those who hold its data keys hear of revocations; services that cannot tell leave it out. */
  readonly revisions?: RevisionSource;

  /**
   * The short form of {@link revisions}, for services that can tell no more than that something was revoked: a number that
   * changes whenever any KEK of the service is disabled or destroyed, by whatever process; answers at once. What was
   * unwrapped before is then unwrapped again.
   */
  revocations?(): number;
}

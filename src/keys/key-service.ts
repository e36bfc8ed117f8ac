/**
 * The KeyService port: who makes and unwraps data keys.
 *
 * Owns the contract that every key service fulfils (the embedded vault, a server behind HTTP); one contract
 * suite, test/contract/key-service.ts, runs on all of them. Must not know any of them.
 *
 * @module
 */

import { optionNames } from "../base/options.ts";
import type { DataKey } from "../crypto/keys/data-key.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";

/** What every call that waits takes. */
export interface CallOptions {
  /** Ends the wait; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Names of {@link CallOptions}. */
export const CALL_OPTIONS = optionNames<CallOptions>({ signal: true });

/** A service that issues data keys for key contexts and gives them back for their wrapped form. */
export interface KeyService {
  /** Tells services and environments apart where their answers are cached; not secret. */
  readonly id: string;

  /**
   * Makes a new data key.
   *
   * @returns a fresh random key, its id, its wrapped form and its context; the caller disposes of it
   * @throws VaultError ERR_KEY_CONTEXT_INVALID, ERR_KEY_DISABLED, ERR_KEY_DESTROYED, or the storage's codes
   */
  createDataKey(request: { readonly context: KeyContext }, options?: CallOptions): Promise<DataKey>;

  /**
   * Unwraps a data key.
   *
   * @param request.keys - the wrapped form, base64
   * @returns the same key and id as when it was made; the caller disposes of it
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND, ERR_KEY_DISABLED, ERR_KEY_DESTROYED,
   *   ERR_DECRYPT_FAILED (altered), or the storage's codes
   */
  createDecrypt(request: { readonly keys: string }, options?: CallOptions): Promise<DataKey>;

  /**
   * Wraps the same data key for another context.
   *
   * @returns the same key under a new wrapped form; the old one stays valid
   * @throws VaultError as `createDecrypt` and `createDataKey`
   */
  createRekey(
    request: { readonly context: KeyContext; readonly encryptedKeys: string },
    options?: CallOptions,
  ): Promise<DataKey>;

  /**
   * Wraps the same data key for the same context under the newest KEK versions. Services that do not offer it
   * (WorkOS) leave it out.
   *
   * @returns the same key; its `encryptedKeys` is unchanged if they were the newest already
   * @throws VaultError as `createDecrypt` and `createDataKey`
   */
  createRewrap?(request: { readonly encryptedKeys: string }, options?: CallOptions): Promise<DataKey>;

  /**
   * A number that changes whenever any KEK of the service is disabled or destroyed, by whatever process; answers
   * at once. What was unwrapped before must then be unwrapped again. Services that cannot tell leave it out.
   */
  revocations?(): number;
}

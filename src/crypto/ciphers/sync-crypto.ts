/**
 * The types of `coffer/sync`.
 *
 * Owns their names alone. Must not know what is behind it.
 *
 * @module
 */

/** Marks {@link SyncCrypto}, in types only. */
export declare const SYNC_CRYPTO: unique symbol;

/**
 * What encrypts at once where the runtime has nothing built in for it: made by `coffer/sync`, and passed as `sync`.
 * It has nothing to call.
 */
export interface SyncCrypto {
  readonly [SYNC_CRYPTO]: true;
}

/**
 * A `WebAssembly.Module`, whose type belongs to libraries that an application may not have loaded; there it has no
 * members either.
 */
export type WasmModule = object;

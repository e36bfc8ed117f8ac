/**
 * AES-256-GCM by coffer's own WebAssembly module: synchronous everywhere, and below the cost of a native call for
 * small values.
 *
 * Owns the module as a provider. Unlike noble's, its AES looks nothing up in memory by secret addresses
 * (docs/wasm-aead.md); unlike the native providers it depends on the engine's compiler to keep it so. Must not
 * know envelopes.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import { decryptFailed } from "../../errors.ts";
import { checkKey, checkOpen, checkSealNonce, type SyncAeadKey, type SyncAeadProvider } from "./aead.ts";
import type { HeldKey, WasmEngine } from "./wasm/engine.ts";

/** A key that the engine holds. */
export class WasmKey implements SyncAeadKey {
  readonly #engine: WasmEngine;
  readonly #held: HeldKey;

  constructor(engine: WasmEngine, rawKey: Uint8Array) {
    this.#engine = engine;
    this.#held = engine.hold(rawKey);
  }

  /**
   * Where the engine's memory has the expanded key until the engine is given another one; for what writes
   * envelopes in place.
   *
   * @throws VaultError ERR_DISPOSED
   */
  slot(): number {
    return this.#engine.slotOf(this.#held);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes {
    checkSealNonce(nonce);
    return this.#engine.seal(this.#held, nonce, plaintext, associatedData);
  }

  open(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Bytes {
    checkOpen(nonce, tag);
    const plaintext = this.#engine.open(this.#held, nonce, ciphertext, tag, associatedData);
    if (plaintext === undefined) throw decryptFailed();
    return plaintext;
  }

  dispose(): void {
    this.#engine.release(this.#held);
  }
}

/** The provider, whose keys are of this module's class. */
export interface WasmProvider extends SyncAeadProvider {
  readonly engine: WasmEngine;
  importKey(rawKey: Uint8Array): WasmKey;
}

/** The provider. @param engine - the running module */
export function wasmProvider(engine: WasmEngine): WasmProvider {
  return {
    name: "wasm",
    isSync: true,
    engine,
    importKey(rawKey) {
      checkKey(rawKey);
      return new WasmKey(engine, rawKey);
    },
    blockCipher(rawKey) {
      checkKey(rawKey);
      const key = engine.hold(rawKey);
      return { encrypt: (blocks) => engine.encipher(key, blocks), dispose: () => engine.release(key) };
    },
  };
}

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
import type { RuntimeName, WebAssemblyApi } from "../../base/runtime.ts";
import { decryptFailed, invalidType, VaultError } from "../../errors.ts";
import { checkKey, checkOpen, checkSealNonce, type SyncAeadKey, type SyncAeadProvider } from "./aead.ts";
import type { ProviderRow } from "./row.ts";
import { compileEngine } from "./wasm/compile.ts";
import { type HeldKey, WasmEngine } from "./wasm/engine.ts";

/**
 * Bytes of the largest message for which `wasm` is faster than what the runtime has natively: `node`, or where there is
 * no `node:crypto` an asynchronous call of `webcrypto`. Measured on x86-64 by bench/crossover.ts, seal and open
 * (bench/README.md has the numbers): Node 22 to 26 meet between 768 and 1,536, Bun 1.4 between 64 and 128; on Deno 2.9
 * `node` is the slower one at every size; workerd meets Web Crypto between 768 and 2,048 and its own `node:crypto` between
 * 1,536 and 2,048; in Chromium 156, whose Web Crypto hops threads, it is 3 to 8 KiB. Of browsers only that one was
 * measured. `other` is for runtimes that were not.
 */
export const CROSSOVER_BYTES: Readonly<Record<RuntimeName, number>> = {
  node: 1024,
  bun: 96,
  deno: Number.POSITIVE_INFINITY,
  workerd: 1024,
  browser: 4096,
  other: 1024,
};

/** The class of a module, also of one that another realm made (WebAssembly JavaScript Interface, section 5.1). */
const WASM_MODULE_TAG = "[object WebAssembly.Module]";

/** A key that the engine holds. */
export class WasmKey implements SyncAeadKey {
  readonly #engine: WasmEngine;
  readonly #held: HeldKey;

  constructor(engine: WasmEngine, held: HeldKey) {
    this.#engine = engine;
    this.#held = held;
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
      return new WasmKey(engine, engine.hold(rawKey));
    },
    importBriefly(rawKey) {
      checkKey(rawKey);
      return new WasmKey(engine, engine.holdBriefly(rawKey));
    },
    blockCipher(rawKey) {
      checkKey(rawKey);
      const key = engine.hold(rawKey);
      return { encrypt: (blocks) => engine.encipher(key, blocks), dispose: () => engine.release(key) };
    },
  };
}

/** The provider where WebAssembly may be compiled out of the code, and has SIMD. */
export const WASM_ROW: ProviderRow = {
  name: "wasm",
  start: ({ wasm }) => {
    const engine = compileEngine(wasm);
    return engine === undefined ? undefined : wasmProvider(engine);
  },
  smallBytesMax: CROSSOVER_BYTES,
};

/**
 * The provider of a module that was compiled ahead of time, which is started and tested here.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT unless it is a `WebAssembly.Module`; VaultError ERR_UNSUPPORTED if it is not
 *   this version's, or cannot be started, or computes wrongly
 */
export function wasmModuleRow(wasm: WebAssemblyApi | undefined, module: object): ProviderRow {
  if (Object.prototype.toString.call(module) !== WASM_MODULE_TAG) {
    throw invalidType("module must be a WebAssembly.Module");
  }
  const engine = wasm === undefined ? undefined : WasmEngine.fromModule(wasm, module);
  if (engine === undefined) {
    throw new VaultError(
      "ERR_UNSUPPORTED",
      "the WebAssembly module is not the one of this version of coffer, or computes AES-256-GCM wrongly here",
    );
  }
  const provider = wasmProvider(engine);
  return { name: "wasm", start: () => provider, smallBytesMax: CROSSOVER_BYTES };
}

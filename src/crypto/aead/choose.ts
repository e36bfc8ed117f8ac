/**
 * Which AEAD provider serves a call, and why.
 *
 * Owns the choice; a reader finds it here and nowhere else:
 * - `wasm` for small messages, where a native call costs more than the encryption (up to the crossover of the
 *   runtime, {@link CROSSOVER_BYTES}), on calls that tell how large the message is;
 * - else `node` where there is `node:crypto`: its calls take microseconds, Web Crypto's hop threads;
 * - else, where a call can wait, `webcrypto`: asynchronous calls on workerd and in browsers are `wasm` inside, too, up
 *   to the crossover, since 0.5 to 30 µs at once are sooner than Web Crypto's answer. On Deno large messages of such
 *   calls are `webcrypto` ({@link WAITING_BYTES_MIN}), although the others are there;
 * - else `wasm`, of whatever size: its AES does not look up memory by secret addresses, which noble's does;
 * - else `noble`.
 * Where WebAssembly may not be compiled at run time, `wasm` is there once it was given its module
 * ({@link useWasmModule}). A caller who names a provider gets that one or an error. A provider proves itself on a
 * known answer before its first use. A provider is a row of {@link ROWS}. Must not know keys' origin or envelopes.
 *
 * @module
 */

import { ascii, equalBytes, fromHex } from "../../base/bytes.ts";
import {
  type Runtime,
  type RuntimeGlobals,
  type RuntimeName,
  runtime,
  runtimeName,
} from "../../base/runtime.ts";
import { invalidType, VaultError } from "../../errors.ts";
import type { AeadProvider, AeadProviderName, SyncAeadProvider } from "./aead.ts";
import { nobleProvider } from "./noble.ts";
import { nodeProvider } from "./node.ts";
import { WasmEngine } from "./wasm/engine.ts";
import { type WasmProvider, wasmProvider } from "./wasm.ts";
import { webCryptoProvider } from "./webcrypto.ts";

/** The known answer: XAES-256-GCM's first published vector, its derived key and nonce (c2sp.org/XAES-256-GCM). */
const KNOWN_KEY = fromHex("c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b");
const KNOWN_NONCE = fromHex("4d4e4f505152535455565758");
const KNOWN_PLAINTEXT = ascii("XAES-256-GCM");
const KNOWN_SEALED = fromHex("ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");

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

/**
 * Bytes of the smallest message for which a call that can wait is left to Web Crypto although others answer at once.
 * Measured by bench/crossover.ts: only on Deno 2.9, whose `node:crypto` is slow, the thread hop is worth it, from 8 to
 * 16 KiB on.
 */
const WAITING_BYTES_MIN: Partial<Readonly<Record<RuntimeName, number>>> = { deno: 16 * 1024 };

/**
 * A `WebAssembly.Module`, whose type belongs to libraries that an application may not have loaded; there it has no
 * members either.
 */
export type WasmModule = object;

/** The class of a module, also of one that another realm made (WebAssembly JavaScript Interface, section 5.1). */
const WASM_MODULE_TAG = "[object WebAssembly.Module]";

/** What a runtime offers to providers. */
type Available = Pick<Runtime, "crypto" | "webcrypto"> & Partial<Pick<Runtime, "wasm">>;

/** One provider: how it starts, and when it serves. */
interface ProviderRow {
  /** The provider; undefined where the runtime lacks what it needs. Called once, when it is first needed. */
  start(available: Available): AeadProvider | undefined;
  /** Why it serves no synchronous call; absent if it does. */
  readonly refusal?: string;
  /** Bytes of the largest message for which it goes before all others, on calls that tell the size. */
  readonly smallBytesMax?: Readonly<Record<RuntimeName, number>>;
  /** Bytes of the smallest message for which it goes before all others, where the call can wait. */
  readonly waitingBytesMin?: Partial<Readonly<Record<RuntimeName, number>>>;
}

/** The providers, the preferred ones first: of those that can serve a call the first one does, unless a size decides. */
const ROWS = {
  node: {
    // Some polyfills have no ciphers.
    start: ({ crypto }) => (crypto?.createCipheriv === undefined ? undefined : nodeProvider(crypto)),
  },
  webcrypto: {
    // Browsers leave out `subtle` on pages that were not loaded securely.
    start: ({ webcrypto }) => {
      const subtle = webcrypto?.subtle;
      return subtle === undefined ? undefined : webCryptoProvider(subtle);
    },
    refusal: "Web Crypto cannot answer synchronous calls",
    waitingBytesMin: WAITING_BYTES_MIN,
  },
  wasm: {
    start: ({ wasm }) => {
      const engine = WasmEngine.create(wasm);
      return engine === undefined ? undefined : wasmProvider(engine);
    },
    smallBytesMax: CROSSOVER_BYTES,
  },
  noble: { start: () => nobleProvider },
} satisfies Readonly<Record<AeadProviderName, ProviderRow>>;
const NAMES = Object.keys(ROWS) as readonly AeadProviderName[];

/** The providers of one runtime. */
export class AeadProviders {
  readonly #available: Available;
  /** Those that were asked for; undefined where they cannot run. What is never used is never started. */
  readonly #started = new Map<AeadProviderName, AeadProvider | undefined>();
  readonly #proven = new Set<AeadProvider>();
  /** Bytes of the largest message that is the WebAssembly provider's, where it is there. */
  readonly smallBytesMax: number;
  readonly #waitingBytesMin: number;

  /** @param name - decides the crossover only */
  constructor(available: Available, name: RuntimeName = "node") {
    this.#available = available;
    this.smallBytesMax = ROWS.wasm.smallBytesMax[name];
    this.#waitingBytesMin = ROWS.webcrypto.waitingBytesMin[name] ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The provider of a synchronous call.
   *
   * @param name - overrides the choice
   * @param bytes - the size of the message; without it the choice is one for messages of any size
   * @throws VaultError ERR_UNSUPPORTED if the named one is not there, answers asynchronously or gives wrong answers
   */
  sync(name?: AeadProviderName, bytes: number = Number.POSITIVE_INFINITY): SyncAeadProvider {
    if (name === undefined) {
      const small = this.small(bytes);
      if (small !== undefined) return small;
    } else {
      const { refusal } = this.#row(name);
      if (refusal !== undefined) throw new VaultError("ERR_UNSUPPORTED", refusal);
    }
    const provider = (name === undefined ? this.#first(true) : this.#named(name)) as SyncAeadProvider;
    if (!this.#proven.has(provider)) {
      const key = provider.importKey(KNOWN_KEY);
      this.#prove(provider, key.seal(KNOWN_NONCE, KNOWN_PLAINTEXT, new Uint8Array(0)));
      key.dispose();
    }
    return provider;
  }

  /**
   * The provider of an asynchronous call.
   *
   * @param name - overrides the choice
   * @param bytes - as for `sync`
   * @throws VaultError ERR_UNSUPPORTED if the named one is not there or gives wrong answers
   */
  async async(name?: AeadProviderName, bytes?: number): Promise<AeadProvider> {
    return this.atOnce(name, bytes) ?? this.#waiting();
  }

  /**
   * What {@link async} answers, if that answers at once: a call need not keep what its caller passed then.
   *
   * @throws as `async`
   */
  atOnce(name?: AeadProviderName, bytes?: number): SyncAeadProvider | undefined {
    const waits = name === undefined && bytes !== undefined && this.isWorthWaiting(bytes);
    return waits ? undefined : this.now(name, bytes);
  }

  /**
   * The provider of an asynchronous call if it is one that answers at once; undefined if it is Web Crypto.
   * Saves the promises of {@link async} where every one counts.
   *
   * @throws as `async`
   */
  now(name?: AeadProviderName, bytes?: number): SyncAeadProvider | undefined {
    if (name !== undefined) return this.#row(name).refusal === undefined ? this.sync(name) : undefined;
    if (this.#first(false).isSync) return this.sync(undefined, bytes);
    return bytes === undefined ? undefined : this.small(bytes);
  }

  /**
   * Whether a call that can wait is left to Web Crypto although another provider answers at once, if its caller names none.
   *
   * @param bytes - about the size of the message
   */
  isWorthWaiting(bytes: number): boolean {
    return bytes >= this.#waitingBytesMin && this.#start("webcrypto") !== undefined;
  }

  /** The WebAssembly provider if a message of `bytes` bytes is small enough for it and it is there. */
  small(bytes: number): WasmProvider | undefined {
    return bytes <= this.smallBytesMax ? this.wasm : undefined;
  }

  /** The WebAssembly provider, started when first asked for; undefined where it cannot run. It tests itself. */
  get wasm(): WasmProvider | undefined {
    return this.#start("wasm") as WasmProvider | undefined;
  }

  /**
   * Starts the WebAssembly provider from a module that was compiled ahead of time; see the function of this name.
   *
   * @throws as the function
   */
  useWasmModule(module: WasmModule): void {
    if (Object.prototype.toString.call(module) !== WASM_MODULE_TAG) {
      throw invalidType("module must be a WebAssembly.Module");
    }
    // Keys and envelopes may lie in the memory of the engine that runs.
    if (this.#started.get("wasm") !== undefined) return;
    const { wasm } = this.#available;
    const engine = wasm === undefined ? undefined : WasmEngine.fromModule(wasm, module);
    if (engine === undefined) {
      throw new VaultError(
        "ERR_UNSUPPORTED",
        "the WebAssembly module is not the one of this version of coffer, or computes AES-256-GCM wrongly here",
      );
    }
    this.#started.set("wasm", wasmProvider(engine));
  }

  /** The provider that answers later, proven. */
  async #waiting(): Promise<AeadProvider> {
    const provider = this.#named("webcrypto");
    if (!this.#proven.has(provider)) {
      const key = provider.importKey(KNOWN_KEY);
      this.#prove(provider, await key.seal(KNOWN_NONCE, KNOWN_PLAINTEXT, new Uint8Array(0)));
    }
    return provider;
  }

  /** The preferred one of those that are there. */
  #first(mustBeSync: boolean): AeadProvider {
    for (const name of NAMES) {
      const provider = this.#start(name);
      if (provider !== undefined && (provider.isSync || !mustBeSync)) return provider;
    }
    return nobleProvider;
  }

  #named(name: AeadProviderName): AeadProvider {
    this.#row(name);
    const provider = this.#start(name);
    if (provider === undefined)
      throw new VaultError("ERR_UNSUPPORTED", `this runtime has no ${name} provider`);
    return provider;
  }

  #row(name: AeadProviderName): ProviderRow {
    if (NAMES.includes(name)) return ROWS[name];
    throw invalidType('provider must be "node", "webcrypto", "wasm" or "noble"');
  }

  #start(name: AeadProviderName): AeadProvider | undefined {
    const known = this.#started.get(name);
    if (known !== undefined || this.#started.has(name)) return known;
    const provider = ROWS[name].start(this.#available);
    this.#started.set(name, provider);
    return provider;
  }

  #prove(provider: AeadProvider, sealed: Uint8Array): void {
    if (!equalBytes(sealed, KNOWN_SEALED)) {
      throw new VaultError(
        "ERR_UNSUPPORTED",
        `the ${provider.name} provider of this runtime computes AES-256-GCM wrongly`,
      );
    }
    this.#proven.add(provider);
  }
}

/** The providers of the runtime that this module was loaded in. */
export const providers: AeadProviders = new AeadProviders(
  runtime,
  runtimeName(globalThis as unknown as RuntimeGlobals),
);

/**
 * Gives coffer its WebAssembly module compiled ahead of time, for runtimes that forbid compiling at run time
 * (workerd, pages whose content security policy lacks `wasm-unsafe-eval`). Without it synchronous calls there are
 * served by @noble/ciphers, which is slower and not constant in time.
 *
 * Call it once, before anything else of coffer. It tests the module on a known answer. Where the provider runs
 * already, nothing changes. On workerd, Cloudflare Workers and whatever else gives modules by import:
 *
 * ```ts
 * import module from "coffer/aes-gcm.wasm";
 * import { localEncryptSync, useWasmModule } from "coffer/crypto";
 *
 * useWasmModule(module);
 * const text = localEncryptSync("s3cret", dataKey);
 * ```
 *
 * @param module - `coffer/aes-gcm.wasm` of the same version, compiled
 * @throws TypeError ERR_INVALID_ARGUMENT unless it is a `WebAssembly.Module`; VaultError ERR_UNSUPPORTED if it is not
 *   coffer's of this version, or cannot be started, or computes wrongly
 */
export function useWasmModule(module: WasmModule): void {
  providers.useWasmModule(module);
}

/**
 * Which AEAD provider serves a call, and why.
 *
 * Owns the choice; a reader finds it here and nowhere else. Of the providers that a call has (the runtime's own, and
 * those of its argument `sync`):
 * - `wasm` for small messages, where a native call costs more than the encryption (up to the crossover of the
 *   runtime, CROSSOVER_BYTES in wasm.ts), on calls that tell how large the message is;
 * - else `node` where there is `node:crypto`: its calls take microseconds, Web Crypto's hop threads;
 * - else, where a call can wait, `webcrypto`: asynchronous calls on workerd and in browsers are `wasm` inside, too, up
 *   to the crossover, since 0.5 to 30 µs at once are sooner than Web Crypto's answer. On Deno large messages of such
 *   calls are `webcrypto`, although the others are there;
 * - else `wasm`, of whatever size: its AES does not look up memory by secret addresses, which noble's does;
 * - else `noble`.
 * A caller who names a provider gets that one or an error. A provider proves itself on a known answer before its first
 * use. Which providers there are is a list of rows, each in its provider's file. Must not know keys' origin or envelopes.
 *
 * @module
 */

import { ascii, type Bytes, EMPTY, equalBytes, fromHex } from "../../base/bytes.ts";
import type { RuntimeName } from "../../base/runtime.ts";
import { invalidType, VaultError } from "../../errors.ts";
import { type AeadProvider, type AeadProviderName, PROVIDER_NAMES, type SyncAeadProvider } from "./aead.ts";
import type { Available, ProviderRow } from "./row.ts";
import type { WasmProvider } from "./wasm.ts";

/** The known answer: XAES-256-GCM's first published vector, its derived key and nonce (c2sp.org/XAES-256-GCM). */
const KNOWN_KEY = "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b";
const KNOWN_NONCE = "4d4e4f505152535455565758";
const KNOWN_PLAINTEXT = "XAES-256-GCM";
const KNOWN_SEALED = "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271";

/** The providers of one runtime, with those of an argument. */
export class AeadProviders {
  readonly #rows: readonly ProviderRow[];
  readonly #available: Available;
  /** Those that were asked for; undefined where they cannot run. What is never used is never started. */
  readonly #started = new Map<AeadProviderName, AeadProvider | undefined>();
  readonly #proven = new Set<AeadProvider>();
  /** Bytes of the largest message that is the WebAssembly provider's, where it is there. */
  readonly smallBytesMax: number;
  readonly #waitingBytesMin: number;

  /**
   * @param rows - the preferred ones first: of those that can serve a call the first one does, unless a size decides
   * @param name - decides the sizes only
   */
  constructor(rows: readonly ProviderRow[], available: Available, name: RuntimeName = "node") {
    this.#rows = rows;
    this.#available = available;
    this.smallBytesMax = rows.find((row) => row.smallBytesMax)?.smallBytesMax?.[name] ?? -1;
    this.#waitingBytesMin =
      rows.find((row) => row.waitingBytesMin)?.waitingBytesMin?.[name] ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The provider of a synchronous call.
   *
   * @param name - overrides the choice
   * @param bytes - the size of the message; without it the choice is one for messages of any size
   * @throws VaultError ERR_UNSUPPORTED if there is none, or if the named one is not there, answers asynchronously or
   *   gives wrong answers
   */
  sync(name?: AeadProviderName, bytes: number = Number.POSITIVE_INFINITY): SyncAeadProvider {
    if (name === undefined) {
      const small = this.small(bytes);
      if (small !== undefined) return small;
    } else {
      const refusal = this.#row(name)?.refusal;
      if (refusal !== undefined) throw unsupported(refusal);
    }
    const provider = (name === undefined ? this.#first(true) : this.#named(name)) as SyncAeadProvider;
    if (!this.#proven.has(provider)) this.#prove(provider, sealKnown(provider));
    return provider;
  }

  /**
   * The provider of an asynchronous call.
   *
   * @param name - overrides the choice
   * @param bytes - as for `sync`
   * @throws VaultError ERR_UNSUPPORTED if there is none, or if the named one is not there or gives wrong answers
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
    if (name !== undefined) return this.#row(name)?.refusal === undefined ? this.sync(name) : undefined;
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

  /** The provider that answers later, proven. */
  async #waiting(): Promise<AeadProvider> {
    const provider = this.#named("webcrypto");
    if (!this.#proven.has(provider)) this.#prove(provider, await sealKnown(provider));
    return provider;
  }

  /** The preferred one of those that are there. */
  #first(mustBeSync: boolean): AeadProvider {
    for (const { name } of this.#rows) {
      const provider = this.#start(name);
      if (provider !== undefined && (provider.isSync || !mustBeSync)) return provider;
    }
    throw nothingAtOnce();
  }

  #named(name: AeadProviderName): AeadProvider {
    const provider = this.#start(name);
    if (provider === undefined) {
      const hint = name === "wasm" || name === "noble" ? `: pass { sync: ${name} } from "coffer/sync"` : "";
      throw unsupported(`there is no ${name} provider here${hint}`);
    }
    return provider;
  }

  #row(name: AeadProviderName): ProviderRow | undefined {
    if (!PROVIDER_NAMES.includes(name))
      throw invalidType(`provider must be one of ${PROVIDER_NAMES.join(", ")}`);
    return this.#rows.find((row) => row.name === name);
  }

  #start(name: AeadProviderName): AeadProvider | undefined {
    const known = this.#started.get(name);
    if (known !== undefined || this.#started.has(name)) return known;
    const provider = this.#row(name)?.start(this.#available);
    this.#started.set(name, provider);
    return provider;
  }

  #prove(provider: AeadProvider, sealed: Uint8Array): void {
    if (!equalBytes(sealed, fromHex(KNOWN_SEALED))) {
      throw unsupported(`the ${provider.name} provider of this runtime computes AES-256-GCM wrongly`);
    }
    this.#proven.add(provider);
  }
}

/** What a provider makes of the known plaintext. */
function sealKnown(provider: SyncAeadProvider): Bytes;
function sealKnown(provider: AeadProvider): Bytes | Promise<Bytes>;
function sealKnown(provider: AeadProvider): Bytes | Promise<Bytes> {
  const key = provider.importKey(fromHex(KNOWN_KEY));
  try {
    return key.seal(fromHex(KNOWN_NONCE), ascii(KNOWN_PLAINTEXT), EMPTY);
  } finally {
    key.dispose();
  }
}

/** Where a call cannot wait, or there is no Web Crypto to wait for. */
export const nothingAtOnce = (): VaultError =>
  unsupported(
    'this runtime has nothing that encrypts at once: pass { sync: wasm } from "coffer/sync"; ' +
      "where WebAssembly may not be compiled, noble or wasmModule(module)",
  );

const unsupported = (problem: string): VaultError => new VaultError("ERR_UNSUPPORTED", problem);

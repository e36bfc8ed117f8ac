/**
 * Which AEAD provider serves a call, and why.
 *
 * Owns the choice; a reader finds it here and nowhere else:
 * - synchronous calls: `node` where there is `node:crypto`, else `noble`;
 * - asynchronous calls: `node` (its calls take microseconds, Web Crypto's hop threads), else `webcrypto`, else
 *   `noble`.
 * A provider proves itself on a known answer before its first use. Must not know keys' origin or envelopes.
 *
 * @module
 */
import { invalidType, VaultError } from "../errors.ts";
import type { AeadProvider, AeadProviderName, SyncAeadProvider } from "./aead.ts";
import { nobleProvider } from "./aead-noble.ts";
import { nodeProvider } from "./aead-node.ts";
import { webCryptoProvider } from "./aead-webcrypto.ts";
import { ascii, equalBytes, fromHex } from "./bytes.ts";
import { type Runtime, runtime } from "./runtime.ts";

/** The known answer: XAES-256-GCM's first published vector, its derived key and nonce (c2sp.org/XAES-256-GCM). */
const KNOWN_KEY = fromHex("c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b");
const KNOWN_NONCE = fromHex("4d4e4f505152535455565758");
const KNOWN_PLAINTEXT = ascii("XAES-256-GCM");
const KNOWN_SEALED = fromHex("ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");

/** The providers of one runtime. */
export class AeadProviders {
  readonly #node: SyncAeadProvider | undefined;
  readonly #webcrypto: AeadProvider | undefined;
  readonly #proven = new Set<AeadProviderName>();

  constructor(available: Pick<Runtime, "crypto" | "webcrypto">) {
    this.#node = available.crypto?.createCipheriv === undefined ? undefined : nodeProvider(available.crypto);
    // Browsers leave out `subtle` on pages that were not loaded securely.
    const subtle = available.webcrypto?.subtle;
    this.#webcrypto = subtle === undefined ? undefined : webCryptoProvider(subtle);
  }

  /**
   * The provider of a synchronous call.
   *
   * @param name - overrides the choice
   * @throws VaultError ERR_UNSUPPORTED if the named one is not there, answers asynchronously or gives wrong answers
   */
  sync(name?: AeadProviderName): SyncAeadProvider {
    if (name === "webcrypto") {
      throw new VaultError("ERR_UNSUPPORTED", "Web Crypto cannot answer synchronous calls");
    }
    const provider = this.#named(name ?? (this.#node === undefined ? "noble" : "node")) as SyncAeadProvider;
    if (!this.#proven.has(provider.name)) {
      const sealed = provider.importKey(KNOWN_KEY).seal(KNOWN_NONCE, KNOWN_PLAINTEXT, new Uint8Array(0));
      this.#prove(provider.name, sealed);
    }
    return provider;
  }

  /**
   * The provider of an asynchronous call.
   *
   * @param name - overrides the choice
   * @throws VaultError ERR_UNSUPPORTED if the named one is not there or gives wrong answers
   */
  async async(name?: AeadProviderName): Promise<AeadProvider> {
    const chosen =
      name ?? (this.#node !== undefined ? "node" : this.#webcrypto !== undefined ? "webcrypto" : "noble");
    if (chosen !== "webcrypto") return this.sync(chosen);
    const provider = this.#named(chosen);
    if (!this.#proven.has(chosen)) {
      this.#prove(
        chosen,
        await provider.importKey(KNOWN_KEY).seal(KNOWN_NONCE, KNOWN_PLAINTEXT, new Uint8Array(0)),
      );
    }
    return provider;
  }

  #named(name: AeadProviderName): AeadProvider {
    const all = { node: this.#node, webcrypto: this.#webcrypto, noble: nobleProvider };
    if (!Object.hasOwn(all, name)) throw invalidType('provider must be "node", "webcrypto" or "noble"');
    const provider = all[name];
    if (provider === undefined)
      throw new VaultError("ERR_UNSUPPORTED", `this runtime has no ${name} provider`);
    return provider;
  }

  #prove(name: AeadProviderName, sealed: Uint8Array): void {
    if (!equalBytes(sealed, KNOWN_SEALED)) {
      throw new VaultError(
        "ERR_UNSUPPORTED",
        `the ${name} provider of this runtime computes AES-256-GCM wrongly`,
      );
    }
    this.#proven.add(name);
  }
}

/** The providers of the runtime that this module was loaded in. */
export const providers: AeadProviders = new AeadProviders(runtime);

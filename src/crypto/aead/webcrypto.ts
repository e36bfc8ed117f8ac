/**
 * AES-256-GCM by Web Crypto: native on every edge runtime and browser, asynchronous only.
 *
 * A provider file. Holds one non-extractable CryptoKey per key.
 * Must not know envelopes.
 *
 * @module
 */
import type { webcrypto } from "node:crypto";
import { type Bytes, concatBytes } from "../../base/bytes.ts";
import type { WebCryptoSubtle } from "../../base/runtime.ts";
import { decryptFailed, VaultError } from "../../errors.ts";
import { TAG_BYTES } from "../limits.ts";
import { type AeadKey, type AeadProvider, checkKey, checkOpen, checkSealNonce } from "./aead.ts";
import type { ProviderRow } from "./row.ts";

const ALGORITHM = "AES-GCM";
const BITS_PER_BYTE = 8;

class WebCryptoKey implements AeadKey {
  readonly #subtle: WebCryptoSubtle;
  #key: Promise<webcrypto.CryptoKey> | undefined;

  constructor(subtle: WebCryptoSubtle, rawKey: Uint8Array) {
    this.#subtle = subtle;
    // Copied first: the caller may zero its bytes before the import, which is asynchronous, has read them.
    const copy: Bytes = Uint8Array.from(rawKey);
    const key = subtle
      .importKey("raw", copy, ALGORITHM, false, ["encrypt", "decrypt"])
      .finally(() => copy.fill(0));
    // A failed import is reported by the calls that need the key, not as an unhandled rejection.
    key.catch(() => {});
    this.#key = key;
  }

  async seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Promise<Bytes> {
    checkSealNonce(nonce);
    const key = await this.#held();
    return new Uint8Array(
      await this.#subtle.encrypt(parameters(nonce, associatedData), key, plaintext as Bytes),
    );
  }

  async open(
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    associatedData: Uint8Array,
  ): Promise<Bytes> {
    checkOpen(nonce, tag);
    const key = await this.#held();
    const sealed = concatBytes(ciphertext, tag) as Bytes;
    try {
      return new Uint8Array(await this.#subtle.decrypt(parameters(nonce, associatedData), key, sealed));
    } catch {
      throw decryptFailed();
    }
  }

  dispose(): void {
    this.#key = undefined;
  }

  #held(): Promise<webcrypto.CryptoKey> {
    if (this.#key === undefined) throw new VaultError("ERR_DISPOSED", "this key has been disposed of");
    return this.#key;
  }
}

function parameters(nonce: Uint8Array, associatedData: Uint8Array): webcrypto.AesGcmParams {
  return {
    name: ALGORITHM,
    iv: nonce as Bytes,
    tagLength: TAG_BYTES * BITS_PER_BYTE,
    // Some engines treat an empty additionalData differently from an absent one; GCM does not.
    ...(associatedData.length > 0 ? { additionalData: associatedData as Bytes } : {}),
  };
}

/** The provider. @param subtle - the runtime's `crypto.subtle` */
export function webCryptoProvider(subtle: WebCryptoSubtle): AeadProvider {
  return {
    name: "webcrypto",
    isSync: false,
    importKey(rawKey) {
      checkKey(rawKey);
      return new WebCryptoKey(subtle, rawKey);
    },
  };
}

/** The provider where there is `subtle`, which browsers leave out on pages that were not loaded securely. */
export const WEBCRYPTO_ROW: ProviderRow = {
  name: "webcrypto",
  start: ({ webcrypto }) => {
    const subtle = webcrypto?.subtle;
    return subtle === undefined ? undefined : webCryptoProvider(subtle);
  },
  refusal: "Web Crypto cannot answer synchronous calls",
  // Measured by bench/crossover.ts: only on Deno 2.9, whose `node:crypto` is slow, the thread hop is worth it, from 8 to
  // 16 KiB on.
  waitingBytesMin: { deno: 16 * 1024 },
};

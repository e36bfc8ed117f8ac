/**
 * AES-256-GCM by `node:crypto`: OpenSSL, synchronous, the fastest native way for small values.
 *
 * A provider file. Holds a KeyObject per key, because Node 24
 * charges every call with a raw key about 20 µs more. Must not know envelopes.
 *
 * @module
 */
import type { CipherGCM, DecipherGCM, KeyObject } from "node:crypto";
import { type Bytes, concatBytes, releaseMemory } from "../../base/bytes.ts";
import type { Runtime } from "../../base/runtime.ts";
import { decryptFailed, VaultError } from "../../errors.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import {
  checkKey,
  checkOpen,
  checkSealNonce,
  type PiecewiseKey,
  type SyncAeadKey,
  type SyncAeadProvider,
} from "./aead.ts";
import type { ProviderRow } from "./row.ts";

const ALGORITHM = "aes-256-gcm";
// Without this option Node up to 24 accepts tags of 4, 8 and 12 bytes.
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** A key as `node:crypto` holds it. */
class NodeKey implements SyncAeadKey, PiecewiseKey {
  readonly #crypto: NonNullable<Runtime["crypto"]>;
  #key: KeyObject | undefined;

  constructor(crypto: NonNullable<Runtime["crypto"]>, rawKey: Uint8Array) {
    this.#crypto = crypto;
    this.#key = crypto.createSecretKey(rawKey);
  }

  get pieces(): PiecewiseKey {
    return this;
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes {
    const cipher = this.sealing(nonce, associatedData);
    // GCM is a stream mode: final() adds no bytes.
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return concatBytes(ciphertext, cipher.getAuthTag());
  }

  sealing(nonce: Uint8Array, associatedData: Uint8Array): CipherGCM {
    checkSealNonce(nonce);
    const cipher = this.#crypto.createCipheriv(ALGORITHM, this.#held(), nonce, OPTIONS);
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    return cipher;
  }

  open(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Bytes {
    checkOpen(nonce, tag);
    const decipher = this.opening(nonce, associatedData);
    decipher.setAuthTag(tag);
    const plaintext = decipher.update(ciphertext);
    try {
      decipher.final();
    } catch {
      plaintext.fill(0); // update() decrypts before the tag is checked.
      throw decryptFailed();
    }
    // A plain array: a Buffer's slice() and subarray() would surprise callers of a portable library.
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  }

  opening(nonce: Uint8Array, associatedData: Uint8Array): DecipherGCM {
    const decipher = this.#crypto.createDecipheriv(ALGORITHM, this.#held(), nonce, OPTIONS);
    if (associatedData.length > 0) decipher.setAAD(associatedData);
    return decipher;
  }

  blockCipher(): (blocks: Uint8Array) => Bytes {
    const cipher = this.#crypto.createCipheriv("aes-256-ecb", this.#held(), null).setAutoPadding(false);
    return (blocks) => cipher.update(blocks);
  }

  sealInto(
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void {
    const cipher = this.sealing(nonce, associatedData);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    out.set(ciphertext, at);
    out.set(cipher.getAuthTag(), at + ciphertext.length);
    releaseMemory(ciphertext);
  }

  openInto(
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    associatedData: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void {
    const plaintext = this.open(nonce, ciphertext, tag, associatedData);
    out.set(plaintext, at);
    plaintext.fill(0);
    releaseMemory(plaintext);
  }

  dispose(): void {
    this.#key = undefined;
  }

  #held(): KeyObject {
    if (this.#key === undefined) throw disposed();
    return this.#key;
  }
}

const disposed = (): VaultError => new VaultError("ERR_DISPOSED", "this key has been disposed of");

/** The provider. @param crypto - the runtime's `node:crypto` */
export function nodeProvider(crypto: NonNullable<Runtime["crypto"]>): SyncAeadProvider {
  return {
    name: "node",
    isSync: true,
    importKey(rawKey) {
      checkKey(rawKey);
      return new NodeKey(crypto, rawKey);
    },
    blockCipher(rawKey) {
      checkKey(rawKey);
      // The cipher holds the key, so it is let go of itself.
      let encipher: ((blocks: Uint8Array) => Bytes) | undefined = new NodeKey(crypto, rawKey).blockCipher();
      return {
        encrypt: (blocks) => {
          if (encipher === undefined) throw disposed();
          return encipher(blocks);
        },
        dispose: () => {
          encipher = undefined;
        },
      };
    },
  };
}

/** Whether ciphers take a key object. Some polyfills have no ciphers, and those of Deno take raw keys alone before 2.8. */
function takesKeyObjects(crypto: NonNullable<Runtime["crypto"]>): boolean {
  try {
    const key = crypto.createSecretKey(new Uint8Array(KEY_BYTES));
    crypto.createCipheriv(ALGORITHM, key, new Uint8Array(NONCE_BYTES), OPTIONS);
    return true;
  } catch {
    return false;
  }
}

/** The provider where there is a `node:crypto` that does what is needed. */
export const NODE_ROW: ProviderRow = {
  name: "node",
  start: ({ crypto }) => (crypto !== undefined && takesKeyObjects(crypto) ? nodeProvider(crypto) : undefined),
};

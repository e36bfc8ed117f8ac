/**
 * AES-256-GCM by @noble/ciphers: pure JavaScript, for synchronous calls where there is no `node:crypto`.
 *
 * A provider file. Its AES uses tables in memory, so unlike the
 * native providers it may leak timing to code on the same machine; it is never chosen where a native provider
 * can serve. Must not know envelopes.
 *
 * @module
 */
import { ecb, gcm } from "@noble/ciphers/aes.js";
import { type Bytes, concatBytes } from "../../base/bytes.ts";
import { decryptFailed } from "../../errors.ts";
import { SecretBytes } from "../primitives/secret-bytes.ts";
import {
  type BlockCipher,
  checkKey,
  checkOpen,
  checkSealNonce,
  type SyncAeadKey,
  type SyncAeadProvider,
} from "./aead.ts";
import type { ProviderRow } from "./row.ts";

class NobleKey implements SyncAeadKey {
  readonly #key: SecretBytes;

  constructor(rawKey: Uint8Array) {
    this.#key = new SecretBytes(Uint8Array.from(rawKey));
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes {
    checkSealNonce(nonce);
    return gcm(this.#key.bytes, nonce, associatedData).encrypt(plaintext);
  }

  open(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Bytes {
    checkOpen(nonce, tag);
    const cipher = gcm(this.#key.bytes, nonce, associatedData);
    try {
      return cipher.decrypt(concatBytes(ciphertext, tag));
    } catch {
      throw decryptFailed();
    }
  }

  dispose(): void {
    this.#key.dispose();
  }
}

/** The provider. */
export const nobleProvider: SyncAeadProvider = {
  name: "noble",
  isSync: true,
  importKey(rawKey) {
    checkKey(rawKey);
    return new NobleKey(rawKey);
  },
  blockCipher(rawKey): BlockCipher {
    checkKey(rawKey);
    const held = new SecretBytes(Uint8Array.from(rawKey));
    return {
      encrypt: (blocks) => ecb(held.bytes, { disablePadding: true }).encrypt(blocks),
      dispose: () => held.dispose(),
    };
  },
};

/** The provider, which runs everywhere. */
export const NOBLE_ROW: ProviderRow = { name: "noble", start: () => nobleProvider };

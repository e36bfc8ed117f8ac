/**
 * SHA-1, SHA-256, HMAC and HKDF, the last two with SHA-256 or SHA-512, by `node:crypto`.
 *
 * A provider file. Must not know what is hashed or derived.
 *
 * @module
 */

import type { Runtime } from "../../base/runtime.ts";
import type { HashProvider } from "./hash-port.ts";

/** The implementation. @param crypto - the runtime's `node:crypto` */
export function nodeHash(crypto: NonNullable<Runtime["crypto"]>): HashProvider {
  return {
    sha1: (bytes) => crypto.createHash("sha1").update(bytes).digest(),
    sha256: (bytes) => crypto.createHash("sha256").update(bytes).digest(),
    // With a KeyObject made for the one call it takes 5 µs, with the raw key 12 (Node 24).
    hmac: (hash, key, bytes) => crypto.createHmac(hash, crypto.createSecretKey(key)).update(bytes).digest(),
    // 2 µs a call.
    hmacUnder: (hash, key) => {
      const object = crypto.createSecretKey(key);
      return (bytes) => crypto.createHmac(hash, object).update(bytes).digest();
    },
    hkdf: (hash, inputKey, salt, info, length) =>
      new Uint8Array(crypto.hkdfSync(hash, inputKey, salt, info, length)),
  };
}

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
  // Half the time of an object for each hash; Bun and Deno may lack it.
  const once = (name: "sha1" | "sha256") =>
    typeof crypto.hash === "function"
      ? (bytes: Uint8Array) => crypto.hash(name, bytes, "buffer")
      : (bytes: Uint8Array) => crypto.createHash(name).update(bytes).digest();
  return {
    sha1: once("sha1"),
    sha256: once("sha256"),
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

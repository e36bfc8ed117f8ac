/**
 * SHA-1, SHA-256, HMAC and HKDF, the last two with SHA-256 or SHA-512, by @noble/hashes, where there is no
 * `node:crypto`.
 *
 * A provider file. Must not know what is hashed or derived.
 *
 * @module
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import type { HashProvider } from "./hash-port.ts";

const HASHES = { sha256, sha512 } as const;

/** The implementation. */
export const nobleHash: HashProvider = {
  sha1: (bytes) => sha1(bytes),
  sha256: (bytes) => sha256(bytes),
  hmac: (hash, key, bytes) => hmac(HASHES[hash], key, bytes),
  hmacUnder: (hash, key) => {
    const own = Uint8Array.from(key);
    return (bytes) => hmac(HASHES[hash], own, bytes);
  },
  hkdf: (hash, inputKey, salt, info, length) => hkdf(HASHES[hash], inputKey, salt, info, length),
};

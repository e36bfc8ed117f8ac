/**
 * SHA-1, SHA-256, HMAC and HKDF, the last two with SHA-256 or SHA-512, by `node:crypto`.
 *
 * A provider file. Must not know what is hashed or derived.
 *
 * @module
 */

import type { Bytes } from "../../base/bytes.ts";
import type { Runtime } from "../../base/runtime.ts";
import type { HashName, HashProvider } from "./hash-port.ts";

/** Bytes of a block of each hash (FIPS 180-4). */
const BLOCK_BYTES: Readonly<Record<HashName, number>> = { sha256: 64, sha512: 128 };

/** What a key is XORed with, inside and outside (FIPS 198-1 section 3). */
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/** HMAC (FIPS 198-1 section 4) by a hash; leaves no copy of the key. */
function hmacByHash(
  hash: (bytes: Uint8Array) => Bytes,
  blockBytes: number,
  key: Uint8Array,
  bytes: Uint8Array,
): Bytes {
  const short = key.length > blockBytes ? hash(key) : key;
  const padded = (pad: number, rest: Uint8Array): Bytes => {
    const input = new Uint8Array(blockBytes + rest.length).fill(pad, 0, blockBytes);
    for (let i = 0; i < short.length; i++) input[i]! ^= short[i]!;
    input.set(rest, blockBytes);
    const digest = hash(input);
    input.fill(0);
    return digest;
  };
  const inner = padded(INNER_PAD, bytes);
  const mac = padded(OUTER_PAD, inner);
  inner.fill(0);
  if (short !== key) short.fill(0);
  return mac;
}

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
    // By two hashes 2 µs, with a KeyObject made for the one call 5, with the raw key 12 (Node 24).
    hmac: (hash, key, bytes) =>
      typeof crypto.hash === "function"
        ? hmacByHash((of) => crypto.hash(hash, of, "buffer"), BLOCK_BYTES[hash], key, bytes)
        : crypto.createHmac(hash, crypto.createSecretKey(key)).update(bytes).digest(),
    // 2 µs a call.
    hmacUnder: (hash, key) => {
      const object = crypto.createSecretKey(key);
      return (bytes) => crypto.createHmac(hash, object).update(bytes).digest();
    },
    hkdf: (hash, inputKey, salt, info, length) =>
      new Uint8Array(crypto.hkdfSync(hash, inputKey, salt, info, length)),
  };
}

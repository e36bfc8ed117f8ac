/**
 * The hash port: SHA-1 for data-key ids, SHA-256 for fingerprints, HMAC and HKDF (RFC 5869) for derivations.
 *
 * Owns the choice between the native and the portable implementation. Must not know labels or contexts.
 *
 * @module
 */

import { concatBytes } from "../../base/bytes.ts";
import { type Runtime, runtime } from "../../base/runtime.ts";
import { nobleHash } from "./hash-noble.ts";
import { nodeHash } from "./hash-node.ts";

export type HashName = "sha256" | "sha512";

export interface HashProvider {
  /** FIPS 180-4. Only for UUIDv5 ids, where no collision resistance is needed. */
  sha1(bytes: Uint8Array): Uint8Array;
  /** FIPS 180-4. */
  sha256(bytes: Uint8Array): Uint8Array;
  /** FIPS 198-1. */
  hmac(hash: HashName, key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /**
   * RFC 5869, extract and expand.
   *
   * @param length - bytes to derive, at most 255 times the hash's size (RFC 5869 section 2.3)
   */
  hkdf(hash: HashName, inputKey: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
}

/** The native implementation where there is one. */
export function selectHash(crypto: Runtime["crypto"]): HashProvider {
  return crypto === undefined ? nobleHash : nodeHash(crypto);
}

export const hash: HashProvider = selectHash(runtime.crypto);

/**
 * HKDF-Expand (RFC 5869 section 2.3) with HMAC-SHA-512: for keys that are uniformly random already.
 *
 * @param key - the pseudorandom key; 32 bytes or more
 * @param length - bytes to derive, at most 16,320
 */
export function expandSha512(
  provider: Pick<HashProvider, "hmac">,
  key: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const out = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let at = 0, counter = 1; at < length; at += block.length, counter++) {
    block = provider.hmac("sha512", key, concatBytes(block, info, Uint8Array.of(counter)));
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

/**
 * HKDF-Expand over the hashes of a provider.
 *
 * Must not know labels or contexts.
 *
 * @module
 */
import { type Bytes, concatBytes } from "../../base/bytes.ts";
import type { HashProvider } from "./hash-port.ts";

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
): Bytes {
  const out = new Uint8Array(length);
  let block: Uint8Array = new Uint8Array(0);
  for (let at = 0, counter = 1; at < length; at += block.length, counter++) {
    block = provider.hmac("sha512", key, concatBytes(block, info, Uint8Array.of(counter)));
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

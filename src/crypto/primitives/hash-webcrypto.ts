/**
 * HKDF-Expand by Web Crypto, for calls that can wait on runtimes without `node:crypto`.
 *
 * A provider file. Must not know what is derived.
 *
 * @module
 */
import { type Bytes, concatBytes } from "../../base/bytes.ts";
import type { SubtleHmac } from "./hash-port.ts";

const HMAC = { name: "HMAC", hash: "SHA-512" } as const;

/**
 * HKDF-Expand (RFC 5869 section 2.3) with HMAC-SHA-512: for keys that are uniformly random already.
 *
 * @param key - the pseudorandom key, 32 bytes or more. It is read before this returns
 * @param length - bytes to derive, at most 16,320
 */
export async function expandSha512Later(
  subtle: SubtleHmac,
  key: Uint8Array,
  info: Uint8Array,
  length: number,
): Promise<Bytes> {
  const copy: Bytes = Uint8Array.from(key);
  const hmac = await subtle.importKey("raw", copy, HMAC, false, ["sign"]).finally(() => copy.fill(0));
  const out = new Uint8Array(length);
  let block = new Uint8Array(0);
  for (let at = 0, counter = 1; at < length; at += block.length, counter++) {
    const input = concatBytes(block, info, Uint8Array.of(counter));
    block = new Uint8Array(await subtle.sign("HMAC", hmac, input));
    out.set(block.subarray(0, length - at), at);
  }
  return out;
}

/**
 * HMAC-SHA-256 at once, on every runtime: by `node:crypto` where there is one, else over the hash of @noble/hashes.
 *
 * A provider file: of @noble/hashes it takes this hash along and no other, and HMAC is four lines over it. Must not know
 * what is authenticated.
 *
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concatBytes } from "../../base/bytes.ts";
import { type Runtime, runtime } from "../../base/runtime.ts";

/** Bytes of a block of SHA-256 (FIPS 180-4 section 1). */
const BLOCK_BYTES = 64;
/** What the key is combined with inside and outside (FIPS 198-1 section 4). */
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/** FIPS 198-1. The last argument says what the runtime has. */
export function hmacSha256(
  key: Uint8Array,
  bytes: Uint8Array,
  { crypto }: Pick<Runtime, "crypto"> = runtime,
): Bytes {
  return crypto === undefined
    ? byHash(key, bytes)
    : new Uint8Array(crypto.createHmac("sha256", key).update(bytes).digest());
}

function byHash(key: Uint8Array, bytes: Uint8Array): Bytes {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? sha256(key) : key);
  const padded = (pad: number): Uint8Array => block.map((byte) => byte ^ pad);
  return sha256(concatBytes(padded(OUTER_PAD), sha256(concatBytes(padded(INNER_PAD), bytes))));
}

/**
 * HMAC-SHA-256 at once, on every runtime: by `node:crypto` where there is one, else by @noble/hashes.
 *
 * A provider file: of @noble/hashes it takes this hash along and no other. Must not know what is authenticated.
 *
 * @module
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { Bytes } from "../../base/bytes.ts";
import { type Runtime, runtime } from "../../base/runtime.ts";

/** FIPS 198-1. The last argument says what the runtime has. */
export function hmacSha256(
  key: Uint8Array,
  bytes: Uint8Array,
  { crypto }: Pick<Runtime, "crypto"> = runtime,
): Bytes {
  return crypto === undefined
    ? hmac(sha256, key, bytes)
    : new Uint8Array(crypto.createHmac("sha256", key).update(bytes).digest());
}

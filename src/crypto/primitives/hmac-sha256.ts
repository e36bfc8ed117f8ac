/**
 * HMAC-SHA-256, and SHA-256 itself, at once, on every runtime: over the hash of `node:crypto` where there is one, else over that of @noble/hashes.
 *
 * A provider file: of @noble/hashes it takes this hash along and no other. Must not know what is authenticated.
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

/** SHA-256. Bun and Deno may lack the one that takes a single call, half the time of an object. */
function digestOf(crypto: Runtime["crypto"]): (input: Uint8Array) => Bytes {
  if (crypto === undefined) return sha256;
  return typeof crypto.hash === "function"
    ? (input) => new Uint8Array(crypto.hash("sha256", input, "buffer"))
    : (input) => new Uint8Array(crypto.createHash("sha256").update(input).digest());
}

/** SHA-256 without other hashes, for what does not ship the rest of them. */
export function sha256Alone(bytes: Uint8Array): Bytes {
  return digestOf(runtime.crypto)(bytes);
}

/** FIPS 198-1. The last argument says what the runtime has. */
export function hmacSha256(
  key: Uint8Array,
  bytes: Uint8Array,
  { crypto }: Pick<Runtime, "crypto"> = runtime,
): Bytes {
  // On Node too: with a raw key its own HMAC takes 12 µs, this 2 (Node 24), and not every Deno has key objects.
  const digest = digestOf(crypto);
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? digest(key) : key);
  const padded = (pad: number, input: Uint8Array): Bytes => {
    const joined = concatBytes(
      block.map((byte) => byte ^ pad),
      input,
    );
    const made = digest(joined);
    joined.fill(0);
    return made;
  };
  const mac = padded(OUTER_PAD, padded(INNER_PAD, bytes));
  block.fill(0);
  return mac;
}

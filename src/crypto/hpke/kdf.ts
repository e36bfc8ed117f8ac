/**
 * HPKE's labelled HKDF-SHA256 (RFC 9180 section 4).
 *
 * Owns the labels' form. Must not know KEMs or what is derived.
 *
 * @module
 */
import { ascii, type Bytes, concatBytes, EMPTY } from "../../base/bytes.ts";
import { hmacSha256 } from "../primitives/hmac-sha256.ts";

/** Bytes of SHA-256: the length of extracted keys, and the most that one expansion here derives (RFC 9180 section 7.2). */
export const HASH_BYTES = 32;

/** Begins every labelled input (RFC 9180 section 4). */
const VERSION = /* @__PURE__ */ ascii("HPKE-v1");

/** Two bytes, the highest first. */
export function u16(value: number): Bytes {
  return Uint8Array.of(value >>> 8, value);
}

/** LabeledExtract. @param suiteId - which KEM or suite it is done for */
export function labeledExtract(
  suiteId: Uint8Array,
  salt: Uint8Array,
  label: string,
  inputKey: Uint8Array = EMPTY,
): Bytes {
  const input = concatBytes(VERSION, suiteId, ascii(label), inputKey);
  try {
    return hmacSha256(salt, input);
  } finally {
    input.fill(0);
  }
}

/** LabeledExpand. @param length - 1 to 32 bytes, which take one block of HKDF-Expand (RFC 5869 section 2.3) */
export function labeledExpand(
  suiteId: Uint8Array,
  key: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Bytes {
  const input = concatBytes(u16(length), VERSION, suiteId, ascii(label), info, Uint8Array.of(1));
  const block = hmacSha256(key, input);
  const out = block.slice(0, length);
  block.fill(0);
  return out;
}

/**
 * Standard base64 (RFC 4648 section 4): padded, strict to read unless told otherwise.
 *
 * Owns the text form of envelopes, key blobs and data keys. Must not know what the bytes are, nor how they are coded.
 *
 * @module
 */
import { type Base64Codec, decodedLength, decodeGroups } from "./base64-portable.ts";
import type { Bytes } from "./bytes.ts";
import { CODEC } from "./codec/built-in.ts";
import type { Slab } from "./memory.ts";

/** Padded standard base64 of any bytes. */
export const encodeBase64 = (bytes: Uint8Array): string => CODEC.encode(bytes);

/**
 * Bytes of strict base64: standard alphabet, exact padding, zero trailing bits, no white space.
 *
 * @param slab - gives the array's memory; default its own
 * @returns undefined for anything else
 */
export function decodeBase64(text: string, codec: Base64Codec = CODEC, slab?: Slab): Bytes | undefined {
  if (text.length % 4 !== 0) return undefined;
  const length = decodedLength(text);
  const bytes = slab?.take(length) ?? new Uint8Array(length);
  return codec.decodeTo(text, bytes) ? bytes : undefined;
}

/**
 * Bytes of base64 as lenient peers accept it: ASCII white space anywhere, padding missing, trailing bits not
 * zero. Still the standard alphabet only, and padding only at the end.
 *
 * @returns undefined for anything else
 */
export function decodeBase64Lenient(text: string): Bytes | undefined {
  const digits = text.replace(/[\t\n\f\r ]/g, "").replace(/={1,2}$/, "");
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  return decodeGroups(digits, false, bytes) ? bytes : undefined;
}

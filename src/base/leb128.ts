/**
 * Unsigned LEB128 numbers of at most 32 bits (DWARF 5 section 7.6).
 *
 * Owns the length prefix of envelopes. Must not know what it measures.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
/** Bytes of the longest LEB128 length that is read: 5 carry 32 bits (docs/spec/envelope.md section 2). */
export const LEB128_BYTES_MAX = 5;

/** A number that was read, and how. */
export interface Leb128 {
  readonly value: number;
  /** Bytes that were read: 1 to 5. */
  readonly length: number;
  /** Whether this is the shortest encoding of the value. */
  readonly canonical: boolean;
}

/** The shortest encoding of an integer from 0 to 2^32 - 1. */
export function encodeLeb128(value: number): Bytes {
  const out: number[] = [];
  let rest = value;
  // Division, not shifts: a shift would turn values from 2^31 on negative.
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    out.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return Uint8Array.from(out);
}

/**
 * Reads a number of at most 5 bytes and 32 bits.
 *
 * @param offset - where it starts; may lie at or behind the end
 * @returns undefined if it is cut off, longer than 5 bytes or larger than 2^32 - 1. An encoding that is not the
 *   shortest is returned with `canonical: false`: the caller decides.
 */
export function decodeLeb128(bytes: Uint8Array, offset: number): Leb128 | undefined {
  let value = 0;
  let scale = 1;
  for (let length = 1; length <= LEB128_BYTES_MAX; length++) {
    const byte = bytes[offset + length - 1];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte < 0x80) {
      if (value > 0xffffffff) return undefined;
      return { value, length, canonical: length === 1 || byte !== 0 };
    }
  }
  return undefined;
}

/**
 * Bytes for tests: hex, and streams that look random but are the same in every run.
 *
 * Owns nothing but these helpers. Takes nothing from `src`, so that a mistake there cannot hide here.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";

/** Bytes of hexadecimal text, in an array of their own. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

export function toHexText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}

export function utf8Bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A copy with one bit changed. */
export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const out = Uint8Array.from(bytes);
  out[bit >> 3]! ^= 1 << (bit & 7);
  return out;
}

/**
 * An endless stream of bytes that a seed decides: AES-128 in counter mode over zeros, fast enough for gigabytes.
 *
 * @returns a function that answers the next `length` bytes; each answer is valid until the next call
 */
export function seededStream(seed: number): (length: number) => Uint8Array {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(1 << 20);
  let pool: Uint8Array = new Uint8Array(0);
  let at = 0;
  return (length) => {
    if (at + length > pool.length) {
      pool = cipher.update(zeros);
      at = 0;
    }
    at += length;
    return pool.subarray(at - length, at);
  };
}

/** Joins byte arrays into a new one. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

/** Any number of bytes that a seed decides, in an array of their own. */
export function seededBytes(seed: number, size: number): Uint8Array {
  const next = seededStream(seed);
  const out = new Uint8Array(size);
  for (let at = 0; at < size; at += 2 ** 16) out.set(next(Math.min(2 ** 16, size - at)), at);
  return out;
}

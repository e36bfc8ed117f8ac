/**
 * Base64 by the native `Buffer`, where there is one.
 *
 * Owns the checks that make its decoder strict. Must not know what the bytes are.
 *
 * @module
 */
import { type Base64Codec, decodedLength } from "./base64-portable.ts";
import { type CodingBuffer, codingBuffer } from "./coding-buffer.ts";

/** Characters up to which coding again is the cheaper check of a text; measured. */
const RECODED_CHARS_MAX = 4096;

/**
 * Decodes strict base64 into a buffer.
 *
 * @param at - where the bytes go; there must be room for all that the text may hold
 * @returns how many there are, or undefined unless the text is canonical; something may have been written then too
 */
export function decodeInto(target: CodingBuffer, text: string, at: number): number | undefined {
  const length = decodedLength(text);
  if (!Number.isInteger(length) || target.base64Write(text, at, length) !== length) return undefined;
  if (text.length <= RECODED_CHARS_MAX) {
    return target.base64Slice(at, at + length) === text ? length : undefined;
  }
  // The native decoder leaves out what it does not know, so nothing was left out if all bytes are there. It knows the
  // digits of base64url too, and some versions look at the low byte of a character only.
  const last = at + length - (length % 3 || 3);
  return !text.includes("-") &&
    !text.includes("_") &&
    isAscii(text, target.constructor as typeof Buffer) &&
    target.base64Slice(last, at + length) === text.slice(-4)
    ? length
    : undefined;
}

/** Characters that are looked at together; they stay in the processor's nearest cache. */
const ASCII_PIECE_CHARS = 16 * 1024;
/** Bytes that the shortest text that is not ASCII has more than a whole piece, and one longest character. */
const ASCII_SLACK_BYTES = 4;
let asciiScratch: CodingBuffer | undefined;

/**
 * Whether every character is one byte of UTF-8. Written out, since that takes an eighth of the time in which
 * `Buffer.byteLength` counts (Node 24).
 */
function isAscii(text: string, native: typeof Buffer): boolean {
  asciiScratch ??= codingBuffer(native.alloc(ASCII_PIECE_CHARS + ASCII_SLACK_BYTES));
  for (let at = 0; at < text.length; at += ASCII_PIECE_CHARS) {
    const piece = text.slice(at, at + ASCII_PIECE_CHARS);
    // One that is not has more bytes than characters, of which at least one more fits.
    if (asciiScratch.utf8Write(piece, 0, piece.length + ASCII_SLACK_BYTES) !== piece.length) return false;
  }
  return true;
}

/** By the native `Buffer`, whose own decoder accepts nearly anything: the result is encoded again and compared. */
export function bufferBase64(native: typeof globalThis.Buffer): Base64Codec {
  return {
    encode(bytes) {
      const view = codingBuffer(native.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      return view.base64Slice(0, view.length);
    },
    decodeTo(text, target) {
      const view = native.from(target.buffer, target.byteOffset, target.byteLength);
      return decodeInto(codingBuffer(view), text, 0) === target.length;
    },
  };
}

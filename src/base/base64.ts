/**
 * Standard base64 (RFC 4648 section 4): padded, strict to read unless told otherwise.
 *
 * Owns the text form of envelopes, key blobs and data keys. Must not know what the bytes are.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import { type CodingBuffer, codingBuffer } from "./coding-buffer.ts";
import { runtime } from "./runtime.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD = 0x3d; // "="
const INVALID = 0xff;

const VALUE_OF = new Uint8Array(128).fill(INVALID);
for (let i = 0; i < ALPHABET.length; i++) VALUE_OF[ALPHABET.charCodeAt(i)] = i;
const CODE_OF = new Uint8Array(64);
for (let i = 0; i < ALPHABET.length; i++) CODE_OF[i] = ALPHABET.charCodeAt(i);

/** Characters that are turned into text at once: String.fromCharCode takes a bounded number of arguments. */
const CHUNK_CHARS = 8192;

/** Characters up to which coding again is the cheaper check of a text; measured. */
const RECODED_CHARS_MAX = 4096;

/** One way to code base64; there are three, which must agree (a test holds them against each other). */
export interface Base64Codec {
  encode(bytes: Uint8Array): string;
  /**
   * Decodes strictly: only the exact canonical text of some bytes.
   *
   * @param text - its length is a multiple of 4
   * @param target - has room for exactly {@link decodedLength} bytes
   * @returns whether it was canonical; something may have been written if it was not
   */
  decodeTo(text: string, target: Uint8Array): boolean;
}

/** Table-driven, for runtimes without `Buffer`. */
export const portableBase64: Base64Codec = {
  encode(bytes) {
    const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
    let at = 0;
    let i = 0;
    for (; i + 2 < bytes.length; i += 3) {
      const triple = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
      out[at++] = CODE_OF[triple >> 18]!;
      out[at++] = CODE_OF[(triple >> 12) & 63]!;
      out[at++] = CODE_OF[(triple >> 6) & 63]!;
      out[at++] = CODE_OF[triple & 63]!;
    }
    const left = bytes.length - i;
    if (left > 0) {
      const triple = (bytes[i]! << 16) | (left === 2 ? bytes[i + 1]! << 8 : 0);
      out[at++] = CODE_OF[triple >> 18]!;
      out[at++] = CODE_OF[(triple >> 12) & 63]!;
      out[at++] = left === 2 ? CODE_OF[(triple >> 6) & 63]! : PAD;
      out[at++] = PAD;
    }
    let text = "";
    for (let start = 0; start < out.length; start += CHUNK_CHARS) {
      text += String.fromCharCode.apply(
        null,
        out.subarray(start, start + CHUNK_CHARS) as unknown as number[],
      );
    }
    return text;
  },
  decodeTo(text, target) {
    return decodeGroups(text.slice(0, text.length - paddingOf(text)), true, target);
  },
};

/** What arrays have since ECMAScript 2026 (section 23.3.3, "Uint8Array.prototype.toBase64"), as far as it is used. */
interface Base64Array extends Uint8Array {
  toBase64(): string;
  setFromBase64(text: string, options: { lastChunkHandling: "strict" }): { read: number; written: number };
}

/** By the language's own coders, where there is no `Buffer`. */
export const builtinBase64: Base64Codec = {
  encode: (bytes) => (bytes as Base64Array).toBase64(),
  decodeTo(text, target) {
    try {
      // It passes over white space, and then does not fill the room that the text should.
      const { read, written } = (target as Base64Array).setFromBase64(text, { lastChunkHandling: "strict" });
      return read === text.length && written === target.length;
    } catch {
      return false;
    }
  },
};

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

/** The fastest that a runtime can use. */
export function selectBase64(
  native: typeof globalThis.Buffer | undefined,
  prototype: object = Uint8Array.prototype,
): Base64Codec {
  if (native !== undefined) return bufferBase64(native);
  return "toBase64" in prototype && "setFromBase64" in prototype ? builtinBase64 : portableBase64;
}

const selected = selectBase64(runtime.Buffer);

/** Padded standard base64 of any bytes. */
export const encodeBase64 = (bytes: Uint8Array): string => selected.encode(bytes);

/**
 * Bytes of strict base64: standard alphabet, exact padding, zero trailing bits, no white space.
 *
 * @returns an array with memory of its own; undefined for anything else
 */
export function decodeBase64(text: string, codec: Base64Codec = selected): Bytes | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = new Uint8Array(decodedLength(text));
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

/** Bytes that a padded text has if it is base64; its length is a multiple of 4. */
export function decodedLength(text: string): number {
  return (text.length / 4) * 3 - paddingOf(text);
}

function paddingOf(text: string): number {
  return text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
}

/** Decodes digits without padding, which fill `out`; `strict` refuses trailing bits that are not zero. */
function decodeGroups(digits: string, strict: boolean, out: Uint8Array): boolean {
  if (digits.length % 4 === 1) return false;
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < digits.length; i++) {
    const code = digits.charCodeAt(i);
    const value = code < 128 ? VALUE_OF[code]! : INVALID;
    if (value === INVALID) return false;
    bits = ((bits << 6) | value) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out[at++] = bits >> held;
    }
  }
  return !strict || (bits & ((1 << held) - 1)) === 0;
}

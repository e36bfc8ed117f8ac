/**
 * The ways to code base64 that need no module of Node: a table, and the language's own.
 *
 * Owns both, and the port; a third, by `Buffer`, is in base64-buffer.ts. Must not know which is used.
 *
 * @module
 */

import { ascii, asciiText } from "./bytes.ts";

const PAD = 0x3d; // "="
const INVALID = 0xff;

/** The characters' codes, and the values of these codes. */
const CODE_OF = /* @__PURE__ */ ascii("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const VALUE_OF = new Uint8Array(128).fill(INVALID);
CODE_OF.forEach((code, value) => {
  VALUE_OF[code] = value;
});

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
      const pair = (bytes[i]! << 8) | (left === 2 ? bytes[i + 1]! : 0);
      out[at++] = CODE_OF[pair >> 10]!;
      out[at++] = CODE_OF[(pair >> 4) & 63]!;
      out[at++] = left === 2 ? CODE_OF[(pair << 2) & 63]! : PAD;
      out[at] = PAD;
    }
    return asciiText(out);
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

/** Bytes that a padded text has if it is base64; its length is a multiple of 4. */
export function decodedLength(text: string): number {
  return (text.length / 4) * 3 - paddingOf(text);
}

function paddingOf(text: string): number {
  return text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
}

/** Decodes digits without padding, which fill `out`; `strict` refuses trailing bits that are not zero. */
export function decodeGroups(digits: string, strict: boolean, out: Uint8Array): boolean {
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

/** The fastest of both that an engine has. @param prototype - of its `Uint8Array` */
export function selectPortable(prototype: object = Uint8Array.prototype): Base64Codec {
  return "toBase64" in prototype && "setFromBase64" in prototype ? builtinBase64 : portableBase64;
}

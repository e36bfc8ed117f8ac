/**
 * Text in and out of memory that is reused: UTF-8 and base64, by `Buffer` where there is one.
 *
 * Owns the coders that write into a given place. Must not know what the bytes are, nor whose memory it is.
 *
 * @module
 */
import { decodeInto } from "./base64-buffer.ts";
import { decodedLength, selectPortable } from "./base64-portable.ts";
import { type Bytes, fromUtf8 } from "./bytes.ts";
import { type CodingBuffer, codingBuffer } from "./coding-buffer.ts";
import type { Buffers } from "./wide-text.ts";

/** Coders over one memory. Positions and lengths are bytes and lie inside it. */
export interface TextMemory {
  /**
   * Writes a well-formed text as UTF-8.
   *
   * @param room - bytes that there is room for: three a character always suffice
   * @returns bytes written
   */
  write(text: string, at: number, room: number): number;
  /** @returns undefined unless it is UTF-8 */
  read(at: number, length: number): string | undefined;
  encode(at: number, length: number): string;
  /** @returns bytes written, or undefined unless the text is canonical base64 */
  decode(text: string, at: number): number | undefined;
}

/** Characters up to which a loop writes ASCII faster than a call of `Buffer` does. Measured. */
const SHORT_TEXT_CHARS = 20;

/** The last character of ASCII, which UTF-8 writes as one byte (RFC 3629 section 3). */
const ASCII_MAX = 0x7f;

/** What decoders put in the place of what is no UTF-8 (Unicode 3.9). */
const REPLACEMENT = "\ufffd";

/**
 * The text of UTF-8 bytes in a buffer.
 *
 * @returns undefined unless they are UTF-8
 */
export function readText(buffer: CodingBuffer, start: number, end: number): string | undefined {
  const text = buffer.utf8Slice(start, end);
  // What is not UTF-8 becomes U+FFFD, which may also have been there.
  return text.includes(REPLACEMENT) ? fromUtf8(buffer.subarray(start, end)) : text;
}

/** By the native `Buffer`. */
export function bufferMemory(memory: Bytes, native: Pick<Buffers, "from">): TextMemory {
  const view = codingBuffer(native.from(memory.buffer, memory.byteOffset, memory.byteLength));
  return {
    write(text, at, room) {
      const { length } = text;
      if (length > SHORT_TEXT_CHARS) return view.utf8Write(text, at, room);
      for (let i = 0; i < length; i++) {
        const unit = text.charCodeAt(i);
        if (unit > ASCII_MAX) return view.utf8Write(text, at, room);
        memory[at + i] = unit;
      }
      return length;
    },
    read: (at, length) => readText(view, at, at + length),
    encode: (at, length) => view.base64Slice(at, at + length),
    decode: (text, at) => decodeInto(view, text, at),
  };
}

/** Without `Buffer`. */
export function portableMemory(memory: Bytes): TextMemory {
  const codec = selectPortable();
  const encoder = new TextEncoder();
  return {
    write: (text, at, room) => encoder.encodeInto(text, memory.subarray(at, at + room)).written,
    read: (at, length) => fromUtf8(memory.subarray(at, at + length)),
    encode: (at, length) => codec.encode(memory.subarray(at, at + length)),
    decode(text, at) {
      if (text.length % 4 !== 0) return undefined;
      const length = decodedLength(text);
      return codec.decodeTo(text, memory.subarray(at, at + length)) ? length : undefined;
    },
  };
}

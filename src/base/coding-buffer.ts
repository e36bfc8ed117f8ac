/**
 * `Buffer`'s coders by name of the encoding.
 *
 * Owns the way to them: every runtime with `Buffer` has one method per encoding beside `write` and `toString`, which
 * look the encoding up and check more on every call. For a hundred bytes that is as long as the coding itself. They
 * are documented nowhere, so where one is missing the documented ones do its work. Must not know what is coded.
 *
 * @module
 */

/** A `Buffer` with the coders that are used here. Positions are checked by the runtime. */
export interface CodingBuffer extends Buffer {
  /** @returns bytes written: whole characters that fit into `length` bytes */
  utf8Write(text: string, at: number, length: number): number;
  /** @returns bytes written; what is not base64 is left out */
  base64Write(text: string, at: number, length: number): number;
  utf8Slice(start: number, end: number): string;
  base64Slice(start: number, end: number): string;
}

/** @returns the buffer itself, with what it misses added to it */
export function codingBuffer(buffer: Buffer): CodingBuffer {
  const own = buffer as Partial<CodingBuffer>;
  if (own.utf8Write === undefined || own.base64Write === undefined) {
    own.utf8Write = (text, at, length) => buffer.write(text, at, length, "utf8");
    own.base64Write = (text, at, length) => buffer.write(text, at, length, "base64");
  }
  if (own.utf8Slice === undefined || own.base64Slice === undefined) {
    own.utf8Slice = (start, end) => buffer.toString("utf8", start, end);
    own.base64Slice = (start, end) => buffer.toString("base64", start, end);
  }
  return buffer as CodingBuffer;
}

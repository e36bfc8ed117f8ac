/**
 * Small operations on byte arrays: join, compare, big-endian numbers, hex, strict UTF-8.
 *
 * Owns nothing but these conversions. Must not know any format.
 *
 * @module
 */
import { invalidType, VaultError } from "../errors.ts";
import { detach, isResizable, isWellFormed } from "./features.ts";

/**
 * Bytes that coffer answers: a `Uint8Array` over memory that no other thread sees. The platform's own functions
 * (`Response`, `Blob`, Web Crypto, `fetch`) want this, and TypeScript can say it from 5.7 on only; this form of the type
 * compiles with older ones too.
 */
export type Bytes = ReturnType<Uint8Array["slice"]>;

/** No bytes. Shared: with length 0 it cannot be changed. */
export const EMPTY: Bytes = new Uint8Array(0);

const encoder = /* @__PURE__ */ new TextEncoder();

/** Joins byte arrays into a new one. */
export function concatBytes(...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * Compares in time that depends on the lengths only (as far as a JavaScript engine allows it).
 *
 * @returns whether both have the same length and content
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/**
 * Gives the memory of an array back at once instead of when garbage is next collected, which thousands of large
 * arrays would otherwise wait for. The array is empty afterwards. One that shares its memory is left alone.
 */
export function releaseMemory(bytes: Uint8Array): void {
  if (bytes.byteLength === bytes.buffer.byteLength) detach(bytes.buffer as ArrayBuffer);
}

/** Orders byte arrays lexicographically, a prefix first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

/** Whether `bytes` has `prefix` at `offset`. Not for secrets. */
export function startsWithAt(bytes: Uint8Array, prefix: Uint8Array, offset: number): boolean {
  if (offset + prefix.length > bytes.length) return false;
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[offset + i] !== prefix[i]) return false;
  }
  return true;
}

/** An unsigned 32-bit number as 4 bytes, big-endian. */
export function u32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Bytes of an unsigned 32-bit number. */
export const U32_BYTES = 4;

/** Writes an unsigned 32-bit number, big-endian. @returns the offset behind it */
export function writeU32(bytes: Uint8Array, offset: number, value: number): number {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
  return offset + U32_BYTES;
}

/** Reads 4 bytes, big-endian; the caller has checked that they are there. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>>
    0
  );
}

/** `bytes` with its length in 4 bytes before it: joined, such fields cannot run into each other. */
export function lengthPrefixed(bytes: Uint8Array): Bytes {
  return concatBytes(u32(bytes.length), bytes);
}

/** Two digits for each byte: ids are made for every data key. */
const HEX: readonly string[] = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

/** Lowercase hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i]!]!;
  return out;
}

/** Bytes of an even number of hexadecimal digits that the caller has checked. */
export function fromHex(hex: string): Bytes {
  const out = new Uint8Array(hex.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return out;
}

/**
 * UTF-8 of a well-formed string.
 *
 * @param what - names the string in the error, never its content
 * @throws VaultError ERR_TEXT_MALFORMED for a lone surrogate: every encoder would turn it into U+FFFD
 */
export function utf8(text: string, what: string): Bytes {
  // To look at a character puts together what is still in pieces: of some such texts Bun's encoder lost bytes up to 1.3. The
  // look decides something, so that no compiler leaves it out.
  const beginsLow = (text.charCodeAt(0) & 0xfc00) === 0xdc00;
  if (beginsLow || !isWellFormed(text)) {
    throw new VaultError("ERR_TEXT_MALFORMED", `${what} holds a lone surrogate and has no UTF-8 form`);
  }
  return encoder.encode(text);
}

/** Bytes that become characters at once: arguments of one call. */
const PIECE_BYTES = 8192;

/** The text of ASCII bytes; of others, the characters of these numbers. */
export function asciiText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    // Not spread: that goes through an iterator, and takes five times as long.
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + PIECE_BYTES) as unknown as number[]);
  }
  return text;
}

/** UTF-8 of an ASCII constant of this package. */
export function ascii(text: string): Bytes {
  return encoder.encode(text);
}

/**
 * Text out of UTF-8 (RFC 3629), strictly: nothing is repaired, a leading byte order mark is kept.
 *
 * @returns undefined where the bytes are not UTF-8
 */
export type DecodeUtf8 = (bytes: Uint8Array) => string | undefined;

/**
 * Without `TextDecoder`. The language decodes UTF-8 as strictly in URIs (ECMA-262 section 19.2.6.5), where bytes stand as
 * `escape` writes them (section B.2.1.1).
 */
export const decodeAsUri: DecodeUtf8 = (bytes) => {
  try {
    return decodeURIComponent(escape(asciiText(bytes)));
  } catch {
    return undefined;
  }
};

/** @param Decoder - the engine's `TextDecoder`, if it has one */
export function utf8Decoder(Decoder: typeof TextDecoder | undefined): DecodeUtf8 {
  if (Decoder === undefined) return decodeAsUri;
  // ignoreBOM keeps a leading U+FEFF in the text: what went in comes out. fatal refuses instead of repairing.
  const decoder = new Decoder("utf-8", { fatal: true, ignoreBOM: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
}

/** The text of UTF-8 bytes. */
export const fromUtf8: DecodeUtf8 = /* @__PURE__ */ utf8Decoder(
  // A bundler takes the reading of a property for an effect, unless it stands in a function.
  /* @__PURE__ */ (() => globalThis.TextDecoder)(),
);

/**
 * Bytes of an argument that may be text or bytes.
 *
 * @param what - names the argument in errors
 * @returns the bytes as `ownBytes` gives them, or the UTF-8 of the string
 * @throws TypeError ERR_INVALID_ARGUMENT for anything else; VaultError ERR_TEXT_MALFORMED for a lone surrogate
 */
export function toBytes(value: string | Uint8Array, what: string): Bytes {
  if (typeof value === "string") return utf8(value, what);
  if (isUint8Array(value)) return ownBytes(value, what);
  throw invalidType(`${what} must be a string or a Uint8Array, got ${typeName(value)}`);
}

/** A getter of a built-in prototype: it tells what a value really is, in whichever realm it was made, and runs no code. */
function intrinsic<T>(prototype: object, name: PropertyKey): (value: unknown) => T {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  return (value) => Reflect.apply(get as () => T, value, []);
}
const TYPED_ARRAY = /* @__PURE__ */ (() => Object.getPrototypeOf(Uint8Array.prototype) as object)();
const tagOf = /* @__PURE__ */ intrinsic<string | undefined>(TYPED_ARRAY, Symbol.toStringTag);
const bufferOf = /* @__PURE__ */ intrinsic<ArrayBufferLike>(TYPED_ARRAY, "buffer");
const offsetOf = /* @__PURE__ */ intrinsic<number>(TYPED_ARRAY, "byteOffset");
const lengthOf = /* @__PURE__ */ intrinsic<number>(TYPED_ARRAY, "length");
const sizeOf = /* @__PURE__ */ intrinsic<number>(
  /* @__PURE__ */ (() => ArrayBuffer.prototype)(),
  "byteLength",
);

/**
 * Whether something is a `Uint8Array` or of a class that extends it. Those of another realm (a frame, a context of `node:vm`,
 * a test runner's page) are; what only inherits from one, or stands before one (a proxy), is not.
 */
export function isUint8Array(value: unknown): value is Uint8Array {
  return tagOf(value) === "Uint8Array";
}

/** Whether something is an `ArrayBuffer` of any realm; memory that threads share is none. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  try {
    sizeOf(value);
    return true;
  } catch {
    return false;
  }
}

/**
 * The bytes of an argument as an array of the class `Uint8Array` itself, which runs no code of the caller's while it
 * is read. Memory that another thread can change, or that can shrink, is copied first, so that what is authenticated is
 * what is encrypted or decrypted.
 *
 * @param what - names the argument in errors
 * @returns a view of the same memory, or a copy of shared or resizable memory
 * @throws TypeError ERR_INVALID_ARGUMENT if it only looks like an array (a proxy), or if its memory was transferred or
 *   shrank so that it lies outside: it would look like no bytes at all
 */
export function ownBytes(bytes: Uint8Array, what: string): Bytes {
  try {
    const buffer = bufferOf(bytes) as ArrayBuffer;
    sizeOf(buffer); // Throws for memory that threads share.
    // The constructor refuses arrays outside of their memory, and transferred memory.
    if (!isResizable(buffer)) return new Uint8Array(buffer, offsetOf(bytes), lengthOf(bytes));
  } catch {}
  return copyOfUnsteady(bytes, what);
}

/** A copy of memory that is shared or resizable; the way for what is none, too, which is refused. */
function copyOfUnsteady(bytes: Uint8Array, what: string): Bytes {
  try {
    if (isUint8Array(bytes)) return new Uint8Array(bytes);
  } catch {}
  throw invalidType(`${what} is no Uint8Array, or lies in memory that was transferred elsewhere or shrank`);
}

/** A copy of bytes for a call that waits: what a caller passed is read before the call returns ([ENV-36]). */
export function copyBytes(bytes: Uint8Array): Bytes {
  return bytes.length === 0 ? EMPTY : Uint8Array.from(bytes);
}

/** What kind of thing an argument is, for error messages; never its content. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : typeof value;
}

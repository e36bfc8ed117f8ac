/**
 * The native envelope's header and sizes (docs/spec/native-envelope.md sections 1, 2 and 6).
 *
 * Owns the bytes before the salt and the arithmetic of chunks. Must not know keys, ciphers or streams.
 *
 * @module
 */

import { ascii, type Bytes, concatBytes } from "../../base/bytes.ts";
import { decodeLeb128, encodeLeb128 } from "../../base/leb128.ts";
import { VaultError } from "../../errors.ts";
import { keyBlobFormatAt, MAGIC_BYTES } from "../keys/key-blob.ts";
import {
  KEY_BLOB_BYTES_MAX,
  NATIVE_CHUNK_BYTES,
  NATIVE_CHUNKS_MAX,
  NATIVE_COMMITMENT_BYTES,
  NATIVE_SALT_BYTES,
  TAG_BYTES,
} from "../limits.ts";

/** What every version of the format begins with; a digit follows. */
const FAMILY = /* @__PURE__ */ ascii("CFR");
const VERSION = 0x31; // "1"
const DIGIT_FIRST = 0x30;
const DIGIT_LAST = 0x39;

/** Format and version: the first four bytes. */
export const NATIVE_MAGIC: Uint8Array = /* @__PURE__ */ concatBytes(FAMILY, Uint8Array.of(VERSION));

/** Suite 1: AES-256-GCM, HKDF-SHA-512, chunks of 16 KiB (docs/spec/native-envelope.md section 2). */
const SUITE = 0x01;
/** No flag is defined. */
const FLAGS = 0x00;

/** Magic, suite and flags: the part of the header that is authenticated. */
export const FIXED_HEADER: Uint8Array = /* @__PURE__ */ concatBytes(
  NATIVE_MAGIC,
  Uint8Array.of(SUITE, FLAGS),
);

/** Where the key blob's length stands. */
const LENGTH_AT = FIXED_HEADER.length;
/** Bytes of the longest length: 65,536 takes three. */
const LENGTH_BYTES_MAX = 3;

/** Bytes of the longest header: 65,545. */
export const NATIVE_HEADER_BYTES_MAX: number = LENGTH_AT + LENGTH_BYTES_MAX + KEY_BLOB_BYTES_MAX;
/** Salt and commitment, between header and chunks. */
export const NATIVE_PREFIX_BYTES: number = NATIVE_SALT_BYTES + NATIVE_COMMITMENT_BYTES;
/** Bytes of a full chunk with its tag. */
export const SEALED_CHUNK_BYTES: number = NATIVE_CHUNK_BYTES + TAG_BYTES;

/** A header that was read. */
export interface NativeHeader {
  /** The wrapped data key; begins with a known magic. A view of what was read. */
  readonly keyBlob: Uint8Array;
  /** Bytes of the header: where the salt begins. */
  readonly bytes: number;
}

/** The header of an envelope with this key blob, which the caller has checked. */
export function encodeNativeHeader(keyBlob: Uint8Array): Bytes {
  return concatBytes(FIXED_HEADER, encodeLeb128(keyBlob.length), keyBlob);
}

/**
 * Reads the header at the beginning of an envelope, of which there may be only a part so far. What is wrong is
 * found at the first byte that shows it.
 *
 * @returns undefined if all is well but the header goes on behind `bytes`
 * @throws VaultError ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED, ERR_ENVELOPE_MALFORMED
 */
export function readNativeHeader(bytes: Uint8Array): NativeHeader | undefined {
  checkFixedHeader(bytes);
  const length = decodeLeb128(bytes.subarray(0, LENGTH_AT + LENGTH_BYTES_MAX), LENGTH_AT);
  if (length === undefined && bytes.length < LENGTH_AT + LENGTH_BYTES_MAX) return undefined;
  if (length === undefined || length.value > KEY_BLOB_BYTES_MAX) throw malformed("its key blob is too large");
  if (!length.canonical) throw malformed("the length of its key blob is not in shortest form");
  if (length.value < MAGIC_BYTES) throw malformed("its key blob is damaged");
  const blobAt = LENGTH_AT + length.length;
  const end = blobAt + length.value;
  if (bytes.length >= blobAt + MAGIC_BYTES && keyBlobFormatAt(bytes, blobAt) === undefined) {
    throw malformed("its key blob is damaged");
  }
  return bytes.length < end ? undefined : { keyBlob: bytes.subarray(blobAt, end), bytes: end };
}

/** The same of an envelope that does not go on behind `bytes`. */
export function parseNativeHeader(bytes: Uint8Array): NativeHeader {
  const header = readNativeHeader(bytes);
  if (header !== undefined) return header;
  // Too short to tell what it was to be.
  if (bytes.length <= FAMILY.length) throw notNative();
  throw cutOff();
}

/** Whether bytes that are no envelope of a known layout claim to be native, of whatever version. */
export function claimsNative(bytes: Uint8Array): boolean {
  const version = bytes[FAMILY.length] ?? 0;
  return FAMILY.every((byte, i) => bytes[i] === byte) && version >= DIGIT_FIRST && version <= DIGIT_LAST;
}

/** What stands between header and chunks. */
export interface NativePrefix {
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
}

/** Salt and commitment. @param at - where the salt begins; all their bytes are there @returns views */
export function nativePrefixAt(bytes: Uint8Array, at: number): NativePrefix {
  const commitmentAt = at + NATIVE_SALT_BYTES;
  return {
    salt: bytes.subarray(at, commitmentAt),
    commitment: bytes.subarray(commitmentAt, at + NATIVE_PREFIX_BYTES),
  };
}

/** How a plaintext lies in chunks. */
export interface NativeShape {
  readonly plaintextBytes: number;
  /** Chunks before the last one. */
  readonly fullChunks: number;
  /** Bytes of plaintext in the last chunk: 0 to 16,383. */
  readonly lastBytes: number;
  /** Bytes of all chunks with their tags. */
  readonly sealedBytes: number;
}

/**
 * The shape of a plaintext.
 *
 * @throws VaultError ERR_PLAINTEXT_TOO_LARGE over 4 PiB
 */
export function shapeOfPlaintext(plaintextBytes: number): NativeShape {
  const fullChunks = Math.floor(plaintextBytes / NATIVE_CHUNK_BYTES);
  if (fullChunks >= NATIVE_CHUNKS_MAX) {
    throw new VaultError("ERR_PLAINTEXT_TOO_LARGE", "data has more than 2^38 chunks of 16 KiB");
  }
  return {
    plaintextBytes,
    fullChunks,
    lastBytes: plaintextBytes % NATIVE_CHUNK_BYTES,
    sealedBytes: plaintextBytes + (fullChunks + 1) * TAG_BYTES,
  };
}

/**
 * The shape of what was encrypted into chunks.
 *
 * @param sealedBytes - bytes behind salt and commitment; negative if even those are cut off
 * @throws VaultError ERR_ENVELOPE_MALFORMED for a length that no plaintext has; ERR_ENVELOPE_TOO_LARGE
 */
export function shapeOfChunks(sealedBytes: number): NativeShape {
  const fullChunks = Math.floor(sealedBytes / SEALED_CHUNK_BYTES);
  const lastBytes = (sealedBytes % SEALED_CHUNK_BYTES) - TAG_BYTES;
  if (lastBytes < 0) throw cutOff();
  if (fullChunks >= NATIVE_CHUNKS_MAX) throw tooManyChunks();
  return { plaintextBytes: fullChunks * NATIVE_CHUNK_BYTES + lastBytes, fullChunks, lastBytes, sealedBytes };
}

/** A reader's error for chunks beyond 2^38. */
export function tooManyChunks(): VaultError {
  return new VaultError("ERR_ENVELOPE_TOO_LARGE", "the ciphertext has more than 2^38 chunks");
}

/** The error for an envelope that ends too early, as far as its length tells. */
export function cutOff(): VaultError {
  return malformed("it is cut off");
}

/**
 * Checks as much of the fixed header as there is.
 *
 * @throws VaultError ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED
 */
export function checkFixedHeader(bytes: Uint8Array): void {
  const { length } = FAMILY;
  if (FAMILY.some((byte, i) => i < bytes.length && bytes[i] !== byte)) throw notNative();
  if (bytes.length <= length) return;
  if (!claimsNative(bytes)) throw notNative();
  for (const [i, name] of ["version", "suite", "flag"].entries()) {
    const at = length + i;
    if (at < bytes.length && bytes[at] !== FIXED_HEADER[at]) {
      throw new VaultError("ERR_ENVELOPE_UNSUPPORTED", `the ciphertext is native, but of an unknown ${name}`);
    }
  }
}

function notNative(): VaultError {
  return new VaultError("ERR_NOT_CIPHERTEXT", "not a native ciphertext: it does not begin like one");
}

function malformed(problem: string): VaultError {
  return new VaultError("ERR_ENVELOPE_MALFORMED", `malformed ciphertext (layout native): ${problem}`);
}

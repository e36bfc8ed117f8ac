/**
 * Envelopes by `node:crypto`, for messages that are too large for the WebAssembly module.
 *
 * Owns the way of a message through reused memory: piece by piece, each of which is encoded, encrypted and coded as
 * base64 while it is in the processor's cache; and back. Must not know which messages go this way, nor what a wrong
 * ciphertext is called.
 *
 * @module
 */

import { decodeInto } from "../../../base/base64-buffer.ts";
import { decodedLength } from "../../../base/base64-portable.ts";
import { type Bytes, releaseMemory } from "../../../base/bytes.ts";
import { type CodingBuffer, codingBuffer } from "../../../base/coding-buffer.ts";
import { readText } from "../../../base/text-memory.ts";
import type { Buffers } from "../../../base/wide-text.ts";
import type { Opening, PiecewiseKey, Sealing } from "../../aead/aead.ts";
import { NONCE_BYTES, PLAINTEXT_BYTES_MAX, TAG_BYTES } from "../../limits.ts";
import { claimsEarlierLayout } from "../envelope.ts";
import { drawNonce } from "../nonce.ts";
import { type Budget, notText, tooLarge } from "../plaintext.ts";
import type { EnvelopeFrame } from "./frame.ts";

/** Bytes of a frame that is dealt with here: WorkOS's has 238. */
export const FRAME_BYTES_MAX = 4096;

/** Characters of a text, or bytes, that go through the memory at once. Measured: from 32 Ki to 64 Ki is best. */
export const PIECE_CHARS = 64 * 1024;
/** Bytes of a piece: a character (UTF-16 unit) has at most 3 of UTF-8. */
const PIECE_BYTES = 3 * PIECE_CHARS;
/** Characters of base64 that are decoded at once: whole groups. */
export const PIECE_DIGITS = 64 * 1024;
const PIECE_DECODED_BYTES = (PIECE_DIGITS / 4) * 3;

/** Bytes of base64 that one group of digits codes (RFC 4648 section 4): pieces are cut between groups. */
const GROUP = 3;

/** Memory that is reused from call to call. Calls are synchronous, so whatever lies in it belongs to one. */
class Scratch {
  /** Where an envelope is put together or taken apart. Holds nothing secret. */
  readonly envelope: CodingBuffer;
  /** Where a text is encoded, behind what the piece before left over; and its end coded. Wiped after each call. */
  readonly plaintext: CodingBuffer;
  readonly nonce = new Uint8Array(NONCE_BYTES);

  constructor(native: Buffers) {
    this.envelope = codingBuffer(native.alloc(FRAME_BYTES_MAX + PIECE_BYTES + TAG_BYTES));
    this.plaintext = codingBuffer(native.alloc(GROUP + PIECE_BYTES + TAG_BYTES));
  }
}

let scratch: Scratch | undefined;

/**
 * Seals one message.
 *
 * @param data - well-formed text, or bytes of the class `Uint8Array` itself
 * @param givenNonce - default a fresh one from the kernel
 * @throws VaultError ERR_DISPOSED, ERR_PLAINTEXT_TOO_LARGE, ERR_RANDOM_UNAVAILABLE, and what the budget throws
 */
export function sealByNode(
  native: Buffers,
  key: PiecewiseKey,
  frame: EnvelopeFrame,
  data: string | Uint8Array,
  associatedData: Uint8Array,
  budget: Budget,
  givenNonce: Uint8Array | undefined,
): string {
  scratch ??= new Scratch(native);
  const { envelope, nonce } = scratch;
  if (givenNonce === undefined) drawNonce(nonce, 0, frame.nonceAt === 0);
  else nonce.set(givenNonce);
  envelope.set(frame.bytes);
  envelope.set(nonce, frame.nonceAt);
  const cipher = key.sealing(nonce, associatedData);
  return data.length <= PIECE_CHARS
    ? sealShort(scratch, cipher, frame, data, budget)
    : sealLong(scratch, cipher, frame, data, budget);
}

/** In one piece: one text comes out that lies in one place. */
function sealShort(
  { envelope, plaintext }: Scratch,
  cipher: Sealing,
  { ciphertextAt, tagAt }: EnvelopeFrame,
  data: string | Uint8Array,
  budget: Budget,
): string {
  let bytes = data as Uint8Array;
  let encoded = 0;
  if (typeof data === "string") {
    encoded = plaintext.utf8Write(data, 0, 3 * data.length);
    bytes = plaintext.subarray(0, encoded);
  }
  try {
    budget.spend(bytes.length);
    const ciphertext = cipher.update(bytes);
    cipher.final();
    envelope.set(ciphertext, ciphertextAt);
    const end = ciphertextAt + ciphertext.length;
    envelope.set(cipher.getAuthTag(), tagAt ?? end);
    return envelope.base64Slice(0, tagAt === undefined ? end + TAG_BYTES : end);
  } finally {
    plaintext.fill(0, 0, encoded);
  }
}

/** In several: the head, with the frame and the first of them, waits for the tag. */
function sealLong(
  { envelope, plaintext }: Scratch,
  cipher: Sealing,
  { ciphertextAt, tagAt }: EnvelopeFrame,
  data: string | Uint8Array,
  budget: Budget,
): string {
  const pieces = new Pieces(data, plaintext);
  try {
    const first = cipher.update(pieces.next(ciphertextAt));
    envelope.set(first, ciphertextAt);
    let body = "";
    for (;;) {
      const ciphertext = codingBuffer(cipher.update(pieces.next(0)) as Buffer);
      if (pieces.isLast) {
        // Only now is the size known, and until now nothing has left this function.
        budget.spend(pieces.bytes);
        cipher.final();
        const tag = cipher.getAuthTag();
        let end = ciphertext.length;
        plaintext.set(ciphertext);
        if (tagAt === undefined) {
          plaintext.set(tag, end);
          end += TAG_BYTES;
        } else {
          envelope.set(tag, tagAt);
        }
        return envelope.base64Slice(0, ciphertextAt + first.length) + body + plaintext.base64Slice(0, end);
      }
      body += ciphertext.base64Slice(0, ciphertext.length);
      releaseMemory(ciphertext);
    }
  } finally {
    plaintext.fill(0);
  }
}

/** A long message cut so that the envelope is cut between groups of base64. */
class Pieces {
  readonly #data: string | Uint8Array;
  readonly #buffer: CodingBuffer;
  #at = 0;
  /** Encoded bytes that belong to the next piece, and where they lie. */
  #held = 0;
  #heldAt = 0;
  /** Whether the piece that was given last was the last one. */
  isLast = false;
  /** How many bytes were given or are held. */
  bytes = 0;

  /** @param buffer - where text is encoded; pieces of text are good until the next */
  constructor(data: string | Uint8Array, buffer: CodingBuffer) {
    this.#data = data;
    this.#buffer = buffer;
  }

  /**
   * The next piece.
   *
   * @param before - bytes of the envelope that stand before it in its groups
   * @throws VaultError ERR_PLAINTEXT_TOO_LARGE
   */
  next(before: number): Uint8Array {
    const data = this.#data;
    const start = this.#at;
    const end = endOfPiece(data, start);
    this.isLast = end === data.length;
    this.#at = end;
    if (typeof data !== "string") {
      if (!this.isLast) this.#at -= (before + end - start) % GROUP;
      this.bytes = this.#at;
      return data.subarray(start, this.#at);
    }
    const buffer = this.#buffer;
    buffer.copyWithin(0, this.#heldAt, this.#heldAt + this.#held);
    const written = buffer.utf8Write(data.slice(start, end), this.#held, 3 * (end - start));
    this.bytes += written;
    if (this.bytes > PLAINTEXT_BYTES_MAX) throw tooLarge();
    const encoded = this.#held + written;
    this.#held = this.isLast ? 0 : (before + encoded) % GROUP;
    this.#heldAt = encoded - this.#held;
    return buffer.subarray(0, this.#heldAt);
  }
}

/** Where a piece ends: never between the halves of a surrogate pair. */
function endOfPiece(data: string | Uint8Array, at: number): number {
  const end = at + PIECE_CHARS;
  if (end >= data.length) return data.length;
  const isHighSurrogate = typeof data === "string" && (data.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return isHighSurrogate ? end - 1 : end;
}

/**
 * Opens an envelope of a frame's layout and key blob.
 *
 * @param text - its length is a multiple of 4
 * @returns undefined where this way cannot tell: another key blob, not canonical, a wrong tag
 * @throws VaultError ERR_DISPOSED, ERR_PLAINTEXT_NOT_TEXT
 */
export function openByNode(
  native: Buffers,
  key: PiecewiseKey,
  frame: EnvelopeFrame,
  text: string,
  associatedData: Uint8Array,
  as: "text" | "bytes",
): string | Bytes | undefined {
  scratch ??= new Scratch(native);
  const { envelope, nonce } = scratch;
  const isShort = text.length <= PIECE_DIGITS;
  const total = decodeInto(envelope, isShort ? text : text.slice(0, PIECE_DIGITS), 0);
  const { bytes, headerAt, headerBytes, nonceAt, ciphertextAt, tagAt } = frame;
  if (total === undefined || total < bytes.length) return undefined;
  const headerEnd = headerAt + headerBytes;
  if (envelope.compare(bytes, headerAt, headerEnd, headerAt, headerEnd) !== 0) return undefined;
  if (nonceAt === 0 && claimsEarlierLayout(envelope, 0)) return undefined;
  for (let i = 0; i < NONCE_BYTES; i++) nonce[i] = envelope[nonceAt + i]!;
  const decipher = key.opening(nonce, associatedData);
  if (tagAt !== undefined) decipher.setAuthTag(envelope.subarray(tagAt, tagAt + TAG_BYTES));
  let plaintext: Buffer | undefined;
  if (isShort) {
    const end = tagAt === undefined ? total - TAG_BYTES : total;
    if (tagAt === undefined) decipher.setAuthTag(envelope.subarray(end, total));
    plaintext = decipher.update(envelope.subarray(ciphertextAt, end)) as Buffer;
  } else {
    // Padding here would leave bytes out; the pieces that follow are looked at there.
    if (total !== PIECE_DECODED_BYTES) return undefined;
    plaintext = decipherLong(native, envelope, decipher, frame, text);
    if (plaintext === undefined) return undefined;
  }
  try {
    decipher.final();
  } catch {
    // update() decrypts before the tag is checked, so this is not handed out. The slow way decides, and has the error.
    plaintext.fill(0);
    return undefined;
  }
  if (as === "bytes")
    return new Uint8Array(plaintext.buffer as ArrayBuffer, plaintext.byteOffset, plaintext.byteLength);
  const result = readText(codingBuffer(plaintext), 0, plaintext.length);
  if (result === undefined) throw notText();
  return result;
}

/**
 * Deciphers an envelope of several pieces, the first of which lies decoded in `envelope`, and hands over its tag.
 *
 * @returns what has yet to be authenticated; undefined if the text is not canonical base64
 */
function decipherLong(
  native: Buffers,
  envelope: CodingBuffer,
  decipher: Opening,
  { bytes, ciphertextAt, tagAt }: EnvelopeFrame,
  text: string,
): Buffer | undefined {
  // A tag at the end may be cut in two: as many bytes are held back from each piece.
  const behind = tagAt === undefined ? TAG_BYTES : 0;
  // Zeroed: a byte that is left out by mistake then shows nothing of other memory.
  const plaintext = native.alloc(decodedLength(text) - bytes.length);
  let written = 0;
  let start = ciphertextAt;
  let have = PIECE_DECODED_BYTES;
  for (let at = PIECE_DIGITS; ; at += PIECE_DIGITS) {
    const end = have - behind;
    const part = decipher.update(envelope.subarray(start, end));
    plaintext.set(part, written);
    written += part.length;
    part.fill(0);
    releaseMemory(part);
    if (at >= text.length) {
      if (tagAt === undefined) decipher.setAuthTag(envelope.subarray(end, have));
      return plaintext;
    }
    envelope.copyWithin(0, end, have);
    const piece = text.slice(at, at + PIECE_DIGITS);
    const decoded = decodeInto(envelope, piece, behind);
    // Padding in the middle would leave bytes out.
    if (decoded === undefined || (at + PIECE_DIGITS < text.length && decoded < PIECE_DECODED_BYTES)) {
      plaintext.fill(0);
      return undefined;
    }
    start = 0;
    have = behind + decoded;
  }
}

/**
 * Key blobs: the wrapped data keys that travel inside envelopes (docs/spec/keyring.md section 4).
 *
 * Owns the byte layout of coffer's blobs and what can be read of WorkOS's without a key. Clients treat a blob
 * as opaque but for its magic. Must not know how a data key is wrapped.
 *
 * @module
 */

import { ascii, asciiText, type Bytes, concatBytes, readU32, startsWithAt, u32 } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import { CONTEXT_ENTRIES_MAX } from "../limits.ts";
import { UUID_BYTES, uuidFromText, uuidToText } from "../primitives/uuid.ts";

/** Whose key blob it is. */
export type KeyBlobFormat = "coffer" | "workos";

/** The first 11 bytes of a blob tell whose it is. Both are as long, so that envelopes are told apart alike. */
export const COFFER_MAGIC: Uint8Array = /* @__PURE__ */ ascii("CFR.EKM.v1\0");
/** The first 11 bytes of WorkOS's blob. */
export const WORKOS_MAGIC: Uint8Array = /* @__PURE__ */ ascii("WOS.EKM.v1\0");
/** Bytes of either magic. */
export const MAGIC_BYTES = 11;

/** A KEK as a blob names it. */
export interface KekReference {
  /** UUID text. */
  readonly id: string;
  /** 1 or more; WorkOS's blobs name no version. */
  readonly version?: number;
}

/** What a blob tells without any key. */
export interface KeyBlobInfo {
  readonly format: KeyBlobFormat;
  /** UUID text; undefined where a WorkOS blob cannot be read that far. */
  readonly dataKeyId: string | undefined;
  /** In the order of the blob; empty where a WorkOS blob cannot be read that far. */
  readonly keks: readonly KekReference[];
  readonly bytes: number;
}

/** A coffer blob, taken apart. */
export interface CofferKeyBlob {
  /** 16 bytes. */
  readonly dataKeyId: Uint8Array;
  /** 1 to 10, in the canonical order of the context's entries. */
  readonly keks: readonly { readonly id: Uint8Array; readonly version: number }[];
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** 80 bytes: encrypted data key, tag, key commitment. */
  readonly wrapped: Uint8Array;
}

/** Bytes of the nonce of KC-XAES-256-GCM (c2sp.org/XAES-256-GCM). */
export const WRAP_NONCE_BYTES = 24;
/** Bytes of a wrapped data key: 32 encrypted, a 16-byte tag, a 32-byte commitment (docs/spec/keyring.md section 3). */
export const WRAPPED_BYTES = 80;
const KEK_REFERENCE_BYTES = UUID_BYTES + 4;
const FIXED_BYTES = MAGIC_BYTES + UUID_BYTES + 1 + WRAP_NONCE_BYTES + WRAPPED_BYTES;

/** The format of the blob that begins at `offset`; undefined if it is not a known one. */
export function keyBlobFormatAt(bytes: Uint8Array, offset: number): KeyBlobFormat | undefined {
  if (startsWithAt(bytes, WORKOS_MAGIC, offset)) return "workos";
  if (startsWithAt(bytes, COFFER_MAGIC, offset)) return "coffer";
  return undefined;
}

/** Puts a coffer blob together; the caller keeps the lengths that {@link CofferKeyBlob} states. */
export function encodeKeyBlob(blob: CofferKeyBlob): Bytes {
  return concatBytes(
    COFFER_MAGIC,
    blob.dataKeyId,
    Uint8Array.of(blob.keks.length),
    ...blob.keks.flatMap((kek) => [kek.id, u32(kek.version)]),
    blob.nonce,
    blob.wrapped,
  );
}

/**
 * Where a coffer blob names its KEKs: their number in one byte, and ids with versions. Blobs of the same KEK versions have the
 * same bytes there.
 *
 * @returns a view
 * @throws VaultError ERR_KEY_BLOB_MALFORMED unless magic, count and length are exact
 */
export function kekReferences(bytes: Uint8Array): Uint8Array {
  if (keyBlobFormatAt(bytes, 0) !== "coffer") throw malformed("it does not begin with coffer's magic");
  const countAt = MAGIC_BYTES + UUID_BYTES;
  const count = bytes[countAt] ?? 0;
  if (count < 1 || count > CONTEXT_ENTRIES_MAX) throw malformed("its number of KEKs is out of range");
  if (bytes.length !== FIXED_BYTES + count * KEK_REFERENCE_BYTES) throw malformed("its length is wrong");
  return bytes.subarray(countAt, countAt + 1 + count * KEK_REFERENCE_BYTES);
}

/**
 * Takes a coffer blob apart.
 *
 * @returns views into `bytes`
 * @throws VaultError ERR_KEY_BLOB_MALFORMED unless magic, count, length and versions are exact
 */
export function decodeKeyBlob(bytes: Uint8Array): CofferKeyBlob {
  const count = kekReferences(bytes)[0]!;
  const countAt = MAGIC_BYTES + UUID_BYTES;
  let at = countAt + 1;
  const keks = Array.from({ length: count }, () => {
    const id = bytes.subarray(at, at + UUID_BYTES);
    const version = readU32(bytes, at + UUID_BYTES);
    at += KEK_REFERENCE_BYTES;
    if (version === 0) throw malformed("a KEK version is 0");
    return { id, version };
  });
  return {
    dataKeyId: bytes.subarray(MAGIC_BYTES, countAt),
    keks,
    nonce: bytes.subarray(at, at + WRAP_NONCE_BYTES),
    wrapped: bytes.subarray(at + WRAP_NONCE_BYTES),
  };
}

/**
 * Tells what a blob says of itself.
 *
 * @returns for a WorkOS blob as much as can be read: its inside is only known from samples
 * @throws VaultError ERR_KEY_BLOB_MALFORMED for an unknown magic or a malformed coffer blob
 */
export function inspectKeyBlob(bytes: Uint8Array): KeyBlobInfo {
  const format = keyBlobFormatAt(bytes, 0);
  if (format === undefined) throw malformed("it begins with no known magic");
  if (format === "coffer") {
    const blob = decodeKeyBlob(bytes);
    return {
      format,
      dataKeyId: uuidToText(blob.dataKeyId),
      keks: blob.keks.map((kek) => ({ id: uuidToText(kek.id), version: kek.version })),
      bytes: bytes.length,
    };
  }
  const idEnd = MAGIC_BYTES + WORKOS_ID_CHARS;
  return {
    format,
    dataKeyId: uuidText(bytes.subarray(MAGIC_BYTES, idEnd)),
    keks: workosKeks(bytes, idEnd),
    bytes: bytes.length,
  };
}

/** Characters of a UUID's text, as which WorkOS's blobs hold ids. */
const WORKOS_ID_CHARS = 36;
/** The reserved type byte before each field of a WorkOS blob. */
const WORKOS_FIELD = 0x01;

/** KEK ids: every field of 36 characters that is a UUID (docs/spec/keyring.md section 5). */
function workosKeks(bytes: Uint8Array, start: number): KekReference[] {
  const keks: KekReference[] = [];
  let at = start;
  while (bytes[at] === WORKOS_FIELD) {
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length >= 0x80) {
      // DER's long form: the low bits say how many bytes of length follow (X.690 section 8.1.3.5).
      let left = length - 0x80;
      for (length = 0; left > 0; left--) length = length * 256 + (bytes[at++] ?? Number.POSITIVE_INFINITY);
    }
    if (at + length > bytes.length) break;
    const id = length === WORKOS_ID_CHARS ? uuidText(bytes.subarray(at, at + length)) : undefined;
    if (id !== undefined) keks.push({ id });
    at += length;
  }
  return keks;
}

function uuidText(bytes: Uint8Array): string | undefined {
  const text = asciiText(bytes);
  return uuidFromText(text) === undefined ? undefined : text;
}

function malformed(problem: string): VaultError {
  return new VaultError("ERR_KEY_BLOB_MALFORMED", `the wrapped data key is malformed: ${problem}`);
}

/**
 * Key blobs: the wrapped data keys that travel inside envelopes (docs/spec/keyring.md section 4).
 *
 * Owns the magics of all blobs and the byte layout of coffer's ordinary ones. Clients treat a blob as opaque but for its
 * magic. Must not know how a data key is wrapped.
 *
 * @module
 */

import { ascii, type Bytes, concatBytes, readU32, startsWithAt, u32 } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import { CONTEXT_ENTRIES_MAX } from "../limits.ts";
import { UUID_BYTES } from "../primitives/uuid.ts";

/** Whose key blob it is: coffer's or WorkOS's, a sealed data key (docs/spec/sealed-data-key.md), or a test vault's (docs/spec/test-vault.md). */
export type KeyBlobFormat = "coffer" | "workos" | "sealed" | "test";

/** The first 11 bytes of a blob tell whose it is. All are as long, so that envelopes are told apart alike. */
export const COFFER_MAGIC: Uint8Array = /* @__PURE__ */ ascii("CFR.EKM.v1\0");
/** The first 11 bytes of WorkOS's blob. */
export const WORKOS_MAGIC: Uint8Array = /* @__PURE__ */ ascii("WOS.EKM.v1\0");
/** The first 11 bytes of a sealed key blob. */
export const SEALED_MAGIC: Uint8Array = /* @__PURE__ */ ascii("CFR.SDK.v1\0");
/** The first 11 bytes of a test vault's blob, which every other service refuses (docs/spec/test-vault.md). */
export const TEST_MAGIC: Uint8Array = /* @__PURE__ */ ascii("CFR.TST.v1\0");
/** All that a key blob may begin with. */
export const KEY_BLOB_MAGICS: readonly Uint8Array[] = [WORKOS_MAGIC, COFFER_MAGIC, SEALED_MAGIC, TEST_MAGIC];
/** Bytes of each magic. */
export const MAGIC_BYTES = 11;

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
/** Where the number of KEKs stands. */
const COUNT_AT = MAGIC_BYTES + UUID_BYTES;
const FIXED_BYTES = MAGIC_BYTES + UUID_BYTES + 1 + WRAP_NONCE_BYTES + WRAPPED_BYTES;

/** The format of the blob that begins at `offset`; undefined if it is not a known one. */
export function keyBlobFormatAt(bytes: Uint8Array, offset: number): KeyBlobFormat | undefined {
  if (startsWithAt(bytes, WORKOS_MAGIC, offset)) return "workos";
  if (startsWithAt(bytes, COFFER_MAGIC, offset)) return "coffer";
  if (startsWithAt(bytes, SEALED_MAGIC, offset)) return "sealed";
  if (startsWithAt(bytes, TEST_MAGIC, offset)) return "test";
  return undefined;
}

/** Puts a coffer blob, or a test vault's, together; the caller keeps the lengths that {@link CofferKeyBlob} states. */
export function encodeKeyBlob(blob: CofferKeyBlob, format: "coffer" | "test" = "coffer"): Bytes {
  return concatBytes(
    format === "coffer" ? COFFER_MAGIC : TEST_MAGIC,
    blob.dataKeyId,
    Uint8Array.of(blob.keks.length),
    ...blob.keks.flatMap((kek) => [kek.id, u32(kek.version)]),
    blob.nonce,
    blob.wrapped,
  );
}

/**
 * Puts a coffer blob together whose KEKs are in the form of {@link kekReferences}: for who has them so.
 *
 * @param dataKeyId - 16 bytes
 * @param nonce - 24 bytes
 * @param wrapped - 80 bytes
 */
export function joinKeyBlob(
  dataKeyId: Uint8Array,
  references: Uint8Array,
  nonce: Uint8Array,
  wrapped: Uint8Array,
): Bytes {
  const bytes = new Uint8Array(FIXED_BYTES - 1 + references.length);
  const nonceAt = COUNT_AT + references.length;
  bytes.set(COFFER_MAGIC);
  bytes.set(dataKeyId, MAGIC_BYTES);
  bytes.set(references, COUNT_AT);
  bytes.set(nonce, nonceAt);
  bytes.set(wrapped, nonceAt + WRAP_NONCE_BYTES);
  return bytes;
}

/** The refusal of a test vault's blob, wherever it is not opened ([TST-2]). */
export function testBlobRefused(): VaultError {
  return malformed("it is a test vault's, which only coffer/testing opens");
}

/**
 * Where a coffer blob names its KEKs: their number in one byte, and ids with versions. Blobs of the same KEK versions have the
 * same bytes there.
 *
 * @returns a view
 * @throws VaultError ERR_KEY_BLOB_MALFORMED unless magic, count and length are exact
 */
export function kekReferences(bytes: Uint8Array): Uint8Array {
  checkFormat(bytes, "coffer");
  return references(bytes);
}

/**
 * Takes a coffer blob, or a test vault's, apart.
 *
 * @param format - whose blob it must be: a test vault's has the same fields
 * @returns views into `bytes`
 * @throws VaultError ERR_KEY_BLOB_MALFORMED unless magic, count, length and versions are exact
 */
export function decodeKeyBlob(bytes: Uint8Array, format: "coffer" | "test" = "coffer"): CofferKeyBlob {
  checkFormat(bytes, format);
  return splitKeyBlob(bytes);
}

/** The same of a blob whose magic has been seen to be one of these. */
export function splitKeyBlob(bytes: Uint8Array): CofferKeyBlob {
  const count = references(bytes)[0]!;
  const keks = Array.from({ length: count }, (_, i) => {
    const at = COUNT_AT + 1 + i * KEK_REFERENCE_BYTES;
    const version = readU32(bytes, at + UUID_BYTES);
    if (version === 0) throw malformed("a KEK version is 0");
    return { id: bytes.subarray(at, at + UUID_BYTES), version };
  });
  return { ...wrappedPartsOf(bytes), keks };
}

/**
 * What a coffer blob holds besides its KEKs, for who knows these by {@link kekReferences}, which has checked the blob.
 *
 * @returns views into `bytes`
 */
export function wrappedPartsOf(bytes: Uint8Array): Omit<CofferKeyBlob, "keks"> {
  const nonceAt = COUNT_AT + 1 + bytes[COUNT_AT]! * KEK_REFERENCE_BYTES;
  return {
    dataKeyId: bytes.subarray(MAGIC_BYTES, COUNT_AT),
    nonce: bytes.subarray(nonceAt, nonceAt + WRAP_NONCE_BYTES),
    wrapped: bytes.subarray(nonceAt + WRAP_NONCE_BYTES),
  };
}

function checkFormat(bytes: Uint8Array, format: "coffer" | "test"): void {
  const found = keyBlobFormatAt(bytes, 0);
  if (found === format) return;
  if (found === "test") throw testBlobRefused();
  throw malformed(`it does not begin with ${format === "test" ? "a test vault" : "coffer"}'s magic`);
}

function references(bytes: Uint8Array): Uint8Array {
  const count = bytes[COUNT_AT] ?? 0;
  if (count < 1 || count > CONTEXT_ENTRIES_MAX) throw malformed("its number of KEKs is out of range");
  if (bytes.length !== FIXED_BYTES + count * KEK_REFERENCE_BYTES) throw malformed("its length is wrong");
  return bytes.subarray(COUNT_AT, COUNT_AT + 1 + count * KEK_REFERENCE_BYTES);
}

/** The error for bytes that are no key blob. */
export function malformed(problem: string): VaultError {
  return new VaultError("ERR_KEY_BLOB_MALFORMED", `the wrapped data key is malformed: ${problem}`);
}

/**
 * The four layouts of WorkOS's SDKs (docs/spec/envelope.md section 3): one message under the data key each.
 *
 * Owns where their parts stand. Must not know the order of detection.
 *
 * @module
 */
import { decodeBase64, decodeBase64Lenient, encodeBase64 } from "../../base/base64.ts";
import { ascii, asciiText, type Bytes, concatBytes, startsWithAt } from "../../base/bytes.ts";
import { decodeLeb128, encodeLeb128 } from "../../base/leb128.ts";
import type { Slab } from "../../base/memory.ts";
import { keyBlobFormatAt } from "../keys/key-blob.ts";
import {
  KEY_BLOB_BYTES_MAX,
  LEGACY_NONCE_BYTES,
  NONCE_BYTES,
  PLAINTEXT_BYTES_MAX,
  TAG_BYTES,
} from "../limits.ts";
import { type EnvelopeParts, holdsTooMuch, type LayoutRow, malformed, type SplitEnvelope } from "./parts.ts";

/** One of these layouts: where its parts stand. Named, so that declarations do not spell a row out. */
export interface WorkosRow<Name extends string = string, IsWritable extends boolean = boolean>
  extends LayoutRow<Name, IsWritable, false> {
  readonly nonceBytes: number;
  /** Whether the key blob is embedded as its base64 text. */
  readonly isBlobText: boolean;
}

/** What most of them have in common: `nonce[12] tag[16] L(n) blob[n] ciphertext`. */
const NONCE_FIRST = {
  commits: false,
  isChunked: false,
  beginsWithNonce: true,
  nonceBytes: NONCE_BYTES,
  isBlobText: false,
} as const;

/** `L(n) blob[n] nonce[12] ciphertext tag[16]` */
export const LEB_FIRST: WorkosRow<"leb-first", true> = {
  ...NONCE_FIRST,
  name: "leb-first",
  isWritable: true,
  beginsWithNonce: false,
};

/** `nonce[12] tag[16] L(n) blob[n] ciphertext` */
export const IV12: WorkosRow<"iv12", true> = { ...NONCE_FIRST, name: "iv12", isWritable: true };

/** `nonce[12] tag[16] L(n) base64(blob)[n] ciphertext` */
export const DOTNET: WorkosRow<"dotnet", true> = {
  ...NONCE_FIRST,
  name: "dotnet",
  isWritable: true,
  isBlobText: true,
};

/** `nonce[32] tag[16] L(n) blob[n] ciphertext`: read only. */
export const IV32: WorkosRow<"iv32", false> = {
  ...NONCE_FIRST,
  name: "iv32",
  isWritable: false,
  nonceBytes: LEGACY_NONCE_BYTES,
};

/** Where the length of the key blob stands: nonce and tag stand before it, or around the ciphertext behind it. */
const lengthAt = (row: WorkosRow): number => (row.beginsWithNonce ? row.nonceBytes + TAG_BYTES : 0);

/**
 * Base64 of the magics, as far as their 11 bytes decide it alone: 88 bits fill 14 characters, the 15th is shared
 * ("WOS.EKM.v1", "CFR.EKM.v1" and "CFR.SDK.v1", each with a zero behind it).
 */
const TEXT_MAGICS = /* @__PURE__ */ [
  "V09TLkVLTS52MQ",
  "Q0ZSLkVLTS52MQ",
  "Q0ZSLlNESy52MQ",
  "Q0ZSLlRTVC52MQ",
].map(ascii);

/** Whether a known magic stands where the key blob begins. By chance it does in one of 2^88. */
export function claimsWorkos(row: WorkosRow, bytes: Uint8Array): boolean {
  // Any length encoding is accepted here, so that a bad one is reported as such.
  const length = decodeLeb128(bytes, lengthAt(row));
  if (length === undefined) return false;
  const blobAt = lengthAt(row) + length.length;
  return row.isBlobText
    ? TEXT_MAGICS.some((magic) => startsWithAt(bytes, magic, blobAt))
    : keyBlobFormatAt(bytes, blobAt) !== undefined;
}

/** The canonical bytes of parts. */
export function joinWorkos(
  row: WorkosRow,
  { keyBlob, nonce, ciphertext, tag }: EnvelopeParts,
  slab?: Slab,
): Bytes {
  const blob = row.isBlobText ? ascii(encodeBase64(keyBlob)) : keyBlob;
  const length = encodeLeb128(blob.length);
  const parts = row.beginsWithNonce
    ? [nonce, tag, length, blob, ciphertext]
    : [length, blob, nonce, ciphertext, tag];
  return slab === undefined ? concatBytes(...parts) : slab.join(...parts);
}

/**
 * Takes an envelope of one of these layouts apart; all lengths are checked first.
 *
 * @throws VaultError ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_TOO_LARGE
 */
export function splitWorkos(row: WorkosRow, bytes: Uint8Array, lenient: boolean): SplitEnvelope {
  const { name, nonceBytes, beginsWithNonce, isBlobText } = row;
  const length = decodeLeb128(bytes, lengthAt(row))!; // `claimsWorkos` has read it
  if (!length.canonical && !lenient)
    throw malformed(name, "the length of its key blob is not in shortest form");
  // All lengths are checked before anything is sliced: subarray would cut silently.
  const embeddedMax = isBlobText ? Math.ceil(KEY_BLOB_BYTES_MAX / 3) * 4 : KEY_BLOB_BYTES_MAX;
  if (length.value > embeddedMax) throw malformed(name, "its key blob is too large");
  const blobAt = lengthAt(row) + length.length;
  const restAt = blobAt + length.value;
  const restMin = beginsWithNonce ? 0 : nonceBytes + TAG_BYTES;
  if (bytes.length - restAt < restMin) throw malformed(name, "it is cut off");
  const embedded = bytes.subarray(blobAt, restAt);
  const keyBlob = isBlobText ? blobFromText(embedded, lenient) : { bytes: embedded, isCanonical: true };
  // A declared length may end inside the magic, and base64 has room for two bytes more than the largest blob.
  if (
    keyBlob === undefined ||
    keyBlob.bytes.length > KEY_BLOB_BYTES_MAX ||
    keyBlobFormatAt(keyBlob.bytes, 0) === undefined
  ) {
    throw malformed(name, "its key blob is damaged or too large");
  }
  const [nonceAt, tagAt, ciphertextAt, ciphertextEnd] = beginsWithNonce
    ? [0, nonceBytes, restAt, bytes.length]
    : [restAt, bytes.length - TAG_BYTES, restAt + nonceBytes, bytes.length - TAG_BYTES];
  // With a smaller key blob it would fit into an envelope, but a splice could then make one that no reader takes.
  if (ciphertextEnd - ciphertextAt > PLAINTEXT_BYTES_MAX) throw holdsTooMuch();
  return {
    parts: {
      keyBlob: keyBlob.bytes,
      nonce: bytes.subarray(nonceAt, nonceAt + nonceBytes),
      ciphertext: bytes.subarray(ciphertextAt, ciphertextEnd),
      tag: bytes.subarray(tagAt, tagAt + TAG_BYTES),
    },
    isCanonical: length.canonical && keyBlob.isCanonical,
  };
}

function blobFromText(
  embedded: Uint8Array,
  lenient: boolean,
): { bytes: Uint8Array; isCanonical: boolean } | undefined {
  const text = asciiText(embedded);
  const strict = decodeBase64(text);
  if (strict !== undefined) return { bytes: strict, isCanonical: true };
  const bytes = lenient ? decodeBase64Lenient(text) : undefined;
  return bytes === undefined ? undefined : { bytes, isCanonical: false };
}

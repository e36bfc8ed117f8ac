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
import { keyBlobFormatAt } from "../keys/key-blob.ts";
import {
  KEY_BLOB_BYTES_MAX,
  LEGACY_NONCE_BYTES,
  NONCE_BYTES,
  PLAINTEXT_BYTES_MAX,
  TAG_BYTES,
} from "../limits.ts";
import {
  type EnvelopeParts,
  holdsTooMuch,
  type LayoutRow,
  malformed,
  type SplitEnvelope,
  type TypedRow,
} from "./parts.ts";

/** Where the parts of a layout stand. */
interface Shape {
  readonly name: string;
  readonly nonceBytes: number;
  /** Where the length of the key blob stands. */
  readonly lengthAt: number;
  /** Whether nonce and tag stand around the ciphertext, behind the key blob, instead of before it. */
  readonly isBlobFirst: boolean;
  /** Whether the key blob is embedded as its base64 text. */
  readonly isBlobText: boolean;
}

/** `L(n) blob[n] nonce[12] ciphertext tag[16]` */
export const LEB_FIRST: TypedRow<"leb-first", true, false> = {
  name: "leb-first",
  isWritable: true,
  ...rowOf({ name: "leb-first", nonceBytes: NONCE_BYTES, lengthAt: 0, isBlobFirst: true, isBlobText: false }),
};

/** `nonce[12] tag[16] L(n) blob[n] ciphertext` */
export const IV12: TypedRow<"iv12", true, false> = {
  name: "iv12",
  isWritable: true,
  ...rowOf({
    name: "iv12",
    nonceBytes: NONCE_BYTES,
    lengthAt: NONCE_BYTES + TAG_BYTES,
    isBlobFirst: false,
    isBlobText: false,
  }),
};

/** `nonce[12] tag[16] L(n) base64(blob)[n] ciphertext` */
export const DOTNET: TypedRow<"dotnet", true, false> = {
  name: "dotnet",
  isWritable: true,
  ...rowOf({
    name: "dotnet",
    nonceBytes: NONCE_BYTES,
    lengthAt: NONCE_BYTES + TAG_BYTES,
    isBlobFirst: false,
    isBlobText: true,
  }),
};

/** `nonce[32] tag[16] L(n) blob[n] ciphertext`: read only. */
export const IV32: TypedRow<"iv32", false, false> = {
  name: "iv32",
  isWritable: false,
  ...rowOf({
    name: "iv32",
    nonceBytes: LEGACY_NONCE_BYTES,
    lengthAt: LEGACY_NONCE_BYTES + TAG_BYTES,
    isBlobFirst: false,
    isBlobText: false,
  }),
};

/** What follows from where the parts stand. */
function rowOf(shape: Shape) {
  return {
    commits: false,
    isChunked: false,
    beginsWithNonce: !shape.isBlobFirst,
    claims: (bytes) => claims(shape, bytes),
    split: (bytes, lenient) => split(shape, bytes, lenient),
    join: (parts) => join(shape, parts),
    plaintextBytes: ({ ciphertext }) => ciphertext.length,
  } as const satisfies Omit<LayoutRow, "name" | "isWritable">;
}

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
function claims(shape: Shape, bytes: Uint8Array): boolean {
  // Any length encoding is accepted here, so that a bad one is reported as such.
  const length = decodeLeb128(bytes, shape.lengthAt);
  if (length === undefined) return false;
  const blobAt = shape.lengthAt + length.length;
  return shape.isBlobText
    ? TEXT_MAGICS.some((magic) => startsWithAt(bytes, magic, blobAt))
    : keyBlobFormatAt(bytes, blobAt) !== undefined;
}

function join(shape: Shape, { keyBlob, nonce, ciphertext, tag }: EnvelopeParts): Bytes {
  const blob = shape.isBlobText ? ascii(encodeBase64(keyBlob)) : keyBlob;
  const length = encodeLeb128(blob.length);
  return shape.isBlobFirst
    ? concatBytes(length, blob, nonce, ciphertext, tag)
    : concatBytes(nonce, tag, length, blob, ciphertext);
}

function split(shape: Shape, bytes: Uint8Array, lenient: boolean): SplitEnvelope {
  const { name } = shape;
  const length = decodeLeb128(bytes, shape.lengthAt)!; // `claims` has read it
  if (!length.canonical && !lenient)
    throw malformed(name, "the length of its key blob is not in shortest form");
  // All lengths are checked before anything is sliced: subarray would cut silently.
  const embeddedMax = shape.isBlobText ? Math.ceil(KEY_BLOB_BYTES_MAX / 3) * 4 : KEY_BLOB_BYTES_MAX;
  if (length.value > embeddedMax) throw malformed(name, "its key blob is too large");
  const blobAt = shape.lengthAt + length.length;
  const restAt = blobAt + length.value;
  const restMin = shape.isBlobFirst ? shape.nonceBytes + TAG_BYTES : 0;
  if (bytes.length - restAt < restMin) throw malformed(name, "it is cut off");
  const embedded = bytes.subarray(blobAt, restAt);
  const keyBlob = shape.isBlobText ? blobFromText(embedded, lenient) : { bytes: embedded, isCanonical: true };
  // A declared length may end inside the magic, and base64 has room for two bytes more than the largest blob.
  if (
    keyBlob === undefined ||
    keyBlob.bytes.length > KEY_BLOB_BYTES_MAX ||
    keyBlobFormatAt(keyBlob.bytes, 0) === undefined
  ) {
    throw malformed(name, "its key blob is damaged or too large");
  }
  const [nonceAt, tagAt, ciphertextAt, ciphertextEnd] = shape.isBlobFirst
    ? [restAt, bytes.length - TAG_BYTES, restAt + shape.nonceBytes, bytes.length - TAG_BYTES]
    : [0, shape.nonceBytes, restAt, bytes.length];
  // With a smaller key blob it would fit into an envelope, but a splice could then make one that no reader takes.
  if (ciphertextEnd - ciphertextAt > PLAINTEXT_BYTES_MAX) throw holdsTooMuch();
  return {
    parts: {
      keyBlob: keyBlob.bytes,
      nonce: bytes.subarray(nonceAt, nonceAt + shape.nonceBytes),
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

/**
 * The native layout as a whole envelope in memory (docs/spec/native-envelope.md).
 *
 * Owns the step from its header to the parts of an envelope. Must not know keys or chunks.
 *
 * @module
 */
import { type Bytes, concatBytes, startsWithAt } from "../../base/bytes.ts";
import { decodeLeb128 } from "../../base/leb128.ts";
import { keyBlobFormatAt } from "../keys/key-blob.ts";
import { PLAINTEXT_BYTES_MAX } from "../limits.ts";
import {
  encodeNativeHeader,
  FIXED_HEADER,
  NATIVE_MAGIC,
  NATIVE_PREFIX_BYTES,
  nativePrefixAt,
  parseNativeHeader,
  shapeOfChunks,
} from "../native/format.ts";
import { type EnvelopeParts, holdsTooMuch, type LayoutRow, type SplitEnvelope } from "./parts.ts";

/** `header salt[24] commitment[32] chunks` */
export const NATIVE: LayoutRow<"native", true, true> = {
  name: "native",
  isWritable: true,
  commits: true,
  isChunked: true,
  beginsWithNonce: false,
};

/** Whether bytes are native. Not by the magic alone: the nonce of one WorkOS envelope in 2^32 begins like it. */
export function claimsNativeLayout(bytes: Uint8Array): boolean {
  if (!startsWithAt(bytes, NATIVE_MAGIC, 0)) return false;
  const length = decodeLeb128(bytes, FIXED_HEADER.length);
  return length !== undefined && keyBlobFormatAt(bytes, FIXED_HEADER.length + length.length) !== undefined;
}

/**
 * Takes a native envelope apart.
 *
 * @throws VaultError ERR_ENVELOPE_MALFORMED, ERR_ENVELOPE_TOO_LARGE, ERR_ENVELOPE_UNSUPPORTED
 */
export function splitNativeLayout(bytes: Uint8Array): SplitEnvelope {
  const { keyBlob, bytes: saltAt } = parseNativeHeader(bytes);
  const chunksAt = saltAt + NATIVE_PREFIX_BYTES;
  const { plaintextBytes } = shapeOfChunks(bytes.length - chunksAt);
  if (plaintextBytes > PLAINTEXT_BYTES_MAX) throw holdsTooMuch();
  const { salt: nonce, commitment: tag } = nativePrefixAt(bytes, saltAt);
  return { parts: { keyBlob, nonce, tag, ciphertext: bytes.subarray(chunksAt) }, isCanonical: true };
}

/** The bytes of parts. */
export function joinNativeLayout({ keyBlob, nonce, ciphertext, tag }: EnvelopeParts): Bytes {
  return concatBytes(encodeNativeHeader(keyBlob), nonce, tag, ciphertext);
}

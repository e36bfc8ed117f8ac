/**
 * The native layout as a whole envelope in memory (docs/spec/native-envelope.md).
 *
 * Owns the step from its header to the parts of an envelope. Must not know keys or chunks.
 *
 * @module
 */
import { concatBytes, startsWithAt } from "../../base/bytes.ts";
import { decodeLeb128 } from "../../base/leb128.ts";
import { keyBlobFormatAt } from "../keys/key-blob.ts";
import { NATIVE_SALT_BYTES, PLAINTEXT_BYTES_MAX } from "../limits.ts";
import {
  encodeNativeHeader,
  FIXED_HEADER,
  NATIVE_MAGIC,
  NATIVE_PREFIX_BYTES,
  parseNativeHeader,
  shapeOfChunks,
} from "../native/format.ts";
import { holdsTooMuch, type TypedRow } from "./parts.ts";

/** `header salt[24] commitment[32] chunks` */
export const NATIVE: TypedRow<"native", true, true> = {
  name: "native",
  isWritable: true,
  commits: true,
  isChunked: true,
  beginsWithNonce: false,
  // Not the magic alone: the nonce of one WorkOS envelope in 2^32 begins like it.
  claims: (bytes) => {
    if (!startsWithAt(bytes, NATIVE_MAGIC, 0)) return false;
    const length = decodeLeb128(bytes, FIXED_HEADER.length);
    return length !== undefined && keyBlobFormatAt(bytes, FIXED_HEADER.length + length.length) !== undefined;
  },
  split: (bytes) => {
    const { keyBlob, bytes: saltAt } = parseNativeHeader(bytes);
    const chunksAt = saltAt + NATIVE_PREFIX_BYTES;
    const { plaintextBytes } = shapeOfChunks(bytes.length - chunksAt);
    if (plaintextBytes > PLAINTEXT_BYTES_MAX) throw holdsTooMuch();
    return {
      parts: {
        keyBlob,
        nonce: bytes.subarray(saltAt, saltAt + NATIVE_SALT_BYTES),
        tag: bytes.subarray(saltAt + NATIVE_SALT_BYTES, chunksAt),
        ciphertext: bytes.subarray(chunksAt),
      },
      isCanonical: true,
    };
  },
  join: ({ keyBlob, nonce, ciphertext, tag }) =>
    concatBytes(encodeNativeHeader(keyBlob), nonce, tag, ciphertext),
  plaintextBytes: ({ ciphertext }) => shapeOfChunks(ciphertext.length).plaintextBytes,
};

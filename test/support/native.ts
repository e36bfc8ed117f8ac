/**
 * The native format written again with `node:crypto` alone, for tests to compare with and to forge with.
 *
 * Owns a slow, plain implementation of docs/spec/native-envelope.md. Takes nothing from `src`, so that a mistake
 * there cannot hide here.
 *
 * @module
 */
import { createCipheriv, createHmac } from "node:crypto";
import { concat, hex, utf8Bytes } from "./bytes.ts";

export const FIXED_HEADER: Uint8Array = hex("434652310100");
export const CHUNK = 16_384;
export const SEALED_CHUNK: number = CHUNK + 16;

const INFO_LABEL = utf8Bytes("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");

export interface PlainKeys {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly commitment: Uint8Array;
}

/** RFC 5869 section 2.3, and the cutting of c2sp.org/chunked-encryption. */
export function derivePlain(dataKey: Uint8Array, salt: Uint8Array, context: Uint8Array): PlainKeys {
  const info = concat(INFO_LABEL, salt, context);
  const first = createHmac("sha512", dataKey).update(info).update(hex("01")).digest();
  const second = createHmac("sha512", dataKey).update(first).update(info).update(hex("02")).digest();
  const all = concat(first, second);
  return { key: all.slice(0, 32), nonce: all.slice(32, 44), commitment: all.slice(44, 76) };
}

export function nonceOf(base: Uint8Array, index: number): Uint8Array {
  const counter = Buffer.alloc(12);
  counter.writeBigUInt64BE(BigInt(index), 4);
  return base.map((byte, i) => byte ^ counter[i]!);
}

/** One chunk with its tag. */
export function sealChunkPlain(keys: PlainKeys, index: number, chunk: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-256-gcm", keys.key, nonceOf(keys.nonce, index));
  const ciphertext = cipher.update(chunk);
  cipher.final();
  return concat(ciphertext, cipher.getAuthTag());
}

/** All chunks of a plaintext, each with its tag. */
export function sealChunksPlain(keys: PlainKeys, plaintext: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at <= plaintext.length; at += CHUNK) {
    chunks.push(sealChunkPlain(keys, chunks.length, plaintext.subarray(at, at + CHUNK)));
  }
  return chunks;
}

export interface PlainParts {
  readonly fixedHeader?: Uint8Array;
  /** Encoded length of the key blob. */
  readonly length?: Uint8Array;
  readonly keyBlob: Uint8Array;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  readonly chunks: readonly Uint8Array[];
}

/** The envelope of some parts, whether they fit together or not. */
export function joinPlain(parts: PlainParts): Uint8Array {
  const { fixedHeader = FIXED_HEADER, length = lebPlain(parts.keyBlob.length), keyBlob, salt } = parts;
  return concat(fixedHeader, length, keyBlob, salt, parts.commitment, ...parts.chunks);
}

/** Whole parts of an honest envelope. */
export function partsPlain(
  dataKey: Uint8Array,
  keyBlob: Uint8Array,
  salt: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): PlainParts & { readonly keys: PlainKeys } {
  const keys = derivePlain(dataKey, salt, concat(FIXED_HEADER, associatedData));
  return { keyBlob, salt, commitment: keys.commitment, chunks: sealChunksPlain(keys, plaintext), keys };
}

/** DWARF 5 section 7.6. */
export function lebPlain(value: number): Uint8Array {
  const out: number[] = [];
  let rest = BigInt(value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    out.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(out);
}

/**
 * The hash port: SHA-1 for data-key ids, SHA-256 for fingerprints, HMAC and HKDF (RFC 5869) for derivations.
 *
 * Owns the shape of an implementation. Must not know which there are.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";

/** Hashes that HMAC and HKDF are run with. */
export type HashName = "sha256" | "sha512";

/** One implementation. */
export interface HashProvider {
  /** FIPS 180-4. Only for UUIDv5 ids, where no collision resistance is needed. */
  sha1(bytes: Uint8Array): Bytes;
  /** FIPS 180-4. */
  sha256(bytes: Uint8Array): Bytes;
  /** FIPS 198-1. */
  hmac(hash: HashName, key: Uint8Array, bytes: Uint8Array): Bytes;
  /** The same for many calls under one key, of which it keeps a copy for as long as the function itself is kept. */
  hmacUnder(hash: HashName, key: Uint8Array): (bytes: Uint8Array) => Bytes;
  /**
   * RFC 5869, extract and expand.
   *
   * @param length - bytes to derive, at most 255 times the hash's size (RFC 5869 section 2.3)
   */
  hkdf(hash: HashName, inputKey: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Bytes;
}

/** The part of Web Crypto that makes HMACs, where a call can wait. `Key` is a `CryptoKey`. */
export interface SubtleHmac<Key = unknown> {
  importKey(
    format: "raw",
    keyData: Bytes,
    algorithm: { readonly name: "HMAC"; readonly hash: "SHA-512" },
    extractable: false,
    keyUsages: "sign"[],
  ): Promise<Key>;
  sign(algorithm: "HMAC", key: Key, data: Bytes): Promise<ArrayBuffer>;
}

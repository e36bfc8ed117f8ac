/**
 * Keys of Curve25519 as `node:crypto` and Web Crypto read them (RFC 8410).
 *
 * Owns the fixed bytes before a raw key. Must not know providers.
 *
 * @module
 */
import { type Bytes, concatBytes, fromHex } from "../../base/bytes.ts";

/** The last byte of id-X25519 and of id-Ed25519: 1.3.101.110 and 1.3.101.112 (RFC 8410 section 3). */
const LAST_OF_ID = { x25519: "6e", ed25519: "70" } as const;

/** Which of both kinds of keys. */
export type CurveKind = keyof typeof LAST_OF_ID;

/** A private key as PKCS #8 (RFC 8410 section 7). As secret as the key. */
export function privateKeyDer(kind: CurveKind, key: Uint8Array): Bytes {
  return concatBytes(fromHex(`302e020100300506032b65${LAST_OF_ID[kind]}04220420`), key);
}

/** A public key as SubjectPublicKeyInfo (RFC 8410 section 4). */
export function publicKeyDer(kind: CurveKind, key: Uint8Array): Bytes {
  return concatBytes(fromHex(`302a300506032b65${LAST_OF_ID[kind]}032100`), key);
}

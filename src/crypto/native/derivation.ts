/**
 * What a message's key is derived from (docs/spec/native-envelope.md section 3).
 *
 * Owns the info of the derivation and what comes out of it. Must not know hashes, ciphers or envelopes.
 *
 * @module
 */
import { ascii, type Bytes, concatBytes } from "../../base/bytes.ts";
import { KEY_BYTES, NATIVE_COMMITMENT_BYTES, NONCE_BYTES } from "../limits.ts";

/** Begins the derivation's info (c2sp.org/chunked-encryption, "Key derivation"). */
const INFO_LABEL = /* @__PURE__ */ ascii("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0");

/** Bytes that are derived for a message: its key, its base nonce, its commitment, in this order. */
export const DERIVED_BYTES: number = KEY_BYTES + NONCE_BYTES + NATIVE_COMMITMENT_BYTES;

/** The info of the derivation. @param context - one or several parts */
export const infoOf = (salt: Uint8Array, ...context: readonly Uint8Array[]): Bytes =>
  concatBytes(INFO_LABEL, salt, ...context);

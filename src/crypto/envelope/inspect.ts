/**
 * inspect, isCiphertext and splice: what can be done with an envelope without any key.
 *
 * Owns the keyless view of envelopes. Must not know keys or services.
 *
 * @module
 */

import { encodeBase64 } from "../../base/base64.ts";
import { isUint8Array, ownBytes } from "../../base/bytes.ts";
import type { Slab } from "../../base/memory.ts";
import { invalidType, isVaultError } from "../../errors.ts";
import { keyBlobFromText } from "../keys/data-key.ts";
import { inspectKeyBlob, type KeyBlobInfo } from "../keys/key-blob-info.ts";
import { NATIVE_SALT_BYTES } from "../limits.ts";
import { NATIVE_PREFIX_BYTES, parseNativeHeader, shapeOfChunks } from "../native/format.ts";
import { type Envelope, type ParseOptions, parseEnvelope, serializeEnvelope } from "./envelope.ts";
import { type Layout, plaintextBytesOf } from "./layouts.ts";

/** What an envelope tells without a key. */
export interface CiphertextInfo {
  readonly layout: Layout;
  /** Whether the text is the canonical form of its parts. */
  readonly isCanonical: boolean;
  readonly keyBlob: KeyBlobInfo;
  /** The wrapped data key, base64: what a key service is asked to decrypt. */
  readonly encryptedKeys: string;
  /** 12, or 32 in `iv32`, or 24 in `native` (the salt). */
  readonly nonceBytes: number;
  /** Bytes of the plaintext: nothing is padded. */
  readonly plaintextBytes: number;
}

/**
 * Tells layout, key ids and sizes of a ciphertext, without any key and without a request.
 *
 * @throws VaultError the parse errors of `parseEnvelope`; ERR_KEY_BLOB_MALFORMED
 */
export function inspect(ciphertext: string, options: ParseOptions = {}): CiphertextInfo {
  const envelope = parseEnvelope(ciphertext, options);
  return {
    layout: envelope.layout,
    isCanonical: envelope.isCanonical,
    keyBlob: inspectKeyBlob(envelope.keyBlob),
    encryptedKeys: encodeBase64(envelope.keyBlob),
    nonceBytes: envelope.nonce.length,
    plaintextBytes: plaintextBytesOf(envelope.layout, envelope),
  };
}

/**
 * Tells the same of a native envelope as bytes, of which the beginning is enough.
 *
 * @param head - the beginning: 65,601 bytes hold the longest header, most are shorter than 1,024
 * @param size - bytes of the whole envelope; default those of `head`
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_NOT_CIPHERTEXT, ERR_ENVELOPE_UNSUPPORTED,
 *   ERR_ENVELOPE_MALFORMED (also if `head` does not hold the header), ERR_ENVELOPE_TOO_LARGE, ERR_KEY_BLOB_MALFORMED
 */
export function inspectNative(head: Uint8Array, size?: number): CiphertextInfo {
  if (!isUint8Array(head)) throw invalidType("head must be a Uint8Array");
  const own = ownBytes(head, "head");
  const { keyBlob, bytes } = parseNativeHeader(own);
  return {
    layout: "native",
    isCanonical: true,
    keyBlob: inspectKeyBlob(keyBlob),
    encryptedKeys: encodeBase64(keyBlob),
    nonceBytes: NATIVE_SALT_BYTES,
    plaintextBytes: shapeOfChunks((size ?? own.length) - bytes - NATIVE_PREFIX_BYTES).plaintextBytes,
  };
}

/**
 * Whether a value is a ciphertext that {@link inspect} would read: guards against encrypting twice. Says
 * nothing about whether it can be decrypted.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT for wrong options
 */
export function isCiphertext(value: unknown, options: ParseOptions = {}): value is string {
  if (typeof value !== "string") return false;
  try {
    parseEnvelope(value, options);
    return true;
  } catch (error) {
    // Wrong options are the caller's mistake, not the value's: "no" would have it encrypted twice.
    if (isVaultError(error)) return false;
    throw error;
  }
}

/**
 * Puts another wrapped form of the same data key into a ciphertext. Nonce, ciphertext and tag stay as they are,
 * in any layout, so the data is neither decrypted nor read.
 *
 * @param encryptedKeys - base64, as a key service's rekey answers it; must wrap the same data key, which nothing
 *   can check here
 * @throws VaultError the parse errors of `parseEnvelope`; ERR_KEY_BLOB_MALFORMED
 */
export function splice(ciphertext: string, encryptedKeys: string, options: ParseOptions = {}): string {
  return spliceEnvelope(parseEnvelope(ciphertext, options), keyBlobFromText(encryptedKeys));
}

/** The same for an envelope that has been parsed, and a wrapped key as bytes. @param slab - gives the memory that this takes meanwhile */
export function spliceEnvelope(envelope: Envelope, keyBlob: Uint8Array, slab?: Slab): string {
  return serializeEnvelope({ ...envelope, keyBlob }, slab);
}

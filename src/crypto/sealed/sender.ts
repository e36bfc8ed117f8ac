/**
 * Senders of sealed data keys: their ids, and what they sign (docs/spec/sealed-data-key.md section 9).
 *
 * Owns both. Must not know where the keys of senders are kept, nor which senders a recipient has.
 *
 * @module
 */
import { ascii, type Bytes, concatBytes } from "../../base/bytes.ts";
import { sha256Alone } from "../primitives/hmac-sha256.ts";
import { stampUuid, UUID_BYTES } from "../primitives/uuid.ts";

const ID_LABEL = /* @__PURE__ */ ascii("coffer/v1/sender\0");
const SIGNED_LABEL = /* @__PURE__ */ ascii("coffer/v1/sealed-data-key-sender\0");
/** Sender ids are hashes: version 8 (RFC 9562 section 5.8). */
const ID_UUID_VERSION = 8;

/**
 * The id of a sender with one recipient.
 *
 * @param recipientId - 16 bytes
 * @param publicKey - of the sender, 32 bytes
 * @returns 16 bytes
 */
export function senderId(recipientId: Uint8Array, publicKey: Uint8Array): Bytes {
  const digest = sha256Alone(concatBytes(ID_LABEL, recipientId, publicKey));
  return stampUuid(digest.slice(0, UUID_BYTES), ID_UUID_VERSION);
}

/** What the sender of a blob signs. @param unsigned - all of the blob before the signature */
export function senderMessage(unsigned: Uint8Array): Bytes {
  return concatBytes(SIGNED_LABEL, unsigned);
}

/**
 * HPKE's key schedule in base mode with HKDF-SHA256 and AES-256-GCM (RFC 9180 section 5.1).
 *
 * Owns the way from a KEM's shared secret to the key, the nonce and the exporter of one message. Must not know KEMs' insides
 * or AEAD providers.
 *
 * @module
 */
import { ascii, type Bytes, concatBytes, EMPTY } from "../../base/bytes.ts";
import { KEY_BYTES, NONCE_BYTES } from "../limits.ts";
import { HASH_BYTES, labeledExpand, labeledExtract, u16 } from "./kdf.ts";

/** HKDF-SHA256 (RFC 9180 section 7.2). */
const KDF_ID = 0x0001;
/** AES-256-GCM (RFC 9180 section 7.3). */
const AEAD_ID = 0x0002;
/** Base mode: the recipient's key is all that is needed to seal (RFC 9180 section 5). */
const MODE_BASE = 0x00;

/** The secrets of one message. */
export interface HpkeSecrets {
  /** 32 bytes. */
  readonly key: Bytes;
  /** 12 bytes: the nonce of the one message. */
  readonly nonce: Bytes;
  /** What else both sides derive (RFC 9180 section 5.3). @param length - 1 to 32 */
  export(context: Uint8Array, length: number): Bytes;
  /** Zeroes all of it. */
  dispose(): void;
}

/**
 * The key schedule.
 *
 * @param kemId - of RFC 9180 section 7.1 or its successors
 * @param sharedSecret - of the KEM, 32 bytes; stays the caller's
 * @param info - bound to key, nonce and exporter
 * @param aeadId - AES-256-GCM unless a test computes the vectors of another one with keys of 32 bytes
 */
export function keySchedule(
  kemId: number,
  sharedSecret: Uint8Array,
  info: Uint8Array,
  aeadId: number = AEAD_ID,
): HpkeSecrets {
  const suiteId = concatBytes(ascii("HPKE"), u16(kemId), u16(KDF_ID), u16(aeadId));
  const context = concatBytes(
    Uint8Array.of(MODE_BASE),
    labeledExtract(suiteId, EMPTY, "psk_id_hash"),
    labeledExtract(suiteId, EMPTY, "info_hash", info),
  );
  const secret = labeledExtract(suiteId, sharedSecret, "secret");
  const key = labeledExpand(suiteId, secret, "key", context, KEY_BYTES);
  const nonce = labeledExpand(suiteId, secret, "base_nonce", context, NONCE_BYTES);
  const exporter = labeledExpand(suiteId, secret, "exp", context, HASH_BYTES);
  secret.fill(0);
  return {
    key,
    nonce,
    export: (exporterContext, length) => labeledExpand(suiteId, exporter, "sec", exporterContext, length),
    dispose() {
      for (const bytes of [key, nonce, exporter]) bytes.fill(0);
    },
  };
}

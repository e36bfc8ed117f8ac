/**
 * DHKEM(X25519, HKDF-SHA256) (RFC 9180 section 4.1).
 *
 * Owns this row. Must not know the key schedule.
 *
 * @module
 */
import { ascii, type Bytes, concatBytes, EMPTY } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import { isX25519PublicKey, X25519_BASE, X25519_BYTES } from "../curves/curve.ts";
import { HASH_BYTES, labeledExpand, labeledExtract, u16 } from "./kdf.ts";
import type { Encapsulated, Kem } from "./kem.ts";

const ID = 0x0020;
const SUITE_ID = /* @__PURE__ */ concatBytes(/* @__PURE__ */ ascii("KEM"), /* @__PURE__ */ u16(ID));

/** The row. */
export const X25519_KEM: Kem = {
  name: "x25519",
  id: ID,
  publicKeyBytes: X25519_BYTES,
  encBytes: X25519_BYTES,
  isPublicKey: isX25519PublicKey,
  publicKey: ({ curves }, privateKey) => curves.sync().multiply(privateKey, X25519_BASE) as Bytes,
  encapsulate({ curves }, publicKey, ephemeral) {
    const scalar = curves.sync().hold(ephemeral);
    const enc = scalar.multiply(X25519_BASE);
    const shared = scalar.multiply(publicKey);
    scalar.dispose();
    return encapsulated(enc, shared, publicKey);
  },
  async encapsulateLater({ curves }, publicKey, ephemeral) {
    const scalar = (await curves.async()).hold(ephemeral);
    const [enc, shared] = await Promise.all([scalar.multiply(X25519_BASE), scalar.multiply(publicKey)]);
    scalar.dispose();
    return encapsulated(enc, shared, publicKey);
  },
  hold({ curves }, privateKey, known) {
    const scalar = curves.sync().hold(privateKey);
    const publicKey = known ?? (scalar.multiply(X25519_BASE) as Bytes);
    return {
      decapsulate(enc) {
        const shared = scalar.multiply(enc);
        return shared && extractAndExpand(shared, enc, publicKey);
      },
      dispose: () => scalar.dispose(),
    };
  },
};

/** The error for a public key that nothing may be sealed to. */
export const lowOrder = (): VaultError =>
  new VaultError("ERR_RECIPIENT_INVALID", "the recipient's public key is one that agrees on no secret");

function encapsulated(
  enc: Bytes | undefined,
  shared: Bytes | undefined,
  publicKey: Uint8Array,
): Encapsulated {
  if (enc === undefined || shared === undefined) throw lowOrder();
  return { enc, sharedSecret: extractAndExpand(shared, enc, publicKey) };
}

/** ExtractAndExpand. Zeroes `shared`. */
function extractAndExpand(shared: Bytes, enc: Uint8Array, publicKey: Uint8Array): Bytes {
  const key = labeledExtract(SUITE_ID, EMPTY, "eae_prk", shared);
  shared.fill(0);
  try {
    return labeledExpand(SUITE_ID, key, "shared_secret", concatBytes(enc, publicKey), HASH_BYTES);
  } finally {
    key.fill(0);
  }
}

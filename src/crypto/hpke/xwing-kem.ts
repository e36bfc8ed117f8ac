/**
 * X-Wing: ML-KEM-768 joined with X25519 (draft-connolly-cfrg-xwing-kem section 5), so that who breaks one of both still knows
 * nothing.
 *
 * Owns this row. Must not know the key schedule, nor who computes ML-KEM.
 *
 * @module
 */
import { type Bytes, concatBytes, fromHex } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import { isX25519PublicKey, X25519_BASE, X25519_BYTES } from "../curves/curve.ts";
import type { Encapsulated, Kem, KemTools, MlKem } from "./kem.ts";
import { lowOrder } from "./x25519-kem.ts";

/** Bytes of an ML-KEM-768 public key and of its ciphertext (FIPS 203 table 3), and of its seed d ‖ z. */
const ML_KEM_PUBLIC_BYTES = 1184;
const ML_KEM_CIPHERTEXT_BYTES = 1088;
const ML_KEM_SEED_BYTES = 64;

/** XWingLabel: `\.//^\` (section 5.3). */
const LABEL = /* @__PURE__ */ fromHex("5c2e2f2f5e5c");

/** The row. */
export const X_WING: Kem = {
  name: "x-wing",
  id: 0x647a,
  publicKeyBytes: ML_KEM_PUBLIC_BYTES + X25519_BYTES,
  encBytes: ML_KEM_CIPHERTEXT_BYTES + X25519_BYTES,
  isPublicKey: (key) =>
    key.length === ML_KEM_PUBLIC_BYTES + X25519_BYTES && isX25519PublicKey(key.subarray(ML_KEM_PUBLIC_BYTES)),
  publicKey(tools, privateKey) {
    const mlKem = mlKemOf(tools);
    const expanded = mlKem.shake256(privateKey, ML_KEM_SEED_BYTES + X25519_BYTES);
    const scalar = expanded.subarray(ML_KEM_SEED_BYTES);
    const point = tools.curves.sync().multiply(scalar, X25519_BASE) as Bytes;
    const key = concatBytes(mlKem.publicKey(expanded.subarray(0, ML_KEM_SEED_BYTES)), point);
    expanded.fill(0);
    return key;
  },
  encapsulate(tools, publicKey, ephemeral) {
    const mlKem = mlKemOf(tools);
    const scalar = tools.curves.sync().hold(ephemeral);
    const sent = scalar.multiply(X25519_BASE);
    const agreed = scalar.multiply(publicKey.subarray(ML_KEM_PUBLIC_BYTES));
    scalar.dispose();
    return encapsulated(mlKem, publicKey, sent, agreed);
  },
  async encapsulateLater(tools, publicKey, ephemeral) {
    const mlKem = mlKemOf(tools);
    const scalar = (await tools.curves.async()).hold(ephemeral);
    const [sent, agreed] = await Promise.all([
      scalar.multiply(X25519_BASE),
      scalar.multiply(publicKey.subarray(ML_KEM_PUBLIC_BYTES)),
    ]);
    scalar.dispose();
    return encapsulated(mlKem, publicKey, sent, agreed);
  },
  hold(tools, privateKey, known) {
    const mlKem = mlKemOf(tools);
    const curve = tools.curves.sync();
    const expanded = mlKem.shake256(privateKey, ML_KEM_SEED_BYTES + X25519_BYTES);
    try {
      const scalar = curve.hold(expanded.subarray(ML_KEM_SEED_BYTES));
      const seed = mlKem.hold(expanded.subarray(0, ML_KEM_SEED_BYTES));
      const point = known?.subarray(ML_KEM_PUBLIC_BYTES) ?? (scalar.multiply(X25519_BASE) as Bytes);
      return {
        decapsulate(enc) {
          const sent = enc.subarray(ML_KEM_CIPHERTEXT_BYTES);
          const agreed = scalar.multiply(sent);
          if (agreed === undefined) return undefined;
          const secret = seed.decapsulate(enc.subarray(0, ML_KEM_CIPHERTEXT_BYTES));
          return combine(mlKem, secret, agreed, sent, point);
        },
        dispose() {
          scalar.dispose();
          seed.dispose();
        },
      };
    } finally {
      expanded.fill(0);
    }
  },
};

function mlKemOf({ mlKem }: KemTools): MlKem {
  if (mlKem === undefined) {
    throw new VaultError(
      "ERR_UNSUPPORTED",
      'this runtime has no ML-KEM-768, which the suite x-wing needs: pass { mlKem } by mlKemOf of "coffer/sealed"',
    );
  }
  return mlKem;
}

function encapsulated(
  mlKem: MlKem,
  publicKey: Uint8Array,
  sent: Bytes | undefined,
  agreed: Bytes | undefined,
): Encapsulated {
  if (sent === undefined || agreed === undefined) throw lowOrder();
  const { sharedSecret, ciphertext } = mlKem.encapsulate(publicKey.subarray(0, ML_KEM_PUBLIC_BYTES));
  const point = publicKey.subarray(ML_KEM_PUBLIC_BYTES);
  return {
    enc: concatBytes(ciphertext, sent),
    sharedSecret: combine(mlKem, sharedSecret, agreed, sent, point),
  };
}

/** The combiner of section 5.3. Zeroes both secrets. */
function combine(mlKem: MlKem, secret: Bytes, agreed: Bytes, sent: Uint8Array, point: Uint8Array): Bytes {
  const input = concatBytes(secret, agreed, sent, point, LABEL);
  for (const bytes of [secret, agreed]) bytes.fill(0);
  try {
    return mlKem.sha3(input);
  } finally {
    input.fill(0);
  }
}

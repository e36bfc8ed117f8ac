/**
 * ML-KEM-768 and SHA-3 by `node:crypto`, where it has them: Node from 24.7 on.
 *
 * A provider file. Must not know X-Wing.
 *
 * @module
 */
import { type Bytes, concatBytes, fromHex } from "../../base/bytes.ts";
import type { Runtime } from "../../base/runtime.ts";
import type { MlKem } from "./kem.ts";

/** What stands before a public key of 1,184 bytes in SubjectPublicKeyInfo (RFC 9935 section 4). */
const PUBLIC_PREFIX = /* @__PURE__ */ fromHex("308204b2300b0609608648016503040402038204a100");
/** What stands before a seed of 64 bytes in PKCS #8 (RFC 9935 section 6, the choice `seed`). */
const SEED_PREFIX = /* @__PURE__ */ fromHex("3054020100300b060960864801650304040204428040");

/** The implementation; undefined where `node:crypto` lacks it. */
export function nodeMlKem(crypto: Runtime["crypto"]): MlKem | undefined {
  if (crypto?.encapsulate === undefined) return undefined;
  const privateKey = (seed: Uint8Array) => {
    const der = concatBytes(SEED_PREFIX, seed);
    try {
      return crypto.createPrivateKey({ key: der as Buffer, format: "der", type: "pkcs8" });
    } finally {
      der.fill(0);
    }
  };
  const digest = (name: string, bytes: Uint8Array, outputLength: number): Bytes =>
    new Uint8Array(crypto.createHash(name, { outputLength }).update(bytes).digest());
  return {
    publicKey: (seed) =>
      new Uint8Array(
        crypto
          .createPublicKey(privateKey(seed) as never)
          .export({ format: "der", type: "spki" })
          .subarray(PUBLIC_PREFIX.length),
      ),
    encapsulate(publicKey) {
      const key = concatBytes(PUBLIC_PREFIX, publicKey);
      const made = crypto.encapsulate(
        crypto.createPublicKey({ key: key as Buffer, format: "der", type: "spki" }),
      );
      return { sharedSecret: new Uint8Array(made.sharedKey), ciphertext: new Uint8Array(made.ciphertext) };
    },
    hold(seed) {
      let held: ReturnType<typeof privateKey> | undefined = privateKey(seed);
      return {
        decapsulate: (ciphertext) => new Uint8Array(crypto.decapsulate(held as never, ciphertext)),
        dispose: () => {
          held = undefined;
        },
      };
    },
    shake256: (bytes, length) => digest("shake256", bytes, length),
    sha3: (bytes) => digest("sha3-256", bytes, 32),
  };
}

/**
 * ML-KEM-768 by a package of the caller's, with SHA-3 of @noble/hashes: for runtimes that have none.
 *
 * A provider file. Must not know X-Wing.
 *
 * @module
 */
import { sha3_256, shake256 } from "@noble/hashes/sha3.js";
import { equalBytes, fromHex } from "../../base/bytes.ts";
import { invalidType } from "../../errors.ts";
import { randomBytes } from "../primitives/random.ts";
import { GivenMlKem, type SealedMlKem } from "./given-ml-kem.ts";
import type { MlKem } from "./kem.ts";

/** ML-KEM-768 (FIPS 203) as the package @noble/post-quantum exports it: `ml_kem768`. */
export interface MlKem768 {
  /** A key pair out of a seed d ‖ z of 64 bytes. */
  keygen(seed: Uint8Array): { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array };
  /** @param message - 32 random bytes */
  encapsulate(
    publicKey: Uint8Array,
    message: Uint8Array,
  ): { readonly cipherText: Uint8Array; readonly sharedSecret: Uint8Array };
  decapsulate(cipherText: Uint8Array, secretKey: Uint8Array): Uint8Array;
}

/** Random bytes that an encapsulation takes (FIPS 203 algorithm 20). */
const MESSAGE_BYTES = 32;

/** The known answer: what 64 bytes of 1 as the seed and 32 of 2 as the message agree on. By OpenSSL 3.5. */
const KNOWN_SEED = /* @__PURE__ */ new Uint8Array(64).fill(1);
const KNOWN_MESSAGE = /* @__PURE__ */ new Uint8Array(MESSAGE_BYTES).fill(2);
const KNOWN_SECRET = "adb494c04fc78a643c632686e4c76ea471b4b7c30a14a5592dd3b0b8e6730359";
const KNOWN_PUBLIC_HASH = "605a1583f2f42c2622d4bb3714033272ba2528b8257fe30aeca1f7d2d88d4d8b";

/**
 * ML-KEM-768 of a package, for the suite x-wing where the runtime has none. Where it has one, that one is used.
 *
 * @param peer - `ml_kem768` of @noble/post-quantum, or what has the same three functions
 * @throws TypeError ERR_INVALID_ARGUMENT unless it computes ML-KEM-768
 */
export function mlKemOf(peer: MlKem768): SealedMlKem {
  if (!isMlKem768(peer)) throw invalidType("mlKemOf takes ml_kem768 of @noble/post-quantum");
  const mlKem: MlKem = {
    publicKey: (seed) => {
      const { publicKey, secretKey } = peer.keygen(seed);
      secretKey.fill(0);
      return new Uint8Array(publicKey);
    },
    encapsulate(publicKey) {
      const message = randomBytes(MESSAGE_BYTES);
      try {
        const { cipherText, sharedSecret } = peer.encapsulate(publicKey, message);
        return { sharedSecret: new Uint8Array(sharedSecret), ciphertext: new Uint8Array(cipherText) };
      } finally {
        message.fill(0);
      }
    },
    hold(seed) {
      const { secretKey } = peer.keygen(seed);
      return {
        decapsulate: (ciphertext) => new Uint8Array(peer.decapsulate(ciphertext, secretKey)),
        dispose: () => {
          secretKey.fill(0);
        },
      };
    },
    shake256: (bytes, length) => new Uint8Array(shake256(bytes, { dkLen: length })),
    sha3: (bytes) => new Uint8Array(sha3_256(bytes)),
  };
  return new GivenMlKem(mlKem);
}

/** Whether a package computes the known answer: not another parameter set, nor a draft of the standard. */
function isMlKem768(peer: MlKem768): boolean {
  try {
    const { publicKey, secretKey } = peer.keygen(KNOWN_SEED);
    const { cipherText, sharedSecret } = peer.encapsulate(publicKey, KNOWN_MESSAGE);
    return (
      equalBytes(sha3_256(publicKey), fromHex(KNOWN_PUBLIC_HASH)) &&
      equalBytes(sharedSecret, fromHex(KNOWN_SECRET)) &&
      equalBytes(peer.decapsulate(cipherText, secretKey), sharedSecret)
    );
  } catch {
    return false;
  }
}

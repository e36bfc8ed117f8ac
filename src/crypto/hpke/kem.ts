/**
 * The port of key encapsulation: how a shared secret is sent to who has a private key.
 *
 * Owns the shape of a row. The rows stand in their own files, the table in kems.ts. Must not know what is done with the secret.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Curves } from "../curves/choose.ts";

/** What KEMs compute with. */
export interface KemTools {
  readonly curves: Curves;
  /** ML-KEM-768 and SHA-3; undefined where nothing has them. */
  readonly mlKem: MlKem | undefined;
}

/** ML-KEM-768 (FIPS 203), and the two functions of FIPS 202 that X-Wing joins it by. */
export interface MlKem {
  /** The public key of a seed d ‖ z of 64 bytes: 1,184 bytes. */
  publicKey(seed: Uint8Array): Bytes;
  /** A fresh secret of 32 bytes and its ciphertext of 1,088. @throws unless the public key is one */
  encapsulate(publicKey: Uint8Array): { readonly sharedSecret: Bytes; readonly ciphertext: Bytes };
  /** Makes a private key ready by its seed, which is copied. */
  hold(seed: Uint8Array): HeldSeed;
  /** SHAKE256. */
  shake256(bytes: Uint8Array, length: number): Bytes;
  /** SHA3-256. */
  sha3(bytes: Uint8Array): Bytes;
}

/** A private key of ML-KEM that is held for many ciphertexts. */
export interface HeldSeed {
  /** The secret of a ciphertext; of one that was altered, another secret (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Bytes;
  /** Lets go of it. No other call may follow. */
  dispose(): void;
}

/** A private key that is held for many secrets: what depends on it alone is computed once. */
export interface HeldPrivateKey {
  /** The secret that `enc` carries; undefined where `enc` is of low order. */
  decapsulate(enc: Uint8Array): Bytes | undefined;
  /** Lets go of it. No other call may follow. */
  dispose(): void;
}

/** A secret that was made for a public key. */
export interface Encapsulated {
  /** 32 bytes. */
  readonly sharedSecret: Bytes;
  /** What its recipient gets. */
  readonly enc: Bytes;
}

/** A KEM. Private keys are 32 random bytes in each. Lengths of public keys and of `enc` are the caller's matter. */
export interface Kem {
  readonly name: "x25519" | "x-wing";
  /** RFC 9180 section 7.1, draft-ietf-hpke-pq section 3. */
  readonly id: number;
  readonly publicKeyBytes: number;
  readonly encBytes: number;
  /** Whether a public key may be sealed to, as far as that can be told at once. */
  isPublicKey(key: Uint8Array): boolean;
  /** @throws VaultError ERR_UNSUPPORTED */
  publicKey(tools: KemTools, privateKey: Uint8Array): Bytes;
  /**
   * Makes a secret for a public key.
   *
   * @param ephemeral - 32 random bytes of this call's own
   * @throws VaultError ERR_UNSUPPORTED; ERR_RECIPIENT_INVALID for a public key that nothing may be sealed to
   */
  encapsulate(tools: KemTools, publicKey: Uint8Array, ephemeral: Uint8Array): Encapsulated;
  /** The same where the call can wait. All arguments are to stay as they are until it is done. */
  encapsulateLater(tools: KemTools, publicKey: Uint8Array, ephemeral: Uint8Array): Promise<Encapsulated>;
  /**
   * Makes a private key ready. Copies it.
   *
   * @param known - the public key, where it is at hand: else it is computed
   * @throws VaultError ERR_UNSUPPORTED
   */
  hold(tools: KemTools, privateKey: Uint8Array, known?: Uint8Array): HeldPrivateKey;
}

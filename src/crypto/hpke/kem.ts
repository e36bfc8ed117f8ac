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
  /** The secret of a ciphertext; of one that was altered, another secret (implicit rejection). */
  decapsulate(seed: Uint8Array, ciphertext: Uint8Array): Bytes;
  /** SHAKE256. */
  shake256(bytes: Uint8Array, length: number): Bytes;
  /** SHA3-256. */
  sha3(bytes: Uint8Array): Bytes;
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
   * The secret that `enc` carries.
   *
   * @param known - the public key, where it is at hand: computing it costs as much as the rest
   * @returns undefined where `enc` is of low order
   * @throws VaultError ERR_UNSUPPORTED
   */
  decapsulate(
    tools: KemTools,
    privateKey: Uint8Array,
    enc: Uint8Array,
    known?: Uint8Array,
  ): Bytes | undefined;
}

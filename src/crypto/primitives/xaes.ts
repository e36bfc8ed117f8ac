/**
 * KC-XAES-256-GCM: AES-256-GCM with a 192-bit nonce and a key commitment.
 *
 * Owns the construction (c2sp.org/XAES-256-GCM v1.0.1; commitment by IACR ePrint 2025/758) with which data keys
 * and KEKs are wrapped: random nonces need no budget (2^80 messages), and no other key opens what one sealed.
 * Must not know what it wraps.
 *
 * @module
 */

import { ascii, type Bytes, concatBytes, equalBytes } from "../../base/bytes.ts";
import { decryptFailed, invalidRange } from "../../errors.ts";
import { BLOCK_BYTES, TAG_BYTES } from "../limits.ts";

/** Bytes of a nonce: 12 to derive the key, 12 for GCM (c2sp.org/XAES-256-GCM). */
export const XAES_NONCE_BYTES = 24;

/** Bytes of a commitment: 256 bits give 128-bit security against colliding keys (ePrint 2025/758). */
export const COMMITMENT_BYTES = 32;

const HALF = 12;
/** The counter-mode KDF's prefixes for the two halves of the key: counter ‖ "X" ‖ 0 (c2sp.org/XAES-256-GCM). */
const KEY_PREFIXES = [Uint8Array.of(0, 1, 0x58, 0), Uint8Array.of(0, 2, 0x58, 0)] as const;
/** Begins the first block of the commitment's CMAC (ePrint 2025/758). */
const COMMITMENT_LABEL = /* @__PURE__ */ ascii("XCMT");
const COMMITMENT_SUFFIXES = [Uint8Array.of(0, 1, 0, 1), Uint8Array.of(0, 1, 0, 2)] as const;

/** The bare AES-256 under one key. */
interface BlockCipher {
  encrypt(blocks: Uint8Array): Bytes;
  dispose(): void;
}

/** AES-256-GCM under one key, in the terms of the AEAD port. */
interface Gcm {
  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes;
  open(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Bytes;
  dispose(): void;
}

/** What the construction stands on: AES-256 and AES-256-GCM, which answer at once. Every such AEAD provider is one. */
export interface XaesCiphers {
  /** @param rawKey - 32 bytes. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
  blockCipher(rawKey: Uint8Array): BlockCipher;
  /** @param rawKey - 32 bytes */
  importKey(rawKey: Uint8Array): Gcm;
}

/**
 * A key to seal and open with many times: what depends on the key alone is computed once, because it costs more than all that
 * depends on a message.
 */
export class KcXaesKey {
  readonly #ciphers: XaesCiphers;
  readonly #cipher: BlockCipher;
  /** K1 of CMAC (NIST SP 800-38B section 6.1). */
  readonly #k1: Uint8Array;

  /**
   * @param key - 32 bytes; copied, so that the caller may zero it
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  constructor(ciphers: XaesCiphers, key: Uint8Array) {
    this.#ciphers = ciphers;
    this.#cipher = ciphers.blockCipher(key);
    this.#k1 = double(this.#cipher.encrypt(new Uint8Array(BLOCK_BYTES)));
  }

  /**
   * Encrypts, authenticates and commits.
   *
   * @param nonce - 24 random bytes
   * @returns ciphertext ‖ 16-byte tag ‖ 32-byte commitment
   * @throws RangeError ERR_INVALID_ARGUMENT for a nonce of another length
   */
  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes {
    const derived = this.#derive(nonce);
    try {
      const sealed = withGcm(this.#ciphers, derived.key, (gcm) =>
        gcm.seal(nonce.subarray(HALF), plaintext, associatedData),
      );
      return concatBytes(sealed, derived.commitment);
    } finally {
      derived.key.fill(0);
    }
  }

  /**
   * Checks the commitment in constant time, then the tag, then decrypts.
   *
   * @throws VaultError ERR_DECRYPT_FAILED, also where `sealed` is too short; RangeError as `seal`
   */
  open(nonce: Uint8Array, sealed: Uint8Array, associatedData: Uint8Array): Bytes {
    const commitmentAt = sealed.length - COMMITMENT_BYTES;
    const tagAt = commitmentAt - TAG_BYTES;
    if (tagAt < 0) throw decryptFailed();
    const derived = this.#derive(nonce);
    try {
      if (!equalBytes(derived.commitment, sealed.subarray(commitmentAt))) throw decryptFailed();
      return withGcm(this.#ciphers, derived.key, (gcm) =>
        gcm.open(
          nonce.subarray(HALF),
          sealed.subarray(0, tagAt),
          sealed.subarray(tagAt, commitmentAt),
          associatedData,
        ),
      );
    } finally {
      derived.key.fill(0);
    }
  }

  /** Lets go of the key and wipes what was derived from it. May be called more than once; no other call may follow. */
  dispose(): void {
    this.#cipher.dispose();
    this.#k1.fill(0);
  }

  #derive(nonce: Uint8Array): { readonly key: Bytes; readonly commitment: Bytes } {
    if (nonce.length !== XAES_NONCE_BYTES) {
      throw invalidRange(`nonce must have ${XAES_NONCE_BYTES} bytes, got ${nonce.length}`);
    }
    const k1 = this.#k1;
    const first = nonce.subarray(0, HALF);
    // Two blocks for the two halves of the key, and X1, the commitment's first CMAC block, which does not depend on K1.
    const blocks = new Uint8Array(3 * BLOCK_BYTES);
    for (let i = 0; i < 2; i++) {
      blocks.set(KEY_PREFIXES[i]!, i * BLOCK_BYTES);
      blocks.set(first, i * BLOCK_BYTES + KEY_PREFIXES[i]!.length);
      for (let j = 0; j < BLOCK_BYTES; j++) blocks[i * BLOCK_BYTES + j]! ^= k1[j]!;
    }
    blocks.set(COMMITMENT_LABEL, 2 * BLOCK_BYTES);
    blocks.set(first, 2 * BLOCK_BYTES + COMMITMENT_LABEL.length);
    const out = this.#cipher.encrypt(blocks);
    const last = new Uint8Array(COMMITMENT_BYTES);
    for (let i = 0; i < 2; i++) {
      last.set(nonce.subarray(HALF), i * BLOCK_BYTES);
      last.set(COMMITMENT_SUFFIXES[i]!, i * BLOCK_BYTES + HALF);
      for (let j = 0; j < BLOCK_BYTES; j++) last[i * BLOCK_BYTES + j]! ^= out[2 * BLOCK_BYTES + j]! ^ k1[j]!;
    }
    return { key: out.subarray(0, 2 * BLOCK_BYTES), commitment: this.#cipher.encrypt(last) };
  }
}

/** The same for a key that is used once. @param key - 32 bytes */
export function kcXaesSeal(
  ciphers: XaesCiphers,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Bytes {
  return withXaes(ciphers, key, (held) => held.seal(nonce, plaintext, associatedData));
}

/** The same for a key that is used once. @throws as `KcXaesKey.open` */
export function kcXaesOpen(
  ciphers: XaesCiphers,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associatedData: Uint8Array,
): Bytes {
  return withXaes(ciphers, key, (held) => held.open(nonce, sealed, associatedData));
}

/** Multiplication by x in GF(2^128), branch-free (NIST SP 800-38B section 6.1: subkey K1). */
function double(block: Uint8Array): Bytes {
  const out = new Uint8Array(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  out[BLOCK_BYTES - 1]! ^= -(block[0]! >> 7) & 0x87;
  return out;
}

function withXaes<T>(ciphers: XaesCiphers, key: Uint8Array, use: (held: KcXaesKey) => T): T {
  const held = new KcXaesKey(ciphers, key);
  try {
    return use(held);
  } finally {
    held.dispose();
  }
}

function withGcm<T>(ciphers: XaesCiphers, key: Uint8Array, use: (gcm: Gcm) => T): T {
  const gcm = ciphers.importKey(key);
  try {
    return use(gcm);
  } finally {
    gcm.dispose();
  }
}

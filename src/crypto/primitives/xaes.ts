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
/**
 * What the three blocks begin with that derive from the first half of a nonce: the counter-mode KDF's prefixes for the two halves of the
 * key, counter ‖ "X" ‖ 0 (c2sp.org/XAES-256-GCM), and the label of the commitment's CMAC (ePrint 2025/758).
 */
const PREFIXES: readonly Uint8Array[] = /* @__PURE__ */ [
  /* @__PURE__ */ Uint8Array.of(0, 1, 0x58, 0),
  /* @__PURE__ */ Uint8Array.of(0, 2, 0x58, 0),
  /* @__PURE__ */ ascii("XCMT"),
];
const PREFIX_BYTES = 4;
/** Ends the commitment's second block: 0, 1, 0, and the number of the block. */
const COMMITMENT_SUFFIX: Uint8Array = /* @__PURE__ */ Uint8Array.of(0, 1, 0);

/** Where the blocks of a message are put together: each call wipes them before another can begin. */
const FIRST: Uint8Array = /* @__PURE__ */ new Uint8Array(3 * BLOCK_BYTES);
const LAST: Uint8Array = /* @__PURE__ */ new Uint8Array(COMMITMENT_BYTES);

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
  /** The same for a key that is disposed of before the call returns; where there is a cheaper way. */
  importBriefly?(rawKey: Uint8Array): Gcm;
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
  /** The three first blocks of a nonce that is zero: what of them depends on the key alone. */
  readonly #blocks: Uint8Array;

  /**
   * @param key - 32 bytes; copied, so that the caller may zero it
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  constructor(ciphers: XaesCiphers, key: Uint8Array) {
    this.#ciphers = ciphers;
    this.#cipher = ciphers.blockCipher(key);
    this.#k1 = double(this.#cipher.encrypt(new Uint8Array(BLOCK_BYTES)));
    this.#blocks = new Uint8Array(PREFIXES.length * BLOCK_BYTES);
    for (const [i, prefix] of PREFIXES.entries()) this.#blocks.set(prefix, i * BLOCK_BYTES);
    // X1, the commitment's first block, does not depend on K1.
    for (let i = 0; i < 2 * BLOCK_BYTES; i++) this.#blocks[i]! ^= this.#k1[i % BLOCK_BYTES]!;
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
    this.#blocks.fill(0);
  }

  #derive(nonce: Uint8Array): { readonly key: Bytes; readonly commitment: Bytes } {
    if (nonce.length !== XAES_NONCE_BYTES) {
      throw invalidRange(`nonce must have ${XAES_NONCE_BYTES} bytes, got ${nonce.length}`);
    }
    const k1 = this.#k1;
    const blocks = FIRST;
    blocks.set(this.#blocks);
    for (let j = 0; j < HALF; j++) {
      const byte = nonce[j]!;
      const at = PREFIX_BYTES + j;
      blocks[at]! ^= byte;
      blocks[BLOCK_BYTES + at]! ^= byte;
      blocks[2 * BLOCK_BYTES + at]! ^= byte;
    }
    const out = this.#cipher.encrypt(blocks);
    blocks.fill(0);
    const last = LAST;
    for (let j = 0; j < BLOCK_BYTES; j++) {
      const end = j < HALF ? nonce[HALF + j]! : j < BLOCK_BYTES - 1 ? COMMITMENT_SUFFIX[j - HALF]! : 0;
      const both = end ^ out[2 * BLOCK_BYTES + j]! ^ k1[j]!;
      last[j] = both;
      last[BLOCK_BYTES + j] = both;
    }
    last[BLOCK_BYTES - 1]! ^= 1;
    last[2 * BLOCK_BYTES - 1]! ^= 2;
    const commitment = this.#cipher.encrypt(last);
    last.fill(0);
    return { key: out.subarray(0, 2 * BLOCK_BYTES), commitment };
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
  const gcm = ciphers.importBriefly === undefined ? ciphers.importKey(key) : ciphers.importBriefly(key);
  try {
    return use(gcm);
  } finally {
    gcm.dispose();
  }
}

/**
 * KC-XAES-256-GCM: AES-256-GCM with a 192-bit nonce and a key commitment.
 *
 * Owns the construction (c2sp.org/XAES-256-GCM v1.0.1; commitment by IACR ePrint 2025/758) with which data keys
 * and KEKs are wrapped: random nonces need no budget (2^80 messages), and no other key opens what one sealed.
 * Must not know what it wraps.
 *
 * @module
 */
import { decryptFailed, invalidRange } from "../errors.ts";
import { BLOCK_BYTES, checkKey, type SyncAeadProvider } from "./aead.ts";
import { ascii, concatBytes, equalBytes } from "./bytes.ts";
import { TAG_BYTES } from "./limits.ts";

/** Bytes of a nonce: 12 to derive the key, 12 for GCM (c2sp.org/XAES-256-GCM). */
export const XAES_NONCE_BYTES = 24;

/** Bytes of a commitment: 256 bits give 128-bit security against colliding keys (ePrint 2025/758). */
export const COMMITMENT_BYTES = 32;

const HALF = 12;
/** The counter-mode KDF's prefixes for the two halves of the key: counter ‖ "X" ‖ 0 (c2sp.org/XAES-256-GCM). */
const KEY_PREFIXES = [Uint8Array.of(0, 1, 0x58, 0), Uint8Array.of(0, 2, 0x58, 0)] as const;
/** Begins the first block of the commitment's CMAC (ePrint 2025/758). */
const COMMITMENT_LABEL = ascii("XCMT");
const COMMITMENT_SUFFIXES = [Uint8Array.of(0, 1, 0, 1), Uint8Array.of(0, 1, 0, 2)] as const;

/**
 * Encrypts, authenticates and commits.
 *
 * @param key - 32 bytes
 * @param nonce - 24 random bytes
 * @returns ciphertext ‖ 16-byte tag ‖ 32-byte commitment
 */
export function kcXaesSeal(
  provider: SyncAeadProvider,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const derived = derive(provider, key, nonce);
  try {
    const sealed = withGcm(provider, derived.key, (gcm) =>
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
 * @throws VaultError ERR_DECRYPT_FAILED, also where `sealed` is too short
 */
export function kcXaesOpen(
  provider: SyncAeadProvider,
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const commitmentAt = sealed.length - COMMITMENT_BYTES;
  const tagAt = commitmentAt - TAG_BYTES;
  if (tagAt < 0) throw decryptFailed();
  const derived = derive(provider, key, nonce);
  try {
    if (!equalBytes(derived.commitment, sealed.subarray(commitmentAt))) throw decryptFailed();
    return withGcm(provider, derived.key, (gcm) =>
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

/** XAES-256-GCM alone, without the commitment; for its published vectors. */
export function xaesSeal(
  provider: SyncAeadProvider,
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  associatedData: Uint8Array,
): Uint8Array {
  const sealed = kcXaesSeal(provider, key, nonce, plaintext, associatedData);
  return sealed.subarray(0, sealed.length - COMMITMENT_BYTES);
}

function derive(provider: SyncAeadProvider, key: Uint8Array, nonce: Uint8Array) {
  checkKey(key);
  if (nonce.length !== XAES_NONCE_BYTES) {
    throw invalidRange(`nonce must have ${XAES_NONCE_BYTES} bytes, got ${nonce.length}`);
  }
  const first = nonce.subarray(0, HALF);
  const second = nonce.subarray(HALF);
  // L = AES_K(0^128), and the commitment's first CMAC block X1, which does not depend on it.
  const blocks = provider.encryptBlocks(
    key,
    concatBytes(new Uint8Array(BLOCK_BYTES), COMMITMENT_LABEL, first),
  );
  const k1 = double(blocks.subarray(0, BLOCK_BYTES));
  const x1 = blocks.subarray(BLOCK_BYTES);
  const out = provider.encryptBlocks(
    key,
    concatBytes(
      ...KEY_PREFIXES.map((prefix) => xor(concatBytes(prefix, first), k1)),
      ...COMMITMENT_SUFFIXES.map((suffix) => xor(xor(concatBytes(second, suffix), x1), k1)),
    ),
  );
  return { key: out.subarray(0, 2 * BLOCK_BYTES), commitment: out.subarray(2 * BLOCK_BYTES) };
}

/** Multiplication by x in GF(2^128), branch-free (NIST SP 800-38B section 6.1: subkey K1). */
function double(block: Uint8Array): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) out[i] = (block[i]! << 1) | ((block[i + 1] ?? 0) >> 7);
  out[BLOCK_BYTES - 1]! ^= -(block[0]! >> 7) & 0x87;
  return out;
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}

function withGcm<T>(
  provider: SyncAeadProvider,
  key: Uint8Array,
  use: (gcm: ReturnType<SyncAeadProvider["importKey"]>) => T,
): T {
  const gcm = provider.importKey(key);
  try {
    return use(gcm);
  } finally {
    gcm.dispose();
  }
}

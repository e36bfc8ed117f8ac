/**
 * The AEAD port: AES-256-GCM under a held key.
 *
 * Owns the sizes that every provider must enforce and the shape of a provider. Must not know nonces' origin,
 * envelopes or contexts, nor which providers exist.
 *
 * @module
 */

import { type Bytes, isUint8Array, typeName } from "../../base/bytes.ts";
import { invalidRange, invalidType } from "../../errors.ts";
import { KEY_BYTES, LEGACY_NONCE_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";

/** The providers by name. */
export type AeadProviderName = "node" | "webcrypto" | "wasm" | "noble";
/** All of them, the preferred ones first, whether they are there or not. */
export const PROVIDER_NAMES: readonly AeadProviderName[] = ["node", "webcrypto", "wasm", "noble"];

/** One AES-256 key, ready for use; the raw bytes are no longer needed. */
export interface AeadKey {
  /**
   * Encrypts and authenticates one message.
   *
   * @param nonce - 12 bytes, never used before with this key: the caller owns uniqueness
   * @param plaintext - any number of bytes; must not change until the call is done
   * @param associatedData - authenticated, not encrypted; empty for none
   * @returns a fresh array: ciphertext, then the 16-byte tag (NIST SP 800-38D section 7.1)
   * @throws RangeError ERR_INVALID_ARGUMENT for a nonce of another length
   */
  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes | Promise<Bytes>;

  /**
   * Checks and decrypts one message. No byte of plaintext is returned before the tag has been verified
   * (NIST SP 800-38D section 7.2).
   *
   * @param nonce - 12 bytes, or 32 for what old SDKs wrote
   * @param ciphertext - without the tag
   * @param tag - 16 bytes
   * @throws VaultError ERR_DECRYPT_FAILED, without a cause; RangeError for wrong lengths
   */
  open(
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    associatedData: Uint8Array,
  ): Bytes | Promise<Bytes>;

  /** Lets go of the key. Calls that are under way finish; later ones throw ERR_DISPOSED. */
  dispose(): void;
}

/** A message that is being sealed: all its bytes go through `update`. After `final` there is a tag. */
export interface Sealing {
  update(bytes: Uint8Array): Bytes;
  final(): unknown;
  getAuthTag(): Bytes;
}

/** A message that is being opened. What `update` answers is not authenticated before `final` has returned. */
export interface Opening {
  setAuthTag(tag: Uint8Array): unknown;
  update(bytes: Uint8Array): Bytes;
  /** @throws if the tag is wrong; the caller answers ERR_DECRYPT_FAILED without this cause */
  final(): unknown;
}

/** What a key offers that takes a message in pieces. What its `update` answers is a `Buffer`. */
export interface PiecewiseKey {
  /** As `seal`. */
  sealing(nonce: Uint8Array, associatedData: Uint8Array): Sealing;
  /** As `open`; the nonce has the length of a layout's. */
  opening(nonce: Uint8Array, associatedData: Uint8Array): Opening;
  /**
   * The AES-256 permutation on each 16-byte block alone, to encipher counter blocks of many messages at once.
   *
   * @returns a function that answers a new array; it must not be kept
   */
  blockCipher(): (blocks: Uint8Array) => Bytes;
}

/** An {@link AeadKey} that answers at once. */
export interface SyncAeadKey extends AeadKey {
  /** For what handles large messages piece by piece; undefined where the cipher takes whole messages only. */
  readonly pieces?: PiecewiseKey;

  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Bytes;
  open(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Bytes;

  /**
   * As `seal`, to a place of the caller's: for keys that would otherwise leave an array behind for each of many
   * chunks. Others leave it out.
   *
   * @param out - takes ciphertext and tag from `at` on
   */
  sealInto?(
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void;

  /** As `open`, to a place of the caller's, where nothing is written before the tag has been verified. */
  openInto?(
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    associatedData: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void;
}

/** The bare AES-256 under a held key (FIPS 197). For CMAC-style derivations only, where the blocks are never a message. */
export interface BlockCipher {
  /** Encrypts each block alone. @param blocks - a multiple of 16 bytes */
  encrypt(blocks: Uint8Array): Bytes;
  /** Lets go of the key. Later calls throw ERR_DISPOSED. */
  dispose(): void;
}

/** One implementation of AES-256-GCM. */
export interface AeadProvider {
  readonly name: AeadProviderName;
  /** Whether its keys answer at once. */
  readonly isSync: boolean;
  /** Makes a key ready. Copies `rawKey` (32 bytes), so that the caller may zero it. */
  importKey(rawKey: Uint8Array): AeadKey;
}

/** A provider whose keys answer at once, and which can run the bare block cipher for key derivation. */
export interface SyncAeadProvider extends AeadProvider {
  readonly isSync: true;
  importKey(rawKey: Uint8Array): SyncAeadKey;
  /**
   * The same for a key that its maker disposes of before it returns to its caller, whatever happens: where that costs less,
   * because the key need not be looked after if it is forgotten. Others leave it out.
   */
  importBriefly?(rawKey: Uint8Array): SyncAeadKey;
  /** The bare block cipher under a key. Copies `rawKey` (32 bytes), so that the caller may zero it. */
  blockCipher(rawKey: Uint8Array): BlockCipher;
}

/** @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless `rawKey` has 32 bytes */
export function checkKey(rawKey: Uint8Array): void {
  checkLength(rawKey, KEY_BYTES, "data key");
}

/** @throws TypeError or RangeError ERR_INVALID_ARGUMENT unless `nonce` has 12 bytes */
export function checkSealNonce(nonce: Uint8Array): void {
  checkLength(nonce, NONCE_BYTES, "nonce");
}

/** @throws TypeError or RangeError ERR_INVALID_ARGUMENT for a nonce or tag that no layout has */
export function checkOpen(nonce: Uint8Array, tag: Uint8Array): void {
  if (nonce.length !== LEGACY_NONCE_BYTES) checkLength(nonce, NONCE_BYTES, "nonce");
  checkLength(tag, TAG_BYTES, "tag");
}

function checkLength(bytes: Uint8Array, length: number, what: string): void {
  if (!isUint8Array(bytes)) throw invalidType(`${what} must be a Uint8Array, got ${typeName(bytes)}`);
  if (bytes.length !== length) {
    throw invalidRange(`${what} must have ${length} bytes, got ${bytes.length}`);
  }
}

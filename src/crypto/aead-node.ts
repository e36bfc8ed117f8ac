/**
 * AES-256-GCM by `node:crypto`: OpenSSL, synchronous, the fastest native way for small values.
 *
 * One of the three files that may name a cipher implementation. Holds a KeyObject per key, because Node 24
 * charges every call with a raw key about 20 µs more. Must not know envelopes.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { decryptFailed, VaultError } from "../errors.ts";
import { checkKey, checkOpen, checkSealNonce, type SyncAeadKey, type SyncAeadProvider } from "./aead.ts";
import { concatBytes, releaseMemory } from "./bytes.ts";
import { TAG_BYTES } from "./limits.ts";
import type { Runtime } from "./runtime.ts";

const ALGORITHM = "aes-256-gcm";
// Without this option Node up to 24 accepts tags of 4, 8 and 12 bytes.
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** Bytes of a piece: stays in the processor's cache between encrypting and coding; measured best from 32 to 64 KiB. */
export const TEXT_PIECE_BYTES = 48 * 1024;
/** Characters of a piece: each has at most 3 bytes of UTF-8. */
const TEXT_PIECE_CHARS = TEXT_PIECE_BYTES / 3;

/** Where a piece of text ends: never between the halves of a surrogate pair. */
function endOfPiece(text: string, at: number): number {
  const end = at + TEXT_PIECE_CHARS;
  if (end >= text.length) return text.length;
  const isHighSurrogate = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return isHighSurrogate ? end - 1 : end;
}

/** A key as `node:crypto` holds it. */
export class NodeKey implements SyncAeadKey {
  readonly #crypto: NonNullable<Runtime["crypto"]>;
  #key: KeyObject | undefined;

  constructor(crypto: NonNullable<Runtime["crypto"]>, rawKey: Uint8Array) {
    this.#crypto = crypto;
    this.#key = crypto.createSecretKey(rawKey);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, associatedData: Uint8Array): Uint8Array {
    checkSealNonce(nonce);
    const cipher = this.#crypto.createCipheriv(ALGORITHM, this.#held(), nonce, OPTIONS);
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    // GCM is a stream mode: final() adds no bytes.
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return concatBytes(ciphertext, cipher.getAuthTag());
  }

  /**
   * As `seal`, straight from a text and without joining what comes out.
   *
   * @param plaintext - text must be well-formed
   * @param isAscii - whether each character of a text is one byte: its pieces then have more of them
   * @param take - is given the ciphertext piece by piece, at most {@link TEXT_PIECE_BYTES} each, in order
   * @returns the tag, 16 bytes
   */
  sealPieces(
    nonce: Uint8Array,
    plaintext: string | Uint8Array,
    isAscii: boolean,
    associatedData: Uint8Array,
    take: (ciphertext: Uint8Array) => void,
  ): Uint8Array {
    const cipher = this.#crypto.createCipheriv(ALGORITHM, this.#held(), nonce, OPTIONS);
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    if (typeof plaintext === "string") {
      let at = 0;
      do {
        const end = isAscii ? at + TEXT_PIECE_BYTES : endOfPiece(plaintext, at);
        take(cipher.update(plaintext.slice(at, end), "utf8"));
        at = end;
      } while (at < plaintext.length);
    } else {
      let at = 0;
      do {
        take(cipher.update(plaintext.subarray(at, at + TEXT_PIECE_BYTES)));
        at += TEXT_PIECE_BYTES;
      } while (at < plaintext.length);
    }
    cipher.final();
    return cipher.getAuthTag();
  }

  open(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Uint8Array {
    const plaintext = this.openBuffer(nonce, ciphertext, tag, associatedData);
    // A plain array: a Buffer's slice() and subarray() would surprise callers of a portable library.
    return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength);
  }

  /** As `open`, for those who want text. */
  openBuffer(nonce: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array, associatedData: Uint8Array): Buffer {
    checkOpen(nonce, tag);
    const decipher = this.#crypto.createDecipheriv(ALGORITHM, this.#held(), nonce, OPTIONS);
    if (associatedData.length > 0) decipher.setAAD(associatedData);
    decipher.setAuthTag(tag);
    const plaintext = decipher.update(ciphertext);
    try {
      decipher.final();
    } catch {
      plaintext.fill(0); // update() decrypts before the tag is checked: nobody may see it.
      throw decryptFailed();
    }
    return plaintext;
  }

  /**
   * The AES-256 permutation on each 16-byte block alone, to encipher counter blocks of many messages at once.
   *
   * @returns a function that answers a new array; it must not be kept
   */
  blockCipher(): (blocks: Uint8Array) => Uint8Array {
    const cipher = this.#crypto.createCipheriv("aes-256-ecb", this.#held(), null).setAutoPadding(false);
    return (blocks) => cipher.update(blocks);
  }

  sealInto(
    nonce: Uint8Array,
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void {
    checkSealNonce(nonce);
    const cipher = this.#crypto.createCipheriv(ALGORITHM, this.#held(), nonce, OPTIONS);
    if (associatedData.length > 0) cipher.setAAD(associatedData);
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    out.set(ciphertext, at);
    out.set(cipher.getAuthTag(), at + ciphertext.length);
    releaseMemory(ciphertext);
  }

  openInto(
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    associatedData: Uint8Array,
    out: Uint8Array,
    at: number,
  ): void {
    const plaintext = this.open(nonce, ciphertext, tag, associatedData);
    out.set(plaintext, at);
    releaseMemory(plaintext);
  }

  dispose(): void {
    this.#key = undefined;
  }

  #held(): KeyObject {
    if (this.#key === undefined) throw new VaultError("ERR_DISPOSED", "this key has been disposed of");
    return this.#key;
  }
}

/** @param crypto - the runtime's `node:crypto` */
export function nodeProvider(crypto: NonNullable<Runtime["crypto"]>): SyncAeadProvider {
  return {
    name: "node",
    importKey(rawKey) {
      checkKey(rawKey);
      return new NodeKey(crypto, rawKey);
    },
    encryptBlocks(rawKey, blocks) {
      checkKey(rawKey);
      const key = crypto.createSecretKey(rawKey);
      return crypto.createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(blocks);
    },
  };
}

/**
 * The envelope `iv12` by Web Crypto alone: what a programmer writes who needs no checks and no options, for runtimes
 * without `node:crypto`; and the bare cipher beneath it.
 *
 * Owns the baselines there. Base64 by the engine's own `toBase64` where it has it, else by `btoa`. Must not know
 * coffer.
 *
 * @module
 */
import type { webcrypto } from "node:crypto";
import { NONCE_BYTES, TAG_BYTES } from "../lib/by-hand.ts";

/** Arguments of one `String.fromCharCode`. */
const CHUNK = 8192;
const ALGORITHM = "AES-GCM";

/** Methods that engines have since 2025 (ECMA-262, Uint8Array to and from base64), and types do not yet. */
interface Base64Array {
  toBase64?(): string;
}
interface Base64Class {
  fromBase64?(text: string): Uint8Array<ArrayBuffer>;
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = Uint8Array as unknown as Base64Class;
  if (native.fromBase64 !== undefined) return native.fromBase64(text);
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  const native = bytes as Base64Array;
  if (native.toBase64 !== undefined) return native.toBase64();
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}

/** UTF-8 of bytes in either form that ciphers answer. */
export function binaryOf(bytes: Uint8Array | ArrayBuffer): string {
  return new TextDecoder().decode(bytes);
}

export class WebCryptoByHand {
  readonly #subtle: webcrypto.SubtleCrypto;
  readonly #key: webcrypto.CryptoKey;
  readonly #blob: Uint8Array;

  private constructor(subtle: webcrypto.SubtleCrypto, key: webcrypto.CryptoKey, blob: Uint8Array) {
    this.#subtle = subtle;
    this.#key = key;
    this.#blob = blob;
  }

  /** @param blob - of 128 bytes to 16 KiB, so that its length takes two bytes of LEB128 */
  static async create(
    subtle: webcrypto.SubtleCrypto,
    rawKey: Uint8Array<ArrayBuffer>,
    blob: Uint8Array,
  ): Promise<WebCryptoByHand> {
    const key = await subtle.importKey("raw", rawKey, ALGORITHM, false, ["encrypt", "decrypt"]);
    return new WebCryptoByHand(subtle, key, blob);
  }

  /** @returns ciphertext ‖ tag */
  bareSeal(nonce: Uint8Array<ArrayBuffer>, bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    return this.#subtle.encrypt({ name: ALGORITHM, iv: nonce }, this.#key, bytes);
  }

  /** @param body - ciphertext ‖ tag */
  bareOpen(nonce: Uint8Array<ArrayBuffer>, body: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    return this.#subtle.decrypt({ name: ALGORITHM, iv: nonce }, this.#key, body);
  }

  async seal(text: string): Promise<string> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const sealed = new Uint8Array(await this.bareSeal(nonce, new TextEncoder().encode(text)));
    const bodyEnd = sealed.length - TAG_BYTES;
    const { length } = this.#blob;
    const blobAt = NONCE_BYTES + TAG_BYTES + 2;
    const out = new Uint8Array(blobAt + length + bodyEnd);
    out.set(nonce);
    out.set(sealed.subarray(bodyEnd), NONCE_BYTES);
    out.set([(length & 0x7f) | 0x80, length >> 7], blobAt - 2);
    out.set(this.#blob, blobAt);
    out.set(sealed.subarray(0, bodyEnd), blobAt + length);
    return base64Of(out);
  }

  async open(ciphertext: string): Promise<string> {
    const { nonce, body } = this.takeApart(bytesOfBase64(ciphertext));
    return binaryOf(await this.bareOpen(nonce, body));
  }

  /** Nonce, and ciphertext ‖ tag as Web Crypto wants it. */
  takeApart(bytes: Uint8Array<ArrayBuffer>): {
    nonce: Uint8Array<ArrayBuffer>;
    body: Uint8Array<ArrayBuffer>;
  } {
    const tagEnd = NONCE_BYTES + TAG_BYTES;
    const blobEnd = tagEnd + 2 + ((bytes[tagEnd]! & 0x7f) | (bytes[tagEnd + 1]! << 7));
    const body = new Uint8Array(bytes.length - blobEnd + TAG_BYTES);
    body.set(bytes.subarray(blobEnd));
    body.set(bytes.subarray(NONCE_BYTES, tagEnd), bytes.length - blobEnd);
    return { nonce: bytes.slice(0, NONCE_BYTES), body };
  }
}

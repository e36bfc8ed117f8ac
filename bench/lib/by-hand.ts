/**
 * What a careful programmer writes with `node:crypto` in ten lines: the envelope `iv12`, no checks, no options; and
 * the bare cipher beneath it.
 *
 * Owns the baselines of every runtime that has `node:crypto` and `Buffer`, and the other implementation by which
 * outputs are checked. Imports nothing at run time: it also runs where the module is looked up. Must not know coffer.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";

const ALGORITHM = "aes-256-gcm";
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** Bytes of the wrapped key: what WorkOS's has for a context of one entry. */
export const KEY_BLOB_BYTES = 206;
/** With what WorkOS's wrapped keys begin (docs/spec/envelope.md). */
export const KEY_BLOB_MAGIC = "WOS.EKM.v1\0";

type NodeCrypto = Pick<
  typeof import("node:crypto"),
  "createCipheriv" | "createDecipheriv" | "createSecretKey" | "randomBytes"
>;

export interface Bare {
  readonly body: Uint8Array;
  readonly tag: Uint8Array;
}

/** An envelope taken apart; all parts are views. */
export interface Parts extends Bare {
  readonly nonce: Buffer;
  readonly body: Buffer;
  readonly tag: Buffer;
}

export class ByHand {
  readonly #crypto: NodeCrypto;
  readonly #key: KeyObject;
  readonly #blob: Buffer;

  /** @param blob - of 128 bytes to 16 KiB, so that its length takes two bytes of LEB128 */
  constructor(crypto: NodeCrypto, rawKey: Uint8Array, blob: Buffer) {
    this.#crypto = crypto;
    this.#key = crypto.createSecretKey(rawKey);
    this.#blob = blob;
  }

  bareSeal(nonce: Uint8Array, bytes: Uint8Array): Bare {
    const cipher = this.#crypto.createCipheriv(ALGORITHM, this.#key, nonce);
    const body = cipher.update(bytes);
    cipher.final();
    return { body, tag: cipher.getAuthTag() };
  }

  bareOpen(nonce: Uint8Array, sealed: Bare): Buffer {
    const decipher = this.#crypto.createDecipheriv(ALGORITHM, this.#key, nonce);
    decipher.setAuthTag(sealed.tag);
    const bytes = decipher.update(sealed.body);
    decipher.final();
    return bytes;
  }

  seal(text: string): string {
    const nonce = this.#crypto.randomBytes(NONCE_BYTES);
    const cipher = this.#crypto.createCipheriv(ALGORITHM, this.#key, nonce);
    const body = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
    const { length } = this.#blob;
    const prefix = Buffer.from([(length & 0x7f) | 0x80, length >> 7]);
    return Buffer.concat([nonce, cipher.getAuthTag(), prefix, this.#blob, body]).toString("base64");
  }

  open(ciphertext: string): string {
    const { nonce, tag, body } = takeApart(Buffer.from(ciphertext, "base64"));
    const decipher = this.#crypto.createDecipheriv(ALGORITHM, this.#key, nonce);
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
  }
}

/** The parts of an envelope `iv12`, its key blob left out. */
export function takeApart(bytes: Buffer): Parts {
  const tagEnd = NONCE_BYTES + TAG_BYTES;
  const blobEnd = tagEnd + 2 + ((bytes[tagEnd]! & 0x7f) | (bytes[tagEnd + 1]! << 7));
  return {
    nonce: bytes.subarray(0, NONCE_BYTES),
    tag: bytes.subarray(NONCE_BYTES, tagEnd),
    body: bytes.subarray(blobEnd),
  };
}

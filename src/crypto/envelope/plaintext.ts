/**
 * What a plaintext must be, and what its size may cost.
 *
 * Owns the checks of one-shot plaintexts and their errors. Must not know how they are encrypted.
 *
 * @module
 */

import { type Bytes, isUint8Array, ownBytes, typeName, utf8 } from "../../base/bytes.ts";
import { isWellFormed } from "../../base/features.ts";
import { invalidType, VaultError } from "../../errors.ts";
import { PLAINTEXT_BYTES_MAX } from "../limits.ts";

/** What must agree before a message of some bytes is sealed. */
export interface Budget {
  /** Takes a message out of the budget, or throws and takes nothing. Must not run code of the application. */
  spend(bytes: number): void;
}

/**
 * A plaintext that can be encrypted; its bytes, if it is text, are counted later.
 *
 * @returns the text, or the bytes as `ownBytes` gives them
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED (lone surrogate), ERR_PLAINTEXT_TOO_LARGE
 */
export function checkPlaintext(data: string | Uint8Array): string | Bytes {
  if (typeof data === "string") {
    // A text never has more UTF-16 units than UTF-8 bytes.
    if (data.length > PLAINTEXT_BYTES_MAX) throw tooLarge();
    if (!isWellFormed(data)) utf8(data, "data");
    return data;
  }
  if (!isUint8Array(data)) {
    throw invalidType(`data must be a string or a Uint8Array, got ${typeName(data)}`);
  }
  const bytes = ownBytes(data, "data");
  if (bytes.length > PLAINTEXT_BYTES_MAX) throw tooLarge();
  return bytes;
}

/**
 * The bytes of a plaintext that {@link checkPlaintext} let pass.
 *
 * @throws VaultError ERR_PLAINTEXT_TOO_LARGE for a text that has more than 64 MiB as UTF-8
 */
export function bytesOfPlaintext(plaintext: string | Uint8Array): Uint8Array {
  if (typeof plaintext !== "string") return plaintext;
  const bytes = utf8(plaintext, "data");
  if (bytes.length > PLAINTEXT_BYTES_MAX) throw tooLarge();
  return bytes;
}

/**
 * The bytes of a plaintext.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED, ERR_PLAINTEXT_TOO_LARGE (over 64 MiB)
 */
export function plaintextBytes(data: string | Uint8Array): Uint8Array {
  return bytesOfPlaintext(checkPlaintext(data));
}

/** Bytes that a plaintext may take. */
export const roomFor = (plaintext: string | Uint8Array): number =>
  typeof plaintext === "string" ? 3 * plaintext.length : plaintext.length;

/** For authenticated bytes that are not UTF-8 where text was asked for. */
export function notText(): VaultError {
  return new VaultError(
    "ERR_PLAINTEXT_NOT_TEXT",
    'the decrypted data is not UTF-8 text; ask for it with as: "bytes"',
  );
}

/** For a plaintext over 64 MiB. */
export function tooLarge(): VaultError {
  return new VaultError("ERR_PLAINTEXT_TOO_LARGE", `data has more than ${PLAINTEXT_BYTES_MAX} bytes`);
}

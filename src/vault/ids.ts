/**
 * Ids: random, and as text.
 *
 * Owns how bytes become an id. By `Buffer`, because every request makes several and a loop in JavaScript takes ten times as
 * long. Must not know what is named by one.
 *
 * @module
 */
import { randomBytes } from "../crypto/random.ts";
import { ID_BYTES } from "./limits.ts";

/** Lowercase hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** A prefix and 128 random bits in uppercase hexadecimal, as WorkOS's ids look. */
export function newId(prefix: string, random: Uint8Array = randomBytes(ID_BYTES)): string {
  return `${prefix}${hexOf(random).toUpperCase()}`;
}

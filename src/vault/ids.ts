/**
 * Ids: random, and as text.
 *
 * Owns how bytes become an id. By `Buffer`, because every request makes several and a loop in JavaScript takes ten times as
 * long. Must not know what is named by one.
 *
 * @module
 */
import { randomBytes } from "../crypto/primitives/random.ts";
import { uuidToText, uuidV4 } from "../crypto/primitives/uuid.ts";
import { ID_BYTES, ORDERED_ID_RANDOM_BYTES } from "./limits.ts";

/** Hexadecimal digits of the time in an ordered id. */
const TIME_DIGITS = 2 * (ID_BYTES - ORDERED_ID_RANDOM_BYTES);

/** The last moment that they can say. */
const TIME_MAX = 16 ** TIME_DIGITS - 1;

/** Lowercase hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** A prefix and 128 random bits in uppercase hexadecimal, as WorkOS's ids look. */
export function newId(prefix: string): string {
  return prefix + hexOf(randomBytes(ID_BYTES)).toUpperCase();
}

/** A UUID of version 4 (RFC 9562 section 5.4), for what key blobs name. */
export function newUuid(): string {
  return uuidToText(uuidV4());
}

/**
 * An id of rows that are made often: as long as {@link newId}'s, but its first 48 bits are the milliseconds since 1970, the
 * other 80 random. Rows made one after another so lie side by side in indexes, and a commit writes a few pages where random
 * ids would make it write one for each row.
 *
 * @param random - 10 bytes, fresh; default from the kernel
 */
export function orderedId(random: Uint8Array = randomBytes(ORDERED_ID_RANDOM_BYTES)): string {
  return orderedTime(Date.now()) + hexOf(random);
}

/** A clock that stands before 1970 or behind the year 10889 makes no other form of ids; they are only less well ordered. */
export function orderedTime(milliseconds: number): string {
  const inRange = Math.min(Math.max(Math.trunc(milliseconds), 0), TIME_MAX);
  return inRange.toString(16).padStart(TIME_DIGITS, "0");
}

/** {@link orderedId} in uppercase with a prefix. */
export function newOrderedId(prefix: string, random?: Uint8Array): string {
  return prefix + orderedId(random).toUpperCase();
}

/**
 * UUIDs (RFC 9562): bytes and text, random version 4, name-based version 5.
 *
 * Owns the form of KEK ids (version 4) and data-key ids (version 5). Must not know keys.
 *
 * @module
 */
import { type Bytes, concatBytes, fromHex, toHex } from "../../base/bytes.ts";
import { hash } from "./hash.ts";
import type { HashProvider } from "./hash-port.ts";
import { randomBytes } from "./random.ts";

/** Bytes of a UUID (RFC 9562 section 4). */
export const UUID_BYTES = 16;

const UUID_TEXT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Lowercase text of 16 bytes. */
export function uuidToText(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Whether a text is a UUID: 36 characters of lowercase hexadecimal and hyphens. */
export const isUuidText = (text: string): boolean => UUID_TEXT.test(text);

/**
 * The 16 bytes of a UUID's text.
 *
 * @returns undefined for what is not one
 */
export function uuidFromText(text: string): Bytes | undefined {
  return isUuidText(text) ? fromHex(text.replaceAll("-", "")) : undefined;
}

/** A random UUID (RFC 9562 section 5.4), its 122 bits from the kernel. */
export function uuidV4(): Bytes {
  return stampUuid(randomBytes(UUID_BYTES), 4);
}

/**
 * The UUID of a name within a namespace (RFC 9562 section 5.5): SHA-1 of namespace ‖ name, cut to 16 bytes.
 *
 * @param namespace - 16 bytes
 * @param name - any bytes; coffer and WorkOS give the 32 raw bytes of a data key
 */
export function uuidV5(namespace: Uint8Array, name: Uint8Array, provider: HashProvider = hash): Bytes {
  const input = concatBytes(namespace, name);
  const digest = provider.sha1(input);
  input.fill(0); // It held the name, which may be a key.
  return stampUuid(digest.subarray(0, UUID_BYTES), 5);
}

/** Sets version and variant of 16 bytes, in place (RFC 9562 sections 4.1 and 4.2). */
export function stampUuid(bytes: Bytes, version: number): Bytes {
  bytes[6] = (bytes[6]! & 0x0f) | (version << 4);
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

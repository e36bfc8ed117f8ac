/**
 * Keys in the place of something else: a root key or an API key where the path of a file is meant.
 *
 * Owns what such a text looks like. Such a text must become no file name and stand in no message. Must not know who
 * asks.
 *
 * @module
 */

/** 32 bytes in hexadecimal. */
const HEX = /^[0-9a-f]{64}$/i;

/** 32 bytes in base64 or base64url, with or without padding (RFC 4648 sections 4 and 5). */
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

/** Begins as API keys and webhook secrets do, ours and WorkOS's, and goes on for long enough to be one. */
const TOKEN = /^(?:sk|whsec)_[A-Za-z0-9_-]{16,}$/;

/**
 * Whether a text is a key as people copy it: what decodes to 32 bytes, or an API key. White space around it does not
 * count. A path that happens to look so can be written with `../` before it.
 */
export function looksLikeKey(text: string): boolean {
  const trimmed = text.trim();
  return HEX.test(trimmed) || BASE64.test(trimmed) || TOKEN.test(trimmed);
}

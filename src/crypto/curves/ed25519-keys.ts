/**
 * Public keys of Ed25519 that come from others.
 *
 * Owns which are refused. Must not know whose they are.
 *
 * @module
 */
import { type Bytes, equalBytes, fromHex } from "../../base/bytes.ts";
import { ED25519_KEY_BYTES, isBelow, PRIME } from "./curve.ts";

/**
 * The y coordinates of Ed25519's eight points of low order: 1, 0, -1, and two of order 8, of which each stands for two points
 * (https://eprint.iacr.org/2020/1244 table 1).
 */
const LOW_ORDER: readonly Bytes[] = /* @__PURE__ */ [
  `01${"00".repeat(31)}`,
  "00".repeat(32),
  `ec${"ff".repeat(30)}7f`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map(fromHex);

/**
 * Whether a public key of Ed25519 is one that coffer accepts of others: 32 bytes, a y coordinate below the prime, and not of low
 * order, for which everybody can make signatures. Whether the point is on the curve, each signature shows.
 */
export function isEd25519PublicKey(key: Uint8Array): boolean {
  if (key.length !== ED25519_KEY_BYTES) return false;
  const y = Uint8Array.from(key);
  // The highest bit is the sign of x (RFC 8032 section 5.1.2).
  y[ED25519_KEY_BYTES - 1]! &= 0x7f;
  return isBelow(y, PRIME) && !LOW_ORDER.some((low) => equalBytes(low, y));
}

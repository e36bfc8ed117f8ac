/**
 * The port of Curve25519: X25519 (RFC 7748) and Ed25519 (RFC 8032).
 *
 * Owns the shape of a provider, sizes, and the points that are refused. Must not know which providers exist, nor what is
 * agreed on or signed.
 *
 * @module
 */
import { type Bytes, equalBytes, fromHex } from "../../base/bytes.ts";
import type { Runtime } from "../../base/runtime.ts";
import { ED25519_SIGNATURE_BYTES } from "../limits.ts";

/** Bytes of an X25519 scalar, point and result (RFC 7748 section 5). */
export const X25519_BYTES = 32;
/** Bytes of an Ed25519 private key (its seed) and of a public key (RFC 8032 section 5.1.5). */
export const ED25519_KEY_BYTES = 32;

/** The base point of X25519 (RFC 7748 section 4.1): its product with a private key is the public key. */
export const X25519_BASE: Bytes = /* @__PURE__ */ fromHex(`09${"00".repeat(31)}`);

/** The providers by name. */
export type CurveProviderName = "node" | "webcrypto" | "tweetnacl";

/** One implementation. Lengths are its caller's matter. */
export interface CurveProvider {
  readonly name: CurveProviderName;
  /** Whether it answers at once. */
  readonly isSync: boolean;
  /**
   * X25519 (RFC 7748 section 5).
   *
   * @param scalar - 32 bytes, read before this returns
   * @param point - 32 bytes
   * @returns 32 bytes; undefined where all of them are zero, as for every point of low order
   */
  multiply(scalar: Uint8Array, point: Uint8Array): Bytes | undefined | Promise<Bytes | undefined>;
  /** Makes a scalar of 32 bytes ready for more products than one. Reads it before this returns. */
  hold(scalar: Uint8Array): HeldScalar;
  /**
   * Whether an Ed25519 signature is right.
   *
   * @param publicKey - 32 bytes
   * @param signature - 64 bytes
   */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
}

/** A scalar that is held for many products: what depends on it alone is computed once. */
export interface HeldScalar {
  /** As {@link CurveProvider.multiply}. */
  multiply(point: Uint8Array): Bytes | undefined | Promise<Bytes | undefined>;
  /** Lets go of it. No other call may follow. */
  dispose(): void;
}

/** One of a provider that answers at once. */
export interface SyncHeldScalar extends HeldScalar {
  multiply(point: Uint8Array): Bytes | undefined;
}

/** A provider that answers at once; only these sign. */
export interface SyncCurveProvider extends CurveProvider {
  readonly isSync: true;
  multiply(scalar: Uint8Array, point: Uint8Array): Bytes | undefined;
  hold(scalar: Uint8Array): SyncHeldScalar;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** The public key of an Ed25519 seed of 32 bytes. */
  signingPublicKey(seed: Uint8Array): Bytes;
  /** Signs by Ed25519. @param seed - 32 bytes */
  sign(seed: Uint8Array, message: Uint8Array): Bytes;
}

/** Signing by Ed25519, at once where the runtime can. */
export interface Signing {
  /** The public key of a seed of 32 bytes. @throws VaultError ERR_UNSUPPORTED */
  publicKey(seed: Uint8Array): Bytes | Promise<Bytes>;
  /** The signature, 64 bytes. @throws VaultError ERR_UNSUPPORTED */
  sign(seed: Uint8Array, message: Uint8Array): Bytes | Promise<Bytes>;
}

/** One provider of the list: how it starts. */
export interface CurveRow {
  readonly name: CurveProviderName;
  /** The provider; undefined where the runtime lacks what it needs. */
  start(available: Pick<Runtime, "crypto" | "webcrypto">): CurveProvider | undefined;
}

/** The order of Ed25519's group with the lowest byte first (RFC 8032 section 5.1). */
const ORDER = /* @__PURE__ */ fromHex(`edd3f55c1a631258d69cf7a2def9de14${"00".repeat(15)}10`);

/** The prime 2^255 - 19 with the lowest byte first (RFC 7748 section 4.1). */
export const PRIME: Bytes = /* @__PURE__ */ fromHex(`ed${"ff".repeat(30)}7f`);

/**
 * All points of low order in canonical form: orders 4, 1 and 2 of curve and twist (0, 1, -1), and order 8
 * (https://cr.yp.to/ecdh.html#validate).
 */
const LOW_ORDER: readonly Bytes[] = /* @__PURE__ */ [
  "00".repeat(32),
  `01${"00".repeat(31)}`,
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  `ec${"ff".repeat(30)}7f`,
].map(fromHex);

/** Whether a public key is one that coffer accepts: 32 bytes, below the prime, and not of low order. */
export function isX25519PublicKey(key: Uint8Array): boolean {
  return key.length === X25519_BYTES && isBelow(key, PRIME) && !LOW_ORDER.some((low) => equalBytes(low, key));
}

/**
 * Whether the second half of a signature is below the group's order, as RFC 8032 section 5.1.7 wants it: else everybody could make a
 * second signature of one that they have seen.
 */
export function isReducedSignature(signature: Uint8Array): boolean {
  return isBelow(signature.subarray(ED25519_SIGNATURE_BYTES / 2), ORDER);
}

/** Compares two numbers whose lowest bytes come first. Both are public. */
export function isBelow(bytes: Uint8Array, limit: Uint8Array): boolean {
  let at = limit.length - 1;
  while (at > 0 && bytes[at] === limit[at]) at--;
  return bytes[at]! < limit[at]!;
}

/** A result as the port answers it. All bytes are looked at, whatever they are. */
export function unlessZero(result: Uint8Array): Bytes | undefined {
  let seen = 0;
  for (const byte of result) seen |= byte;
  return seen === 0 ? undefined : (result as Bytes);
}

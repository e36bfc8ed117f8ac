/**
 * Curve25519 by Web Crypto: native in browsers and on edge runtimes, asynchronous only.
 *
 * A provider file. Must not know what is agreed on or verified.
 *
 * @module
 */
import type { Bytes } from "../../base/bytes.ts";
import type { WebCryptoSubtle } from "../../base/runtime.ts";
import { type CurveProvider, type CurveRow, isReducedSignature, unlessZero, X25519_BYTES } from "./curve.ts";
import { privateKeyDer } from "./der.ts";

const X25519 = "X25519";
const ED25519 = "Ed25519";
const BITS_PER_BYTE = 8;

/** The provider. @param subtle - the runtime's `crypto.subtle` */
export function webCurves(subtle: WebCryptoSubtle): CurveProvider {
  const hold = (scalar: Uint8Array) => {
    const der = privateKeyDer("x25519", scalar);
    // WebKit refuses one key of 256: those that begin with a byte of 0. X25519 clears this bit (RFC 7748 section 5), so that it
    // changes nothing.
    der[der.length - X25519_BYTES]! |= 1;
    const imported = subtle.importKey("pkcs8", der, X25519, false, ["deriveBits"]).finally(() => der.fill(0));
    return {
      async multiply(point: Uint8Array): Promise<Bytes | undefined> {
        const [privateKey, publicKey] = await Promise.all([
          imported,
          subtle.importKey("raw", point as Bytes, X25519, true, []),
        ]);
        let result: ArrayBuffer;
        try {
          result = await subtle.deriveBits(
            { name: X25519, public: publicKey } as never,
            privateKey,
            X25519_BYTES * BITS_PER_BYTE,
          );
        } catch {
          // Engines refuse a result of zeros (Web Cryptography Level 2, X25519, derive bits).
          return undefined;
        }
        return unlessZero(new Uint8Array(result));
      },
      dispose: () => {},
    };
  };
  return {
    name: "webcrypto",
    isSync: false,
    multiply: (scalar, point) => hold(scalar).multiply(point),
    hold,
    async verify(key, message, signature) {
      // WebKit takes signatures that are not reduced.
      if (!isReducedSignature(signature)) return false;
      const publicKey = await subtle.importKey("raw", key as Bytes, ED25519, true, ["verify"]);
      return subtle.verify(ED25519, publicKey, signature as Bytes, message as Bytes);
    },
  };
}

/** The provider where there is `subtle`. Engines that lack the curves fail its known answer (choose.ts). */
export const WEB_CURVES_ROW: CurveRow = {
  name: "webcrypto",
  start: ({ webcrypto }) => {
    const subtle = webcrypto?.subtle;
    return subtle === undefined ? undefined : webCurves(subtle);
  },
};

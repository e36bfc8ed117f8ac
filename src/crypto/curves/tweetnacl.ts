/**
 * Curve25519 by tweetnacl: JavaScript without tables that secrets look up, for runtimes that have none or cannot answer at once.
 *
 * A provider file. Must not know what is agreed on or signed.
 *
 * @module
 */
import nacl from "tweetnacl";
import type { Bytes } from "../../base/bytes.ts";
import { type CurveRow, isReducedSignature, type SyncCurveProvider, unlessZero } from "./curve.ts";

/** The provider. */
export const naclCurves: SyncCurveProvider = {
  name: "tweetnacl",
  isSync: true,
  multiply: (scalar, point) => unlessZero(nacl.scalarMult(scalar, point)),
  hold(scalar) {
    const held = Uint8Array.from(scalar);
    return {
      multiply: (point) => unlessZero(nacl.scalarMult(held, point)),
      dispose: () => void held.fill(0),
    };
  },
  // tweetnacl itself takes signatures that are not reduced.
  verify: (publicKey, message, signature) =>
    isReducedSignature(signature) && nacl.sign.detached.verify(message, signature, publicKey),
  signingPublicKey: (seed) => nacl.sign.keyPair.fromSeed(seed).publicKey as Bytes,
  sign(seed, message) {
    const { secretKey } = nacl.sign.keyPair.fromSeed(seed);
    try {
      return nacl.sign.detached(message, secretKey) as Bytes;
    } finally {
      secretKey.fill(0);
    }
  },
};

/** The provider, which runs everywhere. */
export const NACL_CURVES_ROW: CurveRow = { name: "tweetnacl", start: () => naclCurves };

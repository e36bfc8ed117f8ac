/**
 * Curve25519 by `node:crypto`: native, answers at once.
 *
 * A provider file. Must not know what is agreed on or signed.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { decodeBase64Lenient } from "../../base/base64.ts";
import { type Bytes, EMPTY } from "../../base/bytes.ts";
import type { Runtime } from "../../base/runtime.ts";
import { type CurveRow, type SyncCurveProvider, unlessZero, X25519_BASE } from "./curve.ts";
import { type CurveKind, privateKeyDer, publicKeyDer } from "./der.ts";

type NodeCrypto = NonNullable<Runtime["crypto"]>;

/** The provider. @param crypto - the runtime's `node:crypto` */
export function nodeCurves(crypto: NodeCrypto): SyncCurveProvider {
  const privateKey = (kind: CurveKind, raw: Uint8Array): KeyObject => {
    const key = privateKeyDer(kind, raw);
    try {
      return crypto.createPrivateKey({ key: key as Buffer, format: "der", type: "pkcs8" });
    } finally {
      key.fill(0);
    }
  };
  const publicKey = (kind: CurveKind, raw: Uint8Array): KeyObject =>
    crypto.createPublicKey({ key: publicKeyDer(kind, raw) as Buffer, format: "der", type: "spki" });
  const rawPublicKey = (held: KeyObject, kind: CurveKind): Bytes =>
    plain(
      crypto
        .createPublicKey(held as never)
        .export({ format: "der", type: "spki" })
        .subarray(publicKeyDer(kind, EMPTY).length),
    );
  const product = (held: KeyObject, point: Uint8Array): Bytes | undefined => {
    // OpenSSL has computed the public key already: a second multiplication would cost as much again.
    if (point === X25519_BASE) return rawPublicKey(held, "x25519");
    const keys = { privateKey: held, publicKey: publicKey("x25519", point) };
    let result: Uint8Array;
    try {
      result = crypto.diffieHellman(keys);
    } catch {
      // OpenSSL itself refuses a result of zeros (RFC 7748 section 6.1).
      return undefined;
    }
    return unlessZero(plain(result));
  };
  return {
    name: "node",
    isSync: true,
    multiply: (scalar, point) => product(privateKey("x25519", scalar), point),
    hold(scalar) {
      let held: KeyObject | undefined = privateKey("x25519", scalar);
      return {
        multiply: (point) => product(held as KeyObject, point),
        dispose: () => {
          held = undefined;
        },
      };
    },
    verify(key, message, signature) {
      return crypto.verify(null, message, publicKey("ed25519", key), signature);
    },
    signingPublicKey(seed) {
      const held = privateKey("ed25519", seed);
      try {
        return rawPublicKey(held, "ed25519");
      } catch {
        // Bun 1.2 takes no private key of Ed25519 there.
        const { x } = held.export({ format: "jwk" }) as { readonly x: string };
        return decodeBase64Lenient(x.replaceAll("-", "+").replaceAll("_", "/")) as Bytes;
      }
    },
    sign(seed, message) {
      return plain(crypto.sign(null, message, privateKey("ed25519", seed)));
    },
  };
}

/** A plain array of a Buffer's bytes. */
function plain(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** The provider where there is `node:crypto`. Some polyfills have no curves. */
export const NODE_CURVES_ROW: CurveRow = {
  name: "node",
  start: ({ crypto }) => (crypto?.diffieHellman === undefined ? undefined : nodeCurves(crypto)),
};

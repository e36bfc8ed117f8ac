/**
 * Signing by Ed25519 with one key, by what a runtime has: a provider that answers at once, or Web Crypto.
 *
 * Owns the choice. Must not know what is signed.
 *
 * @module
 */
import { runtime } from "../../base/runtime.ts";
import type { Curves } from "./choose.ts";
import type { Signing, SyncCurveProvider } from "./curve.ts";
import { webSigning } from "./webcrypto-signing.ts";

/** How the runtime signs, with the curves that a caller has given. */
export function signingBy(curves: Curves): Signing {
  let sync: SyncCurveProvider;
  try {
    sync = curves.sync();
  } catch {
    return webSigning(runtime.webcrypto);
  }
  return {
    publicKey: (seed) => sync.signingPublicKey(seed),
    sign: (seed, message) => sync.sign(seed, message),
  };
}

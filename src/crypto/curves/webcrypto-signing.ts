/**
 * Signing by Ed25519 of Web Crypto: asynchronous only.
 *
 * A provider file, apart from webcrypto.ts so that those who sign nothing do not ship it. Must not know what is signed.
 *
 * @module
 */
import { decodeBase64 } from "../../base/base64.ts";
import type { Bytes } from "../../base/bytes.ts";
import type { WebCrypto } from "../../base/runtime.ts";
import { VaultError } from "../../errors.ts";
import type { Signing } from "./curve.ts";
import { privateKeyDer } from "./der.ts";

const ED25519 = "Ed25519";

/** Signing by Web Crypto. @param webcrypto - the runtime's `crypto` */
export function webSigning(webcrypto: WebCrypto | undefined): Signing {
  const subtle = webcrypto?.subtle;
  const importKey = async (seed: Uint8Array, isExtractable: boolean) => {
    const der = privateKeyDer("ed25519", seed);
    try {
      return await subtle!.importKey("pkcs8", der, ED25519, isExtractable, ["sign"]);
    } catch {
      // Also of WebKit, for a seed that begins with a byte of 0.
      throw new VaultError(
        "ERR_UNSUPPORTED",
        'this runtime has no Ed25519, or refuses this key: pass { curves: tweetnacl } from "coffer/sealed"',
      );
    } finally {
      der.fill(0);
    }
  };
  return {
    async publicKey(seed) {
      // The only form in which Web Crypto tells the public key of a private one.
      const key = await importKey(seed, true);
      const { x } = await subtle!.exportKey("jwk", key);
      return decodeBase64(`${x!.replaceAll("-", "+").replaceAll("_", "/")}=`)!;
    },
    async sign(seed, message) {
      const key = await importKey(seed, false);
      return new Uint8Array(await subtle!.sign(ED25519, key, message as Bytes));
    },
  };
}

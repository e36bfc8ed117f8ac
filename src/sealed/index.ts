/**
 * `coffer/sealed`: encryption for a key context by who holds a public key only: pages, edges, partners.
 *
 * @module
 */
import { HERE_CURVES } from "../crypto/curves/built-in.ts";
import type { SealedCurves } from "../crypto/curves/choose.ts";
import { NACL_CURVES_ROW } from "../crypto/curves/tweetnacl.ts";

export type { SealedMlKem } from "../crypto/hpke/given-ml-kem.ts";
export { type MlKem768, mlKemOf } from "../crypto/hpke/ml-kem-peer.ts";
export type { SealedSuite } from "../crypto/keys/sealed-key-blob.ts";
export type { RecipientDocument } from "../crypto/sealed/recipient-document.ts";
export {
  type SealedEncryptOptions,
  SealedEncryptor,
  type SealedEncryptorOptions,
  type SealedLayout,
} from "./encryptor.ts";
export {
  encryptSealedFields,
  encryptSealedStream,
  type SealedFieldsOptions,
  type SealedLeaseOptions,
  type SealedStreamOptions,
  sealedLease,
  sealedLeaseSync,
} from "./many.ts";
export {
  createSenderKey,
  type SealedSender,
  type SealedSenderOptions,
  type SenderKey,
  type SenderKeyOptions,
  type SenderSigner,
  sealedSender,
} from "./sender.ts";
export type { SealedCurves };

/**
 * X25519 and Ed25519 in JavaScript by tweetnacl, passed as `curves` where the runtime has none or cannot answer at once. On Node,
 * Bun and Deno it changes nothing.
 */
export const tweetnacl: SealedCurves = /* @__PURE__ */ HERE_CURVES.with(NACL_CURVES_ROW);

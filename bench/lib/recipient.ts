/**
 * A recipient for benches: its document, and what opens for it by the private key itself, as peers do.
 *
 * Owns these. Portable, so that a runtime's program has the same.
 *
 * @module
 */
import { decodeBase64 } from "../../src/base/base64.ts";
import type { Ciphers } from "../../src/crypto/ciphers/ciphers.ts";
import { naclCurves } from "../../src/crypto/curves/tweetnacl.ts";
import { KEMS } from "../../src/crypto/hpke/kems.ts";
import { localDecryptSync } from "../../src/crypto/index.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import { decodeSealedKeyBlob } from "../../src/crypto/keys/sealed-key-blob.ts";
import { uuidV4 } from "../../src/crypto/primitives/uuid.ts";
import { type RecipientDocument, signRecipient } from "../../src/crypto/sealed/recipient-document.ts";
import { openSealedDataKey } from "../../src/crypto/sealed/sealed-data-key.ts";
import type { SealedTools } from "../../src/crypto/sealed/tools.ts";
import { inspect } from "../../src/index.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** The context of benches. */
export const CONTEXT = { organization_id: "org_1" };

/** A key pair with its document. The keys protect nothing. */
export interface BenchRecipient {
  readonly document: RecipientDocument;
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** @param privateKey - 32 random bytes @param signingSeed - the same */
export function makeRecipient(
  tools: SealedTools,
  privateKey: Uint8Array,
  signingSeed: Uint8Array,
): BenchRecipient {
  const publicKey = KEMS.x25519.publicKey(tools, privateKey);
  const issuedAt = Date.now();
  const signed = {
    suite: "x25519" as const,
    recipientId: uuidV4(),
    version: 1,
    context: canonicalContext(CONTEXT),
    issuedAt,
    expiresAt: issuedAt + DAY_MS,
    publicKey,
  };
  return { document: signRecipient(signed, signingSeed, naclCurves), privateKey, publicKey };
}

/** What opens texts of a recipient. @param sync - where the runtime has nothing built in that answers at once */
export function opener(
  tools: SealedTools,
  { privateKey, publicKey }: Omit<BenchRecipient, "document">,
  sync?: Ciphers,
): (sealed: string) => string {
  return (sealed) => {
    const { encryptedKeys } = inspect(sealed);
    const blob = decodeSealedKeyBlob(decodeBase64(encryptedKeys)!);
    using key = new DataKey({
      id: "",
      key: openSealedDataKey(tools, blob, privateKey, publicKey),
      encryptedKeys,
    });
    return localDecryptSync(sealed, key, undefined, { sync });
  };
}

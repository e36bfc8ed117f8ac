/**
 * Recipients for tests: a key pair, its document, and a signing key, all of which a number decides.
 *
 * Owns nothing but these. Must not know vaults.
 *
 * @module
 */
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { naclCurves } from "../../src/crypto/curves/tweetnacl.ts";
import { KEMS } from "../../src/crypto/hpke/kems.ts";
import { canonicalContext, type KeyContext } from "../../src/crypto/keys/key-context.ts";
import type { SealedSuite } from "../../src/crypto/keys/sealed-key-blob.ts";
import { type RecipientDocument, signRecipient } from "../../src/crypto/sealed/recipient-document.ts";
import { sealedTools } from "../../src/crypto/sealed/tools.ts";

/** Tools of the runtime that the tests run in. */
export const TOOLS = sealedTools(HERE);
export const DAY_MS = 24 * 60 * 60 * 1000;
/** When documents of tests are issued. */
export const ISSUED_AT = Date.parse("2026-11-27T00:00:00.000Z");
/** A moment at which they are valid. */
export const VALID_AT = ISSUED_AT + DAY_MS;
export const CONTEXT: KeyContext = { organization_id: "org_1" };

/**
 * Public keys of Ed25519 with which anybody signs, the highest bit set and not, and y coordinates that are not reduced
 * (https://eprint.iacr.org/2020/1244 tables 1 and 2).
 */
export const ED25519_LOW_ORDER: readonly string[] = [
  `01${"00".repeat(31)}`,
  `01${"00".repeat(30)}80`,
  "00".repeat(32),
  `${"00".repeat(31)}80`,
  `ec${"ff".repeat(30)}7f`,
  `ec${"ff".repeat(31)}`,
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  `ed${"ff".repeat(30)}7f`,
  `ed${"ff".repeat(31)}`,
  `ee${"ff".repeat(30)}7f`,
  `ee${"ff".repeat(31)}`,
  "ff".repeat(32),
];

/** What of a test's recipient may differ. */
export interface RecipientParts {
  readonly number?: number;
  readonly version?: number;
  readonly suite?: SealedSuite;
  /** Null for an environment-wide recipient. */
  readonly context?: KeyContext | null;
  readonly issuedAt?: number;
  readonly expiresAt?: number;
  readonly publicKey?: Uint8Array;
  readonly signingNumber?: number;
}

/** A recipient with its private key. */
export function makeRecipient(parts: RecipientParts = {}): {
  readonly document: RecipientDocument;
  readonly privateKey: Uint8Array;
} {
  const { number = 1, version = 1, suite = "x25519", context = CONTEXT } = parts;
  const { issuedAt = ISSUED_AT, expiresAt = issuedAt + 90 * DAY_MS, signingNumber = 1 } = parts;
  const privateKey = new Uint8Array(32).fill(number);
  const recipientId = new Uint8Array(16).fill(number);
  recipientId[6] = 0x40;
  recipientId[8] = 0x80;
  const publicKey = parts.publicKey ?? KEMS[suite].publicKey(TOOLS, privateKey);
  const signed = {
    suite,
    recipientId,
    version,
    context: context === null ? undefined : canonicalContext(context),
    issuedAt,
    expiresAt,
    publicKey,
  };
  return { document: signRecipient(signed, new Uint8Array(32).fill(signingNumber), naclCurves), privateKey };
}

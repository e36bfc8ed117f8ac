/**
 * Recipient documents: the public keys that data keys are sealed to (docs/spec/sealed-data-key.md section 3).
 *
 * Owns their form, what is signed of them, and how they are checked. Must not know where private keys are kept, nor how a data
 * key is sealed.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../../base/base64.ts";
import { ascii, type Bytes, concatBytes, EMPTY, equalBytes, lengthPrefixed, u32 } from "../../base/bytes.ts";
import { invalidType, isVaultError, VaultError } from "../../errors.ts";
import { ED25519_KEY_BYTES, type SyncCurveProvider } from "../curves/curve.ts";
import { KEMS } from "../hpke/kems.ts";
import {
  type CanonicalContext,
  canonicalContext,
  contextObject,
  type KeyContext,
} from "../keys/key-context.ts";
import { SEALED_SUITES, type SealedSuite } from "../keys/sealed-key-blob.ts";
import {
  CONTEXT_JSON_CHARS_MAX,
  ED25519_SIGNATURE_BYTES,
  RECIPIENT_AGE_MS_MAX,
  RECIPIENT_CLOCK_MS,
} from "../limits.ts";
import { uuidFromText, uuidToText } from "../primitives/uuid.ts";
import type { SealTarget } from "./sealed-data-key.ts";
import type { SealedTools } from "./tools.ts";

/** What a document is of: a recipient of one context, or one of a whole environment. */
export type RecipientDocumentType = "coffer-recipient-v1" | "coffer-environment-recipient-v1";

/** What a vault publishes of a recipient: JSON whose members have these names. */
export interface RecipientDocument {
  readonly type: RecipientDocumentType;
  /** UUID text. */
  readonly id: string;
  readonly version: number;
  readonly suite: SealedSuite;
  /** Null in the document of an environment-wide recipient: who seals to it states the context. */
  readonly context: KeyContext | null;
  /** Base64: 32 bytes, or 1,216 of the suite x-wing. */
  readonly public_key: string;
  /** RFC 3339, with milliseconds and Z. */
  readonly issued_at: string;
  /** The same. From then on nothing is sealed to this document. */
  readonly expires_at: string;
  /** The Ed25519 public key of the vault, base64 of 32 bytes: what to pin. */
  readonly signer: string;
  /** Base64 of 64 bytes. */
  readonly signature: string;
}

/** Bytes of the longest document that is read as text, about: a context, the longest key, and what else there is. */
export const RECIPIENT_DOCUMENT_CHARS_MAX: number = CONTEXT_JSON_CHARS_MAX + 4096;

/** A document that was read: its form is right, its signature is not yet checked. */
export interface ReadRecipient extends Omit<SealTarget, "context"> {
  /** Undefined for an environment-wide recipient. */
  readonly context: CanonicalContext | undefined;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** 32 bytes. */
  readonly signer: Bytes;
  readonly signature: Bytes;
}

/** Documents by whether their recipient is environment-wide: their type, and what begins the bytes that are signed. */
const OF_CONTEXT = {
  type: "coffer-recipient-v1",
  label: /* @__PURE__ */ ascii("coffer/v1/recipient\0"),
} as const;
const OF_ENVIRONMENT = {
  type: "coffer-environment-recipient-v1",
  label: /* @__PURE__ */ ascii("coffer/v1/environment-recipient\0"),
} as const;
const MEMBERS = [
  "type",
  "id",
  "version",
  "suite",
  "context",
  "public_key",
  "issued_at",
  "expires_at",
  "signer",
  "signature",
] as const;
const VERSION_MAX = 2 ** 32 - 1;

/**
 * Reads a document. Its signature is the matter of {@link isSignedRight}.
 *
 * @param given - the JSON's value, or its text
 * @throws TypeError ERR_INVALID_ARGUMENT for another type; VaultError ERR_RECIPIENT_INVALID
 */
export function readRecipient(given: RecipientDocument | string): ReadRecipient {
  const document = typeof given === "string" ? parse(given) : given;
  if (typeof document !== "object" || document === null) {
    throw invalidType("recipient must be a recipient document or its JSON text");
  }
  const names = Object.keys(document);
  const isWhole = names.length === MEMBERS.length && MEMBERS.every((name) => names.includes(name));
  const isWide = document.type === OF_ENVIRONMENT.type;
  if (!isWhole || !(isWide || document.type === OF_CONTEXT.type)) {
    throw invalid("it has not exactly the members of one");
  }
  const { id, version, suite, issued_at, expires_at } = document;
  const recipientId = typeof id === "string" ? uuidFromText(id) : undefined;
  const kem = SEALED_SUITES.some(({ name }) => name === suite) ? KEMS[suite] : undefined;
  const isVersion = Number.isInteger(version) && version >= 1 && version <= VERSION_MAX;
  if (recipientId === undefined || kem === undefined || !isVersion) {
    throw invalid("its id, version or suite is not one");
  }
  const publicKey = bytesOf(document.public_key, kem.publicKeyBytes, "public_key");
  if (!kem.isPublicKey(publicKey)) throw invalid("its public key is one that nothing may be sealed to");
  const issuedAt = momentOf(issued_at);
  const expiresAt = momentOf(expires_at);
  if (expiresAt <= issuedAt || expiresAt - issuedAt > RECIPIENT_AGE_MS_MAX) {
    throw invalid("it ends before it begins, or is valid for too long");
  }
  if (isWide !== (document.context === null)) throw invalid("its type and its context do not go together");
  return {
    suite,
    recipientId,
    version,
    context: document.context === null ? undefined : contextOf(document.context),
    publicKey,
    issuedAt,
    expiresAt,
    signer: bytesOf(document.signer, ED25519_KEY_BYTES, "signer"),
    signature: bytesOf(document.signature, ED25519_SIGNATURE_BYTES, "signature"),
  };
}

/**
 * What is sealed to for a document.
 *
 * @param given - the context, for an environment-wide recipient and for no other
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID
 */
export function sealTargetOf(recipient: ReadRecipient, given?: KeyContext): SealTarget {
  if ((recipient.context === undefined) !== (given !== undefined)) {
    throw invalidType("context must be given for an environment-wide recipient, and for no other");
  }
  return { ...recipient, context: recipient.context ?? canonicalContext(given as KeyContext) };
}

/** What is signed. */
type SignedPart = Omit<ReadRecipient, "signer" | "signature">;

/** Makes a document and signs it. @param seed - of the vault's signing key, 32 bytes */
export function signRecipient(
  part: SignedPart,
  seed: Uint8Array,
  curves: SyncCurveProvider,
): RecipientDocument {
  return {
    type: kindOf(part).type,
    id: uuidToText(part.recipientId),
    version: part.version,
    suite: part.suite,
    context: part.context === undefined ? null : contextObject(part.context),
    public_key: encodeBase64(part.publicKey),
    issued_at: new Date(part.issuedAt).toISOString(),
    expires_at: new Date(part.expiresAt).toISOString(),
    signer: encodeBase64(curves.signingPublicKey(seed)),
    signature: encodeBase64(curves.sign(seed, signedBytes(part))),
  };
}

/** Whether the signature is that of the document's signer. Where it can, it answers at once. */
export async function isSignedRight(recipient: ReadRecipient, tools: SealedTools): Promise<boolean> {
  const provider = await tools.curves.async();
  return provider.verify(recipient.signer, signedBytes(recipient), recipient.signature);
}

/** The same at once. @throws VaultError ERR_UNSUPPORTED */
export function isSignedRightSync(recipient: ReadRecipient, tools: SealedTools): boolean {
  return tools.curves.sync().verify(recipient.signer, signedBytes(recipient), recipient.signature);
}

/** The error for a document whose signature is not its signer's. */
export const wronglySigned = (): VaultError => invalid("its signature is not right for its signer");

/**
 * What a caller expects of a document.
 *
 * @param signer - base64 as in the document; undefined to trust it as it came
 * @param minVersion - the lowest version that is sealed to
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_RECIPIENT_INVALID
 */
export function checkExpected(
  recipient: ReadRecipient,
  signer: string | undefined,
  minVersion: number | undefined,
): void {
  if (signer !== undefined) {
    const expected = typeof signer === "string" ? decodeBase64(signer) : undefined;
    if (expected?.length !== ED25519_KEY_BYTES) {
      throw invalidType("signer must be base64 of 32 bytes, as recipient documents have it");
    }
    if (!equalBytes(expected, recipient.signer)) throw invalid("it is signed by another signer");
  }
  if (minVersion === undefined) return;
  if (!Number.isInteger(minVersion)) throw invalidType("minVersion must be a whole number");
  if (recipient.version < minVersion) throw invalid("its version is an old one");
}

/** @throws VaultError ERR_RECIPIENT_EXPIRED unless the document is valid now */
export function checkMoment(recipient: ReadRecipient, now: number): void {
  if (now < recipient.expiresAt && now >= recipient.issuedAt - RECIPIENT_CLOCK_MS) return;
  throw new VaultError(
    "ERR_RECIPIENT_EXPIRED",
    "the recipient's document is too old or not valid yet: get a new one from its vault",
  );
}

function kindOf({ context }: Pick<SignedPart, "context">): typeof OF_CONTEXT | typeof OF_ENVIRONMENT {
  return context === undefined ? OF_ENVIRONMENT : OF_CONTEXT;
}

function signedBytes(part: SignedPart): Bytes {
  const { suite, recipientId, version, issuedAt, expiresAt, context, publicKey } = part;
  const { number } = SEALED_SUITES.find(({ name }) => name === suite)!;
  return concatBytes(
    kindOf(part).label,
    Uint8Array.of(number),
    recipientId,
    u32(version),
    u64(issuedAt),
    u64(expiresAt),
    lengthPrefixed(context === undefined ? EMPTY : context.bytes),
    lengthPrefixed(publicKey),
  );
}

function u64(value: number): Bytes {
  return concatBytes(u32(Math.floor(value / 2 ** 32)), u32(value % 2 ** 32));
}

function parse(text: string): RecipientDocument {
  if (text.length > RECIPIENT_DOCUMENT_CHARS_MAX) throw invalid("it is too long");
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("it is no JSON");
  }
}

function bytesOf(text: unknown, length: number, member: string): Bytes {
  const bytes = typeof text === "string" ? decodeBase64(text) : undefined;
  if (bytes?.length !== length) throw invalid(`its ${member} is not base64 of ${length} bytes`);
  return bytes;
}

/** Milliseconds of a moment in the one form that `toISOString` writes. */
function momentOf(text: unknown): number {
  const moment = typeof text === "string" ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(moment) || moment < 0 || new Date(moment).toISOString() !== text) {
    throw invalid("a time is not RFC 3339 with milliseconds and Z");
  }
  return moment;
}

function contextOf(context: KeyContext) {
  try {
    return canonicalContext(context);
  } catch (error) {
    if (isVaultError(error)) throw invalid("its context is not one");
    throw error;
  }
}

function invalid(problem: string): VaultError {
  return new VaultError("ERR_RECIPIENT_INVALID", `the recipient's document cannot be used: ${problem}`);
}

/**
 * Sealed key blobs: data keys sealed to a recipient, as they travel in envelopes (docs/spec/sealed-data-key.md section 1).
 *
 * Owns their byte layout and the numbers of suites. Must not know how a data key is sealed, nor recipients' documents.
 *
 * @module
 */
import { type Bytes, concatBytes, EMPTY, lengthPrefixed, readU32, u32 } from "../../base/bytes.ts";
import { ED25519_SIGNATURE_BYTES, KEY_BYTES, TAG_BYTES } from "../limits.ts";
import { UUID_BYTES } from "../primitives/uuid.ts";
import { keyBlobFormatAt, MAGIC_BYTES, malformed, SEALED_MAGIC } from "./key-blob.ts";
import { type CanonicalContext, parseCanonicalContext } from "./key-context.ts";

/** The suites of docs/spec/sealed-data-key.md section 2: the number in a blob, and how long `enc` is. */
export const SEALED_SUITES = [
  { number: 1, name: "x25519", encBytes: 32 },
  { number: 2, name: "x-wing", encBytes: 1120 },
] as const;

/** The suites by name: the second also withstands quantum computers. */
export type SealedSuite = (typeof SEALED_SUITES)[number]["name"];

/** The part of a blob that says for whom and for what it is: all before `enc`. */
export interface SealedHead {
  readonly suite: SealedSuite;
  /** 16 bytes. */
  readonly recipientId: Uint8Array;
  /** 1 to 2^32 - 1. */
  readonly version: number;
  readonly context: CanonicalContext;
  /** 16 bytes, of a blob that its sender signs. */
  readonly senderId?: Uint8Array | undefined;
}

/** A sealed key blob, taken apart. */
export interface SealedKeyBlob extends SealedHead {
  /** The bytes of the head, which the seal is bound to. */
  readonly head: Uint8Array;
  readonly enc: Uint8Array;
  /** 16 bytes. */
  readonly dataKeyId: Uint8Array;
  /** 48 bytes: encrypted data key, tag. */
  readonly sealed: Uint8Array;
  /** All before the signature. */
  readonly unsigned: Uint8Array;
  /** 64 bytes of a blob that its sender has signed, else none. */
  readonly signature: Uint8Array;
}

/** The only flag: the blob names a sender, and ends with their signature. */
const SIGNED = 1;
const FLAGS_AT = MAGIC_BYTES + 1;
const RECIPIENT_AT = FLAGS_AT + 1;
const VERSION_AT = RECIPIENT_AT + UUID_BYTES;
const CONTEXT_AT = VERSION_AT + 4;
const SEALED_BYTES = KEY_BYTES + TAG_BYTES;

/** The bytes of a head. */
export function encodeSealedHead({ suite, recipientId, version, context, senderId }: SealedHead): Bytes {
  const { number } = SEALED_SUITES.find(({ name }) => name === suite)!;
  return concatBytes(
    SEALED_MAGIC,
    Uint8Array.of(number, senderId ? SIGNED : 0),
    recipientId,
    u32(version),
    lengthPrefixed(context.bytes),
    senderId ?? EMPTY,
  );
}

/** A sealed key blob, cut at its fields: its context is not looked at. */
export type SealedKeyBlobParts = Omit<SealedKeyBlob, "context"> & { readonly contextBytes: Uint8Array };

/**
 * Cuts a key blob at its fields whose magic says that it is a sealed one.
 *
 * @returns views into `bytes`
 * @throws VaultError ERR_KEY_BLOB_MALFORMED unless lengths, suite, flags and version are exact
 */
export function splitSealedKeyBlob(bytes: Uint8Array): SealedKeyBlobParts {
  const suite = SEALED_SUITES.find(({ number }) => number === bytes[MAGIC_BYTES]);
  if (suite === undefined || bytes[FLAGS_AT]! > SIGNED) throw malformed("it has an unknown suite or flag");
  const isSigned = bytes[FLAGS_AT] === SIGNED;
  const contextAt = CONTEXT_AT + 4;
  const senderAt = contextAt + (bytes.length < contextAt ? 0 : readU32(bytes, CONTEXT_AT));
  const encAt = senderAt + (isSigned ? UUID_BYTES : 0);
  const idAt = encAt + suite.encBytes;
  const sealedAt = idAt + UUID_BYTES;
  const end = sealedAt + SEALED_BYTES;
  if (bytes.length !== end + (isSigned ? ED25519_SIGNATURE_BYTES : 0)) throw malformed("its length is wrong");
  const version = readU32(bytes, VERSION_AT);
  if (version === 0) throw malformed("the version of its recipient is 0");
  return {
    suite: suite.name,
    recipientId: bytes.subarray(RECIPIENT_AT, VERSION_AT),
    version,
    contextBytes: bytes.subarray(contextAt, senderAt),
    senderId: isSigned ? bytes.subarray(senderAt, encAt) : undefined,
    head: bytes.subarray(0, encAt),
    enc: bytes.subarray(encAt, idAt),
    dataKeyId: bytes.subarray(idAt, sealedAt),
    sealed: bytes.subarray(sealedAt, end),
    unsigned: bytes.subarray(0, end),
    signature: bytes.subarray(end),
  };
}

/**
 * Takes a sealed key blob apart.
 *
 * @returns views into `bytes`
 * @throws VaultError ERR_KEY_BLOB_MALFORMED unless all but what is encrypted is exact
 */
export function decodeSealedKeyBlob(bytes: Uint8Array): SealedKeyBlob {
  if (keyBlobFormatAt(bytes, 0) !== "sealed") throw malformed("it has not the magic of a sealed one");
  const { contextBytes, ...parts } = splitSealedKeyBlob(bytes);
  try {
    return { ...parts, context: parseCanonicalContext(contextBytes) };
  } catch {
    throw malformed("its context is not canonical");
  }
}

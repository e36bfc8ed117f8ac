/**
 * What key blobs tell of themselves, whosever they are, without a key.
 *
 * Owns what can be read of WorkOS's blobs (docs/spec/keyring.md section 5). Must not know how a data key is wrapped or sealed.
 *
 * @module
 */
import { asciiText } from "../../base/bytes.ts";
import { isUuidText, uuidToText } from "../primitives/uuid.ts";
import { type KeyBlobFormat, keyBlobFormatAt, MAGIC_BYTES, malformed, splitKeyBlob } from "./key-blob.ts";
import { splitSealedKeyBlob } from "./sealed-key-blob.ts";

/** A KEK as a blob names it. */
export interface KekReference {
  /** UUID text. */
  readonly id: string;
  /** 1 or more; WorkOS's blobs name no version. */
  readonly version?: number;
}

/** What a blob tells without any key. */
export interface KeyBlobInfo {
  readonly format: KeyBlobFormat;
  /** UUID text; undefined where a WorkOS blob cannot be read that far. */
  readonly dataKeyId: string | undefined;
  /** In the order of the blob; empty where a WorkOS blob cannot be read that far. */
  readonly keks: readonly KekReference[];
  /** To whom a sealed data key is sealed: the id as UUID text, and the version. */
  readonly recipient?: { readonly id: string; readonly version: number };
  /** The sender that a signed one names: an id as UUID text. That the signature is theirs, only the vault tells. */
  readonly sender?: string;
  readonly bytes: number;
}

/**
 * Tells what a blob says of itself.
 *
 * The context of a sealed one is not looked at.
 *
 * @returns for a WorkOS blob as much as can be read: its inside is only known from samples
 * @throws VaultError ERR_KEY_BLOB_MALFORMED for an unknown magic, a malformed blob of coffer or a test vault, or a malformed sealed one
 */
export function inspectKeyBlob(bytes: Uint8Array): KeyBlobInfo {
  const format = keyBlobFormatAt(bytes, 0);
  if (format === undefined) throw malformed("it begins with no known magic");
  if (format === "coffer" || format === "test") {
    const blob = splitKeyBlob(bytes);
    return {
      format,
      dataKeyId: uuidToText(blob.dataKeyId),
      keks: blob.keks.map((kek) => ({ id: uuidToText(kek.id), version: kek.version })),
      bytes: bytes.length,
    };
  }
  if (format === "sealed") {
    const { recipientId, version, dataKeyId, senderId } = splitSealedKeyBlob(bytes);
    return {
      format,
      dataKeyId: uuidToText(dataKeyId),
      keks: [],
      recipient: { id: uuidToText(recipientId), version },
      ...(senderId && { sender: uuidToText(senderId) }),
      bytes: bytes.length,
    };
  }
  const idEnd = MAGIC_BYTES + WORKOS_ID_CHARS;
  return {
    format,
    dataKeyId: uuidText(bytes.subarray(MAGIC_BYTES, idEnd)),
    keks: workosKeks(bytes, idEnd),
    bytes: bytes.length,
  };
}

/** Characters of a UUID's text, as which WorkOS's blobs hold ids. */
const WORKOS_ID_CHARS = 36;
/** The reserved type byte before each field of a WorkOS blob. */
const WORKOS_FIELD = 0x01;

/** KEK ids: every field of 36 characters that is a UUID (docs/spec/keyring.md section 5). */
function workosKeks(bytes: Uint8Array, start: number): KekReference[] {
  const keks: KekReference[] = [];
  let at = start;
  while (bytes[at] === WORKOS_FIELD) {
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length >= 0x80) {
      // DER's long form: the low bits say how many bytes of length follow (X.690 section 8.1.3.5).
      let left = length - 0x80;
      for (length = 0; left > 0; left--) length = length * 256 + (bytes[at++] ?? Number.POSITIVE_INFINITY);
    }
    if (at + length > bytes.length) break;
    const id = length === WORKOS_ID_CHARS ? uuidText(bytes.subarray(at, at + length)) : undefined;
    if (id !== undefined) keks.push({ id });
    at += length;
  }
  return keks;
}

function uuidText(bytes: Uint8Array): string | undefined {
  const text = asciiText(bytes);
  return isUuidText(text) ? text : undefined;
}

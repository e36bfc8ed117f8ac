/**
 * The fields of an envelope, by their places in its bytes.
 *
 * Owns the map of each layout (docs/spec/envelope.md section 3, docs/spec/native-envelope.md section 1). Must not know
 * how it is shown.
 *
 * @module
 */
import type { CiphertextInfo } from "../../src/index.ts";

/** What shows that a field was altered. */
export type Authentication =
  /** The payload's tag, or its commitment. */
  | "yes, with the payload"
  /** The key service, when it unwraps the data key. */
  | "by the key service"
  /** Nothing but the rules of the format: an altered one makes the envelope unreadable. */
  | "no";

/** One field. */
export interface Field {
  /** As the specification names it. */
  readonly name: string;
  /** Class of its colour. */
  readonly kind: "header" | "length" | "blob" | "nonce" | "tag" | "text";
  /** First byte. */
  readonly start: number;
  /** Byte behind the last. */
  readonly end: number;
  readonly authentication: Authentication;
  /** One sentence on what it is for. */
  readonly note: string;
}

const NOTES = {
  nonce: "Random, and used once. An altered nonce fails like an altered ciphertext.",
  tag: "Proves ciphertext and associated data.",
  length: "How many bytes of wrapped key follow, as LEB128.",
  blob: "The wrapped data key. A rekey exchanges it; the payload stays as it is.",
  blobText: "The wrapped data key as base64 text. A rekey exchanges it; the payload stays as it is.",
  text: "As long as the plaintext.",
} as const;

type Part = Omit<Field, "start" | "end"> & { readonly bytes: number };

const part = (
  name: string,
  kind: Field["kind"],
  bytes: number,
  authentication: Authentication,
  note: string,
): Part => ({
  name,
  kind,
  bytes,
  authentication,
  note,
});

/** Bytes of a full chunk and of a tag in the native layout (docs/spec/native-envelope.md section 4). */
const CHUNK_BYTES = 16_384;
const TAG_BYTES = 16;

/**
 * The fields in the order of the bytes.
 *
 * @param bytes - the envelope, decoded from base64
 * @param info - what `inspect` says of it
 */
export function fieldsOf(bytes: Uint8Array, info: CiphertextInfo): Field[] {
  const parts = PARTS[info.layout](bytes, info);
  const fields: Field[] = [];
  let at = 0;
  for (const { bytes: size, ...field } of parts) {
    fields.push({ ...field, start: at, end: at + size });
    at += size;
  }
  return fields;
}

const PARTS: Readonly<Record<CiphertextInfo["layout"], (bytes: Uint8Array, info: CiphertextInfo) => Part[]>> =
  {
    iv12: (bytes, info) => nonceFirst(bytes, info, 12, info.keyBlob.bytes, NOTES.blob),
    iv32: (bytes, info) => nonceFirst(bytes, info, 32, info.keyBlob.bytes, NOTES.blob),
    dotnet: (bytes, info) => nonceFirst(bytes, info, 12, info.encryptedKeys.length, NOTES.blobText),
    "leb-first": (bytes, info) => [
      part("length", "length", lengthBytes(bytes, 0), "no", NOTES.length),
      part("key blob", "blob", info.keyBlob.bytes, "by the key service", NOTES.blob),
      part("nonce", "nonce", 12, "yes, with the payload", NOTES.nonce),
      part("ciphertext", "text", info.plaintextBytes, "yes, with the payload", NOTES.text),
      part("tag", "tag", TAG_BYTES, "yes, with the payload", NOTES.tag),
    ],
    native: (bytes, info) => [
      part("magic", "header", 4, "yes, with the payload", "“CFR1”: the format and its version."),
      part("suite", "header", 1, "yes, with the payload", "Cipher, key derivation and chunk size."),
      part("flags", "header", 1, "yes, with the payload", "None is given yet: zero."),
      part("length", "length", lengthBytes(bytes, 6), "no", NOTES.length),
      part("key blob", "blob", info.keyBlob.bytes, "by the key service", NOTES.blob),
      part(
        "salt",
        "nonce",
        24,
        "yes, with the payload",
        "Random. With the data key it gives this message a key of its own.",
      ),
      part("commitment", "tag", 32, "yes, with the payload", "Proves that one key only opens this envelope."),
      ...chunksOf(info.plaintextBytes),
    ],
  };

function nonceFirst(
  bytes: Uint8Array,
  info: CiphertextInfo,
  nonceBytes: number,
  blobBytes: number,
  blobNote: string,
): Part[] {
  return [
    part("nonce", "nonce", nonceBytes, "yes, with the payload", NOTES.nonce),
    part("tag", "tag", TAG_BYTES, "yes, with the payload", NOTES.tag),
    part("length", "length", lengthBytes(bytes, nonceBytes + TAG_BYTES), "no", NOTES.length),
    part("key blob", "blob", blobBytes, "by the key service", blobNote),
    part("ciphertext", "text", info.plaintextBytes, "yes, with the payload", NOTES.text),
  ];
}

/** Every chunk but the last is full; the last is shorter, and may be empty. */
function chunksOf(plaintextBytes: number): Part[] {
  const full = Math.floor(plaintextBytes / CHUNK_BYTES);
  return Array.from({ length: full + 1 }, (_, number) => {
    const size = number < full ? CHUNK_BYTES : plaintextBytes % CHUNK_BYTES;
    return [
      part(`chunk ${number}`, "text", size, "yes, with the payload", "Encrypted bytes of the plaintext."),
      part(
        `tag of chunk ${number}`,
        "tag",
        TAG_BYTES,
        "yes, with the payload",
        "Proves the chunk and its place.",
      ),
    ];
  }).flat();
}

/** Bytes of the LEB128 number at a place: all but its last byte have the high bit set. */
function lengthBytes(bytes: Uint8Array, at: number): number {
  let end = at;
  while ((bytes[end] ?? 0) >= 0x80) end += 1;
  return end + 1 - at;
}

/**
 * Envelopes: all layouts, text to parts and back (docs/spec/envelope.md for the four of WorkOS,
 * docs/spec/native-envelope.md for coffer's own).
 *
 * Owns detection, parsing and writing of all layouts; the only parser there is. Knows no keys, no AEAD and no
 * network: it either returns parts that lie inside the input or throws a parse error.
 *
 * @module
 */

import { decodeBase64, decodeBase64Lenient, encodeBase64 } from "../../base/base64.ts";
import { ascii, type Bytes, concatBytes, fromUtf8, startsWithAt, typeName } from "../../base/bytes.ts";
import { decodeLeb128, encodeLeb128, LEB128_BYTES_MAX } from "../../base/leb128.ts";
import { optionNames } from "../../base/options.ts";
import { invalidType, VaultError } from "../../errors.ts";
import { COFFER_MAGIC, keyBlobFormatAt, WORKOS_MAGIC } from "../keys/key-blob.ts";
import {
  ENVELOPE_BYTES_MAX,
  KEY_BLOB_BYTES_MAX,
  LEGACY_NONCE_BYTES,
  NATIVE_SALT_BYTES,
  NONCE_BYTES,
  PLAINTEXT_BYTES_MAX,
  TAG_BYTES,
} from "../limits.ts";
import {
  claimsNative,
  encodeNativeHeader,
  FIXED_HEADER,
  NATIVE_MAGIC,
  NATIVE_PREFIX_BYTES,
  parseNativeHeader,
  shapeOfChunks,
} from "../native/format.ts";

/** The layouts of WorkOS, by the names of docs/spec/envelope.md section 3. */
export type WorkosLayout = "iv12" | "iv32" | "leb-first" | "dotnet";

/** All layouts; `native` is coffer's own (docs/spec/native-envelope.md). */
export type Layout = WorkosLayout | "native";

/** The layouts that coffer writes: `iv32` is read only. */
export type WritableLayout = Exclude<Layout, "iv32">;

interface LayoutShape {
  readonly nonceBytes: number;
  /** Where the length of the key blob stands. */
  readonly lengthAt: number;
  /** Whether nonce and tag stand around the ciphertext, behind the key blob, instead of before it. */
  readonly isBlobFirst: boolean;
  /** Whether the key blob is embedded as its base64 text. */
  readonly isBlobText: boolean;
}

const SHAPES: Readonly<Record<WorkosLayout, LayoutShape>> = {
  // nonce[12] tag[16] L(n) blob[n] ciphertext
  iv12: { nonceBytes: NONCE_BYTES, lengthAt: NONCE_BYTES + TAG_BYTES, isBlobFirst: false, isBlobText: false },
  // nonce[32] tag[16] L(n) blob[n] ciphertext
  iv32: {
    nonceBytes: LEGACY_NONCE_BYTES,
    lengthAt: LEGACY_NONCE_BYTES + TAG_BYTES,
    isBlobFirst: false,
    isBlobText: false,
  },
  // L(n) blob[n] nonce[12] ciphertext tag[16]
  "leb-first": { nonceBytes: NONCE_BYTES, lengthAt: 0, isBlobFirst: true, isBlobText: false },
  // nonce[12] tag[16] L(n) base64(blob)[n] ciphertext
  dotnet: {
    nonceBytes: NONCE_BYTES,
    lengthAt: NONCE_BYTES + TAG_BYTES,
    isBlobFirst: false,
    isBlobText: true,
  },
};

/** WorkOS's layouts in the order in which detection looks (docs/spec/envelope.md section 4). */
const WORKOS_LAYOUTS: readonly WorkosLayout[] = ["leb-first", "iv12", "dotnet", "iv32"];

/** All layouts in the order in which detection looks: the native one first (docs/spec/native-envelope.md section 7). */
export const LAYOUTS: readonly Layout[] = ["native", ...WORKOS_LAYOUTS];

/** Characters of base64 that the 11 bytes of a magic decide alone: 88 bits fill 14, the 15th is shared. */
const MAGIC_TEXT_CHARS = 14;
const TEXT_MAGICS = [WORKOS_MAGIC, COFFER_MAGIC].map((magic) =>
  ascii(encodeBase64(magic).slice(0, MAGIC_TEXT_CHARS)),
);

/** An envelope, taken apart. */
export interface Envelope {
  readonly layout: Layout;
  /** The wrapped data key, as bytes whatever the layout; begins with a known magic. */
  readonly keyBlob: Uint8Array;
  /** 12 bytes, or 32 in `iv32`; in `native` the salt, 24 bytes. */
  readonly nonce: Uint8Array;
  /** In `native` the chunks, each with its tag. */
  readonly ciphertext: Uint8Array;
  /** 16 bytes; in `native` the key commitment, 32 bytes. */
  readonly tag: Uint8Array;
}

/** An envelope that was read. */
export interface ParsedEnvelope extends Envelope {
  /** Whether writing the parts again gives the text that was read. */
  readonly isCanonical: boolean;
}

/** How to read an envelope. */
export interface ParseOptions {
  /** Layouts to accept; default all. Decided after detection: another layout is an error, never a retry. */
  readonly layouts?: readonly Layout[] | undefined;
  /** Accept only layouts that commit to their key: `native`. Default false. Decided with `layouts`. */
  readonly requireCommitment?: boolean | undefined;
  /**
   * Accept what lenient peers read: base64 with white space, without padding or with stray trailing bits, and
   * lengths in more LEB128 bytes than needed. In `native`, only the base64 is read so. Default false.
   */
  readonly lenient?: boolean | undefined;
}

/** Names of {@link ParseOptions}. */
export const PARSE_OPTIONS = optionNames<ParseOptions>({
  layouts: true,
  requireCommitment: true,
  lenient: true,
});

/**
 * Takes the text of an envelope apart. Touches no key and makes no request.
 *
 * @param text - base64, at most 64 MiB and 192 KiB of bytes
 * @returns parts that are views of one new array
 * @throws TypeError ERR_INVALID_ARGUMENT unless it is a string, and `layouts` a list of layouts
 * @throws VaultError ERR_ENVELOPE_TOO_LARGE, ERR_NOT_CIPHERTEXT (not base64, or no layout's magic),
 *   ERR_ENVELOPE_MALFORMED (a layout's magic, but cut off or not canonical), ERR_ENVELOPE_UNSUPPORTED (native, of an
 *   unknown version, suite or flag), ERR_LAYOUT_NOT_ALLOWED
 */
export function parseEnvelope(text: string, options: ParseOptions = {}): ParsedEnvelope {
  if (typeof text !== "string") throw invalidType(`ciphertext must be a string, got ${typeName(text)}`);
  const { layouts } = options;
  if (layouts !== undefined) checkLayouts(layouts);
  if (text.length > Math.ceil(ENVELOPE_BYTES_MAX / 3) * 4) {
    throw new VaultError("ERR_ENVELOPE_TOO_LARGE", `ciphertext has more than ${ENVELOPE_BYTES_MAX} bytes`);
  }
  const lenient = options.lenient === true;
  const strict = decodeBase64(text);
  const bytes = strict ?? (lenient ? decodeBase64Lenient(text) : undefined);
  if (bytes === undefined)
    throw new VaultError("ERR_NOT_CIPHERTEXT", "not a ciphertext: it is not canonical base64");
  const layout = detectLayout(bytes);
  if (layout === undefined) {
    // Says what is wrong with it: without that it would have been detected.
    if (claimsNative(bytes)) parseNativeHeader(bytes);
    throw new VaultError(
      "ERR_NOT_CIPHERTEXT",
      "not a ciphertext: no wrapped data key where any layout has it",
    );
  }
  if (layouts !== undefined && !layouts.includes(layout)) {
    throw new VaultError(
      "ERR_LAYOUT_NOT_ALLOWED",
      `the ciphertext has the layout ${layout}, which is not accepted here`,
    );
  }
  if (options.requireCommitment === true) checkCommitment(layout);
  const { envelope, isCanonical } = layout === "native" ? splitNative(bytes) : split(bytes, layout, lenient);
  return { ...envelope, isCanonical: isCanonical && strict !== undefined };
}

/** The canonical text of an envelope's parts. */
export function serializeEnvelope(envelope: Envelope): string {
  return encodeBase64(serializeEnvelopeBytes(envelope));
}

/** The bytes of an envelope's parts: what {@link serializeEnvelope} encodes. */
export function serializeEnvelopeBytes(envelope: Envelope): Bytes {
  if (envelope.layout === "native") {
    const { keyBlob, nonce, tag, ciphertext } = envelope;
    return concatBytes(encodeNativeHeader(keyBlob), nonce, tag, ciphertext);
  }
  const shape = SHAPES[envelope.layout];
  const blob = shape.isBlobText ? ascii(encodeBase64(envelope.keyBlob)) : envelope.keyBlob;
  const length = encodeLeb128(blob.length);
  return shape.isBlobFirst
    ? concatBytes(length, blob, envelope.nonce, envelope.ciphertext, envelope.tag)
    : concatBytes(envelope.nonce, envelope.tag, length, blob, envelope.ciphertext);
}

/** An envelope of one key blob without its message: what stays the same from message to message. */
export interface EnvelopeFrame {
  /** Everything but the ciphertext; nonce and tag are zeros. */
  readonly bytes: Uint8Array;
  /** Where in it the part stands that names the layout and the key blob, and how long that is. */
  readonly headerAt: number;
  readonly headerBytes: number;
  readonly nonceAt: number;
  readonly ciphertextAt: number;
  /** Undefined where the tag follows the ciphertext. */
  readonly tagAt: number | undefined;
}

/** What all envelopes of a layout and a key blob have in common. */
export function envelopeFrame(layout: Exclude<WorkosLayout, "iv32">, keyBlob: Uint8Array): EnvelopeFrame {
  const bytes = serializeEnvelopeBytes({
    layout,
    keyBlob,
    nonce: new Uint8Array(NONCE_BYTES),
    ciphertext: new Uint8Array(0),
    tag: new Uint8Array(TAG_BYTES),
  });
  const headerBytes = bytes.length - NONCE_BYTES - TAG_BYTES;
  return SHAPES[layout].isBlobFirst
    ? {
        bytes,
        headerAt: 0,
        headerBytes,
        nonceAt: headerBytes,
        ciphertextAt: headerBytes + NONCE_BYTES,
        tagAt: undefined,
      }
    : {
        bytes,
        headerAt: NONCE_BYTES + TAG_BYTES,
        headerBytes,
        nonceAt: 0,
        ciphertextAt: bytes.length,
        tagAt: NONCE_BYTES,
      };
}

/**
 * The layout of an envelope's bytes: the first, in a fixed order, that has a known magic where its key blob
 * begins. One layout's envelope matches another's place with a chance of 2^-88.
 */
export function detectLayout(bytes: Uint8Array): Layout | undefined {
  if (isNativeAt(bytes)) return "native";
  return WORKOS_LAYOUTS.find((layout) => {
    const shape = SHAPES[layout];
    // Detection accepts any length encoding, so that a bad one is reported as such.
    const length = decodeLeb128(bytes, shape.lengthAt);
    if (length === undefined) return false;
    const blobAt = shape.lengthAt + length.length;
    return shape.isBlobText
      ? TEXT_MAGICS.some((magic) => startsWithAt(bytes, magic, blobAt))
      : keyBlobFormatAt(bytes, blobAt) !== undefined;
  });
}

/**
 * Whether an envelope that begins with its nonce (`iv12`, `dotnet`) may be one of a layout that is looked for before
 * those: by this nonce, whatever follows it. Where this is false, detection never says `native` or `leb-first`.
 *
 * @param at - where the nonce begins
 */
export function claimsEarlierLayout(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at]!;
  if (first === COFFER_LETTER && startsWithAt(bytes, NATIVE_MAGIC, at)) return true;
  let magicAt = at + 1;
  if (first >= 0x80) {
    const lastAt = at + LEB128_BYTES_MAX;
    while (magicAt < lastAt && bytes[magicAt - 1]! >= 0x80) magicAt++;
  }
  // Nearly always decided here: every magic begins with one of two letters.
  const letter = bytes[magicAt]!;
  if (letter !== WORKOS_LETTER && letter !== COFFER_LETTER) return false;
  return beginsLikeMagic(bytes, magicAt, at + NONCE_BYTES);
}

/** The letters by which key blobs and native envelopes begin: numbers, since this is looked at for every message. */
const WORKOS_LETTER = WORKOS_MAGIC[0] as number;
const COFFER_LETTER = COFFER_MAGIC[0] as number;

/** Whether the bytes up to `end` are a magic, or the beginning of one. */
function beginsLikeMagic(bytes: Uint8Array, at: number, end: number): boolean {
  return [WORKOS_MAGIC, COFFER_MAGIC].some((magic) =>
    startsWithAt(bytes, magic.subarray(0, Math.min(magic.length, end - at)), at),
  );
}

/**
 * The policy of docs/spec/native-envelope.md section 9.
 *
 * @throws VaultError ERR_LAYOUT_NOT_ALLOWED for a layout that does not commit to its key
 */
export function checkCommitment(layout: Layout): void {
  if (layout === "native") return;
  throw new VaultError(
    "ERR_LAYOUT_NOT_ALLOWED",
    `the layout ${layout} does not commit to its key, which is required here`,
  );
}

/** Not the magic alone: the nonce of one WorkOS envelope in 2^32 begins like it. */
function isNativeAt(bytes: Uint8Array): boolean {
  if (!startsWithAt(bytes, NATIVE_MAGIC, 0)) return false;
  const length = decodeLeb128(bytes, FIXED_HEADER.length);
  return length !== undefined && keyBlobFormatAt(bytes, FIXED_HEADER.length + length.length) !== undefined;
}

function splitNative(bytes: Uint8Array): { envelope: Envelope; isCanonical: boolean } {
  const { keyBlob, bytes: saltAt } = parseNativeHeader(bytes);
  const chunksAt = saltAt + NATIVE_PREFIX_BYTES;
  const { plaintextBytes } = shapeOfChunks(bytes.length - chunksAt);
  if (plaintextBytes > PLAINTEXT_BYTES_MAX) throw holdsTooMuch();
  return {
    envelope: {
      layout: "native",
      keyBlob,
      nonce: bytes.subarray(saltAt, saltAt + NATIVE_SALT_BYTES),
      tag: bytes.subarray(saltAt + NATIVE_SALT_BYTES, chunksAt),
      ciphertext: bytes.subarray(chunksAt),
    },
    isCanonical: true,
  };
}

function checkLayouts(layouts: readonly Layout[]): void {
  // A string has includes() too, which would look for parts of it.
  if (!Array.isArray(layouts) || !layouts.every((layout) => LAYOUTS.includes(layout))) {
    throw invalidType(`layouts must be a list of ${LAYOUTS.join(", ")}`);
  }
}

function split(
  bytes: Uint8Array,
  layout: WorkosLayout,
  lenient: boolean,
): { envelope: Envelope; isCanonical: boolean } {
  const shape = SHAPES[layout];
  const length = decodeLeb128(bytes, shape.lengthAt)!; // detectLayout has read it
  if (!length.canonical && !lenient)
    throw malformed(layout, "the length of its key blob is not in shortest form");
  // All lengths are checked before anything is sliced: subarray would cut silently.
  const embeddedMax = shape.isBlobText ? Math.ceil(KEY_BLOB_BYTES_MAX / 3) * 4 : KEY_BLOB_BYTES_MAX;
  if (length.value > embeddedMax) throw malformed(layout, "its key blob is too large");
  const blobAt = shape.lengthAt + length.length;
  const restAt = blobAt + length.value;
  const restMin = shape.isBlobFirst ? shape.nonceBytes + TAG_BYTES : 0;
  if (bytes.length - restAt < restMin) throw malformed(layout, "it is cut off");
  const embedded = bytes.subarray(blobAt, restAt);
  const keyBlob = shape.isBlobText ? blobFromText(embedded, lenient) : { bytes: embedded, isCanonical: true };
  // A declared length may end inside the magic, and base64 has room for two bytes more than the largest blob.
  if (
    keyBlob === undefined ||
    keyBlob.bytes.length > KEY_BLOB_BYTES_MAX ||
    keyBlobFormatAt(keyBlob.bytes, 0) === undefined
  ) {
    throw malformed(layout, "its key blob is damaged or too large");
  }
  const [nonceAt, tagAt, ciphertextAt, ciphertextEnd] = shape.isBlobFirst
    ? [restAt, bytes.length - TAG_BYTES, restAt + shape.nonceBytes, bytes.length - TAG_BYTES]
    : [0, shape.nonceBytes, restAt, bytes.length];
  // With a smaller key blob it would fit into an envelope, but a splice could then make one that nobody reads.
  if (ciphertextEnd - ciphertextAt > PLAINTEXT_BYTES_MAX) throw holdsTooMuch();
  return {
    envelope: {
      layout,
      keyBlob: keyBlob.bytes,
      nonce: bytes.subarray(nonceAt, nonceAt + shape.nonceBytes),
      ciphertext: bytes.subarray(ciphertextAt, ciphertextEnd),
      tag: bytes.subarray(tagAt, tagAt + TAG_BYTES),
    },
    isCanonical: length.canonical && keyBlob.isCanonical,
  };
}

function blobFromText(
  embedded: Uint8Array,
  lenient: boolean,
): { bytes: Uint8Array; isCanonical: boolean } | undefined {
  const text = fromUtf8(embedded);
  if (text === undefined) return undefined;
  const strict = decodeBase64(text);
  if (strict !== undefined) return { bytes: strict, isCanonical: true };
  const bytes = lenient ? decodeBase64Lenient(text) : undefined;
  return bytes === undefined ? undefined : { bytes, isCanonical: false };
}

function holdsTooMuch(): VaultError {
  return new VaultError("ERR_ENVELOPE_TOO_LARGE", `ciphertext holds more than ${PLAINTEXT_BYTES_MAX} bytes`);
}

function malformed(layout: Layout, problem: string): VaultError {
  return new VaultError("ERR_ENVELOPE_MALFORMED", `malformed ciphertext (layout ${layout}): ${problem}`);
}

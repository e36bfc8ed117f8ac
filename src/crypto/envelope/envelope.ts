/**
 * Envelopes: text to parts and back, whatever the layout (docs/spec/envelope.md for the four of WorkOS,
 * docs/spec/native-envelope.md for coffer's own).
 *
 * Owns what all layouts have in common; the only parser there is. Knows no keys, no AEAD and no network: it either
 * returns parts that lie inside the input or throws a parse error. The layouts are rows in layouts.ts.
 *
 * @module
 */

import { decodeBase64, decodeBase64Lenient, encodeBase64 } from "../../base/base64.ts";
import { type Bytes, startsWithAt, typeName } from "../../base/bytes.ts";
import { LEB128_BYTES_MAX } from "../../base/leb128.ts";
import type { Slab } from "../../base/memory.ts";
import { optionNames } from "../../base/options.ts";
import { invalidType, VaultError } from "../../errors.ts";
import { COFFER_MAGIC, KEY_BLOB_MAGICS, WORKOS_MAGIC } from "../keys/key-blob.ts";
import { ENVELOPE_BYTES_MAX, NONCE_BYTES } from "../limits.ts";
import { claimsNative, NATIVE_MAGIC, parseNativeHeader } from "../native/format.ts";
import { checkCommitment, checkLayouts, detectLayout, joinAs, type Layout, splitAs } from "./layouts.ts";
import type { EnvelopeParts } from "./parts.ts";

/** An envelope, taken apart. */
export interface Envelope extends EnvelopeParts {
  readonly layout: Layout;
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
export const PARSE_OPTIONS = /* @__PURE__ */ optionNames<ParseOptions>({
  layouts: true,
  requireCommitment: true,
  lenient: true,
});

/**
 * Takes the text of an envelope apart. Touches no key and makes no request.
 *
 * @param text - base64, at most 64 MiB and 192 KiB of bytes
 * @param slab - gives the parts' memory; default memory of their own
 * @returns parts that are views of one array
 * @throws TypeError ERR_INVALID_ARGUMENT unless it is a string, and `layouts` a list of layouts
 * @throws VaultError ERR_ENVELOPE_TOO_LARGE, ERR_NOT_CIPHERTEXT (not base64, or no layout's magic),
 *   ERR_ENVELOPE_MALFORMED (a layout's magic, but cut off or not canonical), ERR_ENVELOPE_UNSUPPORTED (native, of an
 *   unknown version, suite or flag), ERR_LAYOUT_NOT_ALLOWED
 */
export function parseEnvelope(text: string, options: ParseOptions = {}, slab?: Slab): ParsedEnvelope {
  if (typeof text !== "string") throw invalidType(`ciphertext must be a string, got ${typeName(text)}`);
  const { layouts } = options;
  if (layouts !== undefined) checkLayouts(layouts);
  if (text.length > Math.ceil(ENVELOPE_BYTES_MAX / 3) * 4) {
    throw new VaultError("ERR_ENVELOPE_TOO_LARGE", `ciphertext has more than ${ENVELOPE_BYTES_MAX} bytes`);
  }
  const lenient = options.lenient === true;
  const strict = decodeBase64(text, undefined, slab);
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
  const { parts, isCanonical } = splitAs(layout, bytes, lenient);
  return { layout, ...parts, isCanonical: isCanonical && strict !== undefined };
}

/** The canonical text of an envelope's parts. @param slab - gives the memory that this takes meanwhile */
export function serializeEnvelope(envelope: Envelope, slab?: Slab): string {
  return encodeBase64(joinAs(envelope.layout, envelope, slab));
}

/** The bytes of an envelope's parts: what {@link serializeEnvelope} encodes. */
export function serializeEnvelopeBytes(envelope: Envelope): Bytes {
  return joinAs(envelope.layout, envelope);
}

/**
 * Whether an envelope that begins with its nonce (`iv12`, `dotnet`) may be one of a layout that is looked for before
 * those: by this nonce, whatever follows it. Where this is false, detection never says `native` or `leb-first`.
 *
 * @param at - where the nonce begins
 */
export function claimsEarlierLayout(bytes: Uint8Array, at: number): boolean {
  // Nearly always decided here: every magic begins with one of two letters, behind a length of at most five bytes.
  return hasMagicLetter(bytes, at) && (startsWithAt(bytes, NATIVE_MAGIC, at) || hasMagic(bytes, at));
}

/** Whether one of the first six bytes is a letter that a magic begins with: of random ones nearly never, so that it is guessed right. */
function hasMagicLetter(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i <= at + LEB128_BYTES_MAX; i++) {
    if (bytes[i] === WORKOS_LETTER || bytes[i] === COFFER_LETTER) return true;
  }
  return false;
}

/** Whether a length in LEB128 is followed by a magic, or as much of one as the nonce has. */
function hasMagic(bytes: Uint8Array, at: number): boolean {
  const lastAt = at + LEB128_BYTES_MAX;
  let magicAt = at + 1;
  while (magicAt < lastAt && bytes[magicAt - 1]! >= 0x80) magicAt++;
  return beginsLikeMagic(bytes, magicAt, at + NONCE_BYTES);
}

/** The letters by which key blobs and native envelopes begin: numbers, since this is looked at for every message. */
const WORKOS_LETTER = /* @__PURE__ */ (() => WORKOS_MAGIC[0] as number)();
const COFFER_LETTER = /* @__PURE__ */ (() => COFFER_MAGIC[0] as number)();

/** Whether the bytes up to `end` are a magic, or the beginning of one. */
function beginsLikeMagic(bytes: Uint8Array, at: number, end: number): boolean {
  return KEY_BLOB_MAGICS.some((magic) =>
    startsWithAt(bytes, magic.subarray(0, Math.min(magic.length, end - at)), at),
  );
}

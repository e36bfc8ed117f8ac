/**
 * What a stored value looks like: a ciphertext of coffer or WorkOS, one of somebody else's format, or plaintext.
 *
 * Owns the shapes of foreign formats. Nothing is opened and no key is needed, so all of it is a guess from the first characters;
 * only an envelope is taken apart. Must not know where values are stored.
 *
 * @module
 */
import { decodeBase64 } from "../../base/base64.ts";
import { decodeInto } from "../../base/base64-buffer.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import { codingBuffer } from "../../base/coding-buffer.ts";
import { detectLayout, type Layout, splitAs } from "../../crypto/envelope/layouts.ts";
import { isVaultError } from "../../errors.ts";

/** What a value is taken for. */
export type Recognised =
  | { readonly kind: "empty" | "plaintext" | "opaque" }
  | { readonly kind: "foreign"; readonly format: ForeignFormat }
  | { readonly kind: "damaged" }
  | {
      readonly kind: "ciphertext";
      readonly layout: Layout;
      /** The wrapped data key, until the next value is looked at. */
      readonly keyBlob: Uint8Array;
    };

/** Formats that are told by their shape, a row each: how their texts begin, or what they are made of. */
const FOREIGN = [
  // OpenSSL's "Salted__" in base64, as crypto-js writes it.
  { format: "crypto-js", shape: /^U2FsdGVkX1[89+/]/ },
  // github.com/fernet/spec: version 0x80 and the high bytes of a 64-bit time, base64url.
  { format: "fernet", shape: /^gAAAA[A-Za-z0-9_-]{95,}={0,2}$/ },
  { format: "cloak", shape: /^v1\.aesgcm256\.[0-9a-f]{8}\./ },
  // Base64 of `{"iv":`, the payload of Laravel's encrypter.
  { format: "laravel", shape: /^eyJpdiI6/ },
  { format: "transit", shape: /^vault:v[1-9][0-9]*:/ },
  { format: "iron", shape: /^Fe26\.2\*/ },
  { format: "rails", shape: /^\{"p":"[^"]*","h":\{/ },
  // RFC 7516 section 7.1: five parts, of which the first is a JSON object.
  { format: "jwe", shape: /^eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/ },
  { format: "age", shape: /^(?:age-encryption\.org\/v1|-----BEGIN AGE ENCRYPTED FILE-----)/ },
  { format: "pgp", shape: /^-----BEGIN PGP MESSAGE-----/ },
  { format: "ansible-vault", shape: /^\$ANSIBLE_VAULT;/ },
  { format: "sops", shape: /^ENC\[AES256_GCM,/ },
  { format: "dotenvx", shape: /^encrypted:[A-Za-z0-9+/]/ },
  // Hand-written: nonce, tag and ciphertext, or nonce and ciphertext, as hexadecimal or base64 with colons or dots between.
  {
    format: "parts",
    shape: /^(?:[0-9A-Fa-f]{24}|[0-9A-Fa-f]{32}):(?:[0-9A-Fa-f]{32}:)?(?:[0-9A-Fa-f]{2})*$/,
  },
  {
    format: "parts",
    shape: /^[A-Za-z0-9+/]{16}(?:[A-Za-z0-9+/]{6}==)?[:.][A-Za-z0-9+/]+={0,2}(?:[:.][A-Za-z0-9+/]+={0,2})?$/,
  },
] as const satisfies readonly { readonly format: string; readonly shape: RegExp }[];

/** A format of other programs. */
export type ForeignFormat = (typeof FOREIGN)[number]["format"];

/** Any of them: most values are none, and this one pass says so. */
const ANY_FOREIGN = new RegExp(FOREIGN.map(({ shape }) => `(?:${shape.source})`).join("|"));

/** Base64 or hexadecimal digits only: what shorter texts of these are, names and numbers are too. */
const OPAQUE = /^(?:[A-Za-z0-9+/]{40,}={0,2}|[A-Za-z0-9_-]{43,}={0,2}|(?:[0-9a-f]{2}){20,})$/i;

/** Characters that an envelope has at least: nonce, tag, length and a magic in base64, 12 + 16 + 1 + 11 bytes. */
const ENVELOPE_CHARS_MIN = 56;

/** Characters that an opaque text has at least, as {@link OPAQUE} has it. */
const OPAQUE_CHARS_MIN = 40;

/** Characters in which the key blob of a context of up to two entries ends, in every layout. A multiple of 4. */
const SHORT_HEAD_CHARS = 320;

/** Characters in which most envelopes have their key blob; the others are decoded whole. A multiple of 4. */
const HEAD_CHARS = 512;

const PLAINTEXT: Recognised = { kind: "plaintext" };
const OPAQUE_TEXT: Recognised = { kind: "opaque" };

/**
 * Tells what a value looks like.
 *
 * @param value - text or bytes; of a long one its beginning, see `size`
 * @param size - bytes or characters of the whole value, where `value` is its beginning only
 */
export function recognise(value: string | Uint8Array, size = value.length): Recognised {
  if (size === 0) return { kind: "empty" };
  return typeof value === "string" ? recogniseText(value) : recogniseBytes(value, size);
}

function recogniseText(text: string): Recognised {
  const found = text.length < ENVELOPE_CHARS_MIN ? undefined : envelopeOfText(text);
  if (found !== undefined) return found;
  if (ANY_FOREIGN.test(text)) {
    return { kind: "foreign", format: FOREIGN.find(({ shape }) => shape.test(text))!.format };
  }
  return text.length >= OPAQUE_CHARS_MIN && OPAQUE.test(text) ? OPAQUE_TEXT : PLAINTEXT;
}

function recogniseBytes(bytes: Uint8Array, size: number): Recognised {
  const found = envelopeOf(bytes);
  if (found !== undefined) return found;
  const text = textOf(bytes, size);
  return text === undefined ? { kind: "opaque" } : recogniseText(text);
}

/** Bytes as text; a beginning may end within a character, which has at most 4 bytes (RFC 3629 section 3). */
function textOf(bytes: Uint8Array, size: number): string | undefined {
  const cut = size > bytes.length ? 3 : 0;
  for (let less = 0; less <= cut; less += 1) {
    const text = fromUtf8(bytes.subarray(0, bytes.length - less));
    if (text !== undefined) return text;
  }
  return undefined;
}

/** The envelope whose base64 a text is, or of which it is the beginning; undefined if it is none. */
function envelopeOfText(text: string): Recognised | undefined {
  // So short a text is not the beginning of a longer one: it is base64 as a whole, or none.
  if (text.length <= HEAD_CHARS && text.length % 4 !== 0) return undefined;
  let found: Recognised | undefined;
  for (const chars of [SHORT_HEAD_CHARS, HEAD_CHARS, text.length - (text.length % 4)]) {
    const bytes = bytesOf(text.length > chars ? text.slice(0, chars) : text);
    if (bytes === undefined) return found;
    found = envelopeOf(bytes);
    // Else its key blob does not end in the head.
    if (found?.kind !== "damaged" || text.length <= chars) return found;
  }
  return found;
}

/** Memory for the heads of envelopes: an array for each would cost as much as all the rest. */
const SCRATCH = codingBuffer(Buffer.alloc((HEAD_CHARS / 4) * 3));
/** Of the scratch memory, as long as the last head: most are of one length. */
let head = new Uint8Array(SCRATCH.buffer, SCRATCH.byteOffset, 0);

/** Bytes of strict base64, until the next call; undefined for anything else. */
function bytesOf(text: string): Uint8Array | undefined {
  if (text.length > HEAD_CHARS) return decodeBase64(text);
  const length = decodeInto(SCRATCH, text, 0);
  if (length === undefined) return undefined;
  if (head.length !== length) head = new Uint8Array(SCRATCH.buffer, SCRATCH.byteOffset, length);
  return head;
}

/** Takes the wrapped data key out of an envelope or its beginning; what follows the key is not looked at. */
function envelopeOf(bytes: Uint8Array): Recognised | undefined {
  const layout = detectLayout(bytes);
  if (layout === undefined) return undefined;
  try {
    return { kind: "ciphertext", layout, keyBlob: splitAs(layout, bytes, false).parts.keyBlob };
  } catch (error) {
    if (!isVaultError(error)) throw error;
    return { kind: "damaged" };
  }
}

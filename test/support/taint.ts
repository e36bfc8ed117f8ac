/**
 * Canaries: secrets that are looked for, in every usual encoding, in everything that comes out somewhere.
 *
 * Owns the encodings and the search. Must not know where what it is given came from.
 *
 * @module
 */
import { randomBytes } from "node:crypto";

/** A secret, and what it is, for people. */
export interface Canary {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What was found: never the secret itself. */
export interface Trace {
  readonly sink: string;
  readonly canary: string;
  readonly encoding: string;
}

/** Characters of a base64 text that depend on what stands beside the bytes, by the bytes' offset in a group of three. */
const BASE64_LEAD = [0, 2, 3] as const;

/** A text that stands nowhere else: 24 random digits. */
export function canaryText(prefix: string): string {
  return `${prefix}-${randomBytes(12).toString("hex")}`;
}

/** The canary of a text. */
export const ofText = (name: string, text: string): Canary => ({ name, bytes: Buffer.from(text) });

/** Every form in which bytes may stand in a file or a text, as bytes. */
export function encodingsOf(bytes: Uint8Array): { readonly encoding: string; readonly needle: Buffer }[] {
  const raw = Buffer.from(bytes);
  const hex = raw.toString("hex");
  const texts: [string, string][] = [
    ["hex", hex],
    ["upper hex", hex.toUpperCase()],
    ["percent hex", hex.toUpperCase().replace(/../g, "%$&")],
    ["spaced hex", hex.replace(/..(?!$)/g, "$& ")],
    ["list", [...raw].join(", ")],
    ["JSON list", [...raw].join(",")],
    ["escaped bytes", hex.replace(/../g, "\\x$&")],
  ];
  // Inside a longer base64 text the bytes begin at one of three places; what depends on their neighbours is left away.
  for (const [offset, lead] of BASE64_LEAD.entries()) {
    const shifted = Buffer.concat([Buffer.alloc(offset), raw]).toString("base64");
    const tail = (offset + raw.length) % 3 === 0 ? 0 : 4;
    const inner = shifted.slice(lead, shifted.length - tail);
    texts.push([`base64 at ${offset}`, inner]);
    texts.push([`base64url at ${offset}`, inner.replaceAll("+", "-").replaceAll("/", "_")]);
  }
  const found = texts.map(([encoding, text]) => ({ encoding, needle: Buffer.from(text) }));
  found.push({ encoding: "raw", needle: raw });
  const text = raw.toString("utf8");
  // Only what is text has forms of text.
  if (Buffer.from(text).equals(raw)) {
    const utf16 = Buffer.from(text, "utf16le");
    found.push({ encoding: "UTF-16LE", needle: utf16 });
    found.push({ encoding: "UTF-16BE", needle: Buffer.from(utf16).swap16() });
    found.push({ encoding: "reversed", needle: Buffer.from([...text].reverse().join("")) });
    const units = [...utf16.toString("hex").matchAll(/(..)(..)/g)].map(([, low, high]) => `${high}${low}`);
    found.push({ encoding: "JSON escapes", needle: Buffer.from(units.map((unit) => `\\u${unit}`).join("")) });
    found.push({
      encoding: "character references",
      needle: Buffer.from([...raw].map((byte) => `&#${byte};`).join("")),
    });
  }
  return found;
}

/** Looks for canaries in what came out at a place. */
export function tracesIn(sink: string, out: string | Uint8Array, canaries: readonly Canary[]): Trace[] {
  const haystack = typeof out === "string" ? Buffer.from(out) : Buffer.from(out);
  return canaries.flatMap((canary) =>
    encodingsOf(canary.bytes)
      .filter(({ needle }) => haystack.includes(needle))
      .map(({ encoding }) => ({ sink, canary: canary.name, encoding })),
  );
}

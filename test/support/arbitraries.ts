/**
 * What property tests draw from: texts, bytes, layouts, key blobs, contexts.
 *
 * Owns the generators. Each leans to the values at which implementations differ.
 *
 * @module
 */
import fc from "fast-check";
import { ascii, concatBytes } from "../../src/base/bytes.ts";
import type { Layout, WritableLayout } from "../../src/crypto/envelope/layouts.ts";

/** Any string of Unicode scalar values, often with a byte order mark in front or inside. */
export const wellFormedText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom("", "", "\u{feff}", "\u{feff}\u{feff}"),
    fc.string({ unit: "binary", maxLength: 200 }),
  )
  .map(([start, rest]) => start + rest);

export const anyBytes: fc.Arbitrary<Uint8Array> = fc.uint8Array({ maxLength: 300 });

/** Text or bytes: what `encrypt` takes. */
export const anyData: fc.Arbitrary<string | Uint8Array> = fc.oneof(wellFormedText, anyBytes);

export const anyAssociatedData: fc.Arbitrary<string | Uint8Array | undefined> = fc.oneof(
  fc.constant(undefined),
  fc.constant(""),
  wellFormedText,
  anyBytes,
);

export const writableLayout: fc.Arbitrary<WritableLayout> = fc.constantFrom("iv12", "leb-first", "dotnet");
export const anyLayout: fc.Arbitrary<Layout> = fc.constantFrom("iv12", "iv32", "leb-first", "dotnet");

/** Bytes that begin with a known magic; sizes around the steps of LEB128. */
export const keyBlob: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.constantFrom("WOS.EKM.v1\0", "CFR.EKM.v1\0"),
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(0, 116, 117, 16372, 16373).map((length) => new Uint8Array(length).fill(0x5a)),
    ),
  )
  .map(([magic, rest]) => concatBytes(ascii(magic), rest));

/** A valid context. A small alphabet makes neighbours likely that a careless encoding would merge. */
export const keyContext: fc.Arbitrary<Record<string, string>> = contexts(
  fc.oneof(
    fc.string({
      unit: fc.constantFrom("a", "b", "=", "&", "\0", "\u{10000}", "\u{ff61}"),
      minLength: 1,
      maxLength: 4,
    }),
    fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
    fc.nat({ max: 30 }).map(String),
  ),
);

function contexts(text: fc.Arbitrary<string>): fc.Arbitrary<Record<string, string>> {
  return fc
    .uniqueArray(fc.tuple(text, text), { minLength: 1, maxLength: 10, selector: ([name]) => name })
    .filter((entries) => entries.every(([name]) => name !== "__proto__" && !name.startsWith("coffer:")))
    .map((entries) => Object.fromEntries(entries));
}

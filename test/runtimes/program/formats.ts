/**
 * The small formats: key contexts, strict base64, LEB128, XAES-256-GCM, hashes.
 *
 * Portable; must not know envelopes.
 *
 * @module
 */
import { decodeBase64, decodeBase64Lenient, encodeBase64 } from "../../../src/base/base64.ts";
import { portableBase64 } from "../../../src/base/base64-portable.ts";
import { fromHex, toHex } from "../../../src/base/bytes.ts";
import { decodeLeb128, encodeLeb128 } from "../../../src/base/leb128.ts";
import { canonicalContext, type KeyContext, parseKeyContext } from "../../../src/crypto/index.ts";
import { hash } from "../../../src/crypto/primitives/hash.ts";
import { nobleHash } from "../../../src/crypto/primitives/hash-noble.ts";
import { uuidFromText, uuidToText, uuidV5 } from "../../../src/crypto/primitives/uuid.ts";
import { COMMITMENT_BYTES, kcXaesOpen, kcXaesSeal } from "../../../src/crypto/primitives/xaes.ts";
import type { ContextVector } from "../report.ts";
import { codeOf } from "./checks.ts";
import { byteStream, type Context } from "./context.ts";

/** The example of docs/spec/key-context.md. */
const EXAMPLE = { organization_id: "org_1", env: "prod" };
const EXAMPLE_HEX =
  "637478310000000200000003656e760000000470726f640000000f6f7267616e697a6174696f6e5f6964000000056f72675f31";

/** RFC 4648 section 10. */
const BASE64 = [
  ["", ""],
  ["f", "Zg=="],
  ["fo", "Zm8="],
  ["foo", "Zm9v"],
  ["foob", "Zm9vYg=="],
  ["fooba", "Zm9vYmE="],
  ["foobar", "Zm9vYmFy"],
] as const;

/** Not the base64 of anything: bits behind the end, white space, another alphabet, wrong padding. */
const NOT_BASE64 = [
  "Zh==",
  "Zm9=",
  "Zg",
  "Zg=",
  "Z===",
  "Zm9v\n",
  " Zm9v",
  "Zm 9v",
  "-_-_",
  "Zg==Zg==",
  "ä===",
];

export function checkContexts({ checks, input }: Context): void {
  checks.same(toHex(canonicalContext(EXAMPLE).bytes), EXAMPLE_HEX, "the example of the specification");
  const formOf = (side: KeyContext | undefined, json: string | undefined): string => {
    try {
      return toHex(canonicalContext(json === undefined ? side! : parseKeyContext(json)).bytes);
    } catch (error) {
      return codeOf(error);
    }
  };
  const refused = "ERR_KEY_CONTEXT_INVALID";
  const wrong: unknown[] = [
    {},
    { a: "" },
    { "": "a" },
    { a: 1 },
    [],
    null,
    "a",
    { a: "\ud800" },
    { "\udc00": "a" },
  ];
  wrong.push({ a: "x".repeat(501) }, { ["x".repeat(121)]: "a" });
  for (const context of wrong)
    checks.same(formOf(context as KeyContext, undefined), refused, "a wrong context");
  // Sorted by UTF-8, not by UTF-16: U+FF5E comes before U+1F510 though its code unit is the larger one.
  const { entries } = canonicalContext({ "\u{1f510}": "1", "\u{ff5e}": "2", b: "3", B: "4", é: "5" });
  checks.same(
    entries.map(({ name }) => name),
    ["B", "b", "é", "\u{ff5e}", "\u{1f510}"],
    "order of names",
  );
  for (const vector of input.vectors.context) checkContext(vector);

  function checkContext(vector: ContextVector): void {
    const { why, a, b, a_json, b_json, same, reject, sort_utf8, expected } = vector;
    if (sort_utf8 !== undefined) {
      const canonical = canonicalContext(Object.fromEntries(sort_utf8.map((name) => [name, "x"])));
      checks.same(
        canonical.entries.map(({ name }) => name),
        expected,
        why,
      );
      return;
    }
    const first = formOf(a, a_json);
    if (reject === true) checks.same(first, refused, why);
    else if (same === true) checks.ok(first !== refused && first === formOf(b, b_json), why);
    else checks.ok(first === refused || first !== formOf(b, b_json), why);
  }
}

export function checkBase64({ checks, input }: Context): void {
  const { accept, reject } = input.vectors.base64;
  const known = BASE64.map(([plain, text]) => ({ text, hex: toHex(new TextEncoder().encode(plain)) }));
  for (const { text, hex } of [...known, ...accept]) {
    for (const decode of [
      decodeBase64,
      (text: string) => decodeBase64(text, portableBase64),
      decodeBase64Lenient,
    ]) {
      checks.same(toHex(decode(text) ?? Uint8Array.of(1, 2, 3)), hex, `"${text}"`);
    }
    for (const encode of [encodeBase64, portableBase64.encode]) checks.same(encode(fromHex(hex)), text, hex);
  }
  for (const text of [...NOT_BASE64, ...reject.map((item) => item.text)]) {
    for (const decode of [decodeBase64, (text: string) => decodeBase64(text, portableBase64)]) {
      checks.same(decode(text)?.length, undefined, `"${text}"`);
    }
  }
  const next = byteStream(7);
  for (let length = 0; length < 300; length++) {
    const bytes = next(length);
    const text = encodeBase64(bytes);
    checks.same(portableBase64.encode(bytes), text, `${length} bytes`);
    checks.bytes(decodeBase64(text)!, bytes, `${length} bytes`);
    checks.bytes(decodeBase64(text, portableBase64)!, bytes, `${length} bytes`);
  }
  const long = next(200_001);
  checks.bytes(decodeBase64(encodeBase64(long))!, long, "200,001 bytes");
}

export function checkLeb128({ checks, input }: Context): void {
  const known = [
    { hex: "00", value: 0 },
    { hex: "7f", value: 127 },
    { hex: "ce01", value: 206 },
    { hex: "ffffffff0f", value: 0xffffffff },
    { hex: "8000", value: null },
    { hex: "ffffffff1f", value: null },
    { hex: "80", value: null },
  ];
  for (const { hex, value } of [...known, ...input.vectors.leb128]) {
    const read = decodeLeb128(fromHex(hex), 0);
    const strict = read?.canonical === true && 2 * read.length === hex.length ? read.value : null;
    checks.same(strict, value, hex);
    if (value !== null) checks.same(toHex(encodeLeb128(value)), hex, `${value}`);
  }
}

export async function checkXaes({ checks, input, availableSync }: Context): Promise<void> {
  const next = byteStream(8);
  const [key, nonce, plaintext, aad] = [next(32), next(24), next(100), next(9)];
  const expected = kcXaesSeal(availableSync.at(-1)!, key, nonce, plaintext, aad);
  for (const provider of availableSync) {
    for (const vector of input.vectors.xaes) {
      const [k, n, a, p] = [vector.key, vector.nonce, vector.aad, vector.plaintext].map(fromHex) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ];
      if (vector.sealed !== "")
        checks.same(
          toHex(kcXaesSeal(provider, k, n, p, a).subarray(0, -COMMITMENT_BYTES)),
          vector.sealed,
          provider.name,
        );
      if (vector.committed === "") continue;
      const sealed = kcXaesSeal(provider, k, n, p, a);
      checks.same(toHex(sealed), vector.committed, provider.name);
      checks.bytes(kcXaesOpen(provider, k, n, sealed, a), p, provider.name);
    }
    checks.bytes(kcXaesSeal(provider, key, nonce, plaintext, aad), expected, `${provider.name} alike`);
    const sealed = Uint8Array.from(expected);
    for (let at = 0; at < sealed.length; at++) {
      sealed[at]! ^= 0x10;
      const open = (): unknown => kcXaesOpen(provider, key, nonce, sealed, aad);
      await checks.refuses("ERR_DECRYPT_FAILED", open, `${provider.name}: byte ${at}`);
      sealed[at]! ^= 0x10;
    }
  }
}

/** What the runtime hashes with, against JavaScript, and one answer from outside. */
export function checkHashes({ checks }: Context): void {
  const next = byteStream(9);
  for (const length of [0, 1, 55, 56, 63, 64, 65, 111, 112, 128, 1000]) {
    const bytes = next(length);
    checks.bytes(hash.sha256(bytes), nobleHash.sha256(bytes), `SHA-256 of ${length}`);
    checks.bytes(hash.sha1(bytes), nobleHash.sha1(bytes), `SHA-1 of ${length}`);
    for (const algorithm of ["sha256", "sha512"] as const) {
      const key = next(32);
      const what = `${algorithm} of ${length}`;
      checks.bytes(hash.hmac(algorithm, key, bytes), nobleHash.hmac(algorithm, key, bytes), what);
      const [salt, info] = [next(24), next(10)];
      const derived = hash.hkdf(algorithm, bytes, salt, info, 70);
      checks.bytes(derived, nobleHash.hkdf(algorithm, bytes, salt, info, 70), what);
    }
  }
  // RFC 9562 appendix A.4.
  const dns = uuidFromText("6ba7b810-9dad-11d1-80b4-00c04fd430c8")!;
  const name = new TextEncoder().encode("www.example.com");
  checks.same(uuidToText(uuidV5(dns, name)), "2ed6657d-e927-568b-95e1-2665a8aea6a2", "UUIDv5");
  checks.same(uuidToText(uuidV5(dns, name, nobleHash)), "2ed6657d-e927-568b-95e1-2665a8aea6a2", "UUIDv5");
}

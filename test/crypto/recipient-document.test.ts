/** Recipient documents: what is signed, and every way in which one is refused. */
import { createPublicKey, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import {
  checkExpected,
  checkMoment,
  isSignedRight,
  isSignedRightSync,
  RECIPIENT_DOCUMENT_CHARS_MAX,
  type RecipientDocument,
  readRecipient,
} from "../../src/crypto/sealed/recipient-document.ts";
import { base64, concat, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { CONTEXT, DAY_MS, ISSUED_AT, makeRecipient, TOOLS, VALID_AT } from "../support/recipients.ts";
import { signedPlain, signPlain } from "../support/sealed-plain.ts";

const { document } = makeRecipient({ version: 2 });
const INVALID = { code: "ERR_RECIPIENT_INVALID" };
const isRight = async (given: RecipientDocument | string) => {
  const recipient = readRecipient(given);
  const answer = await isSignedRight(recipient, TOOLS);
  expect(isSignedRightSync(recipient, TOOLS)).toBe(answer);
  return answer;
};

describe("the signature", () => {
  test("of an environment-wide recipient covers another label and no context ([SDK-41])", () => {
    const { document: wide } = makeRecipient({ version: 2, context: null });
    expect(wide).toMatchObject({ type: "coffer-environment-recipient-v1", context: null });
    const part = { ...readRecipient(document), context: new Uint8Array(0), suite: 1 };
    const signed = signedPlain(part, "coffer/v1/environment-recipient\0");
    const signature = signPlain(new Uint8Array(32).fill(1), signed);
    expect(wide.signature).toBe(base64(signature));
  });

  test("covers the bytes of the page ([SDK-9])", () => {
    const context = canonicalContext(CONTEXT).bytes;
    const u64 = (value: number) => Buffer.from(BigInt(value).toString(16).padStart(16, "0"), "hex");
    const u32 = (value: number) => Buffer.from(value.toString(16).padStart(8, "0"), "hex");
    const publicKey = fromBase64(document.public_key);
    const signed = concat(
      utf8Bytes("coffer/v1/recipient\0"),
      Uint8Array.of(1),
      Buffer.from(document.id.replaceAll("-", ""), "hex"),
      u32(2),
      u64(ISSUED_AT),
      u64(ISSUED_AT + 90 * DAY_MS),
      u32(context.length),
      context,
      u32(publicKey.length),
      publicKey,
    );
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(document.signer, "base64").toString("base64url") },
      format: "jwk",
    });
    expect(verify(null, signed, key, fromBase64(document.signature))).toBe(true);
  });

  test("is right for the document as it was made, also as text with other white space ([SDK-9])", async () => {
    expect(await isRight(document)).toBe(true);
    expect(await isRight(JSON.stringify(document, null, 4))).toBe(true);
    const backwards = Object.fromEntries(Object.entries(document).reverse()) as never as RecipientDocument;
    expect(await isRight(backwards)).toBe(true);
  });

  test.each([
    ["another id", { id: "02020202-0202-4202-8202-020202020202" }],
    ["another version", { version: 1 }],
    ["another context", { context: { organization_id: "org_2" } }],
    ["a swapped key", { public_key: makeRecipient({ number: 9 }).document.public_key }],
    ["an earlier beginning", { issued_at: new Date(ISSUED_AT - 1).toISOString() }],
    ["a later end", { expires_at: new Date(ISSUED_AT + 91 * DAY_MS).toISOString() }],
    ["another signer", { signer: makeRecipient({ signingNumber: 2 }).document.signer }],
    ["another's signature", { signature: makeRecipient({ number: 3 }).document.signature }],
  ])("is wrong with %s ([SDK-10])", async (_, change) => {
    expect(await isRight({ ...document, ...change } as RecipientDocument)).toBe(false);
  });
});

describe("a document is refused ([SDK-10], [SDK-14])", () => {
  test.each([
    ["no member of one", {}],
    ["another type", { ...document, type: "coffer-recipient-v2" }],
    ["one member too many", { ...document, note: "x" }],
    ["an id in capitals", { ...document, id: "AAAAAAAA-0101-4101-8101-010101010101" }],
    ["an id that is no text", { ...document, id: 1 }],
    ["version 0", { ...document, version: 0 }],
    ["version 2^32", { ...document, version: 2 ** 32 }],
    ["a version as text", { ...document, version: "1" }],
    ["an unknown suite", { ...document, suite: "p256" }],
    ["a suite of every object", { ...document, suite: "constructor" }],
    ["an empty context", { ...document, context: {} }],
    ["a public key that is too short", { ...document, public_key: base64(new Uint8Array(31)) }],
    ["a public key that is no text", { ...document, public_key: null }],
    ["a public key of low order", { ...document, public_key: base64(new Uint8Array(32)) }],
    ["a public key of another suite", { ...document, suite: "x-wing" }],
    ["a time without milliseconds", { ...document, issued_at: "2026-11-27T00:00:00Z" }],
    ["a time with another zone", { ...document, issued_at: "2026-11-27T00:00:00.000+00:00" }],
    ["a time that is none", { ...document, expires_at: "soon" }],
    ["a time that is no text", { ...document, expires_at: 1 }],
    ["a time before 1970", { ...document, issued_at: "1969-12-31T23:59:59.999Z" }],
    ["an end before its beginning", { ...document, expires_at: document.issued_at }],
    ["an end after 400 days", { ...document, expires_at: new Date(ISSUED_AT + 401 * DAY_MS).toISOString() }],
    ["a signer of another length", { ...document, signer: "AAAA" }],
    ["a signature of another length", { ...document, signature: document.signer }],
    ["text that is no JSON", "{"],
    ["text that is too long", " ".repeat(RECIPIENT_DOCUMENT_CHARS_MAX + 1)],
  ])("%s", (_, given) => {
    expect(errorOf(() => readRecipient(given as never))).toMatchObject(INVALID);
  });

  test.each([[null], [1], [undefined]])("%s is no document at all", (given) => {
    expect(errorOf(() => readRecipient(given as never))).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("what a getter of its context throws is thrown on", () => {
    const context = {
      get organization_id(): string {
        throw new RangeError("mine");
      },
    };
    expect(errorOf(() => readRecipient({ ...document, context }))).toMatchObject({ message: "mine" });
  });
});

describe("what a caller expects", () => {
  const recipient = readRecipient(document);

  test("the signer ([SDK-11])", () => {
    checkExpected(recipient, undefined, undefined);
    checkExpected(recipient, document.signer, undefined);
    const other = makeRecipient({ signingNumber: 2 }).document.signer;
    expect(errorOf(() => checkExpected(recipient, other, undefined))).toMatchObject(INVALID);
    for (const wrong of ["x", 1, base64(new Uint8Array(31))]) {
      expect(errorOf(() => checkExpected(recipient, wrong as never, undefined))).toMatchObject({
        code: "ERR_INVALID_ARGUMENT",
      });
    }
  });

  test("the lowest version ([SDK-12])", () => {
    checkExpected(recipient, undefined, 2);
    expect(errorOf(() => checkExpected(recipient, undefined, 3))).toMatchObject(INVALID);
    expect(errorOf(() => checkExpected(recipient, undefined, 1.5))).toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
  });

  test("a moment at which it is valid ([SDK-12])", () => {
    const end = ISSUED_AT + 90 * DAY_MS;
    for (const now of [VALID_AT, ISSUED_AT, ISSUED_AT - 5 * 60_000, end - 1]) checkMoment(recipient, now);
    for (const now of [ISSUED_AT - 5 * 60_000 - 1, end, Number.NaN]) {
      expect(errorOf(() => checkMoment(recipient, now))).toMatchObject({ code: "ERR_RECIPIENT_EXPIRED" });
    }
  });
});

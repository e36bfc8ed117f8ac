/** One message in the native format: docs/spec/native-envelope.md, rule by rule, one-shot. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { inspect, inspectNative, isCiphertext, splice } from "../../src/crypto/envelope/inspect.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localDecrypt, localDecryptSync, localEncrypt, localEncryptSync } from "../../src/crypto/local.ts";
import { readNativeHeader, shapeOfChunks, shapeOfPlaintext } from "../../src/crypto/native/format.ts";
import {
  nativeDecrypt,
  nativeDecryptSync,
  nativeEncrypt,
  nativeEncryptSync,
  openDetachedSync,
  sealDetachedSync,
} from "../../src/crypto/native/one-shot.ts";
import { anyAssociatedData, anyData, keyBlob } from "../support/arbitraries.ts";
import { base64, concat, flipBit, fromBase64, hex, seededBytes, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import {
  CHUNK,
  derivePlain,
  joinPlain,
  lebPlain,
  type PlainParts,
  partsPlain,
  sealChunksPlain,
} from "../support/native.ts";
import { nativeExample } from "../support/native-example.ts";
import { PROVIDER_NAMES, SYNC_PROVIDER_NAMES } from "../support/providers.ts";
import {
  SAMPLE_1,
  SAMPLE_2,
  SAMPLE_ASSOCIATED_DATA,
  SAMPLE_ENVELOPES,
  SAMPLE_PLAINTEXT,
} from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";

const BLOB = fromBase64(SAMPLE_1.encryptedKeys);
const DATA_KEY = fromBase64(SAMPLE_1.dataKey);
const SALT = new Uint8Array(24).fill(5);
const EXAMPLE = nativeExample().text;
const PLAINTEXT = seededBytes(11, CHUNK + 100);
/** Sizes around every step of the cutting. */
const SIZES = [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1];

const PARTS = partsPlain(DATA_KEY, BLOB, SALT, utf8Bytes("aad"), PLAINTEXT);
const ENVELOPE = joinPlain(PARTS);

function forged(parts: Partial<PlainParts>): Uint8Array {
  return joinPlain({ ...PARTS, ...parts });
}

/** The one code with which an envelope fails, whatever the way to read it. */
async function codeOf(envelope: Uint8Array, associatedData = "aad"): Promise<string> {
  const codes = new Set<string>();
  for (const provider of SYNC_PROVIDER_NAMES) {
    codes.add(errorOf(() => nativeDecryptSync(envelope, SAMPLE_1, associatedData, { provider })).code);
  }
  for (const provider of PROVIDER_NAMES) {
    codes.add(
      (await rejectionOf(() => nativeDecrypt(envelope, SAMPLE_1, associatedData, { provider }))).code,
    );
  }
  codes.add(errorOf(() => localDecryptSync(base64(envelope), SAMPLE_1, associatedData)).code);
  codes.add((await rejectionOf(() => localDecrypt(base64(envelope), SAMPLE_1, associatedData))).code);
  expect([...codes]).toHaveLength(1);
  return [...codes][0]!;
}

describe("there and back", () => {
  test("[NAT-1] the worked example opens on every provider, as bytes and as text", async () => {
    for (const provider of PROVIDER_NAMES) {
      const bytes = await nativeDecrypt(fromBase64(EXAMPLE), SAMPLE_1, SAMPLE_ASSOCIATED_DATA, { provider });
      expect(bytes).toEqual(utf8Bytes(SAMPLE_PLAINTEXT));
      expect(await localDecrypt(EXAMPLE, SAMPLE_1, SAMPLE_ASSOCIATED_DATA, { provider })).toBe(
        SAMPLE_PLAINTEXT,
      );
    }
  });

  test.each(PROVIDER_NAMES)("[NAT-10] every size around a chunk's end (%s)", async (provider) => {
    for (const size of SIZES) {
      const plaintext = seededBytes(size, size);
      const envelope = await nativeEncrypt(plaintext, SAMPLE_1, "a", { provider });
      expect(envelope).toHaveLength(214 + 56 + size + 16 * (Math.floor(size / CHUNK) + 1));
      const parsed = parseEnvelope(base64(envelope));
      const expected = joinPlain(partsPlain(DATA_KEY, BLOB, parsed.nonce, utf8Bytes("a"), plaintext));
      expect(Buffer.compare(envelope, expected)).toBe(0);
      for (const reader of PROVIDER_NAMES) {
        const opened = await nativeDecrypt(envelope, SAMPLE_1, "a", { provider: reader });
        expect(Buffer.compare(opened, plaintext)).toBe(0);
      }
      expect(Buffer.compare(nativeDecryptSync(envelope, SAMPLE_1, "a"), plaintext)).toBe(0);
    }
  });

  test("[NAT-8] [NAT-15] any data, associated data and key blob, at once and later", async () => {
    await fc.assert(
      fc.asyncProperty(anyData, anyAssociatedData, keyBlob, async (data, aad, blob) => {
        const key = { dataKey: DATA_KEY, encryptedKeys: base64(blob) };
        const bytes = typeof data === "string" ? utf8Bytes(data) : data;
        for (const text of [
          await localEncrypt(data, key, aad, { layout: "native" }),
          localEncryptSync(data, key, aad, { layout: "native" }),
        ]) {
          expect(localDecryptSync(text, key, aad, { as: "bytes" })).toEqual(bytes);
          expect(await localDecrypt(text, key, aad, { as: "bytes" })).toEqual(bytes);
          expect(nativeDecryptSync(fromBase64(text), key, aad)).toEqual(bytes);
          if (typeof data === "string") expect(localDecryptSync(text, key, aad)).toBe(data);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("[NAT-8] no associated data and empty associated data are the same", () => {
    const envelope = nativeEncryptSync("x", SAMPLE_1);
    for (const aad of [undefined, "", new Uint8Array(0)]) {
      expect(nativeDecryptSync(envelope, SAMPLE_1, aad)).toEqual(utf8Bytes("x"));
    }
    const bound = nativeEncryptSync("x", SAMPLE_1, utf8Bytes("é"));
    expect(nativeDecryptSync(bound, SAMPLE_1, "é")).toEqual(utf8Bytes("x"));
    expect(errorOf(() => nativeEncryptSync("x", SAMPLE_1, "\ud800")).code).toBe("ERR_TEXT_MALFORMED");
  });

  test("[NAT-5] every message has a salt of its own", async () => {
    const salts = new Set<string>();
    for (let i = 0; i < 200; i++) {
      salts.add(base64(parseEnvelope(base64(nativeEncryptSync("same", SAMPLE_1))).nonce));
      salts.add(base64(parseEnvelope(await localEncrypt("same", SAMPLE_1, "", { layout: "native" })).nonce));
    }
    expect(salts.size).toBe(400);
  });

  test("a data key object serves many messages, until it is disposed of", async () => {
    const key = new DataKey({ id: "1", key: DATA_KEY.slice(), encryptedKeys: SAMPLE_1.encryptedKeys });
    const envelope = await nativeEncrypt("one", key, "aad");
    expect(nativeDecryptSync(envelope, key, "aad")).toEqual(utf8Bytes("one"));
    expect(nativeDecryptSync(envelope, SAMPLE_1, "aad")).toEqual(utf8Bytes("one"));
    key.dispose();
    expect(errorOf(() => nativeDecryptSync(envelope, key, "aad")).code).toBe("ERR_DISPOSED");
    expect((await rejectionOf(() => nativeEncrypt("two", key))).code).toBe("ERR_DISPOSED");
  });

  test("wrong arguments are TypeErrors and RangeErrors", async () => {
    const calls: (() => unknown)[] = [
      () => nativeEncryptSync(5 as never, SAMPLE_1),
      () => nativeEncryptSync("x", SAMPLE_1, 5 as never),
      () => nativeEncryptSync("x", undefined as never),
      () => nativeDecryptSync("text" as never, SAMPLE_1),
      () => nativeDecryptSync(ENVELOPE, {} as never, "aad"),
      () => nativeDecryptSync(ENVELOPE, { dataKey: "AA==" }, "aad"),
      () => nativeDecryptSync(ENVELOPE, SAMPLE_1, new Uint8Array(2 ** 20 + 1)),
    ];
    for (const call of calls) {
      const error = errorOf(call);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
      expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    }
    expect(errorOf(() => nativeEncryptSync("x", { dataKey: DATA_KEY, encryptedKeys: "AAAA" })).code).toBe(
      "ERR_KEY_BLOB_MALFORMED",
    );
    expect(errorOf(() => nativeEncryptSync("x", SAMPLE_1, "", { provider: "webcrypto" })).code).toBe(
      "ERR_UNSUPPORTED",
    );
    expect((await rejectionOf(() => nativeDecrypt(5 as never, SAMPLE_1))).code).toBe("ERR_INVALID_ARGUMENT");
  });
});

describe("the header", () => {
  test("[NAT-4] unknown versions, suites and flags are told as such, before the key is looked at", () => {
    const untouched = {
      get dataKey(): never {
        throw new Error("the key was asked for");
      },
    };
    const cases = [
      ...[0x30, 0x32, 0x39].map((version) => [3, version, "version"] as const),
      ...[0, 2, 0x80, 0xff].map((suite) => [4, suite, "suite"] as const),
      ...[1, 2, 0x80, 0xff].map((flags) => [5, flags, "flag"] as const),
    ];
    for (const [at, value, what] of cases) {
      const altered = ENVELOPE.slice();
      altered[at] = value;
      for (const call of [
        () => nativeDecryptSync(altered, untouched, "aad"),
        () => localDecryptSync(base64(altered), untouched, "aad"),
        () => inspect(base64(altered)),
        () => splice(base64(altered), SAMPLE_2.encryptedKeys),
      ]) {
        const error = errorOf(call);
        expect(error.code).toBe("ERR_ENVELOPE_UNSUPPORTED");
        expect(error.message).toContain(what);
      }
    }
  });

  test("[NAT-21] bytes that do not begin like a native envelope are not read as anything else", async () => {
    for (const text of [...Object.values(SAMPLE_ENVELOPES), "", "Q0ZSOg==", "Q0ZS", "AAAA"]) {
      const bytes = fromBase64(text);
      expect(errorOf(() => nativeDecryptSync(bytes, SAMPLE_1, SAMPLE_ASSOCIATED_DATA)).code).toBe(
        "ERR_NOT_CIPHERTEXT",
      );
    }
  });

  test.each([
    ["longer than need be", hex("ce8100"), BLOB],
    ["of more bytes than the largest has", hex("ffffff03"), BLOB],
    ["of more bytes than a number has", hex("ffffffffffffffff"), BLOB],
    ["of more than 65,536", lebPlain(65_537), concat(BLOB, new Uint8Array(65_331))],
    ["of 0", hex("00"), BLOB],
    ["that ends inside the magic", hex("0a"), BLOB],
    ["of more than there is", lebPlain(65_536), BLOB],
    ["of a blob with another magic", lebPlain(206), concat(utf8Bytes("XXX"), BLOB.subarray(3))],
  ])("[NAT-2] [NAT-3] a length %s is refused", async (_, length, blob) => {
    const envelope = forged({ length, keyBlob: blob });
    const error = errorOf(() => nativeDecryptSync(envelope, SAMPLE_1, "aad"));
    expect(error.code).toBe("ERR_ENVELOPE_MALFORMED");
    for (const lenient of [false, true]) {
      const inText = errorOf(() => localDecryptSync(base64(envelope), SAMPLE_1, "aad", { lenient }));
      expect(inText.code).toBe("ERR_ENVELOPE_MALFORMED");
    }
  });

  test("[NAT-16] what is wrong shows at the first byte that shows it", () => {
    const bytes = ENVELOPE.slice(0, 300);
    for (let length = 0; length < 214; length++)
      expect(readNativeHeader(bytes.subarray(0, length))).toBeUndefined();
    expect(readNativeHeader(bytes)).toEqual({ keyBlob: BLOB, bytes: 214 });
    for (const [at, value, code] of [
      [0, 0x44, "ERR_NOT_CIPHERTEXT"],
      [2, 0x44, "ERR_NOT_CIPHERTEXT"],
      [3, 0x3a, "ERR_NOT_CIPHERTEXT"],
      [3, 0x32, "ERR_ENVELOPE_UNSUPPORTED"],
      [4, 0x32, "ERR_ENVELOPE_UNSUPPORTED"],
      [5, 0x32, "ERR_ENVELOPE_UNSUPPORTED"],
      [18, 0x32, "ERR_ENVELOPE_MALFORMED"],
    ] as const) {
      const altered = bytes.slice(0, at + 1);
      altered[at] = value;
      expect(errorOf(() => readNativeHeader(altered)).code, `byte ${at}`).toBe(code);
    }
  });

  test("[NAT-16] every start of an envelope is refused, the shortest as no ciphertext", () => {
    for (let length = 0; length < 214 + 72; length++) {
      const { code } = errorOf(() => nativeDecryptSync(ENVELOPE.subarray(0, length), SAMPLE_1, "aad"));
      expect(code).toBe(length < 4 ? "ERR_NOT_CIPHERTEXT" : "ERR_ENVELOPE_MALFORMED");
    }
  });
});

describe("the body", () => {
  test("[NAT-12] lengths that no plaintext has are refused before the key is used", async () => {
    const { dataKey } = SAMPLE_2; // A wrong one: only the length may decide.
    for (const extra of [0, 1, 15]) {
      for (const chunks of [[], [PARTS.chunks[0]!], [PARTS.chunks[0]!, PARTS.chunks[0]!]]) {
        const envelope = forged({ chunks: [...chunks, new Uint8Array(extra)] });
        expect(errorOf(() => nativeDecryptSync(envelope, { dataKey }, "aad")).code).toBe(
          "ERR_ENVELOPE_MALFORMED",
        );
      }
    }
    for (const sealed of [-56, -1, 0, 15, 16_400, 16_415, 2 ** 38 * 16_400]) {
      expect(errorOf(() => shapeOfChunks(sealed)).code).toBe("ERR_ENVELOPE_MALFORMED");
    }
    expect(shapeOfChunks(16)).toEqual({ plaintextBytes: 0, fullChunks: 0, lastBytes: 0, sealedBytes: 16 });
    expect(shapeOfChunks(16_416).plaintextBytes).toBe(CHUNK);
    // The largest there is, and what is beyond it.
    const largest = (2 ** 38 - 1) * 16_400 + 16_399;
    expect(shapeOfChunks(largest).plaintextBytes).toBe(2 ** 52 - 1);
    expect(shapeOfPlaintext(2 ** 52 - 1).sealedBytes).toBe(largest);
    expect(errorOf(() => shapeOfChunks(2 ** 38 * 16_400 + 16)).code).toBe("ERR_ENVELOPE_TOO_LARGE");
    expect(errorOf(() => shapeOfPlaintext(2 ** 52)).code).toBe("ERR_PLAINTEXT_TOO_LARGE");
  });

  test("[NAT-9] [NAT-25] salt, commitment and chunks: every flipped byte is the same opaque failure", async () => {
    const messages = new Set<string>();
    const spots = [...Array(72).keys()].map((i) => 214 + i);
    spots.push(214 + 56 + CHUNK, 214 + 56 + CHUNK + 15, 214 + 56 + CHUNK + 16, ENVELOPE.length - 1);
    for (const at of spots) {
      const altered = flipBit(ENVELOPE, 8 * at + (at % 8));
      const error = errorOf(() => nativeDecryptSync(altered, SAMPLE_1, "aad"));
      expect(error.code).toBe("ERR_DECRYPT_FAILED");
      expect(error.cause).toBeUndefined();
      messages.add(error.message);
    }
    messages.add(errorOf(() => nativeDecryptSync(ENVELOPE, SAMPLE_2, "aad")).message);
    messages.add(errorOf(() => nativeDecryptSync(ENVELOPE, SAMPLE_1, "other")).message);
    messages.add(errorOf(() => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_2)).message);
    expect(messages.size).toBe(1);
    expect(await codeOf(ENVELOPE, "other")).toBe("ERR_DECRYPT_FAILED");
    expect(await codeOf(flipBit(ENVELOPE, 8 * 214))).toBe("ERR_DECRYPT_FAILED");
  });

  test("[NAT-7] the fixed header is authenticated, the key blob is not", () => {
    // Made as if another suite, flag or version had been authenticated, or none.
    for (const header of ["434652310101", "434652310200", "434652320100", "43465231010000", ""]) {
      const keys = derivePlain(DATA_KEY, SALT, hex(header));
      const other = { commitment: keys.commitment, chunks: sealChunksPlain(keys, PLAINTEXT) };
      expect(errorOf(() => nativeDecryptSync(forged(other), SAMPLE_1)).code).toBe("ERR_DECRYPT_FAILED");
    }
    const moved = forged({ keyBlob: fromBase64(SAMPLE_2.encryptedKeys) });
    expect(nativeDecryptSync(moved, SAMPLE_1, "aad")).toEqual(PLAINTEXT);
  });

  test("[NAT-10] [NAT-15] reordered, repeated, missing, added and exchanged chunks open nothing", async () => {
    const three = partsPlain(DATA_KEY, BLOB, SALT, utf8Bytes("aad"), seededBytes(4, 2 * CHUNK + 5));
    const other = partsPlain(
      DATA_KEY,
      BLOB,
      SALT.map((b) => b + 1),
      utf8Bytes("aad"),
      PLAINTEXT,
    );
    const [a, b, last] = three.chunks as [Uint8Array, Uint8Array, Uint8Array];
    for (const chunks of [
      [b, a, last],
      [a, a, last],
      [a, last],
      [b, last],
      [last],
      [a, b, b, last],
      [a, b, last.subarray(0, -1)],
      [a, b, concat(last, hex("00"))],
      [a, b, concat(last, last)],
      [other.chunks[0]!, b, last],
      [a, b, other.chunks[1]!],
    ]) {
      expect(await codeOf(joinPlain({ ...three, chunks }))).toBe("ERR_DECRYPT_FAILED");
    }
    // Their lengths alone show these.
    for (const chunks of [[a, b], [a, b, last.subarray(0, 15)], []]) {
      expect(await codeOf(joinPlain({ ...three, chunks }))).toBe("ERR_ENVELOPE_MALFORMED");
    }
  });

  test("errors show neither key nor plaintext", () => {
    const secret = seededBytes(77, 32);
    const envelope = nativeEncryptSync(secret, SAMPLE_1, secret);
    for (const call of [
      () => nativeDecryptSync(envelope, SAMPLE_2, secret),
      () => nativeDecryptSync(envelope, SAMPLE_1),
      () => nativeDecryptSync(envelope.subarray(1), SAMPLE_1),
    ]) {
      expectNoTrace(errorOf(call), [secret, DATA_KEY]);
    }
  });
});

describe("text", () => {
  test("[NAT-19] is strict base64; lenient reading is of the base64 only", () => {
    for (const text of [`${EXAMPLE} `, EXAMPLE.slice(0, -1), EXAMPLE.replaceAll("+", "-")]) {
      expect(errorOf(() => localDecryptSync(text, SAMPLE_1, SAMPLE_ASSOCIATED_DATA)).code).toBe(
        "ERR_NOT_CIPHERTEXT",
      );
    }
    const broken = EXAMPLE.replace(/.{64}/g, "$&\n");
    const options = { lenient: true };
    expect(localDecryptSync(broken, SAMPLE_1, SAMPLE_ASSOCIATED_DATA, options)).toBe(SAMPLE_PLAINTEXT);
    expect(parseEnvelope(broken, options).isCanonical).toBe(false);
    expect(parseEnvelope(EXAMPLE, options).isCanonical).toBe(true);
  });

  test("[NAT-20] the magic alone does not make an envelope native: a WorkOS nonce may begin so", () => {
    for (const [layout, lengthAt] of [
      ["iv12", 28],
      ["iv32", 48],
    ] as const) {
      const bytes = fromBase64(SAMPLE_ENVELOPES[layout]);
      bytes.set(utf8Bytes("CFR1"));
      expect(parseEnvelope(base64(bytes))).toMatchObject({ layout, keyBlob: BLOB });
      bytes[lengthAt] = 0xff;
      bytes[lengthAt + 1] = 0xff;
      expect(errorOf(() => parseEnvelope(base64(bytes))).code).toBe("ERR_ENVELOPE_UNSUPPORTED");
    }
    // Native wins where both would match.
    const both = EXAMPLE;
    const bytes = fromBase64(both);
    bytes.set(concat(hex("0b"), utf8Bytes("WOS.EKM.v1\0")), 28);
    expect(parseEnvelope(base64(bytes)).layout).toBe("native");
  });

  test("[NAT-20] what no layout matches is told by how it begins", () => {
    const codes = (["CFR1", "CFR2", "CFR9", "CFR0", "CFRa", "CFR", "DFR1"] as const).map((start) => {
      return errorOf(() => parseEnvelope(base64(concat(utf8Bytes(start), new Uint8Array(200))))).code;
    });
    expect(codes).toEqual([
      "ERR_ENVELOPE_UNSUPPORTED", // Suite 0.
      "ERR_ENVELOPE_UNSUPPORTED",
      "ERR_ENVELOPE_UNSUPPORTED",
      "ERR_ENVELOPE_UNSUPPORTED",
      "ERR_NOT_CIPHERTEXT",
      "ERR_NOT_CIPHERTEXT",
      "ERR_NOT_CIPHERTEXT",
    ]);
    expect(
      errorOf(() => parseEnvelope(base64(concat(hex("4346523101000b"), new Uint8Array(200))))).code,
    ).toBe("ERR_ENVELOPE_MALFORMED");
    expect(isCiphertext(EXAMPLE)).toBe(true);
    expect(isCiphertext(base64(utf8Bytes("CFR1")))).toBe(false);
  });

  test("inspect tells it without a key", () => {
    expect(inspect(EXAMPLE)).toEqual({
      layout: "native",
      isCanonical: true,
      keyBlob: expect.objectContaining({ dataKeyId: SAMPLE_1.dataKeyId, bytes: 206 }),
      encryptedKeys: SAMPLE_1.encryptedKeys,
      nonceBytes: 24,
      plaintextBytes: 14,
    });
    expect(inspect(base64(ENVELOPE)).plaintextBytes).toBe(PLAINTEXT.length);
    const bytes = fromBase64(EXAMPLE);
    expect(inspectNative(bytes)).toEqual(inspect(EXAMPLE));
    expect(inspectNative(bytes.subarray(0, 214), bytes.length)).toEqual(inspect(EXAMPLE));
    expect(inspectNative(bytes, 214 + 56 + 3 * 16_400 + 16).plaintextBytes).toBe(3 * CHUNK);
    expect(errorOf(() => inspectNative(bytes, 214)).code).toBe("ERR_ENVELOPE_MALFORMED");
    expect(errorOf(() => inspectNative(bytes.subarray(0, 213))).code).toBe("ERR_ENVELOPE_MALFORMED");
    expect(errorOf(() => inspectNative(fromBase64(SAMPLE_ENVELOPES.iv12))).code).toBe("ERR_NOT_CIPHERTEXT");
    expect(errorOf(() => inspectNative("text" as never)).code).toBe("ERR_INVALID_ARGUMENT");
  });

  test("the largest text, with the largest key blob, is read and spliced", { timeout: 60_000 }, () => {
    const blob = concat(utf8Bytes("CFR.EKM.v1\0"), new Uint8Array(65_525));
    const key = { dataKey: DATA_KEY, encryptedKeys: base64(blob) };
    const plaintext = new Uint8Array(64 * 2 ** 20);
    const text = localEncryptSync(plaintext, key, "", { layout: "native" });
    expect(localDecryptSync(splice(text, base64(blob)), key, "", { as: "bytes" })).toHaveLength(
      plaintext.length,
    );
    const tooLarge = nativeEncryptSync(new Uint8Array(plaintext.length + 1), SAMPLE_1);
    expect(errorOf(() => parseEnvelope(base64(tooLarge))).code).toBe("ERR_ENVELOPE_TOO_LARGE");
    // As bytes there is no such limit.
    expect(nativeDecryptSync(tooLarge, SAMPLE_1)).toHaveLength(plaintext.length + 1);
    const over = errorOf(() =>
      localEncryptSync(new Uint8Array(plaintext.length + 1), key, "", { layout: "native" }),
    );
    expect(over.code).toBe("ERR_PLAINTEXT_TOO_LARGE");
  });
});

describe("splice", () => {
  test("[NAT-22] replaces length and key blob only, to any length", () => {
    fc.assert(
      fc.property(keyBlob, (blob) => {
        const spliced = fromBase64(splice(EXAMPLE, base64(blob)));
        expect(spliced).toEqual(
          concat(hex("434652310100"), lebPlain(blob.length), blob, fromBase64(EXAMPLE).subarray(214)),
        );
        expect(localDecryptSync(base64(spliced), SAMPLE_1, SAMPLE_ASSOCIATED_DATA)).toBe(SAMPLE_PLAINTEXT);
        expect(splice(base64(spliced), SAMPLE_1.encryptedKeys)).toBe(EXAMPLE);
      }),
    );
  });

  test("[NAT-23] refuses bad blobs, old and new", () => {
    expect(errorOf(() => splice(EXAMPLE, base64(utf8Bytes("XXX.EKM.v1\0....")))).code).toBe(
      "ERR_KEY_BLOB_MALFORMED",
    );
    const damaged = flipBit(fromBase64(EXAMPLE), 8 * 8);
    expect(errorOf(() => splice(base64(damaged), SAMPLE_2.encryptedKeys)).code).toBe(
      "ERR_ENVELOPE_MALFORMED",
    );
  });
});

describe("policy", () => {
  test("[NAT-24] requireCommitment refuses WorkOS's layouts to write and to read, before the key is looked at", async () => {
    const untouched = {
      encryptedKeys: SAMPLE_1.encryptedKeys,
      get dataKey(): never {
        throw new Error("the key was asked for");
      },
    };
    const policy = { requireCommitment: true } as const;
    const calls: (() => unknown)[] = [
      ...(["iv12", "leb-first", "dotnet"] as const).map(
        (layout) => () => localEncryptSync("x", untouched, "", { ...policy, layout }),
      ),
      ...Object.values(SAMPLE_ENVELOPES).flatMap((text) => [
        () => localDecryptSync(text, untouched, "", policy),
        () => inspect(text, policy),
        () => splice(text, SAMPLE_2.encryptedKeys, policy),
      ]),
    ];
    for (const call of calls) expect(errorOf(call).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
    const text = await localEncrypt("x", SAMPLE_1, "", policy);
    expect(inspect(text, policy).layout).toBe("native");
    expect(localDecryptSync(text, SAMPLE_1, "", policy)).toBe("x");
    expect(errorOf(() => localDecryptSync(text, untouched, "", { layouts: ["iv12"] })).code).toBe(
      "ERR_LAYOUT_NOT_ALLOWED",
    );
  });
});

test("[NAT-26] a detached envelope is the envelope without length and key blob", () => {
  const aad = utf8Bytes("aad");
  const sealed = sealDetachedSync(PLAINTEXT, SAMPLE_1, aad, HERE);
  const whole = concat(sealed.subarray(0, 6), lebPlain(BLOB.length), BLOB, sealed.subarray(6));
  expect(nativeDecryptSync(whole, SAMPLE_1, aad)).toEqual(PLAINTEXT);
  expect(openDetachedSync(sealed, SAMPLE_1, aad, HERE)).toEqual(PLAINTEXT);
  const given = concat(ENVELOPE.subarray(0, 6), ENVELOPE.subarray(214));
  expect(openDetachedSync(given, SAMPLE_1, aad, HERE)).toEqual(PLAINTEXT);
  const code = (bytes: Uint8Array): string =>
    errorOf(() => openDetachedSync(bytes, SAMPLE_1, aad, HERE)).code;
  expect(code(sealed.with(3, 0x32))).toBe("ERR_ENVELOPE_UNSUPPORTED");
  expect(code(sealed.with(4, 2))).toBe("ERR_ENVELOPE_UNSUPPORTED");
  expect(code(sealed.with(0, 2))).toBe("ERR_NOT_CIPHERTEXT");
  expect(code(sealed.subarray(0, 70))).toBe("ERR_ENVELOPE_MALFORMED");
  expect(code(new Uint8Array(0))).toBe("ERR_ENVELOPE_MALFORMED");
  expect(code(sealed.subarray(0, -1))).toBe("ERR_DECRYPT_FAILED");
});

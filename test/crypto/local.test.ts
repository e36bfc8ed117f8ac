/** localEncrypt and localDecrypt: docs/spec/envelope.md sections 1 to 3, 5, 8 and 10, on every provider. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { AeadProviderName } from "../../src/crypto/aead/aead.ts";
import { parseEnvelope, serializeEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { splice } from "../../src/crypto/envelope/inspect.ts";
import { plaintextBytes } from "../../src/crypto/envelope/plaintext.ts";
import {
  ASSOCIATED_DATA_BYTES_MAX,
  ENVELOPE_BYTES_MAX,
  KEY_BLOB_BYTES_MAX,
  PLAINTEXT_BYTES_MAX,
} from "../../src/crypto/limits.ts";
import {
  type AssociatedData,
  type LocalDecryptOptions,
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
} from "../../src/crypto/local.ts";
import {
  anyAssociatedData,
  anyBytes,
  anyData,
  keyBlob,
  wellFormedText,
  writableLayout,
} from "../support/arbitraries.ts";
import { base64, flipBit, fromBase64, utf8Bytes } from "../support/bytes.ts";
import { type CodedError, errorOf, rejectionOf } from "../support/errors.ts";
import { NODE, PROVIDER_NAMES, SYNC_PROVIDER_NAMES } from "../support/providers.ts";
import {
  OFFICIAL_IV32_ENVELOPE,
  SAMPLE_1,
  SAMPLE_2,
  SAMPLE_ASSOCIATED_DATA,
  SAMPLE_ENVELOPES,
  SAMPLE_PLAINTEXT,
} from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const LAYOUTS = ["iv12", "iv32", "leb-first", "dotnet"] as const;
const provider = fc.constantFrom<AeadProviderName | undefined>("node", "webcrypto", "noble", undefined);
const syncProvider = fc.constantFrom<AeadProviderName | undefined>("node", "noble", undefined);

/** The bytes of text or bytes. */
const bytesOf = (data: string | Uint8Array): Uint8Array =>
  typeof data === "string" ? utf8Bytes(data) : data;

/** The error of a call, whether it is thrown at once or later; the two must be the same. */
async function errorOfBoth(sync: () => unknown, async: () => Promise<unknown>): Promise<CodedError> {
  const error = errorOf(sync);
  const rejection = await rejectionOf(async);
  expect(rejection.constructor).toBe(error.constructor);
  expect([rejection.code, rejection.message]).toEqual([error.code, error.message]);
  return error;
}

/** An envelope made by Node's own cipher, of bytes that may be no text. */
function sealed(plaintext: Uint8Array): string {
  const nonce = new Uint8Array(12).fill(1);
  const out = NODE.importKey(fromBase64(SAMPLE_1.dataKey)).seal(nonce, plaintext, new Uint8Array(0));
  return serializeEnvelope({
    layout: "iv12",
    keyBlob: fromBase64(SAMPLE_1.encryptedKeys),
    nonce,
    ciphertext: out.subarray(0, -16),
    tag: out.subarray(-16),
  });
}

describe("published envelopes", () => {
  test.each(LAYOUTS)("%s opens on every provider, at once and later", async (layout) => {
    const text = SAMPLE_ENVELOPES[layout];
    for (const name of PROVIDER_NAMES) {
      expect(await localDecrypt(text, SAMPLE_1, SAMPLE_ASSOCIATED_DATA, { provider: name }), name).toBe(
        SAMPLE_PLAINTEXT,
      );
    }
    for (const name of SYNC_PROVIDER_NAMES) {
      expect(localDecryptSync(text, SAMPLE_1, SAMPLE_ASSOCIATED_DATA, { provider: name }), name).toBe(
        SAMPLE_PLAINTEXT,
      );
    }
    expect(await localDecrypt(text, SAMPLE_1, SAMPLE_ASSOCIATED_DATA)).toBe(SAMPLE_PLAINTEXT);
    expect((await rejectionOf(() => localDecrypt(text, SAMPLE_1))).code).toBe("ERR_DECRYPT_FAILED");
    expect((await rejectionOf(() => localDecrypt(text, SAMPLE_2, SAMPLE_ASSOCIATED_DATA))).code).toBe(
      "ERR_DECRYPT_FAILED",
    );
  });

  test.each(PROVIDER_NAMES)("WorkOS's own iv32 envelope opens on %s", async (name) => {
    expect(await localDecrypt(OFFICIAL_IV32_ENVELOPE, SAMPLE_1, "", { provider: name })).toBe(
      SAMPLE_PLAINTEXT,
    );
  });

  test("the examples of the specification open", () => {
    const page = readFileSync(join(REPOSITORY_ROOT, "docs/spec/envelope.md"), "utf8");
    const blocks = [...page.matchAll(/```\n([A-Za-z0-9+/=]{100,})\n```/g)].map((match) => match[1]!);
    expect(blocks.map((text) => parseEnvelope(text).layout)).toEqual(["iv12", "leb-first"]);
    for (const text of blocks) {
      expect(localDecryptSync(text, { dataKey: SAMPLE_1.dataKey }, "seq1")).toBe("secret api key");
    }
  });
});

describe("what went in comes out", () => {
  test("[ENV-8] [ENV-9] [ENV-28] any text or bytes, layout, provider, associated data and key blob", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyData,
        anyAssociatedData,
        writableLayout,
        keyBlob,
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        provider,
        provider,
        async (data, associatedData, layout, blob, dataKey, writer, reader) => {
          const key = { dataKey, encryptedKeys: base64(blob) };
          const text = await localEncrypt(data, key, associatedData, { layout, provider: writer });
          const parsed = parseEnvelope(text);
          expect(parsed).toMatchObject({ layout, keyBlob: blob, isCanonical: true });
          expect(parsed.ciphertext).toHaveLength(bytesOf(data).length);
          const bytes = await localDecrypt(text, key, associatedData, { as: "bytes", provider: reader });
          expect(bytes).toEqual(Uint8Array.from(bytesOf(data)));
          expect(bytes.constructor).toBe(Uint8Array);
          if (typeof data === "string") {
            expect(
              await localDecrypt(text, { dataKey: base64(dataKey) }, associatedData, { provider: reader }),
            ).toBe(data);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("[ENV-8] [ENV-9] the same at once, and between at once and later", async () => {
    await fc.assert(
      fc.asyncProperty(
        wellFormedText,
        anyAssociatedData,
        writableLayout,
        syncProvider,
        async (data, aad, layout, name) => {
          const text = localEncryptSync(data, SAMPLE_1, aad, { layout, provider: name });
          expect(localDecryptSync(text, SAMPLE_1, aad, { provider: name })).toBe(data);
          expect(localDecryptSync(text, SAMPLE_1, aad, { as: "text" })).toBe(data);
          expect(await localDecrypt(text, SAMPLE_1, aad)).toBe(data);
          expect(localDecryptSync(await localEncrypt(data, SAMPLE_1, aad, { layout }), SAMPLE_1, aad)).toBe(
            data,
          );
        },
      ),
    );
  });

  test("[ENV-8] [ENV-9] every Unicode scalar value, in one text", () => {
    let every = "";
    for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
      if (codePoint === 0xd800) codePoint = 0xe000; // surrogates are no scalar values
      every += String.fromCodePoint(codePoint);
    }
    const text = localEncryptSync(every, SAMPLE_1);
    expect(localDecryptSync(text, SAMPLE_1) === every).toBe(true);
  });

  test.each(["\u{feff}", "\u{feff}abc", "a\u{feff}b", "", "\0", "\u{1f600}\u{10ffff}"])(
    "[ENV-9] %j",
    (text) => {
      expect(localDecryptSync(localEncryptSync(text, SAMPLE_1), SAMPLE_1)).toBe(text);
    },
  );

  test.each(PROVIDER_NAMES)("bytes come as a plain array with memory of its own: %s", async (name) => {
    for (const data of [new Uint8Array(0), utf8Bytes("bytes"), Buffer.from("a pooled buffer")]) {
      const text = await localEncrypt(data, SAMPLE_1, undefined, { provider: name });
      const bytes = await localDecrypt(text, SAMPLE_1, undefined, { as: "bytes", provider: name });
      expect(bytes.constructor).toBe(Uint8Array);
      expect(bytes.buffer.byteLength).toBe(bytes.length);
      expect([...bytes]).toEqual([...data]);
    }
  });
});

describe("writing", () => {
  test("[ENV-10] the layout is iv12 unless told otherwise", async () => {
    expect(parseEnvelope(localEncryptSync("x", SAMPLE_1)).layout).toBe("iv12");
    expect(parseEnvelope(await localEncrypt("x", SAMPLE_1, "", { layout: undefined })).layout).toBe("iv12");
    for (const layout of ["iv12", "leb-first", "dotnet"] as const) {
      expect(parseEnvelope(localEncryptSync("x", SAMPLE_1, "", { layout })).layout).toBe(layout);
    }
  });

  test("[ENV-11] iv32 is not written", async () => {
    const error = await errorOfBoth(
      () => localEncryptSync("x", SAMPLE_1, "", { layout: "iv32" as never }),
      () => localEncrypt("x", SAMPLE_1, "", { layout: "iv32" as never }),
    );
    expect(error.code).toBe("ERR_LAYOUT_NOT_ALLOWED");
  });

  test.each([["iv16"], [""], ["IV12"], [null], [5], [["iv12"]], ["toString"]])(
    "the layout %j is refused",
    async (layout) => {
      const error = await errorOfBoth(
        () => localEncryptSync("x", SAMPLE_1, "", { layout: layout as never }),
        () => localEncrypt("x", SAMPLE_1, "", { layout: layout as never }),
      );
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test.each(PROVIDER_NAMES)("[ENV-2] each message has a nonce of its own: %s", async (name) => {
    const nonces = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const { nonce } = parseEnvelope(await localEncrypt("same", SAMPLE_1, "", { provider: name }));
      expect(nonce).toHaveLength(12);
      nonces.add(base64(nonce));
    }
    expect(nonces.size).toBe(300);
  });

  test.each([undefined, null, 5, "", "text", base64(utf8Bytes("WOS.EKM.v2\0"))])(
    "[ENV-12] the key blob %j is refused",
    async (encryptedKeys) => {
      const key = { dataKey: SAMPLE_1.dataKey, encryptedKeys: encryptedKeys as never };
      const error = await errorOfBoth(
        () => localEncryptSync("x", key),
        () => localEncrypt("x", key),
      );
      expect(error.code).toBe(
        typeof encryptedKeys === "string" ? "ERR_KEY_BLOB_MALFORMED" : "ERR_INVALID_ARGUMENT",
      );
    },
  );
});

describe("arguments", () => {
  test.each([
    [undefined],
    [null],
    [5],
    [{}],
    [["a"]],
    [new ArrayBuffer(4)],
    [new Uint16Array(2)],
    [Symbol("a")],
  ])("data: %s is neither text nor bytes", async (data) => {
    const error = await errorOfBoth(
      () => localEncryptSync(data as never, SAMPLE_1),
      () => localEncrypt(data as never, SAMPLE_1),
    );
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });

  test.each([[null], [5], [{}], [["a"]]])("associated data: %j is neither text nor bytes", async (aad) => {
    for (const error of [
      await errorOfBoth(
        () => localEncryptSync("x", SAMPLE_1, aad as never),
        () => localEncrypt("x", SAMPLE_1, aad as never),
      ),
      await errorOfBoth(
        () => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_1, aad as never),
        () => localDecrypt(SAMPLE_ENVELOPES.iv12, SAMPLE_1, aad as never),
      ),
    ]) {
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test.each([["string"], ["Buffer"], [true], [null], [5]])("as: %j is no result", async (as) => {
    const error = await errorOfBoth(
      () => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_1, "seq1", { as: as as never }),
      () => localDecrypt(SAMPLE_ENVELOPES.iv12, SAMPLE_1, "seq1", { as: as as never }),
    );
    expect(error).toBeInstanceOf(TypeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });

  test.each([[undefined], [null], [5], [{}], [utf8Bytes("x")]])(
    "ciphertext: %j is no text",
    async (ciphertext) => {
      const error = await errorOfBoth(
        () => localDecryptSync(ciphertext as never, SAMPLE_1),
        () => localDecrypt(ciphertext as never, SAMPLE_1),
      );
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test.each([
    [undefined, TypeError],
    [null, TypeError],
    [{ encryptedKeys: SAMPLE_1.encryptedKeys }, TypeError],
    [{ dataKey: 5, encryptedKeys: SAMPLE_1.encryptedKeys }, TypeError],
    [{ dataKey: "??", encryptedKeys: SAMPLE_1.encryptedKeys }, RangeError],
    [{ dataKey: new Uint8Array(31), encryptedKeys: SAMPLE_1.encryptedKeys }, RangeError],
    [{ dataKey: new Uint8Array(33), encryptedKeys: SAMPLE_1.encryptedKeys }, RangeError],
    [{ dataKey: base64(new Uint8Array(16)), encryptedKeys: SAMPLE_1.encryptedKeys }, RangeError],
  ])("[ENV-1] the key %j is refused", async (key, type) => {
    for (const name of SYNC_PROVIDER_NAMES) {
      for (const error of [
        await errorOfBoth(
          () => localEncryptSync("x", key as never, "", { provider: name }),
          () => localEncrypt("x", key as never, "", { provider: name }),
        ),
        await errorOfBoth(
          () => localDecryptSync(SAMPLE_ENVELOPES.iv12, key as never, "", { provider: name }),
          () => localDecrypt(SAMPLE_ENVELOPES.iv12, key as never, "", { provider: name }),
        ),
      ]) {
        expect(error).toBeInstanceOf(type);
        expect(error.code).toBe("ERR_INVALID_ARGUMENT");
      }
    }
    const options = { provider: "webcrypto" } as const;
    expect(await rejectionOf(() => localEncrypt("x", key as never, "", options))).toBeInstanceOf(type);
    expect(
      await rejectionOf(() => localDecrypt(SAMPLE_ENVELOPES.iv12, key as never, "", options)),
    ).toBeInstanceOf(type);
  });

  test("the provider must exist, and Web Crypto does not answer at once", async () => {
    const openssl = { provider: "openssl" as never };
    for (const error of [
      await errorOfBoth(
        () => localEncryptSync("x", SAMPLE_1, "", openssl),
        () => localEncrypt("x", SAMPLE_1, "", openssl),
      ),
      await errorOfBoth(
        () => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_1, "", openssl),
        () => localDecrypt(SAMPLE_ENVELOPES.iv12, SAMPLE_1, "", openssl),
      ),
    ]) {
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
    const webcrypto = { provider: "webcrypto" } as const;
    expect(errorOf(() => localEncryptSync("x", SAMPLE_1, "", webcrypto)).code).toBe("ERR_UNSUPPORTED");
    expect(errorOf(() => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_1, "", webcrypto)).code).toBe(
      "ERR_UNSUPPORTED",
    );
  });

  test.each(["\ud800", "text\udfff", "\udc00\ud800"])(
    "[ENV-8] lone surrogates are refused, not repaired",
    async (text) => {
      for (const error of [
        await errorOfBoth(
          () => localEncryptSync(text, SAMPLE_1),
          () => localEncrypt(text, SAMPLE_1),
        ),
        await errorOfBoth(
          () => localEncryptSync("x", SAMPLE_1, text),
          () => localEncrypt("x", SAMPLE_1, text),
        ),
        await errorOfBoth(
          () => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_1, text),
          () => localDecrypt(SAMPLE_ENVELOPES.iv12, SAMPLE_1, text),
        ),
      ]) {
        expect(error.code).toBe("ERR_TEXT_MALFORMED");
      }
    },
  );

  test("[ENV-9] bytes that are not UTF-8 are refused as text and given as bytes", async () => {
    for (const bytes of [[0xff], [0x61, 0xc0, 0x80], [0xed, 0xa0, 0x80]]) {
      const text = sealed(Uint8Array.from(bytes));
      const error = await errorOfBoth(
        () => localDecryptSync(text, SAMPLE_1),
        () => localDecrypt(text, SAMPLE_1),
      );
      expect(error.code).toBe("ERR_PLAINTEXT_NOT_TEXT");
      expect([...localDecryptSync(text, SAMPLE_1, "", { as: "bytes" })]).toEqual(bytes);
    }
  });

  test("[ENV-35] arguments given as bytes are left as they were, and may change afterwards", async () => {
    for (const name of PROVIDER_NAMES) {
      const dataKey = fromBase64(SAMPLE_1.dataKey);
      const [data, aad] = [utf8Bytes("some data"), utf8Bytes("some associated data")];
      const key = { dataKey, encryptedKeys: SAMPLE_1.encryptedKeys };
      const text = await localEncrypt(data, key, aad, { provider: name });
      expect(await localDecrypt(text, key, aad, { provider: name })).toBe("some data");
      expect(dataKey).toEqual(fromBase64(SAMPLE_1.dataKey));
      expect([data, aad]).toEqual([utf8Bytes("some data"), utf8Bytes("some associated data")]);
      for (const bytes of [dataKey, data, aad]) bytes.fill(0);
      expect(await localDecrypt(text, SAMPLE_1, "some associated data", { provider: name })).toBe(
        "some data",
      );
      expect((await rejectionOf(() => localDecrypt(text, key, "some associated data"))).code).toBe(
        "ERR_DECRYPT_FAILED",
      );
    }
  });
});

describe("limits", () => {
  test("[ENV-18] text whose length alone is over the limit is refused before it is encoded", async () => {
    // 400 million characters: encoding them would take as many bytes.
    const text = "x".repeat(400_000_000);
    const encode = vi.spyOn(TextEncoder.prototype, "encode");
    const data = await errorOfBoth(
      () => localEncryptSync(text, SAMPLE_1),
      () => localEncrypt(text, SAMPLE_1),
    );
    expect(data.code).toBe("ERR_PLAINTEXT_TOO_LARGE");
    for (const aad of [
      await errorOfBoth(
        () => localEncryptSync("x", SAMPLE_1, text),
        () => localEncrypt("x", SAMPLE_1, text),
      ),
      await errorOfBoth(
        () => localDecryptSync(SAMPLE_ENVELOPES.iv12, SAMPLE_1, text),
        () => localDecrypt(SAMPLE_ENVELOPES.iv12, SAMPLE_1, text),
      ),
    ]) {
      expect(aad).toBeInstanceOf(RangeError);
      expect(aad.code).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(encode.mock.calls.filter(([given]) => given === text)).toEqual([]);
    encode.mockRestore();
  });

  test("[ENV-18] what counts is bytes of UTF-8", () => {
    const wide = "\u{20ac}".repeat(Math.ceil(PLAINTEXT_BYTES_MAX / 3));
    expect(errorOf(() => localEncryptSync(wide, SAMPLE_1)).code).toBe("ERR_PLAINTEXT_TOO_LARGE");
    const aad = "\u{20ac}".repeat(Math.ceil(ASSOCIATED_DATA_BYTES_MAX / 3));
    expect(errorOf(() => localEncryptSync("x", SAMPLE_1, aad)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => localEncryptSync(new Uint8Array(PLAINTEXT_BYTES_MAX + 1), SAMPLE_1)).code).toBe(
      "ERR_PLAINTEXT_TOO_LARGE",
    );
  });

  test("[ENV-18] text of 64 MiB is taken, a character more is not", () => {
    expect(plaintextBytes("x".repeat(PLAINTEXT_BYTES_MAX))).toHaveLength(PLAINTEXT_BYTES_MAX);
    expect(errorOf(() => plaintextBytes("x".repeat(PLAINTEXT_BYTES_MAX + 1))).code).toBe(
      "ERR_PLAINTEXT_TOO_LARGE",
    );
  });

  test("[ENV-18] associated data of 1 MiB is taken, a byte more is not", () => {
    const most = new Uint8Array(ASSOCIATED_DATA_BYTES_MAX).fill(0x61);
    const text = localEncryptSync("x", SAMPLE_1, most);
    expect(localDecryptSync(text, SAMPLE_1, "a".repeat(ASSOCIATED_DATA_BYTES_MAX))).toBe("x");
    for (const more of [
      new Uint8Array(ASSOCIATED_DATA_BYTES_MAX + 1),
      "a".repeat(ASSOCIATED_DATA_BYTES_MAX + 1),
    ]) {
      const error = errorOf(() => localEncryptSync("x", SAMPLE_1, more));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test("[ENV-19] the largest message under the largest key blob is written, spliced and read", () => {
    const blobOf = (size: number) =>
      base64(Uint8Array.from({ length: size }, (_, i) => utf8Bytes("CFR.EKM.v1\0")[i] ?? i));
    const largestBlob = blobOf(KEY_BLOB_BYTES_MAX);
    const message = new Uint8Array(PLAINTEXT_BYTES_MAX).fill(0x6d);
    message[12_345] = 1;
    // dotnet makes the largest envelopes.
    const text = localEncryptSync(message, { dataKey: SAMPLE_1.dataKey, encryptedKeys: blobOf(11) }, "", {
      layout: "dotnet",
    });
    const spliced = splice(text, largestBlob);
    expect(spliced.length).toBeLessThanOrEqual((ENVELOPE_BYTES_MAX / 3) * 4);
    const read = localDecryptSync(spliced, SAMPLE_1, "", { as: "bytes" });
    expect(Buffer.compare(read, message)).toBe(0);
  });
});

describe("associated data", () => {
  const NOTHING: readonly AssociatedData[] = [undefined, "", new Uint8Array(0)];

  test.each(PROVIDER_NAMES)("[ENV-29] nothing is nothing, whatever it is given as: %s", async (name) => {
    for (const written of NOTHING) {
      const text = await localEncrypt("x", SAMPLE_1, written, { provider: name });
      for (const read of NOTHING)
        expect(await localDecrypt(text, SAMPLE_1, read, { provider: name })).toBe("x");
      const zero = new Uint8Array(1);
      expect((await rejectionOf(() => localDecrypt(text, SAMPLE_1, zero, { provider: name }))).code).toBe(
        "ERR_DECRYPT_FAILED",
      );
    }
  });

  test("[ENV-28] text is its UTF-8, and nothing is added", async () => {
    const { createDecipheriv } = await import("node:crypto");
    const { nonce, ciphertext, tag } = parseEnvelope(localEncryptSync("x", SAMPLE_1, "é\u{feff}"));
    const decipher = createDecipheriv("aes-256-gcm", fromBase64(SAMPLE_1.dataKey), nonce, {
      authTagLength: 16,
    });
    decipher.setAAD(Uint8Array.of(0xc3, 0xa9, 0xef, 0xbb, 0xbf));
    decipher.setAuthTag(tag);
    expect(Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString()).toBe("x");
  });

  test("[ENV-28] the key blob is not part of it: a message opens under another one", () => {
    const text = localEncryptSync("x", SAMPLE_1, "aad", { layout: "dotnet" });
    expect(localDecryptSync(splice(text, SAMPLE_2.encryptedKeys), SAMPLE_1, "aad")).toBe("x");
  });

  test("[ENV-32] any other associated data is refused", () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, syncProvider, (written, read, name) => {
        const text = localEncryptSync("x", SAMPLE_1, written, { provider: name });
        if (Buffer.compare(written, read) === 0) return;
        expect(errorOf(() => localDecryptSync(text, SAMPLE_1, read, { provider: name })).code).toBe(
          "ERR_DECRYPT_FAILED",
        );
      }),
    );
  });
});

describe("errors", () => {
  test.each(PROVIDER_NAMES)(
    "[ENV-32] wrong key, associated data, nonce, ciphertext and tag give one error: %s",
    async (name) => {
      const text = await localEncrypt("message", SAMPLE_1, "aad", { provider: name });
      const parts = parseEnvelope(text);
      const altered = (change: object) => serializeEnvelope({ ...parts, ...change });
      const errors = await Promise.all(
        [
          () => localDecrypt(text, SAMPLE_2, "aad", { provider: name }),
          () => localDecrypt(text, SAMPLE_1, "AAD", { provider: name }),
          () => localDecrypt(text, SAMPLE_1, undefined, { provider: name }),
          () =>
            localDecrypt(altered({ nonce: flipBit(parts.nonce, 0) }), SAMPLE_1, "aad", { provider: name }),
          () =>
            localDecrypt(altered({ ciphertext: flipBit(parts.ciphertext, 0) }), SAMPLE_1, "aad", {
              provider: name,
            }),
          () =>
            localDecrypt(altered({ ciphertext: parts.ciphertext.subarray(1) }), SAMPLE_1, "aad", {
              provider: name,
            }),
          () => localDecrypt(altered({ tag: flipBit(parts.tag, 127) }), SAMPLE_1, "aad", { provider: name }),
        ].map(rejectionOf),
      );
      for (const error of errors) {
        expect(error).not.toHaveProperty("cause");
        expect(JSON.parse(JSON.stringify(error))).toEqual(JSON.parse(JSON.stringify(errors[0])));
        expect(error).toMatchObject({ name: "VaultError", code: "ERR_DECRYPT_FAILED", retryable: false });
        expect(error.message).toBe(errors[0]!.message);
      }
    },
  );

  test("[ENV-15] [ENV-33] an envelope that cannot be read is refused before the key is looked at", async () => {
    const untouchable = {
      get dataKey(): string {
        throw new Error("the key was touched");
      },
    };
    const cases: [ciphertext: string, options: Omit<LocalDecryptOptions, "as">, code: string][] = [
      ["text", {}, "ERR_NOT_CIPHERTEXT"],
      [SAMPLE_ENVELOPES.iv12.slice(0, 44), {}, "ERR_NOT_CIPHERTEXT"],
      [SAMPLE_ENVELOPES.iv12.slice(0, 84), {}, "ERR_ENVELOPE_MALFORMED"],
      [SAMPLE_ENVELOPES.iv12, { layouts: ["dotnet"] }, "ERR_LAYOUT_NOT_ALLOWED"],
      ["A".repeat(100_000_000), {}, "ERR_ENVELOPE_TOO_LARGE"],
    ];
    for (const [ciphertext, options, code] of cases) {
      const error = await errorOfBoth(
        () => localDecryptSync(ciphertext, untouchable, "", options),
        () => localDecrypt(ciphertext, untouchable, "", options),
      );
      expect(error.code).toBe(code);
    }
    // The key is what the call above would have asked for.
    expect(errorOf(() => localDecryptSync(SAMPLE_ENVELOPES.iv12, untouchable)).message).toBe(
      "the key was touched",
    );
  });

  test("[ENV-34] no error shows data, key or associated data", async () => {
    const data = "canary-plaintext-5e1d";
    const aad = "canary-associated-data-77aa";
    const rawKey = utf8Bytes("canary-key-with-32-bytes-0123456");
    const key = { dataKey: rawKey, encryptedKeys: SAMPLE_1.encryptedKeys };
    const secrets = [utf8Bytes(data), utf8Bytes(aad), rawKey, rawKey.subarray(0, 31)];
    const text = localEncryptSync(data, key, aad);
    const parts = parseEnvelope(text);
    const binary = serializeEnvelope({
      ...parts,
      ...cut(
        NODE.importKey(rawKey).seal(parts.nonce, Uint8Array.from([...utf8Bytes(data), 0xff]), utf8Bytes(aad)),
      ),
    });
    const calls: (() => unknown)[] = [
      () => localEncryptSync(`${data}\ud800`, key, aad),
      () => localEncryptSync(data, key, `${aad}\ud800`),
      () => localEncryptSync({ data } as never, key, aad),
      () => localEncryptSync([data] as never, key, aad),
      () => localEncryptSync(data, key, { aad } as never),
      () => localEncryptSync(data, key, aad.repeat(50_000)),
      () => localEncryptSync(data, key, aad, { layout: data as never }),
      () => localEncryptSync(data, key, aad, { provider: data as never }),
      () => localEncryptSync(data, { ...key, encryptedKeys: base64(rawKey) }, aad),
      () => localEncryptSync(data, { ...key, dataKey: `${base64(rawKey)}!` }, aad),
      () => localEncryptSync(data, { ...key, dataKey: base64(rawKey.subarray(0, 31)) }, aad),
      () => localEncryptSync(data, { ...key, dataKey: rawKey.subarray(0, 31) }, aad),
      () => localEncryptSync(data, { ...key, dataKey: [...rawKey] as never }, aad),
      () => localDecryptSync(text, key, `${aad}x`),
      () => localDecryptSync(text, SAMPLE_1, aad),
      () => localDecryptSync(binary, key, aad),
      () => localDecryptSync(data, key, aad),
      () => localDecryptSync({ data } as never, key, aad),
      () => localDecryptSync(text, key, aad, { as: data as never }),
      () => localDecryptSync(text, key, aad, { layouts: [data] as never }),
      () => localDecryptSync(text, key, aad, { layouts: ["dotnet"] }),
    ];
    for (const name of PROVIDER_NAMES) {
      calls.push(() => localDecrypt(text, key, `${aad}x`, { provider: name }));
      calls.push(() => localDecrypt(text, SAMPLE_1, aad, { provider: name }));
      calls.push(() =>
        localEncrypt(data, { ...key, dataKey: rawKey.subarray(0, 31) }, aad, { provider: name }),
      );
    }
    for (const call of calls) {
      const error = await rejectionOf(call);
      expect(error.code).toMatch(/^ERR_/);
      expectNoTrace(error, secrets);
    }
  });

  function cut(message: Uint8Array): { ciphertext: Uint8Array; tag: Uint8Array } {
    return { ciphertext: message.subarray(0, -16), tag: message.subarray(-16) };
  }
});

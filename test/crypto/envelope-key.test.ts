/** The fast way of a held data key: the same envelopes as the slow way, at every size, layout and provider. */
import { createDecipheriv } from "node:crypto";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeInto } from "../../src/base/base64-buffer.ts";
import { codingBuffer } from "../../src/base/coding-buffer.ts";
import { runtime } from "../../src/base/runtime.ts";
import { bufferMemory, portableMemory } from "../../src/base/text-memory.ts";
import type { AeadProviderName } from "../../src/crypto/aead/aead.ts";
import { AREA_BYTES } from "../../src/crypto/aead/wasm/layout.ts";
import { prepareSeals } from "../../src/crypto/envelope/batch-items.ts";
import { parseEnvelope, serializeEnvelopeBytes } from "../../src/crypto/envelope/envelope.ts";
import { sealMany } from "../../src/crypto/envelope/fast/envelope-batch.ts";
import { EnvelopeKey, Platform } from "../../src/crypto/envelope/fast/envelope-key.ts";
import { PIECE_CHARS, PIECE_DIGITS } from "../../src/crypto/envelope/fast/envelope-node.ts";
import { frameOf } from "../../src/crypto/envelope/fast/frame.ts";
import type { FrameLayout } from "../../src/crypto/envelope/layouts.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localDecrypt, localDecryptSync, localEncrypt, localEncryptSync } from "../../src/crypto/local.ts";
import { seededStream } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";
import { envelopeKeyOf, providersOf } from "../support/providers.ts";
import { SAMPLE_1 } from "../support/samples.ts";

const RAW = Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64"));
const FRAME_LAYOUTS: readonly FrameLayout[] = ["iv12", "leb-first", "dotnet"];
const PROVIDERS: readonly (AeadProviderName | undefined)[] = [undefined, "node", "wasm", "noble"];
const free = { spend: () => {} };

const newKey = (encryptedKeys: string = SAMPLE_1.encryptedKeys): DataKey =>
  new DataKey({ id: "id", key: Uint8Array.from(RAW), encryptedKeys });

/** Opened by node:crypto, from the parts that the one parser finds. */
function openByHand(text: string, aad: string): Buffer {
  const { nonce, ciphertext, tag, isCanonical } = parseEnvelope(text);
  expect(isCanonical).toBe(true);
  const decipher = createDecipheriv("aes-256-gcm", RAW, nonce, { authTagLength: 16 });
  decipher.setAAD(Buffer.from(aad)).setAuthTag(tag);
  return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
}

/** What came out: the text, or code and message of the error. */
function outcome(call: () => string): string {
  try {
    return call();
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
}

const sizes = [
  ...[0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 511, 512, 513, 1000, 1024, 4096],
  ...[PIECE_CHARS, 2 * PIECE_CHARS, AREA_BYTES].flatMap((n) => [n - 2, n - 1, n, n + 1, n + 2]),
  // Around the ends of pieces of base64, with the frame in the first.
  ...[1, 2, 3].flatMap((pieces) =>
    Array.from({ length: 44 }, (_, n) => (pieces * PIECE_DIGITS * 3) / 4 - 260 + n * 6 + (n % 5)),
  ),
  300_000,
];

describe.each(FRAME_LAYOUTS)("%s", (layout) => {
  test.each(PROVIDERS)("[ENV-10] every size there and back by %s", (provider) => {
    const key = newKey();
    const next = seededStream(7);
    for (const size of sizes) {
      if (provider === "noble" && size > 5000) continue;
      const text = Buffer.from(next(size))
        .toString("latin1")
        .replace(/[^ -~]/g, "x");
      const aad = size % 3 === 0 ? "" : "seq".repeat(1 + (size % 50));
      for (const data of [text, Uint8Array.from(Buffer.from(text))]) {
        const sealed = localEncryptSync(data, key, aad, { layout, provider });
        expect(parseEnvelope(sealed).layout).toBe(layout);
        if (!openByHand(sealed, aad).equals(Buffer.from(text))) throw new Error(`${size} bytes`);
        const opened = localDecryptSync(sealed, key, aad, { provider });
        if (opened !== text) throw new Error(`${size} bytes, opened`);
        const bytes = envelopeKeyOf(key).open(sealed, Buffer.from(aad), layout, "bytes", provider);
        if (bytes !== undefined && !Buffer.from(bytes as Uint8Array).equals(Buffer.from(text))) {
          throw new Error(`${size} bytes, opened as bytes`);
        }
      }
    }
  });

  test("text of all kinds of characters, cut nowhere inside of one", () => {
    const key = newKey();
    const pair = "\u{1f511}";
    const chars = PIECE_CHARS;
    const texts = [
      ...["\ufeff", "\ufeffx", "\ufffd", "a\ufffdb", "\u0000", "\u00e9", "\u20ac", pair],
      ...[-2, -1, 0, 1].map((shift) => "x".repeat(chars + shift) + pair.repeat(chars)),
      "\u20ac".repeat(2 * chars + 1),
      `${"\u00e9".repeat(200)}${pair}`,
    ];
    for (const provider of ["node", "wasm"] as const) {
      for (const text of texts) {
        const sealed = localEncryptSync(text, key, undefined, { layout, provider });
        expect(openByHand(sealed, "").toString()).toBe(text);
        expect(localDecryptSync(sealed, key, undefined, { provider })).toBe(text);
      }
    }
  });

  test("the frame is the envelope without its message", () => {
    const keyBlob = Buffer.from(SAMPLE_1.encryptedKeys, "base64");
    const frame = frameOf(layout, keyBlob);
    const nonce = new Uint8Array(12).fill(1);
    const tag = new Uint8Array(16).fill(2);
    const ciphertext = new Uint8Array(5).fill(3);
    const whole = serializeEnvelopeBytes({ layout, keyBlob, nonce, ciphertext, tag });
    const mine = new Uint8Array(whole.length);
    mine.set(frame.bytes.subarray(frame.headerAt, frame.headerAt + frame.headerBytes), frame.headerAt);
    mine.set(nonce, frame.nonceAt);
    mine.set(ciphertext, frame.ciphertextAt);
    mine.set(tag, frame.tagAt ?? frame.ciphertextAt + ciphertext.length);
    expect(mine).toEqual(whole);
  });
});

describe("the fast and the slow way", () => {
  const key = newKey();
  const sealed = localEncryptSync("a message", key, "aad");

  test("refuse the same texts with the same errors", () => {
    const bytes = Buffer.from(sealed, "base64");
    const wrong: string[] = ["", "AAAA", "not base64", sealed.slice(1), sealed.slice(0, -4), `${sealed}AAAA`];
    for (let at = 0; at < bytes.length; at += 7) {
      const altered = Buffer.from(bytes);
      altered[at]! ^= 0x10;
      wrong.push(altered.toString("base64"));
    }
    for (const at of [0, 5, sealed.length - 1]) {
      for (const char of [" ", "\n", "-", "_", "=", "\u0141", "\u{1f511}", "*"]) {
        wrong.push(sealed.slice(0, at) + char + sealed.slice(at + 1));
        wrong.push(sealed.slice(0, at) + char + sealed.slice(at));
      }
    }
    for (const text of wrong) {
      // An altered key blob is none of their business: they have the key.
      expect(outcome(() => localDecryptSync(text, key, "aad"))).toBe(
        outcome(() => localDecryptSync(text, { dataKey: RAW }, "aad")),
      );
    }
  });

  test("agree on any text, associated data and result type", async () => {
    const text = fc.string({ unit: "grapheme", maxLength: 700 });
    await fc.assert(
      fc.asyncProperty(text, text, fc.constantFrom(...FRAME_LAYOUTS), async (data, aad, layout) => {
        const fast = await localEncrypt(data, key, aad, { layout });
        expect(await localDecrypt(fast, { dataKey: RAW }, aad)).toBe(data);
        const slow = await localEncrypt(data, { dataKey: RAW, encryptedKeys: SAMPLE_1.encryptedKeys }, aad, {
          layout,
        });
        expect(await localDecrypt(slow, key, aad)).toBe(data);
        expect(Buffer.from(await localDecrypt(slow, key, aad, { as: "bytes" })).toString()).toBe(data);
        expect(slow.length).toBe(fast.length);
      }),
    );
  });

  test("[ENV-9] bytes that are not text are refused as text, and nothing of them stays", () => {
    for (const provider of ["node", "wasm"] as const) {
      const wrong = localEncryptSync(Uint8Array.of(0xff, 0xfe), key, undefined, { provider });
      const error = errorOf(() => localDecryptSync(wrong, key, undefined, { provider }));
      expect(error.code).toBe("ERR_PLAINTEXT_NOT_TEXT");
      expect(localDecryptSync(wrong, key, undefined, { provider, as: "bytes" })).toEqual(
        Uint8Array.of(0xff, 0xfe),
      );
    }
  });

  test("a key without a wrapped form still decrypts, and does not encrypt", () => {
    const bare = newKey("");
    expect(localDecryptSync(sealed, bare, "aad")).toBe("a message");
    expect(localDecryptSync(sealed, bare, "aad")).toBe("a message");
    expect(errorOf(() => localEncryptSync("x", bare)).code).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test("headers and associated data that are too large for it go the slow way", () => {
    const blob = Buffer.alloc(60_000, 7);
    blob.write("WOS.EKM.v1\0", "latin1");
    const large = newKey(blob.toString("base64"));
    expect(envelopeKeyOf(large).seal("x", new Uint8Array(0), "iv12", undefined, free)).toBeUndefined();
    expect(localDecryptSync(localEncryptSync("x", large), large)).toBe("x");
    const aad = "a".repeat(5000);
    expect(localDecryptSync(localEncryptSync("x", key, aad), key, aad)).toBe("x");
    expect(
      localDecryptSync(localEncryptSync("x", key, aad, { provider: "wasm" }), key, aad, { provider: "wasm" }),
    ).toBe("x");
  });

  test("Web Crypto is left to the slow way", async () => {
    expect(envelopeKeyOf(key).seal("x", new Uint8Array(0), "iv12", "webcrypto", free)).toBeUndefined();
    expect(envelopeKeyOf(key).open(sealed, Buffer.from("aad"), "iv12", "text", "webcrypto")).toBeUndefined();
    const text = await localEncrypt("x", key, undefined, { provider: "webcrypto" });
    expect(await localDecrypt(text, key, undefined, { provider: "webcrypto" })).toBe("x");
  });

  test("[ENV-35] a disposed key is refused, also after it was used", () => {
    for (const provider of ["node", "wasm", undefined] as const) {
      const gone = newKey();
      localEncryptSync("x", gone, undefined, { provider });
      gone.dispose();
      expect(errorOf(() => localEncryptSync("x", gone, undefined, { provider })).code).toBe("ERR_DISPOSED");
      expect(errorOf(() => localDecryptSync(sealed, gone, "aad", { provider })).code).toBe("ERR_DISPOSED");
    }
  });

  test("what a budget refuses is not encrypted and not kept", () => {
    const refusing = {
      spend: () => {
        throw new Error("used up");
      },
    };
    for (const provider of ["node", "wasm"] as const) {
      const attempt = (): unknown =>
        envelopeKeyOf(key).seal("\u00c5".repeat(9), new Uint8Array(0), "iv12", provider, refusing);
      expect(errorOf(attempt).message).toBe("used up");
    }
  });
});

describe("other runtimes", () => {
  const wasm = runtime.wasm;
  const data = "s\u00e9cret";

  test("without Buffer and node:crypto: the module for small messages, all else the slow way", () => {
    const edge = providersOf({ crypto: undefined, webcrypto: runtime.webcrypto, wasm }, "other");
    const key = new EnvelopeKey(newKey(), new Platform(edge, undefined, undefined));
    const sealed = key.seal(data, Buffer.from("aad"), "iv12", undefined, free) as string;
    expect(openByHand(sealed, "aad").toString()).toBe(data);
    expect(key.open(sealed, Buffer.from("aad"), "iv12", "text", undefined)).toBe(data);
    expect(key.open(sealed, Buffer.from("aae"), "iv12", "text", undefined)).toBeUndefined();
    expect(key.seal("x".repeat(5000), Buffer.from("aad"), "iv12", undefined, free)).toBeUndefined();
    const large = localEncryptSync("x".repeat(5000), newKey(), "aad");
    expect(key.open(large, Buffer.from("aad"), "iv12", "text", undefined)).toBeUndefined();
  });

  test("a batch there: large items are left to the slow way", () => {
    const edge = providersOf({ crypto: undefined, webcrypto: runtime.webcrypto, wasm }, "other");
    const key = new EnvelopeKey(newKey(), new Platform(edge, undefined, undefined));
    const items = prepareSeals(["small", "x".repeat(9000), "small too", 5 as never], "aad");
    const [first, large, third, wrong] = sealMany(key, items, "iv12", undefined, free);
    expect(
      [first, third].map((result) => openByHand((result as { value: string }).value, "aad").toString()),
    ).toEqual(["small", "small too"]);
    expect(large).toBeUndefined();
    expect(wrong).toMatchObject({ ok: false });
  });

  test("with Buffer, without node:crypto", () => {
    const bare = providersOf({ crypto: undefined, webcrypto: undefined, wasm }, "other");
    const key = new EnvelopeKey(newKey(), new Platform(bare, Buffer, undefined));
    expect(key.seal("x".repeat(5000), Buffer.from("aad"), "iv12", undefined, free)).toBeUndefined();
    expect(key.seal("x", Buffer.from("aad"), "iv12", "noble", free)).toBeUndefined();
  });

  test("Deno: the module at every size, but for large messages of calls that can wait", () => {
    const { crypto, webcrypto } = runtime;
    const key = new EnvelopeKey(
      newKey(),
      new Platform(providersOf({ crypto, webcrypto, wasm }, "deno"), Buffer, undefined),
    );
    const aad = new Uint8Array(0);
    for (const size of [16 * 1024 - 1, 16 * 1024, 20_000]) {
      const text = "x".repeat(size);
      const sealed = key.seal(text, new Uint8Array(0), "iv12", undefined, free, false) as string;
      expect(openByHand(sealed, "").toString()).toBe(text);
      expect(key.open(sealed, aad, "iv12", "text", undefined, false)).toBe(text);
      const isLeft = size >= 16 * 1024;
      expect(key.seal(text, new Uint8Array(0), "iv12", undefined, free, true) === undefined).toBe(isLeft);
      expect(key.open(sealed, aad, "iv12", "text", undefined, true) === undefined).toBe(isLeft);
      expect(key.seal(text, new Uint8Array(0), "iv12", "node", free, true)).toBeDefined();
      expect(key.open(sealed, aad, "iv12", "text", "node", true)).toBe(text);
    }
  });

  test("without WebAssembly: node:crypto for everything", () => {
    const node = providersOf({ crypto: runtime.crypto, webcrypto: undefined }, "node");
    const key = new EnvelopeKey(newKey(), new Platform(node, Buffer, undefined));
    for (const text of ["", data]) {
      const sealed = key.seal(text, new Uint8Array(0), "iv12", undefined, free) as string;
      expect(openByHand(sealed, "").toString()).toBe(text);
      expect(key.open(sealed, new Uint8Array(0), "iv12", "text", undefined)).toBe(text);
    }
    const sealed = key.seal(data, new Uint8Array(0), "iv12", undefined, free) as string;
    const open = (text: string): unknown => key.open(text, new Uint8Array(0), "iv12", "text", undefined);
    for (const at of [0, 20, 60, 200]) {
      const other = sealed[at] === "A" ? "B" : "A";
      expect(open(sealed.slice(0, at) + other + sealed.slice(at + 1))).toBeUndefined();
    }
    expect(open(`-${sealed.slice(1)}`)).toBeUndefined();
    expect(open(`${sealed.slice(0, -4)}A===`)).toBeUndefined();
  });
});

describe("bad input", () => {
  const key = newKey();

  test.each([[5], [null], [undefined], [{ length: 3 }], [new ArrayBuffer(3)], [[1, 2]]])(
    "%j is no data",
    (data) => {
      const error = errorOf(() => localEncryptSync(data as never, key));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    },
  );

  test("[ENV-8] lone surrogates are refused, in data and associated data", () => {
    for (const text of ["\ud800", "a\udc00", `${"x".repeat(600)}\ud800`]) {
      expect(errorOf(() => localEncryptSync(text, key)).code).toBe("ERR_TEXT_MALFORMED");
      expect(errorOf(() => localEncryptSync("x", key, text)).code).toBe("ERR_TEXT_MALFORMED");
    }
  });

  test("[ENV-18] too much data is refused", () => {
    const chars = 64 * 1024 * 1024;
    for (const data of ["a".repeat(chars + 1), new Uint8Array(chars + 1), "\u00e9".repeat(chars / 2 + 1)]) {
      expect(errorOf(() => localEncryptSync(data, key)).code).toBe("ERR_PLAINTEXT_TOO_LARGE");
    }
  });

  test.each([3, 100, 5000])("%i bytes of transferred memory are refused, not taken for nothing", (length) => {
    const data = new Uint8Array(length);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    const error = errorOf(() => localEncryptSync(data, key));
    expect(error).toBeInstanceOf(TypeError);
    expect(errorOf(() => localEncryptSync("x", key, data)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => localDecryptSync(localEncryptSync("x", key), key, data)).code).toBe(
      "ERR_INVALID_ARGUMENT",
    );
  });

  test("memory that another thread writes to gives an envelope that opens", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(20_000));
    const worker = new Worker(
      "const { workerData: w } = require('node:worker_threads'); for (let n = 0; ; n++) w.fill(n);",
      { eval: true, workerData: shared },
    );
    try {
      for (const size of [10, 100, 600, 20_000]) {
        for (let n = 0; n < 20; n++) {
          const data = shared.subarray(0, size);
          const sealed = n % 2 === 0 ? localEncryptSync(data, key, data) : await localEncrypt(data, key);
          expect(parseEnvelope(sealed).ciphertext).toHaveLength(size);
          if (n % 2 === 1)
            expect(await localDecrypt(sealed, key, undefined, { as: "bytes" })).toHaveLength(size);
        }
      }
    } finally {
      await worker.terminate();
    }
  });

  test("data that is changed while a call waits: what it was when the call was made", async () => {
    for (const provider of [undefined, "node", "wasm"] as const) {
      for (const size of [20, 2000]) {
        const data = new Uint8Array(size).fill(1);
        const sealing = localEncrypt(data, key, undefined, { provider });
        data.fill(2);
        expect(await localDecrypt(await sealing, key, undefined, { as: "bytes" })).toEqual(
          new Uint8Array(size).fill(1),
        );
      }
    }
  });

  test("bytes whose class runs code while they are read cannot get into another message", () => {
    class Sneaky extends Uint8Array {
      static get [Symbol.species](): Uint8ArrayConstructor {
        localEncryptSync("y".repeat(3000), key);
        return Uint8Array;
      }
    }
    for (const size of [10, 2000, 150_000]) {
      const data = new Sneaky(size).fill(0x61);
      Object.defineProperty(data, "byteOffset", {
        get: () => {
          localEncryptSync("z".repeat(3000), key);
          return 0;
        },
      });
      const sealed = localEncryptSync(data, key);
      expect(openByHand(sealed, "").equals(Buffer.alloc(size, 0x61))).toBe(true);
    }
  });

  test.each([
    [10, 100],
    [10, 2000],
    [200_000, 10],
    [400_000, 10],
    [20, -1],
    [20, Number.NaN],
  ])("an array of %i bytes that says it has %i is taken for what it is", async (real, claimed) => {
    localEncryptSync("y".repeat(3000), key);
    const lying = (): Uint8Array => {
      const bytes = new Uint8Array(real).fill(0x61);
      Object.defineProperty(bytes, "length", { get: () => claimed });
      Object.defineProperty(bytes, "buffer", { get: () => new ArrayBuffer(5) });
      return bytes;
    };
    const truth = Buffer.alloc(real, 0x61);
    for (const layout of [...FRAME_LAYOUTS, "native"] as const) {
      for (const provider of PROVIDERS) {
        const sealed = localEncryptSync(lying(), key, lying(), { provider, layout });
        const opened = localDecryptSync(sealed, key, truth, { as: "bytes" });
        if (!truth.equals(opened)) throw new Error(`${layout}, ${provider}`);
      }
    }
    const sealed = await localEncrypt(lying(), key, undefined, { provider: "webcrypto" });
    expect(truth.equals(await localDecrypt(sealed, key, undefined, { as: "bytes" }))).toBe(true);
    const [one] = sealMany(envelopeKeyOf(key), prepareSeals([lying()], lying()), "iv12", undefined, free);
    expect(openByHand((one as { value: string }).value, truth.toString()).equals(truth)).toBe(true);
  });

  test("a data key that says it has 32 bytes and does not is refused", () => {
    for (const real of [10, 31, 33, 200_000]) {
      const lying = new Uint8Array(real);
      Object.defineProperty(lying, "length", { value: 32 });
      const { encryptedKeys } = SAMPLE_1;
      for (const provider of PROVIDERS) {
        const use = (): unknown => localEncryptSync("x", { dataKey: lying, encryptedKeys }, "", { provider });
        expect(errorOf(use).code).toBe("ERR_INVALID_ARGUMENT");
      }
      expect(errorOf(() => new DataKey({ id: "", key: lying, encryptedKeys })).code).toBe(
        "ERR_INVALID_ARGUMENT",
      );
    }
  });

  test("nothing of a long message comes out with a short one", () => {
    for (const provider of ["node", "wasm"] as const) {
      for (const layout of FRAME_LAYOUTS) {
        const long = localEncryptSync("\u00c5".repeat(1500), key, "\u00c5".repeat(99), { provider, layout });
        localDecryptSync(long, key, "\u00c5".repeat(99), { provider });
        for (let size = 0; size < 40; size++) {
          const sealed = localEncryptSync("s".repeat(size), key, undefined, { provider, layout });
          expect(parseEnvelope(sealed).ciphertext).toHaveLength(size);
          expect(openByHand(sealed, "").toString()).toBe("s".repeat(size));
        }
      }
    }
  });

  test("thousands of calls in each other's way, on two keys", async () => {
    const other = new DataKey({ id: "2", key: new Uint8Array(32), encryptedKeys: SAMPLE_1.encryptedKeys });
    const results = await Promise.all(
      Array.from({ length: 4000 }, async (_, i) => {
        const mine = i % 3 === 0 ? other : key;
        const text = `${i}`.repeat(1 + (i % 300));
        const sealed = await localEncrypt(text, mine, `${i}`, { layout: FRAME_LAYOUTS[i % 3]! });
        return (await localDecrypt(sealed, mine, `${i}`)) === text;
      }),
    );
    expect(results.every(Boolean)).toBe(true);
  });
});

describe.each(FRAME_LAYOUTS)("long ciphertexts, %s", (layout) => {
  const key = newKey();
  const text = "0123456789abcdef".repeat((3 * PIECE_DIGITS) / 16);
  const sealed = localEncryptSync(text, key, "aad", { layout });
  const open = (ciphertext: string): unknown =>
    envelopeKeyOf(key).open(ciphertext, Buffer.from("aad"), layout, "text", undefined);

  test("open", () => {
    expect(open(sealed)).toBe(text);
    const blobOfAnother = envelopeKeyOf(newKey(Buffer.from("WOS.EKM.v1\0another").toString("base64")));
    expect(blobOfAnother.open(sealed, Buffer.from("aad"), layout, "text", undefined)).toBeUndefined();
  });

  test("[ENV-4] are refused for a wrong character, and for padding in the middle, in any piece", () => {
    for (const piece of [0, 1, 2, 3]) {
      const at = piece * PIECE_DIGITS + (piece === 0 ? 1000 : 0);
      for (const wrong of ["-", "*", "\u0141", "\u{1f511}"]) {
        const altered = sealed.slice(0, at) + wrong + sealed.slice(at + wrong.length);
        expect(open(altered)).toBeUndefined();
        expect(errorOf(() => localDecryptSync(altered, key, "aad")).code).toBe("ERR_NOT_CIPHERTEXT");
      }
      for (const padding of ["=", "=="]) {
        const end = Math.min((piece + 1) * PIECE_DIGITS, sealed.length - 4);
        const group = `AAAA`.slice(padding.length) + padding;
        const altered = sealed.slice(0, end - 4) + group + sealed.slice(end);
        expect(open(altered)).toBeUndefined();
        expect(errorOf(() => localDecryptSync(altered, key, "aad")).code).toBe("ERR_NOT_CIPHERTEXT");
      }
    }
  });

  test("[ENV-34] are refused if one bit is wrong, in any piece", () => {
    const bytes = Buffer.from(sealed, "base64");
    for (const at of [400, bytes.length / 3, bytes.length / 2, bytes.length - 1].map(Math.floor)) {
      bytes[at]! ^= 1;
      expect(open(bytes.toString("base64"))).toBeUndefined();
      expect(errorOf(() => localDecryptSync(bytes.toString("base64"), key, "aad")).code).toBe(
        "ERR_DECRYPT_FAILED",
      );
      bytes[at]! ^= 1;
    }
    expect(open(bytes.toString("base64"))).toBe(text);
  });

  test("[ENV-9] that are not text are refused as text", () => {
    const bytes = Buffer.alloc(3 * PIECE_DIGITS, 0x61);
    bytes[2 * PIECE_DIGITS] = 0xff;
    const wrong = localEncryptSync(bytes, key, undefined, { layout });
    const { code } = errorOf(() => envelopeKeyOf(key).open(wrong, Buffer.alloc(0), layout, "text", "node"));
    expect(code).toBe("ERR_PLAINTEXT_NOT_TEXT");
    expect(localDecryptSync(wrong, key, undefined, { as: "bytes" })).toEqual(Uint8Array.from(bytes));
  });

  test("nothing of a long message is spent or comes out if the budget refuses it", () => {
    let asked = 0;
    const refusing = {
      spend: (bytes: number) => {
        asked = bytes;
        throw new Error("used up");
      },
    };
    const attempt = (): unknown =>
      envelopeKeyOf(key).seal(text, Buffer.from("aad"), layout, undefined, refusing);
    expect(errorOf(attempt).message).toBe("used up");
    expect(asked).toBe(text.length);
  });
});

test("a Buffer without coders by name is coded by the documented ones", () => {
  const bare = (): Buffer => {
    const buffer = Buffer.alloc(64);
    for (const name of ["utf8Write", "base64Write", "utf8Slice", "base64Slice"]) {
      Object.defineProperty(buffer, name, { value: undefined, writable: true });
    }
    return buffer;
  };
  const [bareOne, native] = [codingBuffer(bare()), codingBuffer(Buffer.alloc(64))];
  for (const buffer of [bareOne, native]) {
    expect(buffer.utf8Write("a\u00e9\u{1f511}", 3, 6)).toBe(3);
    expect(buffer.utf8Write("a\u00e9\u{1f511}", 3, 7)).toBe(7);
    expect(buffer.utf8Slice(3, 10)).toBe("a\u00e9\u{1f511}");
    expect(buffer.base64Slice(3, 10)).toBe("YcOp8J+UkQ==");
    expect(buffer.base64Write("YcOp8J+UkQ==", 20, 7)).toBe(7);
    expect(buffer.utf8Slice(20, 27)).toBe("a\u00e9\u{1f511}");
  }
  expect(bareOne.equals(native)).toBe(true);
});

test("[ENV-4] long base64 is held to the same rules as short: each wrong spelling of it is refused", () => {
  const target = codingBuffer(Buffer.alloc(20_000));
  for (const bytes of [3072, 3073, 3074, 3075, 3076, 9000, 9001, 9002]) {
    const text = Buffer.alloc(bytes, 0xfb).toString("base64");
    expect(decodeInto(target, text, 3)).toBe(bytes);
    expect(target.subarray(3, 3 + bytes).every((byte) => byte === 0xfb)).toBe(true);
    for (const at of [0, 100, text.length - 5]) {
      for (const wrong of ["-", "_", " ", "\n", "=", "*", "\u0141", "\u00e9", "\u{1f511}"]) {
        expect(
          decodeInto(target, text.slice(0, at) + wrong + text.slice(at + wrong.length), 3),
        ).toBeUndefined();
        expect(decodeInto(target, text.slice(0, at) + wrong + text.slice(at), 3)).toBeUndefined();
      }
    }
    expect(decodeInto(target, text.replaceAll("+", "-"), 3)).toBeUndefined();
    expect(decodeInto(target, text.replaceAll("/", "_"), 3)).toBeUndefined();
    expect(decodeInto(target, text.slice(0, -1), 3)).toBeUndefined();
    if (bytes % 3 !== 0) {
      const stray = text.replace(/.(=+)$/, "/$1");
      expect(decodeInto(target, stray, 3)).toBeUndefined();
    }
  }
});

describe.each([
  ["Buffer", (memory: Uint8Array<ArrayBuffer>) => bufferMemory(memory, Buffer)],
  ["portable", portableMemory],
] as const)("text in memory by %s", (_, make) => {
  test("goes in and out", () => {
    const memory = new Uint8Array(300);
    const texts = make(memory);
    for (const text of ["", "abc", "\ufeff\u00e9\u20ac\u{1f511}", "\ufffd"]) {
      const length = texts.write(text, 10, 100);
      expect(length).toBe(Buffer.byteLength(text));
      expect(texts.read(10, length)).toBe(text);
      const coded = texts.encode(10, length);
      expect(coded).toBe(Buffer.from(text).toString("base64"));
      memory.fill(0);
      expect(texts.decode(coded, 20)).toBe(length);
      expect(texts.read(20, length)).toBe(text);
    }
    memory[0] = 0xff;
    expect(texts.read(0, 1)).toBeUndefined();
    for (const wrong of ["AAA", "AB==", "A A=", "AAA\u0141"]) expect(texts.decode(wrong, 0)).toBeUndefined();
  });
});

/** Conversions of bytes, each against Node's own. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ascii,
  compareBytes,
  concatBytes,
  EMPTY,
  equalBytes,
  fromHex,
  fromUtf8,
  lengthPrefixed,
  readU32,
  releaseMemory,
  startsWithAt,
  toBytes,
  toHex,
  typeName,
  u32,
  utf8,
} from "../../src/base/bytes.ts";
import { inspectNative } from "../../src/crypto/envelope/inspect.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { localEncryptSync } from "../../src/crypto/local.ts";
import { nativeDecryptSync, nativeEncryptSync } from "../../src/crypto/native/one-shot.ts";
import { toByteSource } from "../../src/crypto/native/source.ts";
import { wellFormedText } from "../support/arbitraries.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { SAMPLE_1 } from "../support/samples.ts";

const bytes = fc.uint8Array({ maxLength: 12 });
/** Pairs that often share a beginning. */
const relatedPair = fc
  .tuple(bytes, bytes, bytes)
  .map(([start, a, b]) => [concatBytes(start, a), concatBytes(start, b)] as const);

describe("bytes", () => {
  test("concatBytes joins into a new array", () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 5 }), (parts) => {
        const joined = concatBytes(...parts);
        expect(Buffer.compare(joined, Buffer.concat(parts))).toBe(0);
        expect(joined.constructor).toBe(Uint8Array);
      }),
    );
    expect(concatBytes()).toEqual(EMPTY);
  });

  test("equalBytes and compareBytes agree with Buffer's", () => {
    fc.assert(
      fc.property(relatedPair, ([a, b]) => {
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(equalBytes(a, Uint8Array.from(a))).toBe(true);
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      }),
    );
  });

  test("startsWithAt looks at one place, and never past the end", () => {
    const text = ascii("abcabd");
    expect(startsWithAt(text, ascii("abd"), 3)).toBe(true);
    expect(startsWithAt(text, ascii("abd"), 0)).toBe(false);
    expect(startsWithAt(text, ascii("abda"), 3)).toBe(false);
    expect(startsWithAt(text, EMPTY, 6)).toBe(true);
    expect(startsWithAt(text, EMPTY, 7)).toBe(false);
  });

  test("u32 and readU32 are each other's inverse over 32 bits", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), (value) => {
        expect(Buffer.from(u32(value)).readUInt32BE()).toBe(value);
        expect(readU32(concatBytes(Uint8Array.of(9), u32(value)), 1)).toBe(value);
      }),
    );
    expect([...lengthPrefixed(ascii("ab"))]).toEqual([0, 0, 0, 2, 0x61, 0x62]);
  });

  test("toHex and fromHex are each other's inverse", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(toHex(value)).toBe(Buffer.from(value).toString("hex"));
        expect(fromHex(toHex(value))).toEqual(value);
      }),
    );
  });

  test("[ENV-9] UTF-8 there and back keeps every scalar value and every byte order mark", () => {
    fc.assert(
      fc.property(wellFormedText, (text) => {
        const encoded = utf8(text, "text");
        expect(Buffer.from(encoded).equals(Buffer.from(text, "utf8"))).toBe(true);
        expect(fromUtf8(encoded)).toBe(text);
      }),
    );
  });

  test.each([[[0xff]], [[0xc0, 0x80]], [[0xed, 0xa0, 0x80]], [[0xf4, 0x90, 0x80, 0x80]], [[0xe2, 0x82]]])(
    "[ENV-9] %j is not UTF-8",
    (values) => {
      expect(fromUtf8(Uint8Array.from(values))).toBeUndefined();
    },
  );

  test.each(["\ud800", "a\udfff", "\udc00\ud800", "\ud83d"])(
    "[ENV-8] a lone surrogate is refused",
    (text) => {
      expect(errorOf(() => utf8(text, "data"))).toMatchObject({ code: "ERR_TEXT_MALFORMED" });
      expect(errorOf(() => toBytes(text, "data"))).toMatchObject({ code: "ERR_TEXT_MALFORMED" });
    },
  );

  test("toBytes takes text, arrays in their place, and nothing else", () => {
    const array = Uint8Array.of(0, 1, 2, 3).subarray(1, 3);
    expect(toBytes(array, "data")).toEqual(array);
    expect([toBytes(array, "data").buffer, toBytes(array, "data").byteOffset]).toEqual([array.buffer, 1]);
    const buffer = toBytes(Buffer.from([1, 2]), "data");
    expect(Object.getPrototypeOf(buffer) === Uint8Array.prototype).toBe(true);
    expect([...buffer]).toEqual([1, 2]);
    expect([...toBytes("é", "data")]).toEqual([0xc3, 0xa9]);
    for (const wrong of [null, undefined, 1, {}, [1], new ArrayBuffer(1), new DataView(new ArrayBuffer(1))]) {
      const error = errorOf(() => toBytes(wrong as never, "data"));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    }
  });

  test("typeName says what something is, not what it holds", () => {
    expect([null, [], {}, "x", 1, undefined, () => 0].map(typeName)).toEqual([
      "null",
      "an array",
      "an object",
      "string",
      "number",
      "undefined",
      "function",
    ]);
  });
});

test("releaseMemory gives memory back that is the array's own, and only that", () => {
  const own = new Uint8Array(5).fill(1);
  releaseMemory(own);
  expect(own).toHaveLength(0);
  const shared = new Uint8Array(10).fill(1);
  const part = shared.subarray(2, 5);
  releaseMemory(part);
  expect([part.length, shared.length]).toEqual([3, 10]);
});

describe("the bytes of an argument", () => {
  const resizable = (): Uint8Array & { buffer: ArrayBuffer } =>
    new Uint8Array(new ArrayBuffer(100, { maxByteLength: 200 }), 50, 50).fill(7) as never;

  test("are refused where they only look like an array, or their memory is gone", () => {
    const shrunk = resizable();
    shrunk.buffer.resize(99);
    const transferred = new Uint8Array(5);
    transferred.buffer.transfer();
    for (const wrong of [
      new Proxy(new Uint8Array(3), {}),
      Object.create(Uint8Array.prototype),
      shrunk,
      transferred,
    ]) {
      const error = errorOf(() => toBytes(wrong, "data"));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test("are a copy where another thread could change them, or they could shrink", () => {
    const given = resizable();
    const own = toBytes(given, "data");
    given.fill(1);
    given.buffer.resize(0);
    expect(own).toEqual(new Uint8Array(50).fill(7));
    const shared = new Uint8Array(new SharedArrayBuffer(4, { maxByteLength: 9 }));
    const copy = toBytes(shared, "data");
    shared.fill(1);
    expect(copy).toEqual(new Uint8Array(4));
    const tracking = new Uint8Array(new ArrayBuffer(3, { maxByteLength: 9 }));
    tracking.buffer.resize(5);
    expect(toBytes(tracking, "data")).toHaveLength(5);
  });

  test("are a view of all other memory", () => {
    const given = Buffer.alloc(40).subarray(3, 9);
    const own = toBytes(given, "data");
    given.fill(2);
    expect(own).toEqual(new Uint8Array(6).fill(2));
    expect(Object.getPrototypeOf(own)).toBe(Uint8Array.prototype);
  });
});

test("whatever takes bytes refuses what only looks like them, with a code", async () => {
  const { encryptedKeys } = SAMPLE_1;
  const fake = (length: number): Uint8Array =>
    new Proxy(new Uint8Array(length), { get: (target, name) => Reflect.get(target, name, target) });
  const key = { dataKey: new Uint8Array(32), encryptedKeys };
  const envelope = nativeEncryptSync("x", key);
  for (const call of [
    () => new DataKey({ id: "id", key: fake(32), encryptedKeys }),
    () => new DataKey({ id: "id", key: "k".repeat(32) as never, encryptedKeys }),
    () => new DataKey({ id: "id", key: Object.create(Uint8Array.prototype), encryptedKeys }),
    () => localEncryptSync(fake(3), key),
    () => localEncryptSync("x", key, fake(3)),
    () => localEncryptSync("x", { dataKey: fake(32), encryptedKeys }),
    () => nativeDecryptSync(Object.create(Uint8Array.prototype), key),
    () => nativeDecryptSync(new Proxy(envelope, {}), key),
    () => inspectNative(new Proxy(envelope, {})),
    () => inspectNative(null as never),
    () => toByteSource(new Proxy(envelope, {})),
  ]) {
    const error = await rejectionOf(call);
    expect(`${call} ${error.code}`).toBe(`${call} ERR_INVALID_ARGUMENT`);
  }
});

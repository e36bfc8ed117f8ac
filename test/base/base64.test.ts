/** The text of envelopes: docs/spec/envelope.md section 2.1, and section 7 for lenient reading. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBase64, decodeBase64Lenient, encodeBase64 } from "../../src/base/base64.ts";
import { bufferBase64 } from "../../src/base/base64-buffer.ts";
import {
  type Base64Codec,
  builtinBase64,
  portableBase64,
  selectPortable,
} from "../../src/base/base64-portable.ts";
import { selectBase64 } from "../../src/base/codec/built-in.ts";
import { addBase64Builtins } from "../support/base64-builtins.ts";
import { hex, toHexText } from "../support/bytes.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

addBase64Builtins();

const native = bufferBase64(Buffer);
const CODECS = [
  ["portable", portableBase64],
  ["builtin", builtinBase64],
  ["Buffer", native],
] as const;

const decode = (codec: Base64Codec, text: string): Uint8Array | undefined => decodeBase64(text, codec);

/** Text that is nearly base64: digits, padding, white space, base64url's digits, and anything. */
const nearlyBase64 = fc.oneof(
  fc.string({ unit: fc.constantFrom("A", "Z", "g", "w", "8", "+", "/", "="), maxLength: 24 }),
  fc.string({
    unit: fc.constantFrom(
      "A",
      "w",
      "/",
      "=",
      "-",
      "_",
      " ",
      "\n",
      "\t",
      "\u{a0}",
      "\0",
      "\u{410}",
      "\u{1f600}",
    ),
    maxLength: 12,
  }),
  fc.string({ unit: "binary", maxLength: 12 }),
);

describe("base64", () => {
  test("the native codec is taken where there is one", () => {
    const bytes = hex("fbffbf");
    expect(selectPortable({})).toBe(portableBase64);
    expect(selectBase64(undefined)).toBe(builtinBase64);
    expect(selectBase64(Buffer)).not.toBe(portableBase64);
    expect(selectBase64(Buffer).encode(bytes)).toBe("+/+/");
    expect(encodeBase64(bytes)).toBe("+/+/");
    expect(decodeBase64("+/+/")).toEqual(bytes);
  });

  describe.each(CODECS)("%s", (_, codec) => {
    test("writes what it reads, as an array of its own", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 3 }), (bytes, offset) => {
          // A view, so that a codec that encodes the whole buffer is caught.
          const view = new Uint8Array([...new Uint8Array(offset).fill(0x55), ...bytes, 0x55]).subarray(
            offset,
            offset + bytes.length,
          );
          const text = codec.encode(view);
          expect(text).toBe(Buffer.from(bytes).toString("base64"));
          const decoded = decode(codec, text)!;
          expect(decoded).toEqual(bytes);
          expect(decoded.constructor).toBe(Uint8Array);
          expect(decoded.buffer.byteLength).toBe(decoded.length);
        }),
      );
    });

    test("writes more bytes than fit into one piece", () => {
      const bytes = Uint8Array.from({ length: 30_001 }, (_, i) => i * 7);
      expect(codec.encode(bytes)).toBe(Buffer.from(bytes).toString("base64"));
      expect(decode(codec, codec.encode(bytes))).toEqual(bytes);
    });

    test("[ENV-4] a text is read only if it is what would be written", () => {
      fc.assert(
        fc.property(nearlyBase64, (text) => {
          const bytes = decode(codec, text);
          if (bytes !== undefined) expect(codec.encode(bytes)).toBe(text);
        }),
        { numRuns: 2000 },
      );
    });
  });

  test("[ENV-4] both codecs agree on every text", () => {
    fc.assert(
      fc.property(nearlyBase64, (text) => {
        expect(decode(portableBase64, text)).toEqual(decode(native, text));
        expect(decode(builtinBase64, text)).toEqual(decode(native, text));
      }),
      { numRuns: 5000 },
    );
  });

  test.each(CODECS)("[ENV-4] no character but the 64 is a digit, for the %s codec", (_, codec) => {
    const digits = [];
    for (let unit = 0; unit < 0x10000; unit++) {
      const text = `AAA${String.fromCharCode(unit)}`;
      if (decode(codec, text) !== undefined) digits.push(String.fromCharCode(unit));
    }
    // Padding makes a text as well.
    expect(digits.join("")).toBe("+/0123456789=ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
  });

  test("[ENV-4] both codecs agree on all groups of four of some characters", () => {
    const units = ["A", "B", "g", "w", "/", "=", "-", " "];
    let accepted = 0;
    for (const a of units) {
      for (const b of units) {
        for (const c of units) {
          for (const d of units) {
            const text = a + b + c + d;
            const bytes = decode(native, text);
            expect(decode(portableBase64, text), JSON.stringify(text)).toEqual(bytes);
            if (bytes !== undefined) accepted++;
          }
        }
      }
    }
    // 5 digits: all groups without padding, xxy= where y has two zero bits, xy== where y has four.
    expect(accepted).toBe(5 ** 4 + 5 ** 2 * 3 + 5 * 3);
  });
});

describe("lenient base64", () => {
  test.each([
    ["Zm 9v\n", "666f6f"],
    ["\t\r\fZg", "66"],
    ["Zm8", "666f"],
    ["Zg=", "66"],
    ["Zh==", "66"],
    ["Zm9=", "666f"],
    ["Zm9v==", "666f6f"],
    ["", ""],
    [" ", ""],
    ["=", ""],
    ["Zg =\n=", "66"],
  ])("[ENV-25] %j is read as %j", (text, expected) => {
    expect(toHexText(decodeBase64Lenient(text)!)).toBe(expected);
  });

  test.each([
    "Z",
    "Zm9vZ",
    "Z-_v",
    "Zg===",
    "Zm9vZg==Zg==",
    "=Zm9",
    "Zm9v\u{a0}",
    "Z\u{43c}9v",
    "Zm9\0",
    "Zm9v\v",
  ])("[ENV-26] %j is refused", (text) => {
    expect(decodeBase64Lenient(text)).toBeUndefined();
  });

  test("[ENV-25] whatever is read strictly is read the same", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
        expect(decodeBase64Lenient(encodeBase64(bytes))).toEqual(bytes);
      }),
    );
  });
});

describeVectors("strict base64 vectors", "derived/base64-strict.json", (file) => {
  test.each(CODECS)("[ENV-4] by the %s codec", (name, codec) => {
    const { accept, reject } = file.json<{
      accept: { text: string; hex: string }[];
      reject: { text: string; why: string }[];
    }>();
    for (const { text, hex: expected } of accept) {
      expect(decode(codec, text), text).toEqual(hex(expected));
      expect(codec.encode(hex(expected))).toBe(text);
    }
    for (const { text, why } of reject) expect(decode(codec, text), why).toBeUndefined();
    expect(accept.length + reject.length).toBe(29);
    reportChecked(accept.length + reject.length, `strict base64 texts by the ${name} codec`);
  });

  test("[ENV-25] [ENV-26] lenient reading accepts exactly what section 7 says of the rejected ones", () => {
    const { accept, reject } = file.json<{
      accept: { text: string; hex: string }[];
      reject: { text: string; why: string }[];
    }>();
    for (const { text, hex: expected } of accept)
      expect(decodeBase64Lenient(text), text).toEqual(hex(expected));
    const read = reject.filter(({ text }) => decodeBase64Lenient(text) !== undefined).map(({ why }) => why);
    expect(read).toEqual([
      "bad padding",
      "missing padding",
      "non-zero trailing bits (decodes to 66 leniently)",
      "non-zero trailing bits",
      "non-zero trailing bits",
      "trailing newline",
      "space",
      "tab",
    ]);
    reportChecked(accept.length + reject.length, "base64 texts leniently");
  });
});

describeVectors("WPT base64", "wpt-base64/base64.json", (file) => {
  // The forgiving decoder of the web: as lenient as ours but for the number of "=".
  test("what the web reads, lenient reading reads the same; what it refuses differs in padding only", () => {
    const cases = file.json<[string, number[] | null][]>();
    let strictlyRead = 0;
    for (const [text, expected] of cases) {
      const lenient = decodeBase64Lenient(text);
      const strict = decodeBase64(text);
      if (expected !== null) {
        expect(lenient && [...lenient], JSON.stringify(text)).toEqual(expected);
      } else if (lenient !== undefined) {
        expect(text.replace(/[\t\n\f\r ]/g, ""), JSON.stringify(text)).toMatch(/^[A-Za-z0-9+/]*={1,2}$/);
      }
      expect(decode(portableBase64, text)).toEqual(strict);
      if (strict === undefined) continue;
      strictlyRead++;
      expect([...strict]).toEqual(expected);
    }
    expect(cases).toHaveLength(71);
    expect(strictlyRead).toBeGreaterThan(0);
    reportChecked(cases.length, `base64 texts of the web platform tests, ${strictlyRead} of them canonical`);
  });
});

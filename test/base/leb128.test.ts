/** The length prefix of envelopes: docs/spec/envelope.md section 2.2. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeLeb128, encodeLeb128 } from "../../src/base/leb128.ts";
import { hex, toHexText } from "../support/bytes.ts";
import { describeVectors, reportChecked } from "../support/vectors.ts";

const U32_MAX = 0xffffffff;
const u32 = fc.oneof(fc.integer({ min: 0, max: U32_MAX }), fc.nat({ max: 70_000 }));

describe("LEB128", () => {
  test.each([
    [0, "00"],
    [127, "7f"],
    [206, "ce01"],
    [276, "9402"],
    [2 ** 31, "8080808008"],
    [U32_MAX, "ffffffff0f"],
  ])("[ENV-5] %i is written as %s", (value, expected) => {
    expect(toHexText(encodeLeb128(value))).toBe(expected);
  });

  test("[ENV-5] what is written is read again, from any offset, and is the shortest", () => {
    fc.assert(
      fc.property(u32, fc.nat({ max: 9 }), fc.uint8Array({ maxLength: 5 }), (value, offset, behind) => {
        const encoded = encodeLeb128(value);
        const bytes = new Uint8Array([...new Uint8Array(offset).fill(0xff), ...encoded, ...behind]);
        expect(decodeLeb128(bytes, offset)).toEqual({ value, length: encoded.length, canonical: true });
      }),
    );
  });

  test("[ENV-7] a longer spelling is read and reported as not canonical", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 28 - 1 }), fc.nat({ max: 3 }), (value, padding) => {
        const shortest = encodeLeb128(value);
        const extra = Math.min(padding, 4 - shortest.length);
        const overlong = [...shortest];
        overlong[overlong.length - 1]! |= 0x80;
        overlong.push(...new Array<number>(extra).fill(0x80), 0x00);
        expect(decodeLeb128(Uint8Array.from(overlong), 0)).toEqual({
          value,
          length: overlong.length,
          canonical: false,
        });
      }),
    );
  });

  test.each(["", "80", "8080", "ffffffff", "ffffffffff", "808080808001", "8080808010", "ffffffff7f"])(
    "[ENV-6] %j is refused",
    (bytes) => {
      expect(decodeLeb128(hex(bytes), 0)).toBeUndefined();
    },
  );

  test("[ENV-6] nothing is read at or behind the end", () => {
    expect(decodeLeb128(hex("01"), 1)).toBeUndefined();
    expect(decodeLeb128(hex("01"), 1000)).toBeUndefined();
  });
});

describeVectors("LEB128 vectors", "derived/leb128-u32-strict.json", (file) => {
  test("all are read strictly, and the canonical ones written", () => {
    const { tests } = file.json<{ tests: { hex: string; value: number | null; note: string }[] }>();
    for (const { hex: text, value, note } of tests) {
      const bytes = hex(text);
      const read = decodeLeb128(bytes, 0);
      const strict = read?.canonical === true && read.length === bytes.length ? read.value : null;
      expect(strict, `${text} (${note})`).toBe(value);
      if (value !== null) expect(toHexText(encodeLeb128(value))).toBe(text);
    }
    expect(tests).toHaveLength(28);
    reportChecked(tests.length, "LEB128 numbers");
  });
});

/** Bodies as the server reads them, byte by byte (docs/spec/key-service-api.md 1.2): what repeats a name is refused however it is spaced. */
import { describe, expect, test } from "vitest";
import { parseStrictJson } from "../../src/server/core/strict-json.ts";
import { JSON_DEPTH_MAX, JSON_VALUES_MAX } from "../../src/server/limits.ts";
import { utf8Bytes } from "../support/bytes.ts";
import { errorOf } from "../support/errors.ts";

const parse = (text: string): unknown => parseStrictJson(utf8Bytes(text));
const messageOf = (text: string): string => errorOf(() => parse(text)).message;

describe("[API-6] a name that stands twice in an object", () => {
  test.each(["", " ", "\t", "\n", "\r", " \t\r\n "])("is refused with %j before its colon", (space) => {
    const message = "The body repeats a name within an object.";
    expect(messageOf(`{"a"${space}: 1, "a"${space}: 2}`)).toBe(message);
    expect(messageOf(`{"a"${space}: 1, "b": {}, "\\u0061"${space}: 2}`)).toBe(message);
    expect(messageOf(`[{"x": {"a"${space}: [{}], "a"${space}: 2}}]`)).toBe(message);
    expect(messageOf(`{"__proto__"${space}: 1}`)).toBe('The body holds the name "__proto__".');
  });

  test("is not one where it stands in two objects, or is a value", () => {
    for (const text of [
      '{"a": {"a": 1}, "b": {"a": 1}}',
      '[{"a": 1}, {"a": 1}]',
      '{"a": "a", "b": ["a", "a"]}',
    ]) {
      expect(parse(text)).toEqual(JSON.parse(text));
    }
  });

  test("is not one where only what looks like it stands inside a text", () => {
    const text = JSON.stringify({ a: '", "a": 1, {"a": 2}', b: "\\", c: '\\"a":' });
    expect(parse(text)).toEqual(JSON.parse(text));
  });
});

test("[API-53] as many levels and values as there may be, and not one more", () => {
  const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
  expect(parse(nested(JSON_DEPTH_MAX))).toEqual(JSON.parse(nested(JSON_DEPTH_MAX)));
  expect(messageOf(nested(JSON_DEPTH_MAX + 1))).toBe(`The body nests deeper than ${JSON_DEPTH_MAX} levels.`);
  // Beside the array itself, which is one value, every comma begins one more.
  const items = (count: number): string => `[${Array(count).fill("0").join(",")}]`;
  expect(parse(items(JSON_VALUES_MAX))).toHaveLength(JSON_VALUES_MAX);
  expect(messageOf(items(JSON_VALUES_MAX + 1))).toBe(
    `The body has more than ${JSON_VALUES_MAX} members and items.`,
  );
  // Objects and arrays are values themselves: with the commas between them and the array around them, so many.
  const arrays = (count: number): string => `[${Array(count).fill("[]").join(",")}]`;
  expect(parse(arrays(JSON_VALUES_MAX / 2))).toHaveLength(JSON_VALUES_MAX / 2);
  expect(() => parse(arrays(JSON_VALUES_MAX / 2 + 1))).toThrow();
  // Levels that were closed count no more, also right behind a text.
  const objects = JSON.stringify(Array(JSON_DEPTH_MAX * 2).fill({ a: "b" }));
  expect(parse(objects)).toHaveLength(JSON_DEPTH_MAX * 2);
  expect(
    parse(
      `[${Array(JSON_DEPTH_MAX * 2)
        .fill("[]")
        .join(",")}]`,
    ),
  ).toHaveLength(JSON_DEPTH_MAX * 2);
});

test.each(["", " ", '"', '{"a"', '{"a":', '"a": 1', '["a": 1]', '{"a" 1}', "{a: 1}", "[1,]", "nul", '"\\x"'])(
  "[API-6] %j is not JSON",
  (text) => {
    expect(messageOf(text)).toBe("The body is not valid JSON.");
  },
);

test("[API-6] bytes that are not UTF-8, and a byte order mark, are not JSON", () => {
  for (const bytes of [
    [0x22, 0xff, 0x22],
    [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
    [0xef, 0xbb, 0xbf, 0x31],
  ]) {
    expect(errorOf(() => parseStrictJson(Uint8Array.from(bytes))).message).toBe(
      "The body is not valid JSON.",
    );
  }
});

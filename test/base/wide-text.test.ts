/** Buffers that encode texts by way of UTF-16 give the bytes that the engine gives, cut where it cuts, and keep nothing. */
import { transcode } from "node:buffer";
import { describe, expect, test } from "vitest";
import { codingBuffer } from "../../src/base/coding-buffer.ts";
import { buffersOf, type Transcode, wideTextBuffers } from "../../src/base/wide-text.ts";
import { wipedBy } from "../support/wiped.ts";

const real = transcode as Transcode;
const units = ["\u00e9", "\u20ac", "\u{1f511}", "a\u00fc", "\u00e9x\u{1f511}\u65e5 "];

/** What both write, and what they answer. */
function compare(text: string, at: number, room: number, bytes: number): void {
  const mine = codingBuffer(wideTextBuffers(Buffer, real).alloc(bytes));
  const engine = codingBuffer(Buffer.alloc(bytes));
  expect(mine.utf8Write(text, at, room)).toBe(engine.utf8Write(text, at, room));
  if (!mine.equals(engine)) throw new Error(`${text.length} characters differ`);
}

describe("the same bytes as the engine's", () => {
  test.each(units)("texts of %j, of every kind of length", (unit) => {
    for (const length of [0, 1, 1023, 1024, 1025, 4096, 40_000, 65_535, 65_536, 65_537, 70_000]) {
      const text = unit
        .repeat(Math.ceil(length / unit.length))
        .slice(0, length)
        .toWellFormed();
      compare(text, 3, 3 * text.length, 3 * text.length + 10);
    }
  });

  test("one character among ASCII, wherever it stands; and texts that are cut", () => {
    for (const at of [0, 1, 700, 1999, 3999]) {
      const text = `${"x".repeat(at)}\u20ac${"y".repeat(4000 - at)}`;
      compare(text, 0, 3 * text.length, 3 * text.length);
    }
    const wide = "\u00e9\u{1f511}".repeat(2000);
    for (const room of [0, 1, 5, 4000, 11_999, 12_000]) compare(wide, 1, room, 20_000);
  });
});

test("what stood between does not stay", async () => {
  const text = "\u20acsecret".repeat(500);
  const buffer = codingBuffer(wideTextBuffers(Buffer, real).alloc(3 * text.length));
  const { wiped } = await wipedBy(() => buffer.utf8Write(text, 0, 3 * text.length));
  expect(wiped).toContain(Buffer.from(text, "utf16le").toString("hex"));
  expect(wiped).toContain(Buffer.from(text).toString("hex"));
});

test("without a transcoder, or with one that answers wrongly or not at all, it is Buffer itself", () => {
  expect(wideTextBuffers(Buffer, undefined)).toBe(Buffer);
  expect(wideTextBuffers(Buffer, () => Buffer.from("other"))).toBe(Buffer);
  const fails = (): never => {
    throw new Error("not implemented");
  };
  expect(wideTextBuffers(Buffer, fails)).toBe(Buffer);
  const memory = new Uint8Array([1, 2, 3, 4]);
  expect([...wideTextBuffers(Buffer, real).from(memory.buffer, 1, 2)]).toEqual([2, 3]);
});

test("only Node's buffers are others than the runtime's own", () => {
  expect(buffersOf(undefined, "node")).toBeUndefined();
  for (const name of ["bun", "deno", "workerd"] as const) expect(buffersOf(Buffer, name)).toBe(Buffer);
  expect(buffersOf(Buffer, "node", {})).toBe(Buffer);
  expect(buffersOf(Buffer, "node")).not.toBe(Buffer);
});

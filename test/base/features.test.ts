/** What newer engines do by themselves, and our own way beside it. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { decodeAsUri, utf8Decoder } from "../../src/base/bytes.ts";
import {
  deadlineOf,
  detach,
  isResizable,
  isWellFormed,
  isWellFormedBy,
  parseUrl,
  settleable,
  toWellFormed,
  toWellFormedBy,
} from "../../src/base/features.ts";

/** Any UTF-16, often with surrogates. */
const text = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7fe, max: 0xe001 })))
  .map((units) => String.fromCharCode(...units));

test("lone surrogates are found and replaced as the engine does it", () => {
  const [is, to] = [isWellFormedBy({}), toWellFormedBy({})];
  fc.assert(
    fc.property(text, (given) => {
      expect(is(given)).toBe(isWellFormed(given));
      expect(to(given)).toBe(toWellFormed(given));
    }),
  );
});

describe("UTF-8 without TextDecoder", () => {
  const native = utf8Decoder(TextDecoder);

  test("is read as the engine reads it", () => {
    expect(utf8Decoder(undefined)).toBe(decodeAsUri);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (given) => {
        expect(decodeAsUri(new TextEncoder().encode(given))).toBe(given);
      }),
    );
    const long = `\ufeff${"a\u00e9\u20ac\u{1f511}".repeat(5_000)}`;
    expect(decodeAsUri(new TextEncoder().encode(long))).toBe(long);
  });

  test("is refused where the engine refuses it", () => {
    const byte = fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(
        0x80,
        0xbf,
        0xc0,
        0xc1,
        0xc2,
        0xe0,
        0x9f,
        0xa0,
        0xed,
        0xf0,
        0x8f,
        0x90,
        0xf4,
        0xf5,
        0xf8,
        0xff,
      ),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 6 }), (bytes) => {
        const given = Uint8Array.from(bytes);
        expect(decodeAsUri(given)).toBe(native(given));
      }),
      { numRuns: 5_000 },
    );
  });
});

test("a promise is settled from outside", async () => {
  const { promise, resolve } = settleable<number>();
  resolve(5);
  expect(await promise).toBe(5);
  const failing = settleable<never>();
  failing.reject(new Error("no"));
  await expect(failing.promise).rejects.toThrow("no");
});

test("memory is detached where the engine can, and left where it cannot", () => {
  const memory = new ArrayBuffer(8);
  detach(memory);
  expect(memory.byteLength).toBe(0);
  const old = Object.defineProperty(new ArrayBuffer(8), "transfer", { value: undefined });
  detach(old);
  expect([old.byteLength, isResizable(old)]).toEqual([8, false]);
  expect(isResizable(new ArrayBuffer(1, { maxByteLength: 2 }))).toBe(true);
});

test("what is no URL is undefined", () => {
  expect(parseUrl("a", "https://example.com/b")?.href).toBe("https://example.com/a");
  expect(parseUrl("a")).toBeUndefined();
});

describe.each([
  ["the engine's", AbortSignal],
  ["our own", {}],
])("a deadline by %s signals", (_, signals) => {
  test("ends by time", async () => {
    const { signal, isOver } = deadlineOf(1, new AbortController().signal, signals);
    expect([signal.aborted, isOver()]).toEqual([false, false]);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    expect(isOver()).toBe(true);
  });

  test("ends with the caller's signal, and gives its reason", () => {
    const controller = new AbortController();
    const { signal, isOver } = deadlineOf(60_000, controller.signal, signals);
    controller.abort("reason");
    expect([signal.aborted, signal.reason, isOver()]).toEqual([true, "reason", false]);
  });

  test("has ended if the caller's signal has", () => {
    const { signal, isOver } = deadlineOf(60_000, AbortSignal.abort("reason"), signals);
    expect([signal.aborted, signal.reason, isOver()]).toEqual([true, "reason", false]);
  });
});

test("our own deadline lets go of its timer and of the caller's signal when the call is over", () => {
  vi.useFakeTimers();
  const { signal } = new AbortController();
  const removed = vi.spyOn(signal, "removeEventListener");
  const deadline = deadlineOf(10, signal, {});
  deadline.release();
  vi.advanceTimersByTime(10);
  expect(removed).toHaveBeenCalledOnce();
  expect([deadline.signal.aborted, deadline.isOver(), vi.getTimerCount()]).toEqual([false, false, 0]);
  vi.useRealTimers();
});

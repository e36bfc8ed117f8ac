/** The name for `using`, where the engine has one and where it has none. */
import { describe, expect, test } from "vitest";
import { ASYNC_DISPOSE, asyncDisposeName, DISPOSE, disposeName, lend } from "../../src/base/dispose.ts";

describe("the name under which objects are disposed of", () => {
  test("is the engine's own", () => {
    expect(DISPOSE).toBe(Symbol.dispose);
    expect(ASYNC_DISPOSE).toBe(Symbol.asyncDispose);
  });

  test("is the one that compiled code looks for where the engine has none", () => {
    expect(disposeName({ for: Symbol.for })).toBe(Symbol.for("Symbol.dispose"));
    expect(asyncDisposeName({ for: Symbol.for })).toBe(Symbol.for("Symbol.asyncDispose"));
  });
});

test("what is lent is disposed of when the work fails, too", async () => {
  let disposed = 0;
  const held = { dispose: () => disposed++ };
  expect(await lend(held, () => 5)).toBe(5);
  await expect(
    lend(held, () => {
      throw new Error("work");
    }),
  ).rejects.toThrow("work");
  expect(disposed).toBe(2);
});

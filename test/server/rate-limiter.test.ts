/** The rate limit per API key: refill, Retry-After, and how many keys are remembered (docs/spec/key-service-api.md, API-13). */
import { expect, test } from "vitest";
import { RateLimiter } from "../../src/server/core/rate-limiter.ts";
import { errorOf } from "../support/errors.ts";

/** Keys that a limiter remembers. */
const REMEMBERED = 10_000;

/** A limiter whose time stands still until it is moved. */
function limiterAt(perMinute: number): { take: (id: string) => unknown; advance: (ms: number) => void } {
  let now = 0;
  const limiter = new RateLimiter(perMinute, () => now);
  return {
    take: (id) => {
      try {
        return limiter.take(id);
      } catch (error) {
        return (error as { headers: Record<string, string> }).headers["retry-after"];
      }
    },
    advance: (ms) => {
      now += ms;
    },
  };
}

test("[API-13] a bucket refills evenly up to its rate; Retry-After says when the next request may come", () => {
  const { take, advance } = limiterAt(6);
  for (let i = 0; i < 6; i++) expect(take("k")).toBeUndefined();
  expect(take("k")).toBe("10");
  advance(9_000);
  expect(take("k")).toBe("1");
  advance(1_000);
  expect([take("k"), take("k")]).toEqual([undefined, "10"]);
  advance(3_600_000);
  expect(Array.from({ length: 7 }, () => take("k"))).toEqual([...Array(6).fill(undefined), "10"]);
});

test("[API-13] a refusal names its code; where something was granted there is nothing to wait for", () => {
  const limiter = new RateLimiter(2, () => 0);
  expect(limiter.takeUpTo("k", 1)).toEqual({ granted: 1, retryAfterS: 0 });
  expect(limiter.takeUpTo("k", 5)).toEqual({ granted: 1, retryAfterS: 0 });
  expect(limiter.takeUpTo("k", 1)).toEqual({ granted: 0, retryAfterS: 30 });
  expect(errorOf(() => limiter.take("k"))).toMatchObject({
    status: 429,
    code: "ERR_RATE_LIMITED",
    message: "Too many requests.",
  });
});

test("10,000 keys are remembered; of more, the one that is longest unused is forgotten", () => {
  const { take } = limiterAt(1);
  for (let i = 0; i < REMEMBERED; i++) expect(take(`k${i}`)).toBeUndefined();
  // All of them are still known. The first is now the one that was used last.
  expect(take("k0")).toBe("60");
  expect(take("new")).toBeUndefined();
  expect(take("k0")).toBe("60");
  expect(take("k2")).toBe("60");
  // The second had to go, and begins anew.
  expect(take("k1")).toBeUndefined();
});

test("a rate is a whole number from 1", () => {
  for (const rate of [0, -1, 1.5, Number.NaN]) expect(() => new RateLimiter(rate)).toThrow(RangeError);
});

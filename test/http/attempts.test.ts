/** The waits between attempts: they double up to a limit, and a part of each is random. */
import { expect, test } from "vitest";
import { backoff } from "../../src/http/attempts.ts";
import { BACKOFF_MS_MAX, BACKOFF_MS_MIN } from "../../src/http/limits.ts";

const DRAWS = 200;

test.each([0, 1, 2, 3, 10, 100])(
  "the wait after attempt %d is between half and all of its limit",
  (attempt) => {
    const limit = Math.min(BACKOFF_MS_MIN * 2 ** attempt, BACKOFF_MS_MAX);
    const waits = Array.from({ length: DRAWS }, () => backoff(attempt));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(limit / 2);
    expect(Math.max(...waits)).toBeLessThanOrEqual(limit);
    // By chance, all of 200 draws are in the same quarter once in 2^83 runs.
    expect(Math.min(...waits)).toBeLessThan(limit * 0.625);
    expect(Math.max(...waits)).toBeGreaterThan(limit * 0.875);
  },
);

test("waits are spread: clients that fail together do not come back together", () => {
  // 200 draws of 256 values: fewer than 100 different ones do not happen by chance.
  expect(new Set(Array.from({ length: DRAWS }, () => backoff(0))).size).toBeGreaterThan(100);
});

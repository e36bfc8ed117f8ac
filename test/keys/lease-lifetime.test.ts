/** Why a lease ends, and what its timer holds up. */
import { afterEach, expect, test, vi } from "vitest";
import type { HeldKey, HeldState } from "../../src/keys/held-keys.ts";
import { LeaseLifetime } from "../../src/keys/lease-lifetime.ts";
import { LEASE_REVOCATION_CHECK_MS } from "../../src/keys/limits.ts";
import { errorOf } from "../support/errors.ts";

let time = 0;
let state: HeldState = "good";
let ends = 0;
let looks = 0;
let settled = 0;
let released = 0;
const held = {
  look: () => {
    looks += 1;
    return state;
  },
  settle: async () => {
    await Promise.resolve();
    settled += 1;
  },
  release: () => {
    released += 1;
  },
} as unknown as HeldKey;
const begin = (key?: HeldKey): LeaseLifetime => {
  time = 0;
  state = "good";
  ends = 0;
  return new LeaseLifetime(
    1_000,
    () => time,
    key,
    false,
    () => {
      ends += 1;
    },
  );
};

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a lease says why it has ended, and the first reason counts", () => {
  const old = begin();
  time = 1_000;
  expect(errorOf(() => old.check())).toMatchObject({
    code: "ERR_LEASE_EXPIRED",
    message: "the lease is too old: take a new one",
  });
  old.end("disposed");
  expect(errorOf(() => old.check()).message).toContain("too old");
  const revoked = begin(held);
  time = LEASE_REVOCATION_CHECK_MS;
  state = "refused";
  expect(errorOf(() => revoked.check())).toMatchObject({
    code: "ERR_LEASE_EXPIRED",
    message: "keys of the service were revoked: take a new lease",
  });
  const disposed = begin();
  disposed.end("disposed");
  time = 1_000;
  expect(errorOf(() => disposed.check())).toMatchObject({ code: "ERR_DISPOSED" });
});

test("a lease lets go of its place among the held keys, and looks anew after it has waited for a look", async () => {
  looks = settled = released = 0;
  const lifetime = begin(held);
  lifetime.check();
  expect(looks).toBe(0);
  await lifetime.freshen();
  expect(settled).toBe(1);
  lifetime.check();
  expect(looks).toBe(1);
  lifetime.end("disposed");
  expect(released).toBe(1);
  await expect(begin().freshen()).resolves.toBeUndefined();
});

test("a lease that is not used any more ends by its timer, as one that is too old", () => {
  vi.useFakeTimers();
  const lifetime = begin();
  vi.advanceTimersByTime(999);
  expect(ends).toBe(0);
  vi.advanceTimersByTime(1);
  expect(ends).toBe(1);
  expect(errorOf(() => lifetime.check()).message).toContain("too old");
});

test("its timer does not keep a process, and may be a number", () => {
  const timers = vi.spyOn(globalThis, "setTimeout");
  const lifetime = begin();
  const timer = timers.mock.results[0]!.value as NodeJS.Timeout;
  expect(timer.hasRef()).toBe(false);
  lifetime.end("disposed");
  timers.mockReturnValue(7 as never);
  begin().end("disposed");
});

/** What a call is told: its time, headers and idempotency key are checked, and a call ends with its time. */
import { getEventListeners } from "node:events";
import { describe, expect, test, vi } from "vitest";
import { checkedCall, isTimeOver, runCall, withinTime } from "../../src/keys/calls.ts";
import type { ChangeOptions } from "../../src/keys/key-service.ts";
import { CALL_TIMEOUT_MS_MAX } from "../../src/keys/limits.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";

const OVER_HTTP = { takesHeaders: true };
const EMBEDDED = { takesHeaders: false };

/** Ends when it is aborted. */
const never = ({ signal }: ChangeOptions): Promise<never> =>
  new Promise((_, reject) => {
    if (signal?.aborted === true) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason));
  });

test("options that tell nothing are passed on as they are", () => {
  for (const options of [{}, { signal: new AbortController().signal }, { timeout: undefined }]) {
    expect(checkedCall(options, EMBEDDED)).toBe(options);
  }
});

test("a call that is told nothing costs nothing: the promise is that of the work", () => {
  const work = Promise.resolve("done");
  expect(runCall({}, EMBEDDED, () => work)).toBe(work);
});

test("what is no object is passed on: the call itself refuses it", async () => {
  for (const options of [null, undefined]) {
    expect(checkedCall(options as never, EMBEDDED)).toBe(options);
    expect(await runCall(options as never, EMBEDDED, async (call) => call)).toBe(options);
  }
});

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, CALL_TIMEOUT_MS_MAX + 1, "5", null, {}])(
  "a timeout of %j is a RangeError",
  (timeout) => {
    const error = errorOf(() => checkedCall({ timeout: timeout as number }, EMBEDDED));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  },
);

test("a timeout may be from 1 to 2^31 - 1 milliseconds", async () => {
  for (const timeout of [1, CALL_TIMEOUT_MS_MAX]) {
    expect(await runCall({ timeout }, EMBEDDED, async () => "done")).toBe("done");
  }
});

describe("headers", () => {
  test("are copied, with names in lower case", () => {
    const headers: Record<string, string> = { "X-Trace": "a b", "x-empty": "", constructor: "c" };
    const call = checkedCall({ headers }, OVER_HTTP);
    headers["X-Trace"] = "another";
    expect(call.headers).toEqual({ "x-trace": "a b", "x-empty": "", constructor: "c" });
  });

  test.each([
    "accept",
    "Authorization",
    "content-type",
    "Content-Length",
    "cookie",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "user-agent",
  ])("%s is coffer's own, and refused without its value", (name) => {
    const error = errorOf(() => checkedCall({ headers: { [name]: "canary" } }, OVER_HTTP));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
    expect(error.message).toContain(name.toLowerCase());
    expect(error.message).not.toContain("canary");
  });

  test.each(["x-host", "hostname", "x-accept", "accepted", "content-type-hint", "te-x", "date"])(
    "%s is another name than coffer's own, and taken",
    (name) => {
      expect(checkedCall({ headers: { [name]: "v" } }, OVER_HTTP).headers).toEqual({ [name]: "v" });
    },
  );

  test.each([
    ["an array", []],
    ["text", "x: y"],
    ["null", null],
    ["a Headers", new Headers({ "x-a": "b" })],
    ["a Map", new Map([["x-a", "b"]])],
    ["a number as a value", { "x-a": 5 }],
    ["a list as a value", { "x-a": ["b"] }],
    ["a line end in a value", { "x-a": "b\r\nx-c: d" }],
    ["a blank at the end of a value", { "x-a": "b " }],
    ["a character above 255", { "x-a": "\u{1f511}" }],
    ["a blank in a name", { "x a": "b" }],
    ["a line end in a name", { "x\n": "b" }],
    ["an empty name", { "": "b" }],
    ["the same name twice", { "x-a": "b", "X-A": "c" }],
  ])("%s is refused", (_, headers) => {
    const error = errorOf(() => checkedCall({ headers: headers as never }, OVER_HTTP));
    expect(error.code).toBe("ERR_INVALID_ARGUMENT");
  });

  test("are refused where no requests are sent, and so are idempotency keys", () => {
    for (const options of [{ headers: { "x-a": "b" } }, { headers: {} }, { idempotencyKey: "k" }]) {
      for (const taker of [EMBEDDED, {}]) {
        const error = errorOf(() => checkedCall(options, taker));
        expect(error).toBeInstanceOf(TypeError);
        expect(error.code).toBe("ERR_INVALID_ARGUMENT");
        expect(error.message).toContain("over HTTP");
      }
    }
  });
});

test("an idempotency key is 1 to 255 visible ASCII characters", () => {
  for (const key of ["k", "x".repeat(255), "!~"]) checkedCall({ idempotencyKey: key }, OVER_HTTP);
  for (const key of ["", "x".repeat(256), "a b", "a\n", "\u00e9", 5, null]) {
    const error = errorOf(() => checkedCall({ idempotencyKey: key as string }, OVER_HTTP));
    expect(error.code, String(key)).toBe("ERR_INVALID_ARGUMENT");
  }
});

describe("the time of a call", () => {
  test("ends it with ERR_SERVICE_TIMEOUT, which may be tried again", async () => {
    const error = await rejectionOf(() => withinTime({ timeout: 5 }, never));
    expect(error).toMatchObject({ code: "ERR_SERVICE_TIMEOUT", retryable: true });
    expect(isTimeOver(error)).toBe(true);
  });

  test("is not passed on: what the call asks for has the same end", async () => {
    const seen: ChangeOptions[] = [];
    await runCall({ timeout: 60_000, headers: { "X-A": "b" } }, OVER_HTTP, async (call) => {
      seen.push(call);
    });
    expect(seen).toEqual([{ timeout: undefined, headers: { "x-a": "b" }, signal: expect.any(AbortSignal) }]);
  });

  test("leaves the caller's signal its own reason, before and during the call", async () => {
    const reason = new Error("enough");
    expect(
      await rejectionOf(() => withinTime({ timeout: 60_000, signal: AbortSignal.abort(reason) }, never)),
    ).toBe(reason);
    const controller = new AbortController();
    const call = rejectionOf(() => withinTime({ timeout: 60_000, signal: controller.signal }, never));
    controller.abort(reason);
    expect(await call).toBe(reason);
    expect(isTimeOver(reason)).toBe(false);
  });

  test("begins the work before it returns", () => {
    let hasBegun = false;
    void runCall({ timeout: 1_000 }, EMBEDDED, async () => {
      hasBegun = true;
    });
    expect(hasBegun).toBe(true);
  });

  test("leaves nothing behind when the call is over: no timer, and no listener at the caller's signal", async () => {
    vi.useFakeTimers();
    try {
      const { signal } = new AbortController();
      for (const end of [async () => "done", async () => Promise.reject(new Error("failed"))]) {
        const call = withinTime({ timeout: 60_000, signal }, end).catch(() => {});
        expect([vi.getTimerCount(), getEventListeners(signal, "abort").length]).toEqual([1, 1]);
        await call;
        expect([vi.getTimerCount(), getEventListeners(signal, "abort").length]).toEqual([0, 0]);
      }
    } finally {
      vi.useRealTimers();
    }
  });
});

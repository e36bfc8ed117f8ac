/** Requests before an operation runs: who asks, with which query, body and key, each check by itself (docs/spec/key-service-api.md 1). */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { CoreRequest } from "../../src/server/core/exchange.ts";
import { authenticate, idempotencyOf, queryOf, readBody, validate } from "../../src/server/core/request.ts";
import { IDEMPOTENCY_KEY_CHARS_MAX } from "../../src/server/limits.ts";
import { utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";

const BODY = utf8Bytes("{}");
const request = (headers: Record<string, string> = {}, target = "/x?y=1"): CoreRequest =>
  ({ header: (name: string) => headers[name], target, body: () => BODY }) as unknown as CoreRequest;

describe("[API-1] who asks", () => {
  const looked: string[] = [];
  const callers = {
    recall: (key: string) => (key === "known" ? "recalled" : undefined),
    authenticate: async (key: string) => {
      looked.push(key);
      return key === "stored" ? "found" : undefined;
    },
  };
  const ask = (authorization?: string): unknown =>
    authenticate(callers as never, request(authorization === undefined ? {} : { authorization }));
  const refusal = {
    status: 401,
    code: "ERR_UNAUTHENTICATED",
    message: "Unauthorized",
    headers: { "www-authenticate": "Bearer" },
  };

  test("is recalled at once, or looked up", async () => {
    expect(ask("Bearer known")).toBe("recalled");
    expect(ask("bearer known")).toBe("recalled");
    expect(looked).toEqual([]);
    expect(await ask("Bearer stored")).toBe("found");
    expect(await rejectionOf(async () => ask(`Bearer ${"k".repeat(200)}`))).toMatchObject(refusal);
    expect(looked).toEqual(["stored", "k".repeat(200)]);
  });

  test.each([
    undefined,
    "",
    "known",
    "Bearer",
    "Bearer ",
    "Bearer known known",
    "Bearer known\n",
    "x Bearer known",
    "Basic known",
    "Bearer k\u00e9y",
    `Bearer ${"k".repeat(201)}`,
  ])("is refused with %j, and nobody is looked up", (authorization) => {
    looked.length = 0;
    expect(errorOf(() => ask(authorization))).toMatchObject(refusal);
    expect(looked).toEqual([]);
  });
});

describe("a query", () => {
  test("is what stands behind the first question mark", () => {
    expect({ ...queryOf("/x") }).toEqual({});
    expect({ ...queryOf("?a=1") }).toEqual({ a: "1" });
    expect({ ...queryOf("/x?a=1&b=%20?&c=") }).toEqual({ a: "1", b: " ?", c: "" });
    expect({ ...queryOf("/x?a=1&c=", true) }).toEqual({ a: "1" });
    expect(Object.getPrototypeOf(queryOf("/x?__proto__=1"))).toBeNull();
  });

  test("that names a parameter twice is refused", () => {
    expect(errorOf(() => queryOf("/x?a=1&b=2&a=1"))).toMatchObject({ status: 400 });
  });
});

describe("[API-6] a body", () => {
  const read = (type?: string, length?: string): unknown =>
    readBody(
      request({
        ...(type === undefined ? {} : { "content-type": type }),
        ...(length === undefined ? {} : { "content-length": length }),
      }),
      10,
    );

  test.each([
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    'application/json ;charset="UTF-8" ',
  ])("of type %j is read", (type) => {
    expect(read(type)).toBe(BODY);
  });

  test.each([
    undefined,
    "",
    "text/plain",
    "x/application/json",
    "application/jsonp",
    "application/json; charset=latin1",
    "application/json, text/plain",
  ])("of type %j is not", (type) => {
    expect(errorOf(() => read(type))).toMatchObject({ status: 415, code: "ERR_CONTENT_TYPE" });
    expect(errorOf(() => read(type)).message).toContain("application/json in UTF-8");
  });

  test("that says it is too long is not begun", () => {
    expect(read("application/json", "10")).toBe(BODY);
    expect(errorOf(() => read("application/json", "11"))).toMatchObject({ status: 413 });
  });
});

describe("a value", () => {
  const schema = z.object({ a: z.number() });

  test("is what its schema makes of it, and nothing without one", () => {
    expect(validate(undefined, { a: 1 }, 400)).toBeUndefined();
    expect(validate(schema, { a: 1, b: 2 }, 400)).toEqual({ a: 1 });
  });

  test("that is wrong is refused with the name of its part", () => {
    expect(errorOf(() => validate(schema, { a: "secret" }, 422))).toMatchObject({
      status: 422,
      message: expect.stringMatching(/^a: /),
    });
    const whole = errorOf(() => validate(schema, "secret", 400));
    expect(whole).toMatchObject({ status: 400, message: expect.stringMatching(/^The request: /) });
    expect(whole.message).not.toContain("secret");
  });
});

describe("an Idempotency-Key", () => {
  const identified: unknown[][] = [];
  const host = { writes: { identify: (...args: unknown[]) => identified.push(args) } };
  const identify = (key?: string, body: Uint8Array | undefined = BODY): unknown =>
    idempotencyOf(
      host as never,
      "key" as never,
      "createKv",
      request(key === undefined ? {} : { "idempotency-key": key }),
      body,
    );

  test("names a request by operation, URL and body", () => {
    identify("k");
    idempotencyOf(
      host as never,
      "key" as never,
      "createKv",
      request({ "idempotency-key": "k".repeat(IDEMPOTENCY_KEY_CHARS_MAX) }),
      undefined,
    );
    expect(identified).toEqual([
      ["key", "k", Uint8Array.from(utf8Bytes("createKv\n/x?y=1\n{}"))],
      ["key", "k".repeat(IDEMPOTENCY_KEY_CHARS_MAX), Uint8Array.from(utf8Bytes("createKv\n/x?y=1\n"))],
    ]);
    expect(identify()).toBeUndefined();
  });

  test("that is empty or too long is refused", async () => {
    for (const key of ["", "k".repeat(IDEMPOTENCY_KEY_CHARS_MAX + 1)]) {
      expect(await rejectionOf(async () => identify(key))).toMatchObject({ status: 400 });
    }
  });
});

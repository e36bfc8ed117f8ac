/** One logical request over HTTP: retries, waits, timeouts, keys, refusals; against servers that misbehave on order. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { HttpKeyService, HttpKvService, type HttpOptions, Transport } from "../../src/http/index.ts";
import { retryAfterMs } from "../../src/http/retry-after.ts";
import { Vault } from "../../src/index.ts";
import { VERSION } from "../../src/version.ts";
import { base64, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { expectNoTrace } from "../support/secrets.ts";

// The real ones would take too long.
vi.mock("../../src/http/limits.ts", async (original) => ({
  ...(await original<object>()),
  BACKOFF_MS_MIN: 2,
  BACKOFF_MS_MAX: 5,
  RETRY_AFTER_MS_MAX: 300,
  ANSWER_BYTES_MAX: 10_000,
}));

const API_KEY = "sk_canary_api_key_0123456789";
const CONTEXT = { organization_id: "org_1" };
const DATA_KEY = {
  id: SAMPLE_1.dataKeyId,
  data_key: SAMPLE_1.dataKey,
  encrypted_keys: SAMPLE_1.encryptedKeys,
  context: CONTEXT,
};

/** What the server was asked, and what it answers: one step per request, the last one for all further ones. */
type Step = (request: IncomingMessage, response: ServerResponse) => void;
interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}
let asked: Asked[] = [];
let steps: Step[] = [];
let server: Server;
let baseUrl: string;

beforeEach(async () => {
  asked = [];
  steps = [];
  if (server !== undefined) return;
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8");
    request.on("data", (text) => {
      body += text;
    });
    request.on("end", () => {
      asked.push({ method: request.method!, url: request.url!, headers: request.headers, body });
      steps[Math.min(asked.length, steps.length) - 1]!(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const answer =
  (status: number, body: unknown, headers: Record<string, string> = {}): Step =>
  (_, response) => {
    response.writeHead(status, {
      "content-type": "application/json",
      "x-request-id": "req_stub",
      ...headers,
    });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
const hangUp: Step = (request) => void request.socket.destroy();
const good = answer(200, DATA_KEY);
const transport = (options: HttpOptions = {}) =>
  new Transport({ apiKey: API_KEY, baseUrl, extensions: true, ...options });
const keys = (options: HttpOptions = {}) => new HttpKeyService(transport(options));
const kv = (options: HttpOptions = {}) => new HttpKvService(transport(options));
const make = (options: HttpOptions = {}, signal?: AbortSignal) =>
  keys(options).createDataKey({ context: CONTEXT }, { signal });

describe("retries", () => {
  test.each([408, 429, 500, 502, 503, 504])("%d is tried again", async (status) => {
    steps = [answer(status, { error: "x" }), answer(status, "not JSON"), good];
    using key = await make();
    expect(key.dataKey).toBe(SAMPLE_1.dataKey);
    expect(asked).toHaveLength(3);
  });

  test.each([
    [408, "ERR_SERVICE_TIMEOUT"],
    [429, "ERR_SERVICE_RATE_LIMITED"],
    [500, "ERR_SERVICE_UNAVAILABLE"],
    [502, "ERR_SERVICE_UNAVAILABLE"],
    [503, "ERR_SERVICE_UNAVAILABLE"],
    [504, "ERR_SERVICE_TIMEOUT"],
  ] as const)("%d for good ends after the last attempt, with what the service said", async (status, code) => {
    steps = [answer(status, { error: "text of the service" })];
    for (const [maxRetries, attempts] of [
      [0, 1],
      [1, 2],
      [undefined, 4],
    ] as const) {
      asked = [];
      const error = await rejectionOf(() => make({ maxRetries }));
      expect(error).toMatchObject({ code, status, requestId: "req_stub", retryable: true });
      expect(error.message).toContain("text of the service");
      expect(asked).toHaveLength(attempts);
    }
  });

  test.each([
    [400, "ERR_SERVICE_REJECTED"],
    [401, "ERR_SERVICE_UNAUTHENTICATED"],
    [403, "ERR_SERVICE_FORBIDDEN"],
    [404, "ERR_SERVICE_REJECTED"],
    [409, "ERR_SERVICE_REJECTED"],
    [422, "ERR_KEY_CONTEXT_INVALID"],
    [501, "ERR_SERVICE_UNAVAILABLE"],
  ] as const)("%d is not", async (status, code) => {
    steps = [answer(status, { error: "x" })];
    const error = await rejectionOf(() => make());
    expect(error).toMatchObject({ code, status, requestId: "req_stub", retryable: false });
    expect(asked).toHaveLength(1);
  });

  test("a conflict is told at once, as what it is", async () => {
    steps = [answer(409, { error: "Item already exists" })];
    const calls: [() => Promise<unknown>, string][] = [
      [() => kv().createKv({ name: "n", value: "v", keyContext: CONTEXT }), "ERR_KV_EXISTS"],
      [() => kv().updateKv({ id: "x", value: "v", versionCheck: "y" }), "ERR_KV_VERSION_CONFLICT"],
      [() => kv().deleteKv({ id: "x", versionCheck: "y" }), "ERR_KV_VERSION_CONFLICT"],
    ];
    for (const [call, code] of calls) expect((await rejectionOf(call)).code).toBe(code);
    expect(asked).toHaveLength(3);
  });

  test("the service's own code counts, if it is one", async () => {
    steps = [
      answer(403, { error: "x", code: "ERR_KEY_DISABLED" }),
      answer(403, { error: "x", code: "ERR_MADE_UP" }),
    ];
    expect((await rejectionOf(() => make())).code).toBe("ERR_KEY_DISABLED");
    expect((await rejectionOf(() => make())).code).toBe("ERR_SERVICE_FORBIDDEN");
  });

  test("connections that break are tried again, and told when it does not help", async () => {
    steps = [hangUp, hangUp, good];
    (await make()).dispose();
    expect(asked).toHaveLength(3);
    asked = [];
    steps = [hangUp];
    const error = await rejectionOf(() => make({ maxRetries: 2 }));
    expect(error).toMatchObject({ code: "ERR_SERVICE_UNAVAILABLE", retryable: true });
    expect(asked).toHaveLength(3);
    const nowhere = await rejectionOf(() => make({ baseUrl: "http://127.0.0.1:1", maxRetries: 1 }));
    expect(nowhere.code).toBe("ERR_SERVICE_UNAVAILABLE");
  });

  test("an answer that breaks off is tried again", async () => {
    steps = [
      (_, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
        response.write('{"id":');
        setTimeout(() => response.destroy(), 5);
      },
      good,
    ];
    (await make()).dispose();
    expect(asked).toHaveLength(2);
  });

  test("one idempotency key per logical request, the same for all its attempts; none for reads", async () => {
    steps = [answer(503, {}), answer(503, {}), good];
    (await make()).dispose();
    (await make()).dispose();
    const sent = asked.map(({ headers }) => headers["idempotency-key"]);
    expect(sent[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(sent.slice(0, 3)).toEqual([sent[0], sent[0], sent[0]]);
    expect(sent[3]).not.toBe(sent[0]);
    steps = [answer(404, {})];
    await rejectionOf(() => kv().getKv({ id: "x" }));
    await rejectionOf(() => kv().listKv());
    expect(asked.slice(-2).map(({ headers }) => headers["idempotency-key"])).toEqual([undefined, undefined]);
  });
});

describe("Retry-After", () => {
  const now = Date.UTC(2026, 0, 1, 12);

  test("[API-48] in seconds and as a date, never negative, never longer than the limit", () => {
    expect(retryAfterMs("0", now)).toBe(0);
    expect(retryAfterMs(" 0 ", now)).toBe(0);
    expect(retryAfterMs("120", now)).toBe(300);
    expect(retryAfterMs("999999999", now)).toBe(300);
    expect(retryAfterMs("Thu, 01 Jan 2026 11:59:00 GMT", now)).toBe(0);
    expect(retryAfterMs("Thu, 01 Jan 2026 12:00:00 GMT", now)).toBe(0);
    expect(retryAfterMs("Thu, 01 Jan 2026 13:00:00 GMT", now)).toBe(300);
    expect(retryAfterMs("Thursday, 01-Jan-26 12:00:00 GMT", now)).toBe(0);
    expect(retryAfterMs("Thursday, 01-Jan-26 13:00:00 GMT", now)).toBe(300);
    expect(retryAfterMs("Sunday, 06-Nov-94 08:49:37 GMT", now)).toBe(0);
    expect(retryAfterMs("Thu Jan  1 13:00:00 2026", now)).toBe(300);
    expect(retryAfterMs(null, now)).toBeUndefined();
    for (const text of [
      "",
      "soon",
      "1e3x",
      "-",
      "9999999999999999999999x",
      "1.5",
      "-1",
      "+1",
      "0x5",
      "1e3",
      "1, 2",
      "2026-01-01T13:00:00Z",
      "Thu, 30 Feb 2026 13:00:00 GMT",
      "Thu, 01 Jan 2026 13:00:00",
      "1 Jan 2026",
    ]) {
      expect(retryAfterMs(text, now)).toBeUndefined();
    }
  });

  test.each(["1", new Date(Date.now() + 3_600_000).toUTCString()])(
    "%s is waited for, up to the limit",
    async (value) => {
      steps = [answer(429, {}, { "retry-after": value }), good];
      const startedAt = performance.now();
      (await make()).dispose();
      expect(performance.now() - startedAt).toBeGreaterThan(200);
      expect(asked).toHaveLength(2);
    },
  );
});

describe("waits end", () => {
  test("an attempt that takes too long is tried again, then told; its body counts", async () => {
    steps = [() => {}, good];
    (await make({ timeoutMs: 1_000 })).dispose();
    expect(asked).toHaveLength(2);
    asked = [];
    // Headers at once, a body that never ends.
    steps = [
      (_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write('{"id":');
      },
    ];
    const error = await rejectionOf(() => make({ timeoutMs: 300, maxRetries: 1 }));
    expect(error).toMatchObject({ code: "ERR_SERVICE_TIMEOUT", retryable: true });
    expect(asked).toHaveLength(2);
  });

  test("[KEY-49] an abort ends the request, and the wait between two attempts, with its reason", async () => {
    const reason = new Error("changed my mind");
    for (const step of [() => {}, answer(503, {}, { "retry-after": "60" })]) {
      const controller = new AbortController();
      steps = [
        (request, response) => {
          step(request, response);
          setTimeout(() => controller.abort(reason), 40);
        },
      ];
      await expect(make({}, controller.signal)).rejects.toBe(reason);
    }
    expect(asked).toHaveLength(2);
    await expect(make({}, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(asked).toHaveLength(2);
  });

  test("[KEY-49] also one that comes with the answer", async () => {
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    let calls = 0;
    const fetch = async (): Promise<Response> => {
      calls += 1;
      // While its body is looked at.
      queueMicrotask(() => queueMicrotask(() => controller.abort(reason)));
      return new Response(null, { status: 503, headers: { "retry-after": "60" } });
    };
    await expect(make({ fetch }, controller.signal)).rejects.toBe(reason);
    expect(calls).toBe(1);
  });
});

describe("answers", () => {
  // workerd refuses the mode that fails by itself, browsers hide what a redirect was.
  test.each([
    [
      "as servers see it",
      () => new Response("{}", { status: 307, headers: { location: "http://127.0.0.1:1" } }),
    ],
    [
      "as browsers see it",
      () => Object.defineProperty(Response.error(), "type", { value: "opaqueredirect" }),
    ],
  ])("a redirect is asked for by hand, and is a failure: %s", async (_, respond) => {
    const modes: unknown[] = [];
    const transport = new Transport({
      apiKey: "sk_1",
      baseUrl: "http://127.0.0.1:1",
      maxRetries: 0,
      fetch: async (_input, init) => {
        modes.push(init?.redirect);
        return respond();
      },
    });
    const error = await rejectionOf(() => transport.send({ method: "GET", path: ["x"] }));
    expect(error.code).toBe("ERR_SERVICE_UNAVAILABLE");
    expect(modes).toEqual(["manual"]);
  });

  test("[API-49] a redirect is not followed: the API key stays here", async () => {
    let strangers = 0;
    const stranger = createServer((_, response) => {
      strangers += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    const location = `http://127.0.0.1:${(stranger.address() as { port: number }).port}/`;
    for (const status of [301, 302, 303, 307, 308]) {
      steps = [answer(status, {}, { location })];
      expect((await rejectionOf(() => make({ maxRetries: 0 }))).code).toBe("ERR_SERVICE_UNAVAILABLE");
    }
    expect(strangers).toBe(0);
    await new Promise((resolve) => stranger.close(resolve));
  });

  test.each([
    ["too large", JSON.stringify({ ...DATA_KEY, more: "x".repeat(10_000) })],
    ["not JSON", "<html>"],
    ["nothing", ""],
    ["cut off", JSON.stringify(DATA_KEY).slice(0, -1)],
    ["a list", "[]"],
    ["null", "null"],
    ["no id", JSON.stringify({ ...DATA_KEY, id: undefined })],
    ["an id that is a number", JSON.stringify({ ...DATA_KEY, id: 7 })],
    ["no key", JSON.stringify({ ...DATA_KEY, data_key: undefined })],
    ["a short key", JSON.stringify({ ...DATA_KEY, data_key: base64(new Uint8Array(16)) })],
    ["a key that is no base64", JSON.stringify({ ...DATA_KEY, data_key: "!" })],
    ["a wrapped key that is none", JSON.stringify({ ...DATA_KEY, encrypted_keys: "AAAA" })],
    ["no context", JSON.stringify({ ...DATA_KEY, context: undefined })],
    ["another context", JSON.stringify({ ...DATA_KEY, context: { organization_id: "org_2" } })],
    ["a larger context", JSON.stringify({ ...DATA_KEY, context: { ...CONTEXT, a: "b" } })],
    ["a context of numbers", JSON.stringify({ ...DATA_KEY, context: { organization_id: 1 } })],
  ])("%s is refused, and not asked for again", async (_, body) => {
    steps = [answer(200, body)];
    const error = await rejectionOf(() => make());
    expect(error.code).toBe("ERR_SERVICE_BAD_RESPONSE");
    // Of one that is too large, nothing is believed.
    if (_ !== "too large") expect(error).toMatchObject({ requestId: "req_stub", status: 200 });
    expectNoTrace(error, [utf8Bytes(SAMPLE_1.dataKey)]);
    expect(asked).toHaveLength(1);
  });

  test("bytes that are not UTF-8 are refused", async () => {
    steps = [
      (_, response) => {
        response.end(Buffer.concat([Buffer.from('{"id":"'), Buffer.of(0xff), Buffer.from('"}')]));
      },
    ];
    expect((await rejectionOf(() => make())).code).toBe("ERR_SERVICE_BAD_RESPONSE");
    steps = [answer(200, "<html>")];
    const error = await rejectionOf(() => make());
    expect(error).toMatchObject({ code: "ERR_SERVICE_BAD_RESPONSE", requestId: "req_stub", status: 200 });
  });

  test("objects and lists that are none are refused", async () => {
    const metadata = {
      id: "x",
      environment_id: "e",
      key_id: "k",
      updated_at: "t",
      updated_by: { id: "u", name: "n" },
      context: CONTEXT,
      version_id: "v",
    };
    const object = { id: "x", name: "n", value: "v", metadata };
    steps = [answer(200, object)];
    expect((await kv().getKv({ id: "x" })).value).toBe("v");
    for (const body of [
      { ...object, value: undefined },
      { ...object, value: 1 },
      { ...object, name: null },
      { ...object, metadata: undefined },
      { ...object, metadata: { ...metadata, updated_by: "u" } },
      { ...object, metadata: { ...metadata, context: null } },
    ]) {
      steps = [answer(200, body)];
      expect((await rejectionOf(() => kv().getKv({ id: "x" }))).code).toBe("ERR_SERVICE_BAD_RESPONSE");
    }
    for (const body of [
      {},
      { data: {}, list_metadata: {} },
      { data: [1], list_metadata: { before: null, after: null } },
      { data: [], list_metadata: { before: 1, after: null } },
      { data: [] },
    ]) {
      steps = [answer(200, body)];
      expect((await rejectionOf(() => kv().listKv())).code).toBe("ERR_SERVICE_BAD_RESPONSE");
    }
    // What WorkOS's schema lets be absent.
    steps = [answer(200, { data: [{ id: "x", name: "n" }], list_metadata: { after: null } })];
    expect(await kv().listKv()).toEqual({
      data: [{ id: "x", name: "n", updatedAt: "" }],
      listMetadata: { before: null, after: null },
    });
    steps = [answer(200, { success: false, name: "n" })];
    expect((await rejectionOf(() => kv().deleteKv({ id: "x" }))).code).toBe("ERR_SERVICE_BAD_RESPONSE");
  });
});

describe("requests", () => {
  test("segments are encoded, so that a name stays one", async () => {
    steps = [answer(404, {})];
    for (const name of ["a/b", "..a", "%2e", "é?#", "a b+", "\\"]) {
      await rejectionOf(() => kv({ baseUrl: `${baseUrl}/prefix/` }).getName({ name }));
      expect(asked.at(-1)!.url).toBe(`/prefix/vault/v1/kv/name/${encodeURIComponent(name)}`);
    }
    asked = [];
    for (const id of ["", ".", ".."]) {
      expect((await rejectionOf(() => kv().getKv({ id }))).code).toBe("ERR_INVALID_ARGUMENT");
      expect((await rejectionOf(() => kv().getName({ name: id }))).code).toBe("ERR_KV_NAME_INVALID");
    }
    expect(asked).toEqual([]);
  });

  test("what is wrong with a request is found before it is sent", async () => {
    for (const call of [
      () => keys().createDataKey({ context: {} }),
      () => keys().createDecrypt({ keys: "AAAA" }),
      () => keys().createRekey({ context: CONTEXT, encryptedKeys: "AAAA" }),
      () => kv().createKv({ name: "", value: "v", keyContext: CONTEXT }),
      () => kv().createKv({ name: "n", value: "x".repeat(65_537), keyContext: CONTEXT }),
      () => kv().listKv({ limit: 0 }),
    ]) {
      await rejectionOf(call);
    }
    expect(asked).toEqual([]);
  });

  test("they carry the key, who we are, and JSON", async () => {
    steps = [good];
    (await make()).dispose();
    const [{ headers, method, url, body }] = asked as [Asked];
    expect([method, url, body]).toEqual([
      "POST",
      "/vault/v1/keys/data-key",
      JSON.stringify({ context: CONTEXT }),
    ]);
    expect(headers.authorization).toBe(`Bearer ${API_KEY}`);
    expect(headers["content-type"]).toBe("application/json");
    expect(headers.accept).toBe("application/json");
    expect(headers["user-agent"]).toBe(`coffer/${VERSION}`);
  });

  test("extensions: coffer's paths, or WorkOS's only", async () => {
    const paths = async (extensions: boolean): Promise<string[]> => {
      asked = [];
      steps = [answer(404, {})];
      const [k, s] = [keys({ extensions }), kv({ extensions })];
      for (const call of [
        () => k.createDecrypt({ keys: SAMPLE_1.encryptedKeys }),
        () => s.createKv({ name: "n", value: "v", keyContext: CONTEXT }),
        () => s.updateKv({ id: "x", value: "v" }),
        () => s.deleteKv({ id: "x" }),
        () => s.listKv(),
        () => s.getKv({ id: "x" }),
        () => s.listKvVersions({ id: "x" }),
      ]) {
        await rejectionOf(call);
      }
      return asked.map(({ url }) => url.split("/")[1]!);
    };
    expect(await paths(true)).toEqual(["coffer", "coffer", "coffer", "coffer", "vault", "vault", "coffer"]);
    expect(await paths(false)).toEqual(Array.from({ length: 7 }, () => "vault"));
    asked = [];
    const plain = kv({ extensions: false });
    for (const call of [
      () => plain.getKv({ id: "x", versionId: "y" }),
      () => plain.listKv({ deleted: true }),
      () => plain.undeleteKv({ id: "x" }),
      () => plain.destroyKv({ id: "x" }),
    ]) {
      expect((await rejectionOf(call)).code).toBe("ERR_UNSUPPORTED");
    }
    expect(asked).toEqual([]);
    expect(keys({ extensions: false }).createRewrap).toBeUndefined();
  });
});

describe("options", () => {
  test("what is no key, URL or number is refused", () => {
    vi.stubEnv("COFFER_API_KEY", undefined);
    vi.stubEnv("WORKOS_API_KEY", undefined);
    for (const options of [
      { apiKey: undefined },
      { apiKey: "" },
      { apiKey: "sk a" },
      { apiKey: "sk\r\nx: y" },
      { apiKey: "é" },
      { apiKey: 7 as never },
      { baseUrl: "" },
      { baseUrl: "api.workos.com" },
      { baseUrl: "ftp://x" },
      { baseUrl: "https://user:password@x" },
      { baseUrl: "https://x/?a=b" },
      { baseUrl: "https://x/#a" },
      { timeoutMs: 0 },
      { timeoutMs: Number.POSITIVE_INFINITY },
      { maxRetries: -1 },
      { maxRetries: 11 },
      { maxRetries: 1.5 },
    ]) {
      expect(errorOf(() => transport(options)).code).toBe("ERR_INVALID_ARGUMENT");
    }
  });

  test("plain http goes to this machine only, unless told otherwise", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "2130706433"]) {
      expect(() => transport({ baseUrl: `http://${host}:1/` })).not.toThrow();
    }
    for (const host of [
      "example.com",
      "10.0.0.1",
      "localhost.example",
      "127.0.0.1.example",
      "0.0.0.0",
      "[::ffff:a00:1]",
    ]) {
      expect(errorOf(() => transport({ baseUrl: `http://${host}/` })).code).toBe("ERR_INVALID_ARGUMENT");
      expect(() => transport({ baseUrl: `http://${host}/`, insecureHttp: true })).not.toThrow();
      expect(() => transport({ baseUrl: `https://${host}/` })).not.toThrow();
    }
  });

  test("[KEY-46] [KEY-47] the API key shows nowhere", async () => {
    steps = [answer(500, { error: API_KEY, code: API_KEY })];
    const vault = new Vault({ apiKey: API_KEY, baseUrl, maxRetries: 0 });
    const secret = [utf8Bytes(API_KEY)];
    expectNoTrace(transport(), secret);
    expectNoTrace(keys(), secret);
    expectNoTrace(kv(), secret);
    expectNoTrace(vault, secret);
    expectNoTrace(await rejectionOf(() => make({ maxRetries: 0 })), secret);
    expectNoTrace(await rejectionOf(() => vault.encrypt("x", CONTEXT)), secret);
    steps = [hangUp];
    const broken = await rejectionOf(() => make({ maxRetries: 0 }));
    expectNoTrace(broken, secret);
    expectNoTrace(broken.cause, secret);
    expectNoTrace(
      errorOf(() => transport({ apiKey: `${API_KEY} ` })),
      secret,
    );
    expect(inspect(transport().id)).not.toContain(API_KEY);
    expect(transport().id).not.toBe(transport({ apiKey: `${API_KEY}2` }).id);
  });
});

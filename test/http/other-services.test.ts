/**
 * Services that are not coffer's, and whatever stands before services: what they can do is found out once, and no refusal is
 * taken for more than it says.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { ServiceKind } from "../../src/http/service-kind.ts";
import { Vault } from "../../src/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { startServer } from "../support/server.ts";
import { STUB_API_KEY, startStubKeyService, WorkOsLookingKeys } from "../support/stub-key-service.ts";

const CONTEXT = { organization_id: "org_1" };

interface Asked {
  readonly method: string;
  readonly path: string;
}
type Reply = { status: number; body: unknown; headers?: Record<string, string> } | undefined;

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A proxy before `upstream` that answers some requests itself. */
async function startProxy(
  upstream: string,
  reply: (asked: Asked) => Reply,
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one = { method: request.method!, path: request.url! };
    asked.push(one);
    const own = reply(one);
    if (own !== undefined) {
      const isText = typeof own.body === "string";
      response.writeHead(own.status, {
        "content-type": isText ? "text/html" : "application/json",
        ...own.headers,
      });
      response.end(isText ? own.body : JSON.stringify(own.body));
      return;
    }
    const { host: _, connection: __, "content-length": ___, ...headers } = request.headers;
    const answer = await fetch(upstream + request.url, {
      method: request.method!,
      headers: headers as Record<string, string>,
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    });
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  servers.push(server);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const isOurs = ({ path }: Asked): boolean => path.startsWith("/coffer/");
const html = (status: number): Reply => ({ status, body: `<html><h1>${status}</h1></html>` });

/** What a WorkOS staging host, or a proxy before one, says to a route that it does not have. */
const STRANGERS: [string, Reply][] = [
  ["WorkOS's words", { status: 404, body: { error: "Not Found" } }],
  [
    "a routing layer's words",
    { status: 404, body: { message: "Not Found", error: "Not Found", statusCode: 404 } },
  ],
  ["an HTML 404", html(404)],
  ["an HTML 405", html(405)],
  ["an HTML 501", html(501)],
  ["an HTML 403", html(403)],
  ["an HTML 200", html(200)],
  ["JSON of another service", { status: 200, body: { service: "other" } }],
  ["a 401 without a code", { status: 401, body: { message: "Unauthorized" } }],
  ["a redirect", { status: 302, body: "", headers: { location: "https://login.example/" } }],
];

describe("[API-45] what a service can do is found out once", () => {
  test.each(STRANGERS)("keys at a service that answers %s", async (_, reply) => {
    await using service = await startStubKeyService(new WorkOsLookingKeys());
    const { url, asked } = await startProxy(`http://127.0.0.1:${service.port}`, (one) =>
      isOurs(one) ? reply : undefined,
    );
    using vault = new Vault({ apiKey: STUB_API_KEY, baseUrl: url, cache: { maxAgeMs: 0 }, maxRetries: 0 });
    const text = await vault.encrypt("s3cret", CONTEXT, "aad");
    expect(asked.some(isOurs)).toBe(false);
    const all = await Promise.all(Array.from({ length: 5 }, () => vault.decrypt(text, "aad")));
    expect(all).toEqual(Array.from({ length: 5 }, () => "s3cret"));
    expect(asked.filter(isOurs)).toEqual([{ method: "GET", path: "/coffer/v1/status" }]);
    // What only a coffer server can do is told as that.
    expect((await rejectionOf(() => vault.decrypt(text, "aad", { context: CONTEXT }))).code).toBe(
      "ERR_UNSUPPORTED",
    );
    expect((await rejectionOf(() => vault.rewrap(text))).code).toBe("ERR_UNSUPPORTED");
    expect(await vault.decrypt(await vault.rewrap(text, { context: CONTEXT }), "aad")).toBe("s3cret");
  });

  test("objects at a coffer server behind a proxy that has WorkOS's routes only: all, and writes too", async () => {
    const server = await startServer();
    const { url, asked } = await startProxy(server.url, (one) => (isOurs(one) ? html(404) : undefined));
    using vault = new Vault({ apiKey: server.key, baseUrl: url });
    const names = Array.from({ length: 23 }, (_, i) => `n-${i}`);
    for (const name of names) await vault.createKv({ name, value: "v", keyContext: CONTEXT });
    expect(asked.filter(isOurs)).toHaveLength(1);
    const found: string[] = [];
    for await (const { name } of vault.listKv({ order: "asc" })) found.push(name);
    expect(found).toEqual(names);
    expect((await rejectionOf(() => vault.undeleteKv({ id: "x" }))).code).toBe("ERR_UNSUPPORTED");
  });

  test("a coffer server is one, with all it has", async () => {
    const server = await startServer();
    const { url, asked } = await startProxy(server.url, () => undefined);
    using vault = new Vault({ apiKey: server.key, baseUrl: url, cache: { maxAgeMs: 0 } });
    const text = await vault.encrypt("s3cret", CONTEXT);
    expect(await vault.decrypt(text, undefined, { context: CONTEXT })).toBe("s3cret");
    expect(await vault.rewrap(text)).toBe(text);
    expect(asked.map(({ path }) => path)).toEqual([
      "/vault/v1/keys/data-key",
      "/coffer/v1/status",
      "/coffer/v1/keys/decrypt",
      "/coffer/v1/keys/rewraps",
    ]);
  });

  test.each([
    ["HTML 502", html(502), "ERR_SERVICE_UNAVAILABLE"],
    ["HTML 503", html(503), "ERR_SERVICE_UNAVAILABLE"],
    ["429", { status: 429, body: { message: "slow" } }, "ERR_SERVICE_RATE_LIMITED"],
    [
      "a coffer server's 401",
      { status: 401, body: { error: "x", code: "ERR_UNAUTHENTICATED" } },
      "ERR_SERVICE_UNAUTHENTICATED",
    ],
  ] as const)(
    "%s says nothing of it: the call fails with that, and the next one asks anew",
    async (_, reply, code) => {
      const server = await startServer();
      let isDown = true;
      const { url } = await startProxy(server.url, (one) => (isOurs(one) && isDown ? reply : undefined));
      using vault = new Vault({ apiKey: server.key, baseUrl: url, maxRetries: 0 });
      const text = await vault.encrypt("s3cret", CONTEXT);
      expect((await rejectionOf(() => vault.decrypt(text))).code).toBe(code);
      isDown = false;
      expect(await vault.decrypt(text, undefined, { context: CONTEXT })).toBe("s3cret");
    },
  );

  test("a route that goes away is asked about anew", async () => {
    const server = await startServer();
    let isGone = false;
    const { url } = await startProxy(server.url, (one) => (isOurs(one) && isGone ? html(404) : undefined));
    using vault = new Vault({ apiKey: server.key, baseUrl: url, cache: { maxAgeMs: 0 } });
    const text = await vault.encrypt("s3cret", CONTEXT);
    expect(await vault.decrypt(text)).toBe("s3cret");
    isGone = true;
    expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_SERVICE_REJECTED");
    expect(await vault.decrypt(text)).toBe("s3cret");
  });

  test("a service that lacks them is asked again after five minutes; one caller's abort is not the others'", async () => {
    let now = 0;
    let asked = 0;
    let answer: (has: boolean) => void = () => {};
    const kind = new ServiceKind(
      undefined,
      () => {
        asked += 1;
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
      () => now,
    );
    const abort = new AbortController();
    const given = [kind.hasExtensions({ signal: abort.signal }), kind.hasExtensions({})] as const;
    abort.abort(new Error("changed my mind"));
    await expect(given[0]).rejects.toThrow("changed my mind");
    answer(false);
    expect(await given[1]).toBe(false);
    now = 299_999;
    expect(await kind.hasExtensions({})).toBe(false);
    expect(asked).toBe(1);
    now = 300_000;
    const again = kind.hasExtensions({});
    answer(true);
    expect(await again).toBe(true);
    now = 10_000_000;
    expect(await kind.hasExtensions({})).toBe(true);
    expect(asked).toBe(2);
  });
});

describe("[API-45] a missing route or a refused request is no more than that", () => {
  const REFUSALS: [string, Reply, string][] = [
    ["HTML 404", html(404), "ERR_SERVICE_REJECTED"],
    ["HTML 405", html(405), "ERR_SERVICE_REJECTED"],
    ["HTML 400", html(400), "ERR_SERVICE_REJECTED"],
    ["HTML 409", html(409), "ERR_SERVICE_REJECTED"],
    ["HTML 501", html(501), "ERR_SERVICE_UNAVAILABLE"],
    ["HTML 502", html(502), "ERR_SERVICE_UNAVAILABLE"],
    [
      "a gateway's 404",
      { status: 404, body: { message: "no Route matched with those values" } },
      "ERR_SERVICE_REJECTED",
    ],
    [
      "a framework's 404",
      { status: 404, body: { error: "Not Found", path: "/x", status: 404 } },
      "ERR_SERVICE_REJECTED",
    ],
    [
      "coffer's 404 of a route",
      { status: 404, body: { error: "Not Found", code: "ERR_ROUTE_NOT_FOUND" } },
      "ERR_SERVICE_REJECTED",
    ],
    [
      "a request of a bad form",
      { status: 400, body: { error: "x", code: "ERR_REQUEST_INVALID" } },
      "ERR_SERVICE_REJECTED",
    ],
  ];

  test.each(REFUSALS)("%s", async (_, reply, code) => {
    const keys = new WorkOsLookingKeys();
    using key = await keys.createDataKey({ context: CONTEXT });
    const { url } = await startProxy("http://127.0.0.1:1", () => reply);
    for (const extensions of [true, false]) {
      using vault = new Vault({ apiKey: "sk_1", baseUrl: url, extensions, maxRetries: 0 });
      for (const call of [
        () => vault.createDecrypt({ keys: key.encryptedKeys }),
        () => vault.createRekey({ context: CONTEXT, encryptedKeys: key.encryptedKeys }),
        () => vault.getKv({ id: "x" }),
        () => vault.getName({ name: "n" }),
        () => vault.listKvVersions({ id: "x" }),
        async () => vault.listKv({ after: "x" }),
      ]) {
        expect((await rejectionOf(call)).code).toBe(code);
      }
    }
  });

  test("what the Vault API says is what it says", async () => {
    using key = await new WorkOsLookingKeys().createDataKey({ context: CONTEXT });
    let reply: Reply;
    const { url } = await startProxy("http://127.0.0.1:1", () => reply);
    using vault = new Vault({ apiKey: "sk_1", baseUrl: url, extensions: false, maxRetries: 0 });
    reply = { status: 400, body: { error: "Invalid encrypted key." } };
    expect((await rejectionOf(() => vault.createDecrypt({ keys: key.encryptedKeys }))).code).toBe(
      "ERR_DECRYPT_FAILED",
    );
    reply = { status: 400, body: { error: "keys is required" } };
    expect((await rejectionOf(() => vault.createDecrypt({ keys: key.encryptedKeys }))).code).toBe(
      "ERR_SERVICE_REJECTED",
    );
    reply = { status: 404, body: { error: "Not Found" } };
    expect((await rejectionOf(() => vault.getKv({ id: "x" }))).code).toBe("ERR_KV_NOT_FOUND");
    reply = { status: 409, body: { error: "Item already exists" } };
    const create = () => vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    expect((await rejectionOf(create)).code).toBe("ERR_KV_EXISTS");
  });
});

describe("[API-47] the service's own words", () => {
  test.each([
    [{ error: "Item already exists" }, "Item already exists"],
    [{ error: "short", message: "the longer words" }, "the longer words"],
    [{ error: "a\u0000\u001b[31mb\r\n\u202ec\u200bd\u{e0041}" }, "a [31mb c d"],
    [{ error: "x".repeat(1_000) }, `${"x".repeat(299)}…`],
    [{ error: "😀".repeat(400) }, `${"😀".repeat(299)}…`],
    [{ error: "no sk_canary_key_1 here" }, undefined],
    [{ error: "value 's3cret value' is bad" }, undefined],
    [{ error: "value s3cret va… is bad" }, undefined],
    [{ error: "context org_7 is closed" }, undefined],
    [{ error: "" }, undefined],
    [{ error: 7 }, undefined],
    ["<html>", undefined],
  ])("%j", async (body, words) => {
    const { url } = await startProxy("http://127.0.0.1:1", () => ({ status: 409, body }));
    using vault = new Vault({ apiKey: "sk_canary_key_1", baseUrl: url, extensions: true });
    const error = await rejectionOf(() =>
      vault.createKv({ name: "n", value: "the s3cret value", keyContext: { organization_id: "org_7" } }),
    );
    expect(error).toMatchObject({ status: 409 });
    expect((error as { serviceMessage?: string }).serviceMessage).toBe(words);
    expect(error.message).toBe(
      `the service refused the request (status 409)${words === undefined ? "" : `: ${words}`}`,
    );
  });

  test("from a coffer server", async () => {
    const server = await startServer();
    using vault = new Vault({ apiKey: server.key, baseUrl: server.url });
    await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const error = await rejectionOf(() => vault.createKv({ name: "n", value: "v", keyContext: CONTEXT }));
    expect(error).toMatchObject({ code: "ERR_KV_EXISTS", serviceMessage: "Item already exists" });
  });
});

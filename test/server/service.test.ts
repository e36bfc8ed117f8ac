/** What a server says of itself: health, metrics, OpenAPI, log; its limits of rate, its end (docs/spec/key-service-api.md 1.3, 4). */
import { beforeAll, describe, expect, test, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { OPERATIONS, PUBLIC_OPERATIONS } from "../../src/server/operations/index.ts";
import { type JsonSchema, resolve, violations } from "../support/json-schema.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  freshDatabaseUrl,
  openTestPostgresHost,
} from "../support/postgres.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { eventually, openTestHost } from "../support/vaults.ts";

// Noted events are written when a test asks for it: the clock could do so before a test has cut off the database.
vi.mock("../../src/vault/limits.ts", async (original) => ({
  ...(await original<object>()),
  EVENT_FLUSH_MS: 600_000,
}));

const CONTEXT = { organization_id: "org_1" };
/** RFC 8032 section 7.1, test 1. */
const SENDER_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/** Asks every operation once, with success. */
async function askEverything(server: TestServer): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const ask = async (id: string, path: string, body?: unknown): Promise<Answer["body"]> => {
    const operation = [...OPERATIONS, ...PUBLIC_OPERATIONS].find((one) => one.id === id)!;
    const answer = await server.call(operation.method, path, body);
    expect([id, answer.status, answer.text]).toEqual([id, operation.status, answer.text]);
    answers.set(id, answer);
    return answer.body;
  };
  const { encrypted_keys } = await ask("createDataKey", "/vault/v1/keys/data-key", { context: CONTEXT });
  await ask("createDecrypt", "/vault/v1/keys/decrypt", { keys: encrypted_keys });
  await ask("createRekey", "/vault/v1/keys/rekey", { context: { organization_id: "org_2" }, encrypted_keys });
  const created = await ask("createKv", "/vault/v1/kv", { name: "one", value: "v", key_context: CONTEXT });
  const at = `/vault/v1/kv/${created.id}`;
  await ask("updateKv", at, { value: "w" });
  await ask("getKv", at);
  await ask("getName", "/vault/v1/kv/name/one");
  await ask("listKv", "/vault/v1/kv?limit=1");
  await ask("listKvMetadata", `${at}/metadata`);
  await ask("listKvVersions", `${at}/versions`);
  await ask("deleteKv", at);
  await ask("createDataKeys", "/coffer/v1/keys/data-keys", { context: CONTEXT, count: 2 });
  await ask("createDecryptWithContext", "/coffer/v1/keys/decrypt", { keys: encrypted_keys });
  await ask("createDecrypts", "/coffer/v1/keys/decrypts", { keys: [encrypted_keys, "AAAA"] });
  await ask("checkKeys", "/coffer/v1/keys/check", { keys: [encrypted_keys, "AAAA"] });
  await ask("createRekeys", "/coffer/v1/keys/rekeys", { items: [{ context: CONTEXT, encrypted_keys }] });
  await ask("createRewraps", "/coffer/v1/keys/rewraps", { encrypted_keys: [encrypted_keys, "AAAA"] });
  const recipient = await ask("createRecipient", "/coffer/v1/recipients", { context: CONTEXT });
  await ask("makeRecipientDocument", "/coffer/v1/recipients/document", { id: recipient.id });
  await ask("getRecipientDocument", `/coffer/v1/recipients/${recipient.id}`);
  await ask("requireSender", "/coffer/v1/recipients/require-sender", { id: recipient.id, required: true });
  const sender = { recipient_id: recipient.id, name: "partner", public_key: SENDER_KEY };
  const { id: senderId } = await ask("addSender", "/coffer/v1/senders", sender);
  const ofSender = { recipient_id: recipient.id, id: senderId };
  await ask("revokeSender", "/coffer/v1/senders/revoke", ofSender);
  await ask("renewSender", "/coffer/v1/senders/renew", { ...ofSender, expires_at: "2100-01-01T00:00:00Z" });
  await ask("listSenders", `/coffer/v1/senders?recipient_id=${recipient.id}`);
  for (const verb of ["rotate", "disable", "enable", "shred"]) {
    await ask(`${verb}Recipient`, `/coffer/v1/recipients/${verb}`, { id: recipient.id, version: undefined });
  }
  await ask("listRecipients", "/coffer/v1/recipients?limit=1");
  const two = await ask("cofferCreateKv", "/coffer/v1/kv", { name: "two", value: "v", key_context: CONTEXT });
  const twoAt = `/coffer/v1/kv/${two.id}`;
  await ask("cofferUpdateKv", twoAt, { value: "w" });
  await ask("cofferGetKv", `${twoAt}?version_id=${two.version_id}`);
  await ask("cofferListKvVersions", `${twoAt}/versions`);
  await ask("cofferDeleteKv", twoAt);
  await ask("cofferListKv", "/coffer/v1/kv?deleted=true");
  await ask("undeleteKv", `${twoAt}/undelete`);
  await ask("destroyKv", `${twoAt}/destroy`, { version_id: two.version_id });
  const kek = { name: "organization_id", value: "org_2" };
  await ask("listKeks", "/coffer/v1/keks");
  await ask("rotateKek", "/coffer/v1/keks/rotate", kek);
  await ask("disableKek", "/coffer/v1/keks/disable", { ...kek, version: 1 });
  await ask("enableKek", "/coffer/v1/keks/enable", kek);
  await ask("shredKek", "/coffer/v1/keks/shred", { ...kek, delay_ms: 60_000 });
  await ask("rewrapKv", "/coffer/v1/keks/rewrap-kv");
  await ask("verifyRewrap", "/coffer/v1/keks/wrapped-keys");
  const webhook = await ask("createWebhook", "/coffer/v1/webhooks", {
    url: "https://hooks.example/",
    kinds: ["vault.data.read"],
  });
  await ask("listWebhooks", "/coffer/v1/webhooks");
  await ask("deleteWebhook", `/coffer/v1/webhooks/${webhook.id}`);
  await ask("listDeadDeliveries", "/coffer/v1/dead-deliveries");
  await ask("reviveDeadDeliveries", "/coffer/v1/dead-deliveries/revive");
  await ask("listEvents", "/coffer/v1/events?limit=2");
  await ask("status", "/coffer/v1/status");
  return answers;
}

describe("OpenAPI", () => {
  let server: TestServer;
  // biome-ignore lint/suspicious/noExplicitAny: a JSON document
  let document: any;
  // biome-ignore lint/suspicious/noExplicitAny: a JSON document
  const operations = (): [path: string, method: string, operation: any][] =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item as object).map(
        ([method, operation]) => [path, method, operation] as [string, string, object],
      ),
    );

  beforeAll(async () => {
    server = await startServer();
    document = (await server.call("GET", "/openapi.json", undefined, { key: null })).body;
  });

  test("[API-42] is a document of version 3.1 (its section 4) with every operation", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({
      title: "coffer",
      version: expect.any(String),
      license: { identifier: "MIT" },
    });
    for (const server of document.servers) expect(server.url).toEqual(expect.any(String));
    const ids = operations().map(([, , operation]) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const all = [...OPERATIONS, ...PUBLIC_OPERATIONS];
    expect(ids.sort()).toEqual(all.map((operation) => operation.id).sort());
    const schemes = document.components.securitySchemes;
    expect(schemes.apiKey).toMatchObject({ type: "http", scheme: "bearer" });
    for (const requirement of document.security) {
      for (const name of Object.keys(requirement)) expect(schemes).toHaveProperty(name);
    }
    for (const key of Object.keys(document.components.schemas)) expect(key).toMatch(/^[a-zA-Z0-9._-]+$/);
  });

  test("[API-42] describes parameters, bodies and responses as the specification wants them", () => {
    for (const [path, method, operation] of operations()) {
      expect(path).toMatch(/^\//);
      expect(["get", "post", "put", "delete"]).toContain(method);
      const parameters = operation.parameters ?? [];
      const named = parameters.map(
        (parameter: { name: string; in: string }) => `${parameter.in} ${parameter.name}`,
      );
      expect(new Set(named).size).toBe(named.length);
      const inPath = parameters.filter((parameter: { in: string }) => parameter.in === "path");
      const templates = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(inPath.map((parameter: { name: string }) => parameter.name)).toEqual(templates);
      for (const parameter of parameters) {
        expect(["path", "query", "header"]).toContain(parameter.in);
        if (parameter.in === "path") expect(parameter.required).toBe(true);
        expect(parameter.schema).toBeTypeOf("object");
      }
      if (method === "get" || method === "delete") expect(operation.requestBody).toBeUndefined();
      else if (operation.requestBody !== undefined) {
        expect(operation.requestBody.content["application/json"].schema).toBeTypeOf("object");
      }
      const statuses = Object.keys(operation.responses);
      for (const status of statuses) {
        expect(status).toMatch(/^([1-5]\d\d|default)$/);
        expect(operation.responses[status].description).toEqual(expect.any(String));
      }
      expect(statuses).toContain("default");
    }
    const references: string[] = [];
    JSON.stringify(document, (key, value) => {
      if (key === "$ref") references.push(value);
      return value;
    });
    for (const reference of references) expect(resolve(document, reference)).toBeTypeOf("object");
  });

  test("[API-20] [API-42] every operation's answer is as its schema says, and so is a refusal", async () => {
    const answers = await askEverything(server);
    for (const [path, , operation] of operations()) {
      const answer = answers.get(operation.operationId);
      expect([operation.operationId, answer !== undefined]).toEqual([operation.operationId, true]);
      const schema = operation.responses[answer!.status].content["application/json"].schema as JsonSchema;
      expect([path, violations(schema, answer!.body, document)]).toEqual([path, []]);
    }
    const problem = document.paths["/vault/v1/kv"].get.responses.default.content["application/json"].schema;
    for (const answer of [
      await server.call("GET", "/vault/v1/kv", undefined, { key: null }),
      await server.call("GET", "/vault/v1/kv/secret_0"),
      await server.call("GET", "/nope"),
    ]) {
      expect(violations(problem, answer.body, document)).toEqual([]);
    }
    expect(violations(problem, { error: 1 }, document)).not.toEqual([]);
  });
});

describe("health and metrics", () => {
  test("[API-40] healthz and readyz answer without an API key", async () => {
    const server = await startServer();
    const get = (path: string) => server.call("GET", path, undefined, { key: null });
    expect([(await get("/healthz")).status, (await get("/readyz")).status]).toEqual([200, 200]);
  });

  test("[API-40] [API-13] readyz is 503 when the storage does not answer, healthz 200", async () => {
    const host = await openTestHost();
    const server = await startServer({ host });
    await host.close();
    const ready = await server.call("GET", "/readyz");
    expect([ready.status, ready.body.code]).toEqual([503, "ERR_DISPOSED"]);
    expect(ready.headers.get("retry-after")).toBe("1");
    expect((await server.call("GET", "/healthz")).status).toBe(200);
  });

  test("[API-41] metrics are an exposition of requests by route, without ids or names", async () => {
    const server = await startServer();
    const canary = "canary-5521";
    await server.call("POST", "/vault/v1/kv", { name: canary, value: canary, key_context: { a: canary } });
    const { body } = await server.call("GET", `/vault/v1/kv/name/${canary}`);
    await server.call("GET", `/vault/v1/kv/${body.id}`);
    await server.call("GET", `/${canary}`);
    await server.call(canary.toUpperCase(), "/vault/v1/kv");
    const { text, headers, status } = await server.call("GET", "/metrics", undefined, { key: null });
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text.endsWith("\n")).toBe(true);
    const types = new Map<string, string>();
    const samples = new Map<string, number>();
    for (const line of text.trimEnd().split("\n")) {
      const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
      if (type !== null) types.set(type[1]!, type[2]!);
      if (line.startsWith("#")) {
        expect(line).toMatch(/^# (HELP [a-z_]+ .+|TYPE [a-z_]+ (counter|gauge|histogram))$/);
        continue;
      }
      const sample = /^([a-z_]+)(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? ([0-9.e+-]+)$/.exec(line);
      expect([line, sample !== null]).toEqual([line, true]);
      const name = sample![1]!.replace(/_(bucket|sum|count)$/, "");
      expect(types.has(name) || types.has(sample![1]!)).toBe(true);
      expect(samples.has(line.slice(0, line.lastIndexOf(" ")))).toBe(false);
      samples.set(line.slice(0, line.lastIndexOf(" ")), Number(sample![4]));
    }
    const series = (suffix: string, more = "") =>
      samples.get(
        `coffer_http_request_duration_seconds_${suffix}{method="GET",route="/vault/v1/kv/name/{name}",status="200"${more}}`,
      );
    expect(series("count")).toBe(1);
    expect(series("bucket", ',le="+Inf"')).toBe(1);
    // Buckets are cumulative.
    const buckets = [...samples].filter(
      ([name]) => name.includes("_bucket") && name.includes("/name/{name}"),
    );
    expect(buckets.map(([, value]) => value)).toEqual(
      buckets.map(([, value]) => value).sort((a, b) => a - b),
    );
    for (const secret of [canary, canary.toUpperCase(), body.id, server.environmentId, server.key]) {
      expect(text).not.toContain(secret);
    }
  });
});

describePostgres("on PostgreSQL", () => {
  test("[API-40] readyz is 503 while the database is gone, and 200 when it is back", async () => {
    const url = await freshDatabaseUrl();
    const name = databaseName(url);
    const server = await startServer({ host: await openTestPostgresHost(url) });
    expect((await server.call("GET", "/readyz")).status).toBe(200);
    await adminQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await adminQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    let answer = await server.call("GET", "/readyz");
    await eventually(async () => {
      answer = await server.call("GET", "/readyz");
      return answer.status === 503;
    }, "not ready");
    expect(answer.body).toEqual({
      error: "The server cannot do this now.",
      code: "ERR_STORAGE_UNAVAILABLE",
      message: "The server cannot do this now.",
    });
    expect(answer.headers.get("retry-after")).toBe("1");
    const refused = await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT });
    expect([refused.status, refused.body.code]).toEqual([503, "ERR_STORAGE_UNAVAILABLE"]);
    expect((await server.call("GET", "/healthz")).status).toBe(200);
    await adminQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    await eventually(async () => (await server.call("GET", "/readyz")).status === 200, "ready again");
    expect((await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT })).status).toBe(200);
  });

  test("[EVT-5] reads while the database is away are not lost", async () => {
    const url = await freshDatabaseUrl();
    const name = databaseName(url);
    const server = await startServer({ host: await openTestPostgresHost(url) });
    const { body } = await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT });
    await server.host.events.flush();
    const decrypt = () => server.call("POST", "/vault/v1/keys/decrypt", { keys: body.encrypted_keys });
    expect((await decrypt()).status).toBe(200);
    await adminQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
    await adminQuery(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    await expect(server.host.events.flush()).rejects.toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE" });
    await expect(server.host.events.flush()).rejects.toMatchObject({ code: "ERR_STORAGE_UNAVAILABLE" });
    await adminQuery(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
    let kinds: string[] = [];
    await eventually(async () => {
      const list = await server.call("GET", "/coffer/v1/events?limit=100");
      kinds = list.status === 200 ? list.body.data.map((event: { event: string }) => event.event) : [];
      return kinds.includes("vault.dek.decrypted");
    }, "the read is recorded");
    expect(kinds.filter((kind) => kind === "vault.dek.decrypted")).toHaveLength(1);
  });
});

describe("limits of rate", () => {
  test("[API-13] beyond its rate a key gets 429 with Retry-After, others do not", async () => {
    const server = await startServer({ requestsPerMinute: 5 });
    const other = await server.apiKey();
    const statuses: number[] = [];
    for (let i = 0; i < 7; i++) statuses.push((await server.call("GET", "/vault/v1/kv")).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
    const { body, headers } = await server.call("GET", "/vault/v1/kv");
    expect(body).toEqual({
      error: "Too many requests.",
      code: "ERR_RATE_LIMITED",
      message: "Too many requests.",
    });
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(Number(headers.get("retry-after"))).toBeLessThanOrEqual(13);
    expect((await server.call("GET", "/vault/v1/kv", undefined, { key: other })).status).toBe(200);
    expect((await server.call("GET", "/healthz")).status).toBe(200);
  });
});

describe("the log", () => {
  test("[API-15] [API-25] holds nothing that was said, only what happened", async () => {
    const server = await startServer();
    const canary = "canary-d81c";
    const headers = {
      "idempotency-key": `retry-${canary}`,
      "user-agent": canary,
      "x-request-id": canary,
      cookie: canary,
    };
    const answers = await askEverything(server);
    const say = (method: string, path: string, body?: unknown) =>
      server.call(method, path, body, { headers });
    const created = await say("POST", "/vault/v1/kv", {
      name: canary,
      value: canary,
      key_context: { [canary]: canary },
    });
    await say("GET", `/vault/v1/kv/name/${canary}`);
    await say("GET", `/vault/v1/kv?search=${canary}&after=${canary}`);
    await say("POST", "/coffer/v1/kv", {
      name: `2 ${canary}`,
      value: canary,
      key_context: { [canary]: canary },
    });
    const { body } = await say("POST", "/vault/v1/keys/data-key", { context: { [canary]: canary } });
    await say("POST", "/vault/v1/keys/decrypt", { keys: `${canary}=` });
    await say("GET", `/${canary}/${canary}`);
    await say(`X${canary.toUpperCase()}`, "/vault/v1/kv");
    await server.call("GET", "/vault/v1/kv", undefined, { key: `sk_${canary}` });
    const webhook = answers.get("createWebhook")!.body;
    const log = server.log
      .map((entry) => JSON.stringify(entry))
      .join("\n")
      .toLowerCase();
    expect(server.log.length).toBeGreaterThan(OPERATIONS.length);
    for (const secret of [
      canary,
      server.key,
      body.data_key,
      body.encrypted_keys,
      created.body.id,
      webhook.secret,
      webhook.url,
    ]) {
      expect(log.includes(secret.toLowerCase())).toBe(false);
    }
    const fields = new Set(server.log.flatMap((entry) => Object.keys(entry)));
    const known = "apiKeyId at code durationMs environmentId level method requestId route status".split(" ");
    expect([...fields].filter((field) => !known.includes(field))).toEqual([]);
    const routes = ["(none)", ...[...OPERATIONS, ...PUBLIC_OPERATIONS].map(({ path }) => path)];
    for (const entry of server.log) {
      expect(routes).toContain(entry.route);
      expect(entry.requestId).toMatch(/^req_[0-9a-f]{24}$/);
    }
  });

  test("[API-15] of an unexpected error it holds class and code, never its message", async () => {
    const host = await openTestHost();
    const log: unknown[] = [];
    const app = createApp({ host, log: (entry) => log.push(entry) });
    const cause = Object.assign(new Error("canary-cause"), { code: "EIO" });
    host.writable = () =>
      Promise.reject(Object.assign(new Error("canary-message", { cause }), { code: "EBAD" }));
    const response = await app.fetch(new Request("http://x/readyz"));
    expect([response.status, await response.json()]).toEqual([
      500,
      { error: "Internal error", code: "ERR_INTERNAL", message: "Internal error" },
    ]);
    expect(log).toMatchObject([
      { level: "error", status: 500, code: "ERR_INTERNAL", cause: "Error EBAD <- Error EIO" },
    ]);
    expect(JSON.stringify(log)).not.toContain("canary");
    await host.close();
  });
});

describe("batches", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer();
  });

  const post = (path: string, body: unknown, key = server.key) =>
    server.call("POST", `/coffer/v1/keys/${path}`, body, { key });

  test("[API-30] one result per item at its own index, whatever became of the others", async () => {
    const { body } = await post("data-keys", { context: CONTEXT, count: 3 });
    const made: { id: string; data_key: string; encrypted_keys: string }[] = body.data;
    expect(new Set(made.map((key) => key.data_key)).size).toBe(3);
    const keys = [made[0]!.encrypted_keys, "AAAA", made[2]!.encrypted_keys, made[1]!.encrypted_keys];
    const bad = { error: "Invalid encrypted key.", code: "ERR_KEY_BLOB_MALFORMED" };
    const told = (i: number) => ({ id: made[i]!.id, data_key: made[i]!.data_key, context: CONTEXT });
    expect((await post("decrypts", { keys })).body.results).toEqual([told(0), bad, told(2), told(1)]);
    const items = keys.map((encrypted_keys) => ({ context: { organization_id: "org_2" }, encrypted_keys }));
    const rekeyed = await post("rekeys", { items: [...items, { context: {}, encrypted_keys: keys[0] }] });
    expect(rekeyed.body.results.map((result: { code?: string }) => result.code)).toEqual([
      undefined,
      "ERR_KEY_BLOB_MALFORMED",
      undefined,
      undefined,
      "ERR_KEY_CONTEXT_INVALID",
    ]);
    const moved = rekeyed.body.results[2].encrypted_keys;
    expect((await post("decrypt", { keys: moved })).body.data_key).toBe(made[2]!.data_key);
  });

  test("[API-31] rekeys and rewraps tell no data key", async () => {
    const { body } = await post("data-keys", { context: CONTEXT, count: 1 });
    const { encrypted_keys } = body.data[0];
    const key = await server.apiKey(["rekey"]);
    const results = [
      await post("rekeys", { items: [{ context: { ...CONTEXT, region: "eu" }, encrypted_keys }] }, key),
      await post("rewraps", { encrypted_keys: [encrypted_keys] }, key),
    ];
    for (const { status, body: answer } of results) {
      expect(status).toBe(200);
      expect(Object.keys(answer.results[0]).sort()).toEqual(["context", "encrypted_keys", "id"]);
    }
  });

  test.each([
    [["rekey"], "ERR_CONTEXT_NOT_ALLOWED"],
    [["rekey", "encrypt"], "ERR_CONTEXT_NOT_ALLOWED"],
    [["rekey", "rekey:any"], undefined],
    [["rekey", "decrypt"], undefined],
  ] as const)("[AUT-19] a rekey that changes or drops an entry, with %j", async (permissions, code) => {
    const context = { ...CONTEXT, region: "eu" };
    const { body } = await post("data-keys", { context, count: 1 });
    const { encrypted_keys } = body.data[0];
    const key = await server.apiKey([...permissions]);
    for (const to of [CONTEXT, { ...context, region: "us" }, { other: "one" }]) {
      const { body: answer } = await post("rekeys", { items: [{ context: to, encrypted_keys }] }, key);
      expect(answer.results[0].code).toBe(code);
    }
    const narrower = { ...context, app: "billing" };
    const { body: answer } = await post("rekeys", { items: [{ context: narrower, encrypted_keys }] }, key);
    expect(answer.results[0].context).toEqual(narrower);
  });

  test("[AUT-19] a rekey out of, or into, what the caller is bound to", async () => {
    const bound = await server.apiKey(["rekey", "rekey:any"], { constraints: { region: "eu" } });
    const make = async (context: object): Promise<string> =>
      (await post("data-keys", { context, count: 1 })).body.data[0].encrypted_keys;
    const inside = await make({ ...CONTEXT, region: "eu" });
    const outside = await make({ ...CONTEXT, region: "us" });
    const rekey = async (encrypted_keys: string, context: object): Promise<string | undefined> =>
      (await post("rekeys", { items: [{ context, encrypted_keys }] }, bound)).body.results[0].code;
    expect(await rekey(inside, { ...CONTEXT, region: "us" })).toBe("ERR_CONTEXT_NOT_ALLOWED");
    expect(await rekey(outside, { ...CONTEXT, region: "eu" })).toBe("ERR_DECRYPT_FAILED");
    expect(await rekey(inside, { organization_id: "org_9", region: "eu" })).toBeUndefined();
  });

  test("[API-30] 1 to 100 items", async () => {
    const blob = (await post("data-keys", { context: CONTEXT, count: 100 })).body.data[0].encrypted_keys;
    expect(
      (await post("decrypts", { keys: Array.from({ length: 100 }, () => blob) })).body.results,
    ).toHaveLength(100);
    for (const [path, body] of [
      ["data-keys", { context: CONTEXT, count: 0 }],
      ["data-keys", { context: CONTEXT, count: 101 }],
      ["data-keys", { context: CONTEXT, count: 1.5 }],
      ["decrypts", { keys: [] }],
      ["decrypts", { keys: Array.from({ length: 101 }, () => blob) }],
      ["rekeys", { items: [] }],
      ["rewraps", { encrypted_keys: [] }],
    ] as const) {
      expect((await post(path, body)).status).toBe(422);
    }
  });

  test("[API-36] a webhook's secret is shown once", async () => {
    const created = await server.call("POST", "/coffer/v1/webhooks", { url: "https://hooks.example/" });
    expect(created.body.secret).toMatch(/^whsec_[A-Za-z0-9]{38,}$/);
    expect((await server.call("GET", "/coffer/v1/webhooks")).text).not.toContain(created.body.secret);
  });
});

describe("the end", () => {
  test("[API-16] a server that stops finishes what is under way and takes nothing new", async () => {
    const host = await openTestHost();
    const server = await startServer({ host });
    const body = { context: CONTEXT, count: 100 };
    const underWay = Array.from({ length: 5 }, () => server.call("POST", "/coffer/v1/keys/data-keys", body));
    await eventually(async () => {
      const { text } = await server.call("GET", "/metrics");
      return Number(/in_flight (\d+)/.exec(text)?.[1]) > 1 || server.log.length > 5;
    }, "they are under way");
    const closing = server.close();
    for (const answer of await Promise.all(underWay)) expect(answer.status).toBe(200);
    await closing;
    await expect(server.call("GET", "/healthz")).rejects.toThrow();
  });
});

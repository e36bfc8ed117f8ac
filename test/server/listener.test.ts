/**
 * The core answers a web-standard request and one of `node:http` alike: the same odd requests are asked both ways
 * (docs/spec/key-service-api.md 1.2 and 1.3).
 */
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { listen } from "../../src/server/node/listener.ts";
import { PERMISSIONS } from "../../src/vault/index.ts";
import { openTestHost } from "../support/vaults.ts";

const host = await openTestHost();
const app = createApp({ host });
const listening = await listen(app, { port: 0 });
const { id } = await host.environment("default");
const { key } = await host.apiKeys.create(id, { name: "all", permissions: PERMISSIONS });
const reader = await host.apiKeys.create(id, { name: "reader", permissions: ["kv:read"] });
const session = host.session(id, { actor: { id: "test", name: "test", source: "api" } });
/** Text of which every character has another length in UTF-8. */
const VALUE = "aé€😀\u0001\ufeff";
await session.kv.createKv({ name: VALUE, value: VALUE, keyContext: { organization_id: VALUE } });

afterAll(async () => {
  await listening.close();
  await host.close();
});

/** What both sides can be asked. */
interface Case {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string | undefined;
  readonly isChunked: boolean;
}

interface Seen {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** What a listener adds to an answer, and what no two answers share. */
const OWN_HEADERS = ["date", "connection", "keep-alive", "content-length", "x-request-id"];

function seen(status: number, headers: Headers, body: string): Seen {
  expect(headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{24}$/);
  for (const name of OWN_HEADERS) headers.delete(name);
  // Ids, keys and times differ; of counters and keys only the names are compared.
  const isOwn = status < 300 && !headers.get("content-type")!.startsWith("application/json");
  const alike = isOwn ? "" : body.replace(/("(?:id|data_key|encrypted_keys)":)"[^"]*"/g, '$1"x"');
  return { status, headers: Object.fromEntries(headers), body: alike };
}

async function askCore({ method, target, headers, body }: Case): Promise<Seen> {
  const response = await app.fetch(
    new Request(`http://x${target}`, {
      method,
      headers: headers.map(([name, value]) => [name, value]),
      ...(body === undefined ? {} : { body: new TextEncoder().encode(body) }),
    }),
  );
  return seen(response.status, response.headers, await response.text());
}

async function askListener({ method, target, headers, body, isChunked }: Case): Promise<Seen> {
  const bytes = Buffer.from(body ?? "");
  const half = bytes.length >> 1;
  const chunk = (part: Buffer): Buffer[] =>
    part.length === 0 ? [] : [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")];
  const lines = [
    `${method} ${target} HTTP/1.1`,
    "Host: x",
    "Connection: close",
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined
      ? []
      : [isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${bytes.length}`]),
  ];
  const sent = isChunked
    ? [...chunk(bytes.subarray(0, half)), ...chunk(bytes.subarray(half)), Buffer.from("0\r\n\r\n")]
    : [bytes];
  const answer = await exchange(
    Buffer.concat([
      Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"),
      ...(body === undefined ? [] : sent),
    ]),
  );
  const headEnd = answer.indexOf("\r\n\r\n");
  const [status, ...fields] = answer.subarray(0, headEnd).toString("latin1").split("\r\n");
  const received = new Headers();
  for (const field of fields)
    received.append(field.slice(0, field.indexOf(":")), field.slice(field.indexOf(":") + 1));
  const rest = answer.subarray(headEnd + 4);
  // The length is that of the bytes, whatever the text; to HEAD nothing else is sent.
  const length = Number(received.get("content-length"));
  expect(rest.length).toBe(method === "HEAD" ? 0 : length);
  expect(length).toBeGreaterThan(0);
  return seen(Number(status!.split(" ")[1]), received, rest.toString("utf8"));
}

function exchange(bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(Number(new URL(listening.url).port), "127.0.0.1");
    socket.on("data", (part) => parts.push(part));
    socket.once("error", reject);
    socket.once("close", () => resolve(Buffer.concat(parts)));
    socket.write(bytes);
  });
}

const NAME = encodeURIComponent(VALUE);
const TARGETS = [
  ...[
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/healthz?x=%zz",
    "/healthz/",
    "/%68ealthz",
    "/",
    "//",
    "/?",
  ],
  ...[
    "/vault/v1/kv",
    "/vault/v1/kv?",
    "/vault/v1/kv?limit=1",
    "/vault/v1/kv?limit=1&limit=1",
    "/vault/v1/kv?limit=x",
  ],
  ...[
    "/vault/v1/kv?search=%E2%82%AC",
    "/vault/v1/kv?search=a+b%2Bc",
    "/vault/v1/kv?search=%ff",
    "/vault/v1/kv?search=%",
  ],
  ...[
    "/vault/v1/kv?__proto__=1",
    "/vault/v1/kv?a?b=/&c",
    "/vault/v1/kv?/../",
    "/vault/v1/kv?search=\"<>^`{|}'",
  ],
  ...[`/vault/v1/kv/name/${NAME}`, `/vault/v1/kv/name/${NAME.toLowerCase()}`, `/vault/v1/kv/%6eame/${NAME}`],
  ...[
    "/vault/v1/kv/name/%2F",
    "/vault/v1/kv/name/a%2f..%2fb",
    "/vault/v1/kv/name/%25",
    "/vault/v1/kv/name/%2525",
  ],
  ...[
    "/vault/v1/kv/name/a;b",
    "/vault/v1/kv/name/a:b@c!$&'()*+,=~",
    "/vault/v1/kv/name/",
    "/vault/v1/kv/name",
  ],
  ...["/vault/v1/kv/name/%ff", "/vault/v1/kv/name/%", "/vault/v1/kv/x/metadata", "/vault/v1/kv/__proto__"],
  ...["/vault/v1/kv/name/{x}", '/vault/v1/kv/name/"', "/vault/v1/kv/%7Bkv_id%7D", "/vault/v1/kv/name/%00"],
  ...["/vault/v1/keys/data-key", "/vault/v1/keys/decrypt", "/coffer/v1/keks", "/coffer/v1/keys/data-keys"],
  `/vault/v1/kv/${"x".repeat(9_000)}`,
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"];
/** What reads its body, half of the time. */
const WITH_BODY: readonly [method: string, target: string][] = [
  ["POST", "/vault/v1/kv"],
  ["PUT", "/vault/v1/kv/x"],
  ["POST", "/vault/v1/keys/data-key"],
  ["POST", "/vault/v1/keys/decrypt"],
  ["POST", "/coffer/v1/keys/data-keys"],
];
const AUTHORIZATIONS = [
  ...[
    `Bearer ${key}`,
    `bearer ${key}`,
    `Bearer  ${key}`,
    `Bearer ${key} `,
    `Basic ${key}`,
    key,
    "Bearer",
    "",
  ],
  ...[`Bearer ${reader.key}`, `Bearer ${key}x`, `Bearer ${"x".repeat(3_000)}`, "Bearer \xe9"],
];
const TYPES = [
  ...[
    "application/json",
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "text/plain",
    "",
    "application/json;",
  ],
];
const BODIES = [
  ...[
    "",
    "{",
    "{}",
    "null",
    '{"context":{"organization_id":"org_1"}}',
    '{"context":{"a":"\u20ac😀"}}',
    "\ufeff{}",
  ],
  ...['{"context":{"a":1}}', '{"keys":"x"}', '{"name":"","value":"","key_context":{}}', '{"a":1,"a":2}'],
  ...[
    '{"context":{"organization_id":"org_1"},"count":2}',
    `"${"x".repeat(70_000)}"`,
    "x".repeat(1024 * 1024 + 1),
  ],
];

const oneOf = (values: readonly string[], weight = 3) =>
  fc.oneof(
    { arbitrary: fc.constant(values[0]!), weight },
    { arbitrary: fc.constantFrom(...values), weight: 4 },
  );

const headers = fc
  .record({
    authorizations: fc.array(oneOf(AUTHORIZATIONS, 12), { minLength: 0, maxLength: 2 }),
    types: fc.array(oneOf(TYPES, 8), { minLength: 0, maxLength: 2 }),
    idempotency: fc.constantFrom(undefined, "", "k", "\xe9", "k".repeat(256)),
    isUpper: fc.boolean(),
  })
  .map(({ authorizations, types, idempotency, isUpper }) => {
    const all: [string, string][] = [
      ...authorizations.map((value): [string, string] => ["authorization", value]),
      ...types.map((value): [string, string] => ["content-type", value]),
      ...(idempotency === undefined ? [] : [["idempotency-key", idempotency] as [string, string]]),
    ];
    return all.map(([name, value]): [string, string] => [isUpper ? name.toUpperCase() : name, value]);
  });

const cases: fc.Arbitrary<Case> = fc
  .record({
    route: fc.oneof(
      fc.constantFrom(...WITH_BODY),
      fc.tuple(fc.constantFrom(...METHODS), fc.constantFrom(...TARGETS)),
    ),
    headers,
    body: fc.option(fc.constantFrom(...BODIES), { nil: undefined }),
    isChunked: fc.boolean(),
  })
  .map(({ route: [method, target], ...rest }) => ({ method, target, ...rest }))
  // A web-standard request of these has no body.
  .map((one) => (["GET", "HEAD"].includes(one.method) ? { ...one, body: undefined } : one));

test("[API-10] [API-11] the same answer from the core and through the listener", {
  timeout: 60_000,
}, async () => {
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      const byListener = await askListener(one);
      expect(byListener).toEqual(await askCore(one));
      statuses.add(byListener.status);
    }),
    { numRuns: 600 },
  );
  // Not all of them were refused at the door.
  for (const status of [200, 400, 401, 404, 405, 414, 415]) expect(statuses).toContain(status);
});

test("a value of many bytes and few characters comes whole", async () => {
  const one = {
    target: `/vault/v1/kv/name/${NAME}`,
    headers: [["authorization", `Bearer ${key}`]] as const,
    body: undefined,
    isChunked: false,
  };
  const answer = await askListener({ ...one, method: "GET" });
  expect(JSON.parse(answer.body)).toMatchObject({ name: VALUE, value: VALUE });
  expect((await askListener({ ...one, method: "HEAD" })).body).toBe("");
});

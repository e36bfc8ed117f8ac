/**
 * Requests that are wrong, odd or hostile: right status, no 5xx, no crash, nothing lost (docs/spec/key-service-api.md
 * 1.2 and 1.3).
 */
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { OPERATIONS } from "../../src/server/operations/index.ts";
import { parseAnswer, startServer, type TestServer } from "../support/server.ts";
import { eventually } from "../support/vaults.ts";
import { describeVectors, reportChecked, VECTORS_DIRECTORY } from "../support/vectors.ts";

// The real ones would take too long.
vi.mock("../../src/server/limits.ts", async (original) => ({
  ...(await original<object>()),
  HEADERS_TIMEOUT_MS: 500,
  REQUEST_TIMEOUT_MS: 1_000,
}));

const CONTEXT = { organization_id: "org_1" };
const DATA_KEY = "/vault/v1/keys/data-key";
let server: TestServer;
let count = 0;

beforeAll(async () => {
  server = await startServer();
});

afterEach(async () => {
  // Whatever was sent: it is there, and it never was its own fault.
  expect((await server.call("POST", DATA_KEY, { context: CONTEXT })).status).toBe(200);
  expect(server.log.filter((entry) => entry.status >= 500)).toEqual([]);
});

const post = (raw: string | Uint8Array<ArrayBuffer>, path = DATA_KEY, headers: Record<string, string> = {}) =>
  server.call("POST", path, undefined, { raw, headers });
const refused = (answer: { status: number; body: { code: string } }) => [answer.status, answer.body.code];

describe("bodies", () => {
  const directory = join(VECTORS_DIRECTORY, "json-test-suite/test_parsing");

  describeVectors("[API-6] [API-14] the JSON test suite", "json-test-suite/test_parsing", () => {
    test("everything that is not JSON is 400", { timeout: 60_000 }, async () => {
      const files = readdirSync(directory).filter((name) => name.startsWith("n_"));
      expect(files.length).toBe(188);
      for (const name of files) {
        const answer = await post(Uint8Array.from(readFileSync(join(directory, name))));
        expect([name, ...refused(answer)]).toEqual([name, 400, "ERR_REQUEST_INVALID"]);
      }
      reportChecked(files.length, "texts that are not JSON refused");
    });

    test("everything else is a 4xx: it is not of the operation's shape", async () => {
      const files = readdirSync(directory).filter((name) => !name.startsWith("n_"));
      for (const name of files) {
        const answer = await post(Uint8Array.from(readFileSync(join(directory, name))));
        expect([name, [400, 422].includes(answer.status)]).toEqual([name, true]);
      }
      reportChecked(files.length, "other texts");
    });

    test("JSON of any kind is a value like another", async () => {
      const files = readdirSync(directory).filter((name) => name.startsWith("y_"));
      const strict = new TextDecoder("utf-8", { fatal: true });
      for (const name of files) {
        const value = strict.decode(readFileSync(join(directory, name)));
        const created = await server.call("POST", "/vault/v1/kv", { name, value, key_context: CONTEXT });
        expect(created.status).toBe(201);
        expect((await server.call("GET", `/vault/v1/kv/name/${name}`)).body.value).toBe(value);
      }
    });
  });

  test("[API-6] [API-53] repeated names, __proto__, depth and size", async () => {
    const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    const many = (n: number) => `{${Array.from({ length: n }, (_, i) => `"m${i}":1`).join(",")}}`;
    for (const body of [
      '{"context":{"a":"1"},"context":{"a":"2"}}',
      '{"context":{"a":"1","a":"2"}}',
      '{"context":{"a":"1","\\u0061":"2"}}',
      '{"context":{"__proto__":"1"}}',
      '{"context":{"a":"1"},"__proto__":{"context":{"a":"2"}}}',
      '{"context":{"\\u005f_proto__":"1"}}',
      deep(17),
      "[".repeat(200_000),
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      many(2_001),
      `{"a":[${"0,".repeat(1_999)}0]}`,
      `[${"{},".repeat(1_000)}{}]`,
      '{"context":{"a":"1"}} x',
      '\ufeff{"context":{"a":"1"}}',
      "",
    ]) {
      expect(refused(await post(body))).toEqual([400, "ERR_REQUEST_INVALID"]);
    }
    for (const body of [deep(16), many(2_000), "[]", "null", "1", '"text"', "{}", '{"context":[]}']) {
      expect(refused(await post(body))).toEqual([422, "ERR_REQUEST_INVALID"]);
    }
    // What no operation takes is refused for that, before it is parsed as JSON.
    for (const [body, text] of [
      [`[${"0,".repeat(2_000)}@`, "The body has more than 2000 members and items."],
      [`${"[".repeat(17)}@`, "The body nests deeper than 16 levels."],
      [`{"a":${"[],".repeat(1_000)}@`, "The body has more than 2000 members and items."],
    ] as const) {
      expect((await post(body)).body.error).toBe(text);
    }
    // Everything that a batch may have fits.
    const context = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`n${i}`, "v"]));
    const items = Array.from({ length: 100 }, () => ({ context, encrypted_keys: "x" }));
    const batch = await server.call("POST", "/coffer/v1/keys/rekeys", { items });
    expect([batch.status, batch.body.results.length]).toEqual([200, 100]);
    // The same name in different objects is no repetition, nor is one within text.
    const fine = '{"context":{"context":"a","name":"\\"context\\":1"},"other":{"a":[{"a":1},{"a":2}]}}';
    expect((await post(fine)).body.context).toEqual({ context: "a", name: '"context":1' });
    for (const name of ["constructor", "toString", "hasOwnProperty", "0"]) {
      const context = { [name]: "x" };
      expect((await server.call("POST", DATA_KEY, { context })).body.context).toEqual(context);
    }
  });

  test("[API-6] content types", async () => {
    const good = JSON.stringify({ context: CONTEXT });
    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      'Application/JSON;charset="UTF-8"',
      "application/json ; charset=utf-8 ",
    ]) {
      expect((await post(good, DATA_KEY, { "content-type": type })).status).toBe(200);
    }
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/json; charset=utf-16",
      "application/json; charset=latin1",
      "application/jsonp",
      "application/json,text/plain",
      "application/json; x=1",
      "application/vnd.api+json",
      "text/application/json",
      "x, application/json",
      "",
    ]) {
      expect(refused(await post(good, DATA_KEY, { "content-type": type }))).toEqual([
        415,
        "ERR_CONTENT_TYPE",
      ]);
    }
  });

  test("[API-9] [API-53] more than 1 MiB is 413, declared or not", async () => {
    const head = (length: string) =>
      `POST ${DATA_KEY} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.key}\r\ncontent-type: application/json\r\n${length}\r\n\r\n`;
    const declared = parseAnswer(
      await server.raw(head(`content-length: ${1024 * 1024 + 1}`), (text) => text.includes("}")),
    );
    expect(refused(declared)).toEqual([413, "ERR_REQUEST_TOO_LARGE"]);
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
    const chunked = await server.raw(head("transfer-encoding: chunked") + chunk.repeat(17), (text) =>
      text.includes("}"),
    );
    expect(refused(parseAnswer(chunked))).toEqual([413, "ERR_REQUEST_TOO_LARGE"]);
    // What takes neither a value nor a batch takes 256 KiB.
    const padded = (bytes: number) => {
      const text = JSON.stringify({ context: CONTEXT, padding: "" });
      return text.replace('""', `"${"x".repeat(bytes - text.length)}"`);
    };
    expect((await post(padded(256 * 1024))).status).toBe(200);
    expect(refused(await post(padded(256 * 1024 + 1)))).toEqual([413, "ERR_REQUEST_TOO_LARGE"]);
    // What just fits is read, and is only too large as a value.
    const body = JSON.stringify({ name: "x", key_context: CONTEXT, value: "" });
    const valued = (bytes: number) => body.replace('""', `"${"v".repeat(bytes - body.length)}"`);
    const fits = await post(valued(1024 * 1024), "/vault/v1/kv");
    expect(refused(fits)).toEqual([413, "ERR_KV_VALUE_TOO_LARGE"]);
    const larger = await post(valued(1024 * 1024 + 1), "/vault/v1/kv");
    expect(refused(larger)).toEqual([413, "ERR_REQUEST_TOO_LARGE"]);
    // A value of the largest size, escaped as far as JSON allows.
    const value = "\u0001".repeat(65_536);
    const escaped = await server.call("POST", "/vault/v1/kv", { name: "large", key_context: CONTEXT, value });
    expect(escaped.status).toBe(201);
    expect((await server.call("GET", "/vault/v1/kv/name/large")).body.value).toBe(value);
  });

  test("[API-14] text that is not well-formed is refused, not altered", async () => {
    for (const body of [
      '{"name":"\\ud800","value":"v","key_context":{"a":"b"}}',
      '{"name":"n","value":"\\udc00","key_context":{"a":"b"}}',
      '{"name":"n","value":"v","key_context":{"a":"\\ud800"}}',
      '{"name":"n\\u0000","value":"v","key_context":{"a":"b"}}',
    ]) {
      expect((await post(body, "/vault/v1/kv")).status).toBe(422);
    }
    const invalid = Buffer.concat([Buffer.from('{"context":{"a":"'), Buffer.of(0xff), Buffer.from('"}}')]);
    expect((await post(Uint8Array.from(invalid))).status).toBe(400);
  });
});

describeVectors("[API-14] naughty strings", "naughty-strings/blns.json", (file) => {
  test("as names, values, context values, searches, ids and cursors: they work, or are a 4xx", {
    timeout: 60_000,
  }, async () => {
    const strings = file.json<string[]>();
    expect(strings.length).toBe(515);
    const seen = new Set<string>();
    let worked = 0;
    const tryOne = async (text: string): Promise<void> => {
      const context = { organization_id: text === "" || text.length > 500 ? "org_1" : text };
      const isTaken = seen.has(text);
      seen.add(text);
      const body = { name: isTaken ? `naughty ${++count}` : text, value: text, key_context: context };
      const created = await server.call("POST", "/vault/v1/kv", body);
      if (created.status === 201) {
        worked += 1;
        expect(created.body.context).toEqual(context);
        const read = await server.call("GET", `/vault/v1/kv/name/${encodeURIComponent(body.name)}`);
        expect([read.status, read.body.value]).toEqual([200, text]);
      } else {
        // Empty, of more than 200 characters, or with NUL.
        expect(refused(created)).toEqual([422, "ERR_KV_NAME_INVALID"]);
        const named = { ...body, name: `naughty ${++count}` };
        expect((await server.call("POST", "/vault/v1/kv", named)).status).toBe(201);
      }
      const query = encodeURIComponent(text);
      const found = await server.call("GET", `/vault/v1/kv?limit=1&search=${query}&after=`);
      expect([200, 414]).toContain(found.status);
      if (text === "" || text === "." || text === "..") return;
      expect([404, 414]).toContain((await server.call("GET", `/vault/v1/kv/${query}`)).status);
      expect([400, 414]).toContain((await server.call("GET", `/vault/v1/kv?after=${query}`)).status);
      expect((await server.call("POST", "/vault/v1/keys/decrypt", { keys: text })).status).toBe(400);
    };
    for (let i = 0; i < strings.length; i += 16) await Promise.all(strings.slice(i, i + 16).map(tryOne));
    reportChecked(strings.length, `naughty strings, ${worked} of them as names`);
  });
});

describe("paths", () => {
  test("[API-7] dot segments are refused as they were asked for, in every spelling", async () => {
    for (const segment of [".", "..", "%2e", "%2E", "%2e%2e", "%2E.", ".%2e"]) {
      for (const target of [
        `/vault/v1/kv/${segment}`,
        `/vault/v1/kv/${segment}/metadata`,
        `/vault/v1/kv/name/${segment}`,
        `/vault/v1/kv/name/${segment}?x=1`,
        `/vault/${segment}/v1/kv`,
        `/${segment}`,
      ]) {
        const answer = await server.rawTarget("GET", target);
        expect([target, ...refused(answer)]).toEqual([target, 400, "ERR_REQUEST_INVALID"]);
        expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
        expect(answer.headers.get("cache-control")).toBe("no-store");
      }
      expect((await server.rawTarget("DELETE", `/vault/v1/kv/${segment}`)).status).toBe(400);
    }
    // Not segments: part of a name, and in the query.
    for (const target of ["/vault/v1/kv/name/...", "/vault/v1/kv/name/.a", "/vault/v1/kv/name/a%2F.."]) {
      expect((await server.rawTarget("GET", target)).body.code).toBe("ERR_KV_NOT_FOUND");
    }
    expect((await server.rawTarget("GET", "/vault/v1/kv?search=/../")).status).toBe(200);
  });

  test("[API-7] backslashes, fragments and bad percent-encoding", async () => {
    for (const target of [
      "/vault/v1/kv/name\\..",
      "\\vault\\v1\\kv",
      "/vault/v1/kv/name/x#/y",
      "/vault/v1/kv/name/%",
      "/vault/v1/kv/name/%2",
      "/vault/v1/kv/name/%zz",
      "/vault/v1/kv/name/%ff",
      "/vault/v1/kv/name/%c0%ae",
      "/vault/v1/kv/name/%ed%a0%80",
      // Which bytes a client's text is, only it knows.
      "/vault/v1/kv/name/é",
      "/vault/v1/kv?search=é",
      "/vault/v1/k\tv",
      // A URL parser finds another path behind these than one that looks for the first slash.
      "http://elsewhere\\x/vault/v1/kv",
      "http://elsewhere#/vault/v1/kv",
    ]) {
      const answer = await server.rawTarget("GET", target);
      expect([target, answer.status]).toEqual([target, 400]);
    }
  });

  test("[API-7] empty segments match nothing", async () => {
    for (const target of [
      "/vault/v1/kv/",
      "/vault/v1/kv/name/",
      "/vault/v1//kv",
      "//vault/v1/kv",
      "/vault/v1/kv//metadata",
    ]) {
      const answer = await server.rawTarget("GET", target);
      expect([target, [400, 404].includes(answer.status)]).toEqual([target, true]);
      expect(answer.body.code).not.toBe("ERR_KV_NOT_FOUND");
    }
  });

  test("[API-9] a URL of more than 8 KiB is 414, headers of more than 16 KiB are 431", async () => {
    expect(refused(await server.rawTarget("GET", `/vault/v1/kv/${"x".repeat(9_000)}`))).toEqual([
      414,
      "ERR_REQUEST_TOO_LARGE",
    ]);
    const wide = parseAnswer(
      await server.raw(`GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`),
    );
    expect(refused(wide)).toEqual([431, "ERR_REQUEST_TOO_LARGE"]);
    expect(wide.body.message).toBe(
      "The request has more than 100 headers, or more than 16384 bytes of them.",
    );
    expect(wide.headers.get("content-type")).toBe("application/json");
    expect(wide.headers.get("x-request-id")).toMatch(/^req_/);
  });

  test("other targets: absolute, asterisk, authority", async () => {
    expect((await server.rawTarget("GET", "http://elsewhere/vault/v1/kv")).status).toBeLessThan(500);
    expect((await server.rawTarget("GET", "http://elsewhere/vault/v1/kv/..")).status).toBe(400);
    // A URL parser takes "vault" for the server.
    expect(refused(await server.rawTarget("GET", "http:///vault/v1/kv"))).toEqual([
      404,
      "ERR_ROUTE_NOT_FOUND",
    ]);
    for (const [method, target] of [
      ["OPTIONS", "*"],
      ["CONNECT", "elsewhere:443"],
      ["GET", "no-slash"],
    ] as const) {
      const text = await server.raw(`${method} ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(text === "" || [400, 404, 405].includes(parseAnswer(text).status)).toBe(true);
    }
  });
});

describe("methods", () => {
  test("[API-10] another method is 405 with those that there are, an unknown path 404", async () => {
    const allowed = new Map<string, string[]>();
    for (const { method, path } of OPERATIONS) allowed.set(path, [...(allowed.get(path) ?? []), method]);
    for (const path of ["/healthz", "/readyz", "/metrics", "/openapi.json"]) allowed.set(path, ["GET"]);
    for (const [path, methods] of allowed) {
      for (const method of ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]) {
        if (methods.includes(method)) continue;
        const answer = await server.call(method, path.replace(/\{\w+\}/g, "x"), undefined, { key: null });
        // GET /vault/v1/kv/name is the object "name", GET /coffer/v1/recipients/rotate a recipient.
        if (answer.status === 401 || refused(answer)[1] === "ERR_KEY_NOT_FOUND") continue;
        expect([path, method, ...refused(answer)]).toEqual([path, method, 405, "ERR_METHOD_NOT_ALLOWED"]);
        expect(answer.headers.get("allow")?.split(", ").sort()).toEqual([...methods].sort());
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
      }
    }
    for (const path of [
      "/",
      "/nope",
      "/vault",
      "/vault/v1",
      "/vault/v2/kv",
      "/Vault/v1/kv",
      "/vault/v1/kv/a/b",
      "/coffer/v1",
    ]) {
      expect(refused(await server.call("GET", path))).toEqual([404, "ERR_ROUTE_NOT_FOUND"]);
    }
  });

  test("[API-10] HEAD is GET without a body", async () => {
    const got = await server.call("GET", "/vault/v1/kv");
    const head = await server.call("HEAD", "/vault/v1/kv");
    expect([head.status, head.text]).toEqual([got.status, ""]);
    expect(head.headers.get("content-type")).toBe("application/json");
    expect((await server.call("HEAD", "/vault/v1/kv", undefined, { key: null })).status).toBe(401);
    expect((await server.call("HEAD", DATA_KEY)).status).toBe(405);
  });
});

describe("answers", () => {
  test("[API-11] [API-12] headers and shape, with an id of their own each", async () => {
    const ids = new Set<string>();
    const answers = [
      await server.call("POST", DATA_KEY, { context: CONTEXT }),
      await server.call("GET", "/vault/v1/kv/secret_0"),
      await server.call("GET", "/nope"),
      await server.call("PATCH", "/vault/v1/kv"),
      await server.call("GET", "/vault/v1/kv", undefined, { key: null }),
      await server.call("GET", "/vault/v1/kv", undefined, { key: await server.apiKey(["encrypt"]) }),
      await post("{", DATA_KEY),
      await server.call("GET", "/healthz"),
      await server.rawTarget("GET", "/vault/v1/kv/.."),
      parseAnswer(await server.raw("nonsense\r\n\r\n")),
    ];
    for (const { headers, status, body } of answers) {
      expect(headers.get("content-type")).toBe("application/json");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{24}$/);
      ids.add(headers.get("x-request-id")!);
      if (status >= 400) {
        const names = ["code", "error", "message"];
        expect(Object.keys(body).sort()).toEqual(names);
        expect(body.code).toMatch(/^ERR_[A-Z_]+$/);
      }
    }
    expect(ids.size).toBe(answers.length);
  });

  test("[API-12] refusals repeat nothing of the request", async () => {
    const canary = "canary-7f3a";
    const texts = [
      await server.call("POST", DATA_KEY, { context: { [canary]: 1 } }),
      await server.call("POST", DATA_KEY, { context: { a: canary.repeat(100) } }),
      await server.call("POST", "/vault/v1/kv", {
        name: canary.repeat(50),
        value: canary,
        key_context: CONTEXT,
      }),
      await server.call("GET", `/vault/v1/kv/${canary}`),
      await server.call("GET", `/vault/v1/kv?after=${canary}`),
      await server.call("GET", `/vault/v1/kv?order=${canary}`),
      await server.call("GET", `/vault/v1/kv?updatedAfter=${canary}`),
      await server.call("GET", `/${canary}`),
      await server.call("POST", "/coffer/v1/keks/shred", { name: canary, value: canary }),
      await server.call("POST", "/coffer/v1/webhooks", { url: canary, kinds: [canary] }),
      await server.call("POST", "/coffer/v1/webhooks", { url: `ftp://${canary}/` }),
      await post(`{"${canary}":`),
    ];
    for (const { text, status } of texts) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(text).not.toContain(canary);
    }
  });
});

describe("connections", () => {
  const request = (path: string, connection = "keep-alive") =>
    `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: ${connection}\r\n\r\n`;

  test("[API-14] what is not HTTP is 400", async () => {
    for (const text of [
      "nonsense\r\n\r\n",
      "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nhost: x\r\nbad header: y\r\n\r\n",
      `POST ${DATA_KEY} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      `POST ${DATA_KEY} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`,
      `POST ${DATA_KEY} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab`,
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ]) {
      const answer = await server.raw(text, (received) => received.includes("\r\n\r\n"));
      expect([text, parseAnswer(answer).status]).toEqual([text, 400]);
    }
  });

  test("pipelined requests are answered in order", async () => {
    const paths = ["/healthz", "/nope", "/openapi.json", "/vault/v1/kv"];
    const text = await server.raw(
      paths.map((path, i) => request(path, i === 3 ? "close" : "keep-alive")).join(""),
    );
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual([
      "200",
      "404",
      "200",
      "401",
    ]);
  });

  test("a half-closed socket gets its answer", async () => {
    const text = await server.raw(request("/healthz"), (received) => received.includes('"ok"'), "half-close");
    expect(parseAnswer(text).status).toBe(200);
  });

  test("[API-9] slow clients are cut off in time", { timeout: 20_000 }, async () => {
    const headers = parseAnswer(await server.raw("GET /healthz HTTP/1.1\r\nhost: x\r\nx: "));
    expect(refused(headers)).toEqual([408, "ERR_REQUEST_TIMEOUT"]);
    const start = `POST ${DATA_KEY} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.key}\r\n`;
    const body = await server.raw(
      `${start}content-type: application/json\r\ncontent-length: 50\r\n\r\n{"con`,
    );
    expect([408, 400]).toContain(parseAnswer(body).status);
  });

  test("clients that leave in the middle count as gone, not as failures", async () => {
    const { port } = new URL(server.url);
    const context = JSON.stringify({ context: CONTEXT, count: 100 });
    for (let i = 0; i < 5; i++) {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(
        `POST /coffer/v1/keys/data-keys HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.key}\r\n` +
          `content-type: application/json\r\ncontent-length: ${context.length}\r\n\r\n${context}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 2 * i));
      socket.destroy();
    }
    const route = "/coffer/v1/keys/data-keys";
    await eventually(
      () => server.log.filter((entry) => entry.route === route).length >= 1,
      "the requests ended",
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const entry of server.log.filter((one) => one.route === route)) {
      expect([200, 400, 499]).toContain(entry.status);
      expect(entry.level).toBe("info");
    }
  });
});

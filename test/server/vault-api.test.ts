/** The 11 operations of the WorkOS Vault API, exactly (docs/spec/key-service-api.md section 2). */
import { beforeAll, describe, expect, test } from "vitest";
import { base64, flipBit, fromBase64 } from "../support/bytes.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { openTestHost, TestClock } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const VERSION_ID = /^[0-9a-f]{32}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let server: TestServer;
let clock: TestClock;
let count = 0;

beforeAll(async () => {
  clock = new TestClock();
  server = await startServer({ host: await openTestHost({ now: clock.now }) });
});

const freshName = () => `object-${++count}`;
const create = async (name = freshName(), value = "v", key_context: object = CONTEXT): Promise<Answer> =>
  server.call("POST", "/vault/v1/kv", { name, value, key_context });
const metadataOf = (id: string) => ({
  id,
  environment_id: server.environmentId,
  key_id: expect.stringMatching(UUID),
  updated_at: expect.stringMatching(TIME),
  updated_by: { id: expect.stringMatching(/^key_[0-9A-F]{32}$/), name: "all" },
  context: CONTEXT,
  version_id: expect.stringMatching(VERSION_ID),
});
/** Status and body; a refusal says its text twice ([API-12]), and is compared without the repetition. */
const said = ({ status, body }: Answer): [number, unknown] => {
  if (status < 400) return [status, body];
  const { message, ...rest } = body;
  expect(message).toBe(rest.error);
  return [status, rest];
};

describe("data keys", () => {
  test("[API-20] data-key answers 200 with id, key, wrapped key and the context as it was given", async () => {
    const context = { organization_id: "org_1", b: "é", "0": "x" };
    const { status, body } = await server.call("POST", "/vault/v1/keys/data-key", { context });
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(["context", "data_key", "encrypted_keys", "id"]);
    expect(body.context).toEqual(context);
    expect(body.id).toMatch(UUID);
    expect(fromBase64(body.data_key)).toHaveLength(32);
    const decrypted = await server.call("POST", "/vault/v1/keys/decrypt", { keys: body.encrypted_keys });
    expect(said(decrypted)).toEqual([200, { id: body.id, data_key: body.data_key }]);
  });

  test("[API-25] Idempotency-Key is not looked at: equal requests get different keys", async () => {
    const headers = { "idempotency-key": "retry-0123456789abcdef" };
    const all = await Promise.all(
      [1, 2, 3].map(() => server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT }, { headers })),
    );
    expect(new Set(all.map((answer) => answer.body.data_key)).size).toBe(3);
    const name = freshName();
    const body = { name, value: "v", key_context: CONTEXT };
    expect((await server.call("POST", "/vault/v1/kv", body, { headers })).status).toBe(201);
    expect((await server.call("POST", "/vault/v1/kv", body, { headers })).status).toBe(409);
    expect(
      (await server.call("POST", "/vault/v1/kv", { ...body, name: freshName() }, { headers })).status,
    ).toBe(201);
  });

  test("[API-20] rekey answers 200 with the same key for the other context", async () => {
    const { body: from } = await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT });
    const request = { context: { organization_id: "org_2" }, encrypted_keys: from.encrypted_keys };
    const { status, body } = await server.call("POST", "/vault/v1/keys/rekey", request);
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(["context", "data_key", "encrypted_keys", "id"]);
    expect([body.data_key, body.context]).toEqual([from.data_key, request.context]);
    expect(body.encrypted_keys).not.toBe(from.encrypted_keys);
  });

  test("[API-26] a wrapped key that cannot be unwrapped is 400 with WorkOS's text, whatever is wrong", async () => {
    const { body } = await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT });
    const other = await server.apiKey(undefined, { environment: "other" });
    const foreign = (
      await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT }, { key: other })
    ).body;
    const blob = fromBase64(body.encrypted_keys);
    const altered = base64(flipBit(blob, blob.length * 8 - 1));
    const unknown = base64(flipBit(blob, 28 * 8)); // in the KEK's id
    for (const keys of [altered, unknown, foreign.encrypted_keys]) {
      const refused = { error: "Invalid encrypted key.", code: "ERR_DECRYPT_FAILED" };
      expect(said(await server.call("POST", "/vault/v1/keys/decrypt", { keys }))).toEqual([400, refused]);
      const rekey = { context: CONTEXT, encrypted_keys: keys };
      expect(said(await server.call("POST", "/vault/v1/keys/rekey", rekey))).toEqual([400, refused]);
    }
    for (const keys of ["", "AAAA", "no base64!", SAMPLE_1.encryptedKeys]) {
      const { status, body: refusal } = await server.call("POST", "/vault/v1/keys/decrypt", { keys });
      expect([status, refusal.error]).toEqual([400, "Invalid encrypted key."]);
    }
  });

  test("contexts that are none are 422", async () => {
    for (const context of [
      undefined,
      null,
      "x",
      ["x"],
      {},
      { a: 1 },
      { a: "" },
      { "": "a" },
      { a: "x".repeat(501) },
    ]) {
      const answer = await server.call("POST", "/vault/v1/keys/data-key", { context });
      expect(answer.status).toBe(422);
      expect(["ERR_KEY_CONTEXT_INVALID", "ERR_REQUEST_INVALID"]).toContain(answer.body.code);
    }
  });
});

describe("objects", () => {
  test("[API-20] create answers 201 with flat metadata, read 200 with the value", async () => {
    const name = freshName();
    const created = await create(name, "s3cret");
    expect(said(created)).toEqual([201, metadataOf(created.body.id)]);
    expect(created.body.id).toMatch(/^secret_[0-9A-F]{32}$/);
    const object = { id: created.body.id, name, value: "s3cret", metadata: created.body };
    expect(said(await server.call("GET", `/vault/v1/kv/${created.body.id}`))).toEqual([200, object]);
    expect(said(await server.call("GET", `/vault/v1/kv/name/${name}`))).toEqual([200, object]);
    const { value: _, ...without } = object;
    expect(said(await server.call("GET", `/vault/v1/kv/${created.body.id}/metadata`))).toEqual([
      200,
      without,
    ]);
  });

  test("[API-24] a taken name is 409 with WorkOS's text; after deletion it is free", async () => {
    const name = freshName();
    const { body } = await create(name);
    const taken = { error: "Item already exists", code: "ERR_KV_EXISTS" };
    expect(said(await create(name))).toEqual([409, taken]);
    expect(said(await server.call("DELETE", `/vault/v1/kv/${body.id}`))).toEqual([
      200,
      { success: true, name },
    ]);
    expect((await create(name)).status).toBe(201);
  });

  test("[API-20] [API-23] update answers 201 without the value; null and absent check nothing", async () => {
    const name = freshName();
    const { body: first } = await create(name);
    for (const check of [{}, { version_check: null }]) {
      const updated = await server.call("PUT", `/vault/v1/kv/${first.id}`, { value: "w", ...check });
      expect(said(updated)).toEqual([201, { id: first.id, name, metadata: metadataOf(first.id) }]);
    }
    const { body: now } = await server.call("GET", `/vault/v1/kv/${first.id}`);
    const stale = await server.call("PUT", `/vault/v1/kv/${first.id}`, {
      value: "x",
      version_check: first.version_id,
    });
    expect(said(stale)).toEqual([409, { error: "Version mismatch.", code: "ERR_KV_VERSION_CONFLICT" }]);
    expect((await server.call("GET", `/vault/v1/kv/${first.id}`)).body).toEqual(now);
    const good = { value: "x", version_check: now.metadata.version_id };
    expect((await server.call("PUT", `/vault/v1/kv/${first.id}`, good)).status).toBe(201);
    expect(
      (await server.call("PUT", `/vault/v1/kv/${first.id}`, { value: "x", version_check: "" })).status,
    ).toBe(400);
  });

  test("[API-20] [API-23] delete checks the version in the query; what is deleted is not found", async () => {
    const name = freshName();
    const { body } = await create(name);
    expect((await server.call("DELETE", `/vault/v1/kv/${body.id}?version_check=`)).status).toBe(400);
    const stale = await server.call("DELETE", `/vault/v1/kv/${body.id}?version_check=nope`);
    expect(said(stale)).toEqual([409, { error: "Version mismatch.", code: "ERR_KV_VERSION_CONFLICT" }]);
    // What WorkOS's Node SDK 10.8 sends.
    const odd = await create();
    const query = "?query=%5Bobject+Object%5D";
    expect((await server.call("DELETE", `/vault/v1/kv/${odd.body.id}${query}`)).status).toBe(200);
    const done = await server.call("DELETE", `/vault/v1/kv/${body.id}?version_check=${body.version_id}`);
    expect(said(done)).toEqual([200, { success: true, name }]);
    const notFound = [404, { error: "Not Found", code: "ERR_KV_NOT_FOUND" }];
    for (const [method, path, sent] of [
      ["GET", `/vault/v1/kv/${body.id}`],
      ["GET", `/vault/v1/kv/name/${name}`],
      ["GET", `/vault/v1/kv/${body.id}/metadata`],
      ["GET", `/vault/v1/kv/${body.id}/versions`],
      ["PUT", `/vault/v1/kv/${body.id}`, { value: "w" }],
      ["DELETE", `/vault/v1/kv/${body.id}`],
    ] as const) {
      expect(said(await server.call(method, path, sent))).toEqual(notFound);
    }
  });

  test("[API-20] versions answers all, exactly one current, etags in double quotes", async () => {
    const { body } = await create();
    const updated = await server.call("PUT", `/vault/v1/kv/${body.id}`, { value: "a longer value" });
    const { status, body: list } = await server.call("GET", `/vault/v1/kv/${body.id}/versions`);
    expect(status).toBe(200);
    expect(list.list_metadata).toEqual({ before: null, after: null });
    expect(list.data).toEqual(
      [updated.body.metadata.version_id, body.version_id].map((id, i) => ({
        id,
        created_at: expect.stringMatching(TIME),
        current_version: i === 0,
        size: expect.any(Number),
        etag: expect.stringMatching(/^"[0-9a-f]{32}"$/),
        is_destroyed: false,
      })),
    );
  });

  test("[API-7] %2F in a name is data, decoded once", async () => {
    for (const name of [
      "a/b é",
      "a%2Fb",
      "a%252Fb",
      "a/../b",
      "..%2f..",
      "%",
      "%2",
      "\\",
      "#",
      "?a=b",
      "+",
      "a b",
      "*",
    ]) {
      const path = `/vault/v1/kv/name/${encodeURIComponent(name)}`;
      const { body } = await create(name, name);
      const read = await server.call("GET", path);
      expect([read.status, read.body.name, read.body.value]).toEqual([200, name, name]);
      await server.call("DELETE", `/vault/v1/kv/${body.id}`);
    }
  });

  test("names like other routes are names", async () => {
    for (const name of ["metadata", "versions", "name", "kv"]) {
      const { body } = await create(name, name);
      expect((await server.call("GET", `/vault/v1/kv/name/${name}`)).body.id).toBe(body.id);
    }
    expect((await server.call("GET", "/vault/v1/kv/name")).body.code).toBe("ERR_KV_NOT_FOUND");
  });
});

describe("lists", () => {
  let ids: string[];
  let lists: TestServer;

  beforeAll(async () => {
    lists = await startServer({ host: await openTestHost({ now: clock.now }) });
    ids = [];
    for (let i = 0; i < 12; i++) {
      clock.advance(1_000);
      const body = { name: `list-${i}`, value: "v", key_context: CONTEXT };
      ids.unshift((await lists.call("POST", "/vault/v1/kv", body)).body.id);
    }
  });

  const list = (query: string) => lists.call("GET", `/vault/v1/kv${query}`);
  const idsOf = (answer: Answer): string[] => answer.body.data.map((item: { id: string }) => item.id);

  test("[API-21] answer 10, the newest first, with the next cursor in both places", async () => {
    const first = await list("");
    expect(first.status).toBe(200);
    expect(first.body.data[0]).toEqual({
      id: ids[0],
      name: "list-11",
      updated_at: expect.stringMatching(TIME),
    });
    expect(idsOf(first)).toEqual(ids.slice(0, 10));
    expect(first.body.list_metadata).toEqual({ before: ids[9], after: ids[9] });
    const second = await list(`?after=${first.body.list_metadata.before}`);
    expect(idsOf(second)).toEqual(ids.slice(10));
    expect(second.body.list_metadata).toEqual({ before: null, after: null });
    expect((await list(`?limit=12`)).body.list_metadata).toEqual({ before: null, after: null });
  });

  test("[API-21] [API-8] limit, order, before; empty parameters count as absent", async () => {
    expect(idsOf(await list("?limit=2&order=desc"))).toEqual(ids.slice(0, 2));
    expect(idsOf(await list("?limit=2&order=normal"))).toEqual(ids.slice(0, 2));
    expect(idsOf(await list("?limit=2&order=asc"))).toEqual([...ids].reverse().slice(0, 2));
    expect(idsOf(await list("?limit=100&before=&after=&search=&updatedAfter=&unknown=1"))).toEqual(ids);
    expect(idsOf(await list(`?limit=2&before=${ids[4]}`))).toEqual(ids.slice(2, 4));
    expect(idsOf(await list("?search=list-1"))).toEqual([ids[0], ids[1], ids[10]]);
    for (const query of [
      "?limit=0",
      "?limit=101",
      "?limit=x",
      "?limit=1.5",
      "?order=up",
      "?limit=1&limit=2",
    ]) {
      const refused = await list(query);
      expect([refused.status, refused.body.code]).toEqual([400, "ERR_REQUEST_INVALID"]);
    }
    const both = await list(`?before=${ids[0]}&after=${ids[1]}`);
    expect(both.status).toBe(400);
    expect(said(await list("?after=secret_0"))).toEqual([
      400,
      { error: "the cursor is not one of this list", code: "ERR_CURSOR_INVALID" },
    ]);
  });

  test("[API-22] updatedAfter and updated_after, in RFC 3339 and as JavaScript prints a date", async () => {
    // Between the third-newest object and the one before it.
    const moment = new Date(clock.time - 2_500);
    const whole = new Date(clock.time - 3_000); // Date's text has no milliseconds.
    for (const [name, value] of [
      ["updatedAfter", moment.toISOString()],
      ["updated_after", moment.toISOString()],
      ["updatedAfter", whole.toISOString().replace("Z", "+00:00")],
      ["updatedAfter", String(whole)],
      ["updated_after", String(whole)],
    ] as const) {
      expect(idsOf(await list(`?${new URLSearchParams({ [name]: value })}`))).toEqual(ids.slice(0, 3));
    }
    // Exactly what the SDK puts on the wire.
    const sdk =
      "?order=desc&updated_after=Sun+Jan+01+2023+00%3A00%3A00+GMT%2B0000+%28Coordinated+Universal+Time%29";
    expect(idsOf(await list(sdk))).toHaveLength(10);
    expect((await list("?updatedAfter=yesterday")).status).toBe(400);
  });

  test("[API-21] walks of live tests and of SDKs see each name exactly once", async () => {
    for (const cursor of ["before", "after"]) {
      const seen: string[] = [];
      for (let after = ""; ; ) {
        const page = await list(`?limit=5&order=desc&after=${after}`);
        seen.push(...idsOf(page));
        after = page.body.list_metadata[cursor];
        if (after === null) break;
      }
      expect(seen).toEqual(ids);
    }
  });
});

/** What an API key may: nothing that it is not told it may (docs/spec/key-service-api.md 1.1). */
import { beforeAll, describe, expect, test } from "vitest";
import type { Operation } from "../../src/server/core/operation.ts";
import { OPERATIONS } from "../../src/server/operations/index.ts";
import { PERMISSIONS, type Permission } from "../../src/vault/index.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { freshPath, openTestHost } from "../support/vaults.ts";

/** As docs/spec/key-service-api.md says it, written once more here. */
const NEEDED: Readonly<Record<string, readonly Permission[]>> = {
  createDataKey: ["encrypt"],
  createDecrypt: ["decrypt"],
  createRekey: ["rekey", "decrypt"],
  listKv: ["kv:read"],
  createKv: ["kv:write"],
  getName: ["kv:read"],
  getKv: ["kv:read"],
  updateKv: ["kv:write"],
  deleteKv: ["kv:write"],
  listKvMetadata: ["kv:read"],
  listKvVersions: ["kv:read"],
  createDataKeys: ["encrypt"],
  createDecryptWithContext: ["decrypt"],
  createDecrypts: ["decrypt"],
  checkKeys: [],
  createRekeys: ["rekey"],
  createRewraps: ["rekey"],
  cofferListKv: ["kv:read"],
  cofferCreateKv: ["kv:write"],
  cofferGetKv: ["kv:read"],
  cofferUpdateKv: ["kv:write"],
  cofferDeleteKv: ["kv:write"],
  cofferListKvVersions: ["kv:read"],
  undeleteKv: ["kv:write"],
  destroyKv: ["kv:write"],
  listKeks: ["admin"],
  rotateKek: ["admin"],
  disableKek: ["admin"],
  enableKek: ["admin"],
  shredKek: ["admin"],
  rewrapKv: ["admin"],
  verifyRewrap: ["admin"],
  listRecipients: ["admin"],
  createRecipient: ["admin"],
  makeRecipientDocument: ["admin"],
  rotateRecipient: ["admin"],
  disableRecipient: ["admin"],
  enableRecipient: ["admin"],
  shredRecipient: ["admin"],
  requireSender: ["admin"],
  listSenders: ["admin"],
  addSender: ["admin"],
  revokeSender: ["admin"],
  renewSender: ["admin"],
  listWebhooks: ["admin"],
  createWebhook: ["admin"],
  deleteWebhook: ["admin"],
  listDeadDeliveries: ["admin"],
  reviveDeadDeliveries: ["admin"],
  listEvents: ["admin"],
  status: [],
};

/** Who has this one may call it as well. */
const INSTEAD: Readonly<Record<string, Permission>> = { createRekeys: "absorb", createRewraps: "absorb" };

const CONTEXT = { organization_id: "org_1" };
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});

/** A request that is well-formed as far as authorisation is concerned: it comes before everything else. */
const ask = (operation: Operation, key: string | null) =>
  server.call(
    operation.method,
    operation.path.replace(/\{\w+\}/g, "secret_0"),
    operation.bodySchema === undefined ? undefined : {},
    { key },
  );

test("[API-2] every operation and no other is in the matrix", () => {
  expect(OPERATIONS.map((operation) => operation.id).sort()).toEqual(Object.keys(NEEDED).sort());
});

test("[API-2] every operation times every single permission: refused unless it is all that is needed", async () => {
  const keys = new Map<Permission, string>();
  for (const permission of PERMISSIONS) keys.set(permission, await server.apiKey([permission]));
  for (const operation of OPERATIONS) {
    const needed = NEEDED[operation.id]!;
    for (const [permission, key] of keys) {
      const { status, body } = await ask(operation, key);
      const isAllowed = needed.every((one) => one === permission) || INSTEAD[operation.id] === permission;
      if (isAllowed) {
        expect([401, 403]).not.toContain(status);
      } else {
        const lacking = needed.find((one) => one !== permission);
        const error = `This API key lacks the permission ${lacking}.`;
        expect([status, body]).toEqual([403, { error, code: "ERR_FORBIDDEN", message: error }]);
      }
    }
  }
});

test("[API-2] every operation is allowed by exactly what it needs, and refused with all but one of it", async () => {
  for (const operation of OPERATIONS) {
    const needed = NEEDED[operation.id]!;
    if (needed.length > 0) {
      expect([401, 403]).not.toContain((await ask(operation, await server.apiKey(needed))).status);
    }
    for (const missing of needed) {
      const rest = PERMISSIONS.filter((one) => one !== missing && one !== INSTEAD[operation.id]);
      expect((await ask(operation, await server.apiKey(rest))).status).toBe(403);
    }
  }
});

test("[API-1] every operation refuses an absent, malformed, unknown and revoked key alike", async () => {
  const revoked = await server.apiKey();
  const id = (await server.call("GET", "/coffer/v1/status", undefined, { key: revoked })).body.api_key.id;
  await server.host.apiKeys.revoke(id);
  // Right in form and checksum, of another server.
  const unknown = (await startServer()).key;
  const refusal = { error: "Unauthorized", code: "ERR_UNAUTHENTICATED", message: "Unauthorized" };
  for (const operation of OPERATIONS) {
    for (const key of [null, "sk_bad", "x", `${server.key}x`, server.key.slice(0, -1), revoked, unknown]) {
      const answer = await ask(operation, key);
      expect([answer.status, answer.body]).toEqual([401, refusal]);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
    }
  }
  for (const authorization of [
    "",
    "Bearer",
    "Basic c2s6",
    server.key,
    `Bearer ${server.key} x`,
    `Basic Bearer ${server.key}`,
    "Bearer  x",
  ]) {
    const answer = await server.call("GET", "/vault/v1/kv", undefined, {
      key: null,
      headers: { authorization },
    });
    expect([answer.status, answer.body]).toEqual([401, refusal]);
  }
  // RFC 9110: the scheme's case does not matter.
  const headers = { authorization: `bearer ${server.key}` };
  expect((await server.call("GET", "/vault/v1/kv", undefined, { key: null, headers })).status).toBe(200);
});

test("[API-4] a revoked key is refused at once by a second server on the same file", async () => {
  const path = freshPath();
  const one = await startServer({ host: await openTestHost({ path }) });
  const two = await startServer({ host: await openTestHost({ path }) });
  const key = await one.apiKey();
  const status = async (at: TestServer) =>
    (await at.call("GET", "/coffer/v1/status", undefined, { key })).status;
  const { id } = (await one.call("GET", "/coffer/v1/status", undefined, { key })).body.api_key;
  expect([await status(one), await status(two)]).toEqual([200, 200]);
  await one.host.apiKeys.revoke(id);
  expect([await status(one), await status(two)]).toEqual([401, 401]);
});

test("an API key that does not exist is not called a KEK", async () => {
  const { host } = await startServer();
  await expect(host.apiKeys.revoke("key_none")).rejects.toMatchObject({ code: "ERR_API_KEY_NOT_FOUND" });
});

describe("constraints", () => {
  let bound: string;
  let theirs: { id: string; name: string; encrypted_keys: string };
  const other = { organization_id: "org_2" };

  beforeAll(async () => {
    bound = await server.apiKey(["encrypt", "decrypt", "rekey", "kv:read", "kv:write"], {
      constraints: CONTEXT,
    });
    const { body } = await server.call("POST", "/vault/v1/kv", {
      name: "theirs",
      value: "v",
      key_context: other,
    });
    const dataKey = await server.call("POST", "/vault/v1/keys/data-key", { context: other });
    theirs = { id: body.id, name: "theirs", encrypted_keys: dataKey.body.encrypted_keys };
  });

  const call = (method: string, path: string, body?: unknown) =>
    server.call(method, path, body, { key: bound });

  test("[API-3] what is under a context with the entries works", async () => {
    const context = { ...CONTEXT, user_id: "user_1" };
    const made = await call("POST", "/vault/v1/keys/data-key", { context });
    expect(made.status).toBe(200);
    expect((await call("POST", "/vault/v1/keys/decrypt", { keys: made.body.encrypted_keys })).status).toBe(
      200,
    );
    const rekey = { context: CONTEXT, encrypted_keys: made.body.encrypted_keys };
    expect((await call("POST", "/vault/v1/keys/rekey", rekey)).status).toBe(200);
    const created = await call("POST", "/vault/v1/kv", { name: "mine", value: "v", key_context: context });
    expect(created.status).toBe(201);
    for (const path of [
      created.body.id,
      "name/mine",
      `${created.body.id}/metadata`,
      `${created.body.id}/versions`,
    ]) {
      expect((await call("GET", `/vault/v1/kv/${path}`)).status).toBe(200);
    }
    const list = await call("GET", "/vault/v1/kv");
    expect(list.body.data.map((item: { name: string }) => item.name)).toEqual(["mine"]);
  });

  test("[API-3] nothing can be made under a context without them", async () => {
    const { encrypted_keys } = (await call("POST", "/vault/v1/keys/data-key", { context: CONTEXT })).body;
    for (const context of [
      other,
      { organization_id: "ORG_1" },
      { Organization_id: "org_1" },
      { user_id: "org_1" },
    ]) {
      for (const [path, body] of [
        ["/vault/v1/keys/data-key", { context }],
        ["/vault/v1/keys/rekey", { context, encrypted_keys }],
        ["/vault/v1/kv", { name: "x", value: "v", key_context: context }],
        ["/coffer/v1/kv", { name: "x", value: "v", key_context: context }],
        ["/coffer/v1/keys/data-keys", { context, count: 1 }],
      ] as const) {
        const { status, body: refusal } = await call("POST", path, body);
        expect([status, refusal.code]).toEqual([403, "ERR_CONTEXT_NOT_ALLOWED"]);
      }
      const batch = await call("POST", "/coffer/v1/keys/rekeys", { items: [{ context, encrypted_keys }] });
      expect(batch.body.results[0].code).toBe("ERR_CONTEXT_NOT_ALLOWED");
    }
  });

  test("[API-3] [API-26] what is under other contexts looks like what does not exist", async () => {
    const missing = { id: "secret_00000000000000000000000000000000", name: "nobody" };
    for (const [method, path, body] of [
      ["GET", "/vault/v1/kv/{id}"],
      ["GET", "/vault/v1/kv/name/{name}"],
      ["GET", "/vault/v1/kv/{id}/metadata"],
      ["GET", "/vault/v1/kv/{id}/versions"],
      ["PUT", "/vault/v1/kv/{id}", { value: "w" }],
      ["DELETE", "/vault/v1/kv/{id}"],
      ["POST", "/coffer/v1/kv/{id}/destroy", {}],
      ["POST", "/coffer/v1/kv/{id}/undelete"],
      ["GET", "/vault/v1/kv?after={id}"],
    ] as const) {
      const at = (what: { id: string; name: string }) =>
        path.replace("{id}", what.id).replace("{name}", what.name);
      const [there, nowhere] = [await call(method, at(theirs), body), await call(method, at(missing), body)];
      expect([there.status, there.text]).toEqual([nowhere.status, nowhere.text]);
      expect([400, 404]).toContain(there.status);
    }
    for (const [path, body] of [
      ["/vault/v1/keys/decrypt", { keys: theirs.encrypted_keys }],
      ["/vault/v1/keys/rekey", { context: CONTEXT, encrypted_keys: theirs.encrypted_keys }],
    ] as const) {
      const { status, body: refusal } = await call("POST", path, body);
      expect([status, refusal]).toEqual([
        400,
        { error: "Invalid encrypted key.", code: "ERR_DECRYPT_FAILED", message: "Invalid encrypted key." },
      ]);
    }
    // Whatever the state of the others' KEKs.
    await server.call("POST", "/coffer/v1/keks/disable", { name: "organization_id", value: "org_2" });
    const disabled = await call("POST", "/vault/v1/keys/decrypt", { keys: theirs.encrypted_keys });
    expect([disabled.status, disabled.body.code]).toEqual([400, "ERR_DECRYPT_FAILED"]);
    await server.call("POST", "/coffer/v1/keks/enable", { name: "organization_id", value: "org_2" });
    expect((await server.call("GET", `/vault/v1/kv/${theirs.id}`)).status).toBe(200);
  });

  test("[API-3] admin cannot be constrained", async () => {
    await expect(server.apiKey(["admin"], { constraints: CONTEXT })).rejects.toThrow(RangeError);
  });
});

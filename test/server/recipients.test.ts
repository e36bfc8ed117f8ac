/** Recipients over HTTP: a document for everybody, and a sealed data key from there through the server's own operations. */
import { beforeAll, describe, expect, test } from "vitest";
import { inspect, splice } from "../../src/crypto/envelope/inspect.ts";
import { Vault } from "../../src/index.ts";
import { SealedEncryptor } from "../../src/sealed/index.ts";
import { PUBLIC_OPERATIONS } from "../../src/server/operations/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { startServer, type TestServer } from "../support/server.ts";

const CONTEXT = { organization_id: "org_1" };
let server: TestServer;
let id: string;

const post = (path: string, body: unknown, key?: string) =>
  server.call("POST", `/coffer/v1/${path}`, body, key === undefined ? {} : { key });
const vaultFor = (apiKey: string) => new Vault({ apiKey, baseUrl: server.url, cache: { maxEntries: 0 } });

beforeAll(async () => {
  server = await startServer();
  id = (await post("recipients", { context: CONTEXT })).body.id;
});

/** What a page does: it fetches the document, without a key. */
async function encryptorOf(recipientId = id): Promise<SealedEncryptor> {
  const { text } = await server.call("GET", `/coffer/v1/recipients/${recipientId}`, undefined, { key: null });
  return new SealedEncryptor({ recipient: text });
}

describe("the document", () => {
  test("is for everybody, may be kept, and is read by pages of any origin ([API-80])", async () => {
    for (const method of ["GET", "HEAD"]) {
      const { status, headers } = await server.call(method, `/coffer/v1/recipients/${id}`, undefined, {
        key: null,
      });
      expect(status).toBe(200);
      expect(headers.get("cache-control")).toBe("public, max-age=300");
      expect(headers.get("access-control-allow-origin")).toBe("*");
      expect(headers.get("access-control-allow-credentials")).toBeNull();
    }
    const { body } = await server.call("GET", `/coffer/v1/recipients/${id}`, undefined, { key: null });
    expect(body).toMatchObject({ id, version: 1, context: CONTEXT });

    const again = await server.call("GET", `/coffer/v1/recipients/${id}`, undefined, { key: null });
    expect(again.body).toEqual(body);
  });

  test("of an unknown, disabled or destroyed recipient is refused, readably ([API-80])", async () => {
    const made = (await post("recipients", { context: CONTEXT })).body.id;
    const ask = (which: string) =>
      server.call("GET", `/coffer/v1/recipients/${which}`, undefined, { key: null });
    expect((await ask(made)).status).toBe(200);
    await post("recipients/disable", { id: made });
    expect((await ask(made)).status).toBe(403);
    await post("recipients/shred", { id: made });
    expect((await ask(made)).status).toBe(410);
    for (const unknown of ["x", "00000000-0000-4000-8000-000000000000"]) {
      const answer = await ask(unknown);
      expect([answer.status, answer.body.code]).toEqual([404, "ERR_KEY_NOT_FOUND"]);
      expect(answer.headers.get("access-control-allow-origin")).toBe("*");
      expect(answer.headers.get("cache-control")).toBe("no-store");
    }
    const others = await server.call("GET", "/coffer/v1/status");
    expect(others.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("has no revision and no API key in the log ([API-80])", async () => {
    const { headers } = await server.call("GET", `/coffer/v1/recipients/${id}`, undefined, { key: null });
    expect(headers.get("coffer-revision")).toBeNull();
    const entry = server.log.filter(({ route }) => route === "/coffer/v1/recipients/{id}").at(-1);
    expect(entry).toMatchObject({ status: 200 });
    expect(entry).not.toHaveProperty("apiKeyId");
    expect(PUBLIC_OPERATIONS.map(({ path }) => path)).toEqual(["/coffer/v1/recipients/{id}"]);
  });
});

describe("a sealed ciphertext", () => {
  test("is decrypted, absorbed and moved by WorkOS's operations and ours", async () => {
    const sealed = await (await encryptorOf()).encrypt("hello", "form");
    const vault = vaultFor(server.key);
    expect(await vault.decrypt(sealed, "form", { context: CONTEXT })).toBe("hello");
    const keys = inspect(sealed).encryptedKeys;
    const single = await server.call("POST", "/vault/v1/keys/decrypt", { keys });
    expect(single.body).toEqual({ id: inspect(sealed).keyBlob.dataKeyId, data_key: expect.any(String) });
    const absorbed = await vault.rewrap(sealed);
    expect(inspect(absorbed).keyBlob.format).toBe("coffer");
    expect(await vault.decrypt(absorbed, "form")).toBe("hello");
    const moved = await vault.rekey(sealed, { organization_id: "org_2" });
    expect(await vault.decrypt(moved, "form", { context: { organization_id: "org_2" } })).toBe("hello");
  });

  test("is absorbed by who may only absorb, who can do nothing else ([SDK-27])", async () => {
    const sealed = await (await encryptorOf()).encrypt("hello");
    const keys = inspect(sealed).encryptedKeys;
    const key = await server.apiKey(["absorb"]);
    const rewraps = await post("keys/rewraps", { encrypted_keys: [keys] }, key);
    const { encrypted_keys } = rewraps.body.results[0];
    expect(JSON.stringify(rewraps.body)).not.toContain("data_key");
    expect(await vaultFor(server.key).decrypt(splice(sealed, encrypted_keys))).toBe("hello");
    const narrower = { ...CONTEXT, user: "u" };
    const rekeys = await post(
      "keys/rekeys",
      {
        items: [narrower, { organization_id: "org_2" }].map((context) => ({ context, encrypted_keys: keys })),
      },
      key,
    );
    expect(rekeys.body.results[0].context).toEqual(narrower);
    expect(rekeys.body.results[1].code).toBe("ERR_CONTEXT_NOT_ALLOWED");
    const again = await post("keys/rewraps", { encrypted_keys: [encrypted_keys, "AAAA"] }, key);
    expect(again.body.results.map((item: { code: string }) => item.code)).toEqual([
      "ERR_CONTEXT_NOT_ALLOWED",
      "ERR_KEY_BLOB_MALFORMED",
    ]);
    for (const path of ["/vault/v1/keys/decrypt", "/coffer/v1/keys/decrypt"]) {
      expect((await server.call("POST", path, { keys }, { key })).status).toBe(403);
    }
  });

  test("of a context that a caller may not see looks like one that does not exist ([SDK-22])", async () => {
    const sealed = await (await encryptorOf()).encrypt("hello");
    const narrow = await server.apiKey(["decrypt"], { constraints: { organization_id: "org_2" } });
    const wide = await server.apiKey(["decrypt"], { constraints: CONTEXT });
    expect(await vaultFor(wide).decrypt(sealed)).toBe("hello");
    const ask = (key: string, keys: string) =>
      server.call("POST", "/vault/v1/keys/decrypt", { keys }, { key });
    const refused = await ask(narrow, inspect(sealed).encryptedKeys);
    const elsewhere = await ask(
      await server.apiKey(["decrypt"], { environment: "other" }),
      inspect(sealed).encryptedKeys,
    );
    expect([refused.status, refused.body]).toEqual([elsewhere.status, elsewhere.body]);
    expect([refused.status, refused.body.error]).toEqual([400, "Invalid encrypted key."]);
  });

  test("cannot be opened by what the page has", async () => {
    const encryptor = await encryptorOf();
    const sealed = await encryptor.encrypt("hello");
    const keys = inspect(sealed).encryptedKeys;
    for (const key of [null, "sk_none"]) {
      expect((await server.call("POST", "/vault/v1/keys/decrypt", { keys }, { key })).status).toBe(401);
      expect(
        (await server.call("POST", "/coffer/v1/keys/rewraps", { encrypted_keys: [keys] }, { key })).status,
      ).toBe(401);
    }
    const guest = new Vault({ apiKey: "sk_none", baseUrl: server.url });
    expect(await rejectionOf(() => guest.decrypt(sealed))).toMatchObject({
      code: "ERR_SERVICE_UNAUTHENTICATED",
    });
  });
});

describe("an environment-wide recipient", () => {
  const sealFor = async (recipientId: string, context: Record<string, string>): Promise<string> => {
    const { text } = await server.call("GET", `/coffer/v1/recipients/${recipientId}`, undefined, {
      key: null,
    });
    return new SealedEncryptor({ recipient: text, context }).encrypt("hello");
  };

  test("is made by name, published, and opened for the contexts that a caller may see ([SDK-40] to [SDK-43])", async () => {
    const made = await post("recipients", { environment_wide: true });
    expect([made.status, made.body.context]).toEqual([201, null]);
    for (const wrong of [{ environment_wide: true, context: CONTEXT }, { environment_wide: false }, {}]) {
      expect((await post("recipients", wrong)).body.code).toBe("ERR_REQUEST_INVALID");
    }
    expect(
      (await post("recipients", { context: { "coffer.environment-wide": "recipients" } })).body.code,
    ).toBe("ERR_KEY_CONTEXT_INVALID");
    for (const permission of ["decrypt", "absorb", "rekey"] as const) {
      const key = await server.apiKey([permission]);
      expect((await post("recipients", { environment_wide: true }, key)).status).toBe(403);
    }
    const [mine, others] = [
      await sealFor(made.body.id, CONTEXT),
      await sealFor(made.body.id, { organization_id: "org_2" }),
    ];
    const bound = await server.apiKey(["decrypt"], { constraints: CONTEXT });
    expect(await vaultFor(bound).decrypt(mine)).toBe("hello");
    const refused = await server.call(
      "POST",
      "/vault/v1/keys/decrypt",
      { keys: inspect(others).encryptedKeys },
      { key: bound },
    );
    expect([refused.status, refused.body.error]).toEqual([400, "Invalid encrypted key."]);
    const absorber = await server.apiKey(["absorb"], { constraints: CONTEXT });
    const rewraps = await post(
      "keys/rewraps",
      { encrypted_keys: [mine, others].map((text) => inspect(text).encryptedKeys) },
      absorber,
    );
    const [absorbed, not] = rewraps.body.results;
    expect([absorbed.context, not.code]).toEqual([CONTEXT, "ERR_DECRYPT_FAILED"]);
    expect(await vaultFor(bound).decrypt(splice(mine, absorbed.encrypted_keys))).toBe("hello");
  });

  test("is named as not covered by the answer to a shred, and by its event ([SDK-45])", async () => {
    const { body } = await post("recipients", { environment_wide: true });
    const context = { organization_id: "org_shredded" };
    const sealed = await sealFor(body.id, context);
    (await vaultFor(server.key).createDataKey({ context })).dispose();
    const selector = { name: "organization_id", value: "org_shredded" };
    const dry = await post("keks/shred", { ...selector, dry_run: true });
    expect(dry.body.uncovered_recipients.sample).toContain(body.id);
    const done = await vaultFor(server.key).keks.shred(selector);
    expect(done.uncoveredRecipients.sample).toContain(body.id);
    const { body: events } = await server.call("GET", "/coffer/v1/events?limit=100");
    const deleted = events.data.findLast(({ event }: { event: string }) => event === "vault.kek.deleted");
    expect(deleted.data.uncovered_recipients).toEqual(done.uncoveredRecipients);
    expect(await rejectionOf(() => vaultFor(server.key).decrypt(sealed))).toMatchObject({
      code: "ERR_KEY_DESTROYED",
    });
  });
});

test("a change is made once per idempotency key", async () => {
  const headers = { "idempotency-key": "one" };
  const make = () => server.call("POST", "/coffer/v1/recipients", { context: CONTEXT }, { headers });
  expect((await make()).body).toEqual((await make()).body);
});

/**
 * Environments do not see each other: every endpoint times own, foreign, missing and deleted times ids, names, cursors,
 * wrapped keys, KEKs and webhooks (docs/spec/key-service-api.md, API-5).
 */
import { beforeAll, describe, expect, test } from "vitest";
import { OPERATIONS } from "../../src/server/operations/index.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { type Answer, startServer, type TestServer } from "../support/server.ts";
import { openTestHost } from "../support/vaults.ts";

/** A sender's public key: RFC 8032 section 7.1, test 1. */
const SENDER_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const CONTEXT = { organization_id: "org_1" };

/** What one tenant has: everything that a request can name. */
interface Belongings {
  readonly id: string;
  readonly name: string;
  readonly versionId: string;
  readonly keys: string;
  readonly kekId: string;
  readonly recipientId: string;
  readonly senderId: string;
  readonly kekValue: string;
  readonly webhookId: string;
  readonly eventId: string;
}

/** Requests that name something, by the operation they are for. `{…}` is filled in. */
const REQUESTS: readonly (readonly [id: string, method: string, path: string, body?: object])[] = [
  ["createDecrypt", "POST", "/vault/v1/keys/decrypt", { keys: "{keys}" }],
  ["createRekey", "POST", "/vault/v1/keys/rekey", { context: CONTEXT, encrypted_keys: "{keys}" }],
  ["listKv", "GET", "/vault/v1/kv?after={id}"],
  ["listKv", "GET", "/vault/v1/kv?before={id}"],
  ["getName", "GET", "/vault/v1/kv/name/{name}"],
  ["getKv", "GET", "/vault/v1/kv/{id}"],
  ["updateKv", "PUT", "/vault/v1/kv/{id}", { value: "x" }],
  ["updateKv", "PUT", "/vault/v1/kv/{id}", { value: "x", version_check: "{versionId}" }],
  ["deleteKv", "DELETE", "/vault/v1/kv/{id}"],
  ["deleteKv", "DELETE", "/vault/v1/kv/{id}?version_check={versionId}"],
  ["listKvMetadata", "GET", "/vault/v1/kv/{id}/metadata"],
  ["listKvVersions", "GET", "/vault/v1/kv/{id}/versions"],
  ["createDecryptWithContext", "POST", "/coffer/v1/keys/decrypt", { keys: "{keys}" }],
  ["createDecrypts", "POST", "/coffer/v1/keys/decrypts", { keys: ["{keys}"] }],
  ["checkKeys", "POST", "/coffer/v1/keys/check", { keys: ["{keys}"] }],
  [
    "createRekeys",
    "POST",
    "/coffer/v1/keys/rekeys",
    { items: [{ context: CONTEXT, encrypted_keys: "{keys}" }] },
  ],
  ["createRewraps", "POST", "/coffer/v1/keys/rewraps", { encrypted_keys: ["{keys}"] }],
  ["cofferListKv", "GET", "/coffer/v1/kv?after={id}&deleted=true"],
  ["cofferGetKv", "GET", "/coffer/v1/kv/{id}"],
  ["cofferGetKv", "GET", "/coffer/v1/kv/{id}?version_id={versionId}"],
  ["cofferGetKv", "GET", "/coffer/v1/kv/{own}?version_id={versionId}"],
  ["cofferUpdateKv", "PUT", "/coffer/v1/kv/{id}", { value: "x" }],
  ["cofferDeleteKv", "DELETE", "/coffer/v1/kv/{id}"],
  ["cofferListKvVersions", "GET", "/coffer/v1/kv/{id}/versions"],
  ["undeleteKv", "POST", "/coffer/v1/kv/{id}/undelete"],
  ["destroyKv", "POST", "/coffer/v1/kv/{id}/destroy", {}],
  ["destroyKv", "POST", "/coffer/v1/kv/{id}/destroy", { version_id: "{versionId}" }],
  ["destroyKv", "POST", "/coffer/v1/kv/{own}/destroy", { version_id: "{versionId}" }],
  ["rotateKek", "POST", "/coffer/v1/keks/rotate", { kek_id: "{kekId}" }],
  ["rotateKek", "POST", "/coffer/v1/keks/rotate", { name: "organization_id", value: "{kekValue}" }],
  ["disableKek", "POST", "/coffer/v1/keks/disable", { kek_id: "{kekId}" }],
  ["enableKek", "POST", "/coffer/v1/keks/enable", { kek_id: "{kekId}", version: 1 }],
  ["listRecipients", "GET", "/coffer/v1/recipients?id={recipientId}"],
  ["makeRecipientDocument", "POST", "/coffer/v1/recipients/document", { id: "{recipientId}" }],
  ["rotateRecipient", "POST", "/coffer/v1/recipients/rotate", { id: "{recipientId}" }],
  ["disableRecipient", "POST", "/coffer/v1/recipients/disable", { id: "{recipientId}" }],
  ["enableRecipient", "POST", "/coffer/v1/recipients/enable", { id: "{recipientId}", version: 1 }],
  ["shredRecipient", "POST", "/coffer/v1/recipients/shred", { id: "{recipientId}" }],
  ["requireSender", "POST", "/coffer/v1/recipients/require-sender", { id: "{recipientId}", required: true }],
  ["listSenders", "GET", "/coffer/v1/senders?recipient_id={recipientId}"],
  [
    "addSender",
    "POST",
    "/coffer/v1/senders",
    { recipient_id: "{recipientId}", name: "x", public_key: SENDER_KEY },
  ],
  ["revokeSender", "POST", "/coffer/v1/senders/revoke", { recipient_id: "{recipientId}", id: "{senderId}" }],
  ["renewSender", "POST", "/coffer/v1/senders/renew", { recipient_id: "{recipientId}", id: "{senderId}" }],
  ["shredKek", "POST", "/coffer/v1/keks/shred", { kek_id: "{kekId}" }],
  ["shredKek", "POST", "/coffer/v1/keks/shred", { kek_id: "{kekId}", dry_run: true }],
  [
    "shredKek",
    "POST",
    "/coffer/v1/keks/shred",
    { name: "organization_id", value: "{kekValue}", dry_run: true },
  ],
  ["deleteWebhook", "DELETE", "/coffer/v1/webhooks/{webhookId}"],
  ["listEvents", "GET", "/coffer/v1/events?after={eventId}"],
];
/** Requests that name nothing: what they answer is looked at by itself. */
const NAMELESS = [
  "createDataKey",
  "createDataKeys",
  "createKv",
  "cofferCreateKv",
  "listKeks",
  "listRecipients",
  "createRecipient",
  "rewrapKv",
  "verifyRewrap",
  "listWebhooks",
  "createWebhook",
  "listDeadDeliveries",
  "reviveDeadDeliveries",
  "status",
];

const MISSING = {
  id: "secret_00000000000000000000000000000000",
  name: "nobody's",
  versionId: "00000000000000000000000000000000",
  kekId: "00000000-0000-4000-8000-000000000000",
  recipientId: "00000000-0000-4000-8000-000000000000",
  senderId: "00000000-0000-8000-8000-000000000000",
  kekValue: "org_of_nobody",
  webhookId: "webhook_00000000000000000000000000000000",
  eventId: "event_00000000000000000000000000000000",
};

function tenancyTests(start: () => Promise<TestServer>): void {
  let server: TestServer;
  let mine: string;
  let own: Belongings;
  let foreign: Belongings;
  let missing: Belongings;

  /** Makes one of everything. */
  const furnish = async (key: string, kekValue: string): Promise<Belongings> => {
    const call = (method: string, path: string, body?: unknown) => server.call(method, path, body, { key });
    const context = { organization_id: kekValue };
    const name = `of ${kekValue}`;
    const object = await call("POST", "/vault/v1/kv", { name, value: "v", key_context: context });
    const dataKey = await call("POST", "/vault/v1/keys/data-key", { context });
    const keks = await call("GET", "/coffer/v1/keks");
    const recipient = await call("POST", "/coffer/v1/recipients", { context });
    const senderOf = { recipient_id: recipient.body.id, name: "partner", public_key: SENDER_KEY };
    const sender = await call("POST", "/coffer/v1/senders", senderOf);
    const webhook = await call("POST", "/coffer/v1/webhooks", { url: "https://hooks.example/" });
    const events = await call("GET", "/coffer/v1/events?limit=1");
    return {
      id: object.body.id,
      name,
      versionId: object.body.version_id,
      keys: dataKey.body.encrypted_keys,
      kekId: keks.body.data.find((kek: { value: string }) => kek.value === kekValue).id,
      recipientId: recipient.body.id,
      senderId: sender.body.id,
      kekValue,
      webhookId: webhook.body.id,
      eventId: events.body.data[0].id,
    };
  };

  beforeAll(async () => {
    server = await start();
    mine = await server.apiKey(undefined, { environment: "mine" });
    own = await furnish(mine, "org_mine");
    foreign = await furnish(await server.apiKey(undefined, { environment: "theirs" }), "org_theirs");
    // A wrapped key of a vault that has nothing to do with this one.
    const elsewhere = await startServer();
    const { body } = await elsewhere.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT });
    missing = { ...MISSING, keys: body.encrypted_keys };
  });

  const fill = (template: string, what: Belongings, encode: (text: string) => string): string =>
    template.replace(/\{(\w+)\}/g, (_, part) =>
      encode(part === "own" ? own.id : what[part as keyof Belongings]),
    );
  const ask = (request: (typeof REQUESTS)[number], what: Belongings): Promise<Answer> => {
    const [, method, path, body] = request;
    const filled =
      body === undefined ? undefined : JSON.parse(fill(JSON.stringify(body), what, (text) => text));
    return server.call(method, fill(path, what, encodeURIComponent), filled, { key: mine });
  };

  test("[API-5] the matrix holds every operation", () => {
    const all = new Set([...REQUESTS.map(([id]) => id), ...NAMELESS]);
    expect([...all].sort()).toEqual(OPERATIONS.map((operation) => operation.id).sort());
  });

  test("[API-5] what is foreign is answered like what does not exist, and stays as it was", async () => {
    for (const request of REQUESTS) {
      const [theirs, nobodys] = [await ask(request, foreign), await ask(request, missing)];
      expect([request[2], theirs.status, theirs.text]).toEqual([request[2], nobodys.status, nobodys.text]);
      const isBatch = theirs.body.results !== undefined;
      if (!isBatch) expect(theirs.status).toBeGreaterThanOrEqual(400);
      else expect(theirs.body.results[0].code).toBe("ERR_DECRYPT_FAILED");
      for (const what of Object.values(foreign)) expect(theirs.text).not.toContain(what);
      const headers = (answer: Answer) =>
        [...answer.headers].filter(([name]) => !["x-request-id", "date"].includes(name));
      expect(headers(theirs)).toEqual(headers(nobodys));
    }
    const theirKey = await server.apiKey(undefined, { environment: "theirs" });
    const call = (path: string) => server.call("GET", path, undefined, { key: theirKey });
    expect((await call(`/vault/v1/kv/${foreign.id}`)).body.value).toBe("v");
    expect((await call("/coffer/v1/webhooks")).body.data).toHaveLength(1);
    expect((await call("/coffer/v1/keks")).body.data[0].versions).toHaveLength(1);
  });

  test("[API-5] lists hold nothing of others", async () => {
    for (const path of [
      "/vault/v1/kv?limit=100",
      "/coffer/v1/kv?limit=100&deleted=true",
      "/coffer/v1/keks",
      "/coffer/v1/webhooks",
      "/coffer/v1/dead-deliveries",
      "/coffer/v1/events?limit=100",
    ]) {
      const { text, status } = await server.call("GET", path, undefined, { key: mine });
      expect(status).toBe(200);
      for (const what of Object.values(foreign)) expect(text).not.toContain(what);
    }
    const rewrapped = await server.call("POST", "/coffer/v1/keks/rewrap-kv", undefined, { key: mine });
    expect(rewrapped.body).toEqual({ checked: 0, rewrapped: 0, skipped: 0, after: null, total: 0 });
    const same = { name: foreign.name, value: "mine", key_context: CONTEXT };
    expect((await server.call("POST", "/vault/v1/kv", same, { key: mine })).status).toBe(201);
  });

  test("what is one's own is there; deleted, it is like what never was", async () => {
    for (const request of REQUESTS) {
      if (!["GET"].includes(request[1])) continue;
      expect([request[2], (await ask(request, own)).status]).toEqual([request[2], 200]);
    }
    await server.call("DELETE", `/vault/v1/kv/${own.id}`, undefined, { key: mine });
    for (const request of REQUESTS) {
      const [id, , path] = request;
      if (!path.includes("{id}") && !path.includes("{name}")) continue;
      if (["listKv", "cofferListKv", "undeleteKv", "destroyKv"].includes(id)) continue; // These are of deleted ones too.
      const [deleted, nobodys] = [await ask(request, own), await ask(request, missing)];
      expect([path, deleted.status, deleted.text]).toEqual([path, nobodys.status, nobodys.text]);
    }
    expect(
      (await server.call("POST", `/coffer/v1/kv/${own.id}/undelete`, undefined, { key: mine })).status,
    ).toBe(200);
  });
}

describe("on SQLite", () => tenancyTests(async () => startServer({ host: await openTestHost() })));
describePostgres("on PostgreSQL", () =>
  tenancyTests(async () => startServer({ host: await openTestPostgresHost(await freshDatabaseUrl()) })),
);

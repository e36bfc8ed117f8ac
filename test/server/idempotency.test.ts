/** Writes happen once per Idempotency-Key, whatever is repeated, at the same time too (docs/spec/key-service-api.md 3.2). */
import pg from "pg";
import { beforeAll, describe, expect, test } from "vitest";
import { OPERATIONS } from "../../src/server/operations/index.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { freshPath, openTestHost, TestClock, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const DAY_MS = 86_400_000;

/** Asks the storage itself, past the vault. */
type Stored = (statement: string) => Promise<Record<string, unknown>[]>;

/** Calls that change nothing, or that a repetition does no harm to: docs/spec/key-service-api.md says why. */
const NOT_LOOKED_AT = [
  "checkKeys",
  "createDataKeys",
  "createDecryptWithContext",
  "createDecrypts",
  "createRekeys",
  "createRewraps",
  "makeRecipientDocument",
  "rewrapKv",
];

test("[API-32] everything under /coffer/v1 that changes something honours an Idempotency-Key", () => {
  const changing = OPERATIONS.filter(({ method, path }) => method !== "GET" && path.startsWith("/coffer/"));
  const without = changing.filter((operation) => !operation.isIdempotent).map(({ id }) => id);
  expect(without.sort()).toEqual(NOT_LOOKED_AT.sort());
  // [API-25]
  expect(OPERATIONS.filter(({ path, isIdempotent }) => path.startsWith("/vault/") && isIdempotent)).toEqual(
    [],
  );
});

/** Tests of two servers on the same storage. */
function idempotencyTests(
  start: () => Promise<{ one: TestServer; two: TestServer; clock: TestClock; stored: Stored }>,
): void {
  let one: TestServer;
  let two: TestServer;
  let clock: TestClock;
  let stored: Stored;
  let count = 0;

  beforeAll(async () => {
    ({ one, two, clock, stored } = await start());
  });

  const freshName = () => `object-${++count}`;
  const keyed = (key: string, apiKey = one.key) => ({ key: apiKey, headers: { "idempotency-key": key } });
  const create = (name: string, key: string, server = one, value = "v") =>
    server.call("POST", "/coffer/v1/kv", { name, value, key_context: CONTEXT }, keyed(key));
  const versions = async (id: string): Promise<number> =>
    (await one.call("GET", `/vault/v1/kv/${id}/versions`)).body.data.length;
  const eventsOf = async (name: string): Promise<string[]> => {
    const kinds: string[] = [];
    for (let after = ""; ; ) {
      const page = await one.call("GET", `/coffer/v1/events?limit=100&after=${after}`);
      for (const event of page.body.data) if (event.data.kv_name === name) kinds.push(event.event);
      if (page.body.list_metadata.after === null) return kinds;
      after = page.body.list_metadata.after;
    }
  };

  test("[API-32] [EVT-3] a repeated create, update and delete answer the same and do nothing more", async () => {
    const name = freshName();
    const created = await create(name, `c-${name}`);
    expect(created.status).toBe(201);
    const id = created.body.id;
    for (const server of [one, two]) {
      const again = await create(name, `c-${name}`, server);
      expect([again.status, again.text]).toEqual([201, created.text]);
    }
    const body = { value: "w", version_check: created.body.version_id };
    const updated = await one.call("PUT", `/coffer/v1/kv/${id}`, body, keyed(`u-${name}`));
    expect(updated.status).toBe(201);
    const updatedAgain = await two.call("PUT", `/coffer/v1/kv/${id}`, body, keyed(`u-${name}`));
    expect([updatedAgain.status, updatedAgain.text]).toEqual([201, updated.text]);
    expect(await versions(id)).toBe(2);
    const deleted = await one.call("DELETE", `/coffer/v1/kv/${id}`, undefined, keyed(`d-${name}`));
    expect([deleted.status, deleted.body]).toEqual([200, { success: true, name }]);
    const deletedAgain = await two.call("DELETE", `/coffer/v1/kv/${id}`, undefined, keyed(`d-${name}`));
    expect([deletedAgain.status, deletedAgain.text]).toEqual([200, deleted.text]);
    // The name is free again, and the first create's answer still is what it was.
    expect((await create(name, `c-${name}`)).text).toBe(created.text);
    expect((await one.call("GET", `/vault/v1/kv/${id}`)).status).toBe(404);
    expect(await eventsOf(name)).toEqual(["vault.data.created", "vault.data.updated", "vault.data.deleted"]);
  });

  test("[API-33] another request with the same key is a conflict and does nothing", async () => {
    const name = freshName();
    const created = await create(name, `x-${name}`);
    const { id } = created.body;
    const conflicts = await Promise.all([
      create(freshName(), `x-${name}`),
      create(name, `x-${name}`, two, "other value"),
      two.call("PUT", `/coffer/v1/kv/${id}`, { value: "w" }, keyed(`x-${name}`)),
      one.call("DELETE", `/coffer/v1/kv/${id}`, undefined, keyed(`x-${name}`)),
    ]);
    for (const { status, body } of conflicts) {
      expect([status, body.code]).toEqual([409, "ERR_IDEMPOTENCY_CONFLICT"]);
    }
    const gone = await one.call(
      "DELETE",
      `/coffer/v1/kv/${id}?version_check=a`,
      undefined,
      keyed(`q-${name}`),
    );
    expect(gone.body.code).toBe("ERR_KV_VERSION_CONFLICT");
    expect(await eventsOf(name)).toEqual(["vault.data.created"]);
  });

  test("[API-33] keys of different callers do not meet; a refused write is not remembered", async () => {
    const name = freshName();
    const other = await one.apiKey();
    const created = await create(name, `same-${name}`);
    expect(created.status).toBe(201);
    const theirs = await one.call(
      "POST",
      "/coffer/v1/kv",
      { name: `${name}-theirs`, value: "v", key_context: CONTEXT },
      keyed(`same-${name}`, other),
    );
    expect(theirs.status).toBe(201);
    const { id } = theirs.body;
    expect((await create(name, `taken-${name}`)).status).toBe(409);
    await one.call("DELETE", `/coffer/v1/kv/${created.body.id}`);
    expect((await create(name, `taken-${name}`)).status).toBe(201);
    expect((await one.call("GET", `/vault/v1/kv/${id}`)).status).toBe(200);
  });

  test("keys of 1 to 255 characters", async () => {
    expect((await create(freshName(), "k".repeat(255))).status).toBe(201);
    for (const key of ["", "k".repeat(256)]) {
      const refused = await create(freshName(), key);
      expect([refused.status, refused.body.code]).toEqual([400, "ERR_REQUEST_INVALID"]);
    }
  });

  test("[API-32] duplicates under way at once do the work once, on both servers", async () => {
    for (let round = 0; round < 4; round++) {
      const name = freshName();
      const all = await Promise.all(
        Array.from({ length: 8 }, (_, i) => create(name, `once-${name}`, i % 2 === 0 ? one : two)),
      );
      expect(all.map((answer) => answer.status)).toEqual(all.map(() => 201));
      expect(new Set(all.map((answer) => answer.text)).size).toBe(1);
      const { id, version_id } = all[0]!.body;

      const body = { value: "w", version_check: version_id };
      const updates = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          (i % 2 === 0 ? one : two).call("PUT", `/coffer/v1/kv/${id}`, body, keyed(`upd-${name}`)),
        ),
      );
      expect(updates.map((answer) => answer.status)).toEqual(all.map(() => 201));
      expect(new Set(updates.map((answer) => answer.text)).size).toBe(1);
      expect(await versions(id)).toBe(2);

      const deletes = await Promise.all(
        Array.from({ length: 8 }, (_, i) =>
          (i % 2 === 0 ? one : two).call("DELETE", `/coffer/v1/kv/${id}`, undefined, keyed(`del-${name}`)),
        ),
      );
      expect(deletes.map((answer) => answer.status)).toEqual(all.map(() => 200));
    }
  });

  test("[API-32] [API-33] [API-36] everything else that changes is done once and answered the same", async () => {
    const name = freshName();
    const { id } = (await create(name, `all-${name}`)).body;
    const gone = (await create(`${name}-gone`, `gone-${name}`)).body.id;
    await one.call("DELETE", `/coffer/v1/kv/${gone}`);
    const kek = { name: "organization_id", value: "org_1" };
    const webhook = { url: "https://hooks.example.com/a", kinds: ["vault.kek.deleted"] };
    let webhookId = "";
    const steps: (() => [method: string, path: string, body?: Record<string, unknown>])[] = [
      () => ["POST", "/coffer/v1/keks/rotate", kek],
      () => ["POST", "/coffer/v1/keks/disable", { ...kek, version: 1 }],
      () => ["POST", "/coffer/v1/keks/enable", { ...kek, version: 1 }],
      () => ["POST", "/coffer/v1/keks/rotate", { ...kek }],
      () => ["POST", `/coffer/v1/kv/${gone}/undelete`],
      () => ["POST", `/coffer/v1/kv/${gone}/destroy`, {}],
      () => ["POST", "/coffer/v1/webhooks", webhook],
      () => ["DELETE", `/coffer/v1/webhooks/${webhookId}`],
      () => ["POST", "/coffer/v1/dead-deliveries/revive"],
      () => ["POST", "/coffer/v1/keks/shred", { ...kek, version: 1 }],
    ];
    for (const [i, step] of steps.entries()) {
      const [method, path, body] = step();
      const options = keyed(`step-${i}-${name}`);
      const first = await one.call(method, path, body, options);
      expect([path, first.status < 300, first.text]).toEqual([path, true, first.text]);
      // At the same time and on both, and then once more: none of them does anything.
      const repeated = await Promise.all(
        [one, two, one, two].map((s) => s.call(method, path, body, options)),
      );
      repeated.push(await two.call(method, path, body, options));
      for (const again of repeated)
        expect([path, again.status, again.text]).toEqual([path, first.status, first.text]);
      const other = await two.call("PUT", `/coffer/v1/kv/${id}`, { value: "other" }, options);
      expect([path, other.body.code]).toEqual([path, "ERR_IDEMPOTENCY_CONFLICT"]);
      if (path === "/coffer/v1/webhooks") {
        webhookId = first.body.id;
        expect(first.body.secret).toMatch(/^whsec_/);
        const known = (await one.call("GET", "/coffer/v1/webhooks")).body.data;
        expect(known.filter((each: { url: string }) => each.url === webhook.url)).toHaveLength(1);
      }
    }
    const keks = (await one.call("GET", "/coffer/v1/keks")).body.data;
    const states = keks.find((each: { value: string }) => each.value === kek.value).versions;
    expect(states.map((each: { version: number; state: string }) => [each.version, each.state])).toEqual([
      [3, "active"],
      [2, "decrypt-only"],
      [1, "destroyed"],
    ]);
    // What was there before the shred was under the destroyed version.
    expect((await create(freshName(), `after-${name}`)).status).toBe(201);
  });

  test("[API-55] neither keys nor answers stand in clear in the storage, and none can be moved", async () => {
    const name = `secret-name-${freshName()}`;
    const created = await create(name, `secret-key-${name}`);
    const hook = { url: "https://hooks.example.com/once" };
    const made = await one.call("POST", "/coffer/v1/webhooks", hook, keyed(`secret-hook-${name}`));
    const rows = await stored("SELECT * FROM idempotent_answers");
    const text = rows
      .flatMap((row) => Object.values(row))
      .map((value) =>
        typeof value === "object" ? Buffer.from(value as Uint8Array).toString("latin1") : value,
      )
      .join("\n");
    const callers = (await one.call("GET", "/coffer/v1/status")).body.api_key;
    for (const secret of ["secret-key", "secret-hook", name, created.body.id, made.body.secret, callers.id]) {
      expect([secret, text.includes(secret)]).toEqual([secret, false]);
      expect(text.includes(Buffer.from(secret).toString("base64").slice(0, -4))).toBe(false);
    }
    await stored("UPDATE idempotent_answers SET answer = (SELECT max(answer) FROM idempotent_answers)");
    const codes = [
      await create(name, `secret-key-${name}`),
      await one.call("POST", "/coffer/v1/webhooks", hook, keyed(`secret-hook-${name}`)),
    ].map((answer) => answer.body.code);
    expect(codes).toContain("ERR_STORAGE_CORRUPT");
    await stored("DELETE FROM idempotent_answers");
  });

  test("[API-32] an answer is kept for a day", async () => {
    const name = freshName();
    const created = await create(name, `day-${name}`);
    clock.advance(DAY_MS - 1_000);
    await create(freshName(), freshName());
    expect((await create(name, `day-${name}`)).text).toBe(created.text);
    clock.advance(2_000);
    await create(freshName(), freshName());
    expect((await create(name, `day-${name}`)).body.code).toBe("ERR_KV_EXISTS");
    // And then goes, also from where it was stored.
    const count = async () => Number((await stored("SELECT count(*) AS n FROM idempotent_answers"))[0]!.n);
    expect(await count()).toBeGreaterThan(1);
    clock.advance(DAY_MS + 1);
    await one.host.destroyDue();
    expect(await count()).toBe(0);
  });
}

describe("on SQLite, two servers on a file", () => {
  idempotencyTests(async () => {
    const clock = new TestClock();
    const path = freshPath();
    const stored: Stored = async (statement) => tamper(path, (db) => db.prepare(statement).all());
    const one = await startServer({ host: await openTestHost({ path, now: clock.now }) });
    const two = await startServer({ host: await openTestHost({ path, now: clock.now }) });
    return { one, two, clock, stored };
  });
});

describePostgres("on PostgreSQL, two servers", () => {
  idempotencyTests(async () => {
    const clock = new TestClock();
    const url = await freshDatabaseUrl();
    const stored: Stored = async (statement) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query(statement).finally(() => client.end());
      return rows;
    };
    const one = await startServer({ host: await openTestPostgresHost(url, { now: clock.now }) });
    const two = await startServer({ host: await openTestPostgresHost(url, { now: clock.now }) });
    return { one, two, clock, stored };
  });
});

/** Writes happen once per Idempotency-Key, whatever is repeated, at the same time too (docs/spec/key-service-api.md 3.2). */
import { beforeAll, describe, expect, test } from "vitest";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { freshPath, openTestHost, TestClock } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const DAY_MS = 86_400_000;

/** Tests of two servers on the same storage. */
function idempotencyTests(
  start: () => Promise<{ one: TestServer; two: TestServer; clock: TestClock }>,
): void {
  let one: TestServer;
  let two: TestServer;
  let clock: TestClock;
  let count = 0;

  beforeAll(async () => {
    ({ one, two, clock } = await start());
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

  test("[API-32] an answer is kept for a day", async () => {
    const name = freshName();
    const created = await create(name, `day-${name}`);
    clock.advance(DAY_MS - 1_000);
    await create(freshName(), freshName());
    expect((await create(name, `day-${name}`)).text).toBe(created.text);
    clock.advance(2_000);
    await create(freshName(), freshName());
    expect((await create(name, `day-${name}`)).body.code).toBe("ERR_KV_EXISTS");
  });
}

describe("on SQLite, two servers on a file", () => {
  idempotencyTests(async () => {
    const clock = new TestClock();
    const path = freshPath();
    const one = await startServer({ host: await openTestHost({ path, now: clock.now }) });
    const two = await startServer({ host: await openTestHost({ path, now: clock.now }) });
    return { one, two, clock };
  });
});

describePostgres("on PostgreSQL, two servers", () => {
  idempotencyTests(async () => {
    const clock = new TestClock();
    const url = await freshDatabaseUrl();
    const one = await startServer({ host: await openTestPostgresHost(url, { now: clock.now }) });
    const two = await startServer({ host: await openTestPostgresHost(url, { now: clock.now }) });
    return { one, two, clock };
  });
});

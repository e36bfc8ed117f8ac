/** Servers on PostgreSQL: commits whose outcome is unknown, and several servers on one database. */
import { beforeAll, expect, test } from "vitest";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { HttpKvService, Transport } from "../../src/http/index.ts";
import { fromBase64 } from "../support/bytes.ts";
import {
  adminQuery,
  databaseName,
  describePostgres,
  freshDatabaseUrl,
  openTestPostgresHost,
} from "../support/postgres.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { startServer, type TestServer } from "../support/server.ts";

const CONTEXT = { organization_id: "org_1" };
/** What the specification promises is a second; the rest is for machines that have other things to do. */
const SOON_MS = 5_000;

describePostgres("a commit whose connection breaks", () => {
  let server: TestServer;
  let proxy: PostgresProxy;
  let count = 0;

  beforeAll(async () => {
    const through = await PostgresProxy.before(await freshDatabaseUrl());
    proxy = through.proxy;
    server = await startServer({ host: await openTestPostgresHost(through.url) });
    await server.call("POST", "/vault/v1/keys/data-key", { context: CONTEXT });
    return async () => {
      // What was read a moment ago is still to be recorded: without its way to the database the server could not end.
      await server.host.events.flush();
      await proxy.close();
    };
  });

  const create = (name: string) =>
    server.call(
      "POST",
      "/coffer/v1/kv",
      { name, value: "v", key_context: CONTEXT },
      { headers: { "idempotency-key": `key-${name}` } },
    );

  test.each(["before", "after", "fatal"] as const)(
    "[API-34] cut %s it has happened: unknown, and resolved by the same request",
    async (mode) => {
      const name = `object-${++count}`;
      proxy.cutNext(mode, /INSERT INTO kv_objects/);
      const cut = await create(name);
      expect(proxy.cuts).toBe(count);
      expect([cut.status, cut.body]).toEqual([
        500,
        {
          error: "The server cannot do this now.",
          code: "ERR_OUTCOME_UNKNOWN",
          message: "The server cannot do this now.",
        },
      ]);
      const there = await server.call("GET", `/vault/v1/kv/name/${name}`);
      expect(there.status).toBe(mode === "after" ? 200 : 404);
      const again = await create(name);
      expect(again.status).toBe(201);
      if (mode === "after") expect(again.body.id).toBe(there.body.id);
      expect((await create(name)).text).toBe(again.text);
      const versions = await server.call("GET", `/vault/v1/kv/${again.body.id}/versions`);
      expect(versions.body.data).toHaveLength(1);
    },
  );

  test("[API-34] the client resolves it by itself", async () => {
    const transport = new Transport({ baseUrl: server.url, apiKey: server.key, maxRetries: 2 });
    const kv = new HttpKvService(transport);
    for (const mode of ["before", "after"] as const) {
      const name = `by-itself-${mode}`;
      proxy.cutNext(mode, /INSERT INTO kv_objects/);
      const created = await kv.createKv({ name, value: "v", keyContext: CONTEXT });
      expect((await kv.getName({ name })).metadata).toEqual(created);
      proxy.cutNext(mode, /UPDATE kv_objects/);
      const updated = await kv.updateKv({ id: created.id, value: "w", versionCheck: created.versionId });
      expect((await kv.listKvVersions({ id: created.id })).data).toHaveLength(2);
      proxy.cutNext(mode, /UPDATE kv_objects/);
      const versionCheck = updated.metadata.versionId;
      expect(await kv.deleteKv({ id: created.id, versionCheck })).toEqual({ success: true, name });
    }
  });
});

describePostgres("servers on one database", () => {
  let url: string;
  let one: TestServer;
  let others: Record<string, TestServer>;

  beforeAll(async () => {
    url = await freshDatabaseUrl();
    one = await startServer({ host: await openTestPostgresHost(url) });
    others = {
      "that listens": await startServer({ host: await openTestPostgresHost(url) }),
      "that does not listen": await startServer({ host: await openTestPostgresHost(url, { listen: false }) }),
      "whose LISTEN connection breaks": await startServer({ host: await openTestPostgresHost(url) }),
    };
  });

  const soon = async (isSo: () => Promise<boolean>): Promise<boolean> => {
    const until = performance.now() + SOON_MS;
    while (performance.now() < until) {
      if (await isSo()) return true;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return false;
  };
  const breakListening = () =>
    adminQuery(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = '${databaseName(url)}' AND query LIKE 'LISTEN%'`,
    );

  for (const which of ["that listens", "that does not listen", "whose LISTEN connection breaks"]) {
    const isBroken = which.includes("breaks");

    test(`[API-35] what one does, another ${which} sees soon`, async () => {
      const other = others[which]!;
      const value = which;
      const context = { organization_id: value };
      const kek = { name: "organization_id", value };
      const post = (server: TestServer, path: string, body: unknown) => server.call("POST", path, body);

      // Writes, at once: nothing is kept in memory.
      const created = await post(one, "/vault/v1/kv", { name: which, value: "v", key_context: context });
      const read = await other.call("GET", `/vault/v1/kv/${created.body.id}`);
      expect(read.body.value).toBe("v");
      const update = { value: "w", version_check: read.body.metadata.version_id };
      expect((await other.call("PUT", `/vault/v1/kv/${created.body.id}`, update)).status).toBe(201);
      expect((await one.call("PUT", `/vault/v1/kv/${created.body.id}`, update)).status).toBe(409);

      const { body } = await post(other, "/vault/v1/keys/data-key", { context });
      const decrypt = async () =>
        (await post(other, "/vault/v1/keys/decrypt", { keys: body.encrypted_keys })).status;
      expect(await decrypt()).toBe(200);

      if (isBroken) await breakListening();
      await post(one, "/coffer/v1/keks/rotate", kek);
      const version = async () => {
        const made = await post(other, "/vault/v1/keys/data-key", { context });
        return inspectKeyBlob(fromBase64(made.body.encrypted_keys)).keks[0]!.version;
      };
      expect(await soon(async () => (await version()) === 2)).toBe(true);

      if (isBroken) await breakListening();
      expect((await post(one, "/coffer/v1/keks/disable", kek)).status).toBe(200);
      expect(await soon(async () => (await decrypt()) === 403)).toBe(true);
      await post(one, "/coffer/v1/keks/enable", kek);
      expect(await soon(async () => (await decrypt()) === 200)).toBe(true);

      if (isBroken) await breakListening();
      expect((await post(one, "/coffer/v1/keks/shred", kek)).status).toBe(200);
      expect(await soon(async () => (await decrypt()) === 410)).toBe(true);
      expect((await other.call("GET", `/vault/v1/kv/${created.body.id}`)).status).toBe(410);
    });

    test(`[API-4] a key that one revokes is refused by another ${which}`, async () => {
      const other = others[which]!;
      const key = await one.apiKey();
      const status = async () => (await other.call("GET", "/coffer/v1/status", undefined, { key })).status;
      expect(await status()).toBe(200);
      const { body } = await one.call("GET", "/coffer/v1/status", undefined, { key });
      if (isBroken) await breakListening();
      await one.host.apiKeys.revoke(body.api_key.id);
      expect((await one.call("GET", "/coffer/v1/status", undefined, { key })).status).toBe(401);
      expect(await soon(async () => (await status()) === 401)).toBe(true);
    });
  }

  test("[API-35] a store's write never lands under a KEK that another server has just destroyed", async () => {
    const other = others["that listens"]!;
    for (let round = 0; round < 5; round++) {
      const value = `race-${round}`;
      const context = { organization_id: value };
      await one.call("POST", "/vault/v1/keys/data-key", { context });
      const writes = Array.from({ length: 6 }, (_, i) =>
        other.call("POST", "/vault/v1/kv", { name: `${value}-${i}`, value: "v", key_context: context }),
      );
      const shred = one.call("POST", "/coffer/v1/keks/shred", { name: "organization_id", value });
      const written = await Promise.all(writes);
      expect((await shred).status).toBe(200);
      for (const { status, body } of written) {
        expect([201, 410, 403]).toContain(status);
        if (status !== 201) continue;
        // Written before: destroyed with the rest.
        const read = await one.call("GET", `/vault/v1/kv/${body.id}`);
        expect(read.status).toBe(410);
      }
    }
  });

  test("[EVT-7] [EVT-9] events of several servers are listed once each, in one order, also while they are written", async () => {
    const context = { organization_id: "events" };
    const all = [one, ...Object.values(others)];
    const actor = { id: "user_events", name: "Events", source: "api" as const };
    const { id } = await one.host.environment("events");
    const sessions = all.map(({ host }) => host.session(id, { actor, events: "all" }));
    await sessions[0]!.keys.createDataKey({ context });
    let isOver = false;
    const writes = Promise.all(
      sessions.map(async (session, s) => {
        for (let i = 0; i < 25; i++) {
          await session.kv.createKv({ name: `e-${s}-${i}`, value: "v", keyContext: context });
          await session.kv.listKv();
        }
      }),
    ).finally(() => {
      isOver = true;
    });
    const seen: string[] = [];
    const names: string[] = [];
    let after: string | undefined;
    for (let isLast = false; ; ) {
      isLast = isOver;
      const page = await others["that listens"]!.host.events.list(id, { after, limit: 7 });
      for (const event of page.data) {
        seen.push(event.id);
        if (event.event === "vault.data.created") names.push(event.data.kv_name as string);
      }
      after = page.data.at(-1)?.id ?? after;
      if (isLast && page.data.length === 0) {
        if (names.length >= 4 * 25) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    await writes;
    expect(new Set(seen).size).toBe(seen.length);
    expect(new Set(names).size).toBe(100);
  });
});

/** Events: kinds, payloads, when they are recorded, and the order they are told in (docs/spec/events.md sections 1 and 2). */
import { beforeAll, describe, expect, test } from "vitest";
import type { EventMode, HostSession, VaultHost } from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { VaultProcess } from "../support/vault-process.ts";
import { freshPath, openTestHost, ROOT_KEY, TEST_ACTOR, TestClock } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const ACTOR = { actor_id: TEST_ACTOR.id, actor_source: "api", actor_name: TEST_ACTOR.name };

const sessionIn = async (
  host: VaultHost,
  environment: string,
  events: EventMode = "all",
): Promise<HostSession> =>
  host.session((await host.environment(environment)).id, { actor: TEST_ACTOR, events });

const eventsOf = async (host: VaultHost, session: HostSession) =>
  (await host.events.list(session.environmentId, { limit: 100 })).data;
const kindsOf = async (host: VaultHost, session: HostSession) =>
  (await eventsOf(host, session)).map((event) => event.event);

function eventTests(open: (options: { now: () => number }) => Promise<VaultHost>): void {
  let host: VaultHost;
  const clock = new TestClock();

  beforeAll(async () => {
    host = await open({ now: clock.now });
    return () => host.close();
  });

  test("[EVT-1] a batch records one event of what it has unwrapped, with all keys, and one for each context", async () => {
    const session = await sessionIn(host, "batches");
    const { keys } = session;
    const other = { organization_id: "org_2" };
    const made = await keys.createDataKeys({ context: CONTEXT, count: 3 });
    const ids = made.map(({ id }) => id);
    const wrapped = made.map(({ encryptedKeys }) => encryptedKeys);
    const moved = await keys.createDataKey({ context: other });
    await eventsOf(host, session);
    const seen = (await eventsOf(host, session)).length;
    const latest = async () => (await eventsOf(host, session)).slice(seen);

    const [first, bad, ...rest] = await keys.unwrapMany({ keys: [wrapped[0]!, "AAAA", ...wrapped.slice(1)] });
    expect([first?.ok, bad?.ok, rest.length]).toEqual([true, false, 2]);
    expect(await latest()).toMatchObject([
      { event: "vault.dek.decrypted", data: { ...ACTOR, key_id: ids[0], key_ids: ids } },
    ]);
    await keys.unwrapMany({ keys: [wrapped[1]!] });
    const [, single] = await latest();
    expect(single).toMatchObject({ event: "vault.dek.decrypted", data: { ...ACTOR, key_id: ids[1] } });
    expect(single?.data).not.toHaveProperty("key_ids");
    await keys.rewrapMany({ encryptedKeys: [...wrapped, moved.encryptedKeys] });
    const all = [...ids, moved.id];
    expect((await latest()).slice(2)).toMatchObject([
      { event: "vault.dek.decrypted", data: { key_id: ids[0], key_ids: all } },
      { event: "vault.dek.read", data: { key_ids: ids, key_context: CONTEXT } },
      { event: "vault.dek.read", data: { key_ids: [moved.id], key_context: other } },
    ]);
    await keys.rekeyMany({ items: wrapped.map((encryptedKeys) => ({ context: other, encryptedKeys })) });
    expect((await latest()).slice(5)).toMatchObject([
      { event: "vault.dek.decrypted", data: { key_id: ids[0], key_ids: ids } },
      { event: "vault.dek.read", data: { key_context: other } },
    ]);
  });

  test("[EVT-1] every call records its kinds with WorkOS's payloads", async () => {
    const session = await sessionIn(host, "kinds");
    const { keys, kv, keks } = session;
    const calls: [call: () => Promise<unknown>, ...expected: [kind: string, data: object][]][] = [];
    const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/);
    using key = await keys.createDataKey({ context: CONTEXT });
    const created = await kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const kekId = (await keks.list()).data[0]!.id;
    expect(await eventsOf(host, session)).toMatchObject([
      { event: "vault.kek.created", data: { ...ACTOR, key_name: "organization_id=org_1", key_id: kekId } },
      {
        event: "vault.data.created",
        data: { ...ACTOR, kv_name: "n", key_id: created.keyId, key_context: CONTEXT },
      },
      { event: "vault.dek.read", data: { ...ACTOR, key_ids: [key.id], key_context: CONTEXT } },
    ]);
    const read = ["vault.data.read", { kv_name: "n", key_id: created.keyId }] as [string, object];
    const other = { organization_id: "org_2" };
    calls.push([
      () => keys.createDecrypt({ keys: key.encryptedKeys }),
      ["vault.dek.decrypted", { key_id: key.id }],
    ]);
    calls.push([
      () => keys.createRekey({ context: other, encryptedKeys: key.encryptedKeys }),
      ["vault.kek.created", { key_name: "organization_id=org_2", key_id: uuid }],
      ["vault.dek.decrypted", { key_id: key.id }],
      ["vault.dek.read", { key_ids: [uuid], key_context: other }],
    ]);
    calls.push([
      () => keys.createRewrap({ encryptedKeys: key.encryptedKeys }),
      ["vault.dek.decrypted", { key_id: key.id }],
      ["vault.dek.read", { key_ids: [key.id], key_context: CONTEXT }],
    ]);
    calls.push([() => kv.getKv({ id: created.id }), read]);
    calls.push([() => kv.getName({ name: "n" }), read]);
    calls.push([() => kv.listKvMetadata({ id: created.id }), ["vault.metadata.read", { kv_name: "n" }]]);
    calls.push([() => kv.listKv(), ["vault.names.listed", {}]]);
    calls.push([
      () => kv.updateKv({ id: created.id, value: "w" }),
      ["vault.data.updated", { kv_name: "n", key_id: uuid, key_context: CONTEXT }],
    ]);
    calls.push([() => kv.deleteKv({ id: created.id }), ["vault.data.deleted", { kv_name: "n" }]]);
    calls.push([
      () => kv.undeleteKv({ id: created.id }),
      ["vault.data.updated", { kv_name: "n", key_id: uuid, key_context: CONTEXT }],
    ]);
    calls.push([() => kv.destroyKv({ id: created.id }), ["vault.data.deleted", { kv_name: "n" }]]);
    calls.push([() => keks.rotate({ kekId })]);
    calls.push([() => keks.shred({ kekId }, { dryRun: true })]);
    calls.push([
      () => keks.shred({ kekId }),
      ["vault.kek.deleted", { key_name: "organization_id=org_1", key_id: kekId }],
    ]);
    // What is refused records nothing.
    calls.push([() => kv.getName({ name: "nobody" }).catch(() => {})]);
    calls.push([() => keys.createDataKey({ context: CONTEXT }).catch(() => {})]);
    calls.push([() => keys.createDecrypt({ keys: key.encryptedKeys }).catch(() => {})]);
    let before = (await eventsOf(host, session)).length;
    for (const [call, ...expected] of calls) {
      await call();
      const all = await eventsOf(host, session);
      const recorded = all.slice(before).map((event) => [event.event, event.data]);
      expect([call.toString(), recorded]).toEqual([
        call.toString(),
        expected.map(([kind, data]) => [kind, { ...ACTOR, ...data }]),
      ]);
      before = all.length;
    }
    for (const event of await eventsOf(host, session)) {
      expect(Object.keys(event).sort()).toEqual(["created_at", "data", "event", "id", "object"]);
      expect(event.object).toBe("event");
      expect(event.id).toMatch(/^event_[0-9A-F]{32}$/);
      expect(event.created_at).toBe(new Date(clock.time).toISOString());
    }
  });

  test("[EVT-2] no event holds a value or a key", async () => {
    const session = await sessionIn(host, "secrets");
    const value = "canary-value-77";
    const { id } = await session.kv.createKv({ name: "n", value, keyContext: CONTEXT });
    await session.kv.getKv({ id });
    using key = await session.keys.createDataKey({ context: CONTEXT });
    const text = JSON.stringify(await eventsOf(host, session));
    for (const secret of [value, key.dataKey, key.encryptedKeys]) expect(text).not.toContain(secret);
  });

  test("[EVT-3] a change that fails leaves no event", async () => {
    const session = await sessionIn(host, "failing");
    const { id } = await session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const before = await kindsOf(host, session);
    for (const call of [
      () => session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT }),
      () => session.kv.updateKv({ id, value: "w", versionCheck: "stale" }),
      () => session.kv.deleteKv({ id, versionCheck: "stale" }),
      () => session.kv.undeleteKv({ id }),
      () => session.keks.shred({ name: "organization_id", value: "unknown" }),
    ]) {
      await rejectionOf(call);
    }
    expect(await kindsOf(host, session)).toEqual(before);
  });

  test("[EVT-6] in the mode changes, reads are not recorded", async () => {
    const session = await sessionIn(host, "changes", "changes");
    const { id } = await session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    await session.kv.getKv({ id });
    await session.kv.listKv();
    await session.keys.createDataKey({ context: CONTEXT });
    expect(await kindsOf(host, session)).toEqual(["vault.kek.created", "vault.data.created"]);
  });

  test("[EVT-7] pages hold every event once, and a reader that waits goes on from its place", async () => {
    const session = await sessionIn(host, "pages");
    for (let i = 0; i < 12; i++)
      await session.kv.createKv({ name: `n${i}`, value: "v", keyContext: CONTEXT });
    const all = await eventsOf(host, session);
    expect(all.map((event) => event.data.kv_name).filter(Boolean)).toEqual(
      Array.from({ length: 12 }, (_, i) => `n${i}`),
    );
    const seen: string[] = [];
    let after: string | undefined;
    for (;;) {
      const page = await host.events.list(session.environmentId, { after, limit: 5 });
      seen.push(...page.data.map((event) => event.id));
      if (page.after === null) break;
      expect(page.after).toBe(page.data.at(-1)!.id);
      after = page.after;
    }
    expect(seen).toEqual(all.map((event) => event.id));
    const last = seen.at(-1);
    const nothing = await host.events.list(session.environmentId, { after: last, limit: 5 });
    expect(nothing).toEqual({ data: [], after: null });
    await session.kv.listKv();
    const more = await host.events.list(session.environmentId, { after: last, limit: 5 });
    expect(more.data.map((event) => event.event)).toEqual(["vault.names.listed"]);
  });

  test("[EVT-8] a cursor that is no event of the environment is refused, a foreign one too", async () => {
    const [mine, theirs] = [await sessionIn(host, "mine"), await sessionIn(host, "theirs")];
    for (const session of [mine, theirs]) await session.keys.createDataKey({ context: CONTEXT });
    const [foreign] = await eventsOf(host, theirs);
    const messages = new Set<string>();
    for (const after of [foreign!.id, "event_0", "x", "a\0"]) {
      const error = await rejectionOf(() => host.events.list(mine.environmentId, { after, limit: 5 }));
      expect(error.code).toBe("ERR_CURSOR_INVALID");
      messages.add(error.message);
    }
    expect(messages.size).toBe(1);
    const ids = (await eventsOf(host, mine)).map((event) => event.id);
    expect(ids).not.toContain(foreign!.id);
  });
}

describe("on SQLite", () => eventTests((options) => openTestHost({ path: freshPath(), ...options })));
describePostgres("on PostgreSQL", () =>
  eventTests(async (options) => openTestPostgresHost(await freshDatabaseUrl(), options)),
);

test("[EVT-4] closing records what is waiting; 500 reads are written at once", async () => {
  const path = freshPath();
  const host = await openTestHost({ path });
  const session = await sessionIn(host, "default");
  await session.keys.createDataKey({ context: CONTEXT });
  for (let i = 0; i < 700; i++) await session.kv.listKv();
  await host.close();
  const again = await openTestHost({ path });
  let count = 0;
  for (let after: string | undefined; ; ) {
    const page = await again.events.list(session.environmentId, { after, limit: 100 });
    count += page.data.filter((event) => event.event === "vault.names.listed").length;
    if (page.after === null) break;
    after = page.after;
  }
  expect(count).toBe(700);
  await again.close();
});

test("[EVT-3] a process that is killed leaves each change with its event", async () => {
  const path = freshPath();
  const other = new VaultProcess();
  await other.call("open", { path, rootKey: ROOT_KEY });
  for (let i = 0; i < 20; i++)
    await other.call("createKv", { name: `n${i}`, value: "v", keyContext: CONTEXT });
  void other.call("createKv", { name: "under way", value: "v", keyContext: CONTEXT }).catch(() => {});
  await other.kill();
  const host = await openTestHost({ path });
  const session = await sessionIn(host, "default");
  const names = (await session.kv.listKv({ limit: 100 })).data.map((item) => item.name).sort();
  const told = (await eventsOf(host, session))
    .filter((event) => event.event === "vault.data.created")
    .map((event) => event.data.kv_name)
    .sort();
  expect(told).toEqual(names);
  expect(names.length).toBeGreaterThanOrEqual(20);
  await host.close();
});

/** An API key that is revoked while its request is under way: the request is refused or finished, never half. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApp } from "../../src/server/app.ts";
import type { VaultHost } from "../../src/vault/index.ts";
import { freshPath, openTestHost } from "../support/vaults.ts";

const BODY = JSON.stringify({ name: "n", value: "v", key_context: { organization_id: "org_1" } });

let host: VaultHost;
let environment: string;
beforeAll(async () => {
  host = await openTestHost({ path: freshPath(true) });
  environment = (await host.environment("default")).id;
});
afterAll(() => host.close());

/** A request whose body ends when `meanwhile` has ended. */
function request(key: string, body: string, meanwhile: () => Promise<unknown>): Request {
  const bytes = Buffer.from(body);
  const half = bytes.length >> 1;
  return new Request("http://x/vault/v1/kv", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    duplex: "half",
    body: new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(bytes.subarray(0, half)),
      pull: async (controller) => {
        await meanwhile();
        controller.enqueue(bytes.subarray(half));
        controller.close();
      },
    }),
  } as RequestInit);
}

const objects = async () =>
  (
    await host
      .session(environment, { actor: { id: "u", name: "U", source: "api" } })
      .kv.listKv({ limit: 100 })
  ).data;
const events = async () =>
  (await host.events.list(environment, { limit: 100 })).data.filter(
    ({ event }) => event === "vault.data.created",
  );

test("[API-4] while its body is still coming: all of it happened, with its event, or nothing of it", async () => {
  const { fetch } = createApp({ host });
  for (let i = 0; i < 5; i++) {
    const { key, info } = await host.apiKeys.create(environment, { name: "k", permissions: ["kv:write"] });
    const before = [(await objects()).length, (await events()).length];
    const response = await fetch(
      request(key, BODY.replace('"n"', `"n${i}"`), () => host.apiKeys.revoke(info.id)),
    );
    const isDone = response.status === 201;
    if (!isDone) expect(response.status).toBe(401);
    const added = isDone ? 1 : 0;
    expect([(await objects()).length, (await events()).length]).toEqual(before.map((count) => count + added));
    // The next one is refused in any case.
    expect((await fetch(request(key, BODY, async () => {}))).status).toBe(401);
  }
});

test("[API-4] in the same moment, many at once: what was answered with success is there, and nothing else", async () => {
  const { fetch } = createApp({ host });
  const before = new Set((await objects()).map(({ id }) => id));
  const statuses = new Set<number>();
  const made = new Set<string>();
  for (let round = 0; round < 5; round++) {
    const { key, info } = await host.apiKeys.create(environment, { name: "k", permissions: ["kv:write"] });
    const calls = Array.from({ length: 6 }, async (_, i) => {
      const response = await fetch(request(key, BODY.replace('"n"', `"r${round}-${i}"`), async () => {}));
      statuses.add(response.status);
      if (response.status === 201) made.add(((await response.json()) as { id: string }).id);
      if (i === 2) await host.apiKeys.revoke(info.id);
    });
    await Promise.all(calls);
    expect((await fetch(request(key, BODY, async () => {}))).status).toBe(401);
  }
  expect([...statuses].every((status) => status === 201 || status === 401)).toBe(true);
  const now = (await objects()).map(({ id }) => id).filter((id) => !before.has(id));
  expect(new Set(now)).toEqual(made);
  expect(made.size).toBeGreaterThan(0);
});

/**
 * Receivers that hang hold up no other deliveries (docs/spec/events.md 3). A receiver may take ten minutes here: what is
 * delivered at all is delivered beside those that hang, not after them.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { Lookups } from "../../src/server/webhooks/lookup.ts";
import { DeliveryPlanner } from "../../src/server/webhooks/planner.ts";
import { WebhookWorker } from "../../src/server/webhooks/worker.ts";
import type { Delivery, OwedWebhook } from "../../src/vault/events/webhooks.ts";
import type { VaultHost } from "../../src/vault/index.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { eventually, openTestHost, TEST_ACTOR } from "../support/vaults.ts";

vi.mock("../../src/server/limits.ts", async (original) => ({
  ...(await original<object>()),
  WEBHOOK_TIMEOUT_MS: 600_000,
}));

const CONTEXT = { organization_id: "org_1" };
const KINDS = ["vault.data.created"];
const EVENTS = 40;

/** Counts what it receives by path; answers only where the path says so. */
class Receivers {
  readonly counts = new Map<string, number>();
  readonly #server: Server = createServer((request, response) => {
    const path = request.url!;
    request.resume().on("end", () => {
      this.counts.set(path, (this.counts.get(path) ?? 0) + 1);
      if (path.startsWith("/good")) response.writeHead(204).end();
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const opened: VaultHost[] = [];
afterAll(async () => {
  for (const host of opened) await host.close();
});

/** Webhooks of one environment by path, and as many events for them. */
async function owe(host: VaultHost, environment: string, urls: readonly string[]): Promise<void> {
  const { id } = await host.environment(environment);
  for (const url of urls) await host.webhooks.create(id, { url, kinds: KINDS });
  const session = host.session(id, { actor: TEST_ACTOR });
  for (let i = 0; i < EVENTS; i++) {
    await session.kv.createKv({ name: `n${i}`, value: "v", keyContext: CONTEXT });
  }
}

async function expectIndependent(hosts: readonly VaultHost[]): Promise<void> {
  const [host] = hosts as [VaultHost];
  opened.push(...hosts);
  const receivers = new Receivers();
  const url = await receivers.listen();
  // Those that hang are older, and have been owed for longer.
  for (let i = 0; i < 10; i++) {
    await owe(host, `hanging-${i}`, [`${url}/hang/${i}/a`, `${url}/hang/${i}/b`]);
  }
  await owe(host, "mixed", [`${url}/hang/mixed`, `${url}/good/mixed`]);
  await owe(host, "good", [`${url}/good/other`]);
  const workers = hosts.map(
    ({ webhooks }) => new WebhookWorker({ webhooks, allow: ["127.0.0.0/8"], pollMs: 20 }),
  );
  onTestFinished(async () => {
    receivers.close();
    for (const worker of workers) await worker.stop();
  });
  for (const worker of workers) worker.start();
  for (const path of ["/good/mixed", "/good/other"]) {
    await eventually(() => receivers.counts.get(path) === EVENTS, `all at ${path}`);
  }
  // None of them has ended, and all of them were asked.
  for (let i = 0; i < 10; i++) {
    expect(receivers.counts.get(`/hang/${i}/a`)).toBeGreaterThan(0);
    expect(receivers.counts.get(`/hang/${i}/a`)).toBeLessThanOrEqual(8 * hosts.length);
  }
  // What comes later is not held up either.
  await owe(host, "late", [`${url}/good/late`]);
  await eventually(() => receivers.counts.get("/good/late") === EVENTS, "the late ones");
  expect(receivers.counts.get("/good/other")).toBe(EVENTS);
}

test(
  "[EVT-18] [EVT-19] receivers that hang hold up no other webhook and no other environment, on SQLite",
  {
    timeout: 60_000,
  },
  async () => expectIndependent([await openTestHost()]),
);

describePostgres("on PostgreSQL", () => {
  test("[EVT-15] [EVT-18] [EVT-19] the same, with two servers that deliver once between them", {
    timeout: 90_000,
  }, async () => {
    const url = await freshDatabaseUrl();
    await expectIndependent([await openTestPostgresHost(url), await openTestPostgresHost(url)]);
  });
});

const owedBy = (environment: number, webhook: number, dueAt = 0): OwedWebhook => ({
  webhookId: `w-${environment}-${webhook}`,
  environmentId: `e-${environment}`,
  dueAt,
});
const deliveryOf = (webhook: OwedWebhook) => webhook as unknown as Delivery;

test("[EVT-18] [EVT-19] whatever hangs, deliveries are bounded, and some places are left for the next environment", () => {
  const webhooks = fc.uniqueArray(
    fc.record({ environment: fc.nat(7), webhook: fc.nat(20), dueAt: fc.nat(100) }),
    { selector: ({ environment, webhook }) => `${environment}-${webhook}`, minLength: 1, maxLength: 120 },
  );
  fc.assert(
    fc.property(webhooks, (all) => {
      const planner = new DeliveryPlanner();
      const owed = all.map(({ environment, webhook, dueAt }) => owedBy(environment, webhook, dueAt));
      const byEnvironment = new Map<string, number>();
      let underWay = 0;
      // All are owed without end and none ends: the plan comes to rest.
      for (let round = 0; ; round++) {
        expect(round).toBeLessThan(100);
        const plan = planner.plan(owed);
        if (plan.size === 0) break;
        for (const [id, count] of plan) {
          expect(count).toBeLessThanOrEqual(8);
          const webhook = owed.find(({ webhookId }) => webhookId === id)!;
          for (let i = 0; i < count; i++) planner.began(deliveryOf(webhook));
          underWay += count;
          const { environmentId } = webhook;
          byEnvironment.set(environmentId, (byEnvironment.get(environmentId) ?? 0) + count);
        }
      }
      // Every environment is served, and a new one finds room.
      expect(byEnvironment.size).toBe(new Set(owed.map(({ environmentId }) => environmentId)).size);
      expect(underWay).toBeLessThan(64);
      expect(planner.plan([...owed, owedBy(99, 0)]).get("w-99-0")).toBeGreaterThan(0);
    }),
  );
});

test("[EVT-18] a webhook that fails is asked one at a time until it works again", () => {
  const planner = new DeliveryPlanner();
  const webhook = owedBy(1, 1);
  expect(planner.plan([webhook]).get("w-1-1")).toBe(8);
  planner.began(deliveryOf(webhook));
  planner.ended(deliveryOf(webhook), true);
  expect(planner.plan([webhook]).get("w-1-1")).toBe(1);
  planner.began(deliveryOf(webhook));
  expect(planner.plan([webhook]).size).toBe(0);
  planner.ended(deliveryOf(webhook), false);
  expect(planner.plan([webhook]).get("w-1-1")).toBe(8);
});

test("[EVT-19] where all places are taken, the next goes to the webhook that has had none for longest", () => {
  const planner = new DeliveryPlanner();
  const crowd = Array.from({ length: 100 }, (_, i) => owedBy(i, 0));
  const first = [...planner.plan(crowd).keys()];
  expect(first).toHaveLength(64);
  for (const id of first) planner.began(deliveryOf(crowd.find(({ webhookId }) => webhookId === id)!));
  expect(planner.plan(crowd).size).toBe(0);
  planner.ended(deliveryOf(crowd.find(({ webhookId }) => webhookId === first[0])!), true);
  const [next] = planner.plan(crowd).keys();
  expect(first).not.toContain(next);
});

test("[EVT-18] names that are slow to look up: each once at a time, two at once, and the wait is bounded", async () => {
  const looks: string[] = [];
  const answers: (() => void)[] = [];
  const lookups = new Lookups((name) => {
    looks.push(name);
    return new Promise((resolve) => answers.push(() => resolve([{ address: "192.0.2.1", family: 4 }])));
  });
  const controller = new AbortController();
  const waits = ["a", "a", "b", "c"].map((name) =>
    lookups.addressesOf(name, controller.signal).catch((error: Error) => error.message),
  );
  expect(looks).toEqual(["a", "b"]);
  controller.abort(new Error("too late"));
  expect(await Promise.all(waits)).toEqual(Array(4).fill("too late"));
  // They still run: others wait for a place, not for longer than they may.
  const { signal } = new AbortController();
  const later = lookups.addressesOf("d", signal);
  expect(looks).toEqual(["a", "b"]);
  for (let i = 0; i < 4; i++) {
    answers[i]!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(looks).toEqual(["a", "b", "c", "d"]);
  expect(await later).toHaveLength(1);
});

/** Events delivered to webhooks: signed, retried, given up, revived, and only to where they may go (docs/spec/events.md 3). */
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { WebhookWorker } from "../../src/server/webhooks/worker.ts";
import type { HostSession, VaultHost } from "../../src/vault/index.ts";
import { verifyWebhook } from "../../src/wire/webhook.ts";
import { Authority, type Credentials } from "../support/certificates.ts";
import { errorOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { startServer } from "../support/server.ts";
import { eventually, openTestHost, TEST_ACTOR, TestClock } from "../support/vaults.ts";

vi.mock("../../src/server/limits.ts", async (original) => ({
  ...(await original<object>()),
  WEBHOOK_TIMEOUT_MS: 300,
}));

const CONTEXT = { organization_id: "org_1" };
const LOOPBACK = ["127.0.0.0/8"];

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly path: string;
}

/** A receiver that answers as it is told. */
class Receiver {
  readonly received: Received[] = [];
  status = 200;
  location: string | undefined;
  isMute = false;
  readonly #server: Server;
  url = "";

  constructor(tls?: Credentials) {
    const answer: RequestListener = (request, response) => {
      let body = "";
      request.setEncoding("utf8");
      request.on("data", (text) => {
        body += text;
      });
      request.on("end", () => {
        this.received.push({ headers: request.headers, body, path: request.url! });
        if (this.isMute) return;
        response.writeHead(this.status, this.location === undefined ? {} : { location: this.location });
        response.end("x".repeat(100));
      });
    };
    this.#server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
    this.url = tls === undefined ? "http" : "https";
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url += `://127.0.0.1:${(this.#server.address() as { port: number }).port}/hook`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const receivers: Receiver[] = [];
const hosts: VaultHost[] = [];
afterAll(async () => {
  for (const receiver of receivers) await receiver.close();
  for (const host of hosts) await host.close();
});

async function startReceiver(tls?: Credentials): Promise<Receiver> {
  const receiver = new Receiver(tls);
  receivers.push(receiver);
  await receiver.listen();
  return receiver;
}

interface Setting {
  host: VaultHost;
  session: HostSession;
  clock: TestClock;
  worker: WebhookWorker;
}

async function set(host?: VaultHost, clock = new TestClock()): Promise<Setting> {
  const opened = host ?? (await openTestHost({ now: clock.now }));
  if (host === undefined) hosts.push(opened);
  const { id } = await opened.environment("default");
  const session = opened.session(id, { actor: TEST_ACTOR, events: "all" });
  return {
    host: opened,
    session,
    clock,
    worker: new WebhookWorker({ webhooks: opened.webhooks, allow: LOOPBACK }),
  };
}

test("[EVT-10] [EVT-12] delivers what a webhook wants, signed so that a receiver can tell", async () => {
  const receiver = await startReceiver();
  const { host, session, worker } = await set();
  const env = session.environmentId;
  await session.kv.createKv({ name: "before", value: "v", keyContext: CONTEXT });
  const { secret } = await host.webhooks.create(env, {
    url: `${receiver.url}?x=1`,
    kinds: ["vault.data.created", "vault.data.read"],
  });
  await session.kv.createKv({ name: "é", value: "v", keyContext: CONTEXT });
  await session.kv.getName({ name: "é" });
  await session.kv.listKv();
  await host.events.flush();
  await worker.deliverDue();
  const events = receiver.received.map(({ body, headers }) =>
    verifyWebhook(body, headers["workos-signature"] as string, secret),
  );
  expect(events.map((event) => event.event).sort()).toEqual(["vault.data.created", "vault.data.read"]);
  const recorded = (await host.events.list(env, { limit: 100 })).data;
  for (const event of events) expect(recorded).toContainEqual({ object: "event", ...event });
  for (const { headers, path } of receiver.received) {
    expect(headers["content-type"]).toBe("application/json");
    expect(headers["user-agent"]).toMatch(/^coffer\//);
    expect(headers["workos-signature"]).toMatch(/^t=\d{13}, v1=[0-9a-f]{64}$/);
    expect(path).toBe("/hook?x=1");
  }
  const [{ body, headers }] = receiver.received as [Received];
  const wrong = errorOf(() => verifyWebhook(body, headers["workos-signature"] as string, `${secret}x`));
  expect(wrong.code).toBe("ERR_WEBHOOK_INVALID");
  // Delivered once.
  await worker.deliverDue();
  expect(receiver.received).toHaveLength(2);
});

test("[EVT-12] several webhooks get their own; a removed one gets nothing more; other environments nothing", async () => {
  const [one, two, three] = [await startReceiver(), await startReceiver(), await startReceiver()];
  const { host, session, worker } = await set();
  const env = session.environmentId;
  const { id } = await host.webhooks.create(env, { url: one.url, kinds: ["vault.data.created"] });
  await host.webhooks.create(env, { url: two.url, kinds: ["vault.data.created"] });
  await host.webhooks.create((await host.environment("other")).id, { url: three.url });
  await session.kv.createKv({ name: "a", value: "v", keyContext: CONTEXT });
  await host.webhooks.remove(env, id);
  await session.kv.createKv({ name: "b", value: "v", keyContext: CONTEXT });
  await worker.deliverDue();
  expect([one.received.length, two.received.length, three.received.length]).toEqual([0, 2, 0]);
  await expect(host.webhooks.remove(env, id)).rejects.toMatchObject({ code: "ERR_WEBHOOK_NOT_FOUND" });
});

test("[EVT-13] [EVT-14] tries again ever more rarely, gives up after 12, and is revived", async () => {
  const receiver = await startReceiver();
  const { host, session, worker, clock } = await set();
  const env = session.environmentId;
  const webhook = await host.webhooks.create(env, { url: receiver.url, kinds: ["vault.data.created"] });
  receiver.status = 500;
  await session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
  const waits = [0, ...Array.from({ length: 11 }, (_, i) => Math.min(30_000 * 2 ** i, 6 * 3_600_000))];
  for (const [i, wait] of waits.entries()) {
    if (wait > 0) {
      clock.advance(wait - 1);
      await worker.deliverDue();
      expect(receiver.received).toHaveLength(i);
      clock.advance(1);
    }
    expect(await host.webhooks.dead(env)).toEqual([]);
    await worker.deliverDue();
    expect(receiver.received).toHaveLength(i + 1);
  }
  const event = JSON.parse(receiver.received[0]!.body);
  const dead = { webhookId: webhook.id, eventId: event.id, attempts: 12, lastError: "status 500" };
  expect(await host.webhooks.dead(env)).toEqual([dead]);
  clock.advance(30 * 86_400_000);
  await worker.deliverDue();
  expect(receiver.received).toHaveLength(12);
  receiver.status = 204;
  expect(await host.webhooks.revive(env)).toBe(1);
  expect(await host.webhooks.revive((await host.environment("other")).id)).toBe(0);
  await worker.deliverDue();
  expect(receiver.received).toHaveLength(13);
  expect(await host.webhooks.dead(env)).toEqual([]);
  expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
});

test("[EVT-13] [EVT-17] redirects, silence and closed ports are failures", async () => {
  const [away, silent, target] = [await startReceiver(), await startReceiver(), await startReceiver()];
  const { host, session, worker, clock } = await set();
  const env = session.environmentId;
  away.status = 302;
  away.location = target.url;
  silent.isMute = true;
  const closed = await startReceiver();
  await closed.close();
  receivers.splice(receivers.indexOf(closed), 1);
  for (const { url } of [away, silent, closed])
    await host.webhooks.create(env, { url, kinds: ["vault.data.created"] });
  await session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
  for (let i = 0; i < 12; i++) {
    await worker.deliverDue();
    clock.advance(7 * 3_600_000);
  }
  const errors = (await host.webhooks.dead(env)).map((delivery) => delivery.lastError).sort();
  expect(errors).toEqual([
    expect.stringMatching(/^not reached \((ABORT_ERR|TimeoutError)\)$/),
    "not reached (ECONNREFUSED)",
    "status 302",
  ]);
  expect(target.received).toEqual([]);
  expect([away.received.length, silent.received.length]).toEqual([12, 12]);
});

test("[EVT-20] a receiver whose certificate is not right gets nothing", async () => {
  const trusted = new Authority();
  const before = getCACertificates("default");
  setDefaultCACertificates([...before, trusted.cert]);
  onTestFinished(() => setDefaultCACertificates(before));
  const right = await startReceiver(trusted.issue());
  const wrong = [
    await startReceiver(new Authority().issue()),
    await startReceiver(trusted.issue({ names: ["hooks.example.com"] })),
    await startReceiver(trusted.issue({ endsInDays: -1 })),
  ];
  const { host, session, worker, clock } = await set();
  const env = session.environmentId;
  for (const { url } of [right, ...wrong])
    await host.webhooks.create(env, { url, kinds: ["vault.data.created"] });
  await session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
  for (let i = 0; i < 12; i++) {
    await worker.deliverDue();
    clock.advance(7 * 3_600_000);
  }
  expect(right.received).toHaveLength(1);
  for (const { received } of wrong) expect(received).toEqual([]);
  expect((await host.webhooks.dead(env)).map((delivery) => delivery.lastError).sort()).toEqual([
    "not reached (CERT_HAS_EXPIRED)",
    "not reached (ERR_TLS_CERT_ALTNAME_INVALID)",
    "not reached (UNABLE_TO_VERIFY_LEAF_SIGNATURE)",
  ]);
});

test("[EVT-15] a delivery that was claimed and never settled is taken again after a minute", async () => {
  const receiver = await startReceiver();
  const { host, session, worker, clock } = await set();
  const kinds = ["vault.data.created"];
  const { id } = await host.webhooks.create(session.environmentId, { url: receiver.url, kinds });
  await session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
  expect(await host.webhooks.claim(new Map([[id, 10]]))).toHaveLength(1);
  expect(await host.webhooks.claim(new Map([[id, 10]]))).toHaveLength(0);
  clock.advance(59_999);
  await worker.deliverDue();
  expect(receiver.received).toHaveLength(0);
  clock.advance(1);
  await worker.deliverDue();
  expect(receiver.received).toHaveLength(1);
});

describe("where deliveries may go", () => {
  let setting: Setting;

  beforeAll(async () => {
    setting = await set();
  });

  const reasonFor = async (url: string, allow: readonly string[] = []): Promise<string> => {
    const { host, clock } = setting;
    const env = (await host.environment(`ssrf-${Math.random().toString(36).slice(2)}`)).id;
    const other = host.session(env, { actor: TEST_ACTOR });
    await host.webhooks.create(env, { url, kinds: ["vault.data.created"] });
    await other.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const worker = new WebhookWorker({ webhooks: host.webhooks, allow });
    for (let i = 0; i < 12; i++) {
      await worker.deliverDue();
      clock.advance(7 * 3_600_000);
    }
    return (await host.webhooks.dead(env))[0]?.lastError ?? "delivered";
  };

  test("[EVT-16] not to addresses that are not public, in any spelling", { timeout: 60_000 }, async () => {
    const receiver = await startReceiver();
    const { port } = new URL(receiver.url);
    for (const host of [
      "127.0.0.1",
      "localhost",
      "127.1",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "0x7f.1",
      "0.0.0.0",
      "[::1]",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[::127.0.0.1]",
      "[64:ff9b::7f00:1]",
      "[64:ff9b:1::a9fe:a9fe]",
      "[2002:7f00:1::]",
      "[2001:0:7f00:1::]",
      "[fe80::1]",
      "[fc00::1]",
      "[fd12:3456::1]",
      "[fec0::1]",
      "[ff02::1]",
      "[2001:db8::1]",
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "169.254.169.254",
      "[::ffff:a9fe:a9fe]",
      "100.64.0.1",
      "192.0.2.1",
      "198.18.0.1",
      "198.51.100.1",
      "203.0.113.1",
      "224.0.0.1",
      "240.0.0.1",
      "255.255.255.255",
      "１２７.0.0.1",
      "127。0。0。1",
    ]) {
      const url = `http://${host}:${port}/`;
      expect([host, await reasonFor(url)]).toEqual([host, "the URL's address is not public"]);
    }
    expect(receiver.received).toEqual([]);
    // The same with a network that is allowed, and another that is not.
    expect(await reasonFor(receiver.url, ["10.0.0.0/8"])).toBe("the URL's address is not public");
    expect(await reasonFor(receiver.url, LOOPBACK)).toBe("delivered");
    expect(await reasonFor(receiver.url.replace("127.0.0.1", "2130706433"), LOOPBACK)).toBe("delivered");
    expect(receiver.received).toHaveLength(2);
  });

  test("a name that does not exist is a failure", async () => {
    expect(await reasonFor("http://nobody.invalid/")).toMatch(/^not reached \(E/);
  });

  test("URLs that are none, and kinds that are none, are refused", async () => {
    const { host, session } = setting;
    for (const request of [
      { url: "" },
      { url: "hooks.example" },
      { url: "ftp://hooks.example/" },
      { url: "file:///etc/passwd" },
      { url: "javascript:alert(1)" },
      { url: `https://hooks.example/${"x".repeat(2_000)}` },
      { url: "https://hooks.example/\0" },
      { url: "https://hooks.example/", kinds: ["vault.data.*"] },
    ]) {
      await expect(host.webhooks.create(session.environmentId, request)).rejects.toMatchObject({
        code: "ERR_INVALID_ARGUMENT",
      });
    }
  });

  test("networks that are none are refused", () => {
    for (const network of ["x", "10.0.0.0", "10.0.0.0/33", "::1/129", "/8"]) {
      expect(() => new WebhookWorker({ webhooks: setting.host.webhooks, allow: [network] })).toThrow();
    }
  });
});

test("the worker delivers by itself until it is stopped, and the API shows what was given up", async () => {
  const receiver = await startReceiver();
  const server = await startServer();
  const worker = new WebhookWorker({ webhooks: server.host.webhooks, allow: LOOPBACK, pollMs: 10 });
  const request = { url: receiver.url, kinds: ["vault.data.created"] };
  expect((await server.call("POST", "/coffer/v1/webhooks", request)).status).toBe(201);
  worker.start();
  const create = (name: string) =>
    server.call("POST", "/vault/v1/kv", { name, value: "v", key_context: CONTEXT });
  await create("one");
  await eventually(() => receiver.received.length === 1, "the first is delivered");
  await create("two");
  await eventually(() => receiver.received.length === 2, "the second is delivered");
  await worker.stop();
  await create("three");
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(receiver.received).toHaveLength(2);
  expect((await server.call("GET", "/coffer/v1/dead-deliveries")).body).toEqual({ data: [] });
  expect((await server.call("POST", "/coffer/v1/dead-deliveries/revive")).body).toEqual({ revived: 0 });
});

describePostgres("on PostgreSQL", () => {
  test("[EVT-15] two servers deliver each event once between them", async () => {
    const receiver = await startReceiver();
    const url = await freshDatabaseUrl();
    const one = await set(await openTestPostgresHost(url));
    const two = await set(await openTestPostgresHost(url));
    hosts.push(one.host, two.host);
    await one.host.webhooks.create(one.session.environmentId, {
      url: receiver.url,
      kinds: ["vault.data.created"],
    });
    for (let i = 0; i < 30; i++)
      await one.session.kv.createKv({ name: `n${i}`, value: "v", keyContext: CONTEXT });
    await Promise.all([one, two, one, two].map(({ worker }) => worker.deliverDue()));
    const ids = receiver.received.map(({ body }) => JSON.parse(body).id);
    await one.worker.deliverDue();
    expect(ids).toHaveLength(30);
    expect(new Set(ids).size).toBe(30);
  });
});

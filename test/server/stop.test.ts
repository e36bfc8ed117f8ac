/**
 * A server that is told to stop ends, whatever clients, receivers and the storage do (docs/spec/key-service-api.md 1.3). The
 * bounds are shorter here, and are looked at ten times as long.
 */
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { createApp } from "../../src/server/app.ts";
import { STOP_MS_MAX } from "../../src/server/limits.ts";
import { listen } from "../../src/server/node/listener.ts";
import { stopServer } from "../../src/server/node/stop.ts";
import { WebhookWorker } from "../../src/server/webhooks/worker.ts";
import { PERMISSIONS } from "../../src/vault/index.ts";
import { workplace } from "../support/cli.ts";
import { describePostgres, freshDatabaseUrl } from "../support/postgres.ts";
import { PostgresProxy } from "../support/postgres-proxy.ts";
import { eventually, freshPath, openTestHost, ROOT_KEY, TEST_ACTOR } from "../support/vaults.ts";

vi.mock("../../src/server/limits.ts", async (original) => ({
  ...(await original<object>()),
  SHUTDOWN_MS: 300,
  STOP_MS_MAX: 600,
}));

const CONTEXT = { organization_id: "org_1" };

/** A server with a client that never ends its request, one that reads no answer, and a receiver that never answers. */
async function hangingServer(path: string) {
  const host = await openTestHost({ path, lockWaitMs: 600_000 });
  const { id } = await host.environment("default");
  const { key } = await host.apiKeys.create(id, { name: "all", permissions: PERMISSIONS });
  let deliveries = 0;
  const receiver = createServer((request) => void request.resume().on("end", () => (deliveries += 1)));
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    receiver.closeAllConnections();
    receiver.close();
  });
  await host.webhooks.create(id, {
    url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`,
    kinds: ["vault.data.created"],
  });
  const session = host.session(id, { actor: TEST_ACTOR });
  await session.kv.createKv({ name: "n", value: "\u0001".repeat(65_000), keyContext: CONTEXT });
  const worker = new WebhookWorker({ webhooks: host.webhooks, allow: ["127.0.0.0/8"], pollMs: 10 });
  const listening = await listen(createApp({ host }), { port: 0 });
  worker.start();
  await eventually(() => deliveries === 1, "the delivery hangs");
  const port = Number(new URL(listening.url).port);
  const authorization = `authorization: Bearer ${key}\r\n`;
  for (const text of [
    "",
    "GET /healthz HTTP/1.1\r\n",
    `POST /vault/v1/kv HTTP/1.1\r\nhost: x\r\n${authorization}content-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
    `GET /vault/v1/kv/name/n HTTP/1.1\r\nhost: x\r\n${authorization}\r\n`.repeat(60),
  ]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {}).pause();
    onTestFinished(() => void socket.destroy());
    socket.write(text);
    await new Promise((resolve) => socket.once("connect", resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  return { host, listening, worker, session };
}

/** Whether it is over within ten times the bound, and with what. */
function soon(stopping: Promise<boolean>): Promise<boolean | "never"> {
  const late = new Promise<"never">((resolve) => setTimeout(() => resolve("never"), 10 * STOP_MS_MAX));
  return Promise.race([stopping, late]);
}

test("[API-54] clients and receivers that hang do not keep it", { timeout: 30_000 }, async () => {
  const { host, listening, worker } = await hangingServer(":memory:");
  expect(await soon(stopServer({ listening, worker, close: () => host.close() }))).toBe(false);
});

test("[API-54] nor does a storage that hangs", { timeout: 30_000 }, async () => {
  const path = freshPath();
  const { host, listening, worker, session } = await hangingServer(path);
  const other = new DatabaseSync(path);
  onTestFinished(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  session.kv.createKv({ name: "late", value: "v", keyContext: CONTEXT }).catch(() => {});
  expect(await soon(stopServer({ listening, worker, close: () => host.close() }))).toBe(false);
  other.exec("ROLLBACK");
});

test("[API-54] where nothing hangs it ends by itself, the storage last", async () => {
  const ends: string[] = [];
  const host = await openTestHost();
  const listening = await listen(createApp({ host }), { port: 0 });
  const worker = new WebhookWorker({ webhooks: host.webhooks });
  worker.start();
  const noting = (name: string, end: () => Promise<void>) => async () => {
    await end();
    ends.push(name);
  };
  const isWhole = await stopServer({
    listening: { close: noting("listener", () => listening.close()) },
    worker: { stop: noting("worker", () => worker.stop()) },
    close: noting("storage", () => host.close()),
  });
  expect([isWhole, ends[2]]).toEqual([true, "storage"]);
});

test("[API-54] a second signal ends the command at once, while a client hangs", async () => {
  const work = workplace();
  const { child, ended } = work.start(["server", "--dev", "--port", "0"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const url = await new Promise<string>((resolve) => {
    child.stdout.on("data", (part: Buffer) => {
      const found = /listening on (\S+)/.exec(part.toString());
      if (found !== null) resolve(found[1]!);
    });
  });
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {}).write("POST /vault/v1/kv HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n");
  await new Promise((resolve) => socket.once("connect", resolve));
  const startedAt = performance.now();
  child.kill("SIGTERM");
  // It has taken the first when it takes no more connections.
  await eventually(
    () =>
      fetch(`${url}/healthz`).then(
        () => false,
        () => true,
      ),
    "it listens no more",
  );
  expect(child.exitCode).toBe(null);
  child.kill("SIGTERM");
  expect((await ended).code).toBe(143);
  // The client alone would have kept it for 10 s.
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

describePostgres("on PostgreSQL", () => {
  test("what cannot be written at the end, because the database is away, is an error in our words", {
    timeout: 60_000,
  }, async () => {
    const { proxy, url } = await PostgresProxy.before(await freshDatabaseUrl());
    const work = workplace();
    const env = { COFFER_ROOT_KEY: ROOT_KEY, COFFER_DATABASE: url };
    await work.out(["migrate"], { env });
    const key = (
      await work.out(["api-keys", "create", "all", "--permission", "kv:read", "--field", "key"], { env })
    ).trim();
    const { child, ended } = work.start(["server", "--port", "0", "--log", "none"], { env });
    onTestFinished(() => void child.kill("SIGKILL"));
    const server = await new Promise<string>((resolve) => {
      child.stdout.once("data", (part: Buffer) => resolve(/listening on (\S+)/.exec(part.toString())![1]!));
    });
    // A list is an event, which is written a little later: not any more.
    const list = await fetch(`${server}/vault/v1/kv`, { headers: { authorization: `Bearer ${key}` } });
    expect(list.status).toBe(200);
    await proxy.close();
    child.kill("SIGTERM");
    const { code, err } = await ended;
    expect([code, err]).toEqual([2, expect.stringContaining("ERR_STORAGE_UNAVAILABLE")]);
    expect(err).not.toMatch(/\n\s+at /);
  });
});

/**
 * Requests that are begun together share one look at what other processes have changed: it must be one after all of them
 * have come, and must not be believed for what goes on later (docs/spec/keyring.md 8, key-service-api.md 1.1).
 */
import { connect, type Socket } from "node:net";
import { expect, test, vi } from "vitest";
import { startServer, type TestServer } from "../support/server.ts";
import { freshPath, openTestHost } from "../support/vaults.ts";

// Short, so that a test can wait for it.
vi.mock("../../src/server/limits.ts", async (original) => ({ ...(await original<object>()), DRAIN_MS: 100 }));

const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };
/** Requests that come at once, each on a connection of its own: on one they would be answered one after the other. */
const BURST = 20;

async function twoServers(): Promise<[TestServer, TestServer]> {
  const path = freshPath();
  return [
    await startServer({ host: await openTestHost({ path }) }),
    await startServer({ host: await openTestHost({ path }) }),
  ];
}

function dataKeyRequest(key: string, connection = "keep-alive"): string {
  const body = JSON.stringify({ context: CONTEXT });
  return (
    `POST /vault/v1/keys/data-key HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\nconnection: ${connection}\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  );
}

/** The statuses of a burst of requests, which the server reads in one turn of the event loop. */
async function burst(server: TestServer, key: string): Promise<Set<number>> {
  const sockets = await Promise.all(Array.from({ length: BURST }, () => openSocket(server)));
  const answers = sockets.map(received);
  for (const socket of sockets) socket.write(dataKeyRequest(key, "close"));
  const texts = await Promise.all(answers);
  return new Set(texts.map((text) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)![1])));
}

/** A connection that the server has: it has been answered on it. */
function openSocket(server: TestServer): Promise<Socket> {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
  return new Promise((resolve, reject) => {
    socket.once("data", () => resolve(socket)).once("error", reject);
  });
}

test("[KEY-41] after a disable by another server, no request of a burst gets a data key", async () => {
  const [one, two] = await twoServers();
  const { keks } = one.host.session(one.environmentId, {
    actor: { id: "test", name: "test", source: "api" },
  });
  expect(await burst(two, two.key)).toEqual(new Set([200]));
  for (let round = 0; round < 10; round++) {
    await keks.disable(KEK);
    expect(await burst(two, two.key)).toEqual(new Set([403]));
    await keks.enable(KEK);
    expect(await burst(two, two.key)).toEqual(new Set([200]));
  }
  await keks.shred(KEK);
  expect(await burst(two, two.key)).toEqual(new Set([410]));
});

test("[API-4] after a revocation by another server, no request of a burst is answered", async () => {
  const [one, two] = await twoServers();
  for (let round = 0; round < 10; round++) {
    const key = await one.apiKey(["encrypt"]);
    expect(await burst(two, key)).toEqual(new Set([200]));
    const keys = await one.host.apiKeys.list();
    await one.host.apiKeys.revoke(keys.find((info) => info.name === "test" && info.revokedAt === null)!.id);
    expect(await burst(two, key)).toEqual(new Set([401]));
  }
});

test("[KEY-41] a request whose body comes after a disable gets no data key", async () => {
  const [one, two] = await twoServers();
  expect(await burst(two, two.key)).toEqual(new Set([200]));
  const request = dataKeyRequest(two.key, "close");
  const bodyAt = request.indexOf("{");
  const socket = connect(Number(new URL(two.url).port), "127.0.0.1");
  const answered = received(socket);
  socket.write(request.slice(0, bodyAt));
  // By then the other server has begun with it.
  await expect.poll(() => two.call("GET", "/healthz").then(({ status }) => status)).toBe(200);
  const { keks } = one.host.session(one.environmentId, {
    actor: { id: "test", name: "test", source: "api" },
  });
  await keks.disable(KEK);
  socket.write(request.slice(bodyAt));
  expect(await answered).toMatch(/^HTTP\/1\.1 403 /);
});

test("[API-1] two Authorization headers are none, whichever of them is good", async () => {
  const server = await startServer();
  for (const keys of [
    [server.key, "sk_wrong"],
    ["sk_wrong", server.key],
    [server.key, server.key],
  ]) {
    const lines = keys.map((key) => `authorization: Bearer ${key}\r\n`).join("");
    const text = await server.raw(
      `GET /vault/v1/kv HTTP/1.1\r\nhost: x\r\n${lines}connection: close\r\n\r\n`,
    );
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
  }
});

test("the rest of a refused body is not waited for", async () => {
  const server = await startServer();
  const head =
    "POST /vault/v1/keys/data-key HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
  // Resolves when the server hangs up, which it does before the request's time is over.
  expect(await server.raw(`${head}{`)).toMatch(/^HTTP\/1\.1 401 /);
  // A rest that does come leaves the connection as it was.
  const text = await server.raw(`${head}{`, (received) => received.includes("\r\n\r\n"));
  expect(text).toContain("401");
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  const answers = received(socket);
  socket.write(`${head}{`);
  await new Promise((resolve) => socket.once("data", resolve));
  socket.write(`${" ".repeat(99)}GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  expect(await answers).toMatch(/401 [\s\S]*HTTP\/1\.1 200 /);
});

/** All that a socket receives until it is closed. */
function received(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      text += part;
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(text));
  });
}

test("are begun under faked timers: a turn of the event loop is no time", async () => {
  const server = await startServer();
  vi.useFakeTimers({ toFake: ["setImmediate"] });
  try {
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  } finally {
    vi.useRealTimers();
  }
});

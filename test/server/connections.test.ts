/**
 * Connections: what a client that leaves, half-closes, pipelines or lingers does to its own requests, and only to these
 * (docs/spec/key-service-api.md 1.2 and 1.3).
 */
import { connect, type Socket } from "node:net";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { parseAnswer, startServer, type TestServer } from "../support/server.ts";
import { eventually, freshPath, openTestHost } from "../support/vaults.ts";

// Short, so that a test can wait for them.
vi.mock("../../src/server/limits.ts", async (original) => ({
  ...(await original<object>()),
  HEADERS_TIMEOUT_MS: 500,
  REQUEST_TIMEOUT_MS: 1_000,
  DRAIN_MS: 100,
  WRITE_TIMEOUT_MS: 500,
  PIPELINED_TOTAL_MAX: 100,
}));

const DATA_KEY = "/vault/v1/keys/data-key";
const BODY = JSON.stringify({ context: { organization_id: "org_1" } });

function post(key: string, length = BODY.length, connection = "keep-alive"): string {
  return (
    `POST ${DATA_KEY} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\nconnection: ${connection}\r\n` +
    `content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`
  );
}

function open(server: TestServer): Socket {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(server.url).port), allowHalfOpen: true });
  socket.on("error", () => {}); // A reset is one way of being closed.
  return socket;
}

/** All that a socket receives until it is closed. */
function received(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      text += part;
    });
    socket.once("end", () => resolve(text));
    socket.once("close", () => resolve(text));
  });
}

const statuses = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => Number(match[1]));

async function inFlight(server: TestServer): Promise<number> {
  const { text } = await server.call("GET", "/metrics");
  return Number(/^coffer_http_requests_in_flight (\d+)$/m.exec(text)![1]);
}

test("a request whose client leaves before its body is waited for is ended", async () => {
  const path = freshPath();
  const server = await startServer({ host: await openTestHost({ path }) });
  const key = await server.apiKey(["encrypt"]);
  // Another process has the file, so that the key is looked up behind a write that waits.
  const other = new DatabaseSync(path);
  other.exec("BEGIN IMMEDIATE");
  const write = server.apiKey();
  const socket = open(server);
  socket.write(`${post(key)}{`);
  await eventually(async () => (await inFlight(server)) === 2, "it has begun");
  socket.resetAndDestroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  other.exec("ROLLBACK");
  other.close();
  await write;
  await eventually(async () => (await inFlight(server)) === 1, "it has ended");
  expect(server.log.find(({ route }) => route === DATA_KEY)).toMatchObject({ status: 400, level: "info" });
});

test("what is not HTTP does not take the place of the answer to the request before it", async () => {
  const server = await startServer();
  const text = await received(
    open(server).on("connect", function (this: Socket) {
      this.write(`${post(server.key)}${BODY}nonsense\r\n\r\n`);
    }),
  );
  expect(statuses(text)).toEqual([200, 400]);
  expect(text).toContain("data_key");
});

test("an answer that waits for others is not overtaken by the refusal of a body that breaks off", async () => {
  const server = await startServer();
  const path = "/vault/v1/kv/name/x";
  const slow = `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.key}\r\n\r\n`;
  const broken = post(server.key).replace(/content-length: \d+/, "transfer-encoding: chunked");
  const text = await received(
    open(server).on("connect", function (this: Socket) {
      this.write(`${slow}${broken}zz\r\n`);
    }),
  );
  // Nothing, or the first one's answer.
  expect([[], [404]]).toContainEqual(statuses(text));
  // By itself it gets one, and only one.
  const alone = await received(
    open(server).on("connect", function (this: Socket) {
      this.write(`${broken}zz\r\n`);
    }),
  );
  expect(statuses(alone)).toEqual([400]);
  const refused = await received(
    open(server).on("connect", function (this: Socket) {
      this.write(broken.replace("Bearer ", "Bearer x"));
      this.once("data", () => this.write("zz\r\n"));
    }),
  );
  expect(statuses(refused)).toEqual([401]);
});

test("a client that is refused and does not hang up is hung up on", async () => {
  const server = await startServer();
  for (const bytes of ["nonsense\r\n\r\n", "GET /healthz HTTP/1.1\r\nhost: x\r\nx: "]) {
    const socket = open(server);
    socket.write(bytes);
    const text = await received(socket);
    expect([400, 408]).toContain(parseAnswer(text).status);
    // It has said nothing since: a write finds out that the other end is gone.
    await expect
      .poll(
        () => {
          if (!socket.destroyed) socket.write("x");
          return socket.destroyed;
        },
        { timeout: 3_000, interval: 100 },
      )
      .toBe(true);
  }
});

const GET = (path: string, key: string) =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n\r\n`;

test("[API-50] what is sent ahead is answered in order, one after the other, up to 64", async () => {
  const server = await startServer();
  for (const count of [2, 65]) {
    const socket = open(server);
    let text = "";
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    socket.write(
      Array.from({ length: count }, (_, i) => GET(`/vault/v1/kv/name/x${i}`, server.key)).join(""),
    );
    await eventually(() => statuses(text).length === count, "all are answered");
    // The connection is still good, bodies that come in parts included.
    socket.write(post(server.key) + BODY.slice(0, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.write(BODY.slice(5) + GET("/nowhere", server.key));
    await eventually(() => statuses(text).length === count + 2, "and what comes behind");
    expect(statuses(text)).toEqual([...Array(count).fill(404), 200, 404]);
    socket.destroy();
  }
});

test("[API-50] a request is not begun before the answer to the one before it has left", async () => {
  const server = await startServer();
  const { body } = await server.call("POST", "/vault/v1/kv", {
    name: "large",
    value: "\u0001".repeat(65_000),
    key_context: { organization_id: "org_1" },
  });
  const begun = () => server.log.filter(({ route }) => route === "/vault/v1/kv/{id}").length;
  const socket = open(server);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.pause();
  socket.write(GET(`/vault/v1/kv/${body.id}`, server.key).repeat(60));
  await eventually(() => begun() > 1, "some have been answered");
  let before: number;
  do {
    before = begun();
    await new Promise((resolve) => setTimeout(resolve, 200));
  } while (begun() > before);
  // The kernel has taken some; of 60 answers of 400 kB it does not take all.
  expect(begun()).toBeLessThan(60);
  // The client that does not read is cut off.
  await eventually(() => {
    if (!socket.destroyed) socket.write("x");
    return socket.destroyed;
  }, "it is hung up on");
  await closed;
  expect(begun()).toBeLessThan(60);
  expect(await inFlight(server)).toBe(1);
});

test("[API-50] a connection that sends too much ahead is cut off, and so is one when all together do", async () => {
  const server = await startServer();
  const over = await received(
    open(server).on("connect", function (this: Socket) {
      this.write(GET("/nowhere", server.key).repeat(66));
    }),
  );
  expect(statuses(over).length).toBeLessThan(66);
  const texts = await Promise.all(
    [1, 2, 3].map(() => {
      const socket = open(server);
      // The last one closes, so that those which are answered end.
      const last = GET("/nowhere", server.key).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
      socket.write(GET("/nowhere", server.key).repeat(59) + last);
      return received(socket);
    }),
  );
  const counts = texts.map((text) => statuses(text).length).sort((a, b) => a - b);
  expect(counts[2]).toBe(60);
  // What had waited is not counted any more.
  expect(await inFlight(server)).toBe(1);
  const text = await received(
    open(server).on("connect", function (this: Socket) {
      const last = GET("/nowhere", server.key).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
      this.write(GET("/nowhere", server.key).repeat(59) + last);
    }),
  );
  expect(statuses(text)).toHaveLength(60);
});

test("[API-11] what node would answer by itself is answered as everything else", async () => {
  const server = await startServer();
  for (const [request, status] of [
    ["GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n", 400],
    ["GET /healthz HTTP/1.1\r\nhost: x\r\nexpect: miracles\r\nconnection: close\r\n\r\n", 417],
  ] as const) {
    const answer = parseAnswer(
      await received(
        open(server).on("connect", function (this: Socket) {
          this.write(request);
        }),
      ),
    );
    expect(answer.status).toBe(status);
    expect(answer.body.code).toBe("ERR_REQUEST_INVALID");
    expect(answer.headers.get("x-request-id")).toMatch(/^req_/);
  }
});

test("a server that closes lets the requests under way be answered, and their connections go", async () => {
  const server = await startServer();
  const socket = open(server);
  const all = received(socket);
  socket.write(`${post(server.key)}${BODY.slice(0, 5)}`);
  await eventually(async () => (await inFlight(server)) === 2, "it has begun");
  const closing = server.close();
  socket.write(BODY.slice(5));
  const text = await all;
  expect(statuses(text)).toEqual([200]);
  expect(parseAnswer(text).headers.get("connection")).toBe("close");
  await closing;
});

test("whatever connections do, nothing is left of them", { timeout: 60_000 }, async () => {
  const path = freshPath();
  const server = await startServer({ host: await openTestHost({ path }) });
  const create = JSON.stringify({ name: "n", value: "v", key_context: { organization_id: "org_1" } });
  const creation = `${post(server.key, create.length).replace(DATA_KEY, "/vault/v1/kv")}${create}`;
  const chunked = post(server.key).replace(/content-length: \d+/, "transfer-encoding: chunked");
  const pieces = [
    ...[`${post(server.key)}${BODY}`, `${post("sk_wrong")}${BODY}`, creation, post(server.key), BODY],
    ...[
      `${chunked}${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
      `${chunked}zz\r\n`,
      "nonsense\r\n\r\n",
    ],
    ...[
      `${post(server.key, 200_000)}${" ".repeat(200_000)}`,
      post(server.key, 2_000_000),
      " ".repeat(70_000),
    ],
    ...[
      "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\r\n",
    ],
    ...[
      "GET /openapi.json HTTP/1.0\r\n\r\n",
      `HEAD /vault/v1/kv HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(17_000)}\r\n\r\n`,
    ],
  ];
  const connections = fc.array(
    fc.record({
      sent: fc.array(
        fc.record({ piece: fc.constantFrom(...pieces), pauseMs: fc.constantFrom(0, 0, 0, 1, 5) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      end: fc.constantFrom("destroy", "reset", "half-close", "cut"),
    }),
    { minLength: 1, maxLength: 12 },
  );
  const run = async ({ sent, end }: { sent: { piece: string; pauseMs: number }[]; end: string }) => {
    const socket = open(server);
    await new Promise((resolve) => socket.once("connect", resolve));
    socket.resume();
    for (const { piece, pauseMs } of sent) {
      const isCut = end === "cut" && piece === sent.at(-1)!.piece;
      socket.write(isCut ? piece.slice(0, piece.length >> 1) : piece);
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    if (end === "reset") socket.resetAndDestroy();
    else if (end === "half-close") socket.end();
    else socket.destroy();
    if (end === "half-close") setTimeout(() => socket.destroy(), 200);
  };
  await fc.assert(
    fc.asyncProperty(connections, async (all) => {
      await Promise.all(all.map(run));
    }),
    { numRuns: 40 },
  );
  await eventually(async () => (await inFlight(server)) === 1, "all requests have ended");
  expect(server.log.filter(({ status }) => status >= 500)).toEqual([]);
  expect(new Set(server.log.map(({ status }) => status)).size).toBeGreaterThan(4);
  // Nothing holds it up.
  const isClosed = server.close().then(() => true);
  expect(await Promise.race([isClosed, new Promise((resolve) => setTimeout(resolve, 5_000))])).toBe(true);
});

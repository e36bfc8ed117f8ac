/**
 * Limits of connections (docs/spec/key-service-api.md 1.3 and 1.4): how many there are, how long one is kept, how many
 * headers and requests one may send, what all of them may hold, and how long a shutdown waits.
 */
import { IncomingMessage, ServerResponse } from "node:http";
import { connect, Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { Connections } from "../../src/server/node/connections.ts";
import { parseAnswer, startServer, type TestServer } from "../support/server.ts";
import { eventually, openTestHost } from "../support/vaults.ts";

// Small, so that a test can reach them.
vi.mock("../../src/server/limits.ts", async (original) => ({
  ...(await original<object>()),
  CONNECTIONS_MAX: 4,
  DRAIN_MS: 50,
  HEADERS_TIMEOUT_MS: 300,
  KEEP_ALIVE_MS: 2_000,
  PIPELINED_TOTAL_MAX: 3,
  REQUESTS_PER_SOCKET_MAX: 3,
  SHUTDOWN_MS: 100,
}));

const GET = (path: string, headers = ""): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`;

/** A connection that notes whether it was closed and what came on it. */
function open(server: TestServer): { socket: Socket; text: () => string; isClosed: () => boolean } {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let text = "";
  let isClosed = false;
  socket.on("error", () => {}); // A reset is one way of being closed.
  socket.on("close", () => {
    isClosed = true;
  });
  socket.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return { socket, text: () => text, isClosed: () => isClosed };
}

/** A server whose `/readyz` never answers, and how many such requests it has begun. */
async function hangingServer(): Promise<{ server: TestServer; begun: () => number }> {
  const host = await openTestHost();
  let count = 0;
  host.writable = () => {
    count += 1;
    return new Promise(() => {});
  };
  return { server: await startServer({ host }), begun: () => count };
}

test("[API-52] one connection too many takes the place of the idle one; if none is idle, it is refused", async () => {
  const { server, begun } = await hangingServer();
  const idle = open(server);
  await new Promise((resolve) => idle.socket.once("connect", resolve));
  const busy = Array.from({ length: 4 }, () => open(server));
  for (const { socket } of busy) socket.write(GET("/readyz"));
  await eventually(() => begun() === 4 && idle.isClosed(), "the idle one has made room");
  const more = open(server);
  await eventually(more.isClosed, "the next is refused");
  // The time for headers, too, ends a connection that says nothing: with an answer.
  expect([idle.text(), more.text()]).toEqual(["", ""]);
  expect(busy.map(({ isClosed }) => isClosed())).toEqual([false, false, false, false]);
});

test("[API-50] where too many requests wait on all connections together, the one that sends more is cut off", async () => {
  const { server, begun } = await hangingServer();
  const first = open(server);
  first.socket.write(GET("/readyz").repeat(3));
  await eventually(() => begun() === 1, "two wait behind the first");
  const over = open(server);
  over.socket.write(GET("/readyz").repeat(3));
  await eventually(over.isClosed, "of two more, one is too many");
  // What waited on it is counted no more: there is room for one.
  const third = open(server);
  third.socket.write(GET("/readyz").repeat(2));
  await eventually(() => begun() === 3, "one more waits");
  const full = open(server);
  full.socket.write(GET("/readyz").repeat(2));
  await eventually(full.isClosed, "for another there is no room");
  expect([first.isClosed(), third.isClosed()]).toEqual([false, false]);
});

test("[API-51] unsent answers of more than 64 MiB: the connection whose answer waits longest is cut off", () => {
  const connections = new Connections(10);
  /** A connection whose client does not read its answer. */
  const unread = (mebibytes: number): Socket => {
    const socket = new Socket();
    connections.opened(socket);
    const request = new IncomingMessage(socket);
    const response = new ServerResponse(request);
    Object.defineProperty(response, "writableLength", { value: mebibytes * 1024 * 1024 });
    connections.asked(request, response, () => connections.answered(request, response));
    return socket;
  };
  const sockets = [unread(40), unread(24)];
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  sockets.push(unread(1));
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
  expect(unread(65).destroyed).toBe(true);
  for (const socket of sockets) socket.destroy();
});

test("[API-54] a shutdown does not wait for ever for a request that is never answered", async () => {
  const { server, begun } = await hangingServer();
  const hanging = open(server);
  hanging.socket.write(GET("/readyz"));
  await eventually(() => begun() === 1, "it has begun");
  await server.close();
  await eventually(hanging.isClosed, "its connection is cut");
  expect(hanging.text()).toBe("");
});

test("a body that does not end after its request was refused is not waited for", async () => {
  const server = await startServer();
  const { socket, text, isClosed } = open(server);
  socket.write("POST /vault/v1/kv HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n");
  // It is never idle: only the wait for the rest of the body has an end.
  const sending = setInterval(() => socket.write("{"), 10);
  onTestFinished(() => clearInterval(sending));
  await eventually(isClosed, "it is hung up on");
  expect(parseAnswer(text()).status).toBe(401);
});

test("[API-9] headers that do not end are 408, long before the time for a whole request is over", async () => {
  const server = await startServer();
  const answer = parseAnswer(await server.raw("GET /healthz HTTP/1.1\r\nhost: x\r\nx: "));
  expect([answer.status, answer.body.code]).toEqual([408, "ERR_REQUEST_TIMEOUT"]);
});

test("an answer tells how long its connection is kept, and for how many requests", async () => {
  const server = await startServer();
  const text = await server.raw(GET("/healthz"), (received) => received.includes('"ok"'));
  expect(parseAnswer(text).headers.get("keep-alive")).toBe("timeout=2, max=3");
});

test("the last request that a connection may send is told so", async () => {
  const server = await startServer();
  const text = await server.raw(GET("/healthz").repeat(3), (received) => received.split('"ok"').length > 3);
  expect([...text.matchAll(/^connection: (.+)\r$/gim)].map((match) => match[1])).toEqual([
    "keep-alive",
    "keep-alive",
    "close",
  ]);
});

test("100 headers are read, and none behind them", async () => {
  const server = await startServer();
  const statusWith = async (count: number): Promise<number> => {
    const others = Array.from({ length: count - 3 }, (_, i) => `x-${i}: y\r\n`).join("");
    const headers = `connection: close\r\n${others}authorization: Bearer ${server.key}\r\n`;
    return parseAnswer(await server.raw(GET("/coffer/v1/status", headers))).status;
  };
  expect(await statusWith(100)).toBe(200);
  // By its version, Node refuses the request or leaves out the header behind the last one.
  expect([401, 431]).toContain(await statusWith(101));
});

/** Both senders keep the same guarantees: what is believed of an answer, what ends an attempt, what an error tells. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { failureToSend } from "../../src/http/attempts.ts";
import { HERE_SENDER } from "../../src/http/built-in.ts";
import { isFetchUntouched } from "../../src/http/fetch-untouched.ts";
import { nodeSender } from "../../src/http/node-sender.ts";
import { fetchSender, type Sender } from "../../src/http/sender.ts";
import { rejectionOf } from "../support/errors.ts";

vi.mock("../../src/http/limits.ts", async (original) => ({
  ...(await original<object>()),
  ANSWER_BYTES_MAX: 10_000,
  CONNECT_MS_MAX: 200,
}));

const byNode = nodeSender((id) => process.getBuiltinModule(id) as never);
const SENDERS: [string, Sender][] = [
  ["node:http", byNode],
  ["fetch", fetchSender(fetch)],
];

const open: { close(): void }[] = [];
afterEach(() => {
  for (const { close } of open.splice(0)) close();
  vi.unstubAllGlobals();
});

async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: URL; server: Server }> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/x?a=1`), server };
}

/** A server of bytes. */
async function serveBytes(answer: string | undefined): Promise<URL> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    if (answer !== undefined) socket.once("data", () => socket.end(answer));
    open.push({ close: () => socket.destroy() });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => server.close() });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

const never = () => new AbortController().signal;
const get = (signal = never()) => ({ method: "GET", headers: { accept: "application/json" }, signal });
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

describe.each(SENDERS)("%s", (name, send) => {
  test("sends method, path, headers and body, and reads status, headers and body", async () => {
    let asked: unknown;
    const { url } = await serve((request, response) => {
      let body = "";
      request.on("data", (part) => {
        body += part;
      });
      request.on("end", () => {
        const { host: _, connection: __, ...headers } = request.headers;
        asked = { method: request.method, url: request.url, headers, body };
        response.writeHead(201, { "x-a": ["1", "2"], "content-type": "application/json" });
        response.write('{"a":');
        setTimeout(() => response.end('"ü"}'), 5);
      });
    });
    const answer = await send(url, {
      method: "POST",
      headers: { "x-mine": "yes", "user-agent": "coffer" },
      body: '{"k":"ü"}',
      signal: never(),
    });
    expect(asked).toMatchObject({
      method: "POST",
      url: "/v1/x?a=1",
      body: '{"k":"ü"}',
      headers: {
        "x-mine": "yes",
        "user-agent": "coffer",
        "content-length": "10",
        "cache-control": "no-cache",
      },
    });
    expect(answer.status).toBe(201);
    expect(answer.headers.get("x-a")).toBe("1, 2");
    expect(answer.headers.get("x-none")).toBeNull();
    expect(text(answer.body)).toBe('{"a":"ü"}');
  });

  test.each(["POST", "DELETE"])("a %s without a body says so", async (method) => {
    let headers: IncomingMessage["headers"] = {};
    const { url } = await serve((request, response) => {
      headers = request.headers;
      response.end();
    });
    const { body } = await send(url, { method, headers: {}, signal: never() });
    expect(body).toHaveLength(0);
    expect(headers["transfer-encoding"]).toBeUndefined();
    expect(headers["content-length"] ?? "0").toBe("0");
  });

  test("follows no redirect, and reads none", async () => {
    let requests = 0;
    const { url } = await serve((_, response) => {
      requests += 1;
      response.writeHead(307, { location: "/elsewhere" });
      response.write("x".repeat(20_000));
    });
    expect(await send(url, get())).toMatchObject({ status: 307, body: new Uint8Array(0) });
    expect(requests).toBe(1);
  });

  test("reads no more than an answer may have", async () => {
    const { url } = await serve((_, response) => {
      response.writeHead(200);
      const more = setInterval(() => response.write("x".repeat(4_000)), 1);
      response.on("close", () => clearInterval(more));
    });
    expect(await rejectionOf(() => send(url, get()))).toMatchObject({ code: "ERR_SERVICE_BAD_RESPONSE" });
  });

  test.each([
    ["ends before its length", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}"],
    ["ends within a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}"],
    ["ends before its headers do", "HTTP/1.1 200 OK\r\ncontent-le"],
    ["is none", ""],
    ["is not HTTP", "SSH-2.0-x\r\n\r\n"],
    ["changes the protocol", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"],
    ["has two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} "],
  ])("an answer that %s is an error, and may have been acted upon", async (_, answer) => {
    const url = await serveBytes(answer);
    const error = await rejectionOf(() => send(url, get()));
    expect(error).toBeInstanceOf(Error);
    expect(failureToSend(error).mayHaveActed).toBe(true);
  });

  test("an answer without a length ends with its connection", async () => {
    const url = await serveBytes("HTTP/1.1 200 OK\r\n\r\n{}");
    expect(text((await send(url, get())).body)).toBe("{}");
  });

  test("tells that nothing was sent where no server listens", async () => {
    const { url, server } = await serve(() => {});
    await new Promise((resolve) => server.close(resolve));
    expect(failureToSend(await rejectionOf(() => send(url, get()))).mayHaveActed).toBe(false);
  });

  test("an abort ends it at once with its reason: before, while it waits, while it reads", async () => {
    const { url } = await serve((request, response) => {
      if (request.url === "/body") {
        response.writeHead(200);
        response.write("{");
      }
    });
    const reason = new Error("enough");
    await expect(send(url, get(AbortSignal.abort(reason)))).rejects.toBe(reason);
    for (const path of ["/head", "/body"]) {
      const controller = new AbortController();
      const sent = send(new URL(path, url), get(controller.signal));
      setTimeout(() => controller.abort(reason), 30);
      await expect(sent).rejects.toBe(reason);
    }
  });

  test("keeps a connection for the next request, and no listener on a signal that lives on", async () => {
    const ports = new Set<number | undefined>();
    const { url } = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      response.end("{}");
    });
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, "removeEventListener");
    const add = vi.spyOn(signal, "addEventListener");
    for (let i = 0; i < 5; i++) await send(url, get(signal));
    // `fetch` may not be done with the first when the second begins.
    expect(ports.size).toBeLessThan(name === "fetch" ? 3 : 2);
    if (name === "node:http") expect(remove).toHaveBeenCalledTimes(add.mock.calls.length);
  });
});

describe("node:http alone", () => {
  test("gives a connection up that does not come: nothing was sent", async () => {
    // Takes the connection and never answers to TLS.
    const url = await serveBytes(undefined);
    url.protocol = "https:";
    const error = await rejectionOf(() => byNode(new URL(`https://${url.host}/`), get()));
    expect(failureToSend(error).mayHaveActed).toBe(false);
  });

  test("a server that speaks no TLS gets nothing", async () => {
    const { url } = await serve((_, response) => response.end("{}"));
    expect(await rejectionOf(() => byNode(new URL(`https://${url.host}/`), get()))).toBeInstanceOf(Error);
  });

  test("reaches an address of IPv6", async () => {
    const server = createServer((_, response) => response.end("six"));
    await new Promise<void>((resolve) => server.listen(0, "::1", resolve));
    open.push({ close: () => server.close() });
    const { port } = server.address() as AddressInfo;
    expect(text((await byNode(new URL(`http://[::1]:${port}/`), get())).body)).toBe("six");
    server.closeAllConnections();
  });
});

describe("what a program has made of fetch counts", () => {
  const symbol = Symbol.for("undici.globalDispatcher.1");
  const globals = (dispatcher?: unknown) => ({ fetch, [symbol]: dispatcher });
  /** Node's own dispatcher, which its first `fetch` makes. */
  const ownDispatcher = async (): Promise<object> => {
    await fetch("data:,");
    return (globalThis as unknown as Record<symbol, object>)[symbol]!;
  };

  test("fetch as Node made it, before and after its first use", async () => {
    expect(isFetchUntouched(globals())).toBe(true);
    expect(isFetchUntouched(globals(await ownDispatcher()))).toBe(true);
    expect(isFetchUntouched(globalThis)).toBe(true);
  });

  test("a proxy, an interceptor, certificates of its own, a mock, or no fetch at all", async () => {
    const own = await ownDispatcher();
    class ProxyAgent {
      dispatch(): void {}
    }
    expect(isFetchUntouched(globals(new ProxyAgent()))).toBe(false);
    const composed = new Proxy(own, {
      get: (target, key) => (key === "dispatch" ? () => true : Reflect.get(target, key)),
    });
    expect(isFetchUntouched(globals(composed))).toBe(false);
    const Agent = own.constructor as new (options: object) => object;
    if (Agent.name === "Agent") {
      expect(isFetchUntouched(globals(new Agent({ connect: { ca: "x" } })))).toBe(false);
      expect(isFetchUntouched(globals(new Agent({ connections: 1 })))).toBe(false);
    }
    expect(isFetchUntouched({ fetch: async () => new Response() })).toBe(false);
    expect(isFetchUntouched({ fetch: (...args: [string]) => fetch(...args) })).toBe(false);
    expect(isFetchUntouched({})).toBe(false);
  });

  test("is asked for each request", async () => {
    const { url } = await serve((_, response) => response.end("server"));
    expect(text((await HERE_SENDER(url, get())).body)).toBe("server");
    vi.stubGlobal("fetch", async () => new Response("mock"));
    expect(text((await HERE_SENDER(url, get())).body)).toBe("mock");
    vi.unstubAllGlobals();
    expect(text((await HERE_SENDER(url, get())).body)).toBe("server");
  });
});

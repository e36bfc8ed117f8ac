/**
 * The sender of Node: `node:http` and `node:https` with connections that are kept, at a third of the processor time of `fetch`.
 *
 * Owns how a request goes over these modules, and the connections. It keeps what `fetch` keeps: no answer is believed that has
 * not come whole, none is read beyond its limit, and an abort ends it at once. Must not know when it is chosen.
 *
 * @module
 */
import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { type Bytes, concatBytes } from "../base/bytes.ts";
import { badResponse } from "../wire/bodies.ts";
import { ANSWER_BYTES_MAX, CONNECT_MS_MAX, IDLE_CONNECTION_MS } from "./limits.ts";
import { isRedirect, type Sender, type SentAnswer, type SentRequest } from "./sender.ts";

type Modules = {
  readonly "node:http": typeof import("node:http");
  readonly "node:https": typeof import("node:https");
};

/** One of the two modules, with the connections that it keeps. */
interface Client {
  readonly module: Pick<Modules["node:http"], "request">;
  readonly agent: Agent;
  /** The event of a socket by which a new connection is ready for the request. */
  readonly ready: "connect" | "secureConnect";
}

/** @param load - a module of Node's by its name, once it is needed */
export function nodeSender(load: <K extends keyof Modules>(id: K) => Modules[K]): Sender {
  const connections = { keepAlive: true, scheduling: "lifo", timeout: IDLE_CONNECTION_MS } as const;
  let plain: Client | undefined;
  let secure: Client | undefined;
  const makePlain = (): Client => {
    const module = load("node:http");
    return { module, agent: new module.Agent(connections), ready: "connect" };
  };
  const makeSecure = (): Client => {
    const module = load("node:https");
    return { module, agent: new module.Agent(connections), ready: "secureConnect" };
  };
  return (url, request) => {
    if (url.protocol === "https:") secure ??= makeSecure();
    else plain ??= makePlain();
    return send(url.protocol === "https:" ? secure! : plain!, url, request);
  };
}

function send(
  { module, agent, ready }: Client,
  url: URL,
  { signal, ...sent }: SentRequest,
): Promise<SentAnswer> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const request = module.request({
      agent,
      protocol: url.protocol,
      // Without the brackets of an IPv6 address.
      hostname: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port,
      path: url.pathname + url.search,
      method: sent.method,
      headers: {
        ...sent.headers,
        // As `fetch` with `cache: "no-store"`.
        "cache-control": "no-cache",
        pragma: "no-cache",
        // What is not asked for need not be unpacked.
        "accept-encoding": "identity",
      },
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isDone = false;
    let isConnected = false;
    const release = (): void => {
      isDone = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: unknown): void => {
      if (isDone) return;
      release();
      reject(error);
      request.destroy();
    };
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    request.once("socket", (socket) => {
      isConnected = request.reusedSocket;
      if (isConnected) return;
      timer = setTimeout(
        () => fail(notConnected(`no connection within ${CONNECT_MS_MAX} ms`)),
        CONNECT_MS_MAX,
      );
      socket.once(ready, () => {
        isConnected = true;
        clearTimeout(timer);
      });
    });
    // Also after its end, when an error means nothing any more.
    request.on("error", (error) => fail(isConnected ? error : notConnected("no connection", error)));
    // A connection that the service wants for something else (status 101) is closed without an error.
    request.once("close", () => {
      if (!isDone) fail(new Error("the connection was closed before an answer came"));
    });
    request.once("response", (response) => {
      readAnswer(request, response, fail, (answer) => {
        release();
        resolve(answer);
      });
    });
    request.end(sent.body);
  });
}

function readAnswer(
  request: ClientRequest,
  response: IncomingMessage,
  fail: (error: unknown) => void,
  done: (answer: SentAnswer) => void,
): void {
  const status = response.statusCode!;
  const headers = { get: (name: string) => headerOf(response, name) };
  response.on("error", fail);
  if (isRedirect(status)) {
    done({ status, headers, body: new Uint8Array(0) });
    request.destroy();
    return;
  }
  const parts: Bytes[] = [];
  let length = 0;
  response.on("data", (part: Buffer<ArrayBuffer>) => {
    length += part.length;
    if (length > ANSWER_BYTES_MAX) return fail(badResponse(`it has more than ${ANSWER_BYTES_MAX} bytes`));
    parts.push(part);
  });
  response.once("end", () => {
    done({ status, headers, body: parts.length === 1 ? parts[0]! : concatBytes(...parts) });
  });
}

/** A header that was given several times is the list of all, as of `fetch`. */
function headerOf({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name];
  return (Array.isArray(value) ? value.join(", ") : value) ?? null;
}

/** With a code by which nothing was sent. */
function notConnected(message: string, cause?: Error): Error {
  return Object.assign(new Error(message, { cause }), { code: "ERR_NOT_CONNECTED" });
}

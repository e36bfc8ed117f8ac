/**
 * The listener on Node: sockets, timeouts, limits, graceful shutdown.
 *
 * Owns what lies below a request, and when its answer is begun. Must not know the API.
 *
 * @module
 */
import { createServer, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { VaultError } from "../errors.ts";
import { type App, JSON_HEADERS, newRequestId } from "./app.ts";
import {
  CONNECTIONS_MAX,
  DRAIN_MS,
  HEADER_BYTES_MAX,
  HEADERS_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  REQUESTS_PER_SOCKET_MAX,
  SHUTDOWN_MS,
} from "./limits.ts";
import { NodeAsked, send } from "./node-exchange.ts";
import { invalidRequest, Problem, problemBody } from "./problems.ts";

export interface ListenOptions {
  /** Default 127.0.0.1: nobody else's machine. */
  readonly host?: string | undefined;
  /** 0 for any that is free; default 8200. */
  readonly port?: number | undefined;
}

/** A server that listens. */
export interface Listening {
  /** `http://host:port` */
  readonly url: string;
  /**
   * Takes no more connections, lets requests under way finish for up to 10 s, then closes what is left.
   */
  close(): Promise<void>;
}

/** The port unless told otherwise. Ours. */
export const PORT_DEFAULT = 8200;
export const HOST_DEFAULT = "127.0.0.1";

/** A path segment that means "this" or "up", written in any way that a URL parser would collapse. */
const DOT_SEGMENT = /\/(\.|%2e){1,2}(?=\/|\?|$)/i;
/** A URL parser takes the first for a slash and cuts at the second. (What is not ASCII, Node's parser refuses.) */
const MISREAD = /[\\#]/;

/**
 * Serves an app.
 *
 * @throws VaultError ERR_UNSUPPORTED if the address is taken or not allowed
 */
export async function listen(app: App, options: ListenOptions = {}): Promise<Listening> {
  const misleading = invalidRequest('A path segment must not be "." or "..", nor hold "\\" or "#".');
  /** What is being answered on a connection. */
  const answering = new WeakMap<Socket, ServerResponse>();
  /** Connections on which something was not HTTP. */
  const refused = new WeakSet<Socket>();
  const begin = inTurns(app.atOnce);
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1_000,
      // Node would drop the second of two Authorization headers: others may have read the first.
      joinDuplicateHeaders: true,
    },
    (request, response) => {
      answering.set(request.socket, response);
      const asked = new NodeAsked(request, response);
      // A URL parser turns these into other paths: what was asked for must be refused as it was asked.
      const { target } = asked;
      const path = target.split("?", 1)[0] as string;
      const refusal = DOT_SEGMENT.test(path) || MISREAD.test(target) ? misleading : undefined;
      begin(() => {
        app.answer(asked, refusal).then(
          (answer) => {
            // A server that is shutting down says so in the last answer of a connection.
            if (!server.listening && answering.get(request.socket) === response)
              response.shouldKeepAlive = false;
            send(answer, request, response);
          },
          () => request.destroy(),
        );
      });
    },
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (refused.has(socket)) return; // What comes behind is as little understood.
    refused.add(socket);
    const text = unreadable(error);
    const last = answering.get(socket);
    if (last === undefined || (last.req.complete && last.writableFinished)) hangUp(socket, text);
    // It came behind a whole request, which would take this for its answer.
    else if (last.req.complete) last.once("finish", () => hangUp(socket, text));
    // It broke off: this is its answer, unless it has one, or others wait for theirs before it.
    else hangUp(socket, last.headersSent || last.socket === null ? "" : text);
  });
  server.maxHeadersCount = HEADERS_MAX;
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX;
  server.maxConnections = CONNECTIONS_MAX;
  const host = options.host ?? HOST_DEFAULT;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(new VaultError("ERR_UNSUPPORTED", `cannot listen on this address (${cause.code})`, { cause }));
    });
    server.listen(options.port ?? PORT_DEFAULT, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
    close: () => shutDown(server),
  };
}

/** The answer to what could not be read as a request. */
function unreadable(error: NodeJS.ErrnoException): string {
  let problem = invalidRequest("The request is not valid HTTP.");
  if (error.code === "HPE_HEADER_OVERFLOW") {
    problem = new Problem(
      431,
      "ERR_REQUEST_TOO_LARGE",
      `The headers have more than ${HEADER_BYTES_MAX} bytes.`,
    );
  } else if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    problem = new Problem(408, "ERR_REQUEST_TIMEOUT", "The request did not come in time.");
  }
  const body = problemBody(problem);
  const headers = {
    ...JSON_HEADERS,
    "x-request-id": newRequestId(),
    "content-length": String(body.length),
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join("")}\r\n${body}`;
}

/** Says the last on a connection. A client that does not hang up in time is cut off. */
function hangUp(socket: Socket, text: string): void {
  if (socket.writable) socket.end(text);
  setTimeout(() => socket.destroy(), DRAIN_MS).unref();
}

/**
 * Begins together what has come in one turn of the event loop: behind its reading of sockets, so that whole bodies are there.
 */
function inTurns(atOnce: (work: () => void) => void): (begin: () => void) => void {
  let waiting: (() => void)[] = [];
  const run = (): void => {
    const turn = waiting;
    waiting = [];
    atOnce(() => {
      for (const begin of turn) begin();
    });
  };
  return (begin) => {
    if (waiting.push(begin) === 1) setImmediate(run);
  };
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => server.closeAllConnections(), SHUTDOWN_MS);
    force.unref();
    server.close(() => {
      clearTimeout(force);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * The listener on Node: sockets, timeouts, limits, graceful shutdown.
 *
 * Owns what lies below a request, and when its answer is begun. Must not know the API.
 *
 * @module
 */

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
// The module's own: tests that fake the global timers do not mean a turn of the event loop.
import { setImmediate } from "node:timers";
import { checkOptions, optionNames } from "../../base/options.ts";
import { VaultError } from "../../errors.ts";
import { type App, JSON_HEADERS, newRequestId } from "../app.ts";
import { invalidRequest, Problem, problemBody } from "../core/problems.ts";
import {
  CONNECTIONS_MAX,
  DRAIN_MS,
  FILES_RESERVED,
  HEADER_BYTES_MAX,
  HEADERS_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  REQUESTS_PER_SOCKET_MAX,
  SHUTDOWN_MS,
} from "../limits.ts";
import { Connections } from "./connections.ts";
import { NodeRequest, send } from "./exchange.ts";

/** How to listen. */
export interface ListenOptions {
  /** Default 127.0.0.1: this machine only. */
  readonly host?: string | undefined;
  /** 0 for any that is free; default 8200. */
  readonly port?: number | undefined;
  /** Processes that listen there together: each has its part of what may be held at once. Default 1. */
  readonly processes?: number | undefined;
}

/** Names of {@link ListenOptions}. */
const LISTEN_OPTIONS = optionNames<ListenOptions>({ host: true, port: true, processes: true });

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
/** Where it listens unless told otherwise: this machine only. */
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
  checkOptions(options, LISTEN_OPTIONS, "listen");
  const misleading = invalidRequest('A path segment must not be "." or "..", nor hold "\\" or "#".');
  const hostless = invalidRequest("The request has no Host header.");
  const unexpected = invalidRequest("Of expectations only 100-continue is met.", 417);
  const connections = new Connections(connectionsMax(), options.processes ?? 1);
  const begin = beginTogether();
  const answer = (request: IncomingMessage, response: ServerResponse, found?: Problem): void => {
    const coreRequest = new NodeRequest(request, response, connections.bodies);
    // A URL parser turns these into other paths: what was asked for must be refused as it was asked.
    const { target } = coreRequest;
    const path = target.split("?", 1)[0] as string;
    const refusal = DOT_SEGMENT.test(path) || MISREAD.test(target) ? misleading : found;
    app.answer(coreRequest, refusal).then(
      (answer) => {
        coreRequest.release();
        // A server that is shutting down says so in the last answer of a connection.
        if ((!server.listening && connections.last(request.socket) === response) || refusal === hostless)
          response.shouldKeepAlive = false;
        send(answer, request, response);
        connections.answered(request, response);
      },
      () => {
        coreRequest.release();
        request.destroy();
      },
    );
  };
  const ask = (request: IncomingMessage, response: ServerResponse, found?: Problem): void => {
    connections.asked(request, response, () => begin(() => answer(request, response, found)));
  };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1_000,
      // Node would drop the second of two Authorization headers: others may have read the first.
      joinDuplicateHeaders: true,
      // Node's own answers to these would come out of turn and say nothing.
      requireHostHeader: false,
    },
    (request, response) => {
      const isHostless = request.httpVersion === "1.1" && request.headers.host === undefined;
      ask(request, response, isHostless ? hostless : undefined);
    },
  );
  server.on("checkExpectation", (request, response) => ask(request, response, unexpected));
  server.on("connection", (socket: Socket) => connections.opened(socket));
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!connections.refuse(socket)) return; // What comes behind is as little understood.
    const text = unreadable(error);
    const last = connections.last(socket);
    if (last === undefined || (last.req.complete && last.writableFinished)) hangUp(socket, text);
    // It came behind a whole request, which would take this for its answer.
    else if (last.req.complete) last.once("finish", () => hangUp(socket, text));
    // It broke off: this is its answer, unless it has one, or others wait for theirs before it.
    else hangUp(socket, last.headersSent || last.socket === null ? "" : text);
  });
  server.maxHeadersCount = HEADERS_MAX;
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX;
  const host = options.host ?? HOST_DEFAULT;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(new VaultError("ERR_UNSUPPORTED", `cannot listen on this address (${cause.code})`, { cause }));
    });
    server.listen(options.port ?? PORT_DEFAULT, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: urlOf(host, port),
    close: () => shutDown(server),
  };
}

/** The URL of an address. */
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Connections at once: as many as the process may open files for. */
function connectionsMax(): number {
  // The report has no such limits on Windows, where there are none.
  const { userLimits } = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } };
  };
  const files = Number(userLimits?.open_files?.soft ?? Number.NaN);
  return Number.isNaN(files)
    ? CONNECTIONS_MAX
    : Math.max(1, Math.min(CONNECTIONS_MAX, files - FILES_RESERVED));
}

/** The answer to what could not be read as a request. */
function unreadable(error: NodeJS.ErrnoException): string {
  let problem = invalidRequest("The request is not valid HTTP.");
  if (error.code === "HPE_HEADER_OVERFLOW") {
    problem = new Problem(
      431,
      "ERR_REQUEST_TOO_LARGE",
      // Node tells both by one code.
      `The request has more than ${HEADERS_MAX} headers, or more than ${HEADER_BYTES_MAX} bytes of them.`,
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
function beginTogether(): (begin: () => void) => void {
  let waiting: (() => void)[] = [];
  const run = (): void => {
    const turn = waiting;
    waiting = [];
    for (const begin of turn) begin();
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

/**
 * The listener on Node: sockets, timeouts, limits, graceful shutdown.
 *
 * Owns what lies below a `Request`. Must not know the API.
 *
 * @module
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { VaultError } from "../errors.ts";
import type { App } from "./app.ts";
import {
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  HEADERS_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  REQUEST_TIMEOUT_MS,
  REQUESTS_PER_SOCKET_MAX,
  SHUTDOWN_MS,
} from "./limits.ts";
import { invalidRequest, problemBody } from "./problems.ts";

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

/**
 * Serves an app.
 *
 * @throws VaultError ERR_UNSUPPORTED if the address is taken or not allowed
 */
export async function listen(app: App, options: ListenOptions = {}): Promise<Listening> {
  const answer = getRequestListener((request) => app.fetch(request), { overrideGlobalObjects: false });
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      // A URL parser turns these into other paths: what was asked for must be refused as it was asked.
      if (DOT_SEGMENT.test(pathOf(request))) return refuse(response);
      answer(request, response);
    },
  );
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

function pathOf(request: IncomingMessage): string {
  return request.url as string;
}

function refuse(response: ServerResponse): void {
  const problem = invalidRequest('A path segment must not be "." or "..".');
  response.writeHead(problem.status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(problemBody(problem));
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

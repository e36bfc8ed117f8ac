/**
 * Servers for tests: a listener on a free port of this machine, with API keys, a captured log, and ways to ask it.
 *
 * Owns what is started here and stops it after the file's tests. Must not know what the tests ask.
 *
 * @module
 */
import { connect } from "node:net";
import { afterAll } from "vitest";
import { type AppOptions, createApp, type LogEntry } from "../../src/server/app.ts";
import { type Listening, listen } from "../../src/server/node/listener.ts";
import { PERMISSIONS, type Permission, type VaultHost } from "../../src/vault/index.ts";
import { openTestHost } from "./vaults.ts";

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

export interface CallOptions {
  /** The API key; null for none. */
  readonly key?: string | null;
  readonly headers?: Record<string, string>;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
}

/** A server that listens. */
export class TestServer {
  readonly host: VaultHost;
  readonly environmentId: string;
  /** All that was logged. */
  readonly log: LogEntry[];
  /** An API key with every permission. */
  readonly key: string;
  readonly #listening: Listening;

  constructor(host: VaultHost, environmentId: string, log: LogEntry[], key: string, listening: Listening) {
    this.host = host;
    this.environmentId = environmentId;
    this.log = log;
    this.key = key;
    this.#listening = listening;
  }

  get url(): string {
    return this.#listening.url;
  }

  /** Makes an API key. */
  async apiKey(
    permissions: readonly Permission[] = PERMISSIONS,
    { constraints, environment }: { constraints?: Record<string, string>; environment?: string } = {},
  ): Promise<string> {
    const { id } =
      environment === undefined ? { id: this.environmentId } : await this.host.environment(environment);
    return (await this.host.apiKeys.create(id, { name: "test", permissions, constraints })).key;
  }

  /** Asks, with the key of every permission unless told otherwise. */
  async call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const key = options.key === undefined ? this.key : options.key;
    const payload = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(this.url + path, {
      method,
      redirect: "manual",
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(payload === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
    });
    return answerOf(response.status, response.headers, await response.text());
  }

  /** Sends bytes as they are and reads until the server closes, or `isEnough` says so. */
  raw(
    bytes: string | Uint8Array,
    isEnough: (received: string) => boolean = () => false,
    end: "half-close" | "keep" = "keep",
  ): Promise<string> {
    const { hostname, port } = new URL(this.url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
      let received = "";
      const done = (): void => {
        socket.destroy();
        resolve(received);
      };
      socket.setEncoding("utf8");
      socket.on("data", (text: string) => {
        received += text;
        if (isEnough(received)) done();
      });
      socket.on("end", done);
      socket.on("close", done);
      socket.on("error", (error: NodeJS.ErrnoException) => {
        // What was answered before the server hung up counts.
        if (received !== "" || error.code === "ECONNRESET" || error.code === "EPIPE") done();
        else reject(error);
      });
      socket.write(bytes);
      if (end === "half-close") socket.end();
    });
  }

  /** One request with exactly this target, past every client's URL parser. */
  async rawTarget(method: string, target: string, key: string = this.key): Promise<Answer> {
    const text = await this.raw(
      `${method} ${target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\nconnection: close\r\n\r\n`,
    );
    return parseAnswer(text);
  }

  close(): Promise<void> {
    return this.#listening.close();
  }
}

const running: { close(): Promise<void> }[] = [];

afterAll(async () => {
  for (const server of running.reverse()) await server.close();
  running.length = 0;
});

/** Starts a server over a host, which is closed after the tests; without one, in memory. */
export async function startServer(
  options: Partial<AppOptions> & { port?: number } = {},
): Promise<TestServer> {
  const host = options.host ?? (await openTestHost());
  running.push(host);
  const { id } = await host.environment("default");
  const log: LogEntry[] = [];
  const app = createApp({ log: (entry) => log.push(entry), ...options, host });
  const { key } = await host.apiKeys.create(id, { name: "all", permissions: PERMISSIONS });
  const listening = await listen(app, { port: options.port ?? 0 });
  running.push(listening);
  return new TestServer(host, id, log, key, listening);
}

/** Reads an answer from the text of a connection that has been closed after it. */
export function parseAnswer(text: string): Answer {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [status = "", ...lines] = head.split("\r\n");
  const headers = new Headers();
  for (const line of lines)
    headers.append(line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1));
  let body = rest.join("\r\n\r\n");
  if (headers.get("transfer-encoding") === "chunked")
    body = body.replace(/(^|\r\n)[0-9a-f]+\r\n/g, "").trim();
  return answerOf(Number(status.split(" ")[1]), headers, body);
}

function answerOf(status: number, headers: Headers, text: string): Answer {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {}
  return { status, headers, text, body };
}

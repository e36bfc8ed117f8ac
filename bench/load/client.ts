/**
 * A load generator: many connections, each sending its next request when the last answer has come.
 *
 * Owns raw HTTP/1.1 over sockets, as little as it takes, because a full client would cost more than the server that is
 * measured. Must not know what is asked.
 *
 * @module
 */
import { connect, type Socket } from "node:net";

/** One request, ready to be sent. */
export type MakeRequest = (index: number) => Buffer;

export interface LoadResult {
  readonly requests: number;
  readonly failures: number;
  readonly seconds: number;
  /** Milliseconds, in order of size. */
  readonly latencies: readonly number[];
}

/** Builds a request's bytes. */
export function requestBytes(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | undefined,
): Buffer {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    "host: bench",
    ...Object.entries(headers).map(([n, v]) => `${n}: ${v}`),
  ];
  if (body !== undefined)
    lines.push("content-type: application/json", `content-length: ${Buffer.byteLength(body)}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body ?? ""}`);
}

/** How long a load lasts: a time, or a number of requests. */
export type Amount = { readonly ms: number } | { readonly requests: number };

/** Sends requests over some connections at once. */
export async function load(
  port: number,
  connections: number,
  amount: Amount,
  make: MakeRequest,
): Promise<LoadResult> {
  const latencies: number[] = [];
  let failures = 0;
  let index = 0;
  const startedAt = performance.now();
  const isOver = (): boolean =>
    "ms" in amount ? performance.now() >= startedAt + amount.ms : index >= amount.requests;
  const one = async (): Promise<void> => {
    let connection = new Connection(await open(port));
    try {
      while (!isOver()) {
        // A server may end a connection after an answer; coffer does after some thousand.
        if (connection.isLast) {
          connection.end();
          connection = new Connection(await open(port));
        }
        const sentAt = performance.now();
        const status = await connection.ask(make(index++));
        latencies.push(performance.now() - sentAt);
        if (status < 200 || status > 299) failures += 1;
      }
    } finally {
      connection.end();
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  const seconds = (performance.now() - startedAt) / 1000;
  return { requests: latencies.length, failures, seconds, latencies: latencies.sort((a, b) => a - b) };
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
  });
}

class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answer: PromiseWithResolvers<number> | undefined;
  /** The server has said that it takes no more requests here. */
  isLast = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part: Buffer) => {
      this.#received = this.#received.length === 0 ? part : Buffer.concat([this.#received, part]);
      this.#read();
    });
    const lost = (): void => this.#answer?.reject(new Error("the connection was lost"));
    socket.on("error", lost);
    socket.on("close", lost);
  }

  ask(request: Buffer): Promise<number> {
    this.#answer = Promise.withResolvers<number>();
    this.#socket.write(request);
    return this.#answer.promise;
  }

  end(): void {
    this.#answer = undefined;
    this.#socket.destroy();
  }

  #read(): void {
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    this.#received = this.#received.subarray(end);
    this.isLast = /^connection: close\r?$/im.test(head);
    this.#answer?.resolve(Number(head.slice(9, 12)));
  }
}

/**
 * Requests and responses of `node:http` as the core knows them, without the detour over web streams.
 *
 * Owns the reading of a body, the sending of an answer, and what becomes of a body that is not read. Must not know the
 * API, nor the listener.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  bodyTooLarge,
  bodyUnreadable,
  type CoreRequest,
  type CoreResponse,
  serverBusy,
} from "../core/exchange.ts";
import type { Problem } from "../core/problems.ts";
import { DRAIN_MS } from "../limits.ts";
import type { Budget, Holding } from "./budget.ts";

/** A target that names a server too: `http://host:port/path` (RFC 9112 section 3.2.2). */
const ABSOLUTE = /^https?:\/\/[^/?]+/i;

const NO_BODY = new Uint8Array(0);

/** A request of `node:http`. */
export class NodeRequest implements CoreRequest {
  readonly method: string;
  readonly target: string;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #bodies: Budget;
  /** Bytes of a body that was there at once. */
  #taken = 0;
  /** What is held of one that came piece by piece. */
  #held: Holding | undefined;
  #gone: AbortController | undefined;

  /** @param bodies - where the body's bytes are counted until {@link release} */
  constructor(request: IncomingMessage, response: ServerResponse, bodies: Budget) {
    this.#bodies = bodies;
    this.#request = request;
    this.#response = response;
    this.method = request.method as string;
    const url = request.url as string;
    this.target = url.charCodeAt(0) === 0x2f ? url : url.replace(ABSOLUTE, "");
  }

  /** Made when it is first read: most requests never wait. */
  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      const gone = new AbortController();
      const response = this.#response;
      if (response.destroyed) gone.abort();
      else
        response.once("close", () => {
          if (!response.writableFinished) gone.abort();
        });
      this.#gone = gone;
    }
    return this.#gone.signal;
  }

  header(name: "authorization" | "content-length" | "content-type" | "idempotency-key"): string | undefined {
    return this.#request.headers[name] as string | undefined;
  }

  body(bytesMax: number): Uint8Array | Promise<Uint8Array> {
    const request = this.#request;
    if (!request.complete) {
      // It has told all that it will ever tell.
      if (request.destroyed) throw bodyUnreadable();
      return this.#collect(bytesMax);
    }
    // All of it lies in the stream's buffer, which `read` empties at once.
    const length = request.readableLength;
    if (length > bytesMax) throw bodyTooLarge(bytesMax);
    if (length === 0) return NO_BODY;
    if (!this.#bodies.take(length)) throw serverBusy();
    this.#taken = length;
    return (request.read() as Buffer | null) ?? NO_BODY;
  }

  /** The request is answered: its body is needed no more. */
  release(): void {
    this.#bodies.giveBack(this.#taken);
    this.#taken = 0;
    this.#held?.release();
  }

  /** Reads a body that is still coming. What comes of one that is not wanted is taken, and thrown away. */
  #collect(bytesMax: number): Promise<Uint8Array> {
    const request = this.#request;
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      let length = 0;
      const giveUp = (problem: Problem): void => {
        parts.length = 0;
        held.release();
        reject(problem);
      };
      const held = this.#bodies.open(() => giveUp(serverBusy()));
      this.#held = held;
      request.on("data", (part: Buffer) => {
        length += part.length;
        if (length > bytesMax) giveUp(bodyTooLarge(bytesMax));
        else if (held.grow(part.length)) parts.push(part);
        else giveUp(serverBusy());
      });
      request.once("end", () => {
        held.settle();
        resolve(Buffer.concat(parts));
      });
      // After the end these come too late to matter.
      request.once("error", () => reject(bodyUnreadable()));
      request.once("close", () => reject(bodyUnreadable()));
    });
  }
}

/** Sends an answer; to a client that has gone nothing is said. */
export function send(answer: CoreResponse, request: IncomingMessage, response: ServerResponse): void {
  const { body } = answer;
  response.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(body) });
  response.end(body); // Node leaves it out where the method is HEAD.
  if (!request.complete) drain(request, response);
}

/** Node reads on what is left of a body, so that the client can read the answer; but not for ever. */
function drain(request: IncomingMessage, response: ServerResponse): void {
  response.once("finish", () => {
    const timer = setTimeout(() => request.socket.destroySoon(), DRAIN_MS);
    timer.unref();
    const stop = (): void => clearTimeout(timer);
    request.once("end", stop);
    request.once("close", stop);
  });
}

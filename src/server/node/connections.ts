/**
 * The connections of the listener on Node: whose turn it is on each, and what all of them may hold.
 *
 * Owns the order of requests on a connection (one at a time: the next is begun when the answer before it has left), the
 * bounds on connections, on waiting requests and on unsent answers, and who goes when one is reached. Must not know HTTP
 * beyond its being requests and answers in order.
 *
 * @module
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import {
  ANSWER_BYTES_HELD_MAX,
  BODY_BYTES_HELD_MAX,
  PIPELINED_MAX,
  PIPELINED_TOTAL_MAX,
  WRITE_TIMEOUT_MS,
} from "../limits.ts";
import { Budget } from "./budget.ts";

/** One connection. */
class Connection {
  /** The answer to the request that came last, begun or not. */
  last: ServerResponse | undefined;
  /** A request is being answered, or its answer has not left yet. */
  isBusy = false;
  /** What came meanwhile. */
  readonly waiting: (() => void)[] = [];
  /** Something on it was not HTTP. */
  isRefused = false;
}

/** All connections of one listener. */
export class Connections {
  /** What of requests' bodies is held until they are answered. */
  readonly bodies: Budget;
  readonly #answers: Budget;
  readonly #connections = new WeakMap<Socket, Connection>();
  /** Those on which no request is under way, the longest idle first. What has sent half a request is among them. */
  readonly #idle = new Set<Socket>();
  readonly #max: number;
  readonly #waitingMax: number;
  #count = 0;
  #waitingCount = 0;

  /**
   * @param max - connections at once, in all processes together
   * @param processes - that serve together, of which this is one
   */
  constructor(max: number, processes = 1) {
    this.#max = Math.ceil(max / processes);
    this.#waitingMax = Math.ceil(PIPELINED_TOTAL_MAX / processes);
    this.bodies = new Budget(BODY_BYTES_HELD_MAX / processes);
    this.#answers = new Budget(ANSWER_BYTES_HELD_MAX / processes);
  }

  /** A connection was made. Where there are too many, the one that has been idle longest goes; if none is, the new one. */
  opened(socket: Socket): void {
    if (this.#count >= this.#max) {
      const [longest] = this.#idle;
      if (longest === undefined) {
        socket.destroy();
        return;
      }
      this.#idle.delete(longest);
      longest.destroy();
    }
    const connection = new Connection();
    this.#connections.set(socket, connection);
    this.#count += 1;
    this.#idle.add(socket);
    socket.once("close", () => {
      this.#count -= 1;
      this.#idle.delete(socket);
      this.#waitingCount -= connection.waiting.length;
      connection.waiting.length = 0;
    });
    // Node goes on reading when a request has ended, even after it was told to pause.
    socket.on("resume", () => {
      if (connection.waiting.length > 0) socket.pause();
    });
  }

  /** The answer to the request that came last on a connection, whether it is begun or not. */
  last(socket: Socket): ServerResponse | undefined {
    return this.#connections.get(socket)?.last;
  }

  /** Notes that something on a connection was not HTTP. @returns whether it is the first time */
  refuse(socket: Socket): boolean {
    const connection = this.#connections.get(socket);
    if (connection === undefined || connection.isRefused) return false;
    connection.isRefused = true;
    return true;
  }

  /**
   * A request has come.
   *
   * @param begin - begins to answer it: at once, or when all before it on this connection have been answered; never, if
   *   the connection is gone or asks for too much ahead
   */
  asked({ socket }: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const connection = this.#connections.get(socket);
    // Node goes on with what it has read already of a connection that is gone.
    if (connection === undefined || socket.destroyed) return;
    connection.last = response;
    if (!connection.isBusy) {
      connection.isBusy = true;
      this.#idle.delete(socket);
      begin();
    } else if (connection.waiting.length >= PIPELINED_MAX || this.#waitingCount >= this.#waitingMax) {
      socket.destroy();
    } else {
      connection.waiting.push(begin);
      this.#waitingCount += 1;
      socket.pause();
    }
  }

  /** A request's answer was handed to its connection. What does not leave in time takes the connection with it. */
  answered({ socket }: IncomingMessage, response: ServerResponse): void {
    const bytes = response.writableLength;
    if (bytes === 0 || response.destroyed || socket.destroyed) {
      this.#next(socket);
      return;
    }
    const cut = (): void => void socket.destroy();
    const timer = setTimeout(cut, WRITE_TIMEOUT_MS);
    timer.unref();
    const held = this.#answers.open(cut);
    const ended = (): void => {
      response.off("close", left);
      socket.off("close", ended);
      clearTimeout(timer);
      held.release();
    };
    const left = (): void => {
      ended();
      this.#next(socket);
    };
    response.once("close", left);
    socket.once("close", ended);
    if (!held.grow(bytes)) cut();
  }

  #next(socket: Socket): void {
    const connection = this.#connections.get(socket) as Connection;
    const begin = connection.waiting.shift();
    if (begin !== undefined) {
      this.#waitingCount -= 1;
      if (connection.waiting.length === 0) socket.resume();
      begin();
      return;
    }
    connection.isBusy = false;
    if (!socket.destroyed) this.#idle.add(socket);
  }
}

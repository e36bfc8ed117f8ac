/**
 * Connections to PostgreSQL: every wait for one, and for an answer over one, has a bound on this side.
 *
 * Owns the sockets, the timers over statements, and how a connection is given up: its statement is cancelled on the
 * server, its socket destroyed, and it never goes back to the pool. A network that swallows packets tells nothing by
 * itself; only a timer does. Must not know transactions or what statements say.
 *
 * @module
 */
import { connect as connectSocket, Socket } from "node:net";
// The module's own: tests that fake the global timers do not mean a turn of the event loop.
import { setImmediate } from "node:timers";
import type { Client, ClientConfig, Pool, PoolClient, QueryResult } from "pg";
import { untilAborted } from "../../../base/concurrency.ts";
import { isVaultError } from "../../../errors.ts";
import { isFatal, noAnswer, sqlState, translate } from "./errors.ts";
import { Pipeline, type Statement, type StatementAnswer } from "./pipeline.ts";

/** Milliseconds after an answer in which a connection is taken to be alive. Ours. */
const HEARD_LATELY_MS = 1_000;
/** Milliseconds that cancelling a statement on the server, or a goodbye, may take. Ours. */
const FAREWELL_MS_MAX = 500;
/** The number of a CancelRequest, and of an SSLRequest (PostgreSQL's manual, section 55.7). */
const CANCEL_REQUEST = 80_877_102;
const SSL_REQUEST = 80_877_103;

/** What of `pg`'s client its types do not show: who it is to the server. */
interface Identity {
  readonly processID: number | null;
  readonly secretKey: number | null;
}

/** What came of statements that were sent together. */
export interface Answers {
  readonly answers: readonly StatementAnswer[];
  /** The database's, of the statement behind the last answer; undefined where all have answers. */
  readonly error: unknown;
}

/** One connection while it is in use: one transaction, or the one that listens. */
export class Connection {
  readonly client: Client;
  readonly #timeoutMs: number;
  readonly #sockets: Set<Socket>;
  readonly #heardAt: WeakMap<Client, number>;
  readonly #brokenOff = Promise.withResolvers<never>();
  readonly #onError = (error: unknown): void => {
    this.#broken ??= { reason: error };
  };
  #broken: { readonly reason: unknown } | undefined;
  #isAsking = false;

  /**
   * @param timeoutMs - that an answer may take unless told otherwise
   * @param heardAt - when an answer came last over each client, by `performance.now()`
   */
  constructor(client: Client, timeoutMs: number, sockets: Set<Socket>, heardAt: WeakMap<Client, number>) {
    this.client = client;
    this.#heardAt = heardAt;
    this.#timeoutMs = timeoutMs;
    this.#sockets = sockets;
    this.#brokenOff.promise.catch(() => {}); // Perhaps no call waits for an answer.
    client.on("error", this.#onError);
  }

  /** Whether it may not be used by anybody else. */
  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /**
   * Sends a statement and waits for its answer.
   *
   * @throws the database's or the library's own error; VaultError ERR_STORAGE_UNAVAILABLE if there was no answer in time; the
   *   reason of `breakOff`
   */
  async query(
    statement: string,
    values?: readonly unknown[],
    timeoutMs = this.#timeoutMs,
  ): Promise<QueryResult> {
    if (this.#broken !== undefined) throw this.#broken.reason;
    const answer = this.client.query(statement, values as unknown[]);
    return this.#within(answer, (giveUp) => setTimeout(giveUp, timeoutMs));
  }

  /**
   * Sends statements together, and waits for all answers.
   *
   * @param firstMs - that the first answer may take, on a connection over which nothing was heard lately
   * @returns the answers, and the database's error where a statement failed: those behind it were not run
   * @throws as {@link query}, but for the database's own errors
   */
  async together(statements: readonly Statement[], firstMs: number): Promise<Answers> {
    if (this.#broken !== undefined) throw this.#broken.reason;
    const isFresh = performance.now() - (this.#heardAt.get(this.client) ?? 0) < HEARD_LATELY_MS;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wait = (_ms: number): void => {};
    const onFirst = (): void => wait(this.#timeoutMs);
    const pipeline = new Pipeline(this.client, statements, isFresh ? undefined : onFirst);
    this.client.query(pipeline);
    const { answers } = pipeline;
    try {
      await this.#within(pipeline.done, (giveUp) => {
        wait = (ms) => {
          clearTimeout(timer);
          timer = setTimeout(giveUp, ms);
        };
        wait(isFresh ? this.#timeoutMs : firstMs);
        return timer;
      });
      return { answers, error: undefined };
    } catch (error) {
      if (this.#broken !== undefined) throw error;
      return { answers, error };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for an answer until a timer ends. @param start - the timer */
  async #within<T>(
    answer: Promise<T>,
    start: (giveUp: () => void) => ReturnType<typeof setTimeout> | undefined,
  ): Promise<T> {
    answer.catch(() => {}); // It may come when no call waits any more.
    this.#isAsking = true;
    // An event loop that was held up reads what has come before it gives up.
    const timer = start(() => setImmediate(() => this.#giveUp()));
    try {
      const answered = await Promise.race([answer, this.#brokenOff.promise]);
      this.#heardAt.set(this.client, performance.now());
      return answered;
    } catch (error) {
      // Anything but an answer of the database makes the connection suspect.
      if (sqlState(error) === undefined || isFatal(error)) this.#broken ??= { reason: error };
      throw error;
    } finally {
      this.#isAsking = false;
      clearTimeout(timer);
    }
  }

  /** Ends the connection at once, and whatever is asked over it with `reason`. */
  breakOff(reason: unknown): void {
    if (this.#isAsking) cancelOnServer(this.client, this.#sockets);
    this.#broken ??= { reason };
    this.#brokenOff.reject(reason);
    this.client.connection.stream.destroy();
  }

  /** Stops looking after it. */
  letGo(): void {
    this.client.off("error", this.#onError);
  }

  #giveUp(): void {
    if (this.#isAsking) this.breakOff(noAnswer());
  }
}

/** Asks the server to end what a connection is doing: it would go on, and hold its locks, without anybody to answer. */
function cancelOnServer(client: Client, sockets: Set<Socket>): void {
  const { processID, secretKey } = client as unknown as Identity;
  if (processID === null || typeof secretKey !== "number") return;
  const { host, port } = client;
  const socket = host.startsWith("/")
    ? connectSocket({ path: `${host}/.s.PGSQL.${port}` })
    : connectSocket({ host, port });
  sockets.add(socket);
  socket.on("error", () => {}); // The server ends the statement by its own timeout.
  socket.on("close", () => sockets.delete(socket));
  setTimeout(() => socket.destroy(), FAREWELL_MS_MAX).unref();
  const request = Buffer.alloc(16);
  for (const [i, field] of [16, CANCEL_REQUEST, processID, secretKey].entries())
    request.writeInt32BE(field, 4 * i);
  // `pg`'s types call it a boolean; it is what was given for TLS.
  const ssl = (client as { readonly ssl: unknown }).ssl;
  if (ssl === false || host.startsWith("/")) {
    socket.end(request);
    return;
  }
  const question = Buffer.alloc(8);
  question.writeInt32BE(8, 0);
  question.writeInt32BE(SSL_REQUEST, 4);
  socket.write(question);
  socket.once("data", (answer) => {
    if (answer.toString("latin1") !== "S") {
      socket.destroy();
      return;
    }
    const secured = process
      .getBuiltinModule("node:tls")
      .connect({ ...(ssl === true ? {} : (ssl as object)), socket, host });
    secured.on("error", () => socket.destroy());
    secured.end(request);
  });
}

/** The bounds of all waits of a connection. */
export interface ConnectionLimits {
  /** Milliseconds to wait for a connection. */
  readonly connectTimeoutMs: number;
  /** Milliseconds that an answer may take. */
  readonly answerTimeoutMs: number;
  /** Milliseconds after which an unused connection is closed. */
  readonly idleTimeoutMs: number;
  /** Connections at most. */
  readonly maxConnections: number;
}

/** All connections to one database: those of a pool, and others of their own. */
export class Connections {
  readonly #pg: typeof import("pg");
  readonly #config: ClientConfig;
  readonly #limits: ConnectionLimits;
  readonly #pool: Pool;
  readonly #sockets = new Set<Socket>();
  readonly #inUse = new Set<Connection>();
  readonly #heardAt = new WeakMap<Client, number>();

  constructor(pg: typeof import("pg"), config: ClientConfig, limits: ConnectionLimits) {
    this.#pg = pg;
    this.#limits = limits;
    this.#config = {
      ...config,
      connectionTimeoutMillis: limits.connectTimeoutMs,
      stream: () => this.#makeSocket(),
    };
    this.#pool = new pg.Pool({
      ...this.#config,
      max: limits.maxConnections,
      idleTimeoutMillis: limits.idleTimeoutMs,
    });
    // A connection that breaks while idle is replaced; the next call finds out if the database is gone.
    this.#pool.on("error", () => {});
  }

  /**
   * Runs `work` with a connection of the pool, which takes it back only if nothing is suspect about it.
   *
   * @throws what `work` throws; the signal's reason if it is aborted before there is a connection; VaultError as `translate`
   *   has it
   */
  async use<T>(work: (connection: Connection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const client = await this.#acquire(signal);
    const connection = new Connection(client, this.#limits.answerTimeoutMs, this.#sockets, this.#heardAt);
    this.#inUse.add(connection);
    try {
      return await work(connection);
    } finally {
      this.#inUse.delete(connection);
      connection.letGo();
      client.release(connection.isBroken);
    }
  }

  /** A connection beside the pool, to be broken off by the caller. @throws VaultError as `translate` has it */
  async openOne(): Promise<Connection> {
    const client = new this.#pg.Client(this.#config);
    client.on("error", () => {});
    try {
      await client.connect();
      return new Connection(client, this.#limits.answerTimeoutMs, this.#sockets, this.#heardAt);
    } catch (error) {
      client.connection.stream.destroy();
      throw translate(error);
    }
  }

  /** Ends what is asked over connections in use. */
  breakOff(reason: unknown): void {
    for (const connection of this.#inUse) connection.breakOff(reason);
  }

  /** Says goodbye over every connection; those over which it is not heard in time are cut off. */
  async close(): Promise<void> {
    const ended = Promise.withResolvers<void>();
    const check = (): void => {
      if (this.#sockets.size === 0) ended.resolve();
    };
    void this.#pool.end().catch(() => {});
    for (const socket of this.#sockets) socket.once("close", () => setImmediate(check));
    check();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
      ended.resolve();
    }, FAREWELL_MS_MAX);
    await ended.promise;
    clearTimeout(timer);
  }

  /** Every socket is known from the start: one that still connects can be destroyed too. */
  #makeSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // A connection whose goodbye is lost would stay. No call waits so long for an answer.
    const { answerTimeoutMs, idleTimeoutMs } = this.#limits;
    socket.setTimeout(2 * (answerTimeoutMs + idleTimeoutMs), () => socket.destroy());
    return socket;
  }

  async #acquire(signal: AbortSignal | undefined): Promise<PoolClient> {
    signal?.throwIfAborted();
    const connecting = this.#pool.connect();
    try {
      const client = await untilAborted(connecting, signal);
      signal?.throwIfAborted(); // Both came at once.
      return client;
    } catch (error) {
      if (signal?.aborted !== true) throw isVaultError(error) ? error : translate(error);
      // It comes when it is not wanted any more.
      connecting.then(
        (client) => client.release(),
        () => {},
      );
      throw signal.reason;
    }
  }
}

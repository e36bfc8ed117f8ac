/**
 * How a server notices what other servers have changed: it hears of it (LISTEN), and looks from time to time.
 *
 * Owns the counters as they were seen last, how long they are believed, and the connection that listens. Must not know
 * transactions.
 *
 * @module
 */

import {
  ALL_COUNTERS,
  allChangesOf,
  type Changes,
  COUNTERS,
  changesOf,
  UNKNOWN_CHANGES,
} from "../changes.ts";
import type { Row } from "../database.ts";
import type { Connection, Connections } from "./connection.ts";
import { closed, translate } from "./errors.ts";

/** Milliseconds between two looks whether the connection that listens is alive, and for its answer. Ours. */
const LISTENER_LOOK_EVERY_MS = 2_000;
/** Milliseconds between two looks at the counters. Ours: half of what a revocation may take. */
const COUNTERS_EVERY_MS = 500;
/** Milliseconds after which the counters that were seen are no longer believed. Ours. */
const COUNTERS_AGE_MS_MAX = 1_000;
/** The channel on which servers tell each other that a counter was raised. */
export const CHANNEL = "coffer_changes";

/** Watches the counters of one database. */
export class ChangesWatch {
  readonly #connections: Connections;
  readonly #listens: boolean;
  readonly #answerTimeoutMs: number;
  #listener: Connection | undefined;
  #isListening = false;
  #listenerSeenAt = Number.NEGATIVE_INFINITY;
  #changes: Changes = UNKNOWN_CHANGES;
  #changesSeenAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setInterval> | undefined;
  #refreshing: Promise<void> | undefined;
  #isStopped = false;

  /** @param answerTimeoutMs - milliseconds that a look may take */
  constructor(connections: Connections, listens: boolean, answerTimeoutMs: number) {
    this.#connections = connections;
    this.#listens = listens;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  /** Looks once, and from then on again and again. */
  async start(): Promise<void> {
    await this.refresh();
    await this.#listen();
    this.#timer = setInterval(() => {
      this.refresh().catch(() => {}); // Counters that grow too old speak for themselves.
      this.#lookAtListener().catch(() => {}); // It is tried again.
    }, COUNTERS_EVERY_MS);
    this.#timer.unref();
  }

  /** Looks no more by itself. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#timer);
  }

  /** Ends the connection that listens. */
  letGo(): void {
    this.#listener?.breakOff(closed());
  }

  /** As they were seen last, unless that is too long ago. */
  changes(): Changes {
    return performance.now() - this.#changesSeenAt <= COUNTERS_AGE_MS_MAX ? this.#changes : UNKNOWN_CHANGES;
  }

  /** Looks at the counters; `afresh` does not content itself with a look that began earlier. */
  async refresh(afresh = false): Promise<void> {
    if (this.#refreshing !== undefined && !afresh) return this.#refreshing;
    const look = this.#connections
      .use((connection) => this.look(connection))
      .catch((error: unknown) => {
        throw translate(error);
      })
      .finally(() => {
        if (this.#refreshing === look) this.#refreshing = undefined;
      });
    this.#refreshing = look;
    return look;
  }

  /** Looks over a connection. */
  async look(connection: Connection): Promise<void> {
    const startedAt = performance.now();
    const { rows } = await connection.query(COUNTERS, [], this.#answerTimeoutMs);
    let changes = changesOf(rows as Row[], this.#changes) ?? UNKNOWN_CHANGES;
    if (changes.revocations !== this.#changes.revocations) {
      const all = await connection.query(ALL_COUNTERS, [], this.#answerTimeoutMs);
      changes = allChangesOf(all.rows as Row[]) ?? UNKNOWN_CHANGES;
    }
    if (startedAt < this.#changesSeenAt) return; // A later look has come back sooner.
    this.#changes = changes;
    this.#changesSeenAt = startedAt;
  }

  /** What was seen says nothing any more. */
  distrust(): void {
    this.#changesSeenAt = Number.NEGATIVE_INFINITY;
  }

  /** Makes sure that a connection listens: one over which nothing comes back says nothing by itself. */
  async #lookAtListener(): Promise<void> {
    if (this.#listener === undefined) return this.#listen();
    if (performance.now() - this.#listenerSeenAt < LISTENER_LOOK_EVERY_MS) return;
    this.#listenerSeenAt = performance.now();
    await this.#listener.query(`LISTEN ${CHANNEL}`, [], LISTENER_LOOK_EVERY_MS);
  }

  async #listen(): Promise<void> {
    if (!this.#listens || this.#isStopped || this.#isListening) return;
    this.#isListening = true;
    try {
      const listener = await this.#connections.openOne();
      const { client } = listener;
      const lose = (): void => {
        if (this.#listener === listener) this.#listener = undefined;
        this.distrust(); // Something may have been said meanwhile.
      };
      client.on("error", lose);
      client.on("end", lose);
      client.on("notification", () => this.refresh(true).catch(() => this.distrust()));
      try {
        await listener.query(`LISTEN ${CHANNEL}`, [], this.#answerTimeoutMs);
        await this.refresh(true);
      } catch (error) {
        listener.breakOff(error);
        throw translate(error);
      }
      if (this.#isStopped) return listener.breakOff(closed());
      this.#listenerSeenAt = performance.now();
      if (!listener.isBroken) this.#listener = listener;
    } finally {
      this.#isListening = false;
    }
  }
}

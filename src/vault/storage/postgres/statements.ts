/**
 * The statements of one transaction on their way: those that are asked for at the same time are sent together, and those
 * whose answers are not waited for with what comes next.
 *
 * Owns the queue, and which statement an error belongs to. Must not know what begins and ends a transaction, nor what the
 * statements say.
 *
 * @module
 */
import type { Must } from "../database.ts";
import type { Connection } from "./connection.ts";
import { sqlState } from "./errors.ts";
import type { Statement, StatementAnswer } from "./pipeline.ts";

/** A division by zero, by which {@link counted} fails (PostgreSQL's manual, appendix A). */
const NOT_THE_COUNT = "22012";

/** A statement that waits to be sent. */
interface Waiting extends Statement {
  /** Undefined where no call waits for its answer. */
  readonly answer?: PromiseWithResolvers<StatementAnswer>;
  readonly must?: Must | undefined;
}

/** The statements of one transaction. */
export class Statements {
  readonly #connection: Connection;
  readonly #firstMs: number;
  #waiting: Waiting[];
  #openingLeft: number;
  #turn: Promise<unknown> = Promise.resolve();
  #isScheduled = false;
  #isOver = false;
  #hasBegun = false;

  /**
   * @param opening - go before the first that is asked for
   * @param firstMs - milliseconds that the first answer may take, as `Connection.together` has it
   */
  constructor(connection: Connection, opening: readonly Statement[], firstMs: number) {
    this.#connection = connection;
    this.#firstMs = firstMs;
    this.#waiting = [...opening];
    this.#openingLeft = opening.length;
  }

  /** Whether anything was sent. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Sends the opening by itself. @throws as `Connection.query` */
  open(): Promise<void> {
    return this.#flush();
  }

  /** Asks a statement, together with what else is asked in this turn. @throws as `Connection.query` */
  ask(statement: Statement): Promise<StatementAnswer> {
    if (this.#isOver) return Promise.reject(new Error("the transaction is over"));
    const answer = Promise.withResolvers<StatementAnswer>();
    answer.promise.catch(() => {}); // Its call may have given up.
    this.#waiting.push({ ...statement, answer });
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      queueMicrotask(() => {
        this.#isScheduled = false;
        this.#flush().catch(() => {}); // Those who asked are told.
      });
    }
    return answer.promise;
  }

  /** Adds a statement that is sent with the next one. */
  add(statement: Statement, must?: Must): void {
    this.#waiting.push({ ...(must === undefined ? statement : counted(statement, must)), must });
  }

  /** Sends what is left. @returns the last answer @throws the error of a statement, the connection's, or what a `Must` says */
  async end(last: Statement): Promise<StatementAnswer> {
    const answer = Promise.withResolvers<StatementAnswer>();
    answer.promise.catch(() => {});
    this.#waiting.push({ ...last, answer });
    this.#isOver = true;
    await this.#flush();
    return answer.promise;
  }

  /** Whether something was added and not sent yet. */
  get hasAdded(): boolean {
    return this.#waiting.length > this.#openingLeft;
  }

  /** Nothing more is sent. Resolves when nothing is on its way. */
  async abandon(): Promise<void> {
    this.#isOver = true;
    for (const { answer } of this.#waiting.splice(0)) answer?.reject(new Error("the transaction is over"));
    await this.#turn.catch(() => {});
  }

  /** One group after another. */
  #flush(): Promise<void> {
    const turn = this.#turn.catch(() => {}).then(() => this.#send());
    this.#turn = turn;
    return turn;
  }

  async #send(): Promise<void> {
    const group = this.#waiting;
    if (group.length === 0) return;
    this.#waiting = [];
    this.#openingLeft = 0;
    this.#hasBegun = true;
    try {
      const { answers, error } = await this.#connection.together(group, this.#firstMs);
      for (const [i, answered] of answers.entries()) group[i]!.answer?.resolve(answered);
      if (answers.length < group.length) throw errorOf(group[answers.length]!, error);
    } catch (error) {
      // Of those that were answered nothing changes.
      for (const { answer } of group) answer?.reject(error);
      throw error;
    }
  }
}

/** The same statement; it fails unless it changes as many rows as it must. */
function counted({ text, values }: Statement, { changed }: Must): Statement {
  return {
    text: `WITH done AS (${text} RETURNING 1) SELECT 1 / (CASE WHEN count(*) = ${changed} THEN 1 ELSE 0 END) FROM done`,
    values,
  };
}

function errorOf({ must }: Waiting, error: unknown): unknown {
  return must !== undefined && sqlState(error) === NOT_THE_COUNT ? must.otherwise() : error;
}

/**
 * Idempotent answers: a repeated write gets the first one's answer, and happens once.
 *
 * Owns the rows of answers, written in the transaction of what they tell. Must not know what the writes do.
 *
 * @module
 */
import { equalBytes } from "../crypto/bytes.ts";
import { VaultError } from "../errors.ts";
import { IDEMPOTENT_ANSWER_MS } from "./limits.ts";
import type { Session } from "./session.ts";
import type { Sql } from "./storage/database.ts";

/** The answers of one session; without an idempotency key there are none, and nothing is kept. */
export class IdempotentAnswers {
  readonly #session: Session;
  readonly #environmentId: string;
  readonly #now: () => number;

  constructor(session: Session, now: () => number) {
    this.#session = session;
    this.#environmentId = session.environmentId;
    this.#now = now;
  }

  /**
   * The answer that was given to this request before. If there is none, the idempotency key is this transaction's: the same
   * request elsewhere waits for its end, and then gets its answer, or the key.
   *
   * @throws VaultError ERR_IDEMPOTENCY_CONFLICT if the key was used for another request
   */
  async claim<T>(sql: Sql): Promise<T | undefined> {
    const { idempotency } = this.#session;
    if (idempotency === undefined) return undefined;
    const now = this.#now();
    await sql.run("DELETE FROM idempotent_answers WHERE created_at < ?", now - IDEMPOTENT_ANSWER_MS);
    const claimed = await sql.run(
      `INSERT INTO idempotent_answers (environment_id, idempotency_key, request_hash, answer, created_at)
       VALUES (?, ?, ?, '', ?) ON CONFLICT (environment_id, idempotency_key) DO NOTHING`,
      this.#environmentId,
      this.#idempotencyKey(idempotency.key),
      idempotency.fingerprint,
      now,
    );
    return claimed === 1 ? undefined : this.answered<T>(sql);
  }

  /**
   * The answer that was given to this request before.
   *
   * @throws VaultError ERR_IDEMPOTENCY_CONFLICT if the key was used for another request
   */
  async answered<T>(sql: Sql): Promise<T | undefined> {
    const { idempotency } = this.#session;
    if (idempotency === undefined) return undefined;
    const row = await sql.get(
      "SELECT request_hash, answer FROM idempotent_answers WHERE environment_id = ? AND idempotency_key = ?",
      this.#environmentId,
      this.#idempotencyKey(idempotency.key),
    );
    if (row === undefined) return undefined;
    if (!equalBytes(row.request_hash as Uint8Array, idempotency.fingerprint)) {
      throw new VaultError("ERR_IDEMPOTENCY_CONFLICT", "the idempotency key was used for another request");
    }
    return JSON.parse(row.answer as string) as T;
  }

  /** Keeps an answer, in the transaction of what it tells; answers of the store hold no values. */
  async remember<T>(sql: Sql, answer: T): Promise<T> {
    const { idempotency } = this.#session;
    if (idempotency === undefined) return answer;
    await sql.run(
      "UPDATE idempotent_answers SET answer = ? WHERE environment_id = ? AND idempotency_key = ?",
      JSON.stringify(answer),
      this.#environmentId,
      this.#idempotencyKey(idempotency.key),
    );
    return answer;
  }

  /** One caller's keys must not meet another's. */
  #idempotencyKey(key: string): string {
    return `${this.#session.actor.id} ${key}`;
  }
}

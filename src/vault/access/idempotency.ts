/**
 * Idempotent answers: a repeated write gets the first one's answer, and happens once.
 *
 * Owns the rows of answers, written in the transaction of what they tell ([API-55], docs/spec/keyring.md section 2.1). What callers
 * chose (the key) is stored as an HMAC, what they were answered sealed: answers hold names, contexts and secrets of
 * webhooks. Must not know what the writes do.
 *
 * @module
 */
import { equalBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { VaultError } from "../../errors.ts";
import type { RootKeys } from "../keks/kek.ts";
import { EXPIRED_ANSWERS_PER_WRITE, IDEMPOTENT_ANSWER_MS } from "../limits.ts";
import type { Database, Sql, WaitOptions } from "../storage/database.ts";
import type { Session } from "./session.ts";

/** The writes of one session; without an idempotency key nothing of them is kept. */
export class IdempotentWrites {
  readonly #database: Database;
  readonly #rootKeys: RootKeys;
  readonly #session: Session;
  readonly #environmentId: string;
  readonly #now: () => number;

  constructor(database: Database, rootKeys: RootKeys, session: Session, now: () => number) {
    this.#database = database;
    this.#rootKeys = rootKeys;
    this.#session = session;
    this.#environmentId = session.environmentId;
    this.#now = now;
  }

  /**
   * Runs `work` as one write transaction, once per idempotency key: a repetition gets the first one's answer. What throws is
   * not remembered.
   *
   * @param work - answers what can be written as JSON, and read from it as the same
   * @throws as `Database.write`; VaultError ERR_IDEMPOTENCY_CONFLICT if the key was used for another request
   */
  write<T>(work: (sql: Sql) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    return this.#database.write((sql) => this.once(sql, work), options);
  }

  /** The same within a write transaction that has begun. */
  async once<T>(sql: Sql, work: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#session.idempotency === undefined) return work(sql);
    const answered = await this.#claim<T>(sql);
    if (answered !== undefined) return answered.value;
    const answer = await work(sql);
    await this.#remember(sql, answer);
    return answer;
  }

  /**
   * The answer that was given to this request before.
   *
   * @throws VaultError ERR_IDEMPOTENCY_CONFLICT if the key was used for another request; ERR_STORAGE_CORRUPT
   */
  async answered<T>(sql: Sql): Promise<{ readonly value: T } | undefined> {
    const { idempotency } = this.#session;
    if (idempotency === undefined) return undefined;
    const row = await sql.get(
      `SELECT request_hash, answer FROM idempotent_answers
       WHERE environment_id = ? AND idempotency_key = ? AND created_at >= ?`,
      this.#environmentId,
      idempotency.key,
      this.#now() - IDEMPOTENT_ANSWER_MS,
    );
    if (row === undefined) return undefined;
    if (!equalBytes(row.request_hash as Uint8Array, idempotency.fingerprint)) {
      throw new VaultError("ERR_IDEMPOTENCY_CONFLICT", "the idempotency key was used for another request");
    }
    const text = this.#rootKeys.openAnswer(row.answer as string, this.#owner(idempotency));
    return { value: JSON.parse(fromUtf8(text) as string) as T };
  }

  /**
   * Makes the key this transaction's, unless there is an answer: the same request elsewhere waits for its end, and then gets
   * its answer, or the key.
   */
  async #claim<T>(sql: Sql): Promise<{ readonly value: T } | undefined> {
    const idempotency = this.#session.idempotency!;
    const now = this.#now();
    const claimed = await sql.run(
      `INSERT INTO idempotent_answers (environment_id, idempotency_key, request_hash, answer, created_at)
       VALUES (?, ?, ?, '', ?) ON CONFLICT (environment_id, idempotency_key) DO UPDATE
       SET request_hash = excluded.request_hash, answer = '', created_at = excluded.created_at
       WHERE idempotent_answers.created_at < ?`,
      this.#environmentId,
      idempotency.key,
      idempotency.fingerprint,
      now,
      now - IDEMPOTENT_ANSWER_MS,
    );
    return claimed === 1 ? undefined : this.answered<T>(sql);
  }

  async #remember<T>(sql: Sql, answer: T): Promise<void> {
    const idempotency = this.#session.idempotency!;
    const text = utf8(JSON.stringify(answer), "the answer");
    await sql.run(
      "UPDATE idempotent_answers SET answer = ? WHERE environment_id = ? AND idempotency_key = ?",
      this.#rootKeys.sealAnswer(text, this.#owner(idempotency)),
      this.#environmentId,
      idempotency.key,
    );
  }

  /** What a sealed answer is bound to: nobody who writes the database can give it to another request. */
  #owner({ key, fingerprint }: NonNullable<Session["idempotency"]>): readonly Uint8Array[] {
    return [utf8(this.#environmentId, "environment id"), utf8(key, "idempotency key"), fingerprint];
  }
}

/** Clears away answers that are no longer owed to anybody, a few at a time: writes get their turn between. */
export async function clearExpiredAnswers(database: Database, now: number): Promise<void> {
  const some = `SELECT idempotency_key FROM idempotent_answers WHERE created_at < ? ORDER BY created_at LIMIT ?`;
  const parameters = [now - IDEMPOTENT_ANSWER_MS, EXPIRED_ANSWERS_PER_WRITE] as const;
  while ((await database.read((sql) => sql.get(some, ...parameters))) !== undefined) {
    await database.write((sql) =>
      // The age again: a key may have been taken anew since.
      sql.run(
        `DELETE FROM idempotent_answers WHERE created_at < ? AND idempotency_key IN (${some})`,
        parameters[0],
        ...parameters,
      ),
    );
  }
}

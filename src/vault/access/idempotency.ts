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
import type { ChangeOptions } from "../../keys/key-service.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { EXPIRED_ANSWERS_PER_WRITE, IDEMPOTENT_ANSWER_MS } from "../limits.ts";
import { WITH_ROOT } from "../root/roots.ts";
import type { Sql } from "../storage/database.ts";

/** A request by which it is known when it is repeated. Nothing of it is in clear. */
export interface Idempotency {
  readonly environmentId: string;
  /** The caller's key as it is stored: an HMAC in hexadecimal. */
  readonly key: string;
  /** HMAC of all that a repetition must have in common. */
  readonly fingerprint: Uint8Array;
}

/** What calls take that change something. */
export interface WriteOptions extends ChangeOptions {
  /** Makes the call happen once: a repetition gets the first one's answer. Default: each call happens. */
  readonly idempotency?: Idempotency | undefined;
}

/** The writes of one database; without an idempotency key nothing of them is kept. */
export class IdempotentWrites {
  readonly #vault: OpenedVault;

  constructor(vault: OpenedVault) {
    this.#vault = vault;
  }

  /**
   * A caller's request with an idempotency key.
   *
   * @param caller - one caller's keys never meet another's
   * @param key - the caller's
   * @param request - all that a repetition must have in common
   */
  identify(
    caller: { readonly environmentId: string; readonly id: string },
    key: string,
    request: Uint8Array,
  ): Idempotency {
    const { environmentId, id } = caller;
    return {
      environmentId,
      key: this.#vault.authority.serviceKeys.idempotencyKey(environmentId, id, key),
      fingerprint: this.#vault.authority.serviceKeys.fingerprint(request),
    };
  }

  /**
   * Runs `work` as one write transaction, once per idempotency key: a repetition gets the first one's answer. What throws is
   * not remembered.
   *
   * @param work - answers what can be written as JSON, and read from it as the same; needs no lock before its first statement
   * @throws as `Database.write`; VaultError ERR_IDEMPOTENCY_CONFLICT if the key was used for another request
   */
  write<T>(work: (sql: Sql) => Promise<T>, options: WriteOptions = {}): Promise<T> {
    const { idempotency, signal } = options;
    return this.#vault.database.write((sql) => this.once(sql, idempotency, work), {
      ...WITH_ROOT,
      locksWithFirst: true,
      signal,
    });
  }

  /** The same within a write transaction that has begun. */
  async once<T>(sql: Sql, idempotency: Idempotency | undefined, work: (sql: Sql) => Promise<T>): Promise<T> {
    if (idempotency === undefined) return work(sql);
    const answered = await this.#claim<T>(sql, idempotency);
    if (answered !== undefined) return answered.value;
    const answer = await work(sql);
    await this.#remember(sql, idempotency, answer);
    return answer;
  }

  /**
   * The answer that was given to this request before.
   *
   * @throws VaultError ERR_IDEMPOTENCY_CONFLICT if the key was used for another request; ERR_STORAGE_CORRUPT
   */
  async answered<T>(
    sql: Sql,
    idempotency: Idempotency | undefined,
  ): Promise<{ readonly value: T } | undefined> {
    if (idempotency === undefined) return undefined;
    const row = await sql.get(
      `SELECT request_hash, answer FROM idempotent_answers
       WHERE environment_id = ? AND idempotency_key = ? AND created_at >= ?`,
      idempotency.environmentId,
      idempotency.key,
      this.#vault.now() - IDEMPOTENT_ANSWER_MS,
    );
    if (row === undefined) return undefined;
    if (!equalBytes(row.request_hash as Uint8Array, idempotency.fingerprint)) {
      throw new VaultError("ERR_IDEMPOTENCY_CONFLICT", "the idempotency key was used for another request");
    }
    const text = this.#vault.authority.serviceKeys.openAnswer(row.answer as string, owner(idempotency));
    return { value: JSON.parse(fromUtf8(text) as string) as T };
  }

  /**
   * Makes the key this transaction's, unless there is an answer: the same request elsewhere waits for its end, and then gets
   * its answer, or the key.
   */
  async #claim<T>(sql: Sql, idempotency: Idempotency): Promise<{ readonly value: T } | undefined> {
    const now = this.#vault.now();
    const claimed = await sql.run(
      `INSERT INTO idempotent_answers (environment_id, idempotency_key, request_hash, answer, created_at)
       VALUES (?, ?, ?, '', ?) ON CONFLICT (environment_id, idempotency_key) DO UPDATE
       SET request_hash = excluded.request_hash, answer = '', created_at = excluded.created_at
       WHERE idempotent_answers.created_at < ?`,
      idempotency.environmentId,
      idempotency.key,
      idempotency.fingerprint,
      now,
      now - IDEMPOTENT_ANSWER_MS,
    );
    return claimed === 1 ? undefined : this.answered<T>(sql, idempotency);
  }

  async #remember<T>(sql: Sql, idempotency: Idempotency, answer: T): Promise<void> {
    const text = utf8(JSON.stringify(answer), "the answer");
    await sql.send(
      "UPDATE idempotent_answers SET answer = ? WHERE environment_id = ? AND idempotency_key = ?",
      [
        this.#vault.authority.serviceKeys.sealAnswer(text, owner(idempotency)),
        idempotency.environmentId,
        idempotency.key,
      ],
    );
  }
}

/** What a sealed answer is bound to: who writes the database cannot give it to another request. */
function owner({ environmentId, key, fingerprint }: Idempotency): readonly Uint8Array[] {
  return [utf8(environmentId, "environment id"), utf8(key, "idempotency key"), fingerprint];
}

/** Clears away answers that are too old to be repeated, a few at a time: other writes get their turn between. */
export async function clearExpiredAnswers({ database, now }: OpenedVault): Promise<void> {
  const some = `SELECT idempotency_key FROM idempotent_answers WHERE created_at < ? ORDER BY created_at LIMIT ?`;
  const parameters = [now() - IDEMPOTENT_ANSWER_MS, EXPIRED_ANSWERS_PER_WRITE] as const;
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

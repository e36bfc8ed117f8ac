/**
 * Webhooks at rest: where events are to be delivered, and which deliveries are owed.
 *
 * Owns their rows; the event log makes a delivery's row in the transaction of its event. Must not know HTTP: the server
 * claims what is due, delivers it and says how it went.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { fromUtf8, toHex, utf8 } from "../../base/bytes.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { invalidRange, VaultError } from "../../errors.ts";
import { EVENT_KINDS, type EventKind } from "../../wire/event-kinds.ts";
import type { IdempotentWrites, WriteOptions } from "../access/idempotency.ts";
import { unlessCorrupt } from "../authority/authority.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { recordOf } from "../authority/record.ts";
import {
  DELIVERIES_PAGE_MAX,
  DELIVERY_ATTEMPTS_MAX,
  DELIVERY_BACKOFF_MS_MAX,
  DELIVERY_BACKOFF_MS_MIN,
  DELIVERY_CLAIM_MS,
  ID_BYTES,
  URL_CHARS_MAX,
  WEBHOOK_ID_PREFIX,
  WEBHOOK_SECRET_BYTES,
  WEBHOOK_SECRET_PREFIX,
} from "../limits.ts";
import type { Row, Sql } from "../storage/database.ts";
import { insertRow, updateRow } from "../storage/statements.ts";
import { checkEvent, toEvent, type VaultEvent } from "./events.ts";

/** A webhook without its secret. */
export interface WebhookInfo {
  readonly id: string;
  readonly url: string;
  /** Kinds that are delivered; undefined for all. */
  readonly kinds: readonly EventKind[] | undefined;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** A webhook for which a delivery is due. */
export interface OwedWebhook {
  readonly webhookId: string;
  readonly environmentId: string;
  /** Since when, in milliseconds since 1970. */
  readonly dueAt: number;
}

/** A delivery that a server has claimed. */
export interface Delivery {
  readonly sequence: number;
  readonly webhookId: string;
  readonly environmentId: string;
  readonly url: string;
  readonly secret: string;
  readonly event: VaultEvent;
  /** This attempt's number, from 1. */
  readonly attempt: number;
}

/** A delivery that was given up. */
export interface DeadDelivery {
  readonly webhookId: string;
  readonly eventId: string;
  readonly attempts: number;
  readonly lastError: string;
}

/** The webhooks of one database. */
export class Webhooks {
  readonly #vault: OpenedVault;
  readonly #writes: IdempotentWrites;

  constructor(vault: OpenedVault, writes: IdempotentWrites) {
    this.#vault = vault;
    this.#writes = writes;
  }

  /**
   * Adds a webhook.
   *
   * @param request.url - https, at most 2,000 characters; what it may reach, the server that delivers decides
   * @param request.kinds - default all
   * @returns the secret, which is never shown again, but to a repetition of the call with its idempotency key
   * @throws RangeError ERR_INVALID_ARGUMENT
   */
  async create(
    environmentId: string,
    request: { readonly url: string; readonly kinds?: readonly string[] | undefined },
    options: WriteOptions = {},
  ): Promise<WebhookInfo & { readonly secret: string }> {
    const { url } = request;
    let protocol: string | undefined;
    try {
      protocol = new URL(url).protocol;
    } catch {}
    // A URL parser drops or encodes blanks and control characters: what is stored and shown should be what is asked.
    const isPlain = /^[^\s\p{Cc}]*$/u.test(url) && url.isWellFormed();
    if ((protocol !== "https:" && protocol !== "http:") || url.length > URL_CHARS_MAX || !isPlain) {
      throw invalidRange(`url must be an http or https URL of at most ${URL_CHARS_MAX} characters`);
    }
    for (const kind of request.kinds ?? []) {
      if (!EVENT_KINDS.includes(kind as EventKind))
        throw invalidRange(`a kind is one of ${EVENT_KINDS.join(", ")}`);
    }
    const id = `${WEBHOOK_ID_PREFIX}${toHex(randomBytes(ID_BYTES)).toUpperCase()}`;
    const secret = `${WEBHOOK_SECRET_PREFIX}${encodeBase64(randomBytes(WEBHOOK_SECRET_BYTES)).replace(/[+/=]/g, "")}`;
    return this.#writes.write(async (sql) => {
      await this.#vault.authority.prepare(sql);
      const row = {
        id,
        environment_id: environmentId,
        url,
        kinds: request.kinds === undefined ? "*" : ` ${request.kinds.join(" ")} `,
        sealed_secret: this.#vault.authority.serviceKeys.sealSecret(utf8(secret, "secret"), utf8(id, "id")),
        created_at: this.#vault.now(),
        disabled_at: null,
        generation: 0,
      };
      await insertRow(sql, "webhooks", {
        ...row,
        mac: this.#vault.authority.seal(recordOf("webhooks", row)),
      });
      return { ...toInfo(row), kinds: request.kinds as readonly EventKind[] | undefined, secret };
    }, options);
  }

  /** The webhooks of an environment, the oldest first. */
  list(environmentId: string): Promise<WebhookInfo[]> {
    return this.#vault.database.read(async (sql) => {
      const known = await this.#vault.authority.look(sql);
      const rows = await sql.all(
        "SELECT * FROM webhooks WHERE environment_id = ? AND disabled_at IS NULL ORDER BY created_at, id",
        environmentId,
      );
      for (const row of rows) known.check(recordOf("webhooks", row), row.mac);
      return rows.map(toInfo);
    });
  }

  /** Ends a webhook; what it is owed is dropped. @throws VaultError ERR_WEBHOOK_NOT_FOUND */
  async remove(environmentId: string, id: string, options: WriteOptions = {}): Promise<void> {
    await this.#writes.write(async (sql) => {
      // Locks the row: what is read of it next stays so.
      const found = await sql.run(
        `UPDATE webhooks SET created_at = created_at
         WHERE id = ? AND environment_id = ? AND disabled_at IS NULL`,
        id,
        environmentId,
      );
      if (found === 0) throw new VaultError("ERR_WEBHOOK_NOT_FOUND", "there is no such webhook");
      const row = (await sql.get("SELECT * FROM webhooks WHERE id = ?", id))!;
      const change = await this.#vault.authority.change(sql);
      change.check(recordOf("webhooks", row), row.mac);
      const generation = await change.append("webhook", id);
      const changes = { disabled_at: this.#vault.now(), generation };
      const mac = this.#vault.authority.seal(recordOf("webhooks", { ...row, ...changes }));
      await updateRow(sql, "webhooks", id, { ...changes, mac });
      await sql.run("DELETE FROM webhook_deliveries WHERE webhook_id = ? AND state = 'pending'", id);
      return true;
    }, options);
  }

  /** Deliveries that were given up, the latest first. */
  dead(environmentId: string): Promise<DeadDelivery[]> {
    return this.#vault.database.read(async (sql) => {
      const rows = await sql.all(
        `SELECT d.webhook_id, d.event_id, d.attempts, d.last_error FROM webhook_deliveries d
         JOIN webhooks w ON w.id = d.webhook_id WHERE w.environment_id = ? AND d.state = 'dead'
         ORDER BY d.sequence DESC LIMIT ?`,
        environmentId,
        DELIVERIES_PAGE_MAX,
      );
      return rows.map((row) => ({
        webhookId: row.webhook_id as string,
        eventId: row.event_id as string,
        attempts: row.attempts as number,
        lastError: (row.last_error as string | null) ?? "",
      }));
    });
  }

  /** Owes all of an environment's dead deliveries again. @returns how many */
  revive(environmentId: string, options: WriteOptions = {}): Promise<number> {
    return this.#writes.write(
      (sql) =>
        sql.run(
          `UPDATE webhook_deliveries SET state = 'pending', attempts = 0, due_at = ?
         WHERE state = 'dead' AND webhook_id IN
           (SELECT id FROM webhooks WHERE environment_id = ? AND disabled_at IS NULL)`,
          this.#vault.now(),
          environmentId,
        ),
      options,
    );
  }

  /** The webhooks for which something is due now, however much that is. */
  owed(): Promise<OwedWebhook[]> {
    const now = this.#vault.now();
    return this.#vault.database.read(async (sql) => {
      const rows = await sql.all(OWED);
      return rows
        .map((row) => ({
          webhookId: row.id as string,
          environmentId: row.environment_id as string,
          dueAt: row.due_at as number,
        }))
        .filter(({ dueAt }) => dueAt <= now);
    });
  }

  /**
   * Takes deliveries that are due. Another server that looks at the same moment gets others; one that dies leaves them
   * to be claimed again after a while, so a receiver may see an event twice: its id tells.
   *
   * @param wanted - how many at most of each webhook, by its id
   */
  async claim(wanted: ReadonlyMap<string, number>): Promise<Delivery[]> {
    const now = this.#vault.now();
    const webhooks = await this.#authentic([...wanted.keys()]);
    // In one order everywhere, so that two servers do not wait for each other.
    const inOrder = [...wanted].sort(([one], [other]) => (one < other ? -1 : 1));
    return this.#vault.database.write(async (sql) => {
      const claimed: Delivery[] = [];
      for (const [webhookId, limit] of inOrder) {
        const webhook = webhooks.get(webhookId);
        if (webhook === undefined) continue;
        for (const row of await sql.all(DUE, webhookId, now, limit)) {
          if (!(await this.#isOwed(sql, webhook, row))) {
            await sql.run(GIVE_UP, NOT_OWED, row.sequence!);
            continue;
          }
          const isOurs = await sql.run(CLAIM, now + DELIVERY_CLAIM_MS, row.sequence!, row.due_at!);
          if (isOurs > 0) claimed.push(this.#toDelivery(webhook, row));
        }
      }
      return claimed;
    });
  }

  /** Notes how an attempt went; after the last one the delivery is dead. */
  async settle(delivery: Delivery, failure: string | undefined): Promise<void> {
    const isDead = failure !== undefined && delivery.attempt >= DELIVERY_ATTEMPTS_MAX;
    const backoff = Math.min(DELIVERY_BACKOFF_MS_MIN * 2 ** (delivery.attempt - 1), DELIVERY_BACKOFF_MS_MAX);
    await this.#vault.database.write((sql) =>
      sql.run(
        "UPDATE webhook_deliveries SET state = ?, due_at = ?, last_error = ? WHERE sequence = ?",
        failure === undefined ? "delivered" : isDead ? "dead" : "pending",
        this.#vault.now() + backoff,
        failure ?? null,
        delivery.sequence,
      ),
    );
  }

  /** Those webhooks that are as they were made; nothing is sent to others, and a list names them. */
  #authentic(ids: readonly string[]): Promise<ReadonlyMap<string, Row>> {
    return this.#vault.database.read(async (sql) => {
      const known = await this.#vault.authority.look(sql);
      const found = new Map<string, Row>();
      for (const id of ids) {
        const row = await sql.get("SELECT * FROM webhooks WHERE id = ? AND disabled_at IS NULL", id);
        if (row === undefined) continue;
        await unlessCorrupt(() => {
          known.check(recordOf("webhooks", row), row.mac);
          found.set(id, row);
        });
      }
      return found;
    });
  }

  /** Whether a delivery's event is as it was recorded, and of the webhook's environment: the delivery's own row is only believed. */
  async #isOwed(sql: Sql, webhook: Row, event: Row): Promise<boolean> {
    const isOwed = await unlessCorrupt(async () => {
      await checkEvent(sql, this.#vault.authority, event);
      return event.environment_id === webhook.environment_id;
    });
    return isOwed === true;
  }

  #toDelivery(webhook: Row, row: Row): Delivery {
    const webhookId = webhook.id as string;
    const secret = this.#vault.authority.serviceKeys.openSecret(
      webhook.sealed_secret as Uint8Array,
      utf8(webhookId, "id"),
    );
    return {
      sequence: row.sequence as number,
      webhookId,
      environmentId: webhook.environment_id as string,
      url: webhook.url as string,
      secret: fromUtf8(secret) as string,
      event: toEvent(row),
      attempt: (row.attempts as number) + 1,
    };
  }
}

/** The ids that have something pending are found by steps from one to the next, past all that each of them is owed. */
const OWED = `
  WITH RECURSIVE owed (id) AS (
    SELECT min(webhook_id) FROM webhook_deliveries WHERE state = 'pending'
    UNION ALL
    SELECT (SELECT min(d.webhook_id) FROM webhook_deliveries d WHERE d.state = 'pending' AND d.webhook_id > owed.id)
    FROM owed WHERE owed.id IS NOT NULL
  )
  SELECT w.id, w.environment_id,
    (SELECT min(d.due_at) FROM webhook_deliveries d WHERE d.state = 'pending' AND d.webhook_id = w.id) AS due_at
  FROM owed JOIN webhooks w ON w.id = owed.id WHERE w.disabled_at IS NULL`;

const DUE = `
  SELECT d.sequence, d.due_at, d.attempts, e.id, e.environment_id, e.kind, e.data, e.created_at, e.generation, e.mac
  FROM webhook_deliveries d JOIN webhooks w ON w.id = d.webhook_id JOIN events e ON e.id = d.event_id
  WHERE d.webhook_id = ? AND d.state = 'pending' AND d.due_at <= ? AND w.disabled_at IS NULL
  ORDER BY d.due_at, d.sequence LIMIT ?`;

const CLAIM = `
  UPDATE webhook_deliveries SET attempts = attempts + 1, due_at = ?
  WHERE sequence = ? AND state = 'pending' AND due_at = ?`;

const GIVE_UP = "UPDATE webhook_deliveries SET state = 'dead', last_error = ? WHERE sequence = ?";
/** Why a delivery was given up before its first attempt. */
const NOT_OWED = "the event is not as it was recorded, or of another environment";

function toInfo(row: Row): WebhookInfo {
  const kinds = row.kinds as string;
  return {
    id: row.id as string,
    url: row.url as string,
    kinds: kinds === "*" ? undefined : (kinds.trim().split(" ") as EventKind[]),
    createdAt: new Date(row.created_at as number).toISOString(),
  };
}

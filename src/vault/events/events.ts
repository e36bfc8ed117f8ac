/**
 * Vault events: who did what, kept in the vault's own database (docs/spec/events.md).
 *
 * Owns the rows of events, whose kinds and payloads are in wire/event-kinds.ts, and the rows of the deliveries that webhooks owe. What changes
 * something is recorded in the same transaction; reads are recorded a moment later, many at once, or not at all. Must
 * not know HTTP.
 *
 * @module
 */
import { randomBytes } from "../../crypto/primitives/random.ts";
import { VaultError } from "../../errors.ts";
import type { KvActor } from "../../kv/kv-service.ts";
import type { EventDetails, EventKind } from "../../wire/event-kinds.ts";
import type { Authority } from "../authority/authority.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { eventRecord, recordOf } from "../authority/record.ts";
import { newOrderedId } from "../ids.ts";
import {
  EVENT_FLUSH_MS,
  EVENT_ID_PREFIX,
  EVENTS_BUFFERED_MAX,
  EVENTS_KEPT_MAX,
  EVENTS_PAGE_MAX,
  EVENTS_PER_INSERT,
  ORDERED_ID_RANDOM_BYTES,
} from "../limits.ts";
import { WITH_ROOT } from "../root/roots.ts";
import type { Row, Sql, SqlValue } from "../storage/database.ts";

/** What of an event depends on its kind, in the names of the wire. */
export type EventData = Readonly<
  Record<string, string | boolean | readonly string[] | Readonly<Record<string, string>>>
>;

/** An event as it is handed out. */
export interface VaultEvent {
  readonly object: "event";
  readonly id: string;
  readonly event: EventKind;
  readonly data: EventData;
  /** RFC 3339. */
  readonly created_at: string;
}

/** Which events are recorded: those of changes, or reads too. */
export type EventMode = "changes" | "all";

/** Who acts, as events name them. */
export interface EventActor extends KvActor {
  readonly source: "api" | "dashboard";
}

/** Takes the events of one actor in one environment. */
export interface EventSink {
  /**
   * Records a change within the transaction that makes it.
   *
   * @param generation - of a change of authority that the transaction has made; default the last one that was seen
   */
  append<Kind extends EventKind>(
    sql: Sql,
    kind: Kind,
    data: EventDetails[Kind],
    generation?: number,
  ): Promise<void>;
  /** Records a read, soon. */
  note<Kind extends EventKind>(kind: Kind, data: EventDetails[Kind]): void;
}

interface Noted {
  readonly environmentId: string;
  readonly kind: EventKind;
  /** The payload as JSON. */
  readonly data: string;
  readonly at: number;
}

/** The events of one database. */
export class EventLog {
  readonly #vault: OpenedVault;
  #noted: Noted[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #flushing: Promise<void> = Promise.resolve();

  constructor(vault: OpenedVault) {
    this.#vault = vault;
  }

  /** A sink that adds the actor to every event. In mode `changes`, reads are not recorded. */
  sink(environmentId: string, actor: EventActor, mode: EventMode): EventSink {
    const who = JSON.stringify({ actor_id: actor.id, actor_source: actor.source, actor_name: actor.name });
    const noted = (kind: EventKind, data: object): Noted => {
      const own = JSON.stringify(data);
      const all = own === "{}" ? who : `${who.slice(0, -1)},${own.slice(1)}`;
      return { environmentId, kind, data: all, at: this.#vault.now() };
    };
    return {
      append: (sql, kind, data, generation) => this.#insert(sql, [noted(kind, data)], generation),
      note: (kind, data) => {
        if (mode === "all") this.#note(noted(kind, data));
      },
    };
  }

  /**
   * Events of an environment in the order of their recording.
   *
   * @param request.after - id of the last event that was seen; default from the first
   * @param request.limit - 1 to 100
   * @throws VaultError ERR_CURSOR_INVALID; ERR_STORAGE_CORRUPT that names an event which is not as it was recorded
   */
  async list(
    environmentId: string,
    request: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<{ readonly data: readonly VaultEvent[]; readonly after: string | null }> {
    await this.flush();
    const limit = Math.min(request.limit, EVENTS_PAGE_MAX);
    return this.#vault.database.read(async (sql) => {
      let from: readonly [writeId: number, sequence: number] = [-1, 0];
      if (request.after !== undefined) {
        const row = await sql.get(
          "SELECT write_id, sequence FROM events WHERE environment_id = ? AND id = ?",
          environmentId,
          request.after,
        );
        if (row === undefined)
          throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not an event of this environment");
        from = [row.write_id as number, row.sequence as number];
      }
      const rows = await sql.all(
        `SELECT id, environment_id, kind, data, created_at, generation, mac FROM events e
         WHERE environment_id = ? AND (write_id, sequence) > (?, ?)${this.#vault.database.settled("e")}
         ORDER BY write_id, sequence LIMIT ?`,
        environmentId,
        ...from,
        limit + 1,
      );
      const page = rows.slice(0, limit);
      for (const row of page) await checkEvent(sql, this.#vault.authority, row);
      return {
        data: page.map(toEvent),
        after: rows.length > limit ? (page[page.length - 1]!.id as string) : null,
      };
    });
  }

  /** Writes what has been noted. Resolves when it is durable. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const noted = this.#noted;
    if (noted.length === 0) return this.#flushing;
    this.#noted = [];
    const previous = this.#flushing;
    this.#flushing = (async () => {
      await previous.catch(() => {});
      try {
        await this.#vault.database.write(async (sql) => {
          await this.#vault.authority.prepare(sql);
          await this.#insert(sql, noted);
        }, WITH_ROOT);
      } catch (error) {
        this.#keep(noted);
        throw error;
      }
    })();
    return this.#flushing;
  }

  /** Notes again what could not be written, to be tried again later; the latest, if there are too many. */
  #keep(noted: readonly Noted[]): void {
    this.#noted = [...noted, ...this.#noted].slice(-EVENTS_KEPT_MAX);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#timer !== undefined) return;
    // A failed flush is reported to those who wait for one; the reads themselves have been answered.
    this.#timer = setTimeout(() => this.flush().catch(() => {}), EVENT_FLUSH_MS);
    this.#timer.unref();
  }

  #note(event: Noted): void {
    this.#noted.push(event);
    // Only once per buffer: while the storage is away, more are kept than fit into one.
    if (this.#noted.length === EVENTS_BUFFERED_MAX) this.flush().catch(() => {});
    else this.#flushSoon();
    if (this.#noted.length > EVENTS_KEPT_MAX) this.#noted.shift();
  }

  /** Records events in their order, and what webhooks are owed of them. */
  async #insert(
    sql: Sql,
    events: readonly Noted[],
    generation = this.#vault.authority.generation,
  ): Promise<void> {
    const { authority } = this.#vault;
    // One read of the kernel's for the ids of all.
    const random = randomBytes(events.length * ORDERED_ID_RANDOM_BYTES);
    const rows = events.map(({ environmentId, kind, data, at }, i): readonly SqlValue[] => {
      const from = i * ORDERED_ID_RANDOM_BYTES;
      const id = newOrderedId(EVENT_ID_PREFIX, random.subarray(from, from + ORDERED_ID_RANDOM_BYTES));
      // In the order of the columns, of the table and of the record alike.
      const values = [id, environmentId, kind, data, at, generation];
      return [...values, authority.seal(eventRecord(values))];
    });
    let at = 0;
    for (; at + EVENTS_PER_INSERT <= rows.length; at += EVENTS_PER_INSERT) {
      await sql.send(INSERT_MANY, rows.slice(at, at + EVENTS_PER_INSERT).flat());
    }
    for (; at < rows.length; at++) await sql.send(INSERT_ONE, rows[at]!);
    await owe(sql, events, rows);
  }
}

/** A stored row as the event that is handed out. */
export function toEvent(row: Row): VaultEvent {
  return {
    object: "event",
    id: row.id as string,
    event: row.kind as EventKind,
    data: JSON.parse(row.data as string) as EventData,
    created_at: new Date(row.created_at as number).toISOString(),
  };
}

/** Refuses an event that is not as it was recorded. @param row - has all columns of `events` @throws VaultError ERR_STORAGE_CORRUPT */
export async function checkEvent(sql: Sql, authority: Authority, row: Row): Promise<void> {
  const record = recordOf("events", row);
  await authority.check(sql, record, row.mac);
  await authority.checkGeneration(sql, row.generation as number, record.what);
}

const COLUMNS = "(?, ?, ?, ?, ?, ?, ?)";

function insertText(rows: number): string {
  const values = Array(rows).fill(COLUMNS).join(", ");
  return `INSERT INTO events (id, environment_id, kind, data, created_at, generation, mac) VALUES ${values}`;
}
const INSERT_ONE = insertText(1);
const INSERT_MANY = insertText(EVENTS_PER_INSERT);

/** Notes what webhooks are owed of events. @param rows - as they were inserted, the id first */
async function owe(
  sql: Sql,
  events: readonly Noted[],
  rows: readonly (readonly SqlValue[])[],
): Promise<void> {
  // Most vaults have no webhook. Of a single event that is found out by the statement itself, which needs no answer.
  if (
    events.length > 1 &&
    (await sql.get("SELECT 1 AS found FROM webhooks WHERE disabled_at IS NULL LIMIT 1")) === undefined
  )
    return;
  for (const [i, event] of events.entries()) {
    // Kinds are stored between blanks, so that one cannot match within another.
    const statement = `INSERT INTO webhook_deliveries (webhook_id, event_id, state, attempts, due_at)
       SELECT w.id, e.id, 'pending', 0, e.created_at FROM webhooks w JOIN events e ON e.id = ?
       WHERE w.environment_id = ? AND w.disabled_at IS NULL AND (w.kinds = '*' OR replace(w.kinds, ?, '') <> w.kinds)`;
    await sql.send(statement, [rows[i]![0]!, event.environmentId, ` ${event.kind} `]);
  }
}

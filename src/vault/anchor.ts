/**
 * Anchors: what a vault holds at one moment, in a few numbers, to be kept elsewhere (docs/spec/authority.md section 10). Against
 * one it shows that an older state of everything was put in the vault's place.
 *
 * Owns their form and the comparison. Must not know where they are kept.
 *
 * @module
 */
import { fromHex, toHex } from "../base/bytes.ts";
import { hash } from "../crypto/primitives/hash.ts";
import { uuidToText } from "../crypto/primitives/uuid.ts";
import { invalidRange, VaultError } from "../errors.ts";
import type { Authority } from "./authority/authority.ts";
import type { OpenedVault } from "./authority/opened-vault.ts";
import { recordBytes, recordOf } from "./authority/record.ts";
import type { Row, Sql } from "./storage/database.ts";

/** Begins every anchor. */
const FORMAT = "coffer/v1/anchor";

/** A MAC in hexadecimal. */
const MAC = /^[0-9a-f]{72}$/;

/** Tables of which no row is ever deleted. */
const GROWING = [
  "environments",
  "keks",
  "kek_versions",
  "contexts",
  "kv_objects",
  "kv_versions",
  "api_keys",
  "webhooks",
  "events",
  "recipients",
  "recipient_versions",
  "senders",
] as const;

/** What a vault held at one moment. Plain data, to be written as JSON; holds no secret, name or context. */
export interface Anchor {
  readonly format: typeof FORMAT;
  /** UUID text. */
  readonly vaultId: string;
  /** RFC 3339. */
  readonly madeAt: string;
  /** The last change of authority: its number, and the MAC of its entry in hexadecimal. Null in a vault that is not authenticated. */
  readonly lastChange: { readonly generation: number; readonly mac: string } | null;
  /** The newest event, and the SHA-256 of its record in hexadecimal. */
  readonly lastEvent: { readonly id: string; readonly digest: string } | null;
  /** How many rows the tables had of which none is ever deleted. */
  readonly rows: Readonly<Record<(typeof GROWING)[number], number>>;
}

/**
 * The anchor of now.
 *
 * @param before - an earlier one, which the vault must not be older than
 * @throws VaultError ERR_ANCHOR_MISMATCH if it is older than that, has another history, or is another vault
 */
export function takeAnchor(
  { database, authority, vaultId, now }: OpenedVault,
  before: Anchor | undefined,
): Promise<Anchor> {
  return database.read(async (sql) => {
    const last = await authority.lastEntry(sql);
    const event = await sql.get("SELECT * FROM events ORDER BY id DESC LIMIT 1");
    const rows: Partial<Record<(typeof GROWING)[number], number>> = {};
    for (const table of GROWING) {
      rows[table] = (await sql.get(`SELECT count(*) AS n FROM ${table}`))!.n as number;
    }
    const anchor: Anchor = {
      format: FORMAT,
      vaultId: uuidToText(vaultId),
      madeAt: new Date(now()).toISOString(),
      lastChange: last === undefined ? null : { generation: last.generation, mac: toHex(last.mac) },
      lastEvent: event === undefined ? null : { id: event.id as string, digest: digestOf(event) },
      rows: rows as Anchor["rows"],
    };
    if (before !== undefined) {
      const differences = await differencesOf(sql, authority, before, anchor);
      if (differences.length > 0) {
        throw new VaultError(
          "ERR_ANCHOR_MISMATCH",
          `the vault is not what its anchor of ${before.madeAt} tells of: ${differences.join("; ")}`,
        );
      }
    }
    return anchor;
  });
}

/** An anchor out of the text of its JSON. @throws RangeError ERR_INVALID_ARGUMENT */
export function parseAnchor(text: string): Anchor {
  let value: Partial<Anchor> | null = null;
  try {
    value = JSON.parse(text) as Partial<Anchor> | null;
  } catch {}
  const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && (count as number) >= 0;
  const isText = (one: unknown): boolean => typeof one === "string";
  const { lastChange, lastEvent, rows } = value ?? {};
  const isWhole =
    value?.format === FORMAT &&
    isText(value.vaultId) &&
    isText(value.madeAt) &&
    !Number.isNaN(Date.parse(value.madeAt as string)) &&
    (lastChange === null || (isCount(lastChange?.generation) && MAC.test(String(lastChange?.mac)))) &&
    (lastEvent === null || (isText(lastEvent?.id) && isText(lastEvent?.digest))) &&
    typeof rows === "object" &&
    rows !== null &&
    GROWING.every((table) => isCount(rows[table] ?? (table === "senders" ? 0 : undefined)));
  if (!isWhole) throw invalidRange("this is not an anchor of a vault, or it is damaged");
  return value as Anchor;
}

/** What of `before` the vault does not have any more; no name or context. */
async function differencesOf(
  sql: Sql,
  authority: Authority,
  before: Anchor,
  now: Anchor,
): Promise<readonly string[]> {
  if (before.vaultId !== now.vaultId) return ["it is another vault"];
  const found: string[] = [];
  const { lastChange, lastEvent } = before;
  if (lastChange !== null) {
    const { generation } = lastChange;
    const mac = fromHex(lastChange.mac);
    if (now.lastChange === null) found.push("it was authenticated, and is not");
    else if (!(await authority.hasEntry(sql, { generation, mac }))) {
      found.push(
        now.lastChange.generation < generation
          ? `the log of changes of authority had ${generation} entries and has ${now.lastChange.generation}`
          : `entry ${generation} of the log of changes of authority is another one`,
      );
    }
  }
  if (lastEvent !== null) {
    const row = await sql.get("SELECT * FROM events WHERE id = ?", lastEvent.id);
    if (row === undefined) found.push(`the event ${lastEvent.id} is missing`);
    else if (digestOf(row) !== lastEvent.digest) found.push(`the event ${lastEvent.id} is another one`);
  }
  for (const table of GROWING) {
    // Anchors of before there were senders do not count them.
    const had = before.rows[table] ?? 0;
    const has = now.rows[table];
    if (has < had) found.push(`${table} had ${had} rows and has ${has}`);
  }
  return found;
}

/** Of what an event's MAC covers: it stays the same when the key of MACs is another one. */
function digestOf(event: Row): string {
  return toHex(hash.sha256(recordBytes(recordOf("events", event))));
}

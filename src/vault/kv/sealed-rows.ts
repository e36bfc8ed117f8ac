/**
 * Rows that have a MAC of their own: all of them, for what goes over a whole vault.
 *
 * Owns the statements that read them with all that their records cover. Must not know keys.
 *
 * @module
 */
import type { RecordTable } from "../authority/record.ts";
import { OLD_KEY_LABEL } from "./rows.ts";

/** Reads all rows of a table that have a MAC, with `id` and `mac`. KEKs are not among them: their record has several rows. */
export const SEALED_ROWS: Readonly<Record<RecordTable, string>> = {
  environments: "SELECT * FROM environments",
  api_keys: "SELECT * FROM api_keys",
  webhooks: "SELECT * FROM webhooks",
  senders: "SELECT * FROM senders",
  kv_objects: `SELECT o.id, o.environment_id, o.name, o.current_version, o.created_at, o.updated_at, o.deleted_at, o.mac,
      c.canonical, v.number AS current_number, v.generation AS current_generation
      FROM kv_objects o JOIN contexts c ON c.id = o.context_id
      LEFT JOIN kv_versions v ON v.id = o.current_version AND v.object_id = o.id`,
  kv_versions: `SELECT * FROM kv_versions WHERE key_label = ${OLD_KEY_LABEL} AND sealed IS NOT NULL`,
  events: "SELECT * FROM events",
};

/** The tables, in an order for going over them. */
export const SEALED_TABLES = Object.keys(SEALED_ROWS) as readonly RecordTable[];

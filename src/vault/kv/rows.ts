/**
 * Rows of the store: objects and versions as a caller may see them.
 *
 * Owns the look-ups, which keep environment and scope, the one conditional change of a live object, and the rows that say
 * which KEKs a version needs. Must not know values or how they are sealed.
 *
 * @module
 */

import { contextObject } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { VaultError } from "../../errors.ts";
import type { KvObjectWithoutValue } from "../../kv/kv-service.ts";
import { type Access, scopeCondition } from "../access/access.ts";
import { storedContext } from "../keks/rows.ts";
import type { Row, Sql, SqlValue } from "../storage/database.ts";

/** How often a write starts over because its KEKs were rotated or revoked while it was under way. */
export const REVOKED_RETRIES_MAX = 10;

/** What is read of an object and one of its versions. */
export const OBJECT_COLUMNS = `o.id, o.name, o.environment_id, o.current_version, o.updated_at, o.deleted_at, c.canonical,
  v.id AS version_id, v.key_id, v.key_blob, v.sealed, v.created_at AS version_created_at, v.created_by_id, v.created_by_name`;
/** The tables that an object is read from. */
export const OBJECT_TABLES =
  "kv_objects o JOIN contexts c ON c.id = o.context_id JOIN kv_versions v ON v.object_id = o.id";

/** Looks rows up on behalf of a caller. */
export class KvRows {
  readonly #environmentId: string;
  readonly #scope: ReturnType<typeof scopeCondition>;

  constructor(access: Access) {
    this.#environmentId = access.environmentId;
    this.#scope = scopeCondition(access, "o.context_id");
  }

  /** A live object with its current version, or the one asked for. */
  async live(sql: Sql, id: string, versionId?: string): Promise<Row> {
    const row = await this.any(sql, id, versionId);
    if (row.deleted_at !== null) throw notFound();
    return row;
  }

  /** The same, deleted or not. */
  async any(sql: Sql, id: string, versionId?: string): Promise<Row> {
    const row = await sql.get(
      `SELECT ${OBJECT_COLUMNS} FROM ${OBJECT_TABLES} AND v.id = coalesce(?, o.current_version)
       WHERE o.environment_id = ? AND o.id = ?${this.#scope.sql}`,
      versionId ?? null,
      this.#environmentId,
      id,
      ...this.#scope.parameters,
    );
    if (row === undefined) throw notFound();
    return row;
  }

  async isNameTaken(sql: Sql, name: string): Promise<boolean> {
    const row = await sql.get(
      "SELECT 1 AS found FROM kv_objects WHERE environment_id = ? AND name = ? AND deleted_at IS NULL",
      this.#environmentId,
      name,
    );
    return row !== undefined;
  }

  /** Changes a live object if its version is the expected one, in one statement. */
  async changeLive(
    sql: Sql,
    id: string,
    check: string | undefined,
    assignments: string,
    ...values: readonly SqlValue[]
  ): Promise<void> {
    const changed = await sql.run(
      `UPDATE kv_objects AS o SET ${assignments} WHERE o.id = ? AND o.environment_id = ? AND o.deleted_at IS NULL
       AND o.current_version = coalesce(?, o.current_version)${this.#scope.sql}`,
      ...values,
      id,
      this.#environmentId,
      check ?? null,
      ...this.#scope.parameters,
    );
    if (changed === 1) return;
    await this.live(sql, id);
    throw conflict();
  }

  async sequenceOf(sql: Sql, cursor: string): Promise<number> {
    const row = await sql.get(
      `SELECT o.sequence FROM kv_objects o WHERE o.environment_id = ? AND o.id = ?${this.#scope.sql}`,
      this.#environmentId,
      cursor,
      ...this.#scope.parameters,
    );
    if (row === undefined) throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not one of this list");
    return row.sequence as number;
  }
}

/** A row as it is handed out. */
export function toObject(row: Row): KvObjectWithoutValue {
  return {
    id: row.id as string,
    name: row.name as string,
    metadata: {
      id: row.id as string,
      environmentId: row.environment_id as string,
      keyId: row.key_id as string,
      updatedAt: iso(row.version_created_at as number),
      updatedBy: { id: row.created_by_id as string, name: row.created_by_name as string },
      context: contextObject(storedContext(row.canonical)),
      versionId: row.version_id as string,
    },
  };
}

/** Notes which KEK versions a stored version needs. */
export async function insertVersionKeks(
  sql: Sql,
  versionId: string,
  keks: readonly { readonly id: string; readonly version: number }[],
): Promise<void> {
  for (const kek of keks) {
    await sql.run(
      "INSERT INTO kv_version_keks (version_id, kek_id, kek_version) VALUES (?, ?, ?)",
      versionId,
      kek.id,
      kek.version,
    );
  }
}

/** A KEK of a key blob as rows name it. */
export function kekText(kek: { readonly id: Uint8Array; readonly version: number }) {
  return { id: uuidToText(kek.id), version: kek.version };
}

/** KEKs were revoked each time before a write could end. */
export function revokedTooFast(): VaultError {
  return new VaultError("ERR_STORAGE_BUSY", "keys are being revoked faster than values can be written");
}

/** Of an object that is not there, or not within scope. */
export function notFound(): VaultError {
  return new VaultError("ERR_KV_NOT_FOUND", "there is no such object");
}

/** Of a version that is not the current one. */
export function conflict(): VaultError {
  return new VaultError("ERR_KV_VERSION_CONFLICT", "the object has another current version than expected");
}

/** Milliseconds since 1970 as RFC 3339. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

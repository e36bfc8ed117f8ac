/**
 * Rows of the store: objects and versions as a caller may see them.
 *
 * Owns the look-ups, which keep environment and scope, the one conditional change of a live object, and the rows that say
 * which KEKs a version needs. Must not know values or how they are sealed.
 *
 * @module
 */

import { allOf } from "../../base/concurrency.ts";
import { contextObject } from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import type { KvObjectWithoutValue } from "../../kv/kv-service.ts";
import { isInScope, scopeCondition } from "../access/access.ts";
import type { Authority } from "../authority/authority.ts";
import { recordOf } from "../authority/record.ts";
import type { DataKeyOwner } from "../keks/ring.ts";
import { iso, storedContext } from "../keks/rows.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import type { Row, Sql, SqlValue } from "../storage/database.ts";
import { sendRows, updateRow } from "../storage/statements.ts";

/** What is read of an object alone: all of its record. */
const recordColumns = (
  current: "cv" | "v",
): string => `o.id, o.name, o.environment_id, o.current_version, o.created_at,
  o.updated_at, o.deleted_at, o.mac, c.canonical, ${current}.number AS current_number, ${current}.generation AS current_generation,
  (SELECT max(nv.number) FROM kv_versions nv WHERE nv.object_id = o.id) AS newest_number`;
const RECORD_TABLES = `kv_objects o JOIN contexts c ON c.id = o.context_id
  LEFT JOIN kv_versions cv ON cv.id = o.current_version AND cv.object_id = o.id`;
/** What is read of an object and one of its versions. */
const VERSION_COLUMNS = `v.id AS version_id, v.key_id, v.key_blob, v.key_label, v.sealed,
  v.created_at AS version_created_at, v.created_by_id, v.created_by_name`;
const CURRENT_TABLES = `kv_objects o JOIN contexts c ON c.id = o.context_id
  JOIN kv_versions v ON v.object_id = o.id AND v.id = o.current_version`;
/** An object with its current version: without a look at that one for the record alone. */
const SELECT_CURRENT = `SELECT ${recordColumns("v")}, ${VERSION_COLUMNS} FROM ${CURRENT_TABLES}`;
/** An object that is about to be changed: without the value. */
const SELECT_RECORD = `SELECT ${recordColumns("v")}, v.id AS version_id, v.key_label FROM ${CURRENT_TABLES}`;
/** An object with the version of an id. */
const SELECT_VERSION = `SELECT ${recordColumns("cv")}, ${VERSION_COLUMNS} FROM ${RECORD_TABLES}
  JOIN kv_versions v ON v.object_id = o.id AND v.id = ?`;

/** What may change of an object. */
export interface ObjectChanges {
  readonly current_version?: string;
  readonly current_number?: number;
  readonly current_generation?: number;
  readonly updated_at?: number;
  readonly deleted_at?: number | null;
}

/** Looks rows up on behalf of a caller, and believes none that is not as it was written. */
export class KvRows {
  readonly #parts: SessionParts;
  readonly #scope: ReturnType<typeof scopeCondition>;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#scope = scopeCondition(parts.access, "o.context_id");
  }

  /** A live object with its current version, or the one asked for. */
  async live(sql: Sql, id: string, versionId?: string): Promise<Row> {
    const row = await this.any(sql, id, versionId);
    if (row.deleted_at !== null) throw notFound();
    return row;
  }

  /** The live object of a name, with its current version. */
  async named(sql: Sql, name: string): Promise<Row> {
    const row = await sql.get(
      `${SELECT_CURRENT} WHERE o.environment_id = ? AND o.name = ? AND o.deleted_at IS NULL${this.#scope.sql}`,
      this.#parts.access.environmentId,
      name,
      ...this.#scope.parameters,
    );
    return this.#believed(sql, row);
  }

  /** A live object or a deleted one, with its current version, or the one asked for. */
  async any(sql: Sql, id: string, versionId?: string): Promise<Row> {
    const row = await sql.get(
      `${versionId === undefined ? SELECT_CURRENT : SELECT_VERSION} WHERE o.environment_id = ? AND o.id = ?${this.#scope.sql}`,
      ...(versionId === undefined ? [] : [versionId]),
      this.#parts.access.environmentId,
      id,
      ...this.#scope.parameters,
    );
    return this.#believed(sql, row);
  }

  /** What is to be known of a live object to change it. */
  async record(sql: Sql, id: string, check: string | undefined): Promise<Row> {
    const row = await sql.get(
      `${SELECT_RECORD} WHERE o.environment_id = ? AND o.id = ?${this.#scope.sql}`,
      this.#parts.access.environmentId,
      id,
      ...this.#scope.parameters,
    );
    const found = await this.#believed(sql, row);
    if (found.deleted_at !== null) throw notFound();
    if (check !== undefined && found.current_version !== check) throw conflict();
    return found;
  }

  /** Objects without versions. @param rest - conditions on `o`, order and limit */
  async list(sql: Sql, rest: string, ...parameters: readonly SqlValue[]): Promise<readonly Row[]> {
    const rows = await sql.all(
      `SELECT ${recordColumns("cv")} FROM ${RECORD_TABLES} WHERE o.environment_id = ?${this.#scope.sql} AND ${rest}`,
      this.#parts.access.environmentId,
      ...this.#scope.parameters,
      ...parameters,
    );
    for (const row of rows) await this.#check(sql, row);
    return rows;
  }

  /** The same as {@link any}, and nobody else changes it before the transaction ends. */
  async locked(sql: Sql, id: string, versionId?: string): Promise<Row> {
    const locking = this.#lock(sql, id);
    const [, , row] = await allOf([...locking, this.any(sql, id, versionId)]);
    return row;
  }

  /** The same as {@link record}, and nobody else changes it before the transaction ends. */
  async lockedRecord(sql: Sql, id: string, check: string | undefined): Promise<Row> {
    const locking = this.#lock(sql, id);
    const [, , row] = await allOf([...locking, this.record(sql, id, check)]);
    return row;
  }

  /** What goes before a look at an object that is to be changed, on the same way. */
  #lock(sql: Sql, id: string): readonly [Promise<unknown>, Promise<void>] {
    const statement = `UPDATE kv_objects AS o SET updated_at = o.updated_at WHERE o.id = ? AND o.environment_id = ?${this.#scope.sql}`;
    const parameters = [id, this.#parts.access.environmentId, ...this.#scope.parameters];
    return [this.#parts.authority.prepare(sql), sql.send(statement, parameters)];
  }

  /** Changes a locked object. */
  async change(sql: Sql, row: Row, changes: ObjectChanges): Promise<void> {
    // Not a copy of the row with its changes: it has the value too.
    const changed = {
      id: row.id!,
      environment_id: row.environment_id!,
      name: row.name!,
      canonical: row.canonical!,
      current_version: changes.current_version ?? row.current_version!,
      current_number: changes.current_number ?? row.current_number!,
      current_generation: changes.current_generation ?? row.current_generation!,
      created_at: row.created_at!,
      updated_at: changes.updated_at ?? row.updated_at!,
      deleted_at: changes.deleted_at === undefined ? row.deleted_at! : changes.deleted_at,
    };
    const { id, current_version, updated_at, deleted_at } = changed;
    const mac = this.macOf(changed);
    await updateRow(sql, "kv_objects", id, { current_version, updated_at, deleted_at, mac });
  }

  /** The MAC of an object. */
  macOf(row: Row): Uint8Array | null {
    return this.#parts.authority.seal(recordOf("kv_objects", row));
  }

  /** A row that was found, if it may be believed and is in the scope. */
  async #believed(sql: Sql, row: Row | undefined): Promise<Row> {
    if (row === undefined) throw notFound();
    await this.#check(sql, row);
    if (row.key_label === OLD_KEY_LABEL) {
      const version = await sql.get(
        "SELECT * FROM kv_versions WHERE id = ? AND sealed IS NOT NULL",
        row.version_id!,
      );
      if (version !== undefined) await checkOldVersion(sql, this.#parts.authority, version);
    }
    return row;
  }

  async #check(sql: Sql, row: Row): Promise<void> {
    const record = recordOf("kv_objects", row);
    await this.#parts.authority.check(sql, record, row.mac);
    await this.#parts.authority.checkGeneration(sql, row.current_generation as number, record.what);
    if (this.#parts.authority.isAuthenticated && row.current_number !== row.newest_number) {
      throw new VaultError(
        "ERR_STORAGE_CORRUPT",
        `the object ${row.id} is older than its newest version: its row was put back`,
      );
    }
    // SQL has left out what is outside by rows that are not authenticated.
    const { scope } = this.#parts.access;
    if (scope.length > 0 && !isInScope(this.#parts.access, storedContext(row.canonical).entries))
      throw notFound();
  }

  async isNameTaken(sql: Sql, name: string): Promise<boolean> {
    const row = await sql.get(
      "SELECT 1 AS found FROM kv_objects WHERE environment_id = ? AND name = ? AND deleted_at IS NULL",
      this.#parts.access.environmentId,
      name,
    );
    return row !== undefined;
  }

  async sequenceOf(sql: Sql, cursor: string): Promise<number> {
    const row = await sql.get(
      `SELECT o.sequence FROM kv_objects o WHERE o.environment_id = ? AND o.id = ?${this.#scope.sql}`,
      this.#parts.access.environmentId,
      cursor,
      ...this.#scope.parameters,
    );
    if (row === undefined) throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not one of this list");
    return row.sequence as number;
  }
}

/** The label in rows of data keys that were wrapped like those of applications ([AUT-13]). */
export const OLD_KEY_LABEL = 1;
/** The label of the store's own. */
export const OWN_KEY_LABEL = 2;

/** Whose the data key of a version was wrapped as. */
export function keyOwnerOf(row: Row): DataKeyOwner {
  return row.key_label === OLD_KEY_LABEL ? "application" : "store";
}

/** Refuses a version with the label of applications that did not have it from before. @throws VaultError ERR_STORAGE_CORRUPT */
export function checkOldVersion(sql: Sql, authority: Authority, row: Row): Promise<void> {
  return authority.check(sql, recordOf("kv_versions", row), row.mac);
}

/** A row as it is handed out. @param context - the object's, where it is at hand already */
export function toObject(row: Row, context = storedContext(row.canonical)): KvObjectWithoutValue {
  return {
    id: row.id as string,
    name: row.name as string,
    metadata: {
      id: row.id as string,
      environmentId: row.environment_id as string,
      keyId: row.key_id as string,
      updatedAt: iso(row.version_created_at as number),
      updatedBy: { id: row.created_by_id as string, name: row.created_by_name as string },
      context: contextObject(context),
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
  const rows = keks.map(({ id, version }) => ({ version_id: versionId, kek_id: id, kek_version: version }));
  await sendRows(sql, "kv_version_keks", rows);
}

/** Of an object that is not there, or not within scope. */
export function notFound(): VaultError {
  return new VaultError("ERR_KV_NOT_FOUND", "there is no such object");
}

/** Of a version that is not the current one. */
function conflict(): VaultError {
  return new VaultError("ERR_KV_VERSION_CONFLICT", "the object has another current version than expected");
}

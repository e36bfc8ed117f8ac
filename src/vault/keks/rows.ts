/**
 * Rows of KEKs and their versions.
 *
 * Owns how they are found, written and read, and what is said of damaged ones. Must not know which change of a state is
 * allowed, nor data keys.
 *
 * @module
 */
import { fromUtf8, isUint8Array, utf8 } from "../../base/bytes.ts";
import {
  type CanonicalContext,
  type ContextEntry,
  parseCanonicalContext,
} from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import type { KekInfo, KekSelector, KekState } from "../../keks/kek-service.ts";
import type { KekIdentity, RootKeys } from "../root/root-keys.ts";
import type { Row, Sql, SqlValue } from "../storage/database.ts";

/** A KEK as it is stored. */
export interface KekRow {
  readonly id: string;
  readonly name: string;
  readonly value: string;
  readonly createdAt: number;
}

/** A version of one. */
export interface VersionRow {
  readonly version: number;
  readonly state: KekState;
}

/**
 * A KEK of an environment.
 *
 * @param forChange - others that would change it wait from now on
 * @throws VaultError ERR_KEY_NOT_FOUND
 */
export async function findKek(
  sql: Sql,
  environmentId: string,
  selector: KekSelector,
  forChange: boolean,
): Promise<KekRow> {
  const columns = "SELECT id, context_name, context_value, created_at FROM keks WHERE environment_id = ?";
  let row: Row | undefined;
  if ("kekId" in selector) {
    row = await sql.get(`${columns} AND id = ?`, environmentId, selector.kekId);
  } else {
    const { name, value } = selector;
    row = await sql.get(
      `${columns} AND context_name = ? AND context_value = ?`,
      environmentId,
      // A name or value with a lone surrogate has no bytes, and so no KEK.
      utf8(name, "the name"),
      utf8(value, "the value"),
    );
  }
  if (row === undefined) {
    throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such KEK in this environment");
  }
  // Changes of one KEK take turns: what is read of its versions next must not be overtaken.
  if (forChange) await sql.run("UPDATE keks SET created_at = created_at WHERE id = ?", row.id as string);
  return kekRow(row);
}

/** Where a page goes on: behind the KEK of this id. @throws VaultError ERR_CURSOR_INVALID */
export async function placeOf(sql: Sql, environmentId: string, id: string): Promise<[SqlValue, SqlValue]> {
  const row = await sql.get(
    "SELECT context_name, context_value FROM keks WHERE environment_id = ? AND id = ?",
    environmentId,
    id,
  );
  if (row === undefined)
    throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not a KEK of this environment");
  return [row.context_name as SqlValue, row.context_value as SqlValue];
}

/**
 * The versions that a selector means and that still exist, the newest first.
 *
 * @throws VaultError ERR_KEY_NOT_FOUND, ERR_KEY_DESTROYED
 */
export async function versionsMeant(
  sql: Sql,
  kek: KekRow,
  version: number | undefined,
): Promise<VersionRow[]> {
  const all = await kekVersions(sql, kek.id);
  const meant = version === undefined ? all : all.filter((row) => row.version === version);
  if (meant.length === 0) {
    throw new VaultError("ERR_KEY_NOT_FOUND", `the KEK ${kek.id} has no version ${version}`);
  }
  const existing = meant.filter((row) => row.state !== "destroyed");
  if (existing.length === 0) throw new VaultError("ERR_KEY_DESTROYED", `the KEK ${kek.id} was destroyed`);
  return existing;
}

/** Stores a new active version of a KEK, made here. */
export async function insertKekVersion(
  sql: Sql,
  rootKeys: RootKeys,
  identity: KekIdentity,
  now: number,
): Promise<void> {
  await sql.run(
    "INSERT INTO kek_versions (kek_id, version, state, wrapped, created_at) VALUES (?, ?, 'active', ?, ?)",
    identity.kekId,
    identity.version,
    rootKeys.create(identity),
    now,
  );
}

/** The versions of a KEK, the newest first. */
export async function kekVersions(sql: Sql, kekId: string): Promise<VersionRow[]> {
  const rows = await sql.all(
    "SELECT version, state FROM kek_versions WHERE kek_id = ? ORDER BY version DESC",
    kekId,
  );
  if (rows.length === 0) throw damagedKek(kekId);
  return rows.map((row) => ({ version: row.version as number, state: row.state as KekState }));
}

/** Puts a version into a state; of a destroyed one the wrapped KEK goes too. */
export async function setState(
  sql: Sql,
  kekId: string,
  version: number,
  state: KekState,
  destroyAt?: number,
): Promise<void> {
  await sql.run(
    `UPDATE kek_versions SET state = ?, destroy_at = ?, wrapped = CASE WHEN ? = 1 THEN NULL ELSE wrapped END
     WHERE kek_id = ? AND version = ?`,
    state,
    state === "pending-destroy" ? (destroyAt as number) : null,
    state === "destroyed" ? 1 : 0,
    kekId,
    version,
  );
}

/** A KEK as callers are told of it. */
export async function kekInfo(sql: Sql, kek: KekRow): Promise<KekInfo> {
  const rows = await sql.all(
    `SELECT v.version, v.state, v.created_at, v.destroy_at,
       (SELECT count(*) FROM kv_version_keks vk WHERE vk.kek_id = v.kek_id AND vk.kek_version = v.version) AS kv_versions
     FROM kek_versions v WHERE v.kek_id = ? ORDER BY v.version DESC`,
    kek.id,
  );
  if (rows.length === 0) throw damagedKek(kek.id);
  return {
    id: kek.id,
    name: kek.name,
    value: kek.value,
    state: rows[0]!.state as KekState,
    createdAt: iso(kek.createdAt),
    versions: rows.map((row) => ({
      version: row.version as number,
      state: row.state as KekState,
      createdAt: iso(row.created_at as number),
      destroyAt: row.destroy_at === null ? null : iso(row.destroy_at as number),
      kvVersions: row.kv_versions as number,
    })),
  };
}

/** A row of `keks`. */
export function kekRow(row: Row): KekRow {
  return {
    id: row.id as string,
    name: storedText(row.context_name),
    value: storedText(row.context_value),
    createdAt: row.created_at as number,
  };
}

/** RFC 3339. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** A KEK whose rows cannot be what was written. */
export function damagedKek(id: string): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", `the KEK ${id} is damaged in the vault's file`);
}

/** How events name a KEK. */
export function kekName(entry: ContextEntry): string {
  return `${entry.name}=${entry.value}`;
}

/** Text of a context that is stored as bytes. @throws VaultError ERR_STORAGE_CORRUPT */
export function storedText(bytes: SqlValue | undefined): string {
  const text = isUint8Array(bytes) ? fromUtf8(bytes) : undefined;
  if (text === undefined)
    throw new VaultError("ERR_STORAGE_CORRUPT", "a context is damaged in the vault's file");
  return text;
}

/** A context that is stored in canonical form. @throws VaultError ERR_STORAGE_CORRUPT */
export function storedContext(bytes: SqlValue | undefined): CanonicalContext {
  try {
    return parseCanonicalContext(bytes as Uint8Array);
  } catch {
    throw new VaultError("ERR_STORAGE_CORRUPT", "a context is damaged in the vault's file");
  }
}

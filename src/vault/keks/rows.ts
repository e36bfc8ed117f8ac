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
import type { Authenticated, Authority } from "../authority/authority.ts";
import { kekRecord } from "../authority/record.ts";
import { damagedWrap, type KekIdentity, type RootKeys } from "../root/root-keys.ts";
import type { Row, Sql, SqlValue } from "../storage/database.ts";
import { insertRow, updateRow } from "../storage/statements.ts";

/** A KEK as it is stored. */
export interface KekRow {
  readonly id: string;
  readonly name: string;
  readonly value: string;
  readonly createdAt: number;
  /** As it is stored, for its record. */
  readonly stored: Row;
}

/** A version of one. */
export interface VersionRow {
  readonly version: number;
  readonly state: KekState;
  /** Its row: of {@link storedVersions}, or as it is to be. */
  readonly stored: Row;
}

/** Columns of `keks`: all of a KEK's record that is not of its versions, and its MAC. */
export const KEK_COLUMNS = "id, environment_id, context_name, context_value, created_at, generation, mac";

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
  const isById = "kekId" in selector;
  const which = `environment_id = ? AND ${isById ? "id = ?" : "context_name = ? AND context_value = ?"}`;
  // A name or value with a lone surrogate has no bytes, and so no KEK.
  const named = isById
    ? [selector.kekId]
    : [utf8(selector.name, "the name"), utf8(selector.value, "the value")];
  const parameters: readonly SqlValue[] = [environmentId, ...named];
  // Changes of one KEK take turns: what is read of it and its versions next must not be overtaken.
  if (forChange) await sql.run(`UPDATE keks SET created_at = created_at WHERE ${which}`, ...parameters);
  const row = await sql.get(`SELECT ${KEK_COLUMNS} FROM keks WHERE ${which}`, ...parameters);
  if (row === undefined) {
    throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such KEK in this environment");
  }
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
 * The versions that a selector means and that still exist.
 *
 * @param all - of the KEK, the newest first
 * @throws VaultError ERR_KEY_NOT_FOUND, ERR_KEY_DESTROYED
 */
export function versionsMeant(
  kek: KekRow,
  all: readonly VersionRow[],
  version: number | undefined,
): VersionRow[] {
  const meant = version === undefined ? all : all.filter((row) => row.version === version);
  if (meant.length === 0) {
    throw new VaultError("ERR_KEY_NOT_FOUND", `the KEK ${kek.id} has no version ${version}`);
  }
  const existing = meant.filter((row) => row.state !== "destroyed");
  if (existing.length === 0) throw new VaultError("ERR_KEY_DESTROYED", `the KEK ${kek.id} was destroyed`);
  return existing;
}

/** Makes a new active version of a KEK. @returns its row, to be stored */
export function newKekVersion(root: RootKeys, identity: KekIdentity, now: number) {
  const wrapped = root.create(identity);
  return { version: identity.version, state: "active", wrapped, created_at: now, destroy_at: null } as const;
}

/** Stores a version of a KEK. */
export async function insertKekVersion(
  sql: Sql,
  kekId: string,
  row: ReturnType<typeof newKekVersion>,
): Promise<void> {
  await insertRow(sql, "kek_versions", { kek_id: kekId, ...row });
}

/**
 * The versions of a KEK, the newest first, if the KEK's record is as it was written.
 *
 * @throws VaultError ERR_STORAGE_CORRUPT
 */
export async function kekVersions(sql: Sql, authority: Authenticated, kek: KekRow): Promise<VersionRow[]> {
  const rows = await storedVersions(sql, kek.id);
  if (rows.length === 0) throw damagedKek(kek.id);
  authority.check(kekRecord(kek.stored, rows), kek.stored.mac);
  return rows.map(versionRow).toReversed();
}

/** A row of `kek_versions`. */
export function versionRow(row: Row): VersionRow {
  return { version: row.version as number, state: row.state as KekState, stored: row };
}

/**
 * Gives a KEK that was changed its new MAC: of what was checked and then changed here, and never of what is read again. Who
 * writes the database meanwhile, or has put a trigger into it, gets no MAC for it.
 *
 * @param kek - its row as it was checked
 * @param versions - all rows of its versions as they are to be, in any order
 * @returns the row as it is then
 */
export async function sealKek(
  sql: Sql,
  authority: Authority,
  kek: Row,
  versions: readonly Row[],
  generation: number,
): Promise<Row> {
  const inOrder = versions.toSorted((one, other) => (one.version as number) - (other.version as number));
  const changes = { generation, mac: authority.seal(kekRecord({ ...kek, generation }, inOrder)) };
  await updateRow(sql, "keks", kek.id!, changes);
  return { ...kek, ...changes };
}

/** The versions as they are stored, the lowest first. */
export function storedVersions(sql: Sql, kekId: string): Promise<readonly Row[]> {
  return sql.all(
    "SELECT version, state, wrapped, created_at, destroy_at FROM kek_versions WHERE kek_id = ? ORDER BY version",
    kekId,
  );
}

/** Puts another wrapped form of a KEK in the place of a version's. */
export async function setWrapped(
  sql: Sql,
  kekId: string,
  version: SqlValue,
  wrapped: Uint8Array,
): Promise<void> {
  const statement = "UPDATE kek_versions SET wrapped = ? WHERE kek_id = ? AND version = ?";
  await sql.run(statement, wrapped, kekId, version);
}

/** Puts a version into a state; of a destroyed one the wrapped KEK goes too. @returns the version as it is then */
export async function setState(
  sql: Sql,
  kekId: string,
  { version, stored }: VersionRow,
  state: KekState,
  destroyAt?: number,
): Promise<VersionRow> {
  const changed = {
    ...stored,
    state,
    destroy_at: state === "pending-destroy" ? (destroyAt as number) : null,
    wrapped: state === "destroyed" ? null : (stored.wrapped as SqlValue),
  };
  await sql.run(
    `UPDATE kek_versions SET state = ?, destroy_at = ?, wrapped = CASE WHEN ? = 1 THEN NULL ELSE wrapped END
     WHERE kek_id = ? AND version = ?`,
    state,
    changed.destroy_at,
    state === "destroyed" ? 1 : 0,
    kekId,
    version,
  );
  return { version, state, stored: changed };
}

/** A KEK as callers are told of it. */
export async function kekInfo(sql: Sql, authority: Authenticated, kek: KekRow): Promise<KekInfo> {
  const rows = await sql.all(
    `SELECT v.version, v.state, v.wrapped, v.created_at, v.destroy_at,
       (SELECT count(*) FROM kv_version_keks vk WHERE vk.kek_id = v.kek_id AND vk.kek_version = v.version) AS kv_versions
     FROM kek_versions v WHERE v.kek_id = ? ORDER BY v.version DESC`,
    kek.id,
  );
  if (rows.length === 0) throw damagedKek(kek.id);
  authority.check(kekRecord(kek.stored, rows.toReversed()), kek.stored.mac);
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
    stored: row,
  };
}

/** What a version of a KEK is bound to where it is wrapped. */
export function kekIdentity({ id, name, value, stored }: KekRow, version: number): KekIdentity {
  const environmentId = stored.environment_id as string;
  return { environmentId, kekId: id, version, contextName: name, contextValue: value };
}

/** RFC 3339. */
export function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** A KEK whose rows cannot be what was written. */
export const damagedKek: (id: string) => VaultError = damagedWrap;

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

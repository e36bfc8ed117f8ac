/**
 * Rows of a context's KEKs: loaded for a ring, and made where they are missing.
 *
 * Owns the statements, and which states may be used for what. Must not know how a wrapping key is derived.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import type { CofferKeyBlob } from "../../crypto/keys/key-blob.ts";
import { type CanonicalContext, type ContextEntry, canonicalEntries } from "../../crypto/keys/key-context.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { decryptFailed, VaultError } from "../../errors.ts";
import type { KekState } from "../../keks/kek-service.ts";
import type { Authenticated, Authority } from "../authority/authority.ts";
import { kekRecord, kekSubject } from "../authority/record.ts";
import type { EventSink } from "../events/events.ts";
import { newUuid } from "../ids.ts";
import type { Row, Sql, SqlValue } from "../storage/database.ts";
import { insertRow } from "../storage/statements.ts";
import type { KekRow, Loaded } from "./ring.ts";
import { damagedKek, insertKekVersion, kekName, newKekVersion, storedText } from "./rows.ts";

/** The KEK versions that a blob names, in its order, which must be the canonical one. */
export async function loadVersions(
  sql: Sql,
  authority: Authority,
  environmentId: string,
  keks: CofferKeyBlob["keks"],
): Promise<Loaded> {
  const known = await authority.look(sql);
  const found: Row[] = [];
  for (const kek of keks) {
    const rows = await recordRows(sql, known, "k.id = ?", environmentId, uuidToText(kek.id));
    const row = rows.find(({ version }) => version === kek.version);
    if (row === undefined) throw unknownKek(kek.id);
    found.push(row);
  }
  // The form comes before any state: an invented blob must not tell states of KEKs.
  inOrder(found.map((row) => ({ name: storedText(row.context_name), value: storedText(row.context_value) })));
  return { rows: usable(found, ["active", "decrypt-only"]) };
}

/** The newest version of each KEK of a context. @throws VaultError ERR_KEY_NOT_FOUND if one does not exist yet */
export async function loadNewest(
  sql: Sql,
  authority: Authority,
  environmentId: string,
  context: CanonicalContext,
): Promise<Loaded> {
  const known = await contextRow(sql, environmentId, context);
  if (known === undefined) throw missingKek();
  const authenticated = await authority.look(sql);
  const found: Row[] = [];
  for (const entry of context.entries) {
    const rows = await recordRows(
      sql,
      authenticated,
      "k.context_name = ? AND k.context_value = ?",
      environmentId,
      utf8(entry.name, "context name"),
      utf8(entry.value, "context value"),
    );
    const row = rows.at(-1);
    if (row === undefined) throw missingKek();
    found.push(row);
  }
  return { rows: usable(found, ["active"]), contextId: known.id as string };
}

/**
 * Refuses a context of which the newest version of a KEK is out of use. A KEK that was never made is not in the way.
 *
 * @throws VaultError ERR_KEY_DISABLED, ERR_KEY_DESTROYED; ERR_STORAGE_CORRUPT for one that was deleted after a change of it
 */
export async function checkNewest(
  sql: Sql,
  authority: Authority,
  environmentId: string,
  context: CanonicalContext,
): Promise<void> {
  const authenticated = await authority.look(sql);
  const found: Row[] = [];
  for (const entry of context.entries) {
    const name = utf8(entry.name, "context name");
    const value = utf8(entry.value, "context value");
    const which = "k.context_name = ? AND k.context_value = ?";
    const row = (await recordRows(sql, authenticated, which, environmentId, name, value)).at(-1);
    if (row !== undefined) found.push(row);
    else {
      const subject = kekSubject({ environment_id: environmentId, context_name: name, context_value: value });
      await authority.checkNew(sql, { what: "a KEK of the context", subject });
    }
  }
  usable(found, ["active"]);
}

/** A KEK with each of its versions, the lowest first, if the KEK's record is as it was written. */
async function recordRows(
  sql: Sql,
  authority: Authenticated,
  which: string,
  ...parameters: readonly SqlValue[]
): Promise<readonly Row[]> {
  const rows = await sql.all(
    `SELECT k.id, k.environment_id, k.context_name, k.context_value, k.created_at AS kek_created_at, k.generation, k.mac,
       v.version, v.state, v.wrapped, v.created_at, v.destroy_at
     FROM keks k JOIN kek_versions v ON v.kek_id = k.id
     WHERE k.environment_id = ? AND ${which} ORDER BY v.version`,
    ...parameters,
  );
  const kek = rows[0];
  if (kek !== undefined) {
    authority.check(kekRecord({ ...kek, created_at: kek.kek_created_at as SqlValue }, rows), kek.mac);
  }
  return rows;
}

/** The row of a context, if it was ever used. */
export function contextRow(
  sql: Sql,
  environmentId: string,
  context: CanonicalContext,
): Promise<Row | undefined> {
  return sql.get(
    "SELECT id FROM contexts WHERE environment_id = ? AND canonical = ?",
    environmentId,
    context.bytes,
  );
}

/** Makes what of a context's KEKs and records is not there; another process may do the same at the same time. */
export async function createMissing(
  sql: Sql,
  { environmentId, authority, now }: { environmentId: string; authority: Authority; now: number },
  context: CanonicalContext,
  events: EventSink,
): Promise<void> {
  const root = await authority.prepare(sql);
  const row = { id: newUuid(), environment_id: environmentId, canonical: context.bytes, created_at: now };
  await insertRow(sql, "contexts", row, "ON CONFLICT (environment_id, canonical) DO NOTHING");
  const contextId = (await contextRow(sql, environmentId, context))!.id!;
  for (const entry of context.entries) {
    const id = newUuid();
    const identity = {
      environmentId,
      kekId: id,
      version: 1,
      contextName: entry.name,
      contextValue: entry.value,
    };
    const version = newKekVersion(root, identity, now);
    const kek = {
      id,
      environment_id: environmentId,
      context_name: utf8(entry.name, "context name"),
      context_value: utf8(entry.value, "context value"),
      created_at: now,
      generation: 0,
    };
    const record = kekRecord(kek, [version]);
    const inserted = await insertRow(
      sql,
      "keks",
      { ...kek, mac: authority.seal(record) },
      "ON CONFLICT (environment_id, context_name, context_value) DO NOTHING",
    );
    if (inserted === 1) {
      await authority.checkNew(sql, record);
      await insertKekVersion(sql, id, version);
      await events.append(sql, "vault.kek.created", { key_name: kekName(entry), key_id: id });
    }
    await sql.run(
      `INSERT INTO context_keks (context_id, kek_id)
       SELECT ?, id FROM keks WHERE environment_id = ? AND context_name = ? AND context_value = ?
       ON CONFLICT (context_id, kek_id) DO NOTHING`,
      contextId,
      environmentId,
      kek.context_name,
      kek.context_value,
    );
  }
}

/** Rows whose KEKs may be used, in `states` only. A destroyed one is told before a disabled one: it is final. */
function usable(rows: readonly Row[], states: readonly KekState[]): KekRow[] {
  const inState = (...wanted: KekState[]): Row | undefined =>
    rows.find((row) => wanted.includes(row.state as KekState));
  const destroyed = inState("destroyed");
  if (destroyed !== undefined) {
    throw new VaultError(
      "ERR_KEY_DESTROYED",
      `the KEK ${destroyed.id} was destroyed: nothing under it can be read`,
    );
  }
  const disabled = inState("disabled", "pending-destroy");
  if (disabled !== undefined) {
    throw new VaultError("ERR_KEY_DISABLED", `the KEK ${disabled.id} is disabled`);
  }
  return rows.map((row) => {
    const id = row.id as string;
    if (row.wrapped === null || !states.includes(row.state as KekState)) throw damagedKek(id);
    return {
      id,
      version: row.version as number,
      entry: { name: storedText(row.context_name), value: storedText(row.context_value) },
      wrapped: row.wrapped as Uint8Array,
    };
  });
}

/** The context of KEKs that stand in a blob's order. @throws VaultError ERR_DECRYPT_FAILED unless that is the canonical one */
export function inOrder(entries: readonly ContextEntry[]): CanonicalContext {
  let canonical: CanonicalContext;
  try {
    canonical = canonicalEntries(entries);
  } catch {
    throw decryptFailed(); // The same KEK twice.
  }
  if (canonical.entries.some((entry, i) => entry.name !== entries[i]!.name)) throw decryptFailed();
  return canonical;
}

function missingKek(): VaultError {
  return new VaultError("ERR_KEY_NOT_FOUND", "a KEK of the context does not exist yet");
}

/** The one answer for a KEK that does not exist and for one that the caller may not know of. */
export function unknownKek(id: Uint8Array): VaultError {
  return new VaultError(
    "ERR_KEY_NOT_FOUND",
    `this vault's environment does not hold the KEK ${uuidToText(id)}`,
  );
}

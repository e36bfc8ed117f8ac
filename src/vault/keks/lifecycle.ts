/**
 * The life of KEKs: list, rotate, disable, enable, shred (docs/spec/keyring.md section 1).
 *
 * Owns every change of a KEK's versions and states, and the account of what a shred would cost. Each change
 * raises the counters by which all processes notice. Must not know data keys.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { contextObject } from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import {
  type KekInfo,
  type KekListRequest,
  type KekPage,
  type KekSelector,
  type KekService,
  type KekState,
  type KekVersionSelector,
  ownListRequest,
  ownSelector,
  ownShredOptions,
  type ShredOptions,
  type ShredReport,
} from "../../keks/kek-service.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { Access } from "../access/access.ts";
import type { IdempotentWrites, WriteOptions } from "../access/idempotency.ts";
import type { EventSink } from "../events/events.ts";
import { SHRED_SAMPLE_MAX } from "../limits.ts";
import type { Database, Row, Sql, SqlValue } from "../storage/database.ts";
import type { RootKeys } from "./kek.ts";
import { damagedKek, kekName, storedContext, storedText } from "./keyring.ts";

interface KekRow {
  readonly id: string;
  readonly name: string;
  readonly value: string;
  readonly createdAt: number;
}

interface VersionRow {
  readonly version: number;
  readonly state: KekState;
}

/** Changes KEKs within one environment. */
export class KekLifecycle implements KekService {
  readonly #database: Database;
  readonly #rootKeys: RootKeys;
  readonly #writes: IdempotentWrites;
  readonly #environmentId: string;
  readonly #events: EventSink;
  readonly #now: () => number;

  constructor(
    database: Database,
    rootKeys: RootKeys,
    access: Access,
    writes: IdempotentWrites,
    now: () => number,
  ) {
    this.#database = database;
    this.#rootKeys = rootKeys;
    this.#writes = writes;
    this.#environmentId = access.environmentId;
    this.#events = access.events;
    this.#now = now;
  }

  async list(request: KekListRequest = {}, options: CallOptions = {}): Promise<KekPage> {
    const { limit, after } = ownListRequest(request);
    return this.#database.read(async (sql) => {
      const rows = await sql.all(
        `SELECT id, context_name, context_value, created_at FROM keks
         WHERE environment_id = ?${after === undefined ? "" : " AND (context_name, context_value) > (?, ?)"}
         ORDER BY context_name, context_value LIMIT ?`,
        this.#environmentId,
        ...(after === undefined ? [] : await this.#placeOf(sql, after)),
        limit + 1,
      );
      const data: KekInfo[] = [];
      for (const row of rows.slice(0, limit)) data.push(await info(sql, kekRow(row)));
      return { data, listMetadata: { after: rows.length > limit ? data.at(-1)!.id : null } };
    }, options);
  }

  async get(selector: KekSelector, options: WriteOptions = {}): Promise<KekInfo> {
    const own = ownSelector(selector);
    return this.#database.read(async (sql) => info(sql, await this.#find(sql, own, false)), options);
  }

  async rotate(selector: KekSelector, options: WriteOptions = {}): Promise<KekInfo> {
    const own = ownSelector(selector);
    return this.#writes.write(async (sql) => {
      const kek = await this.#find(sql, own, true);
      const newest = (await versions(sql, kek.id))[0]!;
      if (newest.state === "disabled" || newest.state === "pending-destroy") {
        throw new VaultError(
          "ERR_KEY_STATE",
          `the KEK ${kek.id} is ${newest.state}: enable it before rotating it`,
        );
      }
      await sql.run(
        "UPDATE kek_versions SET state = 'decrypt-only' WHERE kek_id = ? AND state = 'active'",
        kek.id,
      );
      const version = newest.version + 1;
      const identity = {
        environmentId: this.#environmentId,
        kekId: kek.id,
        version,
        contextName: kek.name,
        contextValue: kek.value,
      };
      await sql.run(
        "INSERT INTO kek_versions (kek_id, version, state, wrapped, created_at) VALUES (?, ?, 'active', ?, ?)",
        kek.id,
        version,
        this.#rootKeys.create(identity),
        this.#now(),
      );
      await changed(sql, false);
      return info(sql, kek);
    }, options);
  }

  async disable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    const own = ownSelector(selector);
    return this.#writes.write(async (sql) => {
      const kek = await this.#find(sql, own, true);
      for (const { version, state } of await this.#targets(sql, kek, own.version)) {
        if (state === "pending-destroy") {
          throw new VaultError(
            "ERR_KEY_STATE",
            `version ${version} of the KEK ${kek.id} is about to be destroyed`,
          );
        }
        await setState(sql, kek.id, version, "disabled");
      }
      await changed(sql, true);
      return info(sql, kek);
    }, options);
  }

  async enable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    const own = ownSelector(selector);
    return this.#writes.write(async (sql) => {
      const kek = await this.#find(sql, own, true);
      const newest = (await versions(sql, kek.id))[0]!.version;
      for (const { version } of await this.#targets(sql, kek, own.version)) {
        await setState(sql, kek.id, version, version === newest ? "active" : "decrypt-only");
      }
      await changed(sql, false);
      return info(sql, kek);
    }, options);
  }

  async shred(selector: KekVersionSelector, options: ShredOptions & WriteOptions = {}): Promise<ShredReport> {
    const own = ownSelector(selector);
    const { isDryRun, delayMs } = ownShredOptions(options);
    const destroyAt = this.#now() + delayMs;
    const work = async (sql: Sql): Promise<ShredReport> => {
      const kek = await this.#find(sql, own, !isDryRun);
      const targets = (await this.#targets(sql, kek, own.version)).map(({ version }) => version);
      const report = await this.#account(sql, kek, targets);
      if (isDryRun) return { ...report, isDryRun, destroyAt: null };
      for (const version of targets) {
        await setState(sql, kek.id, version, delayMs === 0 ? "destroyed" : "pending-destroy", destroyAt);
      }
      await this.#events.append(sql, "vault.kek.deleted", { key_name: kekName(kek), key_id: kek.id });
      await changed(sql, true);
      return { ...report, isDryRun, destroyAt: iso(destroyAt) };
    };
    if (isDryRun) return this.#database.read(work, options);
    const report = await this.#writes.write(work, options);
    await this.#database.scrub(options);
    return report;
  }

  async #find(sql: Sql, selector: KekSelector, forChange: boolean): Promise<KekRow> {
    const columns = "SELECT id, context_name, context_value, created_at FROM keks WHERE environment_id = ?";
    let row: Row | undefined;
    if ("kekId" in selector) {
      row = await sql.get(`${columns} AND id = ?`, this.#environmentId, selector.kekId);
    } else {
      const { name, value } = selector;
      row = await sql.get(
        `${columns} AND context_name = ? AND context_value = ?`,
        this.#environmentId,
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

  /** Where a page goes on: behind the KEK of this id. */
  async #placeOf(sql: Sql, id: string): Promise<[SqlValue, SqlValue]> {
    const row = await sql.get(
      "SELECT context_name, context_value FROM keks WHERE environment_id = ? AND id = ?",
      this.#environmentId,
      id,
    );
    if (row === undefined)
      throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not a KEK of this environment");
    return [row.context_name as SqlValue, row.context_value as SqlValue];
  }

  /** The versions that a selector means and that still exist. */
  async #targets(sql: Sql, kek: KekRow, version: number | undefined): Promise<VersionRow[]> {
    const all = await versions(sql, kek.id);
    const meant = version === undefined ? all : all.filter((row) => row.version === version);
    if (meant.length === 0) {
      throw new VaultError("ERR_KEY_NOT_FOUND", `the KEK ${kek.id} has no version ${version}`);
    }
    const existing = meant.filter((row) => row.state !== "destroyed");
    if (existing.length === 0) throw new VaultError("ERR_KEY_DESTROYED", `the KEK ${kek.id} was destroyed`);
    return existing;
  }

  async #account(sql: Sql, kek: KekRow, targets: readonly number[]) {
    const contexts = await sql.all(
      `SELECT c.canonical FROM contexts c JOIN context_keks ck ON ck.context_id = c.id WHERE ck.kek_id = ?
       ORDER BY c.created_at, c.id LIMIT ?`,
      kek.id,
      SHRED_SAMPLE_MAX,
    );
    const contextCount = await sql.get("SELECT count(*) AS n FROM context_keks WHERE kek_id = ?", kek.id);
    const marks = targets.map(() => "?").join(", ");
    const under = `FROM kv_version_keks vk JOIN kv_versions v ON v.id = vk.version_id
                   JOIN kv_objects o ON o.id = v.object_id
                   WHERE vk.kek_id = ? AND vk.kek_version IN (${marks}) AND v.sealed IS NOT NULL`;
    const kvVersions = await sql.get(`SELECT count(*) AS n ${under}`, kek.id, ...targets);
    const isCurrent = "o.current_version = v.id AND o.deleted_at IS NULL";
    const objectCount = await sql.get(`SELECT count(*) AS n ${under} AND ${isCurrent}`, kek.id, ...targets);
    const names = await sql.all(
      `SELECT o.name ${under} AND ${isCurrent} ORDER BY o.name LIMIT ?`,
      kek.id,
      ...targets,
      SHRED_SAMPLE_MAX,
    );
    return {
      kekId: kek.id,
      name: kek.name,
      value: kek.value,
      versions: [...targets].reverse(),
      contexts: {
        count: contextCount!.n as number,
        sample: contexts.map((row) => contextObject(storedContext(row.canonical))),
      },
      kvObjects: {
        count: objectCount!.n as number,
        sample: names.map((row) => row.name as string),
      },
      kvVersions: kvVersions!.n as number,
    };
  }
}

/** Destroys what is pending and due, in all environments. Called when a vault is opened. */
export async function destroyDueKeks(database: Database, now: number): Promise<void> {
  const due = "state = 'pending-destroy' AND destroy_at <= ?";
  const isDue = await database.read((sql) =>
    sql.get(`SELECT 1 AS one FROM kek_versions WHERE ${due} LIMIT 1`, now),
  );
  if (isDue === undefined) return;
  await database.write(async (sql) => {
    await sql.run(
      `UPDATE kek_versions SET state = 'destroyed', wrapped = NULL, destroy_at = NULL WHERE ${due}`,
      now,
    );
    await changed(sql, true);
  });
  await database.scrub();
}

async function versions(sql: Sql, kekId: string): Promise<VersionRow[]> {
  const rows = await sql.all(
    "SELECT version, state FROM kek_versions WHERE kek_id = ? ORDER BY version DESC",
    kekId,
  );
  if (rows.length === 0) throw damagedKek(kekId);
  return rows.map((row) => ({ version: row.version as number, state: row.state as KekState }));
}

async function setState(
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

/** Raises the counters that tell every process to look again. */
async function changed(sql: Sql, isRevocation: boolean): Promise<void> {
  await sql.run(
    `UPDATE counters SET value = value + 1 WHERE name = 'keks' OR (name = 'revocations' AND ? = 1)`,
    isRevocation ? 1 : 0,
  );
}

async function info(sql: Sql, kek: KekRow): Promise<KekInfo> {
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

function kekRow(row: Row): KekRow {
  return {
    id: row.id as string,
    name: storedText(row.context_name),
    value: storedText(row.context_value),
    createdAt: row.created_at as number,
  };
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

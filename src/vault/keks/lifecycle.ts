/**
 * The life of KEKs: list, rotate, disable, enable, shred (docs/spec/keyring.md section 1).
 *
 * Owns every change of a KEK's versions and states, and the account of what a shred would cost. Each change
 * raises the counters by which all processes notice. Must not know data keys.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { contextObject, type KeyContext } from "../../crypto/keys/key-context.ts";
import { invalidRange, invalidType, VaultError } from "../../errors.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { Access } from "../access/access.ts";
import type { IdempotentWrites, WriteOptions } from "../access/idempotency.ts";
import type { EventSink } from "../events/events.ts";
import { KEKS_PAGE_DEFAULT, KEKS_PAGE_MAX, SHRED_DELAY_MS_MAX, SHRED_SAMPLE_MAX } from "../limits.ts";
import type { Database, Row, Sql, SqlValue } from "../storage/database.ts";
import type { KekState, RootKeys } from "./kek.ts";
import { damagedKek, kekName, storedContext, storedText } from "./keyring.ts";

/** Names a KEK: by its id, or by the context entry that it stands for. */
export type KekSelector = { readonly kekId: string } | { readonly name: string; readonly value: string };

/** A KEK, and optionally one version of it. */
export type KekVersionSelector = KekSelector & {
  /** One version; default all. */
  readonly version?: number | undefined;
};

export interface KekVersionInfo {
  readonly version: number;
  readonly state: KekState;
  /** RFC 3339. */
  readonly createdAt: string;
  /** When a pending destruction is due, RFC 3339; null otherwise. */
  readonly destroyAt: string | null;
  /** Stored KV versions whose value can only be read with this version. */
  readonly kvVersions: number;
}

export interface KekInfo {
  /** UUID text. */
  readonly id: string;
  readonly name: string;
  readonly value: string;
  /** The state of the newest version: whether data keys can be made. */
  readonly state: KekState;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The newest first. */
  readonly versions: readonly KekVersionInfo[];
}

export interface ShredOptions extends CallOptions {
  /** Only tell what would become unreadable; change nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * Milliseconds until the KEK is destroyed, at most one year; until then it cannot be used, but `enableKek` takes
   * the shred back. Default 0: at once, for good.
   */
  readonly delayMs?: number | undefined;
}

/** What a shred makes unreadable, or would. */
export interface ShredReport {
  readonly kekId: string;
  readonly name: string;
  readonly value: string;
  /** The versions that are destroyed, or would be. */
  readonly versions: readonly number[];
  readonly isDryRun: boolean;
  /** When they are destroyed, RFC 3339; null in a dry run. */
  readonly destroyAt: string | null;
  /**
   * Contexts that name the KEK. Everything encrypted under them with these versions becomes unreadable, however much
   * there is: the vault does not know the ciphertexts that applications keep.
   */
  readonly contexts: { readonly count: number; readonly sample: readonly KeyContext[] };
  /** Live KV objects whose current value becomes unreadable. */
  readonly kvObjects: { readonly count: number; readonly sample: readonly string[] };
  /** All stored KV versions, old ones and deleted objects' too, that become unreadable. */
  readonly kvVersions: number;
}

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
export class KekLifecycle {
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

  /** All KEKs of the environment by context name and value, or the one that is named. */
  async list(selector?: KekSelector, options: CallOptions = {}): Promise<KekInfo[]> {
    if (selector !== undefined) {
      return this.#database.read(
        async (sql) => [await info(sql, await this.#find(sql, selector, false))],
        options,
      );
    }
    // Page by page: others take their turns in between, however many there are.
    const infos: KekInfo[] = [];
    let after: string | undefined;
    do {
      const page = await this.page({ limit: KEKS_PAGE_MAX, after }, options);
      infos.push(...page.data);
      after = page.after ?? undefined;
    } while (after !== undefined);
    return infos;
  }

  /**
   * A page of the environment's KEKs, by context name and value.
   *
   * @param request.limit - 1 to 100; default 10
   * @param request.after - id of the last KEK of the page before
   * @returns `after` is null on the last page
   * @throws VaultError ERR_CURSOR_INVALID
   */
  page(
    request: { readonly limit?: number | undefined; readonly after?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<{ readonly data: readonly KekInfo[]; readonly after: string | null }> {
    const { limit = KEKS_PAGE_DEFAULT, after } = request;
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
      return { data, after: rows.length > limit ? data.at(-1)!.id : null };
    }, options);
  }

  /**
   * Makes a new version for future wraps; older ones only unwrap from now on. Also brings a destroyed KEK's context
   * back to use: for new data.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_STATE if the KEK is disabled or about to be destroyed
   */
  rotate(selector: KekSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return this.#writes.write(async (sql) => {
      const kek = await this.#find(sql, selector, true);
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

  /**
   * Puts a KEK, or one version, out of use until `enable`. Every process that holds the vault stops using it at once.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED; ERR_KEY_STATE while a destruction is pending
   */
  disable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return this.#writes.write(async (sql) => {
      const kek = await this.#find(sql, selector, true);
      for (const { version, state } of await this.#targets(sql, kek, selector.version)) {
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

  /**
   * Puts a disabled KEK, or one version, back into use; also takes back a pending destruction.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED
   */
  enable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return this.#writes.write(async (sql) => {
      const kek = await this.#find(sql, selector, true);
      const newest = (await versions(sql, kek.id))[0]!.version;
      for (const { version } of await this.#targets(sql, kek, selector.version)) {
        await setState(sql, kek.id, version, version === newest ? "active" : "decrypt-only");
      }
      await changed(sql, false);
      return info(sql, kek);
    }, options);
  }

  /**
   * Destroys a KEK, or one version, so that everything under it is unreadable for good.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED; RangeError ERR_INVALID_ARGUMENT for a bad delay
   */
  async shred(selector: KekVersionSelector, options: ShredOptions & WriteOptions = {}): Promise<ShredReport> {
    const delayMs = options.delayMs ?? 0;
    if (!Number.isInteger(delayMs) || delayMs < 0 || delayMs > SHRED_DELAY_MS_MAX) {
      throw invalidRange(`delayMs must be a whole number from 0 to ${SHRED_DELAY_MS_MAX}`);
    }
    const isDryRun = options.dryRun === true;
    const destroyAt = this.#now() + delayMs;
    const work = async (sql: Sql): Promise<ShredReport> => {
      const kek = await this.#find(sql, selector, !isDryRun);
      const targets = (await this.#targets(sql, kek, selector.version)).map(({ version }) => version);
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
    if (typeof selector !== "object" || selector === null)
      throw invalidType("a KEK is named by id, or by name and value");
    const columns = "SELECT id, context_name, context_value, created_at FROM keks WHERE environment_id = ?";
    let row: Row | undefined;
    if ("kekId" in selector) {
      row = await sql.get(`${columns} AND id = ?`, this.#environmentId, String(selector.kekId));
    } else {
      const { name, value } = selector;
      if (typeof name !== "string" || typeof value !== "string") {
        throw invalidType("a KEK is named by id, or by name and value");
      }
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

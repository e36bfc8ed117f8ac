/**
 * The life of KEKs: list, rotate, disable, enable, shred (docs/spec/keyring.md section 1).
 *
 * Owns which changes of a KEK's versions and states are allowed, and their order. Each change raises the counters by which
 * all processes notice. Statements are in rows.ts, the account of a shred in shred-account.ts. Must not know data keys.
 *
 * @module
 */
import { isVaultError, VaultError } from "../../errors.ts";
import {
  type KekInfo,
  type KekListRequest,
  type KekPage,
  type KekSelector,
  type KekService,
  type KekVersionSelector,
  ownListRequest,
  ownSelector,
  ownShredOptions,
  type ShredOptions,
  type ShredReport,
} from "../../keks/kek-service.ts";
import { runCall } from "../../keys/calls.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { Access } from "../access/access.ts";
import type { IdempotentWrites, WriteOptions } from "../access/idempotency.ts";
import type { Authenticated, Authority } from "../authority/authority.ts";
import type { EventSink } from "../events/events.ts";
import { WITH_ROOT } from "../root/roots.ts";
import type { Database, Sql } from "../storage/database.ts";
import { kekLock } from "./locks.ts";
import {
  findKek,
  insertKekVersion,
  iso,
  KEK_COLUMNS,
  type KekRow,
  kekInfo,
  kekName,
  kekRow,
  kekVersions,
  newKekVersion,
  placeOf,
  sealKek,
  setState,
  versionsMeant,
} from "./rows.ts";
import { shredAccount } from "./shred-account.ts";

/** Changes KEKs within one environment. */
export class KekLifecycle implements KekService {
  readonly takesHeaders = false;
  readonly #database: Database;
  readonly #authority: Authority;
  readonly #writes: IdempotentWrites;
  readonly #environmentId: string;
  readonly #events: EventSink;
  readonly #now: () => number;

  constructor(
    database: Database,
    authority: Authority,
    access: Access,
    writes: IdempotentWrites,
    now: () => number,
  ) {
    this.#database = database;
    this.#authority = authority;
    this.#writes = writes;
    this.#environmentId = access.environmentId;
    this.#events = access.events;
    this.#now = now;
  }

  list(request: KekListRequest = {}, options: CallOptions = {}): Promise<KekPage> {
    return runCall(options, this, async (call) => {
      const { limit, after } = ownListRequest(request);
      return this.#database.read(async (sql) => {
        const known = await this.#authority.look(sql);
        const rows = await sql.all(
          `SELECT ${KEK_COLUMNS} FROM keks
         WHERE environment_id = ?${after === undefined ? "" : " AND (context_name, context_value) > (?, ?)"}
         ORDER BY context_name, context_value LIMIT ?`,
          this.#environmentId,
          ...(after === undefined ? [] : await placeOf(sql, this.#environmentId, after)),
          limit + 1,
        );
        const data: KekInfo[] = [];
        for (const row of rows.slice(0, limit)) data.push(await kekInfo(sql, known, kekRow(row)));
        return { data, listMetadata: { after: rows.length > limit ? data.at(-1)!.id : null } };
      }, call);
    });
  }

  get(selector: KekSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#database.read(
        async (sql) =>
          kekInfo(sql, await this.#authority.look(sql), await findKek(sql, this.#environmentId, own, false)),
        call,
      );
    });
  }

  rotate(selector: KekSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#writes.write(async (sql) => {
        const kek = await this.#forChange(sql, own);
        const change = await this.#authority.change(sql);
        const newest = (await kekVersions(sql, change, kek))[0]!;
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
        const identity = {
          environmentId: this.#environmentId,
          kekId: kek.id,
          version: newest.version + 1,
          contextName: kek.name,
          contextValue: kek.value,
        };
        const root = await this.#authority.prepare(sql);
        await insertKekVersion(sql, kek.id, newKekVersion(root, identity, this.#now()));
        const changed = await this.#seal(sql, kek, await change.append("rotate", kek.id));
        await sql.raise("keks");
        return kekInfo(sql, ACCEPTED, changed);
      }, call);
    });
  }

  disable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#writes.write(async (sql) => {
        const kek = await this.#forChange(sql, own);
        const change = await this.#authority.change(sql);
        const all = await kekVersions(sql, change, kek);
        for (const { version, state } of versionsMeant(kek, all, own.version)) {
          if (state === "pending-destroy") {
            throw new VaultError(
              "ERR_KEY_STATE",
              `version ${version} of the KEK ${kek.id} is about to be destroyed`,
            );
          }
          await setState(sql, kek.id, version, "disabled");
        }
        const changed = await this.#seal(sql, kek, await change.append("disable", kek.id));
        await sql.raise("keks", "revocations");
        return kekInfo(sql, ACCEPTED, changed);
      }, call);
    });
  }

  enable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#writes.write(async (sql) => {
        const kek = await this.#forChange(sql, own);
        const change = await this.#authority.change(sql);
        const all = await kekVersions(sql, change, kek);
        const newest = all[0]!.version;
        for (const { version } of versionsMeant(kek, all, own.version)) {
          await setState(sql, kek.id, version, version === newest ? "active" : "decrypt-only");
        }
        const changed = await this.#seal(sql, kek, await change.append("enable", kek.id));
        await sql.raise("keks");
        return kekInfo(sql, ACCEPTED, changed);
      }, call);
    });
  }

  shred(selector: KekVersionSelector, options: ShredOptions & WriteOptions = {}): Promise<ShredReport> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      const { isDryRun, delayMs } = ownShredOptions(call);
      const work = async (sql: Sql): Promise<ShredReport> => {
        const kek = isDryRun
          ? await findKek(sql, this.#environmentId, own, false)
          : await this.#forChange(sql, own);
        const change = isDryRun ? undefined : await this.#authority.change(sql);
        const all = await kekVersions(sql, change ?? (await this.#authority.look(sql)), kek);
        const targets = versionsMeant(kek, all, own.version).map(({ version }) => version);
        const report = await shredAccount(sql, kek, targets);
        if (change === undefined) return { ...report, isDryRun, destroyAt: null };
        const destroyAt = (await sql.now(this.#now)) + delayMs;
        for (const version of targets) {
          await setState(sql, kek.id, version, delayMs === 0 ? "destroyed" : "pending-destroy", destroyAt);
        }
        await this.#seal(sql, kek, await change.append("shred", kek.id));
        await this.#events.append(sql, "vault.kek.deleted", { key_name: kekName(kek), key_id: kek.id });
        await sql.raise("keks", "revocations");
        return { ...report, isDryRun, destroyAt: iso(destroyAt) };
      };
      if (isDryRun) return this.#database.read(work, call);
      const report = await this.#writes.write(work, call);
      await this.#database.scrub(call);
      return report;
    });
  }

  /** A KEK whose changes take turns from now on, and that no write that is under way wraps anything under. */
  async #forChange(sql: Sql, selector: KekSelector): Promise<KekRow> {
    const kek = await findKek(sql, this.#environmentId, selector, true);
    await sql.lock(kekLock(kek.id));
    return kek;
  }

  /** Gives a KEK that was changed its new MAC. */
  async #seal(sql: Sql, kek: KekRow, generation: number): Promise<KekRow> {
    await sealKek(sql, this.#authority, kek.stored, generation);
    return { ...kek, stored: { ...kek.stored, generation } };
  }
}

/** Of what this transaction has just written itself. */
const ACCEPTED: Authenticated = { check: () => {} };

/** KEKs that are destroyed in one transaction when they are due. Ours: PostgreSQL has room for few thousand locks. */
const DUE_KEKS_AT_ONCE = 100;

/**
 * Destroys what is pending and due by the database's clock, in all environments. Called when a vault is opened. A KEK whose rows
 * were altered is left as it is: nothing takes it either.
 *
 * @param now - the clock of this process, for a storage without one
 */
export async function destroyDueKeks(
  database: Database,
  authority: Authority,
  now: () => number,
): Promise<void> {
  const due = "state = 'pending-destroy' AND destroy_at <= ?";
  let hasDestroyed = false;
  for (let after = ""; ; ) {
    const rows = await database.read(async (sql) =>
      sql.all(
        `SELECT DISTINCT kek_id FROM kek_versions WHERE kek_id > ? AND ${due} ORDER BY kek_id LIMIT ${DUE_KEKS_AT_ONCE}`,
        after,
        await sql.now(now),
      ),
    );
    const kekIds = rows.map((row) => row.kek_id as string);
    if (kekIds.length === 0) break;
    after = kekIds.at(-1)!;
    await database.write(async (sql) => {
      // In the order in which every change takes locks: rows, KEKs, the log.
      for (const id of kekIds) await sql.run("UPDATE keks SET created_at = created_at WHERE id = ?", id);
      await sql.lock(...kekIds.map(kekLock));
      const change = await authority.change(sql);
      const at = await sql.now(now);
      for (const id of kekIds) {
        const row = await sql.get(`SELECT ${KEK_COLUMNS} FROM keks WHERE id = ?`, id);
        if (row === undefined || !(await isAuthentic(sql, change, kekRow(row)))) continue;
        const destroyed = await sql.run(
          `UPDATE kek_versions SET state = 'destroyed', wrapped = NULL, destroy_at = NULL WHERE kek_id = ? AND ${due}`,
          id,
          at,
        );
        // Otherwise another process was faster.
        if (destroyed > 0) await sealKek(sql, authority, row, await change.append("shred", id));
      }
      await sql.raise("keks", "revocations");
    }, WITH_ROOT);
    hasDestroyed = true;
  }
  if (hasDestroyed) await database.scrub();
}

async function isAuthentic(sql: Sql, authority: Authenticated, kek: KekRow): Promise<boolean> {
  try {
    await kekVersions(sql, authority, kek);
    return true;
  } catch (error) {
    if (isVaultError(error, "ERR_STORAGE_CORRUPT")) return false;
    throw error;
  }
}

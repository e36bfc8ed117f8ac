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
  type KekState,
  type KekVersionSelector,
  ownListRequest,
  ownSelector,
  ownShredOptions,
  type ShredOptions,
  type ShredReport,
} from "../../keks/kek-service.ts";
import { runCall } from "../../keys/calls.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { WriteOptions } from "../access/idempotency.ts";
import type { Authenticated } from "../authority/authority.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { kekSubject } from "../authority/record.ts";
import { WITH_ROOT } from "../root/roots.ts";
import { revocationCounter } from "../storage/changes.ts";
import type { Sql } from "../storage/database.ts";
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
  type VersionRow,
  versionRow,
  versionsMeant,
} from "./rows.ts";
import type { SessionParts } from "./session-parts.ts";
import { shredAccount } from "./shred-account.ts";

/** Changes KEKs within one environment. */
export class KekLifecycle implements KekService {
  readonly takesHeaders = false;
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  list(request: KekListRequest = {}, options: CallOptions = {}): Promise<KekPage> {
    return runCall(options, this, async (call) => {
      const { limit, after } = ownListRequest(request);
      return this.#parts.database.read(async (sql) => {
        const known = await this.#parts.authority.look(sql);
        const rows = await sql.all(
          `SELECT ${KEK_COLUMNS} FROM keks
         WHERE environment_id = ?${after === undefined ? "" : " AND (context_name, context_value) > (?, ?)"}
         ORDER BY context_name, context_value LIMIT ?`,
          this.#parts.access.environmentId,
          ...(after === undefined ? [] : await placeOf(sql, this.#parts.access.environmentId, after)),
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
      return this.#parts.database.read(
        async (sql) =>
          kekInfo(
            sql,
            await this.#parts.authority.look(sql),
            await findKek(sql, this.#parts.access.environmentId, own, false),
          ),
        call,
      );
    });
  }

  rotate(selector: KekSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#parts.writes.write(async (sql) => {
        const kek = await this.#forChange(sql, own);
        const change = await this.#parts.authority.change(sql);
        const all = await kekVersions(sql, change, kek);
        const newest = all[0]!;
        if (newest.state === "disabled" || newest.state === "pending-destroy") {
          throw new VaultError(
            "ERR_KEY_STATE",
            `the KEK ${kek.id} is ${newest.state}: enable it before rotating it`,
          );
        }
        const before = await setStates(sql, kek.id, all, ({ state }) =>
          state === "active" ? "decrypt-only" : undefined,
        );
        const identity = {
          environmentId: this.#parts.access.environmentId,
          kekId: kek.id,
          version: newest.version + 1,
          contextName: kek.name,
          contextValue: kek.value,
        };
        const root = await this.#parts.authority.prepare(sql);
        const made = newKekVersion(root, identity, this.#parts.now());
        await insertKekVersion(sql, kek.id, made);
        const generation = await change.append("rotate", kekSubject(kek.stored));
        const changed = await this.#seal(sql, kek, [...before, versionRow(made)], generation);
        await sql.raise("keks");
        return kekInfo(sql, change, changed);
      }, call);
    });
  }

  disable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#parts.writes.write(async (sql) => {
        const kek = await this.#forChange(sql, own);
        const change = await this.#parts.authority.change(sql);
        const all = await kekVersions(sql, change, kek);
        const meant = versionsMeant(kek, all, own.version);
        for (const { version, state } of meant) {
          if (state === "pending-destroy") {
            throw new VaultError(
              "ERR_KEY_STATE",
              `version ${version} of the KEK ${kek.id} is about to be destroyed`,
            );
          }
        }
        const after = await setStates(sql, kek.id, all, (row) =>
          meant.includes(row) ? "disabled" : undefined,
        );
        const generation = await change.append("disable", kekSubject(kek.stored));
        const changed = await this.#seal(sql, kek, after, generation);
        await this.#raiseRevocations(sql);
        return kekInfo(sql, change, changed);
      }, call);
    });
  }

  enable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#parts.writes.write(async (sql) => {
        const kek = await this.#forChange(sql, own);
        const change = await this.#parts.authority.change(sql);
        const all = await kekVersions(sql, change, kek);
        const newest = all[0]!.version;
        const meant = versionsMeant(kek, all, own.version);
        const after = await setStates(sql, kek.id, all, (row) =>
          meant.includes(row) ? (row.version === newest ? "active" : "decrypt-only") : undefined,
        );
        const changed = await this.#seal(
          sql,
          kek,
          after,
          await change.append("enable", kekSubject(kek.stored)),
        );
        await sql.raise("keks");
        return kekInfo(sql, change, changed);
      }, call);
    });
  }

  shred(selector: KekVersionSelector, options: ShredOptions & WriteOptions = {}): Promise<ShredReport> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      const { isDryRun, delayMs } = ownShredOptions(call);
      const work = async (sql: Sql): Promise<Omit<ShredReport, "erasure">> => {
        const kek = isDryRun
          ? await findKek(sql, this.#parts.access.environmentId, own, false)
          : await this.#forChange(sql, own);
        const change = isDryRun ? undefined : await this.#parts.authority.change(sql);
        const all = await kekVersions(sql, change ?? (await this.#parts.authority.look(sql)), kek);
        const meant = versionsMeant(kek, all, own.version);
        const targets = meant.map(({ version }) => version);
        const report = await shredAccount(sql, kek, targets);
        if (change === undefined) return { ...report, isDryRun, destroyAt: null };
        const destroyAt = (await sql.now(this.#parts.now)) + delayMs;
        const state = delayMs === 0 ? "destroyed" : "pending-destroy";
        const after = await setStates(
          sql,
          kek.id,
          all,
          (row) => (meant.includes(row) ? state : undefined),
          destroyAt,
        );
        const generation = await change.append("shred", kekSubject(kek.stored));
        await this.#seal(sql, kek, after, generation);
        const deleted = { key_name: kekName(kek), key_id: kek.id };
        await this.#parts.access.events.append(sql, "vault.kek.deleted", deleted, generation);
        await this.#raiseRevocations(sql);
        return { ...report, isDryRun, destroyAt: iso(destroyAt) };
      };
      if (isDryRun)
        return withErasure(await this.#parts.database.read(work, call), this.#parts.database.erases);
      const report = await this.#parts.writes.write(work, call);
      const isErased = await this.#parts.database.scrub(call);
      return withErasure(report, delayMs === 0 ? isErased : this.#parts.database.erases);
    });
  }

  #raiseRevocations(sql: Sql): Promise<void> {
    return sql.raise("keks", "revocations", revocationCounter(this.#parts.access.environmentId));
  }

  /** A KEK whose changes take turns from now on, and that no write that is under way wraps anything under. */
  async #forChange(sql: Sql, selector: KekSelector): Promise<KekRow> {
    const kek = await findKek(sql, this.#parts.access.environmentId, selector, true);
    await sql.lock(kekLock(kek.id));
    return kek;
  }

  /** Gives a KEK that was changed its new MAC. */
  async #seal(sql: Sql, kek: KekRow, versions: readonly VersionRow[], generation: number): Promise<KekRow> {
    const rows = versions.map(({ stored }) => stored);
    return { ...kek, stored: await sealKek(sql, this.#parts.authority, kek.stored, rows, generation) };
  }
}

/** @param isErased - whether the bytes are overwritten, or will be */
function withErasure(report: Omit<ShredReport, "erasure">, isErased: boolean): ShredReport {
  return { ...report, erasure: isErased ? "physical" : "logical" };
}

/** Puts versions into other states. @param stateOf - undefined for those that stay @returns all, as they are then */
async function setStates(
  sql: Sql,
  kekId: string,
  all: readonly VersionRow[],
  stateOf: (version: VersionRow) => KekState | undefined,
  destroyAt?: number,
): Promise<VersionRow[]> {
  const after: VersionRow[] = [];
  for (const row of all) {
    const state = stateOf(row);
    after.push(state === undefined ? row : await setState(sql, kekId, row, state, destroyAt));
  }
  return after;
}

/** KEKs that are destroyed in one transaction when they are due. Ours: PostgreSQL has room for few thousand locks. */
const DUE_KEKS_AT_ONCE = 100;

/**
 * Destroys what is pending and due by the database's clock, in all environments. Called when a vault is opened. A KEK whose rows
 * were altered is left as it is: nothing takes it either.
 */
export async function destroyDueKeks({ database, authority, now }: OpenedVault): Promise<void> {
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
      const environmentIds = new Set<string>();
      for (const id of kekIds) {
        const row = await sql.get(`SELECT ${KEK_COLUMNS} FROM keks WHERE id = ?`, id);
        const all = row === undefined ? undefined : await authenticVersions(sql, change, kekRow(row));
        const isDue = ({ state, stored }: VersionRow): boolean =>
          state === "pending-destroy" && (stored.destroy_at as number) <= at;
        // Otherwise another process was faster.
        if (row === undefined || all === undefined || !all.some(isDue)) continue;
        const after = await setStates(sql, id, all, (version) => (isDue(version) ? "destroyed" : undefined));
        const rows = after.map(({ stored }) => stored);
        await sealKek(sql, authority, row, rows, await change.append("shred", kekSubject(row)));
        environmentIds.add(row.environment_id as string);
      }
      // In the order in which others take the rows, and one of all for each environment's: their sum is that of all.
      if (environmentIds.size > 0) await sql.raise("keks");
      for (const id of environmentIds) await sql.raise("revocations", revocationCounter(id));
    }, WITH_ROOT);
    hasDestroyed = true;
  }
  if (hasDestroyed) await database.scrub();
}

/** The versions of a KEK; undefined if its rows were altered. */
async function authenticVersions(
  sql: Sql,
  authority: Authenticated,
  kek: KekRow,
): Promise<VersionRow[] | undefined> {
  try {
    return await kekVersions(sql, authority, kek);
  } catch (error) {
    if (isVaultError(error, "ERR_STORAGE_CORRUPT")) return undefined;
    throw error;
  }
}

/**
 * The life of KEKs: list, rotate, disable, enable, shred (docs/spec/keyring.md section 1).
 *
 * Owns which changes of a KEK's versions and states are allowed, and their order. Each change raises the counters by which
 * all processes notice. Statements are in rows.ts, the account of a shred in shred-account.ts. Must not know data keys.
 *
 * @module
 */
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
import { runCall } from "../../keys/calls.ts";
import type { CallOptions } from "../../keys/key-service.ts";
import type { WriteOptions } from "../access/idempotency.ts";
import { type Change, unlessCorrupt } from "../authority/authority.ts";
import type { ChangeKind } from "../authority/log.ts";
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
  kekIdentity,
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

/** A change of a KEK that has begun: the KEK and its versions, the newest first, as they were written. */
interface Begun {
  readonly kek: KekRow;
  readonly versions: readonly VersionRow[];
  readonly change: Change;
}

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
    return this.#change(selector, options, async (sql, begun) => {
      const { kek, versions } = begun;
      const newest = versions[0]!;
      if (newest.state === "disabled" || newest.state === "pending-destroy") {
        throw new VaultError(
          "ERR_KEY_STATE",
          `the KEK ${kek.id} is ${newest.state}: enable it before rotating it`,
        );
      }
      const before = await setStates(sql, kek.id, versions, ({ state }) =>
        state === "active" ? "decrypt-only" : undefined,
      );
      const root = await this.#parts.authority.prepare(sql);
      const made = newKekVersion(root, kekIdentity(kek, newest.version + 1), this.#parts.now());
      await insertKekVersion(sql, kek.id, made);
      return this.#end(sql, begun, "rotate", [...before, versionRow(made)]);
    });
  }

  disable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return this.#putInto(selector, options, "disable", ({ version, state }, { kek }) => {
      if (state !== "pending-destroy") return "disabled";
      throw new VaultError(
        "ERR_KEY_STATE",
        `version ${version} of the KEK ${kek.id} is about to be destroyed`,
      );
    });
  }

  enable(selector: KekVersionSelector, options: WriteOptions = {}): Promise<KekInfo> {
    return this.#putInto(selector, options, "enable", (row, { versions }) =>
      row === versions[0] ? "active" : "decrypt-only",
    );
  }

  shred(selector: KekVersionSelector, options: ShredOptions & WriteOptions = {}): Promise<ShredReport> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      const { isDryRun, delayMs } = ownShredOptions(call);
      const { database, authority, access, writes, now } = this.#parts;
      if (isDryRun) {
        const report = await database.read(async (sql) => {
          const kek = await findKek(sql, access.environmentId, own, false);
          const versions = await kekVersions(sql, await authority.look(sql), kek);
          return shredAccount(sql, kek, versionsMeant(kek, versions, own.version));
        }, call);
        return withErasure({ ...report, isDryRun, destroyAt: null }, database.erases);
      }
      const report = await writes.write(async (sql) => {
        const begun = await this.#begin(sql, own);
        const { kek, versions } = begun;
        const meant = versionsMeant(kek, versions, own.version);
        const account = await shredAccount(sql, kek, meant);
        const destroyAt = (await sql.now(now)) + delayMs;
        const state = delayMs === 0 ? "destroyed" : "pending-destroy";
        const after = await setStates(
          sql,
          kek.id,
          versions,
          (row) => (meant.includes(row) ? state : undefined),
          destroyAt,
        );
        const { generation } = await this.#seal(sql, begun, "shred", after);
        const { uncoveredRecipients: uncovered } = account;
        const deleted = {
          key_name: kekName(kek),
          key_id: kek.id,
          ...(uncovered.count > 0 && { uncovered_recipients: uncovered }),
        };
        await access.events.append(sql, "vault.kek.deleted", deleted, generation);
        await this.#raise(sql, "shred");
        return { ...account, isDryRun, destroyAt: iso(destroyAt) };
      }, call);
      const isErased = await database.scrub(call);
      return withErasure(report, delayMs === 0 ? isErased : database.erases);
    });
  }

  /** Puts the versions that a selector means into another state. */
  #putInto(
    selector: KekVersionSelector,
    options: WriteOptions,
    kind: ChangeKind,
    stateOf: (version: VersionRow, begun: Begun) => KekState,
  ): Promise<KekInfo> {
    return this.#change(selector, options, async (sql, begun, version) => {
      const { kek, versions } = begun;
      const meant = versionsMeant(kek, versions, version);
      const after = await setStates(sql, kek.id, versions, (row) =>
        meant.includes(row) ? stateOf(row, begun) : undefined,
      );
      return this.#end(sql, begun, kind, after);
    });
  }

  /** Runs a change of a KEK as one write. */
  #change(
    selector: KekVersionSelector,
    options: WriteOptions,
    work: (sql: Sql, begun: Begun, version: number | undefined) => Promise<KekInfo>,
  ): Promise<KekInfo> {
    return runCall(options, this, async (call) => {
      const own = ownSelector(selector);
      return this.#parts.writes.write(
        async (sql) => work(sql, await this.#begin(sql, own), own.version),
        call,
      );
    });
  }

  /** Begins a change of a KEK: changes of it take turns from now on, and no write that is under way wraps anything under it. */
  async #begin(sql: Sql, selector: KekSelector): Promise<Begun> {
    const kek = await findKek(sql, this.#parts.access.environmentId, selector, true);
    await sql.lock(kekLock(kek.id));
    const change = await this.#parts.authority.change(sql);
    return { kek, change, versions: await kekVersions(sql, change, kek) };
  }

  /** Gives a KEK that was changed its new MAC. @param versions - as they are now */
  async #seal(
    sql: Sql,
    { kek, change }: Begun,
    kind: ChangeKind,
    versions: readonly VersionRow[],
  ): Promise<{ readonly kek: KekRow; readonly generation: number }> {
    const generation = await change.append(kind, kekSubject(kek.stored));
    const rows = versions.map(({ stored }) => stored);
    const stored = await sealKek(sql, this.#parts.authority, kek.stored, rows, generation);
    return { kek: { ...kek, stored }, generation };
  }

  /** Ends a change, with the versions as they are now. */
  async #end(sql: Sql, begun: Begun, kind: ChangeKind, versions: readonly VersionRow[]): Promise<KekInfo> {
    const { kek } = await this.#seal(sql, begun, kind, versions);
    await this.#raise(sql, kind);
    return kekInfo(sql, begun.change, kek);
  }

  /** Lets all processes notice a change; what they hold is good no more where it takes keys out of use. */
  #raise(sql: Sql, kind: ChangeKind): Promise<void> {
    const revoked = ["revocations", revocationCounter(this.#parts.access.environmentId)] as const;
    return sql.raise("keks", ...(kind === "disable" || kind === "shred" ? revoked : []));
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
        if (row === undefined) continue;
        const kek = kekRow(row);
        const all = await unlessCorrupt(() => kekVersions(sql, change, kek));
        const isDue = ({ state, stored }: VersionRow): boolean =>
          state === "pending-destroy" && (stored.destroy_at as number) <= at;
        // Otherwise another process was faster.
        if (all === undefined || !all.some(isDue)) continue;
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

/**
 * Authority: whether rows that decide are as a holder of the root key wrote them, and not older than their last change
 * (docs/spec/authority.md).
 *
 * Owns the one interface by which all parts of the vault seal and check records, its two variants (a vault that is
 * authenticated, and one that is not yet), and what of the log is kept in memory. Must not know tables beyond their records.
 *
 * @module
 */
import { equalBytes } from "../../base/bytes.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import type { RootKeys } from "../root/root-keys.ts";
import type { RootChecks, Roots } from "../root/roots.ts";
import type { ServiceKeys } from "../root/service-keys.ts";
import type { Database, Sql, SqlValue } from "../storage/database.ts";
import {
  appendEntry,
  type ChangeKind,
  checkEnd,
  type Head,
  hasEntry,
  headBytes,
  isPartOf,
  type LogState,
  lockLog,
  readHead,
  readLog,
  sealLogAnew,
} from "./log.ts";
import { MAC_BYTES, Macs } from "./macs.ts";
import { type RowRecord, recordOf } from "./record.ts";
import { disposeVaultKeys, loadVaultKeys, serviceKeysOf } from "./vault-keys.ts";

/** What a transaction knows of authority. */
export interface Authenticated {
  /**
   * @param mac - as the row has it
   * @throws VaultError ERR_STORAGE_CORRUPT, which names the row, unless it is the record's, and the record not older than its last
   *   change
   */
  check(record: RowRecord, mac: SqlValue | undefined): void;
}

/** A change of authority within a write transaction. */
export interface Change extends Authenticated {
  /** Appends to the log. @returns the generation that the changed record is to have */
  append(kind: ChangeKind, subject: string): Promise<number>;
}

/** Who may do what in a vault, as far as its rows are authenticated. */
export interface Authority {
  readonly isAuthenticated: boolean;
  readonly roots: Roots;
  /** Not to be kept: others take their place when the root has leaked. */
  readonly serviceKeys: ServiceKeys;
  /** The generation of the last change that was seen. */
  readonly generation: number;
  /** What a row is to have as its MAC. */
  seal(record: RowRecord): Uint8Array | null;
  /** The same check as {@link Authenticated.check}, for rows whose changes the log does not have. */
  check(sql: Sql, record: RowRecord, mac: SqlValue | undefined): Promise<void>;
  /** Refuses a row that says a generation which the log has not reached. @throws VaultError ERR_STORAGE_CORRUPT */
  checkGeneration(sql: Sql, generation: number, what: string): Promise<void>;
  /** Refuses a record that is made now, and of whose subject the log has changes: rows were deleted. @throws VaultError ERR_STORAGE_CORRUPT */
  checkNew(sql: Sql, record: Pick<RowRecord, "what" | "subject">): Promise<void>;
  /** The last change, within a transaction that sees one state; undefined where no log is kept. */
  lastEntry(sql: Sql): Promise<Head | undefined>;
  /** Whether the log has an entry; one that was compacted is believed. */
  hasEntry(sql: Sql, entry: Head): Promise<boolean>;
  /** Looks at the log, within a transaction that sees one state. */
  look(sql: Sql): Promise<Authenticated>;
  /**
   * Makes sure that what is written in this transaction, which shares `ROOT_LOCK`, is what the vault takes.
   *
   * @returns what KEKs are wrapped under
   */
  prepare(sql: Sql): Promise<RootKeys>;
  /** Begins a change, within a write transaction that has locked the row it changes; other changes wait until it ends. */
  change(sql: Sql): Promise<Change>;
  /**
   * Puts the log under other keys, within a write transaction that has locked `ROOT_LOCK`: all that look at it learn of them.
   *
   * @param macs - stay the caller's
   */
  sealLogAnew(sql: Sql, macs: Macs): Promise<void>;
  /** Lets go of all keys. */
  dispose(): void;
}

/** Opens the authority of a vault. @throws VaultError ERR_STORAGE_CORRUPT */
export function openAuthority(
  database: Database,
  roots: Roots,
  vaultId: Uint8Array,
  now: () => number,
): Promise<Authority> {
  return AUTHORITIES[roots.form](database, roots, vaultId, now);
}

/** The vault keys in the forms in which they are used. */
interface OpenKeys {
  readonly macs: Macs;
  readonly service: ServiceKeys;
  /** The highest version of the row-mac key. */
  readonly version: number;
}

/** Loads the vault keys. @throws VaultError ERR_STORAGE_CORRUPT */
async function openKeys(sql: Sql, roots: Roots, vaultId: Uint8Array): Promise<OpenKeys> {
  const keys = await loadVaultKeys(sql, roots);
  const service = serviceKeysOf(keys, vaultId);
  disposeVaultKeys({ "webhook-secret": keys["webhook-secret"], fingerprint: keys.fingerprint });
  return { macs: new Macs(keys), service, version: Math.max(...keys["row-mac"].keys()) };
}

function disposeKeys({ macs, service }: OpenKeys): void {
  macs.dispose();
  service.dispose();
}

/** The authority of a vault that is authenticated. */
class VaultAuthority implements Authority {
  readonly isAuthenticated = true;
  readonly roots: Roots;
  readonly #vaultId: Uint8Array;
  readonly #now: () => number;
  #keys: OpenKeys;
  /** The stored checks of the root with which #keys were loaded: a rotation of the root may have made others since. */
  #keysOf: RootChecks;
  /** The log as it was committed. */
  #log: LogState;
  /** The log that was read last, and the head that it was checked against. */
  #lastRead: { readonly head: Uint8Array; readonly log: LogState } | undefined;
  /** When #log was seen, by `performance.now()`: transactions that began later see nothing older. */
  #seenAt = performance.now();
  /** The log with what this process has appended since; it may not have been committed. */
  #ahead: LogState | undefined;

  constructor(
    roots: Roots,
    vaultId: Uint8Array,
    now: () => number,
    opened: { readonly keys: OpenKeys; readonly log: LogState },
  ) {
    this.roots = roots;
    this.#vaultId = vaultId;
    this.#now = now;
    this.#keys = opened.keys;
    this.#keysOf = roots.checks;
    this.#log = opened.log;
  }

  get serviceKeys(): ServiceKeys {
    return this.#keys.service;
  }

  get generation(): number {
    return this.#log.generation;
  }

  seal(record: RowRecord): Uint8Array {
    return this.#keys.macs.of(record);
  }

  async check(sql: Sql, record: RowRecord, mac: SqlValue | undefined): Promise<void> {
    if (this.#keys.macs.isOf(record, mac)) return;
    if (!this.#keys.macs.knows(mac, record.purpose)) await this.#loadKeys(sql);
    if (!this.#keys.macs.isOf(record, mac)) throw altered(record);
  }

  async checkGeneration(sql: Sql, generation: number, what: string): Promise<void> {
    if (generation > this.#log.generation && generation > (await this.#read(sql)).generation) {
      throw logTooOld(what);
    }
  }

  async checkNew(sql: Sql, { what, subject }: Pick<RowRecord, "what" | "subject">): Promise<void> {
    // Not kept: a write may see what is not committed.
    if (subject === undefined || (await this.#read(sql)).lastChange(subject) === 0) return;
    throw new VaultError("ERR_STORAGE_CORRUPT", `${what} would be made anew: its rows were deleted`);
  }

  async lastEntry(sql: Sql): Promise<Head> {
    const { generation, mac } = await this.#read(sql);
    return { generation, mac };
  }

  async hasEntry(sql: Sql, entry: Head): Promise<boolean> {
    return hasEntry(sql, await this.#read(sql), entry);
  }

  async look(sql: Sql): Promise<Authenticated> {
    const log = await this.#read(sql);
    if (log.generation > this.#log.generation) {
      this.#log = log;
      this.#seenAt = performance.now();
    }
    // A transaction that began before may see an older state.
    else if (sql.began > this.#seenAt) this.#refuseOlder(log);
    return this.#against(log);
  }

  async prepare(sql: Sql): Promise<RootKeys> {
    const root = await this.roots.current(sql);
    // Before anything is sealed: what is sealed under a key that has gone is lost.
    if (this.#keysOf !== this.roots.checks) await this.#loadKeys(sql);
    return root;
  }

  async change(sql: Sql): Promise<Change> {
    await this.prepare(sql);
    await lockLog(sql);
    // What is read here may contain what this transaction, or one that shares its fate, has appended: it is not kept as the
    // log, but as what the log may be next time, so that not all is read again.
    let log = await this.#read(sql);
    this.#refuseOlder(log);
    this.#ahead = log;
    return {
      // Against what this transaction has appended by then.
      check: (record, mac) => this.#against(log).check(record, mac),
      append: async (kind, subject) => {
        log = await appendEntry(sql, this.#keys.macs, log, { kind, subject, at: this.#now() });
        this.#ahead = log;
        // So that the next change need not read it all again.
        this.#lastRead = { head: headBytes(this.#keys.macs, log), log };
        return log.generation;
      },
    };
  }

  async sealLogAnew(sql: Sql, macs: Macs): Promise<void> {
    await lockLog(sql);
    await sealLogAnew(sql, macs, await this.#read(sql));
  }

  dispose(): void {
    disposeKeys(this.#keys);
    this.roots.dispose();
  }

  #refuseOlder(log: LogState): void {
    if (log.generation < this.#log.generation) throw logTooOld("what this process has seen");
  }

  #against(log: LogState): Authenticated {
    return {
      check: (record, mac) => {
        if (!this.#keys.macs.isOf(record, mac)) throw altered(record);
        const { subject, generation } = record;
        if (subject === undefined || generation === undefined) return;
        if (generation > log.generation) throw logTooOld(record.what);
        if (generation < log.lastChange(subject)) throw outdated(record);
      },
    };
  }

  async #read(sql: Sql): Promise<LogState> {
    const head = await readHead(sql);
    const last = this.#lastRead;
    // The bytes of a head stand for one log, whoever has written them and whether it was committed.
    if (head !== undefined && last !== undefined && equalBytes(head, last.head)) return last.log;
    if (!this.#keys.macs.knows(head?.subarray(-MAC_BYTES))) await this.#loadKeys(sql);
    const ahead = this.#ahead;
    const isAhead =
      ahead !== undefined && ahead.generation > this.#log.generation && (await isPartOf(sql, ahead, head));
    const log = await readLog(sql, this.#keys.macs, isAhead ? ahead : this.#log, head);
    if (head !== undefined) this.#lastRead = { head: Uint8Array.from(head), log };
    return log;
  }

  /** Others may have made newer keys, and taken older ones away. */
  async #loadKeys(sql: Sql): Promise<void> {
    await this.roots.current(sql);
    const { checks } = this.roots;
    const loaded = await openKeys(sql, this.roots, this.#vaultId);
    // A transaction that sees an older state does not bring back what was in use then.
    const isOlder = loaded.version < this.#keys.version;
    disposeKeys(isOlder ? loaded : this.#keys);
    if (!isOlder) this.#keys = loaded;
    this.#keysOf = checks;
  }
}

/** The authority of a vault that is not authenticated yet: everything is believed, as programs did before. */
class NoAuthority implements Authority {
  readonly isAuthenticated = false;
  readonly generation = 0;
  readonly roots: Roots;
  readonly serviceKeys: ServiceKeys;

  constructor(roots: Roots, serviceKeys: ServiceKeys) {
    this.roots = roots;
    this.serviceKeys = serviceKeys;
  }

  seal(): null {
    return null;
  }

  async check(): Promise<void> {}

  async checkGeneration(): Promise<void> {}

  async checkNew(): Promise<void> {}

  async lastEntry(): Promise<undefined> {}

  async hasEntry(): Promise<boolean> {
    return false;
  }

  async look(): Promise<Authenticated> {
    return { check: () => {} };
  }

  prepare(sql: Sql): Promise<RootKeys> {
    return this.roots.current(sql);
  }

  async change(sql: Sql): Promise<Change> {
    await this.prepare(sql);
    return { check: () => {}, append: async () => 0 };
  }

  async sealLogAnew(): Promise<void> {}

  dispose(): void {
    this.serviceKeys.dispose();
    this.roots.dispose();
  }
}

type Open = (database: Database, roots: Roots, vaultId: Uint8Array, now: () => number) => Promise<Authority>;

const AUTHORITIES: Readonly<Record<Roots["form"], Open>> = {
  plain: async (_, roots) => new NoAuthority(roots, roots.newest.serviceKeys!),
  authenticated: (database, roots, vaultId, now) =>
    database.read(async (sql) => {
      const keys = await openKeys(sql, roots, vaultId);
      const log = await readLog(sql, keys.macs, undefined, await readHead(sql));
      await checkEnd(sql, log);
      await checkNewest(sql, keys.macs, log);
      return new VaultAuthority(roots, vaultId, now, { keys, log });
    }),
};

/**
 * The latest rows that carry a generation: a log that is older than one of them was put back. By their ids, which begin with
 * the time and stand in the MAC: an order that is stored beside them could be changed.
 */
async function checkNewest(sql: Sql, macs: Macs, log: LogState): Promise<void> {
  const event = await sql.get("SELECT * FROM events ORDER BY id DESC LIMIT 1");
  if (event !== undefined) {
    const record = recordOf("events", event);
    if (!macs.isOf(record, event.mac)) throw altered(record);
    if ((event.generation as number) > log.generation) throw logTooOld(record.what);
  }
  const version = await sql.get("SELECT generation FROM kv_versions ORDER BY id DESC LIMIT 1");
  if (version !== undefined && (version.generation as number) > log.generation) {
    throw logTooOld("a stored version");
  }
}

function altered({ what }: RowRecord): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", `${what} is not as coffer wrote it: its row was altered`);
}

function outdated({ what }: RowRecord): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", `${what} is older than its last change: its row was put back`);
}

function logTooOld(what: string): VaultError {
  return new VaultError(
    "ERR_STORAGE_CORRUPT",
    `the log of changes of authority is older than ${what}: it was put back`,
  );
}

/** What `work` answers; undefined where it meets a row that is not as it was written. */
export async function unlessCorrupt<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isVaultError(error, "ERR_STORAGE_CORRUPT")) return undefined;
    throw error;
  }
}

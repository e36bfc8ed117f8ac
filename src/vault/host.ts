/**
 * A host: one database with its root key unlocked, from which sessions are opened.
 *
 * Owns the opening of a vault (storage, root key, identity), environments, and what all sessions share: keyrings,
 * API keys, the event log. Must not know who asks for a session.
 *
 * @module
 */

import { isUint8Array } from "../base/bytes.ts";
import { untilAborted } from "../base/concurrency.ts";
import { type ContextEntry, canonicalContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { readyRandom } from "../crypto/primitives/random.ts";
import { UUID_BYTES, uuidToText, uuidV4 } from "../crypto/primitives/uuid.ts";
import { isVaultError, VaultError } from "../errors.ts";
import type { Access } from "./access/access.ts";
import { type ApiKeyInfo, ApiKeys } from "./access/api-keys.ts";
import { Callers } from "./access/callers.ts";
import { clearExpiredAnswers, IdempotentWrites } from "./access/idempotency.ts";
import { type EventActor, EventLog, type EventMode } from "./events/events.ts";
import { Webhooks } from "./events/webhooks.ts";
import { newId } from "./ids.ts";
import { EmbeddedKeyService } from "./keks/key-service.ts";
import { Keyring } from "./keks/keyring.ts";
import { destroyDueKeks, KekLifecycle } from "./keks/lifecycle.ts";
import { EmbeddedKvStore } from "./kv/store.ts";
import { CLOSE_FLUSH_MS_MAX, ENVIRONMENT_ID_PREFIX, ENVIRONMENT_NAME } from "./limits.ts";
import { findRootKey, type RootKeyRequest } from "./root/root-key.ts";
import { RootKeys } from "./root/root-keys.ts";
import type { Database, WaitOptions } from "./storage/database.ts";

/** An environment: a tenant of a host. */
export interface EnvironmentInfo {
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** Who opens a session, and how much of the environment they see. */
export interface Principal {
  readonly actor: EventActor;
  /** Entries that a context must have to be seen; default all contexts. */
  readonly constraints?: KeyContext | undefined;
  /** Which events are recorded; default `changes`. */
  readonly events?: EventMode | undefined;
}

/** The services of an environment on behalf of one principal. Made once, it serves any number of calls. */
export interface HostSession {
  readonly environmentId: string;
  readonly keys: EmbeddedKeyService;
  readonly kv: EmbeddedKvStore;
  readonly keks: KekLifecycle;
}

/** An API key that was recognised, and the session on its behalf. */
export interface Caller {
  readonly apiKey: ApiKeyInfo;
  readonly session: HostSession;
}

/** How to open a host. */
export interface HostOptions extends RootKeyRequest {
  /** Told what the user should know. */
  readonly onNotice: (notice: string) => void;
  /** The clock of stored times, in milliseconds. */
  readonly now: () => number;
}

/** @throws VaultError ERR_ENVIRONMENT_INVALID unless it is 1 to 64 of a-z, 0-9, `-`, `_` */
export function checkEnvironmentName(name: string): void {
  if (typeof name === "string" && ENVIRONMENT_NAME.test(name)) return;
  throw new VaultError("ERR_ENVIRONMENT_INVALID", "an environment's name is 1 to 64 of a-z, 0-9, - and _");
}

/** A vault that has been opened. Made by {@link openHost}. */
export class VaultHost {
  /** UUID text. */
  readonly vaultId: string;
  readonly apiKeys: ApiKeys;
  readonly events: EventLog;
  readonly webhooks: Webhooks;
  /** Runs writes once per idempotency key, and makes the option by which services are told one. */
  readonly writes: IdempotentWrites;
  readonly #database: Database;
  readonly #rootKeys: RootKeys;
  readonly #now: () => number;
  readonly #keyrings = new Map<string, Keyring>();

  constructor(database: Database, rootKeys: RootKeys, vaultId: string, now: () => number) {
    this.#database = database;
    this.#rootKeys = rootKeys;
    this.#now = now;
    this.vaultId = vaultId;
    this.apiKeys = new ApiKeys(database, now);
    this.events = new EventLog(database, now);
    this.writes = new IdempotentWrites(database, rootKeys, now);
    this.webhooks = new Webhooks(database, rootKeys, this.writes, now);
  }

  /** The services of an environment on behalf of `principal`. */
  session(environmentId: string, principal: Principal): HostSession {
    const { constraints } = principal;
    const scope: readonly ContextEntry[] =
      constraints === undefined || Object.keys(constraints).length === 0
        ? []
        : canonicalContext(constraints).entries;
    const access: Access = {
      environmentId,
      actor: principal.actor,
      scope,
      events: this.events.sink(environmentId, principal.actor, principal.events ?? "changes"),
    };
    const keyring = this.#keyring(environmentId);
    return {
      environmentId,
      keys: new EmbeddedKeyService(this.vaultId, keyring, this.#database, access),
      kv: new EmbeddedKvStore(this.#database, keyring, access, this.writes, this.#now),
      keks: new KekLifecycle(this.#database, this.#rootKeys, access, this.writes, this.#now),
    };
  }

  /**
   * Recognises API keys, and keeps a session with each that is known.
   *
   * @param events - which events the sessions record
   */
  callers(events: EventMode): Callers<Caller> {
    return new Callers(this.#database, (apiKey) => {
      const { id, name, environmentId, constraints } = apiKey;
      const session = this.session(environmentId, {
        actor: { id, name, source: "api" },
        constraints,
        events,
      });
      return { apiKey, session };
    });
  }

  /** All environments by name. */
  listEnvironments(): Promise<EnvironmentInfo[]> {
    return this.#database.read(async (sql) => {
      const rows = await sql.all("SELECT id, name, created_at FROM environments ORDER BY name");
      return rows.map((row) => ({
        id: row.id as string,
        name: row.name as string,
        createdAt: new Date(row.created_at as number).toISOString(),
      }));
    });
  }

  /**
   * The environment of a name, made if there is none.
   *
   * @param name - 1 to 64 of a-z, 0-9, `-`, `_`
   * @throws VaultError ERR_ENVIRONMENT_INVALID
   */
  async environment(name: string): Promise<EnvironmentInfo> {
    checkEnvironmentName(name);
    const find = async (): Promise<EnvironmentInfo | undefined> =>
      (await this.listEnvironments()).find((environment) => environment.name === name);
    const found = await find();
    if (found !== undefined) return found;
    await this.#database.write((sql) =>
      sql.run(
        "INSERT INTO environments (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
        newId(ENVIRONMENT_ID_PREFIX),
        name,
        this.#now(),
      ),
    );
    return (await find())!;
  }

  /** Resolves if the database answers. @throws VaultError the storage's codes */
  async check(): Promise<void> {
    this.#database.changes();
    await this.#database.read((sql) => sql.get("SELECT 1 AS one"));
  }

  /** Resolves if writes are possible now, as `Database.writable` has it. @throws VaultError the storage's codes */
  async writable(options: WaitOptions = {}): Promise<void> {
    this.#database.changes();
    await this.#database.writable(options);
  }

  /**
   * Destroys KEKs whose delayed destruction is due, and clears away answers that are too old to be repeated. It is done when
   * a vault is opened. A process that holds a vault for long calls this from time to time.
   *
   * @throws VaultError the storage's codes
   */
  async destroyDue(): Promise<void> {
    await destroyDueKeks(this.#database, this.#now);
    await clearExpiredAnswers(this.#database, this.#now());
  }

  /** Writes what events are noted, then lets go of database and keys, after what is under way. */
  async close(): Promise<void> {
    try {
      await untilAborted(this.events.flush(), AbortSignal.timeout(CLOSE_FLUSH_MS_MAX));
    } catch (error) {
      if (isVaultError(error)) throw error;
      throw new VaultError("ERR_STORAGE_UNAVAILABLE", "the storage did not take the last events in time", {
        cause: error,
      });
    } finally {
      await this.#database.close();
      for (const keyring of this.#keyrings.values()) keyring.dispose();
      this.#rootKeys.dispose();
    }
  }

  #keyring(environmentId: string): Keyring {
    let keyring = this.#keyrings.get(environmentId);
    if (keyring === undefined) {
      keyring = new Keyring(this.#database, this.#rootKeys, environmentId, this.#now);
      this.#keyrings.set(environmentId, keyring);
    }
    return keyring;
  }
}

/**
 * Unlocks the vault in a database, which becomes the host's to close; a database without one gets one if `create` allows
 * it.
 *
 * @throws VaultError ERR_VAULT_NOT_FOUND, ERR_ROOT_KEY_WRONG, ERR_ROOT_KEY_MISSING, ERR_ROOT_KEY_INVALID, and the storage's codes
 */
export async function openHost(database: Database, options: HostOptions): Promise<VaultHost> {
  try {
    readyRandom();
    const { rootKeys, vaultId } = await unlock(database, options);
    await destroyDueKeks(database, options.now);
    await clearExpiredAnswers(database, options.now());
    return new VaultHost(database, rootKeys, uuidToText(vaultId), options.now);
  } catch (error) {
    await database.close();
    throw error;
  }
}

interface Identity {
  readonly vaultId: Uint8Array;
  readonly check: Uint8Array;
}

const MADE_NOTICE = "there was no vault: made a new, empty one under the root key given";

/** Finds the root key and proves it; a vault without one gets one. */
async function unlock(
  database: Database,
  options: HostOptions,
): Promise<{ rootKeys: RootKeys; vaultId: Uint8Array }> {
  const stored = await readIdentity(database);
  if (stored === undefined && !options.create) {
    throw new VaultError("ERR_VAULT_NOT_FOUND", "there is no vault in this database yet");
  }
  const root = findRootKey({ ...options, create: stored === undefined });
  try {
    for (const notice of root.notices) options.onNotice(notice);
    // Where the root key was there before, a vault may have been expected to be there as well.
    if (stored === undefined && root.source !== "created") options.onNotice(MADE_NOTICE);
    const identity = stored ?? (await createIdentity(database, root.key));
    const rootKeys = new RootKeys(root.key, identity.vaultId);
    if (rootKeys.isRightRoot(identity.check)) return { rootKeys, vaultId: identity.vaultId };
    rootKeys.dispose();
    throw new VaultError(
      "ERR_ROOT_KEY_WRONG",
      `the root key (from: ${root.source}) is not the one of this vault`,
    );
  } finally {
    root.key.dispose();
  }
}

async function createIdentity(
  database: Database,
  root: ConstructorParameters<typeof RootKeys>[0],
): Promise<Identity> {
  const vaultId = uuidV4();
  const rootKeys = new RootKeys(root, vaultId);
  const check = rootKeys.createCheck();
  rootKeys.dispose();
  await database.write(async (sql) => {
    // Another process may be making the same vault: the first one decides, and the others read its answer.
    const statement = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
    const isFirst = (await sql.run(statement, "vault_id", vaultId)) === 1;
    if (isFirst) await sql.run(statement, "root_check", check);
  });
  return (await readIdentity(database))!;
}

async function readIdentity(database: Database): Promise<Identity | undefined> {
  const { rows, kek } = await database.read(async (sql) => ({
    rows: await sql.all("SELECT name, value FROM meta"),
    kek: await sql.get("SELECT id FROM keks LIMIT 1"),
  }));
  const value = (name: string) => rows.find((row) => row.name === name)?.value;
  const vaultId = value("vault_id");
  const check = value("root_check");
  // A vault that is only about to be made has no KEKs.
  if (vaultId === undefined && check === undefined && kek === undefined) return undefined;
  if (!(isUint8Array(vaultId) && vaultId.length === UUID_BYTES && isUint8Array(check))) {
    throw new VaultError("ERR_STORAGE_CORRUPT", "the vault's identity is damaged in its file");
  }
  return { vaultId, check };
}

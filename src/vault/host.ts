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
import type { SecretBytes } from "../crypto/primitives/secret-bytes.ts";
import { UUID_BYTES, uuidFromText, uuidToText, uuidV4 } from "../crypto/primitives/uuid.ts";
import type { RecipientDocument } from "../crypto/sealed/recipient-document.ts";
import { isVaultError, VaultError } from "../errors.ts";
import type { Access } from "./access/access.ts";
import { type ApiKeyInfo, ApiKeys } from "./access/api-keys.ts";
import { Callers } from "./access/callers.ts";
import { clearExpiredAnswers, IdempotentWrites } from "./access/idempotency.ts";
import { type Anchor, takeAnchor } from "./anchor.ts";
import {
  type AuthenticationReport,
  type AuthorityFindings,
  authenticateVault,
  authorityFindings,
} from "./authenticate.ts";
import { type Authority, openAuthority } from "./authority/authority.ts";
import { beginAuthority } from "./authority/begin.ts";
import { recordOf } from "./authority/record.ts";
import { disposeVaultKeys } from "./authority/vault-keys.ts";
import { type EventActor, EventLog, type EventMode } from "./events/events.ts";
import { Webhooks } from "./events/webhooks.ts";
import { newId } from "./ids.ts";
import { EmbeddedKeyService, type IsStoredKey } from "./keks/key-service.ts";
import { Keyring } from "./keks/keyring.ts";
import { destroyDueKeks, KekLifecycle } from "./keks/lifecycle.ts";
import { RevisionNames } from "./keks/revision-names.ts";
import { storedKeysWithOldLabel } from "./kv/old-label.ts";
import { EmbeddedKvStore } from "./kv/store.ts";
import { CLOSE_FLUSH_MS_MAX, ENVIRONMENT_ID_PREFIX, ENVIRONMENT_NAME } from "./limits.ts";
import { RecipientLifecycle } from "./recipients/lifecycle.ts";
import { PublicDocuments } from "./recipients/public-documents.ts";
import { RecipientKeys } from "./recipients/recipient-keys.ts";
import {
  findNextRootKey,
  findRootKey,
  nextRootKey,
  promoteNextRootKey,
  type RootKeyRequest,
  rereadRootKeys,
} from "./root/root-key.ts";
import { ROOT_FORM_NAMES, RootKeys } from "./root/root-keys.ts";
import {
  checksAmong,
  type FindRoots,
  ROOT_CHECK,
  ROOT_CHECK_NEXT,
  type RootChecks,
  Roots,
  WITH_ROOT,
} from "./root/roots.ts";
import { type RootRotation, type RotateRootOptions, rotateRoot } from "./rotate-root.ts";
import type { Database, SqlValue, WaitOptions } from "./storage/database.ts";

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
  /** Whether rekeys may change or drop entries of a context; default true. */
  readonly mayRekeyAny?: boolean | undefined;
  /** Whether only sealed data keys may be wrapped anew; default false. */
  readonly absorbsOnly?: boolean | undefined;
  /** Which events are recorded; default `changes`. */
  readonly events?: EventMode | undefined;
}

/** The services of an environment on behalf of one principal. Made once, it serves any number of calls. */
export interface HostSession {
  readonly environmentId: string;
  readonly keys: EmbeddedKeyService;
  readonly kv: EmbeddedKvStore;
  readonly keks: KekLifecycle;
  /** What clients are told of the environment's revocations. */
  readonly revisions: RevisionNames;
  readonly recipients: RecipientLifecycle;
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

/** What a rotation of the root has done, and what is left to do. */
export interface RootRotationReport extends RootRotation {
  /** The file in which the old root key is kept; undefined where root keys are not in files, or it was put away before. */
  readonly keptIn: string | undefined;
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
  readonly #authority: Authority;
  readonly #now: () => number;
  readonly #isStored: IsStoredKey;
  readonly #rootKeyRequest: RootKeyRequest;
  readonly #keyrings = new Map<string, Keyring>();
  readonly #recipientKeys = new Map<string, RecipientKeys>();
  readonly #documents: PublicDocuments;

  constructor(
    database: Database,
    authority: Authority,
    vaultId: string,
    isStored: IsStoredKey,
    options: HostOptions,
  ) {
    const { now } = options;
    this.#rootKeyRequest = options;
    this.#database = database;
    this.#authority = authority;
    this.#isStored = isStored;
    this.#now = now;
    this.vaultId = vaultId;
    this.#documents = new PublicDocuments(database, now, (environmentId) => {
      const actor = { id: "public", name: "public", source: "api" } as const;
      return this.session(environmentId, { actor }).recipients;
    });
    this.apiKeys = new ApiKeys(database, authority, now);
    this.events = new EventLog(database, authority, now);
    this.writes = new IdempotentWrites(database, authority, now);
    this.webhooks = new Webhooks(database, authority, this.writes, now);
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
      mayRekeyAny: principal.mayRekeyAny !== false,
      absorbsOnly: principal.absorbsOnly === true,
      events: this.events.sink(environmentId, principal.actor, principal.events ?? "changes"),
    };
    const keyring = this.#keyring(environmentId);
    return {
      environmentId,
      keys: new EmbeddedKeyService(
        this.vaultId,
        keyring,
        this.#database,
        access,
        this.#isStored,
        this.#recipientKeysOf(environmentId, keyring),
      ),
      kv: new EmbeddedKvStore(this.#database, keyring, this.#authority, access, this.writes, this.#now),
      keks: new KekLifecycle(this.#database, this.#authority, access, this.writes, this.#now),
      revisions: new RevisionNames(this.#database, this.vaultId, environmentId),
      recipients: new RecipientLifecycle(
        this.#database,
        this.#authority,
        keyring,
        access,
        this.writes,
        this.#now,
      ),
    };
  }

  /**
   * Recognises API keys, and keeps a session with each that is known.
   *
   * @param events - which events the sessions record
   */
  callers(events: EventMode): Callers<Caller> {
    return new Callers(this.#database, this.#authority, (apiKey) => {
      const { id, name, environmentId, constraints, permissions } = apiKey;
      const session = this.session(environmentId, {
        actor: { id, name, source: "api" },
        constraints,
        mayRekeyAny: permissions.includes("decrypt") || permissions.includes("rekey:any"),
        absorbsOnly: !permissions.includes("rekey"),
        events,
      });
      return { apiKey, session };
    });
  }

  /** Whether the vault's rows are authenticated (docs/spec/authority.md). */
  get isAuthenticated(): boolean {
    return this.#authority.isAuthenticated;
  }

  /** What the vault holds whose rows decide: what to look at before it is authenticated. Changes nothing. */
  authorityFindings(): Promise<AuthorityFindings> {
    return authorityFindings(this.#database, this.#authority);
  }

  /**
   * Authenticates a vault that an older coffer made, with all that is in it now: look at {@link authorityFindings} before. Everyone
   * who has the vault open must open it again, this object too.
   *
   * @throws VaultError ERR_STORAGE_UNAVAILABLE if it was authenticated since it was opened; ERR_UNSUPPORTED if it was before
   */
  async authenticate(): Promise<AuthenticationReport> {
    if (this.isAuthenticated) throw new VaultError("ERR_UNSUPPORTED", "this vault is authenticated already");
    const vaultId = uuidFromText(this.vaultId)!;
    return authenticateVault(this.#database, this.#authority, vaultId, this.#now);
  }

  /**
   * The document of a recipient, whatever environment it is of: for everybody. Within a minute it is the same one, unless a KEK or a
   * recipient was changed.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND, ERR_KEY_DISABLED, ERR_KEY_DESTROYED
   */
  recipientDocument(id: string): Promise<RecipientDocument> {
    return this.#documents.find(id);
  }

  /**
   * What the vault holds now, to be kept elsewhere: compared with it later, an older copy in the vault's place shows.
   *
   * @param before - an anchor of before, out of {@link parseAnchor}
   * @throws VaultError ERR_ANCHOR_MISMATCH if the vault is older than that, has another history, or is another vault
   */
  anchor(before?: Anchor): Promise<Anchor> {
    return takeAnchor(this.#database, this.#authority, { vaultId: this.vaultId, now: this.#now, before });
  }

  /**
   * Wraps all KEKs and vault keys under another root key, while others use the vault: that in `nextRootKey` or COFFER_ROOT_KEY_NEXT,
   * else that in the file beside the root key's (its path with `.next` added), which is made. Killed or ended, the next call goes
   * on. At the end that file takes the place of the root key's, whose old content is kept under another name.
   *
   * @returns what was done, and where the old root key is kept; a variable is the caller's to change
   * @throws VaultError ERR_UNSUPPORTED if the vault is not authenticated yet, ERR_ROOT_KEY_MISSING if there is no next root key and
   *   no file to make one in, ERR_ROOT_KEY_INVALID if it is no root key, or the root key itself, ERR_ROOT_KEY_WRONG if a rotation
   *   to another one has begun, ERR_STORAGE_UNAVAILABLE if another process has ended one; `options.signal`'s reason
   */
  async rotateRoot(options: RotateRootOptions = {}): Promise<RootRotationReport> {
    if (!this.isAuthenticated) {
      throw new VaultError(
        "ERR_UNSUPPORTED",
        "this vault is not authenticated: run coffer migrate --authenticate first",
      );
    }
    const vaultId = uuidFromText(this.vaultId)!;
    const { key, isMade } = nextRootKey(this.#rootKeyRequest);
    const next = new RootKeys(key, vaultId, "authenticated");
    key.dispose();
    try {
      const vault = { database: this.#database, authority: this.#authority, vaultId, now: this.#now };
      const done = await rotateRoot(vault, next, options);
      return { ...done, keptIn: isMade ? promoteNextRootKey(this.#rootKeyRequest.file!) : undefined };
    } finally {
      next.dispose();
    }
  }

  /** Whether a rotation of the root has begun and not ended. */
  isRootRotating(): Promise<boolean> {
    return this.#database.read(
      async (sql) => (await sql.get("SELECT name FROM meta WHERE name = ?", ROOT_CHECK_NEXT)) !== undefined,
    );
  }

  /** All environments by name. */
  listEnvironments(): Promise<EnvironmentInfo[]> {
    return this.#environments("name = name");
  }

  #environments(which: string, ...parameters: readonly SqlValue[]): Promise<EnvironmentInfo[]> {
    return this.#database.read(async (sql) => {
      const known = await this.#authority.look(sql);
      const rows = await sql.all(
        `SELECT id, name, created_at, generation, mac FROM environments WHERE ${which} ORDER BY name`,
        ...parameters,
      );
      return rows.map((row) => {
        known.check(recordOf("environments", row), row.mac);
        return {
          id: row.id as string,
          name: row.name as string,
          createdAt: new Date(row.created_at as number).toISOString(),
        };
      });
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
      (await this.#environments("name = ?", name))[0];
    const found = await find();
    if (found !== undefined) return found;
    await this.#database.write(async (sql) => {
      const id = newId(ENVIRONMENT_ID_PREFIX);
      const row = { id, name, created_at: this.#now() };
      const inserted = await sql.run(
        "INSERT INTO environments (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
        id,
        name,
        row.created_at,
      );
      if (inserted === 0) return; // Another process was faster.
      const generation = await (await this.#authority.change(sql)).append("environment", id);
      await sql.run(
        "UPDATE environments SET generation = ?, mac = ? WHERE id = ?",
        generation,
        this.#authority.seal(recordOf("environments", { ...row, generation })),
        id,
      );
    }, WITH_ROOT);
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
    await destroyDueKeks(this.#database, this.#authority, this.#now);
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
      for (const keys of this.#recipientKeys.values()) keys.dispose();
      for (const keyring of this.#keyrings.values()) keyring.dispose();
      this.#authority.dispose();
    }
  }

  #recipientKeysOf(environmentId: string, keyring: Keyring): RecipientKeys {
    let keys = this.#recipientKeys.get(environmentId);
    if (keys === undefined) {
      keys = new RecipientKeys(this.#database, this.#authority, environmentId, keyring);
      this.#recipientKeys.set(environmentId, keys);
    }
    return keys;
  }

  #keyring(environmentId: string): Keyring {
    let keyring = this.#keyrings.get(environmentId);
    if (keyring === undefined) {
      keyring = new Keyring(this.#database, this.#authority, environmentId, this.#now);
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
    const { roots, vaultId } = await unlock(database, options);
    let authority: Authority;
    try {
      authority = await openAuthority(database, roots, vaultId, options.now);
    } catch (error) {
      roots.dispose();
      throw error;
    }
    try {
      await destroyDueKeks(database, authority, options.now);
      await clearExpiredAnswers(database, options.now());
      const isStored = await storedKeysWithOldLabel(database, authority);
      return new VaultHost(database, authority, uuidToText(vaultId), isStored, options);
    } catch (error) {
      authority.dispose();
      throw error;
    }
  } catch (error) {
    await database.close();
    throw error;
  }
}

interface Identity {
  readonly vaultId: Uint8Array;
  readonly checks: RootChecks;
}

const MADE_NOTICE = "there was no vault: made a new, empty one under the root key given";

/** Finds the root key and proves it; a vault without one gets one. */
async function unlock(
  database: Database,
  options: HostOptions,
): Promise<{ roots: Roots; vaultId: Uint8Array }> {
  const stored = await readIdentity(database);
  if (stored === undefined && !options.create) {
    throw new VaultError("ERR_VAULT_NOT_FOUND", "there is no vault in this database yet");
  }
  const root = findRootKey({ ...options, create: stored === undefined });
  try {
    for (const notice of root.notices) options.onNotice(notice);
    // Where the root key was there before, a vault may have been expected to be there as well.
    if (stored === undefined && root.source !== "created") options.onNotice(MADE_NOTICE);
    const { vaultId, checks } = stored ?? (await createIdentity(database, root.key, options.now()));
    let isFirst = true;
    const find: FindRoots = () => {
      const isFromFile = root.source === "file" || root.source === "created";
      const found = isFirst
        ? [root.key, findNextRootKey(options)].filter((key) => key !== undefined)
        : isFromFile
          ? rereadRootKeys(options)
          : [];
      const all = found.flatMap((key) => rootsOf(key, vaultId));
      for (const key of found) if (key !== root.key) key.dispose();
      isFirst = false;
      return all;
    };
    try {
      return { roots: new Roots(checks, find), vaultId };
    } catch (error) {
      if (!isVaultError(error, "ERR_ROOT_KEY_WRONG")) throw error;
      throw new VaultError(
        "ERR_ROOT_KEY_WRONG",
        checks.next === undefined
          ? `the root key (from: ${root.source}) is not the one of this vault`
          : `the root of this vault is being rotated: the root key (from: ${root.source}) and the next one are both needed`,
      );
    }
  } finally {
    root.key.dispose();
  }
}

/** A root key in all forms that a vault may have. */
function rootsOf(root: SecretBytes, vaultId: Uint8Array): readonly RootKeys[] {
  return ROOT_FORM_NAMES.map((form) => new RootKeys(root, vaultId, form));
}

async function createIdentity(database: Database, root: SecretBytes, now: number): Promise<Identity> {
  const vaultId = uuidV4();
  const rootKeys = new RootKeys(root, vaultId, "authenticated");
  try {
    await database.write(async (sql) => {
      // Another process may be making the same vault: the first one decides, and the others read its answer.
      const statement = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
      const isFirst = (await sql.run(statement, "vault_id", vaultId)) === 1;
      if (!isFirst) return;
      await sql.run(statement, ROOT_CHECK, rootKeys.createCheck());
      disposeVaultKeys(await beginAuthority(sql, rootKeys, now));
    });
  } finally {
    rootKeys.dispose();
  }
  return (await readIdentity(database))!;
}

async function readIdentity(database: Database): Promise<Identity | undefined> {
  const { rows, kek } = await database.read(async (sql) => ({
    rows: await sql.all(
      `SELECT name, value FROM meta WHERE name IN ('vault_id', '${ROOT_CHECK}', '${ROOT_CHECK_NEXT}')`,
    ),
    kek: await sql.get("SELECT id FROM keks LIMIT 1"),
  }));
  const vaultId = rows.find((row) => row.name === "vault_id")?.value;
  const checks = checksAmong(rows);
  // A vault that is only about to be made has no KEKs.
  if (rows.length === 0 && kek === undefined) return undefined;
  if (!(isUint8Array(vaultId) && vaultId.length === UUID_BYTES && checks !== undefined)) {
    throw new VaultError("ERR_STORAGE_CORRUPT", "the vault's identity is damaged in its file");
  }
  return { vaultId, checks };
}

/**
 * A host: one database with its root key unlocked, from which sessions are opened.
 *
 * Owns what all sessions share: keyrings, API keys, the event log. Must not know how a vault is opened (open-host.ts), nor who
 * asks for a session.
 *
 * @module
 */
import { untilAborted } from "../base/concurrency.ts";
import { type ContextEntry, canonicalContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { uuidToText } from "../crypto/primitives/uuid.ts";
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
import type { OpenedVault } from "./authority/opened-vault.ts";
import { type EnvironmentInfo, environmentOf, listEnvironments } from "./environments.ts";
import { type EventActor, EventLog, type EventMode } from "./events/events.ts";
import { Webhooks } from "./events/webhooks.ts";
import { EmbeddedKeyService, type IsStoredKey } from "./keks/key-service.ts";
import { Keyring } from "./keks/keyring.ts";
import { destroyDueKeks, KekLifecycle } from "./keks/lifecycle.ts";
import { RevisionNames } from "./keks/revision-names.ts";
import { EmbeddedKvStore } from "./kv/store.ts";
import { CLOSE_FLUSH_MS_MAX } from "./limits.ts";
import { RecipientLifecycle } from "./recipients/lifecycle.ts";
import { PublicDocuments } from "./recipients/public-documents.ts";
import { RecipientKeys } from "./recipients/recipient-keys.ts";
import { nextRootKey, promoteNextRootKey, type RootKeyRequest } from "./root/root-key.ts";
import { RootKeys } from "./root/root-keys.ts";
import { ROOT_CHECK_NEXT } from "./root/roots.ts";
import { type RootRotation, type RotateRootOptions, rotateRoot } from "./rotate-root.ts";
import type { WaitOptions } from "./storage/database.ts";

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

/** What is kept unwrapped of an environment, for all its sessions. */
interface EnvironmentKeys {
  readonly keyring: Keyring;
  readonly recipientKeys: RecipientKeys;
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
  readonly #vault: OpenedVault;
  readonly #isStored: IsStoredKey;
  readonly #rootKeyRequest: RootKeyRequest;
  /** By the environment's id. */
  readonly #keys = new Map<string, EnvironmentKeys>();
  readonly #documents: PublicDocuments;

  constructor(vault: OpenedVault, isStored: IsStoredKey, rootKeyRequest: RootKeyRequest) {
    const { database, now } = vault;
    this.#vault = vault;
    this.#isStored = isStored;
    this.#rootKeyRequest = rootKeyRequest;
    this.vaultId = uuidToText(vault.vaultId);
    this.#documents = new PublicDocuments(database, now, (environmentId) => {
      const actor = { id: "public", name: "public", source: "api" } as const;
      return this.session(environmentId, { actor }).recipients;
    });
    this.apiKeys = new ApiKeys(vault);
    this.events = new EventLog(vault);
    this.writes = new IdempotentWrites(vault);
    this.webhooks = new Webhooks(vault, this.writes);
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
    const { database } = this.#vault;
    const { keyring, recipientKeys } = this.#keysOf(environmentId);
    const parts = { ...this.#vault, keyring, access, writes: this.writes };
    return {
      environmentId,
      keys: new EmbeddedKeyService(parts, this.#isStored, recipientKeys),
      kv: new EmbeddedKvStore(parts),
      keks: new KekLifecycle(parts),
      revisions: new RevisionNames(database, this.vaultId, environmentId),
      recipients: new RecipientLifecycle(parts),
    };
  }

  /**
   * Recognises API keys, and keeps a session with each that is known.
   *
   * @param events - which events the sessions record
   */
  callers(events: EventMode): Callers<Caller> {
    return new Callers(this.#vault, (apiKey) => {
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
    return this.#vault.authority.isAuthenticated;
  }

  /** What the vault holds whose rows decide: what to look at before it is authenticated. Changes nothing. */
  authorityFindings(): Promise<AuthorityFindings> {
    return authorityFindings(this.#vault);
  }

  /**
   * Authenticates a vault that an older coffer made, with all that is in it now: look at {@link authorityFindings} before. Everyone
   * who has the vault open must open it again, this object too.
   *
   * @throws VaultError ERR_STORAGE_UNAVAILABLE if it was authenticated since it was opened; ERR_UNSUPPORTED if it was before
   */
  async authenticate(): Promise<AuthenticationReport> {
    if (this.isAuthenticated) throw new VaultError("ERR_UNSUPPORTED", "this vault is authenticated already");
    return authenticateVault(this.#vault);
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
    return takeAnchor(this.#vault, before);
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
    const { key, isMade } = nextRootKey(this.#rootKeyRequest);
    const next = new RootKeys(key, this.#vault.vaultId, "authenticated");
    key.dispose();
    try {
      const done = await rotateRoot(this.#vault, next, options);
      return { ...done, keptIn: isMade ? promoteNextRootKey(this.#rootKeyRequest.file!) : undefined };
    } finally {
      next.dispose();
    }
  }

  /** Whether a rotation of the root has begun and not ended. */
  isRootRotating(): Promise<boolean> {
    return this.#vault.database.read(
      async (sql) => (await sql.get("SELECT name FROM meta WHERE name = ?", ROOT_CHECK_NEXT)) !== undefined,
    );
  }

  /** All environments by name. */
  listEnvironments(): Promise<EnvironmentInfo[]> {
    return listEnvironments(this.#vault);
  }

  /**
   * The environment of a name, made if there is none.
   *
   * @param name - 1 to 64 of a-z, 0-9, `-`, `_`
   * @throws VaultError ERR_ENVIRONMENT_INVALID
   */
  environment(name: string): Promise<EnvironmentInfo> {
    return environmentOf(this.#vault, name);
  }

  /** Resolves if the database answers. @throws VaultError the storage's codes */
  async check(): Promise<void> {
    this.#vault.database.changes();
    await this.#vault.database.read((sql) => sql.get("SELECT 1 AS one"));
  }

  /** Resolves if writes are possible now, as `Database.writable` has it. @throws VaultError the storage's codes */
  async writable(options: WaitOptions = {}): Promise<void> {
    this.#vault.database.changes();
    await this.#vault.database.writable(options);
  }

  /**
   * Destroys KEKs whose delayed destruction is due, and clears away answers that are too old to be repeated. It is done when
   * a vault is opened. A process that holds a vault for long calls this from time to time.
   *
   * @throws VaultError the storage's codes
   */
  async destroyDue(): Promise<void> {
    await destroyDueKeks(this.#vault);
    await clearExpiredAnswers(this.#vault);
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
      await this.#vault.database.close();
      for (const { keyring, recipientKeys } of this.#keys.values()) {
        recipientKeys.dispose();
        keyring.dispose();
      }
      this.#vault.authority.dispose();
    }
  }

  #keysOf(environmentId: string): EnvironmentKeys {
    let keys = this.#keys.get(environmentId);
    if (keys === undefined) {
      const keyring = new Keyring(this.#vault, environmentId);
      keys = { keyring, recipientKeys: new RecipientKeys(this.#vault, environmentId, keyring) };
      this.#keys.set(environmentId, keys);
    }
    return keys;
  }
}

/**
 * openVault: key service and store embedded in one file.
 *
 * Owns the opening of a vault (storage, root key, environment) and the composition of its parts. Must not know how
 * any of them works.
 *
 * @module
 */
import { toHex } from "../crypto/bytes.ts";
import type { WritableLayout } from "../crypto/envelope.ts";
import { randomBytes } from "../crypto/random.ts";
import { uuidToText, uuidV4 } from "../crypto/uuid.ts";
import { invalidRange, invalidType, VaultError } from "../errors.ts";
import { Vault } from "../face.ts";
import type { DataKeyCacheOptions } from "../keys/data-key-cache.ts";
import type { CallOptions } from "../keys/key-service.ts";
import type { KvActor } from "../kv/kv-service.ts";
import { KekWrapper } from "./kek.ts";
import {
  type KekInfo,
  KekLifecycle,
  type KekSelector,
  type KekVersionSelector,
  type ShredOptions,
  type ShredReport,
} from "./kek-lifecycle.ts";
import { EmbeddedKeyService } from "./key-service.ts";
import { Keyring } from "./keyring.ts";
import { EmbeddedKvStore, type RewrapReport } from "./kv-store.ts";
import {
  ENVIRONMENT_DEFAULT,
  ENVIRONMENT_ID_PREFIX,
  ENVIRONMENT_NAME,
  ID_BYTES,
  LOCK_WAIT_MS_DEFAULT,
  LOCK_WAIT_MS_MAX,
} from "./limits.ts";
import { findRootKey, ROOT_KEY_SUFFIX, ROOT_KEY_VARIABLE, type RootKeyRequest } from "./root-key.ts";
import type { Database } from "./storage/database.ts";
import { IN_MEMORY, openSqlite } from "./storage/sqlite.ts";

export interface OpenVaultOptions {
  /** The vault's file, or `:memory:`. Its directory is made if need be, both closed to other users. */
  readonly path: string;
  /**
   * The root key: 32 bytes or their base64. Default: the environment variable COFFER_ROOT_KEY, else the file at
   * `rootKeyPath`, which is made (mode 0600) for a new vault.
   */
  readonly rootKey?: Uint8Array | string | undefined;
  /** File of the root key; default the vault's path with `.root-key` added. */
  readonly rootKeyPath?: string | undefined;
  /** Environment to work in, made on first use: 1 to 64 of a-z, 0-9, `-`, `_`; default `default`. */
  readonly environment?: string | undefined;
  /** Make the vault if there is none; default true. */
  readonly create?: boolean | undefined;
  /** Milliseconds to wait for a lock that another process holds: 0 to 600,000, default 5,000. */
  readonly lockWaitMs?: number | undefined;
  /** Layout that `encrypt` writes; default `iv12`. */
  readonly layout?: WritableLayout | undefined;
  /** Limits of the decrypt cache; default 60 s and 1,000 keys. */
  readonly cache?: DataKeyCacheOptions | undefined;
  /** Who is named as the writer of KV versions. */
  readonly actor?: KvActor | undefined;
  /** Told what the user should know (a root key was made, or others may read it); default a process warning. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** The clock of stored times, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Names the writer of KV versions where the caller does not. */
const ACTOR_DEFAULT: KvActor = { id: "embedded", name: "embedded vault" };

interface Parts {
  readonly database: Database;
  readonly wrapper: KekWrapper;
  readonly keyring: Keyring;
  readonly lifecycle: KekLifecycle;
  readonly kv: EmbeddedKvStore;
}

/** A vault whose key service and store live in one file. Made by {@link openVault}. */
export class EmbeddedVault extends Vault {
  /** Id of the environment that this object works in. */
  readonly environmentId: string;
  readonly #parts: Parts;

  constructor(
    parts: Parts,
    keys: EmbeddedKeyService,
    environmentId: string,
    options: Pick<OpenVaultOptions, "layout" | "cache">,
  ) {
    super({ keys, kv: parts.kv, layout: options.layout, cache: options.cache });
    this.#parts = parts;
    this.environmentId = environmentId;
  }

  /** All KEKs of the environment, or the one that is named. @throws VaultError ERR_KEY_NOT_FOUND */
  listKeks(selector?: KekSelector): Promise<KekInfo[]> {
    return this.#parts.lifecycle.list(selector);
  }

  /** Makes a new KEK version for future wraps. @throws as `KekLifecycle.rotate` */
  rotateKek(selector: KekSelector): Promise<KekInfo> {
    return this.#parts.lifecycle.rotate(selector);
  }

  /** Puts a KEK out of use until `enableKek`. @throws as `KekLifecycle.disable` */
  disableKek(selector: KekVersionSelector): Promise<KekInfo> {
    return this.#parts.lifecycle.disable(selector);
  }

  /** Puts a KEK back into use, or takes back a pending destruction. @throws as `KekLifecycle.enable` */
  enableKek(selector: KekVersionSelector): Promise<KekInfo> {
    return this.#parts.lifecycle.enable(selector);
  }

  /** Destroys a KEK for good, or tells what that would cost. @throws as `KekLifecycle.shred` */
  shredKek(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    return this.#parts.lifecycle.shred(selector, options);
  }

  /** Wraps the data keys of all stored KV versions under the newest KEK versions. @throws as `EmbeddedKvStore.rewrap` */
  rewrapKv(
    options: CallOptions & { readonly onProgress?: ((done: number, total: number) => void) | undefined } = {},
  ): Promise<RewrapReport> {
    return this.#parts.kv.rewrap(options);
  }

  /** Lets go of keys and file, after calls that are under way. Later calls throw ERR_DISPOSED. */
  async close(): Promise<void> {
    this.dispose();
    await this.#parts.database.close();
    this.#parts.keyring.dispose();
    this.#parts.wrapper.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens the vault in a file, and makes it if there is none. Several processes may hold the same file.
 *
 * @param options - the path, or options with it
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_ROOT_KEY_WRONG, ERR_ROOT_KEY_MISSING,
 *   ERR_ROOT_KEY_INVALID, ERR_VAULT_NOT_FOUND (with `create: false`), ERR_ENVIRONMENT_INVALID, ERR_STORAGE_CORRUPT,
 *   ERR_STORAGE_SCHEMA, ERR_STORAGE_BUSY, ERR_STORAGE_FULL, ERR_STORAGE_READ_ONLY, ERR_STORAGE_UNAVAILABLE
 */
export async function openVault(options: string | OpenVaultOptions): Promise<EmbeddedVault> {
  const given: OpenVaultOptions = typeof options === "string" ? { path: options } : options;
  const { path } = given;
  if (typeof path !== "string" || path === "") throw invalidType("path must be the path of the vault's file");
  const lockWaitMs = given.lockWaitMs ?? LOCK_WAIT_MS_DEFAULT;
  if (!Number.isInteger(lockWaitMs) || lockWaitMs < 0 || lockWaitMs > LOCK_WAIT_MS_MAX) {
    throw invalidRange(`lockWaitMs must be a whole number from 0 to ${LOCK_WAIT_MS_MAX}`);
  }
  const environment = given.environment ?? ENVIRONMENT_DEFAULT;
  if (typeof environment !== "string" || !ENVIRONMENT_NAME.test(environment)) {
    throw new VaultError("ERR_ENVIRONMENT_INVALID", "an environment's name is 1 to 64 of a-z, 0-9, - and _");
  }
  const now = given.now ?? Date.now;
  const database = await openSqlite(path, { create: given.create !== false, lockWaitMs });
  try {
    const { wrapper, vaultId } = await unlock(database, given);
    const environmentId = await findEnvironment(database, environment, now());
    const keyring = new Keyring(database, wrapper, environmentId, now);
    const lifecycle = new KekLifecycle(database, wrapper, environmentId, now);
    const kv = new EmbeddedKvStore(database, keyring, environmentId, given.actor ?? ACTOR_DEFAULT, now);
    await lifecycle.destroyDue();
    const keys = new EmbeddedKeyService(`embedded:${vaultId}:${environmentId}`, keyring, database);
    return new EmbeddedVault({ database, wrapper, keyring, lifecycle, kv }, keys, environmentId, given);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** Finds the root key and proves it; a vault without one gets one. */
async function unlock(
  database: Database,
  options: OpenVaultOptions,
): Promise<{ wrapper: KekWrapper; vaultId: string }> {
  const stored = await readIdentity(database);
  const request: RootKeyRequest = {
    argument: options.rootKey,
    variable: process.env[ROOT_KEY_VARIABLE],
    path:
      options.path === IN_MEMORY ? undefined : (options.rootKeyPath ?? `${options.path}${ROOT_KEY_SUFFIX}`),
    create: stored === undefined,
  };
  const root = findRootKey(request);
  for (const notice of root.notices) (options.onNotice ?? warn)(notice);
  let identity = stored;
  if (identity === undefined) {
    const vaultId = uuidV4();
    const check = new KekWrapper(root.key, vaultId).createCheck();
    await database.write(async (sql) => {
      // Another process may be making the same vault: whoever is first decides, and the others read its answer.
      const statement = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
      const isFirst = (await sql.run(statement, "vault_id", vaultId)) === 1;
      if (isFirst) await sql.run(statement, "root_check", check);
    });
    identity = (await readIdentity(database))!;
  }
  const wrapper = new KekWrapper(root.key, identity.vaultId);
  root.key.dispose();
  if (!wrapper.isRightRoot(identity.check)) {
    wrapper.dispose();
    throw new VaultError(
      "ERR_ROOT_KEY_WRONG",
      `the root key (from: ${root.source}) is not the one of this vault`,
    );
  }
  return { wrapper, vaultId: uuidToText(identity.vaultId) };
}

async function readIdentity(
  database: Database,
): Promise<{ vaultId: Uint8Array; check: Uint8Array } | undefined> {
  const rows = await database.read((sql) => sql.all("SELECT name, value FROM meta"));
  const value = (name: string) => rows.find((row) => row.name === name)?.value as Uint8Array | undefined;
  const vaultId = value("vault_id");
  const check = value("root_check");
  if (vaultId === undefined && check === undefined) return undefined;
  if (vaultId === undefined || check === undefined) {
    throw new VaultError("ERR_STORAGE_CORRUPT", "the vault's identity is damaged in its file");
  }
  return { vaultId, check };
}

async function findEnvironment(database: Database, name: string, now: number): Promise<string> {
  const find = (): Promise<string | undefined> =>
    database.read(async (sql) => {
      const row = await sql.get("SELECT id FROM environments WHERE name = ?", name);
      return row?.id as string | undefined;
    });
  const found = await find();
  if (found !== undefined) return found;
  await database.write((sql) =>
    sql.run(
      "INSERT INTO environments (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
      `${ENVIRONMENT_ID_PREFIX}${toHex(randomBytes(ID_BYTES)).toUpperCase()}`,
      name,
      now,
    ),
  );
  return (await find())!;
}

function warn(notice: string): void {
  process.emitWarning(notice, "CofferNotice");
}

/**
 * openVault: key service and store embedded in one file, or in a PostgreSQL database.
 *
 * Owns the opening of a vault (storage, root key, environment) and the composition of its parts. Must not know how
 * any of them works.
 *
 * @module
 */

import { isUint8Array } from "../base/bytes.ts";
import { ASYNC_DISPOSE, DISPOSE } from "../base/dispose.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import type { WritableLayout } from "../crypto/envelope/layouts.ts";
import type { SealedMlKem } from "../crypto/hpke/given-ml-kem.ts";
import { checkLayout } from "../crypto/local.ts";
import { invalidType } from "../errors.ts";
import type { VaultBehaviour } from "../facade/options.ts";
import { Vault } from "../facade/vault.ts";
import { checkCacheOptions, type DataKeyCacheOptions } from "../keys/data-key-cache.ts";
import type { KvActor } from "../kv/kv-service.ts";
import { checkEnvironmentName } from "./environments.ts";
import type { EventMode } from "./events/events.ts";
import { openVaultFile } from "./files/vault-file.ts";
import { checkFilePath } from "./files/vault-path.ts";
import type { HostSession, VaultHost } from "./host.ts";
import { ENVIRONMENT_DEFAULT, LOCK_WAIT_MS_DEFAULT, LOCK_WAIT_MS_MAX } from "./limits.ts";
import { openHost } from "./open-host.ts";
import { toolsOf } from "./recipients/tools.ts";
import { checkRootKeys, NEXT_ROOT_KEY_VARIABLE, ROOT_KEY_VARIABLE, rootKeyFile } from "./root/root-key.ts";
import type { Database } from "./storage/database.ts";
import { preparePostgres } from "./storage/postgres/migrate.ts";
import { openPostgres } from "./storage/postgres/open.ts";
import { POSTGRES_OPTIONS, type PostgresOptions } from "./storage/postgres/options.ts";
import { IN_MEMORY } from "./storage/sqlite/open.ts";

/** How to open a vault or its host, wherever it is. */
interface HostOpenOptions {
  /**
   * The root key: 32 bytes or their base64. Default: the environment variable COFFER_ROOT_KEY, else the file at
   * `rootKeyPath`, which is made (mode 0600) for a new vault.
   */
  readonly rootKey?: Uint8Array | string | undefined;
  /**
   * The next root key, while the root is being rotated (`VaultHost.rotateRoot`): both are needed until that is done. Default: the
   * environment variable COFFER_ROOT_KEY_NEXT, else the file beside that of the root key, its path with `.next` added.
   */
  readonly nextRootKey?: Uint8Array | string | undefined;
  /** File of the root key; default, for a vault in a file, its path with `.root-key` added. */
  readonly rootKeyPath?: string | undefined;
  /**
   * Make the vault if there is none; default true. One that is missing or empty although its root key's file lies beside
   * it was lost and not yet to be made: it is refused with ERR_VAULT_LOST, whatever this says.
   */
  readonly create?: boolean | undefined;
  /** Told what the user should know (a root key was made, or others may read it); default a process warning. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** The clock of stored times, in milliseconds; default `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** From `mlKemOf` of `coffer/sealed`, for recipients of the suite `x-wing` where the runtime has no ML-KEM-768 (Node before 24.7). */
  readonly mlKem?: SealedMlKem | undefined;
}

/** How to open a vault, wherever it is. */
interface OpenOptions extends HostOpenOptions {
  /** Environment to work in, made on first use: 1 to 64 of a-z, 0-9, `-`, `_`; default `default`. */
  readonly environment?: string | undefined;
  /** Layout that `encrypt` writes; default `iv12`, or `native` with `requireCommitment`. */
  readonly layout?: WritableLayout | undefined;
  /** Refuse to write and to read layouts that do not commit to their key; default false. */
  readonly requireCommitment?: boolean | undefined;
  /** Limits of the decrypt cache; default 60 s and 1,000 keys. */
  readonly cache?: DataKeyCacheOptions | undefined;
  /** Who is named as the writer of KV versions. */
  readonly actor?: KvActor | undefined;
  /** Which events are recorded in the vault: those of changes (default), or reads too. */
  readonly events?: EventMode | undefined;
}

/** How to open a vault in a file. */
export interface OpenFileOptions extends OpenOptions {
  /** The vault's file, or `:memory:`. Its directory is made if need be, both closed to other users. */
  readonly path: string;
  /** Milliseconds to wait for a lock that another process holds: 0 to 600,000, default 5,000. */
  readonly lockWaitMs?: number | undefined;
  readonly database?: undefined;
}

/** How to open a vault in a PostgreSQL database. */
export interface OpenDatabaseOptions extends OpenOptions, Omit<PostgresOptions, "url" | "onNotice"> {
  /** `postgres://user:password@host:port/database?sslmode=…`, as `PostgresOptions.url`. */
  readonly database: string;
  readonly path?: undefined;
}

/** How to open a vault: in a file by `path`, or in a PostgreSQL database by `database`. */
export type OpenVaultOptions = OpenFileOptions | OpenDatabaseOptions;

/** Names of {@link FileHostOptions}. */
const FILE_HOST_OPTIONS = optionNames<FileHostOptions>({
  path: true,
  rootKey: true,
  nextRootKey: true,
  rootKeyPath: true,
  create: true,
  lockWaitMs: true,
  onNotice: true,
  now: true,
  mlKem: true,
});

/** Names of {@link OpenFileOptions}. */
const OPEN_OPTIONS = optionNames<Omit<OpenFileOptions, keyof FileHostOptions>>(
  {
    database: true,
    environment: true,
    layout: true,
    requireCommitment: true,
    cache: true,
    actor: true,
    events: true,
  },
  FILE_HOST_OPTIONS,
);

/** Names the writer of KV versions where the caller does not. */
const ACTOR_DEFAULT: KvActor = { id: "embedded", name: "embedded vault" };

/** Begins the URL of a PostgreSQL database (PostgreSQL's manual, section 34.1.1.2). */
const POSTGRES_URL = /^postgres(?:ql)?:\/\//i;

/** A vault whose key service and store live in one file or one database. Made by {@link openVault}. */
export class EmbeddedVault extends Vault {
  /** Id of the environment that this object works in. */
  readonly environmentId: string;
  readonly #host: VaultHost;

  constructor(host: VaultHost, session: HostSession, options: VaultBehaviour) {
    const { layout, requireCommitment, cache } = options;
    const { keys, kv, keks, recipients } = session;
    super({ keys, kv, keks, recipients, layout, requireCommitment, cache });
    this.#host = host;
    this.environmentId = session.environmentId;
  }

  /** Lets go of keys and file, after calls that are under way. Later calls throw ERR_DISPOSED. */
  override async close(): Promise<void> {
    await super.close();
    await this.#host.close();
  }

  async [ASYNC_DISPOSE](): Promise<void> {
    await this.close();
  }

  /** `using` cannot wait: the file is let go a moment later. Prefer `await using`. */
  override [DISPOSE](): void {
    void this.close();
  }
}

/**
 * Opens the vault in a file or in a PostgreSQL database, and makes it if there is none. Several processes may hold the same
 * one. A database that an older coffer prepared is brought up to date by `migratePostgres`, not here.
 *
 * @param options - the file's path or the database's URL, or options with either
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_ROOT_KEY_WRONG, ERR_ROOT_KEY_MISSING,
 *   ERR_ROOT_KEY_INVALID, ERR_VAULT_NOT_FOUND (with `create: false`), ERR_VAULT_LOST, ERR_ENVIRONMENT_INVALID, ERR_STORAGE_CORRUPT,
 *   ERR_STORAGE_SCHEMA, ERR_STORAGE_BUSY, ERR_STORAGE_FULL, ERR_STORAGE_READ_ONLY, ERR_STORAGE_UNAVAILABLE
 */
export async function openVault(options: string | OpenVaultOptions): Promise<EmbeddedVault> {
  const place = typeof options === "string" ? placeOf(options) : options;
  const isDatabase = (place as OpenVaultOptions | null | undefined)?.database !== undefined;
  checkOptions(place, isDatabase ? OPEN_DATABASE_OPTIONS : OPEN_OPTIONS, "openVault");
  if (isDatabase && place.path !== undefined) throw invalidType("give either path or database");
  const given = ownOptions(place);
  const environmentName = given.environment ?? ENVIRONMENT_DEFAULT;
  checkEnvironmentName(environmentName);
  // Refuses bad options before anything is made.
  checkLayout(given.layout, given.requireCommitment === true);
  checkCacheOptions(given.cache);
  const host = given.database === undefined ? await fileHost(given) : await openDatabase(given);
  try {
    const environment = await host.environment(environmentName);
    const actor = { ...(given.actor ?? ACTOR_DEFAULT), source: "api" as const };
    const session = host.session(environment.id, { actor, events: given.events });
    return new EmbeddedVault(host, session, given);
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Where a vault is: a URL of PostgreSQL, or a path. */
function placeOf(place: string): OpenVaultOptions {
  return POSTGRES_URL.test(place) ? { database: place } : { path: place };
}

/** The host of a vault in a database, whose tables are made if it has none. */
async function openDatabase(options: OpenDatabaseOptions): Promise<VaultHost> {
  const { database, path, environment, layout, requireCommitment, cache, actor, events, ...rest } = options;
  const own = { ...rest, url: database };
  const { create, rootKey, nextRootKey, rootKeyPath, now, mlKem, ...postgres } = own;
  checkRootKeys(own);
  toolsOf({ mlKem });
  if (create !== false) await preparePostgres(postgres);
  return postgresHost(own);
}

/** How to open the host of a vault in PostgreSQL. */
export interface PostgresHostOptions extends PostgresOptions, HostOpenOptions {}

/** Names of {@link PostgresHostOptions}. */
const POSTGRES_HOST_OPTIONS = optionNames<Omit<PostgresHostOptions, keyof PostgresOptions>>(
  { rootKey: true, nextRootKey: true, rootKeyPath: true, create: true, now: true, mlKem: true },
  POSTGRES_OPTIONS,
);

/** Names of {@link OpenDatabaseOptions}. */
const OPEN_DATABASE_OPTIONS = new Set([
  ...[...OPEN_OPTIONS].filter((name) => name !== "lockWaitMs"),
  ...[...POSTGRES_OPTIONS].filter((name) => name !== "url"),
]);

/**
 * Opens the host of a vault in a PostgreSQL database that `migratePostgres` has prepared. Several servers may hold the
 * same one; all need the same root key.
 *
 * @throws as `openVault`, and VaultError ERR_UNSUPPORTED if the package `pg` is not installed
 */
export async function openPostgresHost(options: PostgresHostOptions): Promise<VaultHost> {
  checkOptions(options, POSTGRES_HOST_OPTIONS, "openPostgresHost");
  return postgresHost(ownOptions(options));
}

/** The host of a vault in a prepared database; names of options as checked, options as they are the caller's no more. */
async function postgresHost(own: PostgresHostOptions): Promise<VaultHost> {
  if (own.rootKeyPath !== undefined) checkFilePath(own.rootKeyPath, "rootKeyPath");
  toolsOf(own);
  const onNotice = own.onNotice ?? warn;
  return hostOver(await openPostgres({ ...own, onNotice }), own, undefined);
}

/** Opens the host of a vault's database. @param path - of the vault's file; undefined where it is in none */
function hostOver(
  database: Database,
  options: HostOpenOptions,
  path: string | undefined,
): Promise<VaultHost> {
  const { rootKey, nextRootKey, rootKeyPath, create, onNotice, now, mlKem } = options;
  const isInMemory = path === IN_MEMORY;
  return openHost(database, {
    argument: rootKey,
    nextArgument: nextRootKey,
    variable: process.env[ROOT_KEY_VARIABLE],
    nextVariable: process.env[NEXT_ROOT_KEY_VARIABLE],
    file: rootKeyFile(rootKeyPath, isInMemory ? undefined : path),
    isEphemeral: isInMemory && rootKeyPath === undefined,
    create: create !== false,
    onNotice: onNotice ?? warn,
    now: now ?? Date.now,
    mlKem,
  });
}

/** How to open the host of a vault in a file. */
export type FileHostOptions = HostOpenOptions & Pick<OpenFileOptions, "path" | "lockWaitMs">;

/** Opens the host of a vault in a file, from which sessions of any environment are opened. @throws as `openVault` */
export async function openFileHost(options: FileHostOptions): Promise<VaultHost> {
  checkOptions(options, FILE_HOST_OPTIONS, "openFileHost");
  return fileHost(ownOptions(options));
}

/** The same; names of options as checked, options as they are the caller's no more. */
async function fileHost(options: FileHostOptions): Promise<VaultHost> {
  const { path } = options;
  checkFilePath(path, "path");
  if (options.rootKeyPath !== undefined) checkFilePath(options.rootKeyPath, "rootKeyPath");
  const lockWaitMs = checkWhole(
    options.lockWaitMs ?? LOCK_WAIT_MS_DEFAULT,
    0,
    LOCK_WAIT_MS_MAX,
    "lockWaitMs",
  );
  checkRootKeys(options);
  toolsOf(options);
  const create = options.create !== false;
  const { rootKeyPath } = options;
  return hostOver(await openVaultFile(path, { create, lockWaitMs, rootKeyPath }), options, path);
}

/** Options as they are now: opening waits, and a caller wipes its root key or uses its object again. */
function ownOptions<T extends HostOpenOptions & Pick<OpenOptions, "actor">>(options: T): T {
  const { rootKey, nextRootKey, actor } = options;
  return {
    ...options,
    ...(isUint8Array(rootKey) ? { rootKey: Uint8Array.from(rootKey) } : {}),
    ...(isUint8Array(nextRootKey) ? { nextRootKey: Uint8Array.from(nextRootKey) } : {}),
    ...(actor === undefined ? {} : { actor: { ...actor } }),
  };
}

function warn(notice: string): void {
  process.emitWarning(notice, "CofferNotice");
}

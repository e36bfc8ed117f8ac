/**
 * The KvService port: a versioned store of small secrets.
 *
 * Owns the shapes, which are WorkOS's in camelCase, and the contract that every store fulfils; one contract
 * suite, test/contract/kv-service.ts, runs on all of them. Must not know any of them.
 *
 * @module
 */
import { optionNames } from "../base/options.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { CALL_OPTIONS, type CallOptions, type ChangeOptions } from "../keys/key-service.ts";
import type { WrappedKeysReport } from "./wrapped-keys.ts";

/** Who wrote a version. */
export interface KvActor {
  readonly id: string;
  readonly name: string;
}

/** What is known of an object besides its name and value. */
export interface KvMetadata {
  readonly id: string;
  readonly environmentId: string;
  /** Id of the data key that encrypts the version. */
  readonly keyId: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly updatedAt: string;
  readonly updatedBy: KvActor;
  readonly context: KeyContext;
  /** The version that this tells of: give it as `versionCheck` to change only what you have seen. */
  readonly versionId: string;
}

/** An object without its value. */
export interface KvObjectWithoutValue {
  readonly id: string;
  readonly name: string;
  readonly metadata: KvMetadata;
}

/** An object with the value of one version. */
export interface KvObject extends KvObjectWithoutValue {
  readonly value: string;
}

/** An object as a list shows it. */
export interface KvSummary {
  readonly id: string;
  readonly name: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly updatedAt: string;
}

/** A version of an object. */
export interface KvVersion {
  readonly id: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly createdAt: string;
  readonly currentVersion: boolean;
  /** Bytes as stored, encrypted; 0 for a destroyed version. */
  readonly size: number;
  /** Fingerprint of the stored bytes, in double quotes; tells nothing of the value. */
  readonly etag: string;
  /** Our extension: whether the value of this version was destroyed. */
  readonly isDestroyed: boolean;
}

/** Cursors of a page. While more follow, both hold the next page's cursor; on the last page both are null. */
export interface KvListMetadata {
  readonly before: string | null;
  readonly after: string | null;
}

/** A page of a list. */
export interface KvPage<T> {
  readonly data: readonly T[];
  readonly listMetadata: KvListMetadata;
}

/** Which objects to list. */
export interface KvListRequest {
  /** Objects on a page: 1 to 100, default 10. */
  readonly limit?: number | undefined;
  /** Cursor (an object's id): only what comes before it in the order. */
  readonly before?: string | undefined;
  /** Cursor (an object's id): only what comes after it in the order. */
  readonly after?: string | undefined;
  /** By creation; default `desc`, the newest first, which the API also calls `normal`. */
  readonly order?: "asc" | "desc" | "normal" | undefined;
  /** Only names that hold this text, case-sensitive. */
  readonly search?: string | undefined;
  /** Only objects written after this moment: a date, its RFC 3339 text (with a zone), or what `String(date)` or `toUTCString` write. */
  readonly updatedAfter?: Date | string | undefined;
  /** Our extension: list deleted objects instead of live ones. Default false. */
  readonly deleted?: boolean | undefined;
}

/** What `createKv` takes. */
export interface CreateKvRequest {
  /** 1 to 200 characters, unique among live objects; not `.` or `..`, no NUL. */
  readonly name: string;
  /** Text of at most 64 KiB as UTF-8. */
  readonly value: string;
  /** Cannot be changed later. */
  readonly keyContext: KeyContext;
}

/** What names an object. */
export interface KvIdRequest {
  readonly id: string;
}

/** What names a live object. */
export interface KvNameRequest {
  readonly name: string;
}

/** What `getKv` and `destroyKv` take. */
export interface KvVersionRequest extends KvIdRequest {
  /** Our extension: a version; default the current one to read, and all of them to destroy. */
  readonly versionId?: string | undefined;
}

/** What `deleteKv` takes. */
export interface DeleteKvRequest extends KvIdRequest {
  /** The version that must be current; null or absent: no check. */
  readonly versionCheck?: string | null | undefined;
}

/** What `updateKv` takes. */
export interface UpdateKvRequest extends DeleteKvRequest {
  /** Text of at most 64 KiB as UTF-8. */
  readonly value: string;
}

/** What `deleteKv` answers. */
export interface DeleteKvResult {
  readonly success: true;
  readonly name: string;
}

/** What `destroyKv` answers. */
export interface DestroyKvResult {
  /** How many versions lost their value. */
  readonly destroyedVersions: number;
}

/** How to rewrap the store, or verify it. */
export interface RewrapKvOptions extends CallOptions {
  /** Told how many of how many wrapped keys have been looked at. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Names of {@link RewrapKvOptions}. */
export const REWRAP_KV_OPTIONS = /* @__PURE__ */ optionNames<{ onProgress?: unknown }>(
  { onProgress: true },
  CALL_OPTIONS,
);

/** What a rewrap of the store has done. Counts are of wrapped keys: the data keys of stored versions, and private keys of recipients. */
export interface RewrapReport {
  /** Those that were looked at: under KEK versions that new data keys are not made with. */
  readonly checked: number;
  /** Those that are now under newer KEK versions. */
  readonly rewrapped: number;
  /** Those that could not be unwrapped, because their KEK is disabled or destroyed. */
  readonly skipped: number;
}

/** A versioned store of small secrets. All calls throw the storage's and the key service's codes as well. */
export interface KvService {
  /** Whether calls are requests over HTTP, which take `headers` and `idempotencyKey`; absent where they are not. */
  readonly takesHeaders?: boolean;

  /**
   * Stores a value under a new name.
   *
   * @throws VaultError ERR_KV_EXISTS, ERR_KV_NAME_INVALID, ERR_KV_VALUE_TOO_LARGE, ERR_KEY_CONTEXT_INVALID
   */
  createKv(request: CreateKvRequest, options?: ChangeOptions): Promise<KvMetadata>;

  /**
   * Reads the current version, or with `versionId` (our extension) an old one.
   *
   * @throws VaultError ERR_KV_NOT_FOUND (also for a deleted object), ERR_KV_VERSION_DESTROYED, ERR_KEY_DESTROYED,
   *   ERR_KEY_DISABLED
   */
  getKv(request: KvVersionRequest, options?: CallOptions): Promise<KvObject>;

  /** Reads the current version by name. @throws as `getKv` */
  getName(request: KvNameRequest, options?: CallOptions): Promise<KvObject>;

  /**
   * Writes a new version.
   *
   * @throws VaultError ERR_KV_NOT_FOUND, ERR_KV_VERSION_CONFLICT (nothing changed), ERR_KV_VALUE_TOO_LARGE
   */
  updateKv(request: UpdateKvRequest, options?: ChangeOptions): Promise<KvObjectWithoutValue>;

  /**
   * Hides an object and frees its name; its versions stay until destroyed.
   *
   * @throws VaultError ERR_KV_NOT_FOUND, ERR_KV_VERSION_CONFLICT
   */
  deleteKv(request: DeleteKvRequest, options?: ChangeOptions): Promise<DeleteKvResult>;

  /** Lists names, page by page. @throws VaultError ERR_CURSOR_INVALID; RangeError for a bad limit */
  listKv(request?: KvListRequest, options?: CallOptions): Promise<KvPage<KvSummary>>;

  /** All versions of an object, the newest first; exactly one is current. @throws VaultError ERR_KV_NOT_FOUND */
  listKvVersions(request: KvIdRequest, options?: CallOptions): Promise<KvPage<KvVersion>>;

  /** The object without its value. @throws VaultError ERR_KV_NOT_FOUND */
  listKvMetadata(request: KvIdRequest, options?: CallOptions): Promise<KvObjectWithoutValue>;

  /**
   * Our extension: brings a deleted object back.
   *
   * @throws VaultError ERR_KV_NOT_FOUND, ERR_KV_NOT_DELETED, ERR_KV_EXISTS (its name has been taken since)
   */
  undeleteKv?(request: KvIdRequest, options?: ChangeOptions): Promise<KvObjectWithoutValue>;

  /**
   * Our extension: erases the stored value of one version, or of all and deletes the object. Cannot be undone.
   *
   * @throws VaultError ERR_KV_NOT_FOUND
   */
  destroyKv?(request: KvVersionRequest, options?: ChangeOptions): Promise<DestroyKvResult>;

  /**
   * Our extension: wraps the data keys of all stored versions, and the private keys of recipients, under the newest KEK versions, in
   * steps that leave room for others. After an interruption it goes on where it stopped.
   *
   * @throws VaultError the storage's codes; the signal's reason
   */
  rewrapKv?(options?: RewrapKvOptions): Promise<RewrapReport>;

  /**
   * Our extension: reads every wrapped key that the store and its recipients have, and counts by KEK version what they are under, from
   * their bytes. Changes nothing.
   *
   * @throws VaultError the storage's codes; the signal's reason
   */
  verifyRewrap?(options?: RewrapKvOptions): Promise<WrappedKeysReport>;
}

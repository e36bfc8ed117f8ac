/**
 * The store's calls of a Vault.
 *
 * Owns the step from the facade to the KvService port. Must not know which store stands behind it.
 *
 * @module
 */

import { VaultError } from "../errors.ts";
import { CALL_OPTIONS, type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import { type PutKvRequest, type PutKvResult, putByName } from "../kv/by-name.ts";
import {
  type CreateKvRequest,
  type DeleteKvRequest,
  type DeleteKvResult,
  type DestroyKvResult,
  type KvIdRequest,
  type KvListRequest,
  type KvMetadata,
  type KvNameRequest,
  type KvObject,
  type KvObjectWithoutValue,
  type KvPage,
  type KvService,
  type KvVersion,
  type KvVersionRequest,
  REWRAP_KV_OPTIONS,
  type RewrapKvOptions,
  type RewrapReport,
  type UpdateKvRequest,
} from "../kv/kv-service.ts";
import { KvListing } from "../kv/pagination.ts";
import type { WrappedKeysReport } from "../kv/wrapped-keys.ts";
import type { PortCalls } from "./calls.ts";

/** The store's calls as the facade has them: all of them, and a list is also an iterator. */
type KvServiceFacade = {
  [K in Exclude<keyof KvService, "listKv" | "takesHeaders">]-?: NonNullable<KvService[K]>;
};

/** What a {@link Vault} does with its store. */
export class VaultStore implements KvServiceFacade {
  readonly #store: PortCalls<KvService>;

  constructor(store: PortCalls<KvService>) {
    this.#store = store;
  }

  /** The store behind the vault, for a vault of other parts. It is closed with the vault. */
  get kv(): KvService {
    return this.#store.port;
  }

  /** Stores a value under a new name. @throws as `KvService.createKv` */
  createKv(request: CreateKvRequest, options: ChangeOptions = {}): Promise<KvMetadata> {
    return this.#store.run("createKv", CHANGE_OPTIONS, options, (kv, call) => kv.createKv(request, call));
  }

  /** Reads a stored value by id; with `versionId` an old version. @throws as `KvService.getKv` */
  getKv(request: KvVersionRequest, options: CallOptions = {}): Promise<KvObject> {
    return this.#store.run("getKv", CALL_OPTIONS, options, (kv, call) => kv.getKv(request, call));
  }

  /** Reads a stored value by name. @throws as `KvService.getName` */
  getName(request: KvNameRequest, options: CallOptions = {}): Promise<KvObject> {
    return this.#store.run("getName", CALL_OPTIONS, options, (kv, call) => kv.getName(request, call));
  }

  /** Writes a new version. @throws as `KvService.updateKv` */
  updateKv(request: UpdateKvRequest, options: ChangeOptions = {}): Promise<KvObjectWithoutValue> {
    return this.#store.run("updateKv", CHANGE_OPTIONS, options, (kv, call) => kv.updateKv(request, call));
  }

  /**
   * Stores a value by name: makes an object of this name, or writes a new version of the live one. What others do to the
   * same name meanwhile is tried again, up to 20 times.
   *
   * @param request.name - 1 to 200 characters
   * @param request.value - text of at most 64 KiB as UTF-8
   * @param request.keyContext - needed to make an object; one that is there must have the same
   * @param request.versionCheck - the version that must be current, or nothing is written; null or absent: no check. With
   *   it no object is made and nothing is tried again
   * @returns the object without its value, and in `created` whether it was made
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KV_NAME_INVALID, ERR_KV_VALUE_TOO_LARGE,
   *   ERR_TEXT_MALFORMED, ERR_KEY_CONTEXT_INVALID (all before any request); ERR_KV_NOT_FOUND if there is no such object and
   *   no `keyContext` to make one, or a `versionCheck`; ERR_KV_VERSION_CONFLICT; ERR_KV_CONTEXT_DIFFERS; ERR_KV_EXISTS if the
   *   name is taken by an object that the caller may not see; and the service's codes
   */
  putKv(request: PutKvRequest, options: CallOptions = {}): Promise<PutKvResult> {
    return this.#store.run("putKv", CALL_OPTIONS, options, (kv, call) => putByName(kv, request, call));
  }

  /** Hides an object and frees its name. @throws as `KvService.deleteKv` */
  deleteKv(request: DeleteKvRequest, options: ChangeOptions = {}): Promise<DeleteKvResult> {
    return this.#store.run("deleteKv", CHANGE_OPTIONS, options, (kv, call) => kv.deleteKv(request, call));
  }

  /** Lists objects: `await` it for a page, or `for await` over all; `timeout` is for each page. @throws as `KvService.listKv` */
  listKv(request: KvListRequest = {}, options: CallOptions = {}): KvListing {
    const fetch = this.#store.pages("listKv", options, (kv, page: KvListRequest, call) =>
      kv.listKv(page, call),
    );
    return new KvListing(fetch, request);
  }

  /** Lists the versions of an object. @throws as `KvService.listKvVersions` */
  listKvVersions(request: KvIdRequest, options: CallOptions = {}): Promise<KvPage<KvVersion>> {
    return this.#store.run("listKvVersions", CALL_OPTIONS, options, (kv, call) =>
      kv.listKvVersions(request, call),
    );
  }

  /** An object without its value. @throws as `KvService.listKvMetadata` */
  listKvMetadata(request: KvIdRequest, options: CallOptions = {}): Promise<KvObjectWithoutValue> {
    return this.#store.run("listKvMetadata", CALL_OPTIONS, options, (kv, call) =>
      kv.listKvMetadata(request, call),
    );
  }

  /** Brings a deleted object back. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.undeleteKv` */
  undeleteKv(request: KvIdRequest, options: ChangeOptions = {}): Promise<KvObjectWithoutValue> {
    return this.#store.run("undeleteKv", CHANGE_OPTIONS, options, async (kv, call) => {
      if (kv.undeleteKv === undefined) throw new VaultError("ERR_UNSUPPORTED", "this store cannot undelete");
      return kv.undeleteKv(request, call);
    });
  }

  /** Erases stored values for good. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.destroyKv` */
  destroyKv(request: KvVersionRequest, options: ChangeOptions = {}): Promise<DestroyKvResult> {
    return this.#store.run("destroyKv", CHANGE_OPTIONS, options, async (kv, call) => {
      if (kv.destroyKv === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot destroy versions");
      return kv.destroyKv(request, call);
    });
  }

  /** Wraps the data keys of all stored values anew. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.rewrapKv` */
  rewrapKv(options: RewrapKvOptions = {}): Promise<RewrapReport> {
    return this.#store.run("rewrapKv", REWRAP_KV_OPTIONS, options, async (kv, call) => {
      if (kv.rewrapKv === undefined) throw new VaultError("ERR_UNSUPPORTED", "this store cannot rewrap");
      return kv.rewrapKv(call);
    });
  }

  /** Counts what the store's wrapped keys are under. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.verifyRewrap` */
  verifyRewrap(options: RewrapKvOptions = {}): Promise<WrappedKeysReport> {
    return this.#store.run("verifyRewrap", REWRAP_KV_OPTIONS, options, async (kv, call) => {
      if (kv.verifyRewrap === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot verify a rewrap");
      return kv.verifyRewrap(call);
    });
  }
}

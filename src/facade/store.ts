/**
 * The store's calls of a Vault.
 *
 * Owns the step from the facade to the KvService port. Must not know which store stands behind it.
 *
 * @module
 */

import { checkOptions } from "../base/options.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { VaultError } from "../errors.ts";
import { checkedCall } from "../keys/calls.ts";
import { CALL_OPTIONS, type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import { type PutKvRequest, type PutKvResult, putByName } from "../kv/by-name.ts";
import {
  type KvListRequest,
  type KvMetadata,
  type KvObject,
  type KvObjectWithoutValue,
  type KvPage,
  type KvService,
  type KvVersion,
  REWRAP_KV_OPTIONS,
  type RewrapKvOptions,
  type RewrapReport,
} from "../kv/kv-service.ts";
import { KvListing } from "../kv/pagination.ts";
import type { VaultCalls } from "./calls.ts";

/** The store's calls as the facade has them: all of them, and a list is also an iterator. */
type KvServiceFacade = {
  [K in Exclude<keyof KvService, "listKv" | "takesHeaders">]-?: NonNullable<KvService[K]>;
};

/** What a {@link Vault} does with its store. */
export class VaultStore implements KvServiceFacade {
  readonly #kv: KvService;
  readonly #calls: VaultCalls;

  /** @param calls - which calls of the vault are under way */
  constructor(kv: KvService, calls: VaultCalls) {
    this.#kv = kv;
    this.#calls = calls;
  }

  /** The store behind the vault, for a vault of other parts. It is closed with the vault. */
  get kv(): KvService {
    return this.#kv;
  }

  /** Stores a value under a new name. @throws as `KvService.createKv` */
  async createKv(
    request: { readonly name: string; readonly value: string; readonly keyContext: KeyContext },
    options: ChangeOptions = {},
  ): Promise<KvMetadata> {
    checkOptions(options, CHANGE_OPTIONS, "createKv");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.createKv(request, call));
  }

  /** Reads a stored value by id; with `versionId` an old version. @throws as `KvService.getKv` */
  async getKv(
    request: { readonly id: string; readonly versionId?: string | undefined },
    options: CallOptions = {},
  ): Promise<KvObject> {
    checkOptions(options, CALL_OPTIONS, "getKv");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.getKv(request, call));
  }

  /** Reads a stored value by name. @throws as `KvService.getName` */
  async getName(request: { readonly name: string }, options: CallOptions = {}): Promise<KvObject> {
    checkOptions(options, CALL_OPTIONS, "getName");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.getName(request, call));
  }

  /** Writes a new version. @throws as `KvService.updateKv` */
  async updateKv(
    request: {
      readonly id: string;
      readonly value: string;
      readonly versionCheck?: string | null | undefined;
    },
    options: ChangeOptions = {},
  ): Promise<KvObjectWithoutValue> {
    checkOptions(options, CHANGE_OPTIONS, "updateKv");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.updateKv(request, call));
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
  async putKv(request: PutKvRequest, options: CallOptions = {}): Promise<PutKvResult> {
    checkOptions(options, CALL_OPTIONS, "putKv");
    return await this.#calls.during(options, this.#kv, (call) => putByName(this.#kv, request, call));
  }

  /** Hides an object and frees its name. @throws as `KvService.deleteKv` */
  async deleteKv(
    request: { readonly id: string; readonly versionCheck?: string | null | undefined },
    options: ChangeOptions = {},
  ): Promise<{ readonly success: true; readonly name: string }> {
    checkOptions(options, CHANGE_OPTIONS, "deleteKv");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.deleteKv(request, call));
  }

  /** Lists objects: `await` it for a page, or `for await` over all; `timeout` is for each page. @throws as `KvService.listKv` */
  listKv(request: KvListRequest = {}, options: CallOptions = {}): KvListing {
    checkOptions(options, CALL_OPTIONS, "listKv");
    const own = { ...checkedCall(options, this.#kv) };
    return new KvListing(async (page) => {
      return await this.#calls.during(own, this.#kv, (call) => this.#kv.listKv(page, call));
    }, request);
  }

  /** Lists the versions of an object. @throws as `KvService.listKvVersions` */
  async listKvVersions(
    request: { readonly id: string },
    options: CallOptions = {},
  ): Promise<KvPage<KvVersion>> {
    checkOptions(options, CALL_OPTIONS, "listKvVersions");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.listKvVersions(request, call));
  }

  /** An object without its value. @throws as `KvService.listKvMetadata` */
  async listKvMetadata(
    request: { readonly id: string },
    options: CallOptions = {},
  ): Promise<KvObjectWithoutValue> {
    checkOptions(options, CALL_OPTIONS, "listKvMetadata");
    return await this.#calls.during(options, this.#kv, (call) => this.#kv.listKvMetadata(request, call));
  }

  /** Brings a deleted object back. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.undeleteKv` */
  async undeleteKv(
    request: { readonly id: string },
    options: ChangeOptions = {},
  ): Promise<KvObjectWithoutValue> {
    checkOptions(options, CHANGE_OPTIONS, "undeleteKv");
    return await this.#calls.during(options, this.#kv, async (call) => {
      if (this.#kv.undeleteKv === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot undelete");
      return await this.#kv.undeleteKv(request, call);
    });
  }

  /** Erases stored values for good. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.destroyKv` */
  async destroyKv(
    request: { readonly id: string; readonly versionId?: string | undefined },
    options: ChangeOptions = {},
  ): Promise<{ readonly destroyedVersions: number }> {
    checkOptions(options, CHANGE_OPTIONS, "destroyKv");
    return await this.#calls.during(options, this.#kv, async (call) => {
      if (this.#kv.destroyKv === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot destroy versions");
      return await this.#kv.destroyKv(request, call);
    });
  }
  /** Wraps the data keys of all stored values anew. @throws VaultError ERR_UNSUPPORTED where the store cannot; as `KvService.rewrapKv` */
  async rewrapKv(options: RewrapKvOptions = {}): Promise<RewrapReport> {
    checkOptions(options, REWRAP_KV_OPTIONS, "rewrapKv");
    return await this.#calls.during(options, this.#kv, async (call) => {
      if (this.#kv.rewrapKv === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this store cannot rewrap");
      return await this.#kv.rewrapKv(call);
    });
  }
}

/**
 * The KvService port over HTTP: WorkOS's API or a coffer server's.
 *
 * Owns the operations of the store. Must not know how requests are sent.
 *
 * @module
 */
import { isWellFormed } from "../base/features.ts";
import { checkedContext } from "../crypto/keys/key-context.ts";
import { VaultError } from "../errors.ts";
import { runCall } from "../keys/calls.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type {
  CreateKvRequest,
  DeleteKvRequest,
  DeleteKvResult,
  DestroyKvResult,
  KvIdRequest,
  KvListRequest,
  KvMetadata,
  KvNameRequest,
  KvObject,
  KvObjectWithoutValue,
  KvPage,
  KvService,
  KvSummary,
  KvVersion,
  KvVersionRequest,
  RewrapKvOptions,
  RewrapReport,
  UpdateKvRequest,
} from "../kv/kv-service.ts";
import { checkId, checkListRequest, checkName, checkValue, checkVersionCheck } from "../kv/rules.ts";
import { addWrappedKeys, NO_WRAPPED_KEYS, type WrappedKeysReport } from "../kv/wrapped-keys.ts";
import {
  badResponse,
  metadataFromWire,
  numberOf,
  objectFromWire,
  objectOf,
  objectWithoutValueFromWire,
  summaryPageFromWire,
  textOf,
  versionPageFromWire,
  type Wire,
} from "../wire/bodies.ts";
import { wrappedKeysFromWire } from "../wire/keks.ts";
import type { HttpRequest, Transport } from "./transport.ts";

// 414 and 431: no object has an id that is longer than a URL may be.
const NOT_FOUND = { 404: "ERR_KV_NOT_FOUND", 414: "ERR_KV_NOT_FOUND", 431: "ERR_KV_NOT_FOUND" } as const;
const CONFLICT = { ...NOT_FOUND, 409: "ERR_KV_VERSION_CONFLICT" } as const;

/** Stored secrets by requests to a service. */
export class HttpKvService implements KvService {
  readonly takesHeaders = true;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async createKv(request: CreateKvRequest, options: ChangeOptions = {}): Promise<KvMetadata> {
    const { value } = request;
    checkValue(value);
    const body = { name: checkName(request.name), value, key_context: checkedContext(request.keyContext) };
    return this.#transport.run(options, async (call) => ({
      method: "POST",
      ...(await this.#write([], [409], call)),
      body,
      codes: { 409: "ERR_KV_EXISTS", 422: "ERR_SERVICE_REJECTED" },
      read: metadataFromWire,
    }));
  }

  async getKv(request: KvVersionRequest, options: CallOptions = {}): Promise<KvObject> {
    const id = idOf(request.id);
    const versionId = request.versionId === undefined ? undefined : checkId(request.versionId, "versionId");
    return this.#transport.run(options, () => ({
      needs: versionId === undefined ? undefined : "read old versions",
      method: "GET",
      path: [versionId === undefined ? "vault" : "coffer", "v1", "kv", id],
      query: { version_id: versionId },
      codes: NOT_FOUND,
      read: objectFromWire,
    }));
  }

  async getName(request: KvNameRequest, options: CallOptions = {}): Promise<KvObject> {
    return this.#transport.run(options, () => ({
      method: "GET",
      path: ["vault", "v1", "kv", "name", checkName(request.name)],
      codes: NOT_FOUND,
      read: objectFromWire,
    }));
  }

  async updateKv(request: UpdateKvRequest, options: ChangeOptions = {}): Promise<KvObjectWithoutValue> {
    const { value } = request;
    checkValue(value);
    const body = { value, version_check: checkVersionCheck(request.versionCheck) ?? null };
    return this.#transport.run(options, async (call) => ({
      method: "PUT",
      ...(await this.#write([idOf(request.id)], [409], call)),
      body,
      codes: CONFLICT,
      read: objectWithoutValueFromWire,
    }));
  }

  async deleteKv(request: DeleteKvRequest, options: ChangeOptions = {}): Promise<DeleteKvResult> {
    const query = { version_check: checkVersionCheck(request.versionCheck) };
    return this.#transport.run(options, async (call) => ({
      method: "DELETE",
      ...(await this.#write([idOf(request.id)], [404], call)),
      query,
      codes: CONFLICT,
      read: (body) => {
        const wire = objectOf(body, "answer");
        if (wire.success !== true) throw badResponse("success is not true");
        return { success: true as const, name: textOf(wire.name, "name") };
      },
    }));
  }

  async listKv(request: KvListRequest = {}, options: CallOptions = {}): Promise<KvPage<KvSummary>> {
    const checked = checkListRequest(request);
    return this.#transport.run(options, () => ({
      needs: checked.deleted ? "list deleted objects" : undefined,
      method: "GET",
      path: [checked.deleted ? "coffer" : "vault", "v1", "kv"],
      query: {
        limit: checked.limit,
        before: checked.before,
        after: checked.after,
        order: checked.order,
        search: checked.search,
        updatedAfter:
          checked.updatedAfterMs === undefined ? undefined : new Date(checked.updatedAfterMs).toISOString(),
        deleted: checked.deleted ? "true" : undefined,
      },
      codes: { 400: "ERR_CURSOR_INVALID", 414: "ERR_CURSOR_INVALID", 431: "ERR_CURSOR_INVALID" },
      read: (body) => {
        const page = summaryPageFromWire(body);
        // The hosted service was seen to give the next page's cursor as `before`: a client that follows `after` alone would take
        // its first page for the whole list. A coffer server gives it as both.
        const { before, after } = page.listMetadata;
        return { ...page, listMetadata: { before, after: after ?? before } };
      },
    }));
  }

  async listKvVersions(request: KvIdRequest, options: CallOptions = {}): Promise<KvPage<KvVersion>> {
    const id = idOf(request.id);
    return this.#transport.run(options, async (call) => ({
      method: "GET",
      path: [await this.#room(call), "v1", "kv", id, "versions"],
      codes: NOT_FOUND,
      read: versionPageFromWire,
    }));
  }

  async listKvMetadata(request: KvIdRequest, options: CallOptions = {}): Promise<KvObjectWithoutValue> {
    return this.#transport.run(options, () => ({
      method: "GET",
      path: ["vault", "v1", "kv", idOf(request.id), "metadata"],
      codes: NOT_FOUND,
      read: objectWithoutValueFromWire,
    }));
  }

  async undeleteKv(request: KvIdRequest, options: ChangeOptions = {}): Promise<KvObjectWithoutValue> {
    const id = idOf(request.id);
    return this.#transport.run(options, () => ({
      needs: "undelete",
      method: "POST",
      path: ["coffer", "v1", "kv", id, "undelete"],
      codes: NOT_FOUND,
      read: objectWithoutValueFromWire,
    }));
  }

  async destroyKv(request: KvVersionRequest, options: ChangeOptions = {}): Promise<DestroyKvResult> {
    const id = idOf(request.id);
    const versionId = request.versionId === undefined ? undefined : checkId(request.versionId, "versionId");
    return this.#transport.run(options, () => ({
      needs: "destroy versions",
      method: "POST",
      path: ["coffer", "v1", "kv", id, "destroy"],
      body: versionId === undefined ? {} : { version_id: versionId },
      codes: NOT_FOUND,
      read: (body) => ({
        destroyedVersions: numberOf(objectOf(body, "answer").destroyed_versions, "destroyed_versions"),
      }),
    }));
  }

  async rewrapKv(options: RewrapKvOptions = {}): Promise<RewrapReport> {
    const report = { checked: 0, rewrapped: 0, skipped: 0 };
    return this.#inParts("POST", "rewrap-kv", options, (part) => {
      report.checked += numberOf(part.checked, "checked");
      report.rewrapped += numberOf(part.rewrapped, "rewrapped");
      report.skipped += numberOf(part.skipped, "skipped");
      return report;
    });
  }

  async verifyRewrap(options: RewrapKvOptions = {}): Promise<WrappedKeysReport> {
    let report = NO_WRAPPED_KEYS;
    return this.#inParts("GET", "wrapped-keys", options, (part) => {
      report = addWrappedKeys(report, wrappedKeysFromWire(part));
      return report;
    });
  }

  /** Asks for one part after another. @param add - takes a part, and answers the sum so far */
  #inParts<T extends { readonly checked: number }>(
    method: "GET" | "POST",
    operation: "rewrap-kv" | "wrapped-keys",
    options: RewrapKvOptions,
    add: (part: Wire) => T,
  ): Promise<T> {
    const { onProgress } = options;
    return runCall(options, this, async (call) => {
      await this.#transport.needExtensions("rewrap stored values", call);
      let total = 0;
      for (let after: string | undefined; ; ) {
        const part: Wire = await this.#transport.send({
          method,
          path: ["coffer", "v1", "keks", operation],
          query: { after },
          call,
          read: (body) => objectOf(body, "report"),
        });
        const report = add(part);
        if (typeof part.total === "number") total = part.total;
        onProgress?.(report.checked, Math.max(total, report.checked));
        // A server of before answers once for all.
        if (part.after === undefined || part.after === null) return report;
        after = textOf(part.after, "after");
      }
    });
  }

  async #room(call: CallOptions): Promise<string> {
    return (await this.#transport.hasExtensions(call)) ? "coffer" : "vault";
  }

  /**
   * Where a write goes. A coffer server does it once however often it is asked, even if an answer got lost; others refuse what
   * they have done before by `conflicts`.
   */
  async #write(
    segments: readonly string[],
    conflicts: readonly number[],
    call: CallOptions,
  ): Promise<Pick<HttpRequest, "path" | "conflictsWithItself">> {
    const room = await this.#room(call);
    return {
      path: [room, "v1", "kv", ...segments],
      conflictsWithItself: room === "coffer" ? [] : conflicts,
    };
  }
}

/** An id that was handed out. One that no URL can carry was not. */
function idOf(id: string): string {
  if (isWellFormed(checkId(id, "id"))) return id;
  throw new VaultError("ERR_KV_NOT_FOUND", "there is no such object");
}

/**
 * The store of a test vault.
 *
 * Owns objects and their versions, in memory and in clear, and the rules of the KvService port. A value can be read as long as the
 * KEKs of its context could unwrap it. Must not know data keys, nor which calls fail.
 *
 * @module
 */

import { utf8 } from "../base/bytes.ts";
import { type CanonicalContext, canonicalContext, contextObject } from "../crypto/keys/key-context.ts";
import { uuidToText } from "../crypto/primitives/uuid.ts";
import { VaultError } from "../errors.ts";
import { runCall } from "../keys/calls.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type {
  CreateKvRequest,
  DeleteKvRequest,
  DeleteKvResult,
  DestroyKvResult,
  KvActor,
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
import type { Faults, TestOperation } from "./faults.ts";
import type { Seeded } from "./seeded.ts";
import type { TestKekVersion, TestRing } from "./test-ring.ts";

/** Bytes by which a sealed value is longer than the value: nonce and tag. */
const SEAL_BYTES = 28;

/** A version of an object. */
export interface TestVersion {
  readonly id: string;
  readonly keyId: string;
  readonly createdAt: number;
  readonly etag: string;
  under: readonly TestKekVersion[];
  /** Undefined once it is destroyed. */
  value: string | undefined;
}

/** An object. */
export interface TestObject {
  readonly id: string;
  readonly name: string;
  readonly context: CanonicalContext;
  isDeleted: boolean;
  updatedAt: number;
  /** The newest, which is current, first. */
  readonly versions: TestVersion[];
}

/** The stored secrets of one test vault. */
export class TestKvService implements KvService {
  readonly takesHeaders = false;
  readonly #ring: TestRing;
  readonly #faults: Faults;
  readonly #seeded: Seeded;
  readonly #objects: TestObject[];
  readonly #environmentId: string;
  readonly #actor: KvActor;
  readonly #now: () => number;

  /** @param objects - where they are kept, in the order in which they were made */
  constructor(parts: {
    readonly ring: TestRing;
    readonly faults: Faults;
    readonly seeded: Seeded;
    readonly objects: TestObject[];
    readonly actor: KvActor;
    readonly now: () => number;
  }) {
    this.#ring = parts.ring;
    this.#faults = parts.faults;
    this.#seeded = parts.seeded;
    this.#objects = parts.objects;
    this.#actor = parts.actor;
    this.#now = parts.now;
    this.#environmentId = `environment_${parts.seeded.uuid()}`;
  }

  createKv(request: CreateKvRequest, options: ChangeOptions = {}): Promise<KvMetadata> {
    const { name, value, keyContext } = request;
    return this.#run("createKv", options, () => {
      checkName(name);
      checkValue(value);
      const context = canonicalContext(keyContext);
      return () => {
        if (this.#liveByName(name) !== undefined) throw exists("an object with this name exists already");
        const under = this.#ring.newest(context);
        const object: TestObject = {
          id: `object_${this.#seeded.uuid()}`,
          name,
          context,
          isDeleted: false,
          updatedAt: this.#now(),
          versions: [],
        };
        this.#write(object, value, under, object.updatedAt);
        this.#objects.push(object);
        return { ...this.#toObject(object).metadata, id: object.id };
      };
    });
  }

  getKv(request: KvVersionRequest, options: CallOptions = {}): Promise<KvObject> {
    const { id, versionId } = request;
    return this.#run("getKv", options, () => {
      checkId(id, "id");
      if (versionId !== undefined) checkId(versionId, "versionId");
      return () => {
        const object = this.#live(id);
        return this.#read(object, versionOf(object, versionId));
      };
    });
  }

  getName(request: KvNameRequest, options: CallOptions = {}): Promise<KvObject> {
    const { name } = request;
    return this.#run("getName", options, () => {
      checkName(name);
      return () => {
        const object = this.#liveByName(name);
        if (object === undefined) throw notFound();
        return this.#read(object, object.versions[0]!);
      };
    });
  }

  updateKv(request: UpdateKvRequest, options: ChangeOptions = {}): Promise<KvObjectWithoutValue> {
    const { id, value, versionCheck } = request;
    return this.#run("updateKv", options, () => {
      checkId(id, "id");
      checkValue(value);
      const check = checkVersionCheck(versionCheck);
      return () => {
        const object = this.#live(id);
        checkCurrent(object, check);
        const under = this.#ring.newest(object.context);
        // A clock that was set back does not make the object older than it was.
        object.updatedAt = Math.max(object.updatedAt, this.#now());
        this.#write(object, value, under, object.updatedAt);
        return this.#toObject(object);
      };
    });
  }

  deleteKv(request: DeleteKvRequest, options: ChangeOptions = {}): Promise<DeleteKvResult> {
    const { id, versionCheck } = request;
    return this.#run("deleteKv", options, () => {
      checkId(id, "id");
      const check = checkVersionCheck(versionCheck);
      return () => {
        const object = this.#live(id);
        checkCurrent(object, check);
        object.isDeleted = true;
        return { success: true as const, name: object.name };
      };
    });
  }

  listKv(request: KvListRequest = {}, options: CallOptions = {}): Promise<KvPage<KvSummary>> {
    const own = { ...request };
    return this.#run("listKv", options, () => {
      const { limit, before, after, order, search, updatedAfterMs, deleted } = checkListRequest(own);
      return () => {
        const ordered = order === "asc" ? [...this.#objects] : [...this.#objects].reverse();
        const cursor = after ?? before;
        const at = ordered.findIndex(({ id }) => id === cursor);
        if (cursor !== undefined && at < 0) {
          throw new VaultError("ERR_CURSOR_INVALID", "the cursor is not an object of this environment");
        }
        const beyond =
          after !== undefined ? ordered.slice(at + 1) : before !== undefined ? ordered.slice(0, at) : ordered;
        const matching = beyond.filter(
          (object) =>
            object.isDeleted === deleted &&
            (search === undefined || object.name.includes(search)) &&
            (updatedAfterMs === undefined || object.updatedAt > updatedAfterMs),
        );
        const page = before === undefined ? matching.slice(0, limit) : matching.slice(-limit);
        // A page that was asked for backwards is always followed by the cursor's object.
        const isFollowed = before === undefined ? matching.length > limit : page.length > 0;
        const next = isFollowed ? page.at(-1)!.id : null;
        return {
          data: page.map(({ id, name, updatedAt }) => ({ id, name, updatedAt: iso(updatedAt) })),
          listMetadata: { before: next, after: next },
        };
      };
    });
  }

  listKvVersions(request: KvIdRequest, options: CallOptions = {}): Promise<KvPage<KvVersion>> {
    const { id } = request;
    return this.#run("listKvVersions", options, () => {
      checkId(id, "id");
      return () => ({
        data: this.#live(id).versions.map((version, index) => ({
          id: version.id,
          createdAt: iso(version.createdAt),
          currentVersion: index === 0,
          size: version.value === undefined ? 0 : utf8(version.value, "value").length + SEAL_BYTES,
          etag: version.etag,
          isDestroyed: version.value === undefined,
        })),
        listMetadata: { before: null, after: null },
      });
    });
  }

  listKvMetadata(request: KvIdRequest, options: CallOptions = {}): Promise<KvObjectWithoutValue> {
    const { id } = request;
    return this.#run("listKvMetadata", options, () => {
      checkId(id, "id");
      return () => this.#toObject(this.#live(id));
    });
  }

  undeleteKv(request: KvIdRequest, options: ChangeOptions = {}): Promise<KvObjectWithoutValue> {
    const { id } = request;
    return this.#run("undeleteKv", options, () => {
      checkId(id, "id");
      return () => {
        const object = this.#any(id);
        if (!object.isDeleted) throw new VaultError("ERR_KV_NOT_DELETED", "the object has not been deleted");
        if (object.versions[0]!.value === undefined) throw destroyed();
        if (this.#liveByName(object.name) !== undefined) {
          throw exists("the object's name has been given to another one since");
        }
        object.isDeleted = false;
        return this.#toObject(object);
      };
    });
  }

  destroyKv(request: KvVersionRequest, options: ChangeOptions = {}): Promise<DestroyKvResult> {
    const { id, versionId } = request;
    return this.#run("destroyKv", options, () => {
      checkId(id, "id");
      if (versionId !== undefined) checkId(versionId, "versionId");
      return () => {
        const object = this.#any(id);
        const meant = versionId === undefined ? object.versions : [versionOf(object, versionId)];
        const existing = meant.filter(({ value }) => value !== undefined);
        for (const version of existing) version.value = undefined;
        if (versionId === undefined) object.isDeleted = true;
        return { destroyedVersions: existing.length };
      };
    });
  }

  rewrapKv(options: RewrapKvOptions = {}): Promise<RewrapReport> {
    return this.#run("rewrapKv", options, () => () => {
      const report = { checked: 0, rewrapped: 0, skipped: 0 };
      for (const { context, versions } of this.#objects) {
        for (const version of versions) {
          if (
            version.value === undefined ||
            version.under.every(({ kek }, i) => kek.versions[0] === version.under[i])
          )
            continue;
          report.checked += 1;
          try {
            this.#ring.use(version.under);
            version.under = this.#ring.newest(context);
            report.rewrapped += 1;
          } catch {
            report.skipped += 1;
          }
        }
      }
      options.onProgress?.(report.checked, report.checked);
      return report;
    });
  }

  verifyRewrap(options: RewrapKvOptions = {}): Promise<WrappedKeysReport> {
    return this.#run("verifyRewrap", options, () => () => {
      let report = NO_WRAPPED_KEYS;
      for (const { value, under } of this.#objects.flatMap(({ versions }) => versions)) {
        if (value === undefined) continue;
        const keks = under.map(({ kek, version, state }) => ({
          kekId: kek.id,
          version,
          state,
          kvVersions: 1,
          recipientVersions: 0,
        }));
        const old = under.every(({ state }) => state === "active") ? 0 : 1;
        report = addWrappedKeys(report, { checked: 1, old, unreadable: 0, keks });
      }
      options.onProgress?.(report.checked, report.checked);
      return report;
    });
  }

  /** Arguments are checked by `check` before the call can fail by plan; what it answers does the work. */
  #run<T>(operation: TestOperation, options: ChangeOptions, check: () => () => T): Promise<T> {
    return runCall(options, this, async (call) => {
      const work = check();
      call.signal?.throwIfAborted();
      return this.#faults.run(operation, async () => work());
    });
  }

  #write(object: TestObject, value: string, under: readonly TestKekVersion[], createdAt: number): void {
    const id = this.#seeded.uuid();
    const keyId = uuidToText(this.#seeded.dataKeyIdBytes());
    const etag = `"${this.#seeded.uuid().replaceAll("-", "")}"`;
    object.versions.unshift({ id, keyId, createdAt, etag, under, value });
  }

  #read(object: TestObject, version: TestVersion): KvObject {
    if (version.value === undefined) throw destroyed();
    this.#ring.use(version.under);
    return { ...this.#toObject(object, version), value: version.value };
  }

  #toObject(object: TestObject, version: TestVersion = object.versions[0]!): KvObjectWithoutValue {
    return {
      id: object.id,
      name: object.name,
      metadata: {
        id: object.id,
        environmentId: this.#environmentId,
        keyId: version.keyId,
        updatedAt: iso(version.createdAt),
        updatedBy: { ...this.#actor },
        context: contextObject(object.context),
        versionId: version.id,
      },
    };
  }

  #any(id: string): TestObject {
    const object = this.#objects.find((one) => one.id === id);
    if (object === undefined) throw notFound();
    return object;
  }

  #live(id: string): TestObject {
    const object = this.#any(id);
    if (object.isDeleted) throw notFound();
    return object;
  }

  #liveByName(name: string): TestObject | undefined {
    return this.#objects.find((object) => object.name === name && !object.isDeleted);
  }
}

function versionOf(object: TestObject, versionId: string | undefined): TestVersion {
  const version =
    versionId === undefined ? object.versions[0] : object.versions.find(({ id }) => id === versionId);
  if (version === undefined) throw notFound();
  return version;
}

function checkCurrent(object: TestObject, check: string | undefined): void {
  if (check !== undefined && object.versions[0]!.id !== check) {
    throw new VaultError("ERR_KV_VERSION_CONFLICT", "the object has been changed since: nothing was written");
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

const exists = (problem: string): VaultError => new VaultError("ERR_KV_EXISTS", problem);

const notFound = (): VaultError => new VaultError("ERR_KV_NOT_FOUND", "there is no such object");

const destroyed = (): VaultError =>
  new VaultError("ERR_KV_VERSION_DESTROYED", "the value of this version was destroyed");

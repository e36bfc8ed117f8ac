/**
 * The embedded store: the KvService port over the keyring and the storage.
 *
 * Owns the order of looking, sealing and writing of each call. Must not know how a value is sealed, KEKs' states or HTTP.
 *
 * @module
 */
import { type CanonicalContext, canonicalContext, contextObject } from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import { runCall } from "../../keys/calls.ts";
import type { CallOptions } from "../../keys/key-service.ts";
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
} from "../../kv/kv-service.ts";
import { checkId, checkListRequest, checkName, checkValue, checkVersionCheck } from "../../kv/rules.ts";
import type { WrappedKeysReport } from "../../kv/wrapped-keys.ts";
import { inScope } from "../access/access.ts";
import type { WriteOptions } from "../access/idempotency.ts";
import { newOrderedId, orderedId } from "../ids.ts";
import type { StoredDataKey } from "../keks/keyring.ts";
import { iso, storedContext } from "../keks/rows.ts";
import type { SessionParts } from "../keks/session-parts.ts";
import { OBJECT_ID_PREFIX } from "../limits.ts";
import type { Row, SqlValue } from "../storage/database.ts";
import { sendRows } from "../storage/statements.ts";
import { type RewrapPart, rewrapPart, rewrapStored } from "./rewrap.ts";
import { KvRows, toObject } from "./rows.ts";
import { destroyed, KvValues } from "./values.ts";
import { verifyPart, verifyStored, type WrappedKeysPart } from "./verify.ts";

/** The store of one environment. */
export class EmbeddedKvStore implements KvService {
  readonly takesHeaders = false;
  readonly #parts: SessionParts;
  readonly #rows: KvRows;
  readonly #values: KvValues;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#rows = new KvRows(parts);
    this.#values = new KvValues(parts);
  }

  createKv(request: CreateKvRequest, options: WriteOptions = {}): Promise<KvMetadata> {
    return runCall(options, this, async (call) => {
      const name = checkName(request.name);
      const value = checkValue(request.value);
      const context = inScope(this.#parts.access, canonicalContext(request.keyContext));
      call.signal?.throwIfAborted();
      // Early, so that a name that is taken makes no KEK; a repetition finds its own object.
      if (call.idempotency === undefined && !this.#parts.keyring.isReady(context)) {
        const isTaken = await this.#parts.database.read((sql) => this.#rows.isNameTaken(sql, name), {
          ...call,
          isSingle: true,
        });
        if (isTaken) throw exists();
      }
      return this.#values.withStoredKey(context, call, async (sql, key): Promise<KvMetadata> => {
        const id = newOrderedId(OBJECT_ID_PREFIX);
        const versionId = orderedId();
        const now = this.#parts.now();
        const { generation } = this.#parts.authority;
        const object = {
          id,
          environment_id: this.#parts.access.environmentId,
          name,
          current_version: versionId,
          created_at: now,
          updated_at: now,
          deleted_at: null,
        };
        const mac = this.#rows.macOf({
          ...object,
          canonical: context.bytes,
          current_number: 1,
          current_generation: generation,
        });
        const row = { ...object, context_id: key.contextId, mac };
        await sendRows(sql, "kv_objects", [row], exists);
        await this.#values.insert(sql, {
          objectId: id,
          name,
          versionId,
          number: 1,
          generation,
          value,
          key,
          now,
        });
        await this.#parts.access.events.append(sql, "vault.data.created", {
          kv_name: name,
          key_id: key.id,
          key_context: contextObject(context),
        });
        return this.#metadata(id, versionId, key, now, context);
      });
    });
  }

  getKv(request: KvVersionRequest, options: CallOptions = {}): Promise<KvObject> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      const versionId = request.versionId === undefined ? undefined : checkId(request.versionId, "versionId");
      const row = await this.#parts.database.read((sql) => this.#rows.live(sql, id, versionId), {
        ...call,
        isSingle: true,
      });
      return this.#read(row, call);
    });
  }

  getName(request: KvNameRequest, options: CallOptions = {}): Promise<KvObject> {
    return runCall(options, this, async (call) => {
      const name = checkName(request.name);
      const row = await this.#parts.database.read((sql) => this.#rows.named(sql, name), {
        ...call,
        isSingle: true,
      });
      return this.#read(row, call);
    });
  }

  updateKv(request: UpdateKvRequest, options: WriteOptions = {}): Promise<KvObjectWithoutValue> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      const value = checkValue(request.value);
      const check = checkVersionCheck(request.versionCheck);
      // On one state of the database: between two, the same request may have been answered elsewhere.
      const look = { ...call, isSingle: call.idempotency === undefined };
      const { answered, row } = await this.#parts.database.read(async (sql) => {
        const before = await this.#parts.writes.answered<KvObjectWithoutValue>(sql, call.idempotency);
        return before === undefined
          ? { answered: undefined, row: await this.#rows.record(sql, id, check) }
          : { answered: before.value, row: undefined };
      }, look);
      if (answered !== undefined) return answered;
      const context = storedContext(row.canonical);
      const name = row.name as string;
      return this.#values.withStoredKey(context, call, async (sql, key) => {
        const versionId = orderedId();
        const clock = this.#parts.now();
        // What the row says now decides, whatever other processes do (the row above may be old by now). A clock that was set
        // back, or is another machine's, does not make the object older than it was.
        const before = await this.#rows.lockedRecord(sql, id, check);
        const number = (before.newest_number as number) + 1;
        const { generation } = this.#parts.authority;
        const now = Math.max(before.updated_at as number, clock);
        await this.#rows.change(sql, before, {
          current_version: versionId,
          current_number: number,
          current_generation: generation,
          updated_at: now,
        });
        await this.#values.insert(sql, {
          objectId: id,
          name,
          versionId,
          number,
          generation,
          value,
          key,
          now,
        });
        await this.#parts.access.events.append(sql, "vault.data.updated", {
          kv_name: name,
          key_id: key.id,
          key_context: contextObject(context),
        });
        return { id, name, metadata: this.#metadata(id, versionId, key, now, context) };
      });
    });
  }

  deleteKv(request: DeleteKvRequest, options: WriteOptions = {}): Promise<DeleteKvResult> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      const check = checkVersionCheck(request.versionCheck);
      return this.#parts.writes.write(async (sql) => {
        const row = await this.#rows.lockedRecord(sql, id, check);
        await this.#rows.change(sql, row, { deleted_at: this.#parts.now() });
        const name = row.name as string;
        await this.#parts.access.events.append(sql, "vault.data.deleted", { kv_name: name });
        return { success: true, name };
      }, call);
    });
  }

  listKv(request: KvListRequest = {}, options: CallOptions = {}): Promise<KvPage<KvSummary>> {
    return runCall(options, this, async (call) => {
      const { limit, before, after, order, search, updatedAfterMs, deleted } = checkListRequest(request);
      call.signal?.throwIfAborted();
      this.#parts.access.events.note("vault.names.listed", {});
      const cursor = after ?? before;
      const options = { ...call, isSingle: cursor === undefined };
      return this.#parts.database.read(async (sql) => {
        const where = [deleted ? "o.deleted_at IS NOT NULL" : "o.deleted_at IS NULL"];
        const parameters: SqlValue[] = [];
        if (search !== undefined) {
          // Case-sensitive in every dialect, and no character of the text has a meaning.
          where.push("replace(o.name, ?, '') <> o.name");
          parameters.push(search);
        }
        if (updatedAfterMs !== undefined) {
          where.push("o.updated_at > ?");
          parameters.push(updatedAfterMs);
        }
        const isForward = (order === "asc") === (before === undefined);
        if (cursor !== undefined) {
          where.push(`o.sequence ${isForward ? ">" : "<"} ?`);
          parameters.push(await this.#rows.sequenceOf(sql, cursor));
        }
        const rows = await this.#rows.list(
          sql,
          `${where.join(" AND ")} ORDER BY o.sequence ${isForward ? "ASC" : "DESC"} LIMIT ?`,
          ...parameters,
          limit + 1,
        );
        const hasMore = rows.length > limit;
        const page = rows.slice(0, limit);
        if (before !== undefined) page.reverse();
        // A page that was asked for backwards is always followed by the cursor's object.
        const isFollowed = before !== undefined ? page.length > 0 : hasMore;
        const next = isFollowed ? (page[page.length - 1]!.id as string) : null;
        return {
          data: page.map((row) => ({
            id: row.id as string,
            name: row.name as string,
            updatedAt: iso(row.updated_at as number),
          })),
          listMetadata: { before: next, after: next },
        };
      }, options);
    });
  }

  listKvVersions(request: KvIdRequest, options: CallOptions = {}): Promise<KvPage<KvVersion>> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      return this.#parts.database.read(async (sql) => {
        const object = await this.#rows.live(sql, id);
        const rows = await sql.all(
          `SELECT id, created_at, size, etag, sealed IS NULL AS is_destroyed FROM kv_versions WHERE object_id = ?
         ORDER BY number DESC`,
          id,
        );
        return {
          data: rows.map((row) => ({
            id: row.id as string,
            createdAt: iso(row.created_at as number),
            currentVersion: row.id === object.current_version,
            size: row.size as number,
            etag: `"${row.etag}"`,
            isDestroyed: Boolean(row.is_destroyed),
          })),
          listMetadata: { before: null, after: null },
        };
      }, call);
    });
  }

  listKvMetadata(request: KvIdRequest, options: CallOptions = {}): Promise<KvObjectWithoutValue> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      const look = { ...call, isSingle: true };
      const object = toObject(await this.#parts.database.read((sql) => this.#rows.live(sql, id), look));
      this.#parts.access.events.note("vault.metadata.read", { kv_name: object.name });
      return object;
    });
  }

  undeleteKv(request: KvIdRequest, options: WriteOptions = {}): Promise<KvObjectWithoutValue> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      return this.#parts.writes.write(async (sql) => {
        const row = await this.#rows.locked(sql, id);
        if (row.deleted_at === null)
          throw new VaultError("ERR_KV_NOT_DELETED", "the object has not been deleted");
        if (row.sealed === null) throw destroyed();
        if (await this.#rows.isNameTaken(sql, row.name as string)) {
          throw new VaultError("ERR_KV_EXISTS", "the object's name has been given to another one since");
        }
        await this.#rows.change(sql, row, { deleted_at: null });
        await this.#parts.access.events.append(sql, "vault.data.updated", {
          kv_name: row.name as string,
          key_id: row.key_id as string,
          key_context: contextObject(storedContext(row.canonical)),
        });
        return toObject(row);
      }, call);
    });
  }

  destroyKv(request: KvVersionRequest, options: WriteOptions = {}): Promise<DestroyKvResult> {
    return runCall(options, this, async (call) => {
      const id = checkId(request.id, "id");
      const versionId = request.versionId === undefined ? undefined : checkId(request.versionId, "versionId");
      const destroyedVersions = await this.#parts.writes.write(async (sql) => {
        const row = await this.#rows.locked(sql, id, versionId);
        const only = versionId === undefined ? "" : " AND id = ?";
        const parameters = versionId === undefined ? [id] : [id, versionId];
        const which = `SELECT id FROM kv_versions WHERE object_id = ?${only}`;
        await sql.run(`DELETE FROM kv_version_keks WHERE version_id IN (${which})`, ...parameters);
        const changed = await sql.run(
          `UPDATE kv_versions SET sealed = NULL, key_blob = NULL, size = 0 WHERE sealed IS NOT NULL AND id IN (${which})`,
          ...parameters,
        );
        if (versionId === undefined && row.deleted_at === null) {
          await this.#rows.change(sql, row, { deleted_at: this.#parts.now() });
        }
        await this.#parts.access.events.append(sql, "vault.data.deleted", { kv_name: row.name as string });
        return changed;
      }, call);
      await this.#parts.database.scrub(call);
      return { destroyedVersions };
    });
  }

  rewrapKv(options: RewrapKvOptions = {}): Promise<RewrapReport> {
    return runCall(options, this, (call) => rewrapStored(this.#parts, call));
  }

  /** A part of it that ends soon. @throws as `rewrapPart` */
  rewrapPart(options: CallOptions & { readonly after?: string | undefined } = {}): Promise<RewrapPart> {
    return rewrapPart(this.#parts, options);
  }

  verifyRewrap(options: RewrapKvOptions = {}): Promise<WrappedKeysReport> {
    return runCall(options, this, (call) => verifyStored(this.#parts, call));
  }

  /** A part of it that ends soon. @throws as `verifyPart` */
  verifyPart(options: CallOptions & { readonly after?: string | undefined } = {}): Promise<WrappedKeysPart> {
    return verifyPart(this.#parts, options);
  }

  /** What is answered of a version that is written now. */
  #metadata(
    id: string,
    versionId: string,
    key: StoredDataKey,
    now: number,
    context: CanonicalContext,
  ): KvMetadata {
    const { environmentId, actor } = this.#parts.access;
    return {
      id,
      environmentId,
      keyId: key.id,
      updatedAt: iso(now),
      updatedBy: { id: actor.id, name: actor.name },
      context: contextObject(context),
      versionId,
    };
  }

  async #read(row: Row, options: CallOptions): Promise<KvObject> {
    const { value, context } = await this.#values.open(row, options);
    const object = { ...toObject(row, context), value };
    this.#parts.access.events.note("vault.data.read", {
      kv_name: object.name,
      key_id: object.metadata.keyId,
    });
    return object;
  }
}

function exists(): VaultError {
  return new VaultError("ERR_KV_EXISTS", "an object with this name exists already");
}

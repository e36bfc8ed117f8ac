/**
 * The calls of `workos.vault` over a coffer Vault.
 *
 * Owns the step between the SDK's names and shapes and coffer's. Encryption, caching and retries are the Vault's own.
 * Must not know what stands behind it.
 *
 * @module
 */

import { lend } from "../base/dispose.ts";
import type { DataKey as CofferDataKey } from "../crypto/keys/data-key.ts";
import { VaultError } from "../errors.ts";
import type { Vault } from "../facade/vault.ts";
import type { KvListRequest, KvMetadata, KvObjectWithoutValue } from "../kv/kv-service.ts";
import { KV_LIST_LIMIT_MAX } from "../kv/rules.ts";
import { AutoPaginatable } from "./auto-paginatable.ts";
import { type ArgumentPlace, decryptExceptionOf, exceptionOf } from "./exceptions.ts";
import type {
  CreateDataKeyOptions,
  CreateDataKeyResponse,
  CreateObjectOptions,
  CreateRekeyOptions,
  DataKey,
  DataKeyPair,
  DecryptDataKeyOptions,
  DeleteObjectOptions,
  KeyContext,
  List,
  ListObjectsOptions,
  ObjectMetadata,
  ObjectSummary,
  ObjectVersion,
  ReadObjectByNameOptions,
  ReadObjectOptions,
  UpdateObjectOptions,
  VaultObject,
} from "./types.ts";

/** `workos.vault`: the names, shapes and exceptions of `@workos-inc/node` 11. */
export class WorkOSVault {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /** @throws UnprocessableEntityException for a context that may not be */
  createDataKey(options: CreateDataKeyOptions): Promise<DataKeyPair> {
    return ask(BODY, async () => {
      const made = await this.#vault.createDataKey({ context: options.context });
      const { context, dataKey, encryptedKeys, id } = await lend(made, dataKeyAnswer);
      return { context, dataKey: { key: dataKey as string, id }, encryptedKeys: encryptedKeys as string };
    });
  }

  /** @throws OauthException (400) for a wrapped key that cannot be unwrapped, for whatever reason */
  decryptDataKey(options: DecryptDataKeyOptions): Promise<DataKey> {
    return ask(BODY, async () => {
      const unwrapped = await this.#vault.createDecrypt({ keys: options.keys });
      return await lend(unwrapped, ({ dataKey, id }) => ({ key: dataKey, id }));
    });
  }

  /** @throws as `decryptDataKey` and `createDataKey` */
  createRekey(options: CreateRekeyOptions): Promise<CreateDataKeyResponse> {
    return ask(BODY, async () => {
      const { context, encryptedKeys } = options;
      return await lend(await this.#vault.createRekey({ context, encryptedKeys }), dataKeyAnswer);
    });
  }

  /** @throws ConflictException if the name is taken; UnprocessableEntityException */
  createObject(options: CreateObjectOptions): Promise<ObjectMetadata> {
    return ask(BODY, async () => {
      const { name, value, context } = options;
      return metadataAnswer(await this.#vault.createKv({ name, value, keyContext: context }));
    });
  }

  /** @throws NotFoundException */
  readObject(options: ReadObjectOptions): Promise<VaultObject> {
    return ask(OBJECT, async () => {
      const found = await this.#vault.getKv({ id: options.id });
      return objectAnswer(found, found.value);
    });
  }

  /** @throws NotFoundException */
  readObjectByName(options: string | ReadObjectByNameOptions): Promise<VaultObject> {
    const name = typeof options === "string" ? options : options.name;
    return ask(OBJECT, async () => {
      // A server has no route for it.
      if (name === "") throw new VaultError("ERR_KV_NOT_FOUND", "Not Found");
      const found = await this.#vault.getName({ name });
      return objectAnswer(found, found.value);
    });
  }

  /** The object without its value. @throws NotFoundException */
  describeObject(options: ReadObjectOptions): Promise<VaultObject> {
    return ask(OBJECT, async () => objectAnswer(await this.#vault.listKvMetadata({ id: options.id })));
  }

  /** @throws NotFoundException; ConflictException if `versionCheck` is not the current version */
  updateObject(options: UpdateObjectOptions): Promise<VaultObject> {
    // A service answers 400 to an empty check.
    return ask(options.versionCheck === "" ? QUERY : BODY, async () => {
      const { id, value, versionCheck } = options;
      return objectAnswer(await this.#vault.updateKv({ id, value, versionCheck }));
    });
  }

  /** @throws NotFoundException; ConflictException if `versionCheck` is not the current version */
  deleteObject(options: DeleteObjectOptions): Promise<void> {
    return ask(OBJECT, async () => {
      const { id, versionCheck } = options;
      // The SDK leaves an empty one out.
      await this.#vault.deleteKv({ id, versionCheck: versionCheck || undefined });
    });
  }

  /** @throws OauthException (400) for a bad cursor or limit */
  async listObjects(options: ListObjectsOptions = {}): Promise<AutoPaginatable<ObjectSummary>> {
    const request: KvListRequest = {
      // The SDK puts it into a query, where everything is text.
      limit: options.limit === undefined || options.limit === null ? undefined : Number(options.limit),
      before: options.before || undefined,
      after: options.after || undefined,
      order: options.order,
      search: options.search,
      updatedAfter: options.updatedAfter,
    };
    const rest = { ...request, before: undefined, limit: KV_LIST_LIMIT_MAX };
    const own = { ...options };
    return new AutoPaginatable(await this.#page(request), (after) => this.#page({ ...rest, after }), own);
  }

  /** All versions, the newest first. @throws NotFoundException */
  listObjectVersions(options: ReadObjectOptions): Promise<ObjectVersion[]> {
    return ask(OBJECT, async () => {
      const { data } = await this.#vault.listKvVersions({ id: options.id });
      return data.map(({ id, createdAt, currentVersion, etag, size }) => ({
        createdAt: new Date(createdAt),
        currentVersion,
        etag,
        id,
        size,
      }));
    });
  }

  /**
   * Encrypts text in this process, under a fresh data key.
   *
   * @returns base64 in the Vault's layout; `iv12`, which the SDK reads, unless the Vault was told otherwise
   */
  async encrypt(data: string, context: KeyContext, associatedData?: string): Promise<string> {
    return ask(BODY, () => this.#vault.encrypt(textOf(data), context, associatedData ?? undefined));
  }

  /**
   * Decrypts what any WorkOS SDK or coffer encrypted.
   *
   * @throws DOMException OperationError for wrong associated data, a wrong key or altered data; OauthException (400) for
   *   what is no ciphertext, and for wrapped keys that a service refuses
   */
  async decrypt(encryptedData: string, associatedData?: string): Promise<string> {
    return ask(
      BODY,
      () => this.#vault.decrypt(encryptedData, associatedData ?? undefined),
      decryptExceptionOf,
    );
  }

  #page(request: KvListRequest): Promise<List<ObjectSummary>> {
    return ask(QUERY, async () => {
      const { data, listMetadata } = await this.#vault.listKv(request);
      return {
        object: "list",
        data: data.map(({ id, name, updatedAt }) => ({
          id,
          name,
          // WorkOS's schema lets it be absent.
          updatedAt: updatedAt === "" ? null : new Date(updatedAt),
        })),
        listMetadata: { ...listMetadata },
      };
    });
  }
}

const BODY: ArgumentPlace = { invalidStatus: 422 };
const OBJECT: ArgumentPlace = { invalidStatus: 404 };
const QUERY: ArgumentPlace = { invalidStatus: 400 };

async function ask<T>(asked: ArgumentPlace, work: () => Promise<T>, exception = exceptionOf): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw exception(error, asked);
  }
}

/**
 * Text as the SDK's encoder makes it of numbers, booleans and nothing. Objects and null are refused, which the SDK
 * encrypts as "[object Object]" and "null".
 */
function textOf(data: unknown): string {
  if (data === undefined) return "";
  return typeof data === "number" || typeof data === "boolean" || typeof data === "bigint"
    ? String(data)
    : (data as string);
}

function dataKeyAnswer(key: CofferDataKey): CreateDataKeyResponse {
  return {
    context: { ...key.context },
    dataKey: key.dataKey,
    encryptedKeys: key.encryptedKeys,
    id: key.id,
  };
}

function metadataAnswer(metadata: KvMetadata): ObjectMetadata {
  return {
    context: { ...metadata.context },
    environmentId: metadata.environmentId,
    id: metadata.id,
    keyId: metadata.keyId,
    updatedAt: new Date(metadata.updatedAt),
    updatedBy: { id: metadata.updatedBy.id, name: metadata.updatedBy.name },
    versionId: metadata.versionId || null,
  };
}

// The SDK answers a `value` of undefined where there is none; its type says that it may be absent.
function objectAnswer(found: KvObjectWithoutValue, value?: string): VaultObject {
  return { id: found.id, metadata: metadataAnswer(found.metadata), name: found.name, value: value as string };
}

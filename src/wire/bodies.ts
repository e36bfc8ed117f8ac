/**
 * The wire: JSON bodies of the Vault API to objects of the ports, and back (docs/spec/key-service-api.md).
 *
 * Owns the names and shapes on both sides, so that client and server cannot drift apart. Reading checks every field that
 * is used before it is used. Must not know HTTP.
 *
 * @module
 */
import type { ListPage } from "../base/listing.ts";
import { VaultError } from "../errors.ts";
import type {
  KvMetadata,
  KvObject,
  KvObjectWithoutValue,
  KvPage,
  KvSummary,
  KvVersion,
} from "../kv/kv-service.ts";

/** A JSON object as it came. */
export type Wire = Readonly<Record<string, unknown>>;

/** What the API answers about a data key. */
export interface WireDataKey {
  readonly id: string;
  /** Base64 of 32 bytes. */
  readonly dataKey: string;
  readonly encryptedKeys: string;
  readonly context: Readonly<Record<string, string>> | undefined;
}

/** Metadata as it is answered. */
export function metadataToWire(metadata: KvMetadata): Wire {
  return {
    id: metadata.id,
    environment_id: metadata.environmentId,
    key_id: metadata.keyId,
    updated_at: metadata.updatedAt,
    updated_by: { id: metadata.updatedBy.id, name: metadata.updatedBy.name },
    context: metadata.context,
    version_id: metadata.versionId,
  };
}

/** Metadata of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function metadataFromWire(body: unknown): KvMetadata {
  const wire = objectOf(body, "metadata");
  const by = objectOf(wire.updated_by, "updated_by");
  return {
    id: textOf(wire.id, "id"),
    environmentId: textOf(wire.environment_id, "environment_id"),
    keyId: textOf(wire.key_id, "key_id"),
    updatedAt: textOf(wire.updated_at, "updated_at"),
    updatedBy: { id: textOf(by.id, "updated_by.id"), name: textOf(by.name, "updated_by.name") },
    context: contextOf(wire.context),
    // WorkOS's schema lets it be null or absent; its live answers have it.
    versionId:
      wire.version_id === null || wire.version_id === undefined ? "" : textOf(wire.version_id, "version_id"),
  };
}

/** An object without its value, as it is answered. */
export function objectWithoutValueToWire(object: KvObjectWithoutValue): Wire {
  return { id: object.id, name: object.name, metadata: metadataToWire(object.metadata) };
}

/** An object of an answer, without its value. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function objectWithoutValueFromWire(body: unknown): KvObjectWithoutValue {
  const wire = objectOf(body, "object");
  return {
    id: textOf(wire.id, "id"),
    name: textOf(wire.name, "name"),
    metadata: metadataFromWire(wire.metadata),
  };
}

/** An object with its value, as it is answered. */
export function objectToWire(object: KvObject): Wire {
  return { ...objectWithoutValueToWire(object), value: object.value };
}

/** An object of an answer, with its value. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function objectFromWire(body: unknown): KvObject {
  return { ...objectWithoutValueFromWire(body), value: textOf(objectOf(body, "object").value, "value") };
}

/** A page of a list of objects, as it is answered. */
export function summaryPageToWire(page: KvPage<KvSummary>): Wire {
  return {
    data: page.data.map((item) => ({ id: item.id, name: item.name, updated_at: item.updatedAt })),
    list_metadata: page.listMetadata,
  };
}

/** A page of a list of objects, of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function summaryPageFromWire(body: unknown): KvPage<KvSummary> {
  return pageFromWire(body, (item) => ({
    id: textOf(item.id, "id"),
    name: textOf(item.name, "name"),
    updatedAt:
      item.updated_at === null || item.updated_at === undefined ? "" : textOf(item.updated_at, "updated_at"),
  }));
}

/** A list of versions as it is answered. */
export function versionPageToWire(page: KvPage<KvVersion>): Wire {
  return {
    data: page.data.map((item) => ({
      id: item.id,
      created_at: item.createdAt,
      current_version: item.currentVersion,
      size: item.size,
      etag: item.etag,
      is_destroyed: item.isDestroyed,
    })),
    list_metadata: page.listMetadata,
  };
}

/** A list of versions of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function versionPageFromWire(body: unknown): KvPage<KvVersion> {
  return pageFromWire(body, (item) => ({
    id: textOf(item.id, "id"),
    createdAt: textOf(item.created_at, "created_at"),
    currentVersion: item.current_version === true,
    size: typeof item.size === "number" ? item.size : 0,
    etag: typeof item.etag === "string" ? item.etag : "",
    isDestroyed: item.is_destroyed === true,
  }));
}

/** A data key of an answer. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function dataKeyFromWire(body: unknown): WireDataKey {
  const wire = objectOf(body, "data key");
  return {
    id: textOf(wire.id, "id"),
    dataKey: textOf(wire.data_key, "data_key"),
    encryptedKeys: textOf(wire.encrypted_keys, "encrypted_keys"),
    context: contextOf(wire.context),
  };
}

function pageFromWire<T>(body: unknown, item: (wire: Wire) => T): KvPage<T> {
  const wire = objectOf(body, "list");
  const metadata = objectOf(wire.list_metadata, "list_metadata");
  const cursor = (value: unknown, what: string) =>
    value === null || value === undefined ? null : textOf(value, what);
  return {
    data: listOf(wire.data, "data").map((entry) => item(objectOf(entry, "data"))),
    listMetadata: { before: cursor(metadata.before, "before"), after: cursor(metadata.after, "after") },
  };
}

/** @throws VaultError ERR_SERVICE_BAD_RESPONSE unless `value` is a JSON object */
export function objectOf(value: unknown, what: string): Wire {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw badResponse(`${what} is not an object`);
  return value as Wire;
}

/** @throws VaultError ERR_SERVICE_BAD_RESPONSE unless `value` is text */
export function textOf(value: unknown, what: string): string {
  if (typeof value !== "string") throw badResponse(`${what} is not text`);
  return value;
}

/** @throws VaultError ERR_SERVICE_BAD_RESPONSE unless `value` is a map of text */
export function contextOf(value: unknown): Readonly<Record<string, string>> {
  const wire = objectOf(value, "context");
  return Object.freeze(
    Object.fromEntries(Object.entries(wire).map(([name, entry]) => [name, textOf(entry, "context value")])),
  );
}

/** The error for an answer that no service of this API gives. */
export function badResponse(problem: string): VaultError {
  return new VaultError("ERR_SERVICE_BAD_RESPONSE", `the service's answer does not make sense: ${problem}`);
}

/** @throws VaultError ERR_SERVICE_BAD_RESPONSE unless it is a list */
export function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badResponse(`${what} is not a list`);
  return value;
}

/** @throws VaultError ERR_SERVICE_BAD_RESPONSE unless it is a number */
export function numberOf(value: unknown, what: string): number {
  if (typeof value !== "number") throw badResponse(`${what} is not a number`);
  return value;
}

/** @throws VaultError ERR_SERVICE_BAD_RESPONSE unless it is one of these */
export function oneOf<T extends string | boolean>(value: unknown, known: readonly T[], what: string): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw badResponse(`${what} is none that is known`);
  return found;
}

/** A page of a list that goes one way. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function listPageOf<T>(body: unknown, what: string, read: (item: unknown) => T): ListPage<T> {
  const wire = objectOf(body, what);
  const { after } = objectOf(wire.list_metadata, "list_metadata");
  return {
    data: listOf(wire.data, "data").map(read),
    listMetadata: { after: after === null ? null : textOf(after, "after") },
  };
}

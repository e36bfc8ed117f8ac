/**
 * The models and requests of the Vault API under the API's own names, in camelCase.
 *
 * Owns names only: each stands for the type that the calls of a Vault take or answer. Must not know the wire.
 *
 * @module
 */
import type { DataKey } from "../crypto/keys/data-key.ts";
import type {
  CreateKvRequest,
  DeleteKvResult,
  KvActor,
  KvListMetadata,
  KvMetadata,
  KvObject,
  KvObjectWithoutValue,
  KvPage,
  KvSummary,
  KvVersion,
  UpdateKvRequest,
} from "../kv/kv-service.ts";

export type { CreateDataKeyRequest, DecryptRequest, RekeyRequest } from "../keys/key-service.ts";

/** Who wrote a version. */
export type Actor = KvActor;
/** The API's `Object`: an object with its value. `Object` itself is JavaScript's. */
export type VaultObject = KvObject;
/** What is known of an object besides its name and value. */
export type ObjectMetadata = KvMetadata;
/** An object as a list shows it. */
export type ObjectSummary = KvSummary;
/** A version of an object. */
export type ObjectVersion = KvVersion;
/** An object without its value. */
export type ObjectWithoutValue = KvObjectWithoutValue;
/** Cursors of a page. */
export type ListMetadata = KvListMetadata;
/** What `listKvVersions` answers. */
export type VersionListResponse = KvPage<KvVersion>;

/** What `createKv` takes. */
export type CreateObjectRequest = CreateKvRequest;

/** What `updateKv` takes. */
export type UpdateObjectRequest = UpdateKvRequest;

/** What `deleteKv` answers. */
export type DeleteObjectResponse = DeleteKvResult;

/** What `createDataKey` answers: an object that does not print its key; dispose of it. */
export type CreateDataKeyResponse = DataKey;

/** What `createDecrypt` answers: an object that does not print its key; dispose of it. */
export type DecryptResponse = DataKey;

/** The body of a refusal. */
export interface ErrorResponse {
  readonly error: string;
  /** A coffer server's: the stable code. */
  readonly code?: string | undefined;
  /** A coffer server's: what happened, for people. */
  readonly message?: string | undefined;
}

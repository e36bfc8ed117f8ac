/**
 * Shapes of arguments and answers, as `@workos-inc/node` 11 has them.
 *
 * Owns types only. Must not know where answers come from.
 *
 * @module
 */

/** 1 to 10 names with values, which must be text. */
export interface KeyContext {
  // The SDK's own type lets anything in; code that was written for it must go on compiling.
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own type
  [key: string]: any;
}

/** A data key as plaintext. */
export interface DataKey {
  /** Base64 of 32 bytes. */
  key: string;
  id: string;
}

/** A data key as plaintext and wrapped. */
export interface DataKeyPair {
  context: KeyContext;
  dataKey: DataKey;
  encryptedKeys: string;
}

/** What a rekey answers. */
export interface CreateDataKeyResponse {
  context: Record<string, string>;
  dataKey?: string;
  encryptedKeys?: string;
  id: string;
}

/** What is known of an object besides its value. */
export interface ObjectMetadata {
  context: Record<string, string>;
  environmentId: string;
  id: string;
  keyId: string;
  updatedAt: Date;
  updatedBy: Actor;
  versionId?: string | null;
}

/** Who wrote something. */
export interface Actor {
  id: string;
  name: string;
}

/** An object of the store. */
export interface VaultObject {
  id: string;
  metadata: ObjectMetadata;
  name: string;
  /** Absent where only metadata was asked for. */
  value?: string;
}

/** An object as lists show it. */
export interface ObjectSummary {
  id: string;
  name: string;
  updatedAt?: Date | null;
}

/** One version of an object. */
export interface ObjectVersion {
  createdAt: Date;
  currentVersion: boolean;
  etag?: string;
  id: string;
  size?: number;
}

/** What stands before and behind a page of a list. */
export interface ListMetadata {
  before?: string | null;
  after?: string | null;
}

/** All versions of an object. */
export interface VersionListResponse {
  data: ObjectVersion[];
  listMetadata: ListMetadata;
}

/** A page of a list. */
export interface List<T> {
  readonly object: "list";
  data: T[];
  listMetadata: ListMetadata;
}

/** Which page of a list. */
export interface PaginationOptions {
  limit?: number | undefined;
  before?: string | null | undefined;
  after?: string | null | undefined;
  order?: "asc" | "desc" | undefined;
}

/** Which objects to list. */
export interface ListObjectsOptions extends PaginationOptions {
  search?: string | undefined;
  updatedAfter?: Date | undefined;
}

/** A new object. */
export interface CreateObjectOptions {
  name: string;
  value: string;
  context: KeyContext;
}

/** Which object, by id. */
export interface ReadObjectOptions {
  id: string;
}

/** Which object, by name. */
export interface ReadObjectByNameOptions {
  name: string;
}

/** A new value of an object. */
export interface UpdateObjectOptions {
  id: string;
  value: string;
  versionCheck?: string | undefined;
}

/** Which object to delete. */
export interface DeleteVaultObjectOptions {
  id: string;
  versionCheck?: string | undefined;
}

/** The same, by its name of before. */
export type DeleteObjectOptions = DeleteVaultObjectOptions;

/** Whose data key to make. */
export interface CreateDataKeyOptions {
  context: KeyContext;
}

/** Which data key to unwrap. */
export interface DecryptDataKeyOptions {
  keys: string;
}

/** Which data key to wrap for which context. */
export interface CreateRekeyOptions {
  context: KeyContext;
  encryptedKeys: string;
}

/** The wire's form of a value that is stored. */
export interface CreateObjectEntity {
  name: string;
  value: string;
  key_context: KeyContext;
}

/** The wire's form of a new value. */
export interface UpdateObjectEntity {
  value: string;
  version_check?: string;
}

/** The wire's form of who wrote something. */
export interface ObjectUpdateBy {
  id: string;
  name: string;
}

/** The wire's form of an object's metadata. */
export interface ReadObjectMetadataResponse {
  context: KeyContext;
  environment_id: string;
  id: string;
  key_id: string;
  updated_at: string;
  updated_by: ObjectUpdateBy;
  version_id: string;
}

/** The wire's form of an object. */
export interface ReadObjectResponse {
  id: string;
  metadata: ReadObjectMetadataResponse;
  name: string;
  value?: string;
}

/** The wire's form of an object in a list. */
export interface ObjectSummaryResponse {
  id: string;
  name: string;
  updated_at?: string | null;
}

/** The wire's form of an unwrapped data key. */
export interface DecryptDataKeyResponse {
  data_key: string;
  id: string;
}

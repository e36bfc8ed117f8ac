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

export interface DataKey {
  /** Base64 of 32 bytes. */
  key: string;
  id: string;
}

export interface DataKeyPair {
  context: KeyContext;
  dataKey: DataKey;
  encryptedKeys: string;
}

export interface CreateDataKeyResponse {
  context: Record<string, string>;
  dataKey?: string;
  encryptedKeys?: string;
  id: string;
}

export interface ObjectMetadata {
  context: Record<string, string>;
  environmentId: string;
  id: string;
  keyId: string;
  updatedAt: Date;
  updatedBy: { id: string; name: string };
  versionId?: string | null;
}

export interface VaultObject {
  id: string;
  metadata: ObjectMetadata;
  name: string;
  /** Absent where only metadata was asked for. */
  value?: string;
}

export interface ObjectSummary {
  id: string;
  name: string;
  updatedAt?: Date | null;
}

export interface ObjectVersion {
  createdAt: Date;
  currentVersion: boolean;
  etag?: string;
  id: string;
  size?: number;
}

export interface List<T> {
  readonly object: "list";
  data: T[];
  listMetadata: { before?: string | null; after?: string | null };
}

export interface ListObjectsOptions {
  limit?: number | undefined;
  before?: string | null | undefined;
  after?: string | null | undefined;
  order?: "asc" | "desc" | undefined;
  search?: string | undefined;
  updatedAfter?: Date | undefined;
}

export interface CreateObjectOptions {
  name: string;
  value: string;
  context: KeyContext;
}

export interface ReadObjectOptions {
  id: string;
}

export interface ReadObjectByNameOptions {
  name: string;
}

export interface UpdateObjectOptions {
  id: string;
  value: string;
  versionCheck?: string | undefined;
}

export interface DeleteObjectOptions {
  id: string;
  versionCheck?: string | undefined;
}

export interface CreateDataKeyOptions {
  context: KeyContext;
}

export interface DecryptDataKeyOptions {
  keys: string;
}

export interface CreateRekeyOptions {
  context: KeyContext;
  encryptedKeys: string;
}

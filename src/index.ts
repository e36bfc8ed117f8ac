/**
 * `coffer`: the Vault that applications use, and the errors it throws. Portable: runs on Node, Bun, Deno, edge
 * runtimes and in browsers. The embedded vault is `coffer/vault`.
 *
 * @module
 */

export type { Bytes } from "./base/bytes.ts";
export type { ItemResult } from "./base/item-result.ts";
export type { SchemaResult, StandardSchema } from "./base/json.ts";
export type { NullishOption } from "./base/nullish.ts";
export type { SyncCrypto } from "./crypto/ciphers/sync-crypto.ts";
export type { DecryptItem } from "./crypto/envelope/batch-items.ts";
export { type CiphertextInfo, inspect, isCiphertext, splice } from "./crypto/envelope/inspect.ts";
export { type KeyContext, parseKeyContext } from "./crypto/keys/key-context.ts";
export type { NativeReader } from "./crypto/native/range.ts";
export type { ByteSource, RangeSource } from "./crypto/native/source.ts";
export type { ByteTransform } from "./crypto/native/stream.ts";
export { isVaultError, VaultError, type VaultErrorCode } from "./errors.ts";
export type {
  Actor,
  CreateDataKeyRequest,
  CreateDataKeyResponse,
  CreateObjectRequest,
  DecryptRequest,
  DecryptResponse,
  DeleteObjectResponse,
  ErrorResponse,
  ListMetadata,
  ObjectMetadata,
  ObjectSummary,
  ObjectVersion,
  ObjectWithoutValue,
  RekeyRequest,
  UpdateObjectRequest,
  VaultObject,
  VersionListResponse,
} from "./facade/api-types.ts";
export type {
  DecryptFieldsOptions,
  DecryptJsonOptions,
  EncryptFieldsOptions,
  FieldsOptions,
  GetKvJsonRequest,
  KvJsonObject,
  SchemaOption,
} from "./facade/documents.ts";
export type { FieldPath, MissingFields } from "./facade/fields.ts";
export type {
  DecryptManyOptions,
  DecryptOptions,
  EncryptManyOptions,
  EncryptOptions,
  SealedPlaintext,
  VaultBehaviour,
  VaultOptions,
  VaultPorts,
} from "./facade/options.ts";
export { Vault } from "./facade/vault.ts";
export { type FetchSourceOptions, fetchSource } from "./http/fetch-source.ts";
export type { HttpOptions } from "./http/transport.ts";
export type { VaultEncryptItem } from "./keys/batches.ts";
export type { PutKvRequest, PutKvResult } from "./kv/by-name.ts";
export { type VerifyOptions, verifyWebhook, type WebhookEvent } from "./wire/webhook.ts";

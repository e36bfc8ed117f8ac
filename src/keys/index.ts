/**
 * `coffer/keys`: the KeyService port, the decrypt cache and leases.
 *
 * @module
 */

export type { ItemResult } from "../base/item-result.ts";
export type { NullishOption } from "../base/nullish.ts";
export type { DecryptItem, EncryptItem } from "../crypto/envelope/batch-items.ts";
export { DataKeyCache, type DataKeyCacheOptions } from "./data-key-cache.ts";
export {
  type CallOptions,
  type ChangeOptions,
  type CreateDataKeyRequest,
  type CreateDataKeysRequest,
  type DecryptRequest,
  KEY_BATCH_ITEMS_MAX,
  type KeyService,
  type RekeyManyRequest,
  type RekeyRequest,
  type RewrapManyRequest,
  type RewrapRequest,
  type UnwrapManyRequest,
  type WrappedDataKey,
} from "./key-service.ts";
export {
  Lease,
  type LeaseDecryptManyOptions,
  type LeaseEncryptManyOptions,
  type LeaseEncryptOptions,
  takeLease,
} from "./lease.ts";
export type { LeaseLimits } from "./lease-budget.ts";
export type { LeaseOptions } from "./leased-key.ts";
export * from "./limits.ts";

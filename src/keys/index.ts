/**
 * `coffer/keys`: the KeyService port, the decrypt cache and leases.
 *
 * @module
 */

export type { ItemResult } from "../base/item-result.ts";
export type { DecryptItem, EncryptItem } from "../crypto/envelope/fast/envelope-batch.ts";
export { DataKeyCache, type DataKeyCacheOptions } from "./data-key-cache.ts";
export type { CallOptions, KeyService } from "./key-service.ts";
export { Lease, type LeaseEncryptOptions, type LeaseLimits, type LeaseOptions, takeLease } from "./lease.ts";
export * from "./limits.ts";

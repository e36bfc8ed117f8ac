/**
 * `coffer/kv`: the KvService port, its rules and its listing.
 *
 * @module
 */
export type { PutKvRequest, PutKvResult } from "./by-name.ts";
export type {
  CreateKvRequest,
  DeleteKvRequest,
  DeleteKvResult,
  DestroyKvResult,
  KvActor,
  KvIdRequest,
  KvListMetadata,
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
} from "./kv-service.ts";
export { KvListing } from "./pagination.ts";
export { KV_LIST_LIMIT_DEFAULT, KV_LIST_LIMIT_MAX, KV_NAME_CHARS_MAX, KV_VALUE_BYTES_MAX } from "./rules.ts";
export type { WrappedKeyCount, WrappedKeysReport } from "./wrapped-keys.ts";

/**
 * `coffer/rekey`: rekey and rewrap of ciphertexts, one or many.
 *
 * @module
 */
export {
  type BatchOptions,
  type ItemResult,
  REKEY_CONCURRENCY_DEFAULT,
  REKEY_CONCURRENCY_MAX,
  type RekeyOptions,
  rekey,
  rekeyMany,
  rewrap,
  rewrapMany,
} from "./rekey.ts";

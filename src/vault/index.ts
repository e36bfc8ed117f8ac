/**
 * `coffer/vault`: the embedded vault, key service and store in one file. Needs `node:sqlite` (Node >= 22.13, Bun, Deno).
 *
 * @module
 */
export { EmbeddedVault, type OpenVaultOptions, openVault } from "./embedded-vault.ts";
export type { KekState } from "./kek.ts";
export type {
  KekInfo,
  KekSelector,
  KekVersionInfo,
  KekVersionSelector,
  ShredOptions,
  ShredReport,
} from "./kek-lifecycle.ts";
export type { RewrapReport } from "./kv-store.ts";
export { ENVIRONMENT_DEFAULT, LOCK_WAIT_MS_DEFAULT, LOCK_WAIT_MS_MAX, SHRED_DELAY_MS_MAX } from "./limits.ts";
export { ROOT_KEY_SUFFIX, ROOT_KEY_VARIABLE } from "./root-key.ts";

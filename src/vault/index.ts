/**
 * `coffer/vault`: the embedded vault, key service and store in one file, and the hosts that servers are built on. Needs
 * `node:sqlite` (Node >= 22.13, Bun, Deno); PostgreSQL needs the package `pg`.
 *
 * @module
 */
export { type ApiKeyInfo, type ApiKeys, PERMISSIONS, type Permission } from "./api-keys.ts";
export {
  BACKUP_SAMPLE,
  type BackupOptions,
  type BackupReport,
  backupVault,
  type CheckOptions,
  checkBackup,
  type RestoreOptions,
  restoreVault,
  streamBackup,
} from "./backup.ts";
export {
  EmbeddedVault,
  type OpenVaultOptions,
  openFileHost,
  openPostgresHost,
  openVault,
  type PostgresHostOptions,
} from "./embedded-vault.ts";
export {
  EVENT_KINDS,
  type EventActor,
  type EventData,
  type EventKind,
  type EventMode,
  type VaultEvent,
} from "./events.ts";
export type { EnvironmentInfo, HostSession, Principal, VaultHost } from "./host.ts";
export type { KekState } from "./kek.ts";
export type {
  KekInfo,
  KekSelector,
  KekVersionInfo,
  KekVersionSelector,
  ShredOptions,
  ShredReport,
} from "./kek-lifecycle.ts";
export type { RewrapReport } from "./kv-rewrap.ts";
export { ENVIRONMENT_DEFAULT, LOCK_WAIT_MS_DEFAULT, LOCK_WAIT_MS_MAX, SHRED_DELAY_MS_MAX } from "./limits.ts";
export { ROOT_KEY_VARIABLE } from "./root-key.ts";
export { migratePostgres, type PostgresOptions } from "./storage/postgres.ts";
export { ROOT_KEY_SUFFIX } from "./vault-path.ts";
export type { DeadDelivery, Delivery, WebhookInfo, Webhooks } from "./webhooks.ts";

/**
 * `coffer/vault`: the embedded vault, key service and store in one file, and the hosts that servers are built on. Needs
 * `node:sqlite` (Node >= 22.13, Bun, Deno); PostgreSQL needs the package `pg`.
 *
 * @module
 */
export type {
  Erasure,
  KekInfo,
  KekSelector,
  KekState,
  KekVersionInfo,
  KekVersionSelector,
  ShredOptions,
  ShredReport,
} from "../keks/kek-service.ts";
export { SHRED_DELAY_MS_MAX } from "../keks/limits.ts";
export type { RewrapReport } from "../kv/kv-service.ts";
export { EVENT_KINDS, type EventKind } from "../wire/event-kinds.ts";
export { type ApiKeyInfo, type ApiKeys, PERMISSIONS, type Permission } from "./access/api-keys.ts";
export { type Anchor, parseAnchor } from "./anchor.ts";
export type { AuthenticationReport, AuthorityFindings } from "./authenticate.ts";
export { type BackupOptions, backupVault, streamBackup } from "./backup.ts";
export type { EnvironmentInfo } from "./environments.ts";
export type {
  EventActor,
  EventData,
  EventMode,
  VaultEvent,
} from "./events/events.ts";
export type { DeadDelivery, Delivery, WebhookInfo, Webhooks } from "./events/webhooks.ts";
export { ROOT_KEY_SUFFIX } from "./files/vault-path.ts";
export type { HostSession, Principal, RootRotationReport, VaultHost } from "./host.ts";
export { ENVIRONMENT_DEFAULT, LOCK_WAIT_MS_DEFAULT, LOCK_WAIT_MS_MAX } from "./limits.ts";
export {
  EmbeddedVault,
  type OpenDatabaseOptions,
  type OpenFileOptions,
  type OpenVaultOptions,
  openFileHost,
  openPostgresHost,
  openVault,
  type PostgresHostOptions,
} from "./open-vault.ts";
export {
  BACKUP_SAMPLE,
  type BackupReport,
  type CheckOptions,
  checkBackup,
  type RestoreOptions,
  restoreVault,
} from "./restore.ts";
export { NEXT_ROOT_KEY_VARIABLE, newRootKeyText, ROOT_KEY_VARIABLE } from "./root/root-key.ts";
export type { RootRotation, RotateRootOptions } from "./rotate-root.ts";
export { migratePostgres } from "./storage/postgres/migrate.ts";
export type { PostgresOptions } from "./storage/postgres/options.ts";

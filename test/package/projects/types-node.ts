// Every entry, with the settings of a new project for Node.
import { Vault } from "coffer";
import { localEncryptSync } from "coffer/crypto";
import { isVaultError } from "coffer/errors";
import { isEventOf, type WebhookEvent } from "coffer/events";
import type { KekService } from "coffer/keks";
import type { KeyService } from "coffer/keys";
import type { KvService } from "coffer/kv";
import { rekeyMany } from "coffer/rekey";
import { createApp, listen } from "coffer/server";
import { sqliteTable } from "coffer/sources";
import { wasm } from "coffer/sync";
import { createTestVault } from "coffer/testing";
import { openVault } from "coffer/vault";
import { WorkOS } from "coffer/workos";

export type Ports = [KekService, KeyService, KvService];
export const used = [Vault, localEncryptSync, isVaultError, rekeyMany, createApp, listen, openVault, WorkOS];
export const more = [sqliteTable, wasm, createTestVault];

export function nameOf(event: WebhookEvent): string {
  return isEventOf(event, "vault.data.created") ? event.data.kv_name : event.id;
}

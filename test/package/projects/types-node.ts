// Every entry, with the settings of a new project for Node.
import { Vault } from "coffer";
import { localEncryptSync } from "coffer/crypto";
import { isVaultError } from "coffer/errors";
import type { KekService } from "coffer/keks";
import type { KeyService } from "coffer/keys";
import type { KvService } from "coffer/kv";
import { rekeyMany } from "coffer/rekey";
import { createApp, listen } from "coffer/server";
import { openVault } from "coffer/vault";
import { WorkOS } from "coffer/workos";

export type Ports = [KekService, KeyService, KvService];
export const used = [Vault, localEncryptSync, isVaultError, rekeyMany, createApp, listen, openVault, WorkOS];

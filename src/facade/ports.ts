/**
 * What stands behind a Vault.
 *
 * Owns the choice between ports that were given and requests to a service. Must not know what they are used for.
 *
 * @module
 */

import { checkOptions } from "../base/options.ts";
import { HttpKekService } from "../http/http-kek-service.ts";
import { HttpKeyService } from "../http/http-key-service.ts";
import { HttpKvService } from "../http/http-kv-service.ts";
import { HttpRecipientService } from "../http/http-recipient-service.ts";
import { Transport } from "../http/transport.ts";
import {
  HTTP_VAULT_OPTIONS,
  PORTS_OPTIONS,
  type VaultBehaviour,
  type VaultOptions,
  type VaultPorts,
} from "./options.ts";

/** The ports of a vault: those that were given, or requests to a service. @throws TypeError ERR_INVALID_ARGUMENT */
export function portsOf(options: VaultOptions): Omit<VaultPorts, keyof VaultBehaviour> {
  if (options.keys !== undefined) {
    checkOptions(options, PORTS_OPTIONS, "Vault");
    return options;
  }
  checkOptions(options, HTTP_VAULT_OPTIONS, "Vault");
  const { layout, requireCommitment, cache, sync, keys, ...http } = options;
  const transport = new Transport(http);
  return {
    keys: new HttpKeyService(transport),
    kv: new HttpKvService(transport),
    keks: new HttpKekService(transport),
    recipients: new HttpRecipientService(transport),
  };
}

/**
 * All operations, in the order of the OpenAPI document.
 *
 * Owns the list only: each group stands in a file of its own.
 *
 * @module
 */
import type { Operation } from "../core/operation.ts";
import { EVENT_OPERATIONS } from "./events.ts";
import { KEK_OPERATIONS } from "./keks.ts";
import { COFFER_KEY_OPERATIONS, VAULT_KEY_OPERATIONS } from "./keys.ts";
import { COFFER_KV_OPERATIONS, VAULT_KV_OPERATIONS } from "./kv.ts";
import { PUBLIC_OPERATIONS, RECIPIENT_OPERATIONS } from "./recipients.ts";
import { SENDER_OPERATIONS } from "./senders.ts";
import { STATUS_OPERATIONS } from "./status.ts";
import { WEBHOOK_OPERATIONS } from "./webhooks.ts";

/** `/vault/v1`: the 11 operations of the WorkOS Vault API, exactly (docs/spec/key-service-api.md section 2). */
const VAULT_API: readonly Operation[] = [...VAULT_KEY_OPERATIONS, ...VAULT_KV_OPERATIONS];

/** `/coffer/v1`: what WorkOS's API lacks (docs/spec/key-service-api.md section 3). */
const COFFER_API: readonly Operation[] = [
  ...COFFER_KEY_OPERATIONS,
  ...COFFER_KV_OPERATIONS,
  ...KEK_OPERATIONS,
  ...RECIPIENT_OPERATIONS,
  ...SENDER_OPERATIONS,
  ...WEBHOOK_OPERATIONS,
  ...EVENT_OPERATIONS,
  ...STATUS_OPERATIONS,
];

/** What the server can be asked. */
export const OPERATIONS: readonly Operation[] = [...VAULT_API, ...COFFER_API];

export { PUBLIC_OPERATIONS };

/**
 * What the services of one session work with.
 *
 * Owns the shape of it. Must not know the services.
 *
 * @module
 */
import type { Access } from "../access/access.ts";
import type { IdempotentWrites } from "../access/idempotency.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import type { Keyring } from "./keyring.ts";

/** An opened vault on behalf of a caller, in one environment. */
export interface SessionParts extends OpenedVault {
  readonly keyring: Keyring;
  readonly access: Access;
  /** Runs writes once per idempotency key. */
  readonly writes: IdempotentWrites;
}

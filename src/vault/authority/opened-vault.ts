/**
 * What all parts of an opened vault work with.
 *
 * Owns the shape of it. Must not know the parts.
 *
 * @module
 */
import type { SealedMlKem } from "../../crypto/hpke/given-ml-kem.ts";
import type { Database } from "../storage/database.ts";
import type { Authority } from "./authority.ts";

/** An opened vault, as its parts know it. */
export interface OpenedVault {
  readonly database: Database;
  /** Seals and checks the vault's rows. */
  readonly authority: Authority;
  /** 16 bytes. */
  readonly vaultId: Uint8Array;
  /** The clock of stored times, in milliseconds. */
  readonly now: () => number;
  /** ML-KEM-768 for recipients of the suite x-wing, where the runtime has none. */
  readonly mlKem?: SealedMlKem | undefined;
}

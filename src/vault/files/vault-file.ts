/**
 * A vault's file, opened: made only where none can have been.
 *
 * Owns the rule that a vault whose root key lies beside it is never made anew: it was there, and is lost or not mounted.
 * Must not know root keys' bytes, nor what the tables mean.
 *
 * @module
 */
import { dirname } from "node:path";
import { isVaultError, VaultError } from "../../errors.ts";
import type { Database } from "../storage/database.ts";
import { IN_MEMORY, openSqlite, type SqliteOptions } from "../storage/sqlite/open.ts";
import { isTaken, realPathOf, rootKeyBeside } from "./vault-path.ts";

/** How a vault's file is opened. */
export interface VaultFileOptions extends SqliteOptions {
  /** The root key's file, where another one than that beside the vault is named. */
  readonly rootKeyPath?: string | undefined;
}

/**
 * Opens the database of a vault.
 *
 * @throws VaultError ERR_VAULT_LOST if it is missing or empty beside its root key; else as `openSqlite`
 */
export async function openVaultFile(path: string, options: VaultFileOptions): Promise<Database> {
  // Looked at before the vault: a process that makes one makes its tables first and the root key's file after them.
  const wasThere = path !== IN_MEMORY && hasRootKeyBeside(path, options.rootKeyPath);
  try {
    return await openSqlite(path, { ...options, create: options.create && !wasThere });
  } catch (error) {
    if (!wasThere || !isVaultError(error, "ERR_VAULT_NOT_FOUND")) throw error;
    throw new VaultError(
      "ERR_VAULT_LOST",
      "the vault is missing or empty, but its root key lies beside it: it was lost, moved, or its disk is not mounted. " +
        "Put it back (coffer restore); or move the root key's file away, to begin with a new vault",
    );
  }
}

/** A root key elsewhere (a mounted secret, say) tells nothing of a vault; one in the vault's own directory does. */
function hasRootKeyBeside(path: string, named: string | undefined): boolean {
  if (rootKeyBeside(path).isThere) return true;
  if (named === undefined) return false;
  return isTaken(named) && dirname(realPathOf(named)) === dirname(realPathOf(path));
}

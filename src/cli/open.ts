/**
 * The vault that a command works with: the one place where it comes from.
 *
 * Owns the choice by options and environment variables. A vault behind a server will be opened here as well:
 * commands see only {@link CliVault}.
 *
 * @module
 */
import type { EmbeddedVault } from "../vault/index.ts";
import { usageError } from "./errors.ts";

/** What commands may ask of a vault. */
export type CliVault = Pick<
  EmbeddedVault,
  | "encrypt"
  | "decrypt"
  | "rekey"
  | "rewrap"
  | "createKv"
  | "getKv"
  | "getName"
  | "updateKv"
  | "deleteKv"
  | "undeleteKv"
  | "destroyKv"
  | "listKv"
  | "listKvVersions"
  | "listKvMetadata"
  | "rewrapKv"
  | "listKeks"
  | "rotateKek"
  | "disableKek"
  | "enableKek"
  | "shredKek"
  | "close"
>;

export const VAULT_VARIABLE = "COFFER_VAULT";
export const ENVIRONMENT_VARIABLE = "COFFER_ENVIRONMENT";

/** Options that say which vault. */
export interface VaultFlags {
  readonly vault?: string | undefined;
  readonly rootKeyFile?: string | undefined;
  readonly environment?: string | undefined;
}

export interface OpenRequest {
  /** Make the vault if there is none. */
  readonly create: boolean;
  readonly onNotice: (notice: string) => void;
}

/** Names one vault file; SQLite would make a vault in memory of it, gone with the process and its keys with it. */
const IN_MEMORY = ":memory:";

/** @throws CliError ERR_USAGE; and as `openVault` */
export async function openCliVault(flags: VaultFlags, request: OpenRequest): Promise<CliVault> {
  const path = given(flags.vault) ?? given(process.env[VAULT_VARIABLE]);
  if (path === undefined) {
    throw usageError(
      "no vault was given",
      `name its file with --vault PATH or the environment variable ${VAULT_VARIABLE}`,
    );
  }
  if (path === IN_MEMORY) throw usageError("a vault in memory would be gone with this process: name a file");
  // Loads node:sqlite: not before the filter of warnings is in place, and not for commands that need no vault.
  const { openVault, ROOT_KEY_VARIABLE } = await import("../vault/index.ts");
  // The library lets the variable go first; here what stands on the command line does.
  if (given(flags.rootKeyFile) !== undefined) delete process.env[ROOT_KEY_VARIABLE];
  return openVault({
    path,
    rootKeyPath: given(flags.rootKeyFile),
    environment: flags.environment ?? given(process.env[ENVIRONMENT_VARIABLE]),
    create: request.create,
    onNotice: request.onNotice,
    actor: { id: "cli", name: "coffer command" },
  });
}

/** An empty path, as an unset variable in a script leaves it, is none. */
function given(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

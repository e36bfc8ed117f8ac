/**
 * The vault that a command works with: the one place where it comes from.
 *
 * Owns the choice by options and environment variables. Commands see a `Vault`, whatever stands behind it.
 *
 * @module
 */
import type { Vault } from "../facade/vault.ts";
import type { Transport } from "../http/transport.ts";
import { looksLikeUrl } from "../vault/files/vault-path.ts";
import type { VaultHost } from "../vault/index.ts";
import { usageError } from "./errors.ts";
import { checkNoKey } from "./input/paths.ts";

/** Environment variables that say which vault, where no option does. This one: its file. */
export const VAULT_VARIABLE = "COFFER_VAULT";
/** The environment within the vault. */
export const ENVIRONMENT_VARIABLE = "COFFER_ENVIRONMENT";
/** The URL of the vault's PostgreSQL database. */
export const DATABASE_VARIABLE = "COFFER_DATABASE";
/** The URL of a coffer server. */
export const SERVER_VARIABLE = "COFFER_BASE_URL";

/** Options that say which vault. */
export interface VaultFlags {
  readonly server?: string | undefined;
  readonly database?: string | undefined;
  readonly vault?: string | undefined;
  readonly rootKeyFile?: string | undefined;
  readonly environment?: string | undefined;
}

/** How to open a vault. */
export interface OpenRequest {
  /** Make the vault if there is none. */
  readonly create: boolean;
  readonly onNotice: (notice: string) => void;
}

/** Names one vault file; SQLite would make a vault in memory of it, gone with the process and its keys with it. */
const IN_MEMORY = ":memory:";

/** @throws CliError ERR_USAGE; and as `openVault` */
export async function openCliVault(flags: VaultFlags, request: OpenRequest): Promise<Vault> {
  const server = serverUrl(flags);
  if (server !== undefined) return openServer(server, flags);
  const path = vaultPath(
    flags,
    `name its file with --vault PATH or the environment variable ${VAULT_VARIABLE}, or a server with --server URL`,
  );
  const { openVault } = await loadVault(flags);
  return openVault({
    ...request,
    path,
    rootKeyPath: rootKeyPath(flags),
    environment: flags.environment ?? given(process.env[ENVIRONMENT_VARIABLE]),
    actor: { id: "cli", name: "coffer command" },
  });
}

/** The URL of the server that was named, unless a file or a database was: what stands on the command line goes before any variable. */
export function serverUrl(flags: VaultFlags): string | undefined {
  const isElsewhere = given(flags.vault) !== undefined || given(flags.database) !== undefined;
  return given(flags.server) ?? (isElsewhere ? undefined : given(process.env[SERVER_VARIABLE]));
}

/** Loads node:sqlite: not before the filter of warnings is in place, and not for commands that need no vault. */
async function loadVault(flags: VaultFlags) {
  const vault = await import("../vault/index.ts");
  // The library lets the variable go first; here what stands on the command line does.
  if (given(flags.rootKeyFile) !== undefined) delete process.env[vault.ROOT_KEY_VARIABLE];
  return vault;
}

/** The vault's file. @param hint - where none was given @throws CliError ERR_USAGE */
export function vaultPath(flags: VaultFlags, hint: string): string {
  const path = given(flags.vault) ?? given(process.env[VAULT_VARIABLE]);
  if (path === undefined) throw usageError("no vault was given", hint);
  checkVaultPath(path);
  return path;
}

/** The API key comes by the environment only: an argument is seen by every process of the machine. */
async function openServer(url: string, flags: VaultFlags): Promise<Vault> {
  for (const other of ["vault", "database"] as const) {
    if (given(flags[other]) === undefined) continue;
    throw usageError(`--${other} and --server name two vaults: give one`);
  }
  const { Vault } = await import("../facade/vault.ts");
  return serving(url, () => new Vault({ baseUrl: url, extensions: true }));
}

/** @throws CliError ERR_USAGE for a bad URL or a missing API key */
export async function openTransport(url: string): Promise<Transport> {
  const { Transport } = await import("../http/transport.ts");
  return serving(url, () => new Transport({ baseUrl: url, extensions: true }));
}

/** Makes what reaches a server. @throws CliError ERR_USAGE */
function serving<T>(url: string, make: () => T): T {
  checkNoKey(
    url,
    `--server (or ${SERVER_VARIABLE})`,
    "the API key is read from the environment variable COFFER_API_KEY",
  );
  try {
    return make();
  } catch (error) {
    throw usageError(
      (error as Error).message,
      "the API key is read from the environment variable COFFER_API_KEY",
    );
  }
}

/**
 * The host behind a vault's file or a database, for commands that look after the vault itself.
 *
 * @throws CliError ERR_USAGE; and as `openFileHost` and `openPostgresHost`
 */
export async function openCliHost(
  flags: VaultFlags & { listen?: boolean },
  request: OpenRequest,
): Promise<VaultHost> {
  const { openFileHost, openPostgresHost } = await loadVault(flags);
  const url = databaseUrl(flags);
  if (url !== undefined) {
    const listen = flags.listen !== false;
    return openPostgresHost({ ...request, url, rootKeyPath: rootKeyPath(flags), listen });
  }
  const path = vaultPath(
    flags,
    `name its file with --vault PATH (or ${VAULT_VARIABLE}), or a database with --database URL (or ${DATABASE_VARIABLE})`,
  );
  return openFileHost({ ...request, path, rootKeyPath: rootKeyPath(flags) });
}

/** @throws CliError ERR_USAGE for what is no path of a vault's file; it is never shown, for it may be a key */
function checkVaultPath(path: string): void {
  const what = `--vault (or ${VAULT_VARIABLE})`;
  checkNoKey(path, what);
  if (/^postgres(?:ql)?:/i.test(path)) {
    throw usageError(
      `${what} takes the path of a file`,
      "a PostgreSQL database is named with --database URL",
    );
  }
  if (looksLikeUrl(path)) {
    throw usageError(
      `${what} takes the path of a file, not a URL`,
      "a coffer server is named with --server URL",
    );
  }
  if (path === IN_MEMORY) throw usageError("a vault in memory would be gone with this process: name a file");
  if (path.endsWith("/")) throw usageError(`${what} takes the path of a file, not of a directory`);
}

/** The path of the root key's file, if one was given. @throws CliError ERR_USAGE for what is no path */
export function rootKeyPath(flags: VaultFlags): string | undefined {
  const path = given(flags.rootKeyFile);
  if (path === undefined) return undefined;
  checkNoKey(
    path,
    "--root-key-file",
    "a root key itself is given by the environment variable COFFER_ROOT_KEY",
  );
  if (looksLikeUrl(path)) throw usageError("--root-key-file takes the path of a file, not a URL");
  return path;
}

/** The database that was named, unless a file was. */
export function databaseUrl(flags: VaultFlags): string | undefined {
  if (given(flags.vault) !== undefined && given(flags.database) !== undefined) {
    throw usageError("--vault and --database name two vaults: give one");
  }
  const url =
    given(flags.database) ?? (given(flags.vault) ? undefined : given(process.env[DATABASE_VARIABLE]));
  if (url === undefined) return undefined;
  const what = `--database (or ${DATABASE_VARIABLE})`;
  checkNoKey(url, what);
  if (!/^postgres(?:ql)?:\/\//i.test(url)) {
    const right = /^https?:/i.test(url)
      ? "a coffer server is named with --server URL"
      : "a file is named with --vault PATH";
    throw usageError(`${what} takes a URL that begins with postgres://`, right);
  }
  return url;
}

/** The name of the environment to work in. */
export function environmentName(flags: VaultFlags): string {
  return flags.environment ?? given(process.env[ENVIRONMENT_VARIABLE]) ?? "default";
}

/** An empty path, as an unset variable in a script leaves it, is none. */
function given(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

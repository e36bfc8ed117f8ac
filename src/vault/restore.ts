/**
 * Backups on their way back.
 *
 * Owns the proof that a backup is good, and its exchange with what stands in its place (docs/spec/keyring.md [KEY-59]). Must not
 * know keys: what a backup decrypts, a host tells.
 *
 * @module
 */
import { copyFileSync, createReadStream, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { checkOptions, optionNames } from "../base/options.ts";
import { isVaultError, VaultError } from "../errors.ts";
import { AtomicFile, syncDirectory } from "./files/atomic-file.ts";
import { asVaultError, exists, privateDirectory, translating } from "./files/backup-files.ts";
import { checkFilePath, isTaken, realPathOf, rootKeyBeside } from "./files/vault-path.ts";
import type { VaultHost } from "./host.ts";
import { openFileHost } from "./open-vault.ts";
import { ROOT_KEY_VARIABLE } from "./root/root-key.ts";
import { APPLICATION_ID } from "./storage/sqlite/connection.ts";
import { loadSqlite } from "./storage/sqlite/open.ts";

/** Stored values of each environment that a check decrypts, the newest first. Ours. */
export const BACKUP_SAMPLE = 100;

/** What SQLite keeps beside a database (sqlite.org/tempfiles.html, section 2). */
const JOURNALS = ["-wal", "-shm", "-journal"];

/** What a backup holds. */
export interface BackupReport {
  readonly bytes: number;
  readonly schemaVersion: number;
  readonly environments: number;
  readonly keks: number;
  readonly objects: number;
  readonly versions: number;
  readonly apiKeys: number;
  /** Undefined without a root key: then nothing was decrypted. */
  readonly sample?: { readonly decrypted: number; readonly outOfUse: number } | undefined;
}

/** How a backup is proved. */
export interface CheckOptions {
  /** The root key: 32 bytes or their base64. Default COFFER_ROOT_KEY, else the file at `rootKeyPath`. */
  readonly rootKey?: Uint8Array | string | undefined;
  readonly rootKeyPath?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Names of {@link CheckOptions}. */
const CHECK_OPTIONS = optionNames<CheckOptions>({ rootKey: true, rootKeyPath: true, signal: true });

/**
 * Proves a backup: it is whole, a vault, of this root key, and a sample of its values decrypts. The file is not touched: what
 * is opened is a private copy, which is gone afterwards.
 *
 * @throws VaultError ERR_VAULT_NOT_FOUND, ERR_STORAGE_CORRUPT (no vault, damaged, or a file with a journal beside it, which is no
 *   backup), ERR_ROOT_KEY_WRONG, ERR_STORAGE_SCHEMA; the signal's reason
 */
export async function checkBackup(backup: string, options: CheckOptions = {}): Promise<BackupReport> {
  checkOptions(options, RESTORE_OPTIONS, "checkBackup");
  checkFilePath(backup, "backup");
  const { rootKey, rootKeyPath, signal } = options;
  if (!existsSync(backup)) throw new VaultError("ERR_VAULT_NOT_FOUND", "there is no such backup");
  if (["-wal", "-journal"].some((end) => existsSync(backup + end))) {
    throw new VaultError(
      "ERR_STORAGE_CORRUPT",
      "this is no backup: a journal lies beside it, so the file alone may lack what was stored last. " +
        "It may be a vault in use: coffer backup makes a backup of it",
    );
  }
  const directory = await privateDirectory();
  try {
    const copy = join(directory, "vault.db");
    await translating(() => copyFileSync(backup, copy));
    signal?.throwIfAborted();
    const report = await translating(() => look(copy, statSync(backup).size));
    const isGiven =
      rootKey !== undefined ||
      (process.env[ROOT_KEY_VARIABLE] ?? "") !== "" ||
      (rootKeyPath !== undefined && isTaken(rootKeyPath));
    if (!isGiven) return report;
    const host = await openFileHost({ path: copy, rootKey, rootKeyPath, create: false, onNotice: () => {} });
    try {
      return { ...report, sample: await decryptSample(host, signal) };
    } finally {
      await host.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** How a backup is put in place. */
export interface RestoreOptions extends CheckOptions {
  /** Put it in the place of a vault that is there; that one is kept under another name. Default false. */
  readonly force?: boolean | undefined;
}

/** Names of {@link RestoreOptions}. */
const RESTORE_OPTIONS = optionNames<Pick<RestoreOptions, "force">>({ force: true }, CHECK_OPTIONS);

/**
 * Puts a backup in a vault's place, after all that {@link checkBackup} proves.
 *
 * @returns what it holds, and the names under which the files that stood there are kept
 * @throws as {@link checkBackup}; VaultError ERR_FILE_EXISTS without `force`, ERR_STORAGE_BUSY while a process has the vault open
 */
export async function restoreVault(
  backup: string,
  path: string,
  options: RestoreOptions = {},
): Promise<BackupReport & { readonly kept: readonly string[] }> {
  checkOptions(options, RESTORE_OPTIONS, "restoreVault");
  checkFilePath(path, "path");
  // Where a link leads: the link stays.
  const real = realPathOf(path);
  if (real === realPathOf(backup)) throw exists();
  if (options.force !== true && isTaken(real)) throw exists();
  const rootKeyPath = options.rootKeyPath ?? rootKeyBeside(path).path;
  const report = await checkBackup(backup, { ...options, rootKeyPath });
  const file = await translating(() => new AtomicFile(real, { replace: false }));
  try {
    for await (const piece of createReadStream(backup)) {
      options.signal?.throwIfAborted();
      await translating(() => file.write(piece as Uint8Array));
    }
    if (isTaken(real)) endJournal(real);
    const kept = await translating(() => setAside(real));
    await translating(() => file.commit());
    return { ...report, kept };
  } finally {
    file.discard();
  }
}

/** Integrity and counts, of a copy that only this process has open. */
function look(copy: string, bytes: number): BackupReport {
  const database = new (loadSqlite().DatabaseSync)(copy, { readOnly: true });
  try {
    const one = (statement: string): unknown => Object.values(database.prepare(statement).get() ?? {})[0];
    if (one("PRAGMA application_id") !== APPLICATION_ID) {
      throw new VaultError("ERR_STORAGE_CORRUPT", "this file is not a coffer vault");
    }
    if (one("PRAGMA integrity_check") !== "ok") {
      throw new VaultError("ERR_STORAGE_CORRUPT", "the backup is damaged: take another one");
    }
    const count = (table: string): number => Number(one(`SELECT count(*) FROM ${table}`));
    return {
      bytes,
      schemaVersion: Number(one("PRAGMA user_version")),
      environments: count("environments"),
      keks: count("keks"),
      objects: count("kv_objects"),
      versions: count("kv_versions"),
      apiKeys: count("api_keys"),
    };
  } finally {
    database.close();
  }
}

async function decryptSample(
  host: VaultHost,
  signal: AbortSignal | undefined,
): Promise<{ decrypted: number; outOfUse: number }> {
  let decrypted = 0;
  let outOfUse = 0;
  for (const { id } of await host.listEnvironments()) {
    const { kv } = host.session(id, { actor: { id: "backup", name: "check of a backup", source: "api" } });
    const { data } = await kv.listKv({ limit: BACKUP_SAMPLE });
    for (const object of data) {
      signal?.throwIfAborted();
      try {
        await kv.getKv({ id: object.id });
        decrypted += 1;
      } catch (error) {
        const isOutOfUse =
          isVaultError(error, "ERR_KEY_DISABLED") || isVaultError(error, "ERR_KEY_DESTROYED");
        if (!isOutOfUse) throw error;
        outOfUse += 1;
      }
    }
  }
  return { decrypted, outOfUse };
}

/** Brings what is left in a journal into the vault that is to be kept, which works only where no process has it open. */
function endJournal(path: string): void {
  try {
    const database = new (loadSqlite().DatabaseSync)(path, { timeout: 0 });
    try {
      database.exec("PRAGMA journal_mode = DELETE");
    } finally {
      database.close();
    }
  } catch (error) {
    if (isVaultError(asVaultError(error), "ERR_STORAGE_BUSY")) {
      throw new VaultError("ERR_STORAGE_BUSY", "a process has this vault open: end it, then restore", {
        cause: error,
      });
    }
    // What is damaged is kept as it is, with its journals.
  }
}

/**
 * Gives what stands in a vault's place another name. The database goes first: from then on the vault is missing, which
 * [KEY-55] refuses; a database whose journal is gone would be taken for a whole one.
 */
function setAside(path: string): string[] {
  const mark = `.before-restore-${new Date().toISOString().replace(/[-:.]/g, "")}`;
  const there = ["", ...JOURNALS].filter((end) => isTaken(path + end));
  for (const end of there) renameSync(path + end, path + mark + end);
  if (there.length > 0) syncDirectory(dirname(path));
  return there.map((end) => basename(path + mark + end));
}

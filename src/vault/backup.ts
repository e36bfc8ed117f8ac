/**
 * Backups of a vault's file.
 *
 * Owns the copy (docs/spec/keyring.md [KEY-58]). Must not know keys, nor how a backup is proved or put in place (restore.ts).
 *
 * @module
 */
import { createReadStream, existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Bytes } from "../base/bytes.ts";
import { untilAborted } from "../base/concurrency.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { VaultError } from "../errors.ts";
import { AtomicFile } from "./files/atomic-file.ts";
import { asVaultError, exists, privateDirectory, translating } from "./files/backup-files.ts";
import { checkFilePath, isTaken, realPathOf } from "./files/vault-path.ts";
import { LOCK_WAIT_MS_DEFAULT } from "./limits.ts";
import { APPLICATION_ID } from "./storage/sqlite/connection.ts";
import { loadSqlite } from "./storage/sqlite/open.ts";

/** Milliseconds between two looks at how far a copy has come. Ours. */
const PROGRESS_MS = 100;

/** How a backup is made. */
export interface BackupOptions {
  /** Let the backup replace a file; default false. */
  readonly force?: boolean | undefined;
  /** Told bytes written, and about how many there will be. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Rejects the call at once and leaves no backup; SQLite's own copy ends in the background. */
  readonly signal?: AbortSignal | undefined;
}

/** Names of {@link BackupOptions}. */
const BACKUP_OPTIONS = optionNames<BackupOptions>({ force: true, onProgress: true, signal: true });

/**
 * Copies a vault's file while processes go on using it. Everything that was answered before is in the copy.
 *
 * @param path - the vault
 * @param destination - the backup, made with mode 0600 when it is whole. The root key is not in it
 * @returns its size in bytes
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_VAULT_NOT_FOUND, ERR_STORAGE_CORRUPT if the file is no
 *   vault, ERR_FILE_EXISTS, and the storage's codes; the signal's reason
 */
export async function backupVault(
  path: string,
  destination: string,
  options: BackupOptions = {},
): Promise<{ readonly bytes: number }> {
  checkOptions(options, BACKUP_OPTIONS, "backupVault");
  checkFilePath(path, "path");
  checkFilePath(destination, "destination");
  if (realPathOf(destination) === realPathOf(path)) {
    throw new VaultError("ERR_FILE_EXISTS", "the backup would take the place of the vault itself");
  }
  if (options.force !== true && isTaken(destination)) throw exists();
  const file = await translating(() => new AtomicFile(destination, { replace: options.force === true }));
  try {
    const bytes = await copyInto(file, path, options);
    await translating(() => file.commit());
    return { bytes };
  } finally {
    file.discard();
  }
}

/** The same as a stream of bytes, by way of a temporary file. @throws as {@link backupVault} */
export async function* streamBackup(
  path: string,
  options: Omit<BackupOptions, "force"> = {},
): AsyncGenerator<Bytes> {
  checkOptions(options, BACKUP_OPTIONS, "streamBackup");
  checkFilePath(path, "path");
  const directory = await privateDirectory();
  try {
    const file = await translating(() => new AtomicFile(join(directory, "backup.db"), { replace: false }));
    try {
      await copyInto(file, path, options);
      for await (const piece of createReadStream(file.temporaryPath)) {
        options.signal?.throwIfAborted();
        yield piece as Bytes;
      }
    } finally {
      file.discard();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs where it can take its time: a copy holds the thread that makes it. Reads only; needs no root key. */
const COPY = `
  const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
  const { DatabaseSync } = process.getBuiltinModule("node:sqlite");
  const tell = (message) => parentPort.postMessage(message);
  try {
    const database = new DatabaseSync(workerData.from, { readOnly: true, timeout: workerData.lockWaitMs });
    try {
      const { application_id: id } = database.prepare("PRAGMA application_id").get();
      if (id === workerData.applicationId) {
        database.prepare("VACUUM INTO ?").run(workerData.to);
        tell({});
      } else tell({ isOther: true });
    } finally {
      database.close();
    }
  } catch ({ message, code, errcode }) {
    tell({ failed: { message, code, errcode } });
  }
`;

interface Copied {
  readonly isOther?: true;
  readonly failed?: { readonly message: string; readonly code?: string; readonly errcode?: number };
}

async function copyInto(file: AtomicFile, path: string, options: BackupOptions): Promise<number> {
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  if (!existsSync(path)) throw new VaultError("ERR_VAULT_NOT_FOUND", "there is no vault to back up");
  const total = statSync(path).size;
  loadSqlite();
  const worker = new Worker(COPY, {
    eval: true,
    workerData: {
      from: realPathOf(path),
      to: file.temporaryPath,
      applicationId: APPLICATION_ID,
      lockWaitMs: LOCK_WAIT_MS_DEFAULT,
    },
    execArgv: ["--no-warnings"],
  });
  const written = (): number => statSync(file.temporaryPath, { throwIfNoEntry: false })?.size ?? 0;
  const timer = setInterval(() => onProgress?.(written(), Math.max(total, written())), PROGRESS_MS);
  try {
    const copied = new Promise<Copied>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => resolve({ failed: { message: "the copy ended before it was whole" } }));
    });
    const { isOther, failed } = await untilAborted(copied, signal);
    if (isOther) throw new VaultError("ERR_STORAGE_CORRUPT", "this file is not a coffer vault");
    if (failed !== undefined) throw asVaultError(Object.assign(new Error(failed.message), failed));
  } finally {
    clearInterval(timer);
    void worker.terminate();
  }
  const bytes = written();
  onProgress?.(bytes, bytes);
  return bytes;
}

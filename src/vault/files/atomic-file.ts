/**
 * A file that comes to be whole or not at all.
 *
 * Owns the one way in which coffer writes files that are kept: beside the place under a name of its own, made
 * durable, then given its name, and the directory made durable. It also finds what a run that was ended by force has
 * left. Must not know what is written, nor how errors are told: what the system says is thrown as it comes.
 *
 * @module
 */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsync,
  fsyncSync,
  linkSync,
  lstatSync,
  opendirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  write,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { toHex } from "../../base/bytes.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";

const writeLater = promisify(write);
const syncLater = promisify(fsync);

/** Mode of a new file: only its owner may read it. */
export const OWNER_ONLY = 0o600;
const PERMISSIONS = 0o777;
const OWNER_PERMISSIONS = 0o700;

/**
 * Bytes of the longest name that is made up here. File systems take 255 (ext4, XFS, Btrfs, APFS); 143 is the least
 * that is met, that of eCryptfs.
 */
export const NAME_BYTES_MAX = 143;

/** Bytes that tell two temporary files of one process apart. */
const TEMPORARY_ID_BYTES = 8;
const TEMPORARY = /\.coffer-(\d{1,10})-[0-9a-f]{16}\.tmp$/;

/** Milliseconds without a write after which a temporary file is called left, even if another process has its process id now. */
const LEFT_AFTER_MS = 3_600_000;
/** Entries of a directory that are looked at for left files. */
const LOOKED_AT_MAX = 100_000;

/** How a file comes to be. */
export interface AtomicFileOptions {
  /** Take the place of a file of this name; without it, a name that is taken is EEXIST. */
  readonly replace: boolean;
  /** Give the file owner and permissions of the one that it replaces. Default: mode 0600. */
  readonly keepMode?: boolean;
}

/** A file that is being written. Nothing of it is found under its name before {@link commit}. */
export class AtomicFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #options: AtomicFileOptions;
  #fd: number | undefined;
  /** A signal or an error may end the process before anybody calls discard. */
  readonly #onExit = (): void => this.discard();

  /**
   * @param path - where it is to be; its directory must exist
   * @throws what the system says
   */
  constructor(path: string, options: AtomicFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#temporary = temporaryName(path);
    this.#fd = openSync(this.#temporary, "wx", OWNER_ONLY);
    process.on("exit", this.#onExit);
  }

  /** Where it is being written: for what writes files by name only. */
  get temporaryPath(): string {
    return this.#temporary;
  }

  /** Writes all bytes behind those before. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      at += (await writeLater(this.#open(), bytes, at, bytes.length - at, null)).bytesWritten;
    }
  }

  /** The same at once. */
  writeSync(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#open(), bytes, at);
  }

  /** Makes it durable and gives it its name. What fails leaves nothing, and what stood there before. */
  async commit(): Promise<void> {
    try {
      // In another thread: a large file takes its time, in which a signal must be heard.
      await syncLater(this.#open());
      this.#publish();
    } finally {
      this.discard();
    }
  }

  /** The same at once. */
  commitSync(): void {
    try {
      fsyncSync(this.#open());
      this.#publish();
    } finally {
      this.discard();
    }
  }

  /** Takes away what was written, unless it was committed. May be called more than once. */
  discard(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    process.off("exit", this.#onExit);
    rmSync(this.#temporary, { force: true });
    closeSync(fd);
  }

  #publish(): void {
    const fd = this.#open();
    if (this.#options.keepMode === true) takeOver(fd, this.#path);
    if (this.#options.replace) renameSync(this.#temporary, this.#path);
    else linkNew(this.#temporary, this.#path);
    syncDirectory(dirname(this.#path));
  }

  #open(): number {
    if (this.#fd === undefined) throw new Error("the file is closed");
    return this.#fd;
  }
}

/** A file that runs ended by force have left behind. */
export interface LeftFile {
  readonly path: string;
  readonly bytes: number;
}

/**
 * Finds temporary files beside a path whose writers are gone. What a process of another machine or container is
 * writing may be among them: they are named to people, never removed. Call it before this process writes there: a name
 * with its own id is an earlier process's, as in a container, where all have the same.
 */
export function leftFilesBeside(path: string): LeftFile[] {
  const directory = dirname(path);
  const found: LeftFile[] = [];
  try {
    const entries = opendirSync(directory);
    try {
      for (let looked = 0; looked < LOOKED_AT_MAX; looked++) {
        const entry = entries.readSync();
        if (entry === null) break;
        const writer = TEMPORARY.exec(entry.name)?.[1];
        if (writer === undefined || !entry.isFile()) continue;
        const { size, mtimeMs } = lstatSync(join(directory, entry.name));
        if (isOther(Number(writer)) && Date.now() - mtimeMs < LEFT_AFTER_MS) continue;
        found.push({ path: join(directory, entry.name), bytes: size });
      }
    } finally {
      entries.closeSync();
    }
  } catch {
    // A directory that may be written to but not listed, or a file that has just gone: nothing is known of them.
  }
  return found;
}

/** Whether another process of this id runs on this machine. */
export function isOther(processId: number): boolean {
  if (processId === process.pid) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Makes names in a directory durable.
 *
 * @throws what the system says, but where directories cannot be opened or synced at all: the file system does it in
 *   its own time there
 */
export function syncDirectory(path: string): void {
  try {
    const fd = openSync(path, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (!CANNOT_SYNC.has((error as NodeJS.ErrnoException).code)) throw error;
  }
}

const CANNOT_SYNC: ReadonlySet<string | undefined> = new Set([
  "EACCES",
  "EPERM",
  "EISDIR",
  "EINVAL",
  "EBADF",
  "ENOTSUP",
  "ENOSYS",
]);

/** Cuts a name to at most so many bytes of UTF-8, between characters. */
export function cutName(name: string, bytesMax: number): string {
  let bytes = 0;
  let cut = "";
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) return cut;
    cut += character;
  }
  return cut;
}

/** In the same directory, so that it can be renamed; no longer than a file system takes, however long the name is. */
function temporaryName(path: string): string {
  const suffix = `.coffer-${process.pid}-${toHex(randomBytes(TEMPORARY_ID_BYTES))}.tmp`;
  return join(dirname(path), cutName(basename(path), NAME_BYTES_MAX - suffix.length) + suffix);
}

/** Gives the file its name if no file has it: linking fails where renaming would replace. @throws EEXIST */
function linkNew(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    // A file system without links: the name is taken by an empty file first, and that one is replaced.
    closeSync(openSync(path, "wx", OWNER_ONLY));
    try {
      renameSync(temporary, path);
    } catch (failed) {
      rmSync(path, { force: true });
      throw failed;
    }
  }
}

/** Owner and permissions of the file at `path`, if there is one. */
function takeOver(fd: number, path: string): void {
  let before: Stats;
  try {
    before = lstatSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  let mode = before.mode & PERMISSIONS;
  try {
    fchownSync(fd, before.uid, before.gid);
  } catch {
    // What another owner's group was allowed is not given to this owner's group.
    mode &= OWNER_PERMISSIONS;
  }
  fchmodSync(fd, mode);
}

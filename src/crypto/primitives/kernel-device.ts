/**
 * The kernel's random device, held open.
 *
 * Owns its descriptor and the proof that it is still the device. An application that closes a descriptor by mistake and
 * opens a file may get the same number for it; reading on would take nonces from the file. So every read names a place
 * that no file reaches: a generator has no places and answers, a file ends there, a pipe or socket refuses, and no
 * position moves. This costs nothing. What is left, another character device, is found by `prove`. Must not know what
 * the bytes are for.
 *
 * @module
 */

import type { Runtime } from "../../base/runtime.ts";
import { VaultError } from "../../errors.ts";

type FileSystem = NonNullable<Runtime["fs"]>;

/** The kernel's generator on Linux, macOS and the BSDs; does not exist on Windows. */
export const KERNEL_DEVICE = "/dev/urandom";

/** Where the device is read: byte 2^52. No file is that large (4 PiB; ext4 ends at 2^44). */
const BEHIND_EVERY_FILE = 2 ** 52;

/** Device numbers of `random` and `urandom`: major 1, minor 8 and 9 (Linux, Documentation/admin-guide/devices.txt). */
const LINUX_DEVICES: readonly number[] = [0x108, 0x109];
const LINUX = ["linux", "android"];

/** The kind of file in a mode, and the one that devices of characters have (POSIX, sys/stat.h). */
const FILE_TYPE = 0o170_000;
/** Not by `isCharacterDevice()`, which Deno answers wrongly before 2.6. */
const CHARACTER_DEVICE = 0o020_000;

/** Which device an open descriptor is. */
interface Identity {
  readonly dev: number;
  readonly ino: number;
  readonly rdev: number;
}

/** The device, opened at the first read. */
export class KernelDevice {
  readonly #fs: FileSystem;
  readonly #platform: string | undefined;
  readonly #path: string;
  #fd: number | undefined;
  #identity: Identity | undefined;
  /** Whether it can be read at a place; elsewhere each read is proved before. */
  #hasPlaces = true;

  /** Opens nothing yet. */
  constructor(fs: FileSystem, platform: string | undefined, path = KERNEL_DEVICE) {
    this.#fs = fs;
    this.#platform = platform;
    this.#path = path;
  }

  /**
   * Opens the device and proves that it is one, unless it is open.
   *
   * @throws VaultError ERR_RANDOM_UNAVAILABLE
   */
  open(): number {
    if (this.#fd !== undefined) return this.#fd;
    let fd: number;
    try {
      fd = this.#fs.openSync(this.#path, "r");
    } catch (cause) {
      throw this.#unopened(cause);
    }
    try {
      const { dev, ino, rdev } = this.#check(fd);
      this.#hasPlaces = this.#readsAtPlaces(fd);
      this.#identity = { dev, ino, rdev };
    } catch (error) {
      this.#fs.closeSync(fd);
      throw error;
    }
    this.#fd = fd;
    return fd;
  }

  /** Looks whether the descriptor is still the device's. If not it is let go of, and opened anew at the next read. */
  prove(): void {
    if (this.#fd === undefined) return;
    try {
      const { dev, ino, rdev } = this.#fs.fstatSync(this.#fd);
      const known = this.#identity as Identity;
      if (dev === known.dev && ino === known.ino && rdev === known.rdev) return;
    } catch {
      // Closed.
    }
    // Not closed here: the number belongs to another file by now.
    this.#fd = undefined;
  }

  /**
   * Fills a part of an array from the kernel.
   *
   * @throws VaultError ERR_RANDOM_UNAVAILABLE
   */
  fill(target: Uint8Array, offset: number, length: number): void {
    if (this.#fd !== undefined && this.#hasPlaces) {
      // Nearly every read: a few bytes, all at once.
      try {
        if (this.#fs.readSync(this.#fd, target, offset, length, BEHIND_EVERY_FILE) === length) return;
      } catch {
        // Told below, if it is still so.
      }
    }
    this.#fillBySteps(target, offset, length);
  }

  #fillBySteps(target: Uint8Array, offset: number, length: number): void {
    const end = offset + length;
    let at = offset;
    let isSecondTry = false;
    while (at < end) {
      if (!this.#hasPlaces) this.prove();
      const fd = this.#fd ?? this.open();
      let failure: unknown;
      try {
        const place = this.#hasPlaces ? BEHIND_EVERY_FILE : null;
        const read = this.#fs.readSync(fd, target, at, end - at, place);
        if (read > 0) {
          at += read;
          continue;
        }
      } catch (error) {
        failure = error;
      }
      // The descriptor was closed, or is something else now.
      this.#fd = undefined;
      if (isSecondTry) throw unavailable("the kernel's random device cannot be read", failure);
      isSecondTry = true;
    }
  }

  #check(fd: number): Identity {
    const stat = this.#fs.fstatSync(fd);
    // A regular file in its place, as in a badly made chroot, would repeat itself.
    const isOther = LINUX.includes(this.#platform ?? "") && !LINUX_DEVICES.includes(stat.rdev);
    if ((stat.mode & FILE_TYPE) !== CHARACTER_DEVICE || isOther) {
      throw unavailable(`${this.#path} is not the kernel's random device`);
    }
    return stat;
  }

  #readsAtPlaces(fd: number): boolean {
    try {
      return this.#fs.readSync(fd, new Uint8Array(1), 0, 1, BEHIND_EVERY_FILE) === 1;
    } catch {
      return false;
    }
  }

  #unopened(cause: unknown): VaultError {
    const { code } = cause as { code?: unknown };
    const what = `the kernel's random device ${this.#path} cannot be opened`;
    if (code === "EMFILE" || code === "ENFILE") {
      return unavailable(
        `${what}: too many files are open (${code}). Raise the limit of open files (ulimit -n)`,
        cause,
        true,
      );
    }
    if (code === "ENOENT") {
      return unavailable(`${what}: there is none. Mount /dev where this process runs`, cause);
    }
    return unavailable(
      `${what}: the process needs permission to read it (--allow-fs-read=${this.#path} on Node with --permission, ` +
        `--allow-read=${this.#path} on Deno)`,
      cause,
    );
  }
}

function unavailable(message: string, cause?: unknown, retryable = false): VaultError {
  return new VaultError("ERR_RANDOM_UNAVAILABLE", message, { cause, retryable });
}

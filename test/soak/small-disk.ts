/**
 * A small file system in memory that can be filled up.
 *
 * Owns the mount. Must not know what is written to it.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";

const CHUNK_BYTES = 64 * 1_024;

/** A file system that is mounted. */
export interface SmallDisk {
  readonly at: string;
  end(): void;
}

/** Mounts one at a new folder. @returns why it cannot be, where it cannot */
export function mount(at: string, kib: number): SmallDisk | Error {
  mkdirSync(at);
  const options = `size=${kib}k,mode=0711`;
  const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", at], {
    encoding: "utf8",
  });
  if (status !== 0) return new Error(`no small disk: ${error?.message ?? stderr.trim()}`);
  const end = (): void => {
    process.off("exit", end);
    // Lazily: a process that was killed a moment ago may still have a file of it.
    spawnSync("umount", ["--lazy", at]);
  };
  process.once("exit", end);
  return { at, end };
}

/** Writes a file until it has so many bytes or the disk is full. */
export function fill(path: string, bytes: number): void {
  const file = openSync(path, "w");
  try {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let written = 0; written < bytes; ) written += writeSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
}

/**
 * Files that results are written to.
 *
 * Owns how such a file comes to be: whole or not at all, readable by its owner only, and never in the place of
 * another one unless told so.
 *
 * @module
 */
import { closeSync, fsyncSync, linkSync, lstatSync, openSync, renameSync, rmSync } from "node:fs";
import { toHex } from "../crypto/bytes.ts";
import { randomBytes } from "../crypto/random.ts";
import { CliError, systemReason } from "./errors.ts";
import { writeAll } from "./io.ts";

const FILE_MODE = 0o600;

/** Looks early whether the file may be written, before any work is done for it. @throws as {@link writeOutFile} */
export function checkOutFile(path: string, force: boolean): void {
  let isFile: boolean;
  try {
    isFile = lstatSync(path).isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw failed(error);
  }
  if (!isFile) {
    throw new CliError(
      "ERR_OUTPUT_EXISTS",
      "the output file exists and is not a plain file: it is not replaced",
    );
  }
  if (!force) throw fileExists();
}

/**
 * Writes a file beside its place, makes it durable and moves it there.
 *
 * @throws CliError ERR_OUTPUT_EXISTS, ERR_OUTPUT_FAILED
 */
export function writeOutFile(path: string, bytes: Uint8Array, force: boolean): void {
  checkOutFile(path, force);
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`;
  try {
    const fd = openSync(temporary, "wx", FILE_MODE);
    try {
      writeAll(fd, bytes);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (force) renameSync(temporary, path);
    else linkNew(temporary, path);
  } catch (error) {
    throw error instanceof CliError ? error : failed(error);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Gives the file its name if nobody has it: linking fails where renaming would replace. */
export function linkNew(temporary: string, path: string): void {
  try {
    linkSync(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw fileExists();
    // A file system without links; the name was free a moment ago.
    if (code !== "EPERM" && code !== "ENOTSUP" && code !== "ENOSYS") throw error;
    renameSync(temporary, path);
  }
}

function fileExists(): CliError {
  return new CliError("ERR_OUTPUT_EXISTS", "the output file exists already", "--force replaces it");
}

function failed(error: unknown): CliError {
  return new CliError("ERR_OUTPUT_FAILED", `the output file cannot be written (${systemReason(error)})`);
}

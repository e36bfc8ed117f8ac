/**
 * Files that results are written to.
 *
 * Owns when such a file may be written and what users are told if it cannot. It comes to be whole or not at all
 * (vault/atomic-file.ts), readable by its owner only, and never in the place of another one unless told so. Must not
 * know what is written.
 *
 * @module
 */
import { lstatSync } from "node:fs";
import { AtomicFile, type AtomicFileOptions } from "../../vault/files/atomic-file.ts";
import { CliError, systemReason } from "../errors.ts";
import { dropJournal } from "./rekey-journal.ts";

/** Looks early whether the file may be written, before any work is done for it. @throws as {@link OutFile} */
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
  if (!force) throw failed({ code: "EEXIST" });
}

/** A result on its way into a file. Every call throws CliError ERR_OUTPUT_EXISTS or ERR_OUTPUT_FAILED. */
export class OutFile {
  readonly #path: string;
  readonly #file: AtomicFile;

  constructor(path: string, options: AtomicFileOptions) {
    checkOutFile(path, options.replace);
    this.#path = path;
    try {
      this.#file = new AtomicFile(path, options);
    } catch (error) {
      throw failed(error);
    }
  }

  write(bytes: Uint8Array): Promise<void> {
    return telling(this.#file.write(bytes));
  }

  /** Makes it durable and gives it its name. */
  async commit(): Promise<void> {
    await telling(this.#file.commit());
    try {
      // The file that a rekey was interrupted in is not there any more.
      dropJournal(this.#path);
    } catch {
      // It is about another file, and no longer believed.
    }
  }

  /** Takes away what was written, unless it was committed. May be called more than once. */
  discard(): void {
    this.#file.discard();
  }
}

/** Writes a whole file. @throws as {@link OutFile} */
export async function writeOutFile(path: string, bytes: Uint8Array, force: boolean): Promise<void> {
  const file = new OutFile(path, { replace: force });
  try {
    await file.write(bytes);
    await file.commit();
  } finally {
    file.discard();
  }
}

async function telling(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw failed(error);
  }
}

function failed(error: unknown): CliError {
  if ((error as NodeJS.ErrnoException).code === "EEXIST") {
    return new CliError("ERR_OUTPUT_EXISTS", "the output file exists already", "--force replaces it");
  }
  return new CliError("ERR_OUTPUT_FAILED", `the output file cannot be written (${systemReason(error)})`);
}

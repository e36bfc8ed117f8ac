/**
 * Whether the files that a connection writes to are still those under their names.
 *
 * Owns the comparison. A file that was removed or replaced goes on taking writes from processes that have it open, and all of them
 * are gone when the last one closes it. Looks at names only: opening and closing the file would end the process's locks
 * on it (sqlite.org/howtocorrupt.html, section 2.2). Must not know what is in the files.
 *
 * @module
 */
import { statSync } from "node:fs";
import { VaultError } from "../../../errors.ts";

/** Milliseconds for which a look is believed by calls that write nothing. Ours. */
export const FILE_LOOK_MS = 1_000;

interface Identity {
  readonly name: string;
  readonly device: bigint;
  readonly file: bigint;
}

/** Files, as they were when a vault was opened. */
export class FileWatch {
  readonly #files: readonly Identity[];
  #lookedAt = performance.now();

  /** @param names - absolute paths; those that are not there now are not watched */
  constructor(names: readonly string[]) {
    this.#files = names.map(identify).filter((file) => typeof file === "object");
  }

  /** @throws VaultError ERR_VAULT_LOST */
  look(): void {
    this.#lookedAt = performance.now();
    for (const { name, device, file } of this.#files) {
      const now = identify(name);
      if (now === undefined) throw lost("removed");
      if (now !== "unknown" && (now.device !== device || now.file !== file)) throw lost("replaced");
    }
  }

  /** The same, unless the last look is fresh enough. */
  lookNowAndThen(): void {
    if (performance.now() - this.#lookedAt >= FILE_LOOK_MS) this.look();
  }
}

function identify(name: string): Identity | "unknown" | undefined {
  try {
    // As BigInt: neighbouring numbers of large file systems are the same number otherwise.
    const stat = statSync(name, { bigint: true });
    return { name, device: stat.dev, file: stat.ino };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A directory that may not be looked into says nothing of the file.
    return code === "ENOENT" || code === "ENOTDIR" ? undefined : "unknown";
  }
}

function lost(how: string): VaultError {
  return new VaultError(
    "ERR_VAULT_LOST",
    `the vault's file or its journal was ${how} while the vault was open: nothing more is written. ` +
      "Put it back (coffer restore), then open it again",
  );
}

/**
 * What the user is told when a command fails.
 *
 * Owns the lines on standard error and the hints. Shows codes and the library's messages, which hold no secret;
 * never a stack trace, never the message of an unexpected error.
 *
 * @module
 */
import type { Command } from "commander";
import { isVaultError, type VaultErrorCode } from "../../errors.ts";
import { CliError, systemReason } from "../errors.ts";
import { type ErrorCode, type ErrorExitCode, exitCodeOf } from "./exit-codes.ts";
import { type Format, jsonText, visible } from "./format.ts";
import { fittingHints, Hinted } from "./hints.ts";

/** What is told of an error. */
export interface ErrorReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: ErrorExitCode;
  /** Whether the same command may succeed later. */
  readonly retryable: boolean;
  readonly hints: readonly string[];
}

/** What a user can do, by the code of the error. */
export const HINTS: Partial<Readonly<Record<VaultErrorCode, readonly string[]>>> = {
  ERR_ENVELOPE_MALFORMED: ["the text may have been cut off or changed on its way"],
  ERR_DECRYPT_FAILED: [
    "a ciphertext that was made with --aad needs exactly the same --aad",
    "with --expect-context the context must be exactly the one of the ciphertext",
  ],
  ERR_KEY_NOT_FOUND: ["`coffer keys list` shows the KEKs; the vault or its --environment may be another one"],
  ERR_API_KEY_NOT_FOUND: ["`coffer api-keys list` shows the API keys and their ids"],
  ERR_KEY_DISABLED: ["`coffer keys enable KEK` puts it back into use"],
  ERR_KEY_DESTROYED: ["`coffer keys rotate KEK` makes a version for new data; the old data stays lost"],
  ERR_SENDER_REFUSED: [
    "`coffer recipients senders list ID` shows the recipient's senders; `coffer seal --sender-key FILE` signs",
  ],
  ERR_KV_NOT_FOUND: [
    "`coffer kv list` shows the objects, `coffer kv list --deleted` those that can be undeleted",
  ],
  ERR_KV_EXISTS: ["`coffer kv put` without --create-only writes a new version"],
  ERR_KV_VERSION_CONFLICT: [
    "`coffer kv metadata NAME --field metadata.versionId` prints the current version",
  ],
  ERR_KV_VALUE_TOO_LARGE: ["`coffer encrypt` takes larger data; store its ciphertext elsewhere"],
  ERR_ROOT_KEY_MISSING: ["name its file with --root-key-file PATH, or set COFFER_ROOT_KEY"],
  ERR_ROOT_KEY_WRONG: [
    "the vault needs the root key that it was made with: see --root-key-file and COFFER_ROOT_KEY",
  ],
  ERR_VAULT_NOT_FOUND: [
    "check --vault or COFFER_VAULT",
    "`coffer encrypt`, `coffer kv put --context ...` and `coffer server --create` make a new vault",
  ],
  ERR_VAULT_LOST: ["`coffer restore BACKUP --vault PATH` puts a backup in place: see docs/backup.md"],
  ERR_ANCHOR_MISMATCH: [
    "find out who put it there; if it was you (a backup, restored on purpose), remove the anchor's file: it is then written anew",
  ],
  ERR_FILE_EXISTS: ["name another file, or --force"],
  ERR_STORAGE_BUSY: ["another process is writing: try again"],
  ERR_STORAGE_CORRUPT: ["check that --vault names a coffer vault; if it does, restore it from a backup"],
};

/**
 * Takes an error apart into what may be shown.
 *
 * @param command - the one that failed: hints that name options it lacks are left out
 */
export function describe(error: unknown, command?: Command): ErrorReport {
  const report = reportOf(error);
  return { ...report, hints: fittingHints(report.hints, command) };
}

function reportOf(error: unknown): ErrorReport {
  if (error instanceof Hinted) {
    const report = reportOf(error.error);
    return { ...report, hints: [...error.hints, ...report.hints] };
  }
  if (isVaultError(error)) {
    const { code, message, retryable } = error;
    return { code, message, exitCode: exitCodeOf(code), retryable, hints: HINTS[code] ?? [] };
  }
  if (error instanceof CliError) return ofCli(error);
  // The library's own word for wrong arguments; its messages name arguments, not their content.
  if (error instanceof Error && (error as { code?: unknown }).code === "ERR_INVALID_ARGUMENT") {
    return ofCli(new CliError("ERR_INVALID_ARGUMENT", error.message));
  }
  if (isSystemError(error)) {
    return ofCli(new CliError("ERR_SYSTEM", `the system refused a call (${systemReason(error)})`));
  }
  return ofCli(new CliError("ERR_INTERNAL", `unexpected ${kindOf(error)}: this is a defect of coffer`));
}

function ofCli({ code, message, hints }: CliError): ErrorReport {
  return { code, message, exitCode: exitCodeOf(code), retryable: false, hints };
}

/** What the system says of a call, where there are no better words: its own message holds paths. */
function isSystemError(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  return error instanceof Error && typeof syscall === "string" && /^E[A-Z0-9]+$/.test(String(code));
}

/** Kind and place of an error: enough to find it, and nothing that it was made from. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return "error";
  // The first line that is not within Node itself.
  const place = /^ {4}at (?!.*\bnode:).*?([\w.-]+:\d+):\d+\)?$/m.exec(error.stack ?? "")?.[1];
  return `${error.constructor.name}${place === undefined ? "" : ` at ${place}`}`;
}

/** The lines for standard error. */
export function reportText(report: ErrorReport, format: Format): string {
  if (format === "json") return `${jsonText({ error: report }, 0)}\n`;
  const lines = [`error: ${report.message} (${report.code})`, ...report.hints.map((hint) => `hint: ${hint}`)];
  return lines.map((line) => `coffer: ${visible(line)}\n`).join("");
}

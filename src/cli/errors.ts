/**
 * Errors of the command itself: wrong usage, files that cannot be read or written.
 *
 * Owns their codes. Messages never show a value, for a secret may stand where a name was expected. Must not know
 * how errors are printed or which exit codes they have.
 *
 * @module
 */

/** Codes beside the library's; as stable as those. */
export const CLI_ERROR_CODES = [
  "ERR_USAGE",
  "ERR_INPUT_UNREADABLE",
  "ERR_OUTPUT_EXISTS",
  "ERR_OUTPUT_FAILED",
  "ERR_OUTPUT_BINARY",
  "ERR_NOT_CONFIRMED",
  "ERR_KV_AMBIGUOUS",
  /** A library argument that the command should have checked itself. */
  "ERR_INVALID_ARGUMENT",
  /** The operating system refused a call. */
  "ERR_SYSTEM",
  /** A defect of coffer. */
  "ERR_INTERNAL",
] as const;

/** Codes of the command's own errors. */
export type CliErrorCode = (typeof CLI_ERROR_CODES)[number];

/** Something that the command, not the library, has found wrong. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: CliErrorCode;
  /** What the user may do about it. */
  readonly hints: readonly string[];

  constructor(code: CliErrorCode, message: string, ...hints: readonly string[]) {
    super(message);
    this.code = code;
    this.hints = hints;
  }
}

/** An error of usage: exit code 1. */
export function usageError(message: string, ...hints: readonly string[]): CliError {
  return new CliError("ERR_USAGE", message, ...hints);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a directory",
  ENOTDIR: "a part of its path is not a directory",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EMFILE: "this process may not open more files",
  ENFILE: "the system may not open more files",
  ENAMETOOLONG: "its name or path is too long",
  ELOOP: "its links lead around in a circle",
  EFBIG: "the file may not get that large",
  EIO: "the disk or its connection failed",
  EBUSY: "it is in use, as a mount point is",
  EXDEV: "the directory is another file system",
  ETXTBSY: "it is a program that runs",
  ENXIO: "nobody is there",
  EEXIST: "something of this name is there already",
  EINVAL: "the file system cannot do that",
  ENOTSUP: "the file system cannot do that",
  ENOMEM: "there is not enough memory",
};

/** Why a call of the system failed, in its own word and ours. The message of such an error holds paths: never shown. */
export function systemReason(error: unknown): string {
  const { code } = error as { code?: unknown };
  if (typeof code !== "string" || !/^[A-Z0-9_]+$/.test(code)) return "unknown reason";
  const reason = REASONS[code];
  return reason === undefined ? code : `${reason}, ${code}`;
}

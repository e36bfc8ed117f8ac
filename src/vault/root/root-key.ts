/**
 * The root key: 32 bytes that everything else in a vault hangs on.
 *
 * Owns where it comes from (an argument, the environment, a file beside the vault) and its text form. Must not
 * know what it wraps.
 *
 * @module
 */
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { decodeBase64, encodeBase64 } from "../../base/base64.ts";
import { ascii, equalBytes, toHex } from "../../base/bytes.ts";
import { KEY_BYTES } from "../../crypto/limits.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { VaultError } from "../../errors.ts";
import { syncDirectory } from "../files/atomic-file.ts";
import { isTaken, ROOT_KEY_SUFFIX, rootKeyBeside } from "../files/vault-path.ts";
import { fileError } from "../storage/sqlite/errors.ts";

/** The environment variable that may hold the root key, as base64. */
export const ROOT_KEY_VARIABLE = "COFFER_ROOT_KEY";

/** The environment variable that holds the next root key while the root is being rotated. */
export const NEXT_ROOT_KEY_VARIABLE = "COFFER_ROOT_KEY_NEXT";

/** What is added to the path of the root key's file to name that of the next one. */
const NEXT_SUFFIX = ".next";

/** Mode of the file: its owner alone may read it. */
const FILE_MODE = 0o600;
const OTHERS_MASK = 0o077;

/** Bytes of the largest file that is read as a root key: its text and white space. */
const FILE_BYTES_MAX = 1024;

/** Name the arguments in messages. */
const ARGUMENT_WORDS = "the root key given";
const NEXT_ARGUMENT_WORDS = "the next root key given";

/** People set it to a path. */
const VARIABLE_WORDS = `${ROOT_KEY_VARIABLE}, which holds the key itself and not the path of its file,`;

/** A root key that was found or made. */
export interface FoundRootKey {
  readonly key: SecretBytes;
  readonly source: "argument" | "environment" | "file" | "created";
  /** Things the user should know. */
  readonly notices: readonly string[];
}

/** A file of a root key. */
export interface RootKeyFile {
  readonly path: string;
  /** Names it in messages, without the path: a key may stand where a path was meant. */
  readonly what: string;
}

/** The file that is named, else the one beside the vault. */
export function rootKeyFile(
  named: string | undefined,
  vaultPath: string | undefined,
): RootKeyFile | undefined {
  if (named !== undefined) return { path: named, what: "the file that was named for it" };
  if (vaultPath === undefined) return undefined;
  const { path } = rootKeyBeside(vaultPath);
  return { path, what: `the file beside the vault (its path with ${ROOT_KEY_SUFFIX} added)` };
}

/** Where the root key may come from. */
export interface RootKeyRequest {
  /** The key itself: 32 bytes, or their base64. */
  readonly argument: Uint8Array | string | undefined;
  /** The value of the environment variable. */
  readonly variable: string | undefined;
  /** The next root key itself, while the root is being rotated. */
  readonly nextArgument: Uint8Array | string | undefined;
  /** The value of the environment variable for the next root key. */
  readonly nextVariable: string | undefined;
  /** Its file, which is there or is to be made; undefined where there is none. */
  readonly file: RootKeyFile | undefined;
  /** Make one that is kept nowhere if none is given: for a vault that lives in memory. */
  readonly isEphemeral: boolean;
  /** Make the file if it is missing: only for a vault that has no root key yet. */
  readonly create: boolean;
}

/**
 * Finds the root key: the argument, else the environment variable, else the file.
 *
 * @throws VaultError ERR_ROOT_KEY_MISSING, ERR_ROOT_KEY_INVALID (not 32 bytes in base64), ERR_STORAGE_FULL,
 *   ERR_STORAGE_READ_ONLY, ERR_STORAGE_UNAVAILABLE
 */
export function findRootKey(request: RootKeyRequest): FoundRootKey {
  if (request.argument !== undefined) {
    return { key: parse(request.argument, ARGUMENT_WORDS), source: "argument", notices: [] };
  }
  if (request.variable !== undefined && request.variable !== "") {
    return { key: parse(request.variable.trim(), VARIABLE_WORDS), source: "environment", notices: [] };
  }
  if (request.isEphemeral) {
    return { key: new SecretBytes(randomBytes(KEY_BYTES)), source: "created", notices: [] };
  }
  const { file } = request;
  if (file === undefined) {
    throw missing(`neither an argument nor a file nor ${ROOT_KEY_VARIABLE} gives it`);
  }
  // Looked at before it is read: another process may make it in between.
  const isThere = isTaken(file.path);
  const read = readKeyFile(file);
  if (read !== undefined) return read;
  if (isThere) throw missing(`${file.what} is a symbolic link that leads nowhere`);
  if (!request.create) throw missing(`${file.what} does not exist and ${ROOT_KEY_VARIABLE} is not set`);
  if (createKeyFile(file.path)) {
    const notice = `created the root key in ${file.what}: keep a copy of it elsewhere, nothing can be read without it`;
    return { ...readKeyFile(file)!, source: "created", notices: [notice] };
  }
  // Another process made it in the same moment.
  return readKeyFile(file)!;
}

/** What of a request names the next root key. */
type NextRequest = Pick<RootKeyRequest, "nextArgument" | "nextVariable" | "file">;

/**
 * The next root key, while the root is being rotated: the argument, else its own environment variable, else the file beside that
 * of the root key.
 *
 * @throws VaultError ERR_ROOT_KEY_INVALID
 */
export function findNextRootKey(request: NextRequest): SecretBytes | undefined {
  const given = givenNextRootKey(request);
  if (given !== undefined) return given;
  const file = nextOf(request.file);
  return file === undefined ? undefined : readKeyFile(file)?.key;
}

function givenNextRootKey({ nextArgument, nextVariable }: NextRequest): SecretBytes | undefined {
  if (nextArgument !== undefined) return parse(nextArgument, NEXT_ARGUMENT_WORDS);
  if (nextVariable === undefined || nextVariable === "") return undefined;
  return parse(nextVariable.trim(), NEXT_ROOT_KEY_VARIABLE);
}

/** The root keys that are in files now: the next one, and that of the vault. */
export function rereadRootKeys({ file }: Pick<RootKeyRequest, "file">): readonly SecretBytes[] {
  return [nextOf(file), file].flatMap((each) => (each === undefined ? [] : (readKeyFile(each)?.key ?? [])));
}

/**
 * The root key to rotate to. Where none is given and the root key is in a file, one is made in the file beside it, unless it is
 * there.
 *
 * @returns the key, and whether that file is to take the place of the root key's
 * @throws VaultError ERR_ROOT_KEY_MISSING, ERR_ROOT_KEY_INVALID
 */
export function nextRootKey(request: RootKeyRequest): {
  readonly key: SecretBytes;
  readonly isMade: boolean;
} {
  const given = givenNextRootKey(request);
  const isInFile = request.argument === undefined && (request.variable ?? "") === "";
  if (given !== undefined) {
    const now = findRootKey({ ...request, create: false }).key;
    const isSame = equalBytes(now.bytes, given.bytes);
    now.dispose();
    if (!isSame) return { key: given, isMade: false };
    given.dispose();
    throw new VaultError(
      "ERR_ROOT_KEY_INVALID",
      "the next root key is the root key itself: give another one",
    );
  }
  const next = nextOf(request.file);
  if (next === undefined || !isInFile) {
    throw new VaultError(
      "ERR_ROOT_KEY_MISSING",
      `the next root key is missing: give it in ${NEXT_ROOT_KEY_VARIABLE} (coffer root generate makes one)`,
    );
  }
  if (!isTaken(next.path)) createKeyFile(next.path);
  const read = readKeyFile(next);
  if (read === undefined) throw missing(`${next.what} is a symbolic link that leads nowhere`);
  return { key: read.key, isMade: true };
}

/**
 * Puts the file of the next root key in the place of the old one, which is kept under another name: older copies of the vault
 * open with it.
 *
 * @returns that name; undefined if another process has done it
 */
export function promoteNextRootKey(file: RootKeyFile): string | undefined {
  const next = nextOf(file)!;
  if (!isTaken(next.path)) return undefined;
  // Two processes at once do not meet: the second one finds no next file any more.
  const kept = `${file.path}.before-${new Date().toISOString().replace(/[-:.]/g, "")}-${toHex(randomBytes(2))}`;
  try {
    if (isTaken(file.path)) linkSync(file.path, kept);
    renameSync(next.path, file.path);
    syncDirectory(dirname(file.path));
    return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fileError(error);
    if (isTaken(kept)) unlinkSync(kept);
    return undefined;
  }
}

function nextOf(file: RootKeyFile | undefined): RootKeyFile | undefined {
  return (
    file && {
      path: `${file.path}${NEXT_SUFFIX}`,
      what: `the next root key's file (the path of the root key's with ${NEXT_SUFFIX} added)`,
    }
  );
}

/** A new random root key, as it is written. */
export function newRootKeyText(): string {
  const key = randomBytes(KEY_BYTES);
  try {
    return encodeBase64(key);
  } finally {
    key.fill(0);
  }
}

function missing(why: string): VaultError {
  return new VaultError("ERR_ROOT_KEY_MISSING", `this vault's root key is missing: ${why}`);
}

/** Refuses what is no root key, before anything is made for it. @throws VaultError ERR_ROOT_KEY_INVALID */
export function checkRootKeys(options: {
  readonly rootKey?: Uint8Array | string | undefined;
  readonly nextRootKey?: Uint8Array | string | undefined;
}): void {
  const { rootKey, nextRootKey } = options;
  if (rootKey !== undefined) parse(rootKey, ARGUMENT_WORDS).dispose();
  if (nextRootKey !== undefined) parse(nextRootKey, NEXT_ARGUMENT_WORDS).dispose();
}

function readKeyFile({ path, what }: RootKeyFile): FoundRootKey | undefined {
  let text: string;
  let mode: number;
  try {
    const stat = statSync(path);
    mode = stat.mode;
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX) {
      throw new VaultError("ERR_ROOT_KEY_INVALID", `${what} holds no root key`);
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error instanceof VaultError ? error : fileError(error);
  }
  const isOpenToOthers = process.platform !== "win32" && (mode & OTHERS_MASK) !== 0;
  return {
    key: parse(text.trim(), `the root key in ${what}`),
    source: "file",
    notices: isOpenToOthers ? [`other users may read the root key in ${what}: chmod 600 it`] : [],
  };
}

/**
 * Makes the file, whole or not at all: written beside under another name, made durable, then linked, which fails
 * where the name exists.
 *
 * @returns false if another process was faster
 */
function createKeyFile(path: string): boolean {
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`;
  try {
    const fd = openSync(temporary, "wx", FILE_MODE);
    try {
      writeSync(fd, ascii(`${encodeBase64(randomBytes(KEY_BYTES))}\n`));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    try {
      linkSync(temporary, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      unlinkSync(temporary);
    }
    syncDirectory(dirname(path));
    return true;
  } catch (error) {
    throw fileError(error);
  }
}

function parse(key: Uint8Array | string, what: string): SecretBytes {
  const bytes = typeof key === "string" ? decodeBase64(key) : Uint8Array.from(key);
  if (bytes === undefined || bytes.length !== KEY_BYTES) {
    throw new VaultError(
      "ERR_ROOT_KEY_INVALID",
      `${what} must be ${KEY_BYTES} bytes, as base64 where it is text`,
    );
  }
  return new SecretBytes(bytes);
}

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
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { decodeBase64, encodeBase64 } from "../crypto/base64.ts";
import { ascii, toHex } from "../crypto/bytes.ts";
import { KEY_BYTES } from "../crypto/limits.ts";
import { randomBytes } from "../crypto/random.ts";
import { SecretBytes } from "../crypto/secret-bytes.ts";
import { VaultError } from "../errors.ts";
import { fileError, syncDirectory } from "./storage/sqlite.ts";

/** The environment variable that may hold the root key, as base64. */
export const ROOT_KEY_VARIABLE = "COFFER_ROOT_KEY";

/** What is added to a vault's path to name the file of its root key. */
export const ROOT_KEY_SUFFIX = ".root-key";

/** Mode of the file: nobody else may read it. */
const FILE_MODE = 0o600;
const OTHERS_MASK = 0o077;

/** Bytes of the largest file that is read as a root key: its text and white space. */
const FILE_BYTES_MAX = 1024;

/** A root key that was found or made. */
export interface FoundRootKey {
  readonly key: SecretBytes;
  readonly source: "argument" | "environment" | "file" | "created";
  /** Things the user should know. */
  readonly notices: readonly string[];
}

export interface RootKeyRequest {
  /** The key itself: 32 bytes, or their base64. */
  readonly argument: Uint8Array | string | undefined;
  /** The value of the environment variable. */
  readonly variable: string | undefined;
  /** Where its file is or is to be made; undefined where there is none. */
  readonly path: string | undefined;
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
    return { key: parse(request.argument, "the root key given"), source: "argument", notices: [] };
  }
  if (request.variable !== undefined && request.variable !== "") {
    return { key: parse(request.variable.trim(), ROOT_KEY_VARIABLE), source: "environment", notices: [] };
  }
  if (request.isEphemeral) {
    return { key: new SecretBytes(randomBytes(KEY_BYTES)), source: "created", notices: [] };
  }
  if (request.path === undefined) {
    throw new VaultError(
      "ERR_ROOT_KEY_MISSING",
      `this vault's root key is missing: neither an argument nor a file nor ${ROOT_KEY_VARIABLE} gives it`,
    );
  }
  const read = readKeyFile(request.path);
  if (read !== undefined) return read;
  if (!request.create) {
    throw new VaultError(
      "ERR_ROOT_KEY_MISSING",
      `this vault's root key is missing: ${request.path} does not exist and ${ROOT_KEY_VARIABLE} is not set`,
    );
  }
  if (createKeyFile(request.path)) {
    const notice = `created the root key ${request.path}: keep a copy of it elsewhere, nothing can be read without it`;
    return { ...readKeyFile(request.path)!, source: "created", notices: [notice] };
  }
  // Another process made it in the same moment.
  return readKeyFile(request.path)!;
}

/** Refuses what is no root key, before anything is made for it. @throws VaultError ERR_ROOT_KEY_INVALID */
export function checkRootKey(argument: Uint8Array | string): void {
  parse(argument, "the root key given").dispose();
}

function readKeyFile(path: string): FoundRootKey | undefined {
  let text: string;
  let mode: number;
  try {
    const stat = statSync(path);
    mode = stat.mode;
    if (!stat.isFile() || stat.size > FILE_BYTES_MAX) {
      throw new VaultError("ERR_ROOT_KEY_INVALID", `${path} is not a root key file`);
    }
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error instanceof VaultError ? error : fileError(error);
  }
  const isOpenToOthers = process.platform !== "win32" && (mode & OTHERS_MASK) !== 0;
  return {
    key: parse(text.trim(), path),
    source: "file",
    notices: isOpenToOthers ? [`other users may read the root key ${path}: chmod 600 it`] : [],
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

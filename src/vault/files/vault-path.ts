/**
 * Where a vault's files are: its own path, the path behind links, and its root key beside either.
 *
 * Owns which texts are paths, and how links are followed, also those that lead nowhere yet. No message repeats what was
 * given: it may be a key in the wrong place. Must not know what is in the files.
 *
 * @module
 */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { invalidRange, invalidType } from "../../errors.ts";
import { looksLikeKey } from "../root/key-text.ts";

/** What is added to a vault's path to name the file of its root key. */
export const ROOT_KEY_SUFFIX = ".root-key";

/** Links that are followed one after the other at most: as many as Linux does (path_resolution(7)). */
const LINKS_MAX = 40;

/** An address: `http://…`, `postgres://…`, `file://…`, also with a single slash where the scheme is a known one. */
const URL_LIKE = /^(?:[a-z][a-z0-9+.-]+:\/\/|(?:https?|postgres|postgresql):)/i;

/** Whether a text is the address of a service and not a path. */
export function looksLikeUrl(path: string): boolean {
  return URL_LIKE.test(path);
}

/**
 * Refuses what is no path of a file, before anything is looked for or made under its name.
 *
 * @param what - names the argument
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
 */
export function checkFilePath(path: unknown, what: string): asserts path is string {
  if (typeof path !== "string" || path === "") throw invalidType(`${what} must be the path of a file`);
  if (looksLikeKey(path)) {
    throw invalidRange(
      `${what} is a key, not the path of a file (a path that looks so is written with ./ before it)`,
    );
  }
  if (looksLikeUrl(path)) {
    throw invalidRange(
      `${what} is a URL, not the path of a file (a PostgreSQL database is given as database: "postgres://…")`,
    );
  }
  if (path.includes("\0")) throw invalidRange(`${what} holds a NUL character`);
  if (/[/\\]$/.test(path) && !(process.platform !== "win32" && path.endsWith("\\"))) {
    throw invalidRange(`${what} ends with a slash: it names a directory, not a file`);
  }
}

/** The path behind all links, also where the last one leads to a file that does not exist. */
export function realPathOf(path: string): string {
  let at = resolve(path);
  for (let links = 0; links < LINKS_MAX; links += 1) {
    try {
      return realpathSync(at);
    } catch {
      // It does not exist, or may not be looked at.
    }
    try {
      at = resolve(dirname(at), readlinkSync(at));
    } catch {
      break;
    }
  }
  try {
    return join(realpathSync(dirname(at)), basename(at));
  } catch {
    return at;
  }
}

/** Whether there is anything under this name, be it a link that leads nowhere. */
export function isTaken(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * The file of a vault's root key where none is named: beside the path, or beside the file that the path leads to.
 *
 * @returns `path` is where it is, or is to be made
 */
export function rootKeyBeside(vaultPath: string): { readonly path: string; readonly isThere: boolean } {
  const near = `${vaultPath}${ROOT_KEY_SUFFIX}`;
  if (isTaken(near)) return { path: near, isThere: true };
  // With a link, what is made belongs to the file and not to the link: so it is found by either name.
  const real = `${realPathOf(vaultPath)}${ROOT_KEY_SUFFIX}`;
  return { path: real, isThere: isTaken(real) };
}

/**
 * The rules of the KV store: limits, and checks of every argument.
 *
 * Owns what a name, a value and a list request may be, the same for every store. Must not know storage or keys.
 *
 * @module
 */

import { type Bytes, typeName, utf8 } from "../base/bytes.ts";
import { isWellFormed } from "../base/features.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import { invalidRange, invalidType, VaultError } from "../errors.ts";
import type { KvListRequest } from "./kv-service.ts";
import { parseMoment } from "./moment.ts";

/** Characters (Unicode code points) of the longest name (WorkOS OpenAPI, CreateObjectRequest). */
export const KV_NAME_CHARS_MAX = 200;

/** Bytes of the largest value, as UTF-8: 64 KiB. Ours; WorkOS documents none. */
export const KV_VALUE_BYTES_MAX = 64 * 1024;

/** Objects on a page unless told otherwise (WorkOS OpenAPI, GET /vault/v1/kv). */
export const KV_LIST_LIMIT_DEFAULT = 10;

/** Objects on a page at most (WorkOS's other lists; its SDKs page by 100). */
export const KV_LIST_LIMIT_MAX = 100;

/**
 * Checks a name that is to be given to an object.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_KV_NAME_INVALID
 */
export function checkName(name: string): string {
  if (typeof name !== "string") throw invalidType(`name must be a string, got ${typeName(name)}`);
  const refuse = (problem: string): VaultError => new VaultError("ERR_KV_NAME_INVALID", `name ${problem}`);
  if (name === "") throw refuse("must not be empty");
  if (name.length > 2 * KV_NAME_CHARS_MAX || [...name].length > KV_NAME_CHARS_MAX) {
    throw refuse(`must have at most ${KV_NAME_CHARS_MAX} characters`);
  }
  if (!isWellFormed(name)) throw refuse("holds a lone surrogate");
  // A URL path cannot carry the first two, and the third ends strings elsewhere.
  if (name === "." || name === "..") throw refuse('must not be "." or ".."');
  if (name.includes("\0")) throw refuse("must not hold a NUL character");
  return name;
}

/**
 * Checks a value.
 *
 * @returns its UTF-8
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_TEXT_MALFORMED, ERR_KV_VALUE_TOO_LARGE
 */
export function checkValue(value: string): Bytes {
  if (typeof value !== "string") throw invalidType(`value must be a string, got ${typeName(value)}`);
  const tooLarge = (): VaultError =>
    new VaultError("ERR_KV_VALUE_TOO_LARGE", `value has more than ${KV_VALUE_BYTES_MAX} bytes`);
  if (value.length > KV_VALUE_BYTES_MAX) throw tooLarge();
  const bytes = utf8(value, "value");
  if (bytes.length > KV_VALUE_BYTES_MAX) throw tooLarge();
  return bytes;
}

/** Checks an id that was handed out earlier; which ids exist, only the store knows. */
export function checkId(id: string, what: string): string {
  if (typeof id !== "string") throw invalidType(`${what} must be a string, got ${typeName(id)}`);
  if (id === "") throw invalidRange(`${what} must not be empty`);
  return id;
}

/** A `versionCheck` as `updateKv` takes it: undefined for no check. @throws as {@link checkId} */
export function checkVersionCheck(versionCheck: string | null | undefined): string | undefined {
  return versionCheck === null || versionCheck === undefined
    ? undefined
    : checkId(versionCheck, "versionCheck");
}

/** A list request with defaults filled in. */
export interface CheckedListRequest {
  readonly limit: number;
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly order: "asc" | "desc";
  readonly search: string | undefined;
  /** Milliseconds since 1970. */
  readonly updatedAfterMs: number | undefined;
  readonly deleted: boolean;
}

/** @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
export function checkListRequest(request: KvListRequest): CheckedListRequest {
  const limit = checkWhole(request.limit ?? KV_LIST_LIMIT_DEFAULT, 1, KV_LIST_LIMIT_MAX, "limit");
  const given = request.order ?? "normal";
  const order = given === "normal" ? "desc" : given;
  if (order !== "asc" && order !== "desc") {
    throw invalidRange('order must be "asc", "desc" or "normal"');
  }
  if (request.before !== undefined && request.after !== undefined) {
    throw invalidRange("before and after cannot be given together");
  }
  if (request.search !== undefined && typeof request.search !== "string") {
    throw invalidType(`search must be a string, got ${typeName(request.search)}`);
  }
  return {
    limit,
    before: request.before === undefined ? undefined : checkId(request.before, "before"),
    after: request.after === undefined ? undefined : checkId(request.after, "after"),
    order,
    search: request.search === "" ? undefined : request.search,
    updatedAfterMs: checkMoment(request.updatedAfter),
    deleted: request.deleted === true,
  };
}

function checkMoment(moment: Date | string | undefined): number | undefined {
  if (moment === undefined) return undefined;
  if (typeof moment !== "string" && !(moment instanceof Date)) {
    throw invalidType(`updatedAfter must be a Date or its text, got ${typeName(moment)}`);
  }
  const time = typeof moment === "string" ? parseMoment(moment) : moment.getTime();
  if (time === undefined || Number.isNaN(time)) {
    throw invalidRange(
      "updatedAfter is not a date with a time and a zone: RFC 3339, such as 2026-01-31T12:00:00Z",
    );
  }
  return time;
}

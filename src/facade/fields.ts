/**
 * Fields of an object by path: found, checked, put into a copy (docs/spec/fields.md).
 *
 * Owns paths, what a field may hold, and the associated data that binds it to its path. Must not know how a field is
 * encrypted.
 *
 * @module
 */

import { ascii, type Bytes, concatBytes, typeName, utf8 } from "../base/bytes.ts";
import { fromJsonText } from "../base/json.ts";
import { encodeLeb128 } from "../base/leb128.ts";
import { type AssociatedData, associatedDataBytes } from "../crypto/associated-data.ts";
import { invalidRange, invalidType, VaultError } from "../errors.ts";

/** Where a field is: `"address.street"`, or its segments where one holds a `.` itself. */
export type FieldPath = string | readonly string[];

/** What becomes of a path at which nothing stands, or undefined. */
export type MissingFields = "refuse" | "skip";

/** A field that was found. */
export interface Field {
  readonly segments: readonly string[];
  readonly value: unknown;
  readonly associatedData: Bytes;
}

/** "coffer/v1/field" and a zero byte. */
const LABEL = /* @__PURE__ */ ascii("coffer/v1/field\0");

/** An array's index as it is written. */
const INDEX = /^(?:0|[1-9]\d*)$/;

/**
 * The fields of an object at paths, in their order.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT for a wrong or repeated path, or one at which nothing stands; VaultError
 *   ERR_TEXT_MALFORMED for a lone surrogate
 */
export function findFields(
  object: object,
  paths: readonly FieldPath[],
  associatedData: AssociatedData,
  missing: MissingFields = "refuse",
): Field[] {
  if (typeof object !== "object" || object === null) {
    throw invalidType(`object must be an object, got ${typeName(object)}`);
  }
  if (!Array.isArray(paths)) throw invalidType(`paths must be an array, got ${typeName(paths)}`);
  if (missing !== "refuse" && missing !== "skip") throw invalidRange('missing must be "refuse" or "skip"');
  const own = associatedDataBytes(associatedData);
  const seen = new Set<string>();
  const fields: Field[] = [];
  for (const path of paths as readonly FieldPath[]) {
    const segments = segmentsOf(path);
    const id = JSON.stringify(segments);
    if (seen.has(id)) throw invalidRange(`the path ${nameOf(segments)} is given twice`);
    seen.add(id);
    const bound = concatBytes(LABEL, pathBytes(segments), own);
    const value = valueAt(object, segments);
    if (value !== undefined) fields.push({ segments, value, associatedData: bound });
    else if (missing === "refuse") throw invalidRange(`there is nothing at ${nameOf(segments)}`);
  }
  return fields;
}

/** The text of a field's value. @throws TypeError ERR_INVALID_ARGUMENT for what is no text, finite number, boolean or null */
export function fieldText({ segments, value }: Field): string {
  if (!isFieldValue(value)) {
    throw invalidType(
      `${nameOf(segments)} must be text, a finite number, a boolean or null, got ${typeName(value)}`,
    );
  }
  return JSON.stringify(value);
}

/** The ciphertext that stands in a field. @throws TypeError ERR_INVALID_ARGUMENT for what is no text */
export function fieldCiphertext({ segments, value }: Field): string {
  if (typeof value === "string") return value;
  throw invalidType(`${nameOf(segments)} must be a ciphertext, got ${typeName(value)}`);
}

/** The value of a field's text. @throws VaultError ERR_JSON_INVALID */
export function fieldValue(text: string): string | number | boolean | null {
  const value = fromJsonText(text);
  if (isFieldValue(value)) return value;
  throw new VaultError(
    "ERR_JSON_INVALID",
    "what was decrypted is no text, finite number, boolean or null: it was not encrypted as a field",
  );
}

/** A copy of an object with other values in some fields. What holds no such field is shared with the object, not copied. */
export function withFields<T extends object>(
  object: T,
  fields: readonly Field[],
  values: readonly unknown[],
): T {
  // By place, not by object: one that stands at two places has two copies.
  const copies = new Set<object>();
  const copyOf = (container: object): Container => {
    if (copies.has(container)) return container as Container;
    const copy = (Array.isArray(container) ? [...container] : { ...container }) as Container;
    copies.add(copy);
    return copy;
  };
  const root = copyOf(object);
  for (const [index, { segments }] of fields.entries()) {
    let at = root;
    for (const segment of segments.slice(0, -1)) {
      const inner = copyOf(at[segment] as object);
      at[segment] = inner;
      at = inner;
    }
    at[segments.at(-1)!] = values[index];
  }
  return root as T;
}

type Container = Record<string, unknown>;

function segmentsOf(path: FieldPath): readonly string[] {
  const segments = typeof path === "string" ? path.split(".") : path;
  if (!Array.isArray(segments) || segments.some((segment) => typeof segment !== "string")) {
    throw invalidType(`a path must be a text or an array of texts, got ${typeName(path)}`);
  }
  if (segments.length === 0) throw invalidRange("a path must not be empty");
  if (typeof path === "string" && segments.includes("")) throw invalidRange("a path has an empty segment");
  return [...segments];
}

function pathBytes(segments: readonly string[]): Bytes {
  const parts = segments.flatMap((segment) => {
    const bytes = utf8(segment, "a path");
    return [encodeLeb128(bytes.length), bytes];
  });
  return concatBytes(encodeLeb128(segments.length), ...parts);
}

function valueAt(object: object, segments: readonly string[]): unknown {
  let value: unknown = object;
  for (const segment of segments) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) return undefined;
    // "length" is an own property of every array, and no element.
    if (Array.isArray(value) && !INDEX.test(segment)) return undefined;
    value = (value as Container)[segment];
  }
  return value;
}

function isFieldValue(value: unknown): value is string | number | boolean | null {
  return value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}

/** A path for a message: names of properties, cut. */
function nameOf(segments: readonly string[]): string {
  return JSON.stringify(segments.join(".").slice(0, 100));
}

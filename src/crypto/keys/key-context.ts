/**
 * Key contexts: what they may hold and their one canonical form (docs/spec/key-context.md).
 *
 * Owns validation, limits and canonical bytes. Never normalises, folds or repairs: two contexts are equal
 * exactly if their canonical bytes are. Must not know KEKs or where a context comes from.
 *
 * @module
 */

import {
  ascii,
  type Bytes,
  compareBytes,
  fromUtf8,
  readU32,
  typeName,
  U32_BYTES,
  utf8,
  writeU32,
} from "../../base/bytes.ts";
import { isWellFormed } from "../../base/features.ts";
import { VaultError } from "../../errors.ts";
import {
  CONTEXT_ENTRIES_MAX,
  CONTEXT_JSON_CHARS_MAX,
  CONTEXT_NAME_CHARS_MAX,
  CONTEXT_VALUE_CHARS_MAX,
} from "../limits.ts";

/** A map of 1 to 10 names (1 to 120 characters) to values (1 to 500 characters). */
export type KeyContext = Readonly<Record<string, string>>;

/** One name with its value. */
export interface ContextEntry {
  readonly name: string;
  readonly value: string;
}

/** A context that has been checked, with its entries in canonical order. */
export interface CanonicalContext {
  /** Sorted by the UTF-8 bytes of the name. */
  readonly entries: readonly ContextEntry[];
  /** The canonical form of docs/spec/key-context.md section 3. */
  readonly bytes: Bytes;
}

/** Begins every canonical form, so that a later form can differ. */
const CANONICAL_MAGIC = /* @__PURE__ */ ascii("ctx1");

/** Names that begin so are kept for coffer itself. */
export const RESERVED_NAME_PREFIX = "coffer:";

/** Would be lost by `copy[name] = value`, the way most code copies objects, and so merge two contexts. */
const FORBIDDEN_NAME = "__proto__";

/** Contexts that {@link CheckedContexts} keeps at most. Ours: 12 MB of the longest there can be, 100 kB of usual ones. */
const CHECKED_CONTEXTS_MAX = 1_000;

/** The canonical forms of contexts that {@link contextObject} made: frozen, they stay what they are. */
const knownForms = new WeakMap<KeyContext, CanonicalContext>();

/**
 * Checks a context and puts it into canonical form. A context that {@link contextObject} made was checked before.
 *
 * Each property is read once, so that a getter cannot answer twice differently.
 *
 * @param context - a plain object; own enumerable properties only
 * @throws VaultError ERR_KEY_CONTEXT_INVALID, which names the entry by position and never shows a value
 */
export function canonicalContext(context: KeyContext): CanonicalContext {
  if (typeof context !== "object" || context === null || Array.isArray(context)) {
    throw invalid(`must be an object of strings, got ${typeName(context)}`);
  }
  const known = knownForms.get(context);
  if (known !== undefined) return known;
  if (Object.getOwnPropertySymbols(context).length > 0) throw invalid("must not have symbol keys");
  return canonicalEntries(Object.keys(context).map((name) => ({ name, value: context[name]! })));
}

/** A context as it was when it was read, and its identity. Not checked otherwise. */
export interface IdentifiedContext {
  /** A text that contexts share exactly if they are equal. */
  readonly id: string;
  readonly context: KeyContext;
}

/**
 * Tells contexts apart for a fraction of what the canonical form costs: for those who checked an equal one before.
 *
 * Each property is read once.
 *
 * @throws VaultError ERR_KEY_CONTEXT_INVALID unless it is an object of strings
 */
export function identifyContext(context: KeyContext): IdentifiedContext {
  if (typeof context !== "object" || context === null || Array.isArray(context)) canonicalContext(context);
  if (Object.getOwnPropertySymbols(context).length > 0) throw invalid("must not have symbol keys");
  const names = Object.keys(context);
  // Any order will do that depends on the names only.
  if (names.length > 1) names.sort();
  const copy: Record<string, string> = Object.create(null);
  let id = "";
  for (const name of names) {
    const value: unknown = context[name];
    if (typeof value !== "string") throw invalid(`a value must be a string, got ${typeName(value)}`);
    copy[name] = value;
    id += `${name.length}:${name}${value.length}:${value}`;
  }
  return { id, context: knownForms.has(context) ? context : copy };
}

/** The canonical form of entries in any order; a repeated name is an error. */
export function canonicalEntries(entries: readonly ContextEntry[]): CanonicalContext {
  if (entries.length === 0) throw invalid("must have at least one entry");
  if (entries.length > CONTEXT_ENTRIES_MAX) {
    throw invalid(`must have at most ${CONTEXT_ENTRIES_MAX} entries, got ${entries.length}`);
  }
  let length = CANONICAL_MAGIC.length + U32_BYTES;
  const encoded = entries.map(({ name, value }, index) => {
    const one = {
      entry: { name, value },
      name: checkText(name, "name", index, CONTEXT_NAME_CHARS_MAX),
      value: checkText(value, "value", index, CONTEXT_VALUE_CHARS_MAX),
    };
    if (name === FORBIDDEN_NAME) throw invalid(`${where("name", index)} must not be "${FORBIDDEN_NAME}"`);
    if (name.startsWith(RESERVED_NAME_PREFIX)) {
      throw invalid(`${where("name", index)} must not begin with "${RESERVED_NAME_PREFIX}"`);
    }
    length += 2 * U32_BYTES + one.name.length + one.value.length;
    return one;
  });
  if (encoded.length > 1) encoded.sort((a, b) => compareBytes(a.name, b.name));
  for (let i = 1; i < encoded.length; i++) {
    if (encoded[i]!.entry.name === encoded[i - 1]!.entry.name) throw invalid("must not repeat a name");
  }
  const bytes = new Uint8Array(length);
  bytes.set(CANONICAL_MAGIC);
  let at = writeU32(bytes, CANONICAL_MAGIC.length, encoded.length);
  const writeText = (text: Uint8Array): void => {
    at = writeU32(bytes, at, text.length);
    bytes.set(text, at);
    at += text.length;
  };
  for (const { name, value } of encoded) {
    writeText(name);
    writeText(value);
  }
  return { entries: encoded.map(({ entry }) => entry), bytes };
}

/**
 * Reads a canonical form back.
 *
 * @throws VaultError ERR_KEY_CONTEXT_INVALID unless the bytes are exactly the canonical form of a valid context
 */
export function parseCanonicalContext(bytes: Uint8Array): CanonicalContext {
  const entries: ContextEntry[] = [];
  let at = CANONICAL_MAGIC.length + 4;
  const field = (): string => {
    const length = at + 4 <= bytes.length ? readU32(bytes, at) : Number.POSITIVE_INFINITY;
    at += 4 + length;
    const text = at <= bytes.length ? fromUtf8(bytes.subarray(at - length, at)) : undefined;
    if (text === undefined) throw invalid("has a malformed canonical form");
    return text;
  };
  while (at < bytes.length && entries.length < CONTEXT_ENTRIES_MAX)
    entries.push({ name: field(), value: field() });
  const canonical = canonicalEntries(entries);
  // One comparison covers magic, count, order and trailing bytes.
  if (compareBytes(canonical.bytes, bytes) !== 0) throw invalid("has a malformed canonical form");
  return canonical;
}

/** What {@link contextObject} made of canonical forms: one that is held is asked for again and again. */
const knownObjects = new WeakMap<CanonicalContext, KeyContext>();

/** The context as a frozen plain object: safe to copy, because `__proto__` is no name. */
export function contextObject(canonical: CanonicalContext): KeyContext {
  const known = knownObjects.get(canonical);
  if (known !== undefined) return known;
  const context = Object.freeze(
    Object.fromEntries(canonical.entries.map(({ name, value }) => [name, value])),
  );
  knownForms.set(context, canonical);
  knownObjects.set(canonical, context);
  return context;
}

/**
 * Checks a context, and copies it as it is now: the form that is passed on inside.
 *
 * @returns a frozen plain object, which is not checked again
 * @throws VaultError ERR_KEY_CONTEXT_INVALID
 */
export function checkedContext(context: KeyContext): KeyContext {
  return contextObject(canonicalContext(context));
}

/** Contexts that were checked lately: an equal one is found, and neither checked nor copied again. */
export class CheckedContexts {
  readonly #known = new Map<string, KeyContext>();

  /** As {@link checkedContext}. @throws VaultError ERR_KEY_CONTEXT_INVALID */
  of(context: KeyContext): KeyContext {
    let read: IdentifiedContext;
    try {
      read = identifyContext(context);
    } catch {
      return checkedContext(context); // Which says what is wrong.
    }
    let checked = this.#known.get(read.id);
    if (checked === undefined) {
      checked = checkedContext(read.context);
      // A plain limit: starting afresh costs one check for each.
      if (this.#known.size >= CHECKED_CONTEXTS_MAX) this.#known.clear();
      this.#known.set(read.id, checked);
    }
    return checked;
  }
}

/**
 * Reads a context from JSON text, where `JSON.parse` alone would silently keep the last of repeated names.
 *
 * @param json - at most 131,072 characters
 * @throws VaultError ERR_KEY_CONTEXT_INVALID
 */
export function parseKeyContext(json: string): KeyContext {
  if (typeof json !== "string") throw invalid(`must be JSON text, got ${typeName(json)}`);
  if (json.length > CONTEXT_JSON_CHARS_MAX) throw invalid("is too long");
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw invalid("is not valid JSON");
  }
  // Checks that this is a flat map of strings. What is left to find is a repeated name, and for that it is
  // enough to count the strings: two for each entry that survived.
  const canonical = canonicalContext(parsed as KeyContext);
  const strings = json.match(/"(?:[^"\\]|\\.)*"/g) as RegExpMatchArray;
  if (strings.length !== 2 * canonical.entries.length) throw invalid("must not repeat a name");
  return contextObject(canonical);
}

/** Where in a context something is wrong; its text is not shown. */
const where = (part: "name" | "value", index: number): string => `the ${part} of entry ${index + 1}`;

function checkText(text: unknown, part: "name" | "value", index: number, charsMax: number): Bytes {
  if (typeof text !== "string")
    throw invalid(`${where(part, index)} must be a string, got ${typeName(text)}`);
  if (text === "") throw invalid(`${where(part, index)} must not be empty`);
  // A string has at most twice as many UTF-16 units as characters, and never fewer: the cheap tests first.
  if (text.length > charsMax && (text.length > 2 * charsMax || [...text].length > charsMax)) {
    throw invalid(`${where(part, index)} must have at most ${charsMax} characters`);
  }
  if (!isWellFormed(text)) throw invalid(`${where(part, index)} holds a lone surrogate`);
  return utf8(text, part);
}

function invalid(problem: string): VaultError {
  return new VaultError("ERR_KEY_CONTEXT_INVALID", `key context: ${problem}`);
}

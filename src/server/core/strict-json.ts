/**
 * JSON as the server accepts it: RFC 8259, UTF-8, no repeated names, bounded depth and size.
 *
 * Owns the one way a body becomes a value. One pass over the bytes looks for what no operation takes and for what
 * `JSON.parse` would silently accept, and refuses at the first of it; only what is left is parsed, and `JSON.parse` decides
 * what is JSON. Linear in the bytes, whatever they are. Must not know schemas.
 *
 * @module
 */
import { JSON_DEPTH_MAX, JSON_VALUES_MAX } from "../limits.ts";
import { invalidRequest, type Problem } from "./problems.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const ARRAY = 0x5b;
const ARRAY_END = 0x5d;
const OBJECT = 0x7b;
const OBJECT_END = 0x7d;
/** The greatest of the four bytes that are white space; the others below it are no JSON at all. */
const SPACE = 0x20;

/**
 * Parses a body.
 *
 * @throws Problem 400 for anything but one JSON text in UTF-8 within the limits
 */
export function parseStrictJson(body: Uint8Array): unknown {
  checkStructure(body);
  try {
    return JSON.parse(decoder.decode(body));
  } catch {
    throw notJson();
  }
}

/**
 * Walks over bytes that may or may not be JSON, keeping the names of the objects that are open. What it finds is meant where
 * they are; where they are not, they are refused anyway.
 */
function checkStructure(body: Uint8Array): void {
  /** One entry per open object or array; an array has no names. */
  const open: (Set<string> | undefined)[] = [];
  let values = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!;
    if (byte === QUOTE) {
      const end = endOfString(body, at);
      const next = skipSpace(body, end);
      if (body[next] === COLON) noteName(open[open.length - 1], body.subarray(at, end));
      at = next - 1;
    } else if (byte === COMMA) {
      // Values of an array or object, but for the first.
      if (++values > JSON_VALUES_MAX) throw tooManyValues();
    } else if (byte === OBJECT || byte === ARRAY) {
      open.push(byte === OBJECT ? new Set() : undefined);
      if (open.length > JSON_DEPTH_MAX)
        throw invalidRequest(`The body nests deeper than ${JSON_DEPTH_MAX} levels.`);
      if (++values > JSON_VALUES_MAX) throw tooManyValues();
    } else if (byte === OBJECT_END || byte === ARRAY_END) {
      open.pop();
    }
  }
}

function noteName(names: Set<string> | undefined, bytes: Uint8Array): void {
  if (names === undefined) throw notJson();
  let name: string;
  try {
    name = decoder.decode(bytes);
    // Escapes are resolved first: "a" and "\u0061" are the same name.
    name = bytes.includes(BACKSLASH) ? (JSON.parse(name) as string) : name.slice(1, -1);
  } catch {
    throw notJson();
  }
  // Copies of an object lose it: a context with it would silently become another one.
  if (name === "__proto__") throw invalidRequest('The body holds the name "__proto__".');
  if (names.has(name)) throw invalidRequest("The body repeats a name within an object.");
  names.add(name);
}

/** The index behind the string that begins at `start`, or behind the body. */
function endOfString(body: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < body.length && body[at] !== QUOTE) at += body[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function skipSpace(body: Uint8Array, start: number): number {
  let at = start;
  while (at < body.length && body[at]! <= SPACE) at += 1;
  return at;
}

function tooManyValues(): Problem {
  return invalidRequest(`The body has more than ${JSON_VALUES_MAX} members and items.`);
}

function notJson(): Problem {
  return invalidRequest("The body is not valid JSON.");
}

/**
 * JSON as the server accepts it: RFC 8259, UTF-8, no repeated names, bounded depth and size.
 *
 * Owns the one way a body becomes a value. `JSON.parse` decides what is JSON; what it would silently accept is looked
 * for here. Linear in the text. Must not know schemas.
 *
 * @module
 */
import { JSON_DEPTH_MAX, JSON_MEMBERS_MAX } from "./limits.ts";
import { invalidRequest } from "./problems.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses a body.
 *
 * @throws Problem 400 for anything but one JSON text in UTF-8 within the limits
 */
export function parseStrictJson(body: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(body);
    value = JSON.parse(text);
  } catch {
    throw invalidRequest("The body is not valid JSON.");
  }
  checkStructure(text);
  return value;
}

/** Walks over text that is known to be JSON, keeping the names of the objects that are open. */
function checkStructure(text: string): void {
  /** One entry per open object or array; an array has no names. */
  const open: (Set<string> | undefined)[] = [];
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      open.push(character === "{" ? new Set() : undefined);
      if (open.length > JSON_DEPTH_MAX)
        throw invalidRequest(`The body nests deeper than ${JSON_DEPTH_MAX} levels.`);
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      const next = skipSpace(text, end);
      if (text[next] === ":") {
        members += 1;
        if (members > JSON_MEMBERS_MAX)
          throw invalidRequest(`The body has more than ${JSON_MEMBERS_MAX} members.`);
        // Escapes are resolved first: "a" and "\u0061" are the same name.
        const name = JSON.parse(text.slice(at, end)) as string;
        // Copies of an object lose it: a context with it would silently become another one.
        if (name === "__proto__") throw invalidRequest('The body holds the name "__proto__".');
        const names = open[open.length - 1] as Set<string>;
        if (names.has(name)) throw invalidRequest("The body repeats a name within an object.");
        names.add(name);
      }
      at = end - 1;
    }
  }
}

/** The index behind the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (text[at] === " " || text[at] === "\t" || text[at] === "\n" || text[at] === "\r") at += 1;
  return at;
}

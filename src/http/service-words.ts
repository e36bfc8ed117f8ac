/**
 * A service's own words, fit for an error message.
 *
 * Owns what is cut and what is left out: words that repeat anything of the request are not given on, since requests hold
 * values, keys and contexts (docs/spec/key-service-api.md section 5.3). Must not know what the words mean.
 *
 * @module
 */
import { toWellFormed } from "../base/features.ts";
import { WORDS_CHARS_MAX } from "./limits.ts";

/** Control characters, line separators, and characters that are not seen or turn the direction of text. */
const UNSEEN =
  /[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]+/gu;

/** Characters of a run that words and a secret may not share. Shorter secrets are looked for as whole words. Ours. */
const SHARED_CHARS_MAX = 7;

/**
 * The words of a refusal: `message`, else `error`.
 *
 * @param json - the body of the answer
 * @param secrets - texts of which nothing may be told
 * @returns at most 300 characters; undefined if there are none, or they repeat a secret
 */
export function serviceWords(json: unknown, secrets: Iterable<string>): string | undefined {
  const { message, error } = (json ?? {}) as { message?: unknown; error?: unknown };
  const said = [message, error].find((text) => typeof text === "string" && text.trim() !== "") as
    | string
    | undefined;
  if (said === undefined) return undefined;
  const whole = said.replace(UNSEEN, " ").replace(/\s+/g, " ").trim();
  // By code points: half a surrogate pair is no text.
  const characters = [...toWellFormed(whole.slice(0, 2 * WORDS_CHARS_MAX + 2))];
  const words =
    characters.length > WORDS_CHARS_MAX ? `${characters.slice(0, WORDS_CHARS_MAX - 1).join("")}…` : whole;
  if (words === "") return undefined;
  for (const secret of secrets) {
    if (repeats(words, secret)) return undefined;
  }
  return toWellFormed(words);
}

/** Every text in a request's body, as deep as it goes; names of members are no secrets. */
export function* textsOf(body: unknown): Generator<string> {
  if (typeof body === "string") yield body;
  else if (typeof body === "object" && body !== null) {
    for (const value of Object.values(body)) yield* textsOf(value);
  }
}

function repeats(words: string, secret: string): boolean {
  for (const form of new Set([secret, JSON.stringify(secret).slice(1, -1), encoded(secret)])) {
    if (form === "") continue;
    if (form.length <= SHARED_CHARS_MAX) {
      if (holdsWord(words, form)) return true;
      continue;
    }
    for (let at = 0; at + SHARED_CHARS_MAX < words.length; at++) {
      if (form.includes(words.slice(at, at + SHARED_CHARS_MAX + 1))) return true;
    }
  }
  return false;
}

function holdsWord(words: string, word: string): boolean {
  for (let at = words.indexOf(word); at >= 0; at = words.indexOf(word, at + 1)) {
    if (!isWordCharacter(words[at - 1]) && !isWordCharacter(words[at + word.length])) return true;
  }
  return false;
}

function isWordCharacter(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}]/u.test(character);
}

function encoded(text: string): string {
  return encodeURIComponent(toWellFormed(text));
}

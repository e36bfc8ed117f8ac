/**
 * Arguments that are more than text: key contexts, KEKs, numbers, durations, choices.
 *
 * Owns their syntax. No message repeats what was given: a secret may have slipped into the wrong place.
 *
 * @module
 */
import {
  type ContextEntry,
  canonicalEntries,
  contextObject,
  type KeyContext,
  parseKeyContext,
} from "../../crypto/keys/key-context.ts";
import { SHRED_DELAY_MS_MAX } from "../../keks/limits.ts";
import type { KekSelector } from "../../vault/index.ts";
import { usageError } from "../errors.ts";
import { readContextJson } from "./values.ts";

/** The parts of a context as options give them. */
export interface ContextParts {
  readonly entries: readonly ContextEntry[] | undefined;
  readonly json: string | undefined;
  /** The option's name, without dashes. */
  readonly option: string;
}

/** Parses one `NAME=VALUE` and adds it to those before: an option that may be repeated. */
export function entryParser(option: string) {
  return (text: string, before: readonly ContextEntry[] = []): readonly ContextEntry[] => {
    const at = text.indexOf("=");
    if (at < 0) throw usageError(`--${option} takes NAME=VALUE`);
    return [...before, { name: text.slice(0, at), value: text.slice(at + 1) }];
  };
}

/**
 * The context that was given, checked.
 *
 * @throws CliError ERR_USAGE; VaultError ERR_KEY_CONTEXT_INVALID
 */
export async function contextOf({ entries, json, option }: ContextParts): Promise<KeyContext | undefined> {
  if (json === undefined) return entries === undefined ? undefined : contextObject(canonicalEntries(entries));
  if (entries !== undefined) throw usageError(`give either --${option} or --${option}-json`);
  return parseKeyContext(await readContextJson(json, `--${option}-json`));
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** A KEK: `NAME=VALUE`, the context entry that it stands for, or its id. */
export function kekOf(text: string): KekSelector {
  const at = text.indexOf("=");
  if (at > 0 && at < text.length - 1) return { name: text.slice(0, at), value: text.slice(at + 1) };
  if (UUID.test(text)) return { kekId: text.toLowerCase() };
  throw usageError("a KEK is given as NAME=VALUE or as its id, a UUID");
}

/** A parser of whole numbers of 1 or more. */
export function countParser(option: string, max: number) {
  return (text: string): number => {
    const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
    if (count < 1 || count > max) throw usageError(`--${option} takes a whole number from 1 to ${max}`);
    return count;
  };
}

/** A parser of one of a few words. */
export function choiceParser<T extends string>(option: string, choices: readonly T[]) {
  return (text: string): T => {
    const choice = choices.find((known) => known === text);
    if (choice === undefined) throw usageError(`--${option} takes one of ${choices.join(", ")}`);
    return choice;
  };
}

/** The same for an option that may be repeated. */
export function choicesParser<T extends string>(option: string, choices: readonly T[]) {
  const parse = choiceParser(option, choices);
  return (text: string, before: readonly T[] = []): readonly T[] => [...before, parse(text)];
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A parser of durations such as `90s`, `15m`, `36h` or `7d`. @returns milliseconds */
export function durationParser(option: string) {
  return (text: string): number => {
    const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
    const milliseconds = count === undefined ? 0 : Number(count) * UNIT_MS[unit!]!;
    if (milliseconds === 0 || milliseconds > SHRED_DELAY_MS_MAX) {
      throw usageError(
        `--${option} takes a duration such as 90s, 15m, 36h or 7d, at most ${SHRED_DELAY_MS_MAX / UNIT_MS.d!}d`,
      );
    }
    return milliseconds;
  };
}

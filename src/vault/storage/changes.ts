/**
 * What all processes have changed so far: counters in the database, as both dialects read them.
 *
 * Owns the names of counters, the two statements that read them, and what they mean together. Must not know what changes.
 *
 * @module
 */
/** A row of `counters`. */
type CounterRow = Readonly<Record<string, unknown>>;

/** What the counter of an environment's revocations begins with. */
const ENVIRONMENT_PREFIX = "revocations ";

/** Revocations in one environment, by its id. */
export type EnvironmentCounter = `revocations ${string}`;

/** A counter as it is stored. */
export type Counter = "keks" | "revocations" | "api_keys" | EnvironmentCounter;

/** Raises the counter of a name, which an environment's first revocation makes. */
export const RAISE_COUNTER =
  "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1";

/** The counters that are looked at often: few rows, however many environments there are. */
export const COUNTERS = "SELECT name, value FROM counters WHERE name IN ('keks', 'revocations', 'api_keys')";

/**
 * All counters, those of each environment too: by the order of bytes. Read where that of all revocations has changed. One statement
 * for all: a revision that is newer than the counter of KEKs would be believed of KEKs that are kept from before ([REV-21]).
 */
export const ALL_COUNTERS =
  "SELECT name, value FROM counters WHERE name IN ('keks', 'api_keys') OR (name >= 'revocations' AND name < 'revocationt')";

/** What all processes have changed so far. */
export interface Changes {
  /** Raised by every change of a KEK's versions or states. */
  readonly keks: number;
  /** Raised when a KEK is disabled, or destroyed. */
  readonly revocations: number;
  /** Raised when an API key is revoked. */
  readonly apiKeys: number;
  /** Of environments with revocations: how many. */
  readonly revoked: ReadonlyMap<EnvironmentCounter, number>;
  /** Revocations that no environment's counter tells of: older programs made them. They count for all. */
  readonly unattributed: number;
}

/** Of a vault in which nothing was changed. */
export const NO_CHANGES: Changes = {
  keks: 0,
  revocations: 0,
  apiKeys: 0,
  revoked: new Map(),
  unattributed: 0,
};

/** Counters that cannot be believed differ from all others, and from themselves: everything is looked up afresh. */
export const UNKNOWN_CHANGES: Changes = {
  keks: Number.NaN,
  revocations: Number.NaN,
  apiKeys: Number.NaN,
  revoked: new Map(),
  unattributed: Number.NaN,
};

/** The counter of an environment's revocations. */
export const revocationCounter = (environmentId: string): EnvironmentCounter =>
  `${ENVIRONMENT_PREFIX}${environmentId}`;

/** A number that changes with each revocation in an environment; NaN where that is not known ([REV-6], [REV-7]). */
export function revisionOf(changes: Changes, environmentId: string): number {
  return changes.unattributed + (changes.revoked.get(revocationCounter(environmentId)) ?? 0);
}

/**
 * Reads the rows of {@link COUNTERS}.
 *
 * @param before - what was known; its environments are still right if no revocation has come since
 * @returns undefined where a counter is missing or none
 */
export function changesOf(rows: readonly CounterRow[], before: Changes): Changes | undefined {
  const value = (name: Counter): unknown => rows.find((row) => row.name === name)?.value;
  const [keks, revocations, apiKeys] = [value("keks"), value("revocations"), value("api_keys")];
  if (typeof keks !== "number" || typeof revocations !== "number" || typeof apiKeys !== "number")
    return undefined;
  return { ...before, keks, revocations, apiKeys };
}

/** Reads the rows of {@link ALL_COUNTERS}. @returns undefined where a counter is missing or none */
export function allChangesOf(rows: readonly CounterRow[]): Changes | undefined {
  const changes = changesOf(rows, NO_CHANGES);
  if (changes === undefined) return undefined;
  const revoked = new Map<EnvironmentCounter, number>();
  let sum = 0;
  for (const { name, value } of rows) {
    if (!(name as string).startsWith(ENVIRONMENT_PREFIX)) continue;
    revoked.set(name as EnvironmentCounter, value as number);
    sum += value as number;
  }
  return { ...changes, revoked, unattributed: changes.revocations - sum };
}

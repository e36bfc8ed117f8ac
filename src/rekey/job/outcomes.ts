/**
 * What becomes of values in a job, and how it is counted.
 *
 * Owns the outcomes, the counters, and that these add up: every value of every counted row has exactly one outcome. Must not
 * know how a value is moved.
 *
 * @module
 */
/** What can become of a value. */
export const VALUE_OUTCOMES = [
  /** Replaced. */
  "moved",
  /** It was already as it is to be. */
  "current",
  /** There is none: NULL. */
  "empty",
  /** No ciphertext: plaintext, or somebody else's format. */
  "plaintext",
  /** A ciphertext of another vault. */
  "foreign",
  /** A ciphertext that is damaged, or whose KEK is disabled or destroyed. */
  "unreadable",
  /** It could be moved, but its place does not take the new text. */
  "refused",
] as const;

/** What became of a value. */
export type ValueOutcome = (typeof VALUE_OUTCOMES)[number];

/** Outcomes that a person has to look at. */
export const LISTED_OUTCOMES: ReadonlySet<ValueOutcome> = new Set([
  "plaintext",
  "foreign",
  "unreadable",
  "refused",
]);

/** What became of one value: stays, or is to be replaced. */
export interface DecidedValue {
  readonly outcome: ValueOutcome;
  /** Why it could not be moved. */
  readonly reason?: string | undefined;
  /** What takes its place, if anything does. */
  readonly replacement?: string | undefined;
}

/** Counters of a range or of a job. `rows` × slots is the sum of the outcomes. */
export interface Counts extends Readonly<Record<ValueOutcome, number>> {
  readonly rows: number;
  /** Rows that had changed when they were to be written, each time that it happened. */
  readonly conflicts: number;
  /** Rows that were deleted before they could be tried again; they are not among `rows`. */
  readonly gone: number;
}

/** A value that a person has to look at. */
export interface Finding {
  readonly key: string;
  readonly slot: string;
  readonly outcome: ValueOutcome;
  /** A code of {@link VaultError}, or one of {@link FINDING_REASONS}. */
  readonly reason: string;
}

/** Reasons of findings that are no error codes. */
export const FINDING_REASONS = {
  tooLong: "too-long",
  constraint: "constraint",
  changing: "changing",
  context: "context",
  associatedData: "associated-data",
} as const;

/** Findings that one range lists at most; beyond it they are only counted. Ours: bounds our tables. */
export const FINDINGS_PER_RANGE_MAX = 1_000;

/** Nothing yet. */
export const NO_COUNTS: Counts = Object.freeze({
  rows: 0,
  conflicts: 0,
  gone: 0,
  ...(Object.fromEntries(VALUE_OUTCOMES.map((outcome) => [outcome, 0])) as Record<ValueOutcome, number>),
});

/** Counters put together. */
export function addCounts(a: Counts, b: Partial<Counts>): Counts {
  const sum: Record<string, number> = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum as unknown as Counts;
}

/** The counters of rows that were written. */
export function tally(rows: readonly { readonly values: readonly DecidedValue[] }[]): Partial<Counts> {
  const counts: Record<string, number> = { rows: rows.length };
  for (const { values } of rows) {
    for (const { outcome } of values) counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts as Partial<Counts>;
}

/** The findings of rows that were written. */
export function findingsOf(
  rows: readonly { readonly row: { readonly key: string }; readonly values: readonly DecidedValue[] }[],
  slots: readonly string[],
): Finding[] {
  const findings: Finding[] = [];
  for (const { row, values } of rows) {
    for (let index = 0; index < values.length; index++) {
      const { outcome, reason } = values[index]!;
      if (LISTED_OUTCOMES.has(outcome))
        findings.push({ key: row.key, slot: slots[index]!, outcome, reason: reason ?? outcome });
    }
  }
  return findings;
}

/** Counters that were stored. @returns undefined unless each is a whole number of at least 0 */
export function countsFromText(text: string): Counts | undefined {
  try {
    const counts = JSON.parse(text) as Record<string, unknown>;
    const isCount = (name: string): boolean =>
      Number.isSafeInteger(counts[name]) && (counts[name] as number) >= 0;
    return Object.keys(NO_COUNTS).every(isCount)
      ? addCounts(NO_COUNTS, counts as Partial<Counts>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Values that should have been moved and could not be. */
export const leftBehind = (counts: Counts): number => counts.unreadable + counts.foreign + counts.refused;

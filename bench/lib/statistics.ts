/**
 * Medians, quartiles and ratios of samples.
 *
 * Owns the arithmetic only. Must not know what was measured.
 *
 * @module
 */

/** Where the middle of a list of samples lies, and how wide it is. */
export interface Middle {
  readonly median: number;
  /** Distance of the quartiles over the median: 0.1 means that the middle half lies within 10%. */
  readonly spread: number;
}

/** The middle of a list of samples, and its best sample. */
export interface Figures extends Middle {
  readonly min: number;
}

/** What is told of a list of samples. */
export interface Summary extends Figures {
  readonly max: number;
}

/** The value below which a share of the samples lies, between neighbours in proportion. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError("there are no samples");
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)]!;
  const above = sorted[Math.ceil(at)]!;
  return below + (above - below) * (at - Math.floor(at));
}

export function summarize(samples: readonly number[]): Summary {
  const median = quantile(samples, 0.5);
  return {
    median,
    min: Math.min(...samples),
    max: Math.max(...samples),
    spread: (quantile(samples, 0.75) - quantile(samples, 0.25)) / median,
  };
}

/** A random order, each as likely (Fisher and Yates). */
export function shuffled<T>(items: readonly T[]): T[] {
  const out = [...items];
  for (let left = out.length; left > 1; left--) {
    const at = Math.floor(Math.random() * left);
    [out[left - 1], out[at]] = [out[at]!, out[left - 1]!];
  }
  return out;
}

/**
 * The result of a vault with many tenants, as Markdown.
 *
 * Owns the shape of the result and its table. Must not know how it was measured.
 *
 * @module
 */

/** A result file of `npm run bench:tenants`. */
export interface TenantsReport {
  readonly schema: number;
  readonly name: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly machine: unknown;
  readonly load: unknown;
  readonly versions: unknown;
  readonly settings: {
    /** Of the large vault. */
    readonly contexts: number;
    readonly values: number;
    /** Contexts of the vault beside. */
    readonly few: number;
    readonly rounds: number;
    readonly calls: number;
  };
  readonly fileMiB: number;
  /** Until the first data key. */
  readonly openMs: { readonly min: number; readonly median: number };
  /** Microseconds of processor time of a tenant's first data key, whose KEKs are loaded. */
  readonly firstUs: number;
  /** By which the process has grown when every tenant was served. */
  readonly grownMiB: number;
  /** Microseconds of processor time a call: the low quarter; and the median of the rounds' ratios. */
  readonly rows: readonly {
    readonly name: string;
    readonly fewUs: number;
    readonly manyUs: number;
    readonly ratio: number;
  }[];
}

/** The result as Markdown. */
export function tenantsMarkdown({
  settings,
  fileMiB,
  openMs,
  firstUs,
  grownMiB,
  rows,
}: TenantsReport): string {
  const { contexts, values, few } = settings;
  return [
    "# Benchmark: many tenants",
    "",
    `${contexts} contexts, ${values} values`,
    "",
    "| of the large vault | |",
    "|---|---|",
    `| file, MiB | ${fileMiB} |`,
    `| opened, to the first data key, ms: median (best) | ${openMs.median.toFixed(0)} (${openMs.min.toFixed(0)}) |`,
    `| a tenant's first data key, µs | ${firstUs.toFixed(0)} |`,
    `| grown when each tenant was served, MiB | ${grownMiB} |`,
    "",
    `| call | ${few} contexts, µs | ${contexts} contexts, µs | ratio |`,
    "|---|---|---|---|",
    ...rows.map(
      ({ name, fewUs, manyUs, ratio }) =>
        `| ${name} | ${fewUs.toFixed(1)} | ${manyUs.toFixed(1)} | ${ratio.toFixed(2)} |`,
    ),
  ].join("\n");
}

/**
 * RekeyJob: moves the ciphertexts of a source to new keys, beside its readers and writers, and goes on where it stopped.
 *
 * Owns plan, run, status, verify and abort, and the checks of their arguments. What happens to a page is in page.ts, how a
 * range is walked in worker.ts. Must not know where ciphertexts are, nor how keys are wrapped.
 *
 * @module
 */
import { checkOptions, optionNames } from "../../base/options.ts";
import type { AssociatedData } from "../../crypto/associated-data.ts";
import type { WritableLayout } from "../../crypto/envelope/layouts.ts";
import type { KeyContext } from "../../crypto/keys/key-context.ts";
import { checkLayout } from "../../crypto/local.ts";
import { invalidRange, invalidType, isVaultError, VaultError } from "../../errors.ts";
import type { KeyService } from "../../keys/key-service.ts";
import {
  BEGIN_TRIES_MAX,
  FINDINGS_DEFAULT,
  LEASE_MS_DEFAULT,
  LEASE_MS_MAX,
  LEASE_MS_MIN,
  PAGE_ROWS_DEFAULT,
  PAGE_ROWS_MAX,
  PLAN_SAMPLE_ROWS,
  RANGE_ROWS_MIN,
  RANGES_MAX,
  WORKERS_DEFAULT,
  WORKERS_MAX,
} from "./limits.ts";
import type { JobMode, Mode } from "./mode.ts";
import { modeOf } from "./modes.ts";
import {
  addCounts,
  type Counts,
  type Finding,
  findingsOf,
  leftBehind,
  NO_COUNTS,
  tally,
} from "./outcomes.ts";
import { Pace } from "./pace.ts";
import { type CheckShare, decidePage, type PageRules } from "./page.ts";
import { patiently, type RunWait } from "./patience.ts";
import { differences, type JobProgress, progressOf } from "./progress.ts";
import type { CiphertextSource, JobRecord, JobStatus, KeyRange, SourceFacts, SourceRow } from "./source.ts";
import { type VerifyOptions, type VerifyReport, verifySource } from "./verify.ts";
import { work } from "./worker.ts";

/** What a job is made of. */
export interface RekeyJobOptions {
  /** Wraps data keys anew: `vault.keys`. */
  readonly keys: KeyService;
  /** Where the ciphertexts are: one of coffer/sources, or one's own. */
  readonly source: CiphertextSource;
  readonly mode: JobMode;
  /**
   * The key context of a row: where `rekey` moves it, and under which `re-encrypt`, `upgrade` and `bind` make the new key
   * (default: the old one). With `rewrap` it is compared with the ciphertext's.
   */
  readonly context?: ((row: SourceRow) => KeyContext) | undefined;
  /** The associated data of a row's value; default none. Needed by what decrypts, if it was given to encrypt. */
  readonly associatedData?: ((row: SourceRow, slot: string) => AssociatedData) | undefined;
  /** The layout to write: for `upgrade` needed; `re-encrypt` and `bind` keep a ciphertext's unless told. */
  readonly layout?: WritableLayout | undefined;
  /**
   * How many moved values are unwrapped before they are written, to see that the data key is the same: `none`, `sample`
   * (default: 1 of 100, at least 1 of each page) or `all`. Needs the permission to decrypt.
   */
  readonly check?: CheckShare | undefined;
}

/** How a run goes. */
export interface RunOptions {
  /** Ranges that are worked on at once in this process: 1 to 64, default 2. Further processes may run the same job. */
  readonly workers?: number | undefined;
  /** Rows of a page: 1 to 10,000, default 500; fewer where rows are long. */
  readonly pageRows?: number | undefined;
  /** Rows a second at most, of all workers of this run; default no limit. */
  readonly rate?: number | undefined;
  /** Milliseconds after which the range of a worker that does not answer is taken over: default 15,000. */
  readonly leaseMs?: number | undefined;
  /** While it answers true, no further page is begun. */
  readonly isPaused?: (() => boolean | Promise<boolean>) | undefined;
  /** Told after each page. */
  readonly onProgress?: ((progress: JobProgress) => void) | undefined;
  /**
   * Told before each wait for a source or a key service that does not answer, also while the run begins. A worker tries 6 times
   * again, after 0.5 to 16 seconds, and 6 times anew after each page; each worker tells of its own waits.
   */
  readonly onWait?: ((wait: RunWait) => void) | undefined;
  /** Ends the run after the pages under way; it then answers with how far it has come. */
  readonly stop?: AbortSignal | undefined;
  /** Ends the run at once; it rejects with the signal's reason. A page is written whole or not at all. */
  readonly signal?: AbortSignal | undefined;
}

/** What a plan says. Nothing has been written. */
export interface JobPlan extends SourceFacts {
  readonly mode: JobMode;
  readonly source: string;
  readonly slots: readonly string[];
  /** An open job on the source, which `run` would go on with. */
  readonly openJob: JobRecord | undefined;
  /** What became of a sample that was moved and not written. */
  readonly sample: { readonly counts: Counts; readonly findings: readonly Finding[] };
  /** Characters that values of the sample grow by at most. */
  readonly growth: number;
}

/** What a run, or a look at a job, says. */
export interface JobReport extends JobStatus {
  readonly mode: JobMode;
  readonly source: string;
  /** Whether every row has been dealt with. */
  readonly isComplete: boolean;
  /** Values that should have been moved and could not be. */
  readonly leftBehind: number;
  /** The first of them, and plaintext. */
  readonly findings: readonly Finding[];
}

const JOB_OPTIONS = /* @__PURE__ */ optionNames<RekeyJobOptions>({
  keys: true,
  source: true,
  mode: true,
  context: true,
  associatedData: true,
  layout: true,
  check: true,
});
const RUN_OPTIONS = /* @__PURE__ */ optionNames<RunOptions>({
  workers: true,
  pageRows: true,
  rate: true,
  leaseMs: true,
  isPaused: true,
  onProgress: true,
  onWait: true,
  stop: true,
  signal: true,
});

/**
 * How far the newest job on a source has come. Needs no key service.
 *
 * @param options.findings - that are listed at most; default 100
 * @returns undefined if there was no job
 * @throws VaultError ERR_STORAGE_SCHEMA, and the storage's codes
 */
export async function jobStatus(
  source: CiphertextSource,
  options: { readonly findings?: number | undefined } = {},
): Promise<JobReport | undefined> {
  const record = await source.findJob();
  return record === undefined ? undefined : reportOf(source, record.id, options.findings);
}

/**
 * Ends the open job on a source without moving what is left. What was written stays, and can be read. Needs no key service.
 *
 * @throws VaultError ERR_JOB_NOT_FOUND if none is open
 */
export async function abortJob(source: CiphertextSource): Promise<JobReport> {
  const record = await source.findJob();
  if (record?.state !== "open") throw new VaultError("ERR_JOB_NOT_FOUND", "no job is open on this source");
  await source.closeJob(record.id, "aborted");
  return reportOf(source, record.id);
}

async function reportOf(
  source: CiphertextSource,
  jobId: string,
  findings: number = FINDINGS_DEFAULT,
): Promise<JobReport> {
  const status = await source.status(jobId);
  return {
    ...status,
    mode: (JSON.parse(status.record.settings) as { mode: JobMode }).mode,
    source: source.name,
    isComplete: status.record.state === "done",
    leftBehind: leftBehind(status.counts),
    findings: await source.findings(jobId, findings),
  };
}

/** A job on the ciphertexts of one source. */
export class RekeyJob {
  readonly #source: CiphertextSource;
  readonly #mode: Mode;
  readonly #settings: string;
  readonly #rules: Omit<PageRules, "charactersMax" | "tools"> & {
    readonly tools: Omit<PageRules["tools"], "signal">;
  };

  /**
   * @throws TypeError ERR_INVALID_ARGUMENT for an unknown mode, or one that needs what was not given; VaultError ERR_UNSUPPORTED
   *   for a mode that the source cannot serve
   */
  constructor(options: RekeyJobOptions) {
    checkOptions(options, JOB_OPTIONS, "RekeyJob");
    const { keys, source, context, associatedData, check = "sample" } = options;
    const mode = modeOf(options.mode);
    for (const need of mode.needs) {
      if (options[need] === undefined) throw invalidType(`the mode ${mode.name} needs ${need}`);
    }
    if (!["none", "sample", "all"].includes(check)) throw invalidType("check must be none, sample or all");
    const layout = options.layout === undefined ? undefined : checkLayout(options.layout);
    if (layout !== undefined && mode.isSplice) throw invalidType(`the mode ${mode.name} keeps the layout`);
    if (source.isSpliceOnly === true && !mode.isSplice)
      throw new VaultError(
        "ERR_UNSUPPORTED",
        `the mode ${mode.name} needs payloads, which this source does not give`,
      );
    this.#source = source;
    this.#mode = mode;
    this.#settings = JSON.stringify({ mode: mode.name, layout: layout ?? null });
    this.#rules = {
      mode,
      check,
      slots: source.slots,
      context,
      associatedData,
      tools: { service: keys, layout },
    };
  }

  /**
   * Looks at everything that can be known before the first write, and moves a sample without writing it. The vault makes
   * KEKs that a `rekey` of the sample needs.
   *
   * @throws VaultError ERR_SOURCE_INVALID, the key service's codes, the signal's reason
   */
  async plan(options: Pick<RunOptions, "signal"> = {}): Promise<JobPlan> {
    const { signal } = options;
    const facts = await this.#survey(signal);
    const ranges = rangesOf(facts.cuts);
    const every = Math.max(1, Math.floor(ranges.length / PLAN_SAMPLE_ROWS));
    const chosen = ranges.filter((_, i) => i % every === 0);
    const each = Math.max(1, Math.floor(PLAN_SAMPLE_ROWS / chosen.length));
    const rows: SourceRow[] = [];
    for (const range of chosen) rows.push(...(await this.#source.readPage(range, null, each)));
    const decided = await decidePage(rows, this.#rulesFor(facts, signal));
    let growth = 0;
    for (const { row, values } of decided) {
      for (const [i, { replacement }] of values.entries())
        if (replacement !== undefined) growth = Math.max(growth, replacement.length - row.values[i]!.length);
    }
    return {
      ...facts,
      mode: this.#mode.name,
      source: this.#source.name,
      slots: this.#source.slots,
      openJob: await this.#openJob(),
      sample: {
        counts: addCounts(NO_COUNTS, tally(decided)),
        findings: findingsOf(decided, this.#source.slots),
      },
      growth,
    };
  }

  /**
   * Moves the ciphertexts, from where an earlier run stopped. Further processes may run the same job at the same time.
   *
   * @returns how far the job has come: its end, unless `stop` ended this run before it
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_SOURCE_INVALID, ERR_SOURCE_CHANGED,
   *   ERR_JOB_CONFLICT (a job with other settings is open on the source), the key service's and the storage's codes; the
   *   signal's reason. A failure that may pass is thrown when the tries are used up, or when `stop` comes while the source
   *   is away. What has been written stays, and the next run goes on behind it
   */
  async run(options: RunOptions = {}): Promise<JobReport> {
    checkOptions(options, RUN_OPTIONS, "run");
    const { stop, signal, onProgress, onWait } = options;
    const workers = wholeNumber(options.workers ?? WORKERS_DEFAULT, 1, WORKERS_MAX, "workers");
    const pageRows = wholeNumber(options.pageRows ?? PAGE_ROWS_DEFAULT, 1, PAGE_ROWS_MAX, "pageRows");
    const leaseMs = wholeNumber(options.leaseMs ?? LEASE_MS_DEFAULT, LEASE_MS_MIN, LEASE_MS_MAX, "leaseMs");
    const rate = options.rate ?? Number.POSITIVE_INFINITY;
    if (typeof rate !== "number" || !(rate > 0)) throw invalidRange("rate must be a number above 0");
    signal?.throwIfAborted();

    // One worker's failure ends the others' work after their pages.
    const failed = new AbortController();
    const isStopping = (): boolean => stop?.aborted === true || failed.signal.aborted;
    const patience = { isStopping, signal, onWait };
    const { facts, record, before } = await patiently(async () => {
      const found = await this.#survey(signal);
      const open = await this.#begin(found);
      return { facts: found, record: open, before: (await this.#source.status(open.id)).counts };
    }, patience);
    let counts = before;
    const begun = { rows: counts.rows, at: performance.now() };
    const setting = {
      ...patience,
      source: this.#source,
      rules: this.#rulesFor(facts, signal),
      pageRows,
      leaseMs,
      pace: new Pace(rate, options.isPaused ?? (() => false), isStopping, signal),
      onPage: (earlier: Counts, later: Counts) => {
        counts = addCounts(counts, differences(later, earlier));
        onProgress?.(progressOf(counts, record.rows, begun));
      },
    };
    const ended = await Promise.allSettled(
      Array.from({ length: workers }, async () => {
        try {
          await work(record.id, setting);
        } catch (error) {
          failed.abort();
          throw error;
        }
      }),
    );
    const failure = ended.find((one) => one.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    return patiently(async () => {
      const { ranges } = await this.#source.status(record.id);
      if (ranges.open + ranges.leased === 0) await this.#source.closeJob(record.id, "done");
      return reportOf(this.#source, record.id);
    }, patience);
  }

  /** The same as {@link jobStatus} of the job's source. */
  async status(options: { readonly findings?: number | undefined } = {}): Promise<JobReport | undefined> {
    return jobStatus(this.#source, options);
  }

  /**
   * Reads every value again: under which KEK versions they are, which cannot be read, which are not bound.
   *
   * @throws VaultError as `run`; the signal's reason
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { service } = this.#rules.tools;
    const { associatedData } = this.#rules;
    return verifySource(this.#source, service, associatedData, options);
  }

  /** The same as {@link abortJob} of the job's source. */
  async abort(): Promise<JobReport> {
    return abortJob(this.#source);
  }

  async #survey(signal: AbortSignal | undefined): Promise<SourceFacts> {
    return this.#source.survey({ cuts: RANGES_MAX - 1, signal });
  }

  /** The open job, or a new one. */
  async #begin(facts: SourceFacts): Promise<JobRecord> {
    const wanted = Math.max(1, Math.min(RANGES_MAX, Math.ceil(facts.rows / RANGE_ROWS_MIN)));
    const every = Math.max(1, Math.ceil((facts.cuts.length + 1) / wanted));
    const cuts = facts.cuts.filter((_, i) => (i + 1) % every === 0);
    const job = { settings: this.#settings, rows: facts.rows, ranges: rangesOf(cuts) };
    for (let tries = 1; ; tries++) {
      const open = await this.#openJob();
      if (open !== undefined) return open;
      try {
        return await this.#source.createJob(job);
      } catch (error) {
        // Another process has begun one a moment ago. It may even have ended by now.
        if (tries >= BEGIN_TRIES_MAX || !isVaultError(error, "ERR_JOB_CONFLICT")) throw error;
      }
    }
  }

  /** @throws VaultError ERR_JOB_CONFLICT if what is open has other settings */
  async #openJob(): Promise<JobRecord | undefined> {
    const record = await this.#source.findJob();
    if (record?.state !== "open") return undefined;
    if (record.settings !== this.#settings) {
      throw new VaultError(
        "ERR_JOB_CONFLICT",
        "a job with other settings is open on this source: let it end, or abort it",
      );
    }
    return record;
  }

  #rulesFor({ charactersMax }: SourceFacts, signal: AbortSignal | undefined): PageRules {
    return { ...this.#rules, charactersMax, tools: { ...this.#rules.tools, signal } };
  }
}

function rangesOf(cuts: readonly string[]): KeyRange[] {
  return [...cuts, null].map((upTo, i) => ({ after: i === 0 ? null : cuts[i - 1]!, upTo }));
}

function wholeNumber(value: number, min: number, max: number, name: string): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalidRange(`${name} must be a whole number from ${min} to ${max}`);
  return value;
}

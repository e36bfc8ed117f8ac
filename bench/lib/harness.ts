/**
 * The harness: several competitors at the same work, in turns, within one process.
 *
 * Owns how time is taken. On a shared machine neighbours come and go, so no competitor is measured alone: each
 * round takes one short sample of every competitor in a random order, and ratios are of samples of the same round.
 * The event loop turns before each sample, so that what a competitor left to be cleaned up is not charged to the
 * next one. The garbage collector is never forced: that would throw optimised code away. Must not know what the
 * competitors do.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import { type Summary, shuffled, summarize } from "./statistics.ts";

/** One way to do the work. */
export interface Competitor {
  readonly name: string;
  /**
   * Does the work once. Async competitors are awaited one after the other.
   *
   * @param index - counts up from 0 over all calls, so that inputs can differ
   */
  readonly call: (index: number) => unknown;
  readonly isAsync: boolean;
}

/** Competitors at the same work. */
export interface Case {
  readonly suite: string;
  /** The work, like "seal". */
  readonly work: string;
  /** On what, like "16 B". */
  readonly size: string;
  /** The competitor that the others are divided by: the first. */
  readonly competitors: readonly [Competitor, ...Competitor[]];
  /** Prepares, and proves that all competitors answer the same. Runs before the clock. @throws if they do not */
  check(): Promise<void>;
  close?(): Promise<void>;
}

export interface Settings {
  readonly rounds: number;
  /** Milliseconds of one sample. */
  readonly sampleMs: number;
  /** Milliseconds that each competitor runs before the first round. */
  readonly warmUpMs: number;
}

export interface CompetitorResult {
  readonly name: string;
  /** Calls in one sample. */
  readonly calls: number;
  /** Nanoseconds a call. */
  readonly ns: Summary;
  /** Times the baseline, of the same round. */
  readonly ratio: Summary;
  /** Nanoseconds a call, round by round. */
  readonly samples: readonly number[];
}

export interface CaseResult {
  readonly suite: string;
  readonly work: string;
  readonly size: string;
  readonly competitors: readonly CompetitorResult[];
}

/** The last answer. Where nobody keeps an answer, an optimiser may leave out the work. */
export let lastAnswer: unknown;

/**
 * Checks a case and measures it.
 *
 * @throws what `check` throws: competitors that do not agree are not compared
 */
export async function measure(subject: Case, settings: Settings): Promise<CaseResult> {
  try {
    await subject.check();
    const runners = [];
    for (const competitor of subject.competitors) {
      const runner = new Runner(competitor);
      await runner.warmUp(settings);
      runners.push(runner);
    }
    for (let round = 0; round < settings.rounds; round++) {
      for (const runner of shuffled(runners)) await runner.sample();
    }
    const baseline = runners[0]!.samples;
    return {
      suite: subject.suite,
      work: subject.work,
      size: subject.size,
      competitors: runners.map((runner) => runner.result(baseline)),
    };
  } finally {
    await subject.close?.();
  }
}

class Runner {
  readonly samples: number[] = [];
  readonly #competitor: Competitor;
  #index = 0;
  #calls = 1;

  constructor(competitor: Competitor) {
    this.#competitor = competitor;
  }

  /** Lets the engine optimise, and finds how many calls fill a sample. */
  async warmUp({ warmUpMs, sampleMs }: Settings): Promise<void> {
    const until = performance.now() + warmUpMs;
    let perCall: number;
    do {
      perCall = (await this.#run(this.#calls)) / 1e6 / this.#calls;
      // At most doubled, so that one slow start does not decide, nor one lucky one overshoot.
      const wanted = Math.max(1, Math.round(sampleMs / perCall));
      this.#calls = Math.min(wanted, this.#calls * 2);
    } while (performance.now() < until || this.#calls * perCall < sampleMs / 2);
  }

  async sample(): Promise<void> {
    await turn();
    this.samples.push((await this.#run(this.#calls)) / this.#calls);
  }

  result(baseline: readonly number[]): CompetitorResult {
    return {
      name: this.#competitor.name,
      calls: this.#calls,
      ns: summarize(this.samples),
      ratio: summarize(this.samples.map((sample, round) => sample / baseline[round]!)),
      samples: this.samples,
    };
  }

  /** @returns nanoseconds */
  async #run(calls: number): Promise<number> {
    const { call, isAsync } = this.#competitor;
    const end = this.#index + calls;
    const start = process.hrtime.bigint();
    // Two loops: an await in the loop would charge synchronous competitors for the promise.
    if (isAsync) for (let i = this.#index; i < end; i++) lastAnswer = await call(i);
    else for (let i = this.#index; i < end; i++) lastAnswer = call(i);
    const ns = Number(process.hrtime.bigint() - start);
    this.#index = end;
    return ns;
  }
}

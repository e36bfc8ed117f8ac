/**
 * The harness: several competitors at the same work, in turns, within one process.
 *
 * Owns how time is taken. On a shared machine neighbours come and go, so no competitor is measured alone: each
 * round takes one short sample of every competitor in a random order, and ratios are of samples of the same round.
 * Every sample is taken by two clocks, the wall's and the processor's: the second does not run while a neighbour has
 * the core.
 * The event loop turns before each sample, so that what a competitor left to be cleaned up is not charged to the
 * next one. The garbage collector is never forced: that would throw optimised code away. Must not know what the
 * competitors do.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import { type Summary, shuffled, summarize } from "./statistics.ts";

const NS_PER_US = 1e3;
const NS_PER_MS = 1e6;

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

/**
 * `wall`: what a caller waits. `cpu`: what the machine spends, on all threads of the process; the one to believe
 * where nothing waits for a disk.
 */
export type Clock = "wall" | "cpu";

/** Competitors at the same work. */
export interface Case {
  readonly suite: string;
  /** The work, like "seal". */
  readonly work: string;
  /** On what, like "16 B". */
  readonly size: string;
  /** Which clock's ratios are told first. */
  readonly clock: Clock;
  /** The competitor that the others are divided by: the first. */
  readonly competitors: readonly [Competitor, ...Competitor[]];
  /** Prepares, and proves that all competitors answer the same. Runs before the clock. @throws if they do not */
  check(): Promise<void>;
  close?(): Promise<void>;
}

export interface Settings {
  readonly rounds: number;
  /** Milliseconds of one sample, by the case's clock. */
  readonly sampleMs: number;
  /** Milliseconds that each competitor runs before the first round. */
  readonly warmUpMs: number;
}

/** What one clock showed. */
export interface Timing {
  /** Nanoseconds a call. */
  readonly ns: Summary;
  /** Times the baseline, of the same round. */
  readonly ratio: Summary;
  /** Nanoseconds a call, round by round. */
  readonly samples: readonly number[];
}

export interface CompetitorResult extends Readonly<Record<Clock, Timing>> {
  readonly name: string;
  /** Calls in one sample. */
  readonly calls: number;
}

export interface CaseResult {
  readonly suite: string;
  readonly work: string;
  readonly size: string;
  readonly clock: Clock;
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
    const runners: Runner[] = [];
    for (const competitor of subject.competitors) {
      const runner = new Runner(competitor, subject.clock);
      await runner.warmUp(settings);
      runners.push(runner);
    }
    for (let round = 0; round < settings.rounds; round++) {
      for (const runner of shuffled(runners)) await runner.sample();
    }
    const { suite, work, size, clock } = subject;
    return { suite, work, size, clock, competitors: runners.map((runner) => runner.result(runners[0]!)) };
  } finally {
    await subject.close?.();
  }
}

class Runner {
  readonly #samples: Record<Clock, number[]> = { wall: [], cpu: [] };
  readonly #competitor: Competitor;
  readonly #clock: Clock;
  #index = 0;
  #calls = 1;

  constructor(competitor: Competitor, clock: Clock) {
    this.#competitor = competitor;
    this.#clock = clock;
  }

  /** Lets the engine optimise, and finds how many calls fill a sample. */
  async warmUp({ warmUpMs, sampleMs }: Settings): Promise<void> {
    let spentMs = 0;
    let lastMs: number;
    do {
      lastMs = (await this.#run(this.#calls))[this.#clock] / NS_PER_MS;
      spentMs += lastMs;
      const wanted = Math.max(1, Math.round((sampleMs * this.#calls) / lastMs));
      // At most doubled, so that one slow start does not decide, nor one lucky one overshoot.
      if (lastMs < sampleMs / 2 || spentMs < warmUpMs) this.#calls = Math.min(wanted, this.#calls * 2);
    } while (lastMs < sampleMs / 2 || spentMs < warmUpMs);
  }

  async sample(): Promise<void> {
    await turn();
    const { wall, cpu } = await this.#run(this.#calls);
    this.#samples.wall.push(wall / this.#calls);
    this.#samples.cpu.push(cpu / this.#calls);
  }

  result(baseline: Runner): CompetitorResult {
    const timing = (clock: Clock): Timing => {
      const samples = this.#samples[clock];
      const ratios = samples.map((sample, round) => sample / baseline.#samples[clock][round]!);
      return { ns: summarize(samples), ratio: summarize(ratios), samples };
    };
    return { name: this.#competitor.name, calls: this.#calls, wall: timing("wall"), cpu: timing("cpu") };
  }

  /** @returns nanoseconds by both clocks */
  async #run(calls: number): Promise<Record<Clock, number>> {
    const { call, isAsync } = this.#competitor;
    const end = this.#index + calls;
    const cpuStart = process.cpuUsage();
    const start = process.hrtime.bigint();
    // Two loops: an await in the loop would charge synchronous competitors for the promise.
    if (isAsync) for (let i = this.#index; i < end; i++) lastAnswer = await call(i);
    else for (let i = this.#index; i < end; i++) lastAnswer = call(i);
    const wall = Number(process.hrtime.bigint() - start);
    const { user, system } = process.cpuUsage(cpuStart);
    this.#index = end;
    // The processor's clock counts microseconds, so that very short runs may show none.
    return { wall, cpu: Math.max(1, user + system) * NS_PER_US };
  }
}

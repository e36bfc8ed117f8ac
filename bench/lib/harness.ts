/**
 * The harness: several competitors at the same work, in turns, within one process.
 *
 * Owns how samples are taken and compared. On a shared machine neighbours come and go, so no competitor is measured
 * alone: each round takes one short sample of every competitor in a random order, and ratios are of samples of the
 * same round. Every sample is taken by two clocks, the wall's and the processor's: the second does not run while a
 * neighbour has the core. The sampler decides where competitors run: in this process here, in another runtime in
 * bench/runtimes.
 * The event loop turns before each sample, so that what a competitor left to be cleaned up is not charged to the
 * next one. The garbage collector is never forced: that would throw optimised code away. Must not know what the
 * competitors do.
 *
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import { repeat, repeatAsync } from "./repeat.ts";
import { type Figures, type Middle, shuffled, summarize } from "./statistics.ts";

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

/** One competitor as the harness sees it. */
export interface Sampler {
  readonly name: string;
  /** Lets the event loop turn, does the work `calls` times, and tells the nanoseconds that took by both clocks. */
  run(calls: number): Promise<Readonly<Record<Clock, number>>>;
}

/** What a result is of. */
export interface Subject {
  readonly suite: string;
  /** The work, like "seal". */
  readonly work: string;
  /** On what, like "16 B". */
  readonly size: string;
  /** Which clock's ratios are told first. */
  readonly clock: Clock;
}

/** Competitors at the same work. */
export interface Case extends Subject {
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
  readonly ns: Figures;
  /** Nanoseconds a call, round by round; not in a result that was read from a file. */
  readonly samples?: readonly number[];
}

export interface CompetitorResult extends Readonly<Record<Clock, Timing>> {
  readonly name: string;
  /** Times the baseline of the same round, by the case's clock. */
  readonly ratio: Middle;
}

export interface CaseResult extends Subject {
  readonly competitors: readonly CompetitorResult[];
}

/**
 * Checks a case and measures it.
 *
 * @throws what `check` throws: competitors that do not agree are not compared
 */
export async function measure(subject: Case, settings: Settings): Promise<CaseResult> {
  try {
    await subject.check();
    return await compare(subject, subject.competitors.map(inProcess), settings);
  } finally {
    await subject.close?.();
  }
}

/**
 * Measures samplers against each other; the first is the one that the others are divided by.
 *
 * @throws what a sampler throws
 */
export async function compare(
  { suite, work, size, clock }: Subject,
  samplers: readonly Sampler[],
  settings: Settings,
): Promise<CaseResult> {
  const runners: Runner[] = [];
  for (const sampler of samplers) {
    const runner = new Runner(sampler, clock);
    await runner.warmUp(settings);
    runners.push(runner);
  }
  for (let round = 0; round < settings.rounds; round++) {
    for (const runner of shuffled(runners)) await runner.sample();
  }
  return { suite, work, size, clock, competitors: runners.map((runner) => runner.result(runners[0]!)) };
}

class Runner {
  readonly #samples: Record<Clock, number[]> = { wall: [], cpu: [] };
  readonly #sampler: Sampler;
  readonly #clock: Clock;
  #calls = 1;

  constructor(sampler: Sampler, clock: Clock) {
    this.#sampler = sampler;
    this.#clock = clock;
  }

  /** Lets the engine optimise, and finds how many calls fill a sample. */
  async warmUp({ warmUpMs, sampleMs }: Settings): Promise<void> {
    let spentMs = 0;
    let lastMs: number;
    do {
      lastMs = (await this.#sampler.run(this.#calls))[this.#clock] / NS_PER_MS;
      spentMs += lastMs;
      const wanted = Math.max(1, Math.round((sampleMs * this.#calls) / lastMs));
      // At most doubled, so that one slow start does not decide, nor one lucky one overshoot.
      if (lastMs < sampleMs / 2 || spentMs < warmUpMs) this.#calls = Math.min(wanted, this.#calls * 2);
    } while (lastMs < sampleMs / 2 || spentMs < warmUpMs);
  }

  async sample(): Promise<void> {
    const { wall, cpu } = await this.#sampler.run(this.#calls);
    this.#samples.wall.push(wall / this.#calls);
    this.#samples.cpu.push(cpu / this.#calls);
  }

  result(baseline: Runner): CompetitorResult {
    const timing = (clock: Clock): Timing => ({
      ns: summarize(this.#samples[clock]),
      samples: this.#samples[clock],
    });
    const ratios = this.#samples[this.#clock].map(
      (sample, round) => sample / baseline.#samples[this.#clock][round]!,
    );
    return {
      name: this.#sampler.name,
      wall: timing("wall"),
      cpu: timing("cpu"),
      ratio: summarize(ratios),
    };
  }
}

/** A competitor of this process, as a sampler. */
export const inProcess = (competitor: Competitor): Sampler => new InProcess(competitor);

class InProcess implements Sampler {
  readonly name: string;
  readonly #competitor: Competitor;
  #index = 0;

  constructor(competitor: Competitor) {
    this.name = competitor.name;
    this.#competitor = competitor;
  }

  async run(calls: number): Promise<Readonly<Record<Clock, number>>> {
    await turn();
    const { call, isAsync } = this.#competitor;
    const end = this.#index + calls;
    const cpuStart = process.cpuUsage();
    const start = process.hrtime.bigint();
    if (isAsync) await repeatAsync(call, this.#index, end);
    else repeat(call, this.#index, end);
    const wall = Number(process.hrtime.bigint() - start);
    const { user, system } = process.cpuUsage(cpuStart);
    this.#index = end;
    // The processor's clock counts microseconds, so that very short runs may show none.
    return { wall, cpu: Math.max(1, user + system) * NS_PER_US };
  }
}

/**
 * All runtimes that are installed, one after the other: the part of `npm run bench` that leaves this process.
 *
 * Owns which runtimes are measured and how long, and what becomes of one that fails: it is told and left out, unless
 * its outputs disagree.
 *
 * @module
 */
import type { Settings } from "../lib/harness.ts";
import { load, machine, versions } from "../lib/machine.ts";
import { REPORT_SCHEMA } from "../lib/result-file.ts";
import { DISAGREEMENT } from "./protocol.ts";
import type { RuntimesReport } from "./report.ts";
import { HERE, starters } from "./starters.ts";
import {
  CROSSOVER_SIZES,
  MESSAGE_SIZES,
  measureRuntime,
  type Plan,
  QUICK_SIZES,
  type RuntimeResult,
  SEALED_SIZES,
  withBundles,
} from "./suite.ts";

export type RuntimesMode = "quick" | "default" | "full" | "crossover";

/** What is measured: messages and batches, or what is sealed to a recipient. */
export type RuntimesSubject = "runtimes" | "sealedRuntimes";

/** A sample is long beside the question that asks for it, which costs a tenth of a millisecond or two. */
const SETTINGS: Readonly<Record<RuntimesMode, Settings>> = {
  quick: { rounds: 2, sampleMs: 1, warmUpMs: 1 },
  default: { rounds: 7, sampleMs: 20, warmUpMs: 60 },
  // Eight runtimes: more rounds would take half an hour.
  full: { rounds: 7, sampleMs: 20, warmUpMs: 60 },
  crossover: { rounds: 9, sampleMs: 20, warmUpMs: 60 },
};

const SIZES: Readonly<Record<RuntimesMode, readonly number[]>> = {
  quick: QUICK_SIZES,
  default: MESSAGE_SIZES,
  full: MESSAGE_SIZES,
  crossover: CROSSOVER_SIZES,
};

/** The names that `measureRuntimes` takes. */
export function runtimeNames(): readonly string[] {
  return [...starters().keys()];
}

/**
 * @param names - only these; default all, or with `quick` the Node that runs this
 * @throws Error if outputs disagree anywhere
 */
export async function measureRuntimes(
  subject: RuntimesSubject,
  mode: RuntimesMode,
  name: string,
  names: readonly string[] | undefined,
  progress: (text: string) => void,
): Promise<RuntimesReport> {
  const startedAt = new Date();
  const before = load();
  const runtimes: RuntimeResult[] = [];
  const skipped: { name: string; why: string }[] = [];
  const chosen = [...starters()].filter(
    ([key]) => names?.includes(key) ?? (mode !== "quick" || key === HERE),
  );
  await withBundles(async (bundles) => {
    for (const [, starter] of chosen) {
      if (starter.missing !== undefined) {
        progress(`${starter.name}: left out (${starter.missing})`);
        skipped.push({ name: starter.name, why: starter.missing });
        continue;
      }
      const common = { settings: SETTINGS[mode], progress };
      const plan: Plan =
        subject === "sealedRuntimes"
          ? { ...common, set: "sealed", sizes: SEALED_SIZES, hasBatches: false }
          : mode === "crossover"
            ? { ...common, set: "crossover", sizes: SIZES[mode], hasBatches: false }
            : { ...common, set: "message", sizes: SIZES[mode], hasBatches: true };
      try {
        runtimes.push(await measureRuntime(starter, bundles, plan));
      } catch (error) {
        const { message } = error as Error;
        if (message.includes(DISAGREEMENT)) throw error;
        progress(`${starter.name}: left out (${message})`);
        skipped.push({ name: starter.name, why: "it failed" });
      }
    }
  });
  return {
    schema: REPORT_SCHEMA,
    name,
    startedAt: startedAt.toISOString(),
    seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    machine: machine(),
    load: { before, after: load() },
    versions: versions(),
    settings: SETTINGS[mode],
    runtimes,
    skipped,
  };
}

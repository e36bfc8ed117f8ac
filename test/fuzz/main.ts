/**
 * `npm run fuzz -- [--envelopes N] [--key-blobs N] [--bodies N] [--seed S] [--seconds S] [--state FILE]`: a seeded loop of
 * mutations.
 *
 * Owns the counts, the time and the report. Stops at the first case that breaks a rule and prints its seed and number, with
 * which `--seed` and `--from` run it again. `--seconds` is for each of the three; without counts, each runs that long.
 * `--state` keeps what was done in a file, and a run of the same seed goes on there.
 *
 * @module
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { numbers } from "../support/crafted-envelopes.ts";
import { bodyCase } from "./bodies.ts";
import { envelopeCase } from "./envelopes.ts";
import { keyBlobCase } from "./key-blobs.ts";
import type { Pick } from "./mutations.ts";

const SECONDS_DEFAULT = 60;
const MS_PER_SECOND = 1_000;
/** How many cases run between two looks at the time. */
const CASES_PER_LOOK = 256;
/** Of an error that breaks a rule. */
const STACK_FRAMES = 20;
/** Between two times that the state is kept. */
const CASES_PER_STATE = 100_000;
/** Each case has a stream of its own, so that one runs again by itself. */
const SEED_STEP = 0x9e3779b1;

const { values } = parseArgs({
  options: {
    envelopes: { type: "string" },
    "key-blobs": { type: "string" },
    bodies: { type: "string" },
    seed: { type: "string" },
    from: { type: "string" },
    seconds: { type: "string" },
    state: { type: "string" },
  },
});
const seed = whole(values.seed) ?? Date.now() % 2 ** 32;
const seconds = whole(values.seconds);
const isCounted = [values.envelopes, values["key-blobs"], values.bodies].some((count) => count !== undefined);

const readEnvelope = envelopeCase();
// Most cases end in an error, and its stack costs as much as all the rest; a case that breaks a rule is run again with one.
Error.stackTraceLimit = 0;
await fuzz("envelopes", whole(values.envelopes), readEnvelope);
const keyBlobs = await keyBlobCase();
await fuzz("key blobs", whole(values["key-blobs"]), keyBlobs.run);
await keyBlobs.close();
const bodies = await bodyCase();
await fuzz("bodies", whole(values.bodies), bodies.run);
await bodies.close();

function whole(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new RangeError(`${text} is not a whole number from 0`);
  return number;
}

/** What a run of one kind has done up to now. */
interface Progress {
  readonly seed: number;
  /** The case that comes next. */
  readonly at: number;
  readonly seconds: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

/** By kind; nothing where no state is kept. @throws Error on one of another seed */
function keptProgress(what: string): Progress | undefined {
  const kept =
    values.state !== undefined && existsSync(values.state) ? readState(values.state)[what] : undefined;
  if (kept !== undefined && kept.seed !== seed) throw new Error(`the state is of --seed ${kept.seed}`);
  return kept;
}

function readState(path: string): Record<string, Progress> {
  return JSON.parse(readFileSync(path, "utf8")) as Record<string, Progress>;
}

function keepProgress(what: string, progress: Progress): void {
  if (values.state === undefined) return;
  const all = existsSync(values.state) ? readState(values.state) : {};
  writeFileSync(`${values.state}.new`, JSON.stringify({ ...all, [what]: progress }));
  renameSync(`${values.state}.new`, values.state);
}

/** Runs cases up to their count, or up to the time where there is none. */
async function fuzz(
  what: string,
  count: number | undefined,
  run: (pick: Pick) => string | Promise<string>,
): Promise<void> {
  if (count === undefined && isCounted) return;
  const start = performance.now();
  const until = start + (seconds ?? (count === undefined ? SECONDS_DEFAULT : Infinity)) * MS_PER_SECOND;
  const from = whole(values.from) ?? 0;
  const kept = keptProgress(what) ?? { seed, at: from, seconds: 0, outcomes: {} };
  const outcomes = new Map(Object.entries(kept.outcomes));
  const took = (): number => kept.seconds + (performance.now() - start) / MS_PER_SECOND;
  const keep = (at: number): void =>
    keepProgress(what, { seed, at, seconds: took(), outcomes: Object.fromEntries(outcomes) });
  const end = count === undefined ? Infinity : from + count;
  const runCase = (at: number): string | Promise<string> => run(numbers((seed + at * SEED_STEP) >>> 0));
  let { at } = kept;
  for (; at < end; at++) {
    if (at % CASES_PER_LOOK === 0 && performance.now() > until) break;
    if (at % CASES_PER_STATE === 0 && at > kept.at) keep(at);
    try {
      const running = runCase(at);
      const outcome = typeof running === "string" ? running : await running;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (error) {
      console.error(`fuzz: ${what}, case ${at}: run it again with --seed ${seed} --from ${at}`);
      Error.stackTraceLimit = STACK_FRAMES;
      await runCase(at);
      throw error;
    }
  }
  keep(at);
  const sorted = [...outcomes].sort(([, a], [, b]) => b - a);
  console.log(`fuzz: seed ${seed}, ${at - from} ${what}, ${took().toFixed(1)} s, no rule broken`);
  console.log(`  ${sorted.map(([outcome, n]) => `${outcome}: ${n}`).join(", ")}`);
}

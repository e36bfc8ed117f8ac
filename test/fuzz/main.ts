/**
 * `npm run fuzz -- [--envelopes N] [--key-blobs N] [--bodies N] [--seed S] [--seconds S]`: a seeded loop of mutations.
 *
 * Owns the counts, the time and the report. Stops at the first case that breaks a rule and prints its seed and number, with
 * which `--seed` and `--from` run it again. `--seconds` is for each of the three; without counts, each runs that long.
 *
 * @module
 */
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
  },
});
const seed = whole(values.seed) ?? Date.now() % 2 ** 32;
const seconds = whole(values.seconds);
const isCounted = [values.envelopes, values["key-blobs"], values.bodies].some((count) => count !== undefined);

const readEnvelope = envelopeCase();
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

/** Runs cases up to their count, or up to the time where there is none. */
async function fuzz(
  what: string,
  count: number | undefined,
  run: (pick: Pick) => string | Promise<string>,
): Promise<void> {
  if (count === undefined && isCounted) return;
  const start = performance.now();
  const until = start + (seconds ?? (count === undefined ? SECONDS_DEFAULT : Infinity)) * MS_PER_SECOND;
  const outcomes = new Map<string, number>();
  const from = whole(values.from) ?? 0;
  const end = count === undefined ? Infinity : from + count;
  let at = from;
  for (; at < end; at++) {
    if (at % CASES_PER_LOOK === 0 && performance.now() > until) break;
    try {
      const running = run(numbers((seed + at * SEED_STEP) >>> 0));
      const outcome = typeof running === "string" ? running : await running;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (error) {
      console.error(`fuzz: ${what}, case ${at}: run it again with --seed ${seed} --from ${at}`);
      throw error;
    }
  }
  const took = ((performance.now() - start) / MS_PER_SECOND).toFixed(1);
  const sorted = [...outcomes].sort(([, a], [, b]) => b - a);
  console.log(`fuzz: seed ${seed}, ${at - from} ${what}, ${took} s, no rule broken`);
  console.log(`  ${sorted.map(([outcome, n]) => `${outcome}: ${n}`).join(", ")}`);
}

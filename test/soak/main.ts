/**
 * `npm run soak -- [--short] [--only PART,PART] [--rounds N] [--seed S]`: a vault under faults, and the account of what it had
 * acknowledged. The parts are the rows of the table below; each says at its function what goes wrong. A part that a machine
 * cannot do (no compiler, no PostgreSQL, no right to mount) is named as skipped.
 *
 * After its rounds the vault is opened, and everything that was ever said is compared: values, data keys, events, states.
 * Exit code 1 if anything is lost or wrong.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { numbers } from "../support/crafted-envelopes.ts";
import { disk, faults, kills, starvation } from "./on-files.ts";
import { crashes, failover, fullDisk, network, stillClients } from "./on-postgres.ts";
import { endWriters, type Part } from "./writing.ts";

/** Every part, with its rounds in the long form and in the short one; 0 leaves it out. */
const PARTS: readonly [name: string, part: Part, rounds: number, short: number][] = [
  ["kills", kills, 60, 2],
  ["faults", faults, 1, 1],
  ["disk", disk, 8, 1],
  ["starvation", starvation, 4, 0],
  ["postgres", crashes, 20, 1],
  ["failover", failover, 8, 1],
  ["network", network, 6, 1],
  ["postgres-disk", fullDisk, 5, 0],
  ["postgres-starvation", stillClients, 4, 0],
];

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    seed: { type: "string" },
  },
});
const only = values.only?.split(",");
const unknown = only?.find((name) => !PARTS.some(([part]) => part === name));
if (unknown !== undefined) throw new RangeError(`there is no part ${unknown}`);
const seed = values.seed === undefined ? Date.now() % 2 ** 32 : Number(values.seed);
const pick = numbers(seed);
process.once("exit", endWriters);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

let isWell = true;
for (const [name, part, long, short] of PARTS) {
  if (only !== undefined && !only.includes(name)) continue;
  const rounds = Number(values.rounds ?? (values.short ? short : long));
  if (rounds === 0) continue;
  const start = performance.now();
  const result = await part({ rounds, isShort: values.short, seed, pick });
  const seconds = ((performance.now() - start) / 1_000).toFixed(0);
  if (typeof result === "string") {
    console.log(`soak: ${name}: skipped: ${result}`);
    continue;
  }
  const codes = [...result.codes].map(([code, n]) => `${code} ${n}`).join(", ");
  console.log(
    `soak: ${name}: seed ${seed}, ${rounds} rounds, ${seconds} s: ${result}${codes && ` (${codes})`}`,
  );
  isWell &&= result.lost === 0 && result.wrong === 0 && result.acknowledged > 0;
}
process.exit(isWell ? 0 : 1);

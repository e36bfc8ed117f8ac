/**
 * `coffer keys rewrap`.
 *
 * @module
 */
import type { Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { type Result, record } from "../output/format.ts";

const HELP = `
rewrap: the same data keys and the same contexts, wrapped under the newest
version of each KEK. The encrypted values are not read and stay. It looks at all
stored values of the environment that are under a KEK version which new data is
no longer encrypted with, old versions and deleted objects too, in small steps:
others may go on reading and writing, and after an interruption it goes on where
it stopped. This takes as long as there are such values, however many others.

Ciphertexts that are kept elsewhere are not known to the vault: coffer rewrap
takes those, one by one.

Examples:
  $ coffer keys rotate organization_id=org_1 --vault vault.db
  $ coffer keys rewrap --vault vault.db
`;

/** `coffer keys rewrap`. */
export const KEYS_REWRAP: Verb = {
  name: "rewrap",
  summary: "wrap the data keys of all stored values under the newest KEK versions",
  description: "Wraps the data keys of all stored values under the newest KEK versions.",
  help: HELP,
  run: rewrap,
};

async function rewrap(run: CommandRun): Promise<Result> {
  const vault = await run.open();
  let interrupted = "nothing was done yet";
  const onProgress = (done: number, total: number): void => {
    interrupted = `${done} of ${total} values were done`;
    run.progress(`${done} of ${total} values`);
  };
  const report = await vault.rewrapKv({ signal: run.signal, onProgress }).finally(async () => {
    await run.progress();
    if (run.signal.aborted) await run.note(`${interrupted}: run it again to go on`);
  });
  if (report.skipped > 0) {
    await run.note(`${report.skipped} values were left as they are: their KEK is disabled or destroyed`);
  }
  return {
    view: record([
      ["checked", String(report.checked)],
      ["rewrapped", String(report.rewrapped)],
      ["skipped", String(report.skipped)],
    ]),
    data: () => report,
  };
}

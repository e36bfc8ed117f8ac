/**
 * `coffer keys rewrap`.
 *
 * @module
 */
import type { WrappedKeysReport } from "../../kv/index.ts";
import { option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { type Result, record, table } from "../output/format.ts";

interface RewrapOptions {
  readonly verify?: boolean;
}

/** `coffer keys rewrap`. */
export const KEYS_REWRAP: Verb = {
  name: "rewrap",
  summary: "wrap the keys of all that the vault stores under the newest KEK versions",
  description:
    "Wraps the data keys of all stored values, and the private keys of recipients, under the newest KEK versions.",
  options: [option("--verify", "only count what is under which KEK version")],
  help: `
rewrap: the same data keys and the same contexts, wrapped under the newest
version of each KEK. The encrypted values are not read and stay. It looks at all
stored values of the environment that are under a KEK version which new data is
no longer encrypted with, old versions and deleted objects too, and then at the
private keys of recipients, in small steps: others may go on reading and
writing, and after an interruption it goes on where it stopped. This takes as
long as there are such keys, however many others.

--verify moves nothing. It reads every wrapped key again, and counts from the
bytes what is under which KEK version: nothing may be under one that you shred.
OLD is what a rewrap would still look at.

Ciphertexts that are kept elsewhere are not known to the vault: coffer rewrap
takes those, one by one.

Examples:
  $ coffer keys rotate organization_id=org_1 --vault vault.db
  $ coffer keys rewrap --vault vault.db
  $ coffer keys rewrap --verify --vault vault.db
`,
  run: (run: CommandRun, { verify = false }: RewrapOptions) => (verify ? verifyRewrap(run) : rewrap(run)),
};

async function verifyRewrap(run: CommandRun): Promise<Result> {
  const vault = await run.open();
  const onProgress = (done: number, total: number): void => {
    run.progress(`${done} of ${total} keys`);
  };
  const report = await vault.verifyRewrap({ signal: run.signal, onProgress }).finally(() => run.progress());
  return { view: verifyView(report), data: () => report };
}

function verifyView({ checked, old, unreadable, keks }: WrappedKeysReport): string {
  const head = record({ checked, old, unreadable });
  if (keks.length === 0) return head;
  const rows = keks.map((count) => [
    count.kekId,
    String(count.version),
    count.state,
    String(count.kvVersions),
    String(count.recipientVersions),
  ]);
  return `${head}\n\n${table(["KEK", "VERSION", "STATE", "VALUES", "RECIPIENTS"], rows)}`;
}

async function rewrap(run: CommandRun): Promise<Result> {
  const vault = await run.open();
  let interrupted = "nothing was done yet";
  const onProgress = (done: number, total: number): void => {
    interrupted = `${done} of ${total} keys were done`;
    run.progress(`${done} of ${total} keys`);
  };
  const report = await vault.rewrapKv({ signal: run.signal, onProgress }).finally(async () => {
    await run.progress();
    if (run.signal.aborted) await run.note(`${interrupted}: run it again to go on`);
  });
  if (report.skipped > 0) {
    await run.note(`${report.skipped} keys were left as they are: their KEK is disabled or destroyed`);
  }
  return {
    view: record({ checked: report.checked, rewrapped: report.rewrapped, skipped: report.skipped }),
    data: () => report,
  };
}

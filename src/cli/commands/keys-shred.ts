/**
 * `coffer keys shred`.
 *
 * @module
 */

import type { Erasure, ShredReport } from "../../keks/index.ts";
import { type Action, option, type Verb } from "../command.ts";
import { durationParser, kekOf } from "../input/arguments.ts";
import { checkConfirmable, confirm } from "../input/confirm.ts";
import { entriesText, record } from "../output/format.ts";
import { KEK_ARGUMENT, VERSION } from "./keys-states.ts";

interface Options {
  readonly version?: number;
  readonly after?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const shred: Action<Options> = async (run, options, given) => {
  const selector = { ...kekOf(given!), version: options.version };
  const dryRun = options.dryRun === true;
  const mustAsk = !dryRun && options.yes !== true;
  if (mustAsk) checkConfirmable(false);
  const vault = await run.open();
  if (mustAsk) {
    const foreseen = await vault.keks.shred(selector, { dryRun: true });
    await confirm(shredView(foreseen, "destroys"), `${foreseen.name}=${foreseen.value}`);
  }
  const report = await vault.keks.shred(selector, { dryRun, delayMs: options.after });
  const what = dryRun ? "would destroy" : options.after === undefined ? "destroyed" : "will destroy";
  return { view: shredView(report, what), data: () => report };
};

/** `coffer keys shred`. */
export const KEYS_SHRED: Verb = {
  name: "shred",
  summary: "destroy a KEK and with it everything under it",
  description: "Destroys a KEK, or one version of it, and makes everything under it unreadable for good.",
  arguments: [KEK_ARGUMENT],
  options: [
    VERSION,
    option("--after <duration>", "destroy it after 90s, 15m, 36h, 7d, ...", durationParser("after")),
    option("--dry-run", "only tell what would be lost; change nothing"),
    option("--yes", "do not ask"),
  ],
  help: `
shred: destroys a KEK, so that everything under it is unreadable for good: every
ciphertext and every stored value whose context has this entry, also if it has
others. Nobody can bring it back; only a backup of the vault's file together
with the root key could. --dry-run tells what would be lost among the stored
values, and under which contexts; the vault does not know the ciphertexts that
are kept elsewhere. Asks for confirmation, or needs --yes.

With --after the KEK is out of use at once and destroyed when the time has come
and the vault is opened; until then coffer keys enable takes it back.

In a vault's file the KEK is overwritten at once (erasure: physical). PostgreSQL
keeps old bytes in its heap and its log: there the KEK is out of use at once
(erasure: logical), and its bytes are of no use when the root key that wrapped
them has been rotated and destroyed. Backups keep what they have copied.

"not covered" names environment-wide recipients (coffer recipients): the vault
will refuse to open what was sealed to them for a context of the KEK and not
absorbed, but their private keys are still there. Shred those versions too.

Examples:
  $ coffer keys shred organization_id=org_1 --vault vault.db --dry-run
  $ coffer keys shred organization_id=org_1 --vault vault.db --after 7d
  $ coffer keys shred organization_id=org_1 --vault vault.db --version 1 --yes
`,
  run: shred,
};

/** What the two words mean, in the command's output. */
const ERASURE: Readonly<Record<Erasure, string>> = {
  physical: "physical: its bytes are overwritten in the vault's files",
  logical: "logical: out of use; its bytes go with the root key that wraps them",
};

function shredView(report: ShredReport, what: string): string {
  const { contexts, kvObjects } = report;
  const more = (count: number, shown: number): [string, string][] =>
    count > shown ? [["", `and ${count - shown} more`]] : [];
  return record([
    [what, `${report.name}=${report.value}`],
    ["id", report.kekId],
    ["versions", report.versions.join(", ")],
    ["at", report.destroyAt ?? undefined],
    ["erasure", ERASURE[report.erasure]],
    ["contexts", String(contexts.count)],
    ...contexts.sample.map((context): [string, string] => ["", entriesText(context, ", ")]),
    ...more(contexts.count, contexts.sample.length),
    ["objects", `${kvObjects.count} with a current value that is lost`],
    ...kvObjects.sample.map((name): [string, string] => ["", name]),
    ...more(kvObjects.count, kvObjects.sample.length),
    ["values", `${report.kvVersions} stored versions are lost`],
    ["recipients", `${report.recipientVersions} private keys are lost`],
    ...uncoveredRows(report, more),
  ]);
}

/** What a shred does not reach ([SDK-45]). */
function uncoveredRows(
  { uncoveredRecipients: { count, sample } }: ShredReport,
  more: (count: number, shown: number) => [string, string][],
): [string, string][] {
  if (count === 0) return [];
  return [
    ["not covered", `${count} environment-wide recipients: what is sealed to them and not absorbed`],
    ...sample.map((id): [string, string] => ["", id]),
    ...more(count, sample.length),
  ];
}

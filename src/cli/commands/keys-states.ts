/**
 * `coffer keys list`, `rotate`, `disable` and `enable`.
 *
 * @module
 */

import { KEKS_PAGE_MAX, type KekInfo } from "../../keks/index.ts";
import { type Action, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { countParser, kekOf } from "../input/arguments.ts";
import { type Result, record, table } from "../output/format.ts";

const KEK_HELP = "NAME=VALUE of a context entry, or the KEK's id";
/** The argument that names a KEK. */
export const KEK_ARGUMENT = ["<kek>", KEK_HELP] as const;

/** More than any vault can have, and still a whole number. */
const VERSION_MAX = 2 ** 32 - 1;
/** The option that names one version. */
export const VERSION = option("--version <n>", "only this version", countParser("version", VERSION_MAX));

const list: Action<unknown> = async (run, _options, given) => {
  const selector = given === undefined ? undefined : kekOf(given);
  const vault = await run.open();
  if (selector !== undefined) {
    const kek = await vault.keks.get(selector);
    return { view: kekView(kek), data: () => ({ data: [kek] }) };
  }
  const keks: KekInfo[] = [];
  for await (const kek of vault.keks.list({ limit: KEKS_PAGE_MAX })) keks.push(kek);
  const data = (): unknown => ({ data: keks });
  const rows = keks.map((kek) => [
    kek.name,
    kek.value,
    kek.state,
    String(kek.versions[0]!.version),
    String(kek.versions.reduce((sum, { kvVersions }) => sum + kvVersions, 0)),
    kek.id,
  ]);
  return { view: table(["NAME", "VALUE", "STATE", "VERSION", "VALUES", "ID"], rows), data };
};

/** `coffer keys list`. */
export const KEYS_LIST: Verb = {
  name: "list",
  summary: "list KEKs, or the versions of one",
  description: "Lists the KEKs of the environment, or the versions of one KEK.",
  arguments: [["[kek]", KEK_HELP]],
  help: `
VALUES counts the stored versions of KV values that need the KEK, or the KEK
version; ciphertexts that are kept elsewhere are not known to the vault.

Examples:
  $ coffer keys list --vault vault.db
  $ coffer keys list organization_id=org_1 --vault vault.db
`,
  run: list,
};

/** `coffer keys rotate`. */
export const KEYS_ROTATE: Verb = {
  name: "rotate",
  summary: "make a new KEK version",
  description: "Makes a new version of a KEK, for data keys wrapped from now on.",
  arguments: [KEK_ARGUMENT],
  help: `
rotate: a new KEK version, for future wraps. Nothing that exists changes: what
is under older versions stays there and can still be decrypted, until it is
rewrapped and the old version is shredded. The contexts and the data keys stay
the same. It also brings a context whose KEK was shredded back into use, for new
data.

See also: coffer keys rewrap and coffer rewrap, which move existing data keys to
the newest version.

Examples:
  $ coffer keys rotate organization_id=org_1 --vault vault.db
  $ coffer keys rewrap --vault vault.db
`,
  run: async (run: CommandRun, _options: unknown, given) => {
    const selector = kekOf(given!);
    return kekResult(await (await run.open()).keks.rotate(selector));
  },
};

/** `coffer keys disable`. */
export const KEYS_DISABLE: Verb = {
  name: "disable",
  summary: "put a KEK out of use",
  description: "Puts a KEK, or one version of it, out of use until it is enabled again.",
  arguments: [KEK_ARGUMENT],
  options: [VERSION],
  help: `
Nothing under it can be decrypted, and nothing new can be encrypted under its
context, by any process that holds the vault, from now on. Nothing is lost:
coffer keys enable takes it back.

Examples:
  $ coffer keys disable organization_id=org_1 --vault vault.db
`,
  run: putInto("disable"),
};

/** `coffer keys enable`. */
export const KEYS_ENABLE: Verb = {
  name: "enable",
  summary: "put a KEK back into use",
  description: "Puts a disabled KEK, or one version of it, back into use.",
  arguments: [KEK_ARGUMENT],
  options: [VERSION],
  help: `
Also takes back a shred that was put off with --after, as long as it is not due.

Examples:
  $ coffer keys enable organization_id=org_1 --vault vault.db
`,
  run: putInto("enable"),
};

function putInto(change: "disable" | "enable"): Action<{ readonly version?: number }> {
  return async (run, { version }, given) => {
    const selector = { ...kekOf(given!), version };
    return kekResult(await (await run.open()).keks[change](selector));
  };
}

function kekResult(kek: KekInfo): Result {
  return { view: kekView(kek), data: () => kek };
}

function kekView(kek: KekInfo): string {
  const head = record({ KEK: `${kek.name}=${kek.value}`, id: kek.id, state: kek.state });
  const rows = kek.versions.map(({ version, state, createdAt, destroyAt, kvVersions }) => [
    String(version),
    state,
    createdAt,
    String(kvVersions),
    destroyAt ?? "",
  ]);
  return `${head}\n\n${table(["VERSION", "STATE", "CREATED", "VALUES", "DESTROY AT"], rows)}`;
}

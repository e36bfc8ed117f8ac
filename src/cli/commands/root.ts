/**
 * `coffer root`: the root key of a vault.
 *
 * @module
 */
import { type Action, type Group, option, type Verb } from "../command.ts";
import { checkConfirmable, confirm } from "../input/confirm.ts";
import { EXIT_INTEGRITY } from "../output/exit-codes.ts";
import { findingsView } from "../output/findings.ts";
import { record } from "../output/format.ts";

interface RotateOptions {
  readonly leaked?: boolean;
  readonly yes?: boolean;
}

/** What a person types to confirm. */
const ANSWER = "rotate";

/** `coffer root generate`. */
export const ROOT_GENERATE: Verb = {
  name: "generate",
  summary: "print a new root key",
  description:
    "Prints a new random root key, as base64. It is stored nowhere: keep it where the old one is kept.",
  needs: "nothing",
  run: async () => {
    const { newRootKeyText } = await import("../../vault/index.ts");
    const rootKey = newRootKeyText();
    return { view: rootKey, data: () => ({ rootKey }) };
  },
};

const check: Action<unknown> = async (run) => {
  const host = await run.openHost();
  const { vaultId, isAuthenticated } = host;
  const isRotating = await host.isRootRotating();
  return {
    view: record({
      vault: vaultId,
      "root key": "is the one of this vault",
      authenticated: isAuthenticated ? "yes" : "no: coffer migrate --authenticate",
      rotation: isRotating ? "has begun: coffer root rotate goes on" : undefined,
    }),
    data: () => ({ vaultId, isAuthenticated, isRotating }),
  };
};

/** `coffer root check`. */
export const ROOT_CHECK: Verb = {
  name: "check",
  summary: "tell whether the root key is the vault's",
  description:
    "Opens the vault under the root key that is there, and tells whether the root is being rotated.",
  needs: "host",
  run: check,
};

const rotate: Action<RotateOptions> = async (run, options) => {
  const hasLeaked = options.leaked === true;
  if (options.yes !== true) checkConfirmable(false);
  const host = await run.openHost();
  if (options.yes !== true && host.isAuthenticated) {
    const also = hasLeaked ? " Vault keys and MACs are made anew." : "";
    await confirm(`All keys of this vault will be wrapped under another root key.${also}`, ANSWER);
  }
  const { keptIn, ...report } = await host.rotateRoot({
    hasLeaked,
    signal: run.signal,
    onProgress: (done, total) => void run.progress(`${done} of ${total} rows`),
  });
  await run.progress();
  const { keks, rows, damaged } = report;
  const findings = hasLeaked ? await host.authorityFindings() : undefined;
  const done = record({
    KEKs: `${keks} wrapped anew`,
    MACs: hasLeaked ? `${rows} made anew` : undefined,
    damaged: damaged.length === 0 ? undefined : damaged.join(" "),
    "old root key": keptIn === undefined ? undefined : `is kept in ${keptIn}`,
    "from now on": process.env.COFFER_ROOT_KEY_NEXT
      ? "COFFER_ROOT_KEY is what COFFER_ROOT_KEY_NEXT was"
      : undefined,
  });
  return {
    view: findings === undefined ? done : `${findingsView(findings)}\n\n${done}`,
    data: () => ({ ...report, keptIn: keptIn ?? null, ...(findings === undefined ? {} : { findings }) }),
    exitCode: damaged.length > 0 ? EXIT_INTEGRITY : 0,
  };
};

/** `coffer root rotate`. */
export const ROOT_ROTATE: Verb = {
  name: "rotate",
  summary: "wrap all keys of a vault under another root key",
  description:
    "Wraps all KEKs and vault keys under another root key, while servers run. Data and ciphertexts stay as they are.",
  options: [
    option(
      "--leaked",
      "make vault keys and MACs anew too: somebody may have the root key and a copy of the vault",
    ),
    option("--yes", "do not ask"),
  ],
  help: `
The next root key is the one in COFFER_ROOT_KEY_NEXT. Where that is not set and
the root key is in a file, one is made in the file beside it (.next is added to
its path); at the end it takes the place of the root key's file, whose content is
kept beside it under another name (.before- and the time).

Until it is done, both root keys are needed. Processes that have the root key from
that file find the next one by themselves. Others are started with both variables
before the rotation begins, and with the next one as COFFER_ROOT_KEY after it. One
that has the old one only reads what is left under it, and refuses the rest with
ERR_STORAGE_UNAVAILABLE.

Interrupted or killed, it goes on when it is run again. It ends with 3 if there
are rows that are not as coffer wrote them: they are left as they are.

Afterwards the old root key opens nothing in this vault. Older copies of the
database still open with it: delete it when the last of them is gone.

--leaked: whoever has the root key and a copy of the database has the vault keys
and the KEKs too. This makes vault keys anew and gives every authenticated row a
MAC under them, and lists what has rights: look through it. Rotate KEKs and
rewrap afterwards: docs/runbooks/root-key-leaked.md.

Examples:
  $ coffer root rotate --vault vault.db
  $ export COFFER_ROOT_KEY_NEXT=$(coffer root generate)
  $ coffer root rotate --database postgres://coffer@db/coffer
`,
  needs: "host",
  run: rotate,
};

/** The group of these verbs. */
export const ROOT: Group = {
  name: "root",
  summary: "make, check and rotate the root key",
  description: "The root key wraps all keys of a vault. Everything in the vault hangs on it.",
  verbs: [ROOT_GENERATE, ROOT_CHECK, ROOT_ROTATE],
};

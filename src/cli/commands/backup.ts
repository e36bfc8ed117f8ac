/**
 * `coffer backup` and `coffer restore`.
 *
 * @module
 */

import type { BackupReport } from "../../vault/restore.ts";
import { type Action, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { STANDARD } from "../files/file-streams.ts";
import { checkNoKey } from "../input/paths.ts";
import { isStdoutTerminal, writeOut } from "../io.ts";
import { databaseUrl, rootKeyPath, VAULT_VARIABLE, vaultPath } from "../open.ts";
import { type Result, record } from "../output/format.ts";
import { bytesText, Progress } from "../output/progress.ts";

/** Told where no vault was named. */
const NO_VAULT = `name its file with --vault PATH (or ${VAULT_VARIABLE})`;

interface BackupFlags {
  readonly force?: boolean;
}

interface RestoreFlags extends BackupFlags {
  readonly check?: boolean;
}

const backUp: Action<BackupFlags> = async (run, { force }, out) => {
  const url = databaseUrl(run.flags);
  if (url !== undefined) return postgresBackup(run, url);
  const path = vaultPath(run.flags, NO_VAULT);
  if (out === undefined) throw usageError("nobody knows where to", "name the backup's file, or - for a pipe");
  checkNoKey(out, "the backup");
  if (out === STANDARD && isStdoutTerminal()) {
    throw usageError("a backup is not for a terminal", "name a file, or pipe it on");
  }
  const { signal } = run;
  let progress: Progress | undefined;
  const onProgress = (done: number, total: number): void => {
    progress ??= new Progress((line) => void run.progress(line), total);
    progress.update(done);
  };
  const { backupVault, streamBackup } = await import("../../vault/backup.ts");
  try {
    if (out === STANDARD) {
      for await (const piece of streamBackup(path, { signal, onProgress })) await writeOut(piece);
      return { view: "", data: () => ({}) };
    }
    const { bytes } = await backupVault(path, out, { signal, onProgress, force: force === true });
    return { view: `${bytesText(bytes)} backed up`, data: () => ({ bytes }) };
  } finally {
    await run.progress();
  }
};

/** `coffer backup`. */
export const BACKUP: Verb = {
  name: "backup",
  summary: "copy a vault while it is in use",
  description: "Copies a vault's file while it is in use.",
  arguments: [["[out]", "the backup's file, or - for standard output"]],
  options: [option("--force", "let the backup replace a file")],
  help: `
The vault may be in use: what was answered before the backup began is in it. It is
one file, readable by its owner only, and gets its name when it is whole. - writes
it to standard output. It needs no root key and holds none: keep a copy of the root
key in another place, for without it the backup cannot be read.

With --database it tells how PostgreSQL's own pg_dump makes the backup, and looks
whether the vault can be opened.

Examples:
  $ coffer backup vault-friday.db --vault vault.db
  $ coffer backup - --vault vault.db | gzip > vault-friday.db.gz
`,
  needs: "host",
  run: backUp,
};

const restoreBackup: Action<RestoreFlags> = async (run, { check, force }, given) => {
  if (databaseUrl(run.flags) !== undefined) {
    throw usageError(
      "a PostgreSQL database is restored by pg_restore",
      "`coffer backup --database URL` tells how",
    );
  }
  if (given === undefined || given === STANDARD) throw usageError("name the backup's file");
  checkNoKey(given, "the backup");
  const { signal } = run;
  const keyPath = rootKeyPath(run.flags);
  const { checkBackup, restoreVault } = await import("../../vault/restore.ts");
  const { ROOT_KEY_VARIABLE } = await import("../../vault/index.ts");
  // What stands on the command line goes before the variable, as for every command.
  if (keyPath !== undefined) delete process.env[ROOT_KEY_VARIABLE];
  if (check === true) {
    const vault = run.flags.vault || process.env[VAULT_VARIABLE];
    const { rootKeyBeside } = await import("../../vault/files/vault-path.ts");
    const beside = vault ? rootKeyBeside(vault).path : undefined;
    return reportOf(run, await checkBackup(given, { rootKeyPath: keyPath ?? beside, signal }), []);
  }
  const path = vaultPath(run.flags, NO_VAULT);
  const { kept, ...report } = await restoreVault(given, path, {
    rootKeyPath: keyPath,
    force: force === true,
    signal,
  });
  if (kept.length > 0) await run.note(`what stood there is kept: ${kept.join(", ")}`);
  return reportOf(run, report, kept);
};

/** `coffer restore`. */
export const RESTORE: Verb = {
  name: "restore",
  summary: "check a backup, or put it in place",
  description: "Proves a backup, and puts it in the place of a vault's file.",
  arguments: [["<backup>", "the backup's file"]],
  options: [
    option("--check", "prove it only: change nothing"),
    option("--force", "put it in the place of a vault that is there; that one is kept under another name"),
  ],
  help: `
Before anything is changed the backup is proved: it is whole, it opens under the root
key that is there (beside the vault, or by --root-key-file or COFFER_ROOT_KEY), and a
sample of its values decrypts. --check stops there. No process may have the vault open.
With --force it takes the place of a vault, which is kept under another name.

Keys that were destroyed after the backup was made come back with it: destroy them
again.

Examples:
  $ coffer restore vault-friday.db --check --root-key-file vault.db.root-key
  $ coffer restore vault-friday.db --vault vault.db --force
`,
  needs: "host",
  run: restoreBackup,
};

/** PostgreSQL has its own tools, which know its roles, its versions and its servers. */
async function postgresBackup(run: CommandRun, url: string): Promise<Result> {
  const host = await run.openHost();
  await host.check();
  const shown = new URL(url);
  shown.password = "";
  const dump = `pg_dump --format=custom --file=FILE '${shown.href}'`;
  const restore = `pg_restore --clean --if-exists --dbname='${shown.href}' FILE`;
  return {
    view: record({
      vault: host.vaultId,
      opens: "yes, under the root key given",
      "back it up with": dump,
      "put it back with": restore,
    }),
    data: () => ({ vaultId: host.vaultId, dump, restore }),
  };
}

async function reportOf(run: CommandRun, report: BackupReport, kept: readonly string[]): Promise<Result> {
  const { sample, bytes } = report;
  if (sample === undefined) {
    await run.note("no root key was given: nothing was decrypted, and which root key it needs is not known");
  }
  return {
    view: record({
      size: bytesText(bytes),
      schema: report.schemaVersion,
      environments: report.environments,
      KEKs: report.keks,
      objects: report.objects,
      versions: report.versions,
      "API keys": report.apiKeys,
      decrypted: sample === undefined ? undefined : `${sample.decrypted} of a sample`,
      "keys out of use": sample === undefined ? undefined : `${sample.outOfUse} of a sample`,
    }),
    data: () => ({ ...report, kept }),
  };
}

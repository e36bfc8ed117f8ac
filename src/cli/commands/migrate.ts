/**
 * `coffer migrate`: a PostgreSQL database's tables, and the authentication of a vault that an older coffer made.
 *
 * @module
 */
import { type Action, option, type Verb } from "../command.ts";
import { usageError } from "../errors.ts";
import { checkConfirmable, confirm } from "../input/confirm.ts";
import { databaseUrl } from "../open.ts";
import { findingsView } from "../output/findings.ts";
import { type Result, record } from "../output/format.ts";

interface Options {
  readonly authenticate?: boolean;
  readonly yes?: boolean;
}

/** What a person types to confirm. */
const ANSWER = "authenticate";

const migrate: Action<Options> = async (run, options) => {
  const url = databaseUrl(run.flags);
  if (options.authenticate !== true) {
    if (url === undefined)
      throw usageError("no database was given", "name it with --database URL or COFFER_DATABASE");
    return migrateTables(url);
  }
  if (options.yes !== true) checkConfirmable(false);
  if (url !== undefined) await migrateTables(url);
  const host = await run.openHost();
  const findings = await host.authorityFindings();
  if (findings.isAuthenticated) {
    return { view: "this vault is authenticated already", data: () => findings };
  }
  if (options.yes !== true) await confirm(findingsView(findings), ANSWER);
  const report = await host.authenticate();
  const done = record({ authenticated: "yes", damaged: report.damaged.join(" ") || undefined });
  return { view: `${findingsView(report)}\n\n${done}`, data: () => report };
};

/** `coffer migrate`. */
export const MIGRATE: Verb = {
  name: "migrate",
  summary: "prepare a PostgreSQL database; authenticate a vault of an older coffer",
  description:
    "Brings a PostgreSQL database's tables to the version of this coffer. A vault's file needs no such thing.",
  options: [
    option("--authenticate", "authenticate all that a vault made by an older coffer holds now"),
    option("--yes", "do not ask"),
  ],
  help: `
Run it before the servers of a new release. Several at once take turns.

--authenticate: an older coffer did not authenticate API keys, states of KEKs,
environments, webhooks and contexts of objects. This shows what is there now, and
after a confirmation, or with --yes, believes it from then on, and nothing that
is changed past coffer. Look through the list before: what somebody has put in is
believed too. Make a backup first, and stop servers: they must open the vault
again. Copies and backups of before stay as they were.

Examples:
  $ coffer migrate --database postgres://coffer@db/coffer
  $ coffer migrate --authenticate --vault vault.db
`,
  needs: "host",
  run: migrate,
};

async function migrateTables(url: string): Promise<Result> {
  const { migratePostgres } = await import("../../vault/index.ts");
  const { from, to } = await migratePostgres({ url });
  return {
    view:
      from === to
        ? `the database has version ${to} already`
        : `the database went from version ${from} to ${to}`,
    data: () => ({ from, to }),
  };
}

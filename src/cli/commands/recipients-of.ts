/**
 * The recipients that a command works on.
 *
 * Owns the choice between a server's and those of a vault that is opened here. Must not know any verb.
 *
 * @module
 */
import { VaultCalls } from "../../facade/calls.ts";
import { VaultRecipients } from "../../facade/recipients.ts";
import type { CommandRun } from "../command-run.ts";
import { environmentName, serverUrl } from "../open.ts";

/** The recipient that a verb is about. */
export const ID_ARGUMENT = ["<id>", "the recipient's id"] as const;

/** Recipients of a server, or of the environment of a vault that is opened here. */
export async function recipientsOf(run: CommandRun): Promise<VaultRecipients> {
  if (serverUrl(run.flags) !== undefined) return (await run.open()).recipients;
  const host = await run.openHost();
  const environment = await host.environment(environmentName(run.flags));
  const actor = { id: "cli", name: "coffer command", source: "api" } as const;
  return new VaultRecipients(host.session(environment.id, { actor }).recipients, new VaultCalls());
}

/**
 * What a vault holds whose rows decide, for a person who is to look through it.
 *
 * Owns the list as text. Must not know why it is shown.
 *
 * @module
 */
import type { AuthorityFindings } from "../../vault/index.ts";
import { entriesText, record } from "./format.ts";

/** The list: environments, KEKs, API keys with permissions and constraints, webhooks, the number of objects. */
export function findingsView(findings: AuthorityFindings): string {
  const { environments, kekVersions, apiKeys, webhooks, rekeyLimited } = findings;
  const lines = (title: string, texts: readonly string[]): [string, string][] => [
    [title, String(texts.length)],
    ...texts.map((text): [string, string] => ["", text]),
  ];
  const states = Object.entries(kekVersions).map(([state, count]) => `${count} ${state}`);
  return record([
    ...lines(
      "environments",
      environments.map(({ id, name }) => `${name} (${id})`),
    ),
    ["KEK versions", states.join(", ") || "none"],
    ...lines(
      "API keys",
      apiKeys.map((key) =>
        [
          `${key.id} ${key.name}: ${key.permissions.join(" ")}`,
          entriesText(key.constraints, ","),
          key.revokedAt === null ? "" : `revoked ${key.revokedAt}`,
          rekeyLimited.includes(key.id) ? "(can rekey to narrower contexts only from now on)" : "",
        ]
          .filter((text) => text !== "")
          .join(" "),
      ),
    ),
    ...lines(
      "webhooks",
      webhooks.map(({ id, url }) => `${id} ${url}`),
    ),
    ["objects", String(findings.objects)],
  ]);
}

/** The embedded vault's recipients fulfil the contract of all RecipientServices: a session's, and `vault.recipients`. */
import { expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import type { RecipientService } from "../../src/keks/index.ts";
import { recipientServiceContract } from "../contract/recipient-service.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { freshPath, openTestHost, openTestVault, sessionOf } from "../support/vaults.ts";

recipientServiceContract("embedded", async () => {
  const host = await openTestHost();
  const { recipients, keys } = await sessionOf(host);
  const { recipients: foreign } = await sessionOf(host, "other");
  return { recipients, keys, foreign, close: () => host.close() };
});

recipientServiceContract("vault.recipients", async () => {
  const path = freshPath(true);
  const vault = await openTestVault({ path });
  const other = await openTestVault({ path, environment: "other" });
  // A listing is awaited for a page.
  const portOf = ({ recipients }: Vault): RecipientService => ({
    create: (request, options) => recipients.create(request, options),
    list: async (request, options) => await recipients.list(request, options),
    get: (selector, options) => recipients.get(selector, options),
    document: (selector, options) => recipients.document(selector, options),
    rotate: (selector, options) => recipients.rotate(selector, options),
    disable: (selector, options) => recipients.disable(selector, options),
    enable: (selector, options) => recipients.enable(selector, options),
    shred: (selector, options) => recipients.shred(selector, options),
    requireSender: (request, options) => recipients.requireSender(request, options),
    senders: {
      add: (request, options) => recipients.senders.add(request, options),
      list: async (request, options) => await recipients.senders.list(request, options),
      revoke: (selector, options) => recipients.senders.revoke(selector, options),
      renew: (request, options) => recipients.senders.renew(request, options),
    },
  });
  return {
    recipients: portOf(vault),
    keys: vault.keys,
    foreign: portOf(other),
    close: async () => {
      await vault.close();
      await other.close();
    },
  };
});

test("vault.recipients lists all by iterating", async () => {
  const vault = await openTestVault();
  const made = new Set<string>();
  for (let i = 0; i < 12; i++) made.add((await vault.recipients.create({ context: { tenant: `${i}` } })).id);
  const seen: string[] = [];
  for await (const { id } of vault.recipients.list()) seen.push(id);
  expect(seen).toEqual([...made].sort());
  await vault.close();
});

test("a vault over ports without recipients says so, and a disposed one that it is disposed of", async () => {
  const vault = new Vault({ keys: new MemoryKeyService(), kv: {} as never });
  expect(await rejectionOf(() => vault.recipients.get({ id: "x" }))).toMatchObject({
    code: "ERR_UNSUPPORTED",
  });
  vault.dispose();
  expect(await rejectionOf(() => vault.recipients.get({ id: "x" }))).toMatchObject({ code: "ERR_DISPOSED" });
});

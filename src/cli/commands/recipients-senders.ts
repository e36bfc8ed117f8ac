/**
 * `coffer recipients senders`: who may seal to a recipient that demands a sender's signature, and their keys.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { KEKS_PAGE_MAX, type SenderInfo } from "../../keks/index.ts";
import { createSenderKey, sealedSender } from "../../sealed/sender.ts";
import { type Group, option, type Verb } from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { checkOutFile, writeOutFile } from "../files/out-file.ts";
import { durationParser } from "../input/arguments.ts";
import { readSenderKey } from "../input/sender-keys.ts";
import { type Result, record, table } from "../output/format.ts";
import { ID_ARGUMENT, recipientsOf } from "./recipients-of.ts";

const SENDER_ARGUMENT = ["<sender>", "the sender's id"] as const;

const VALID = option(
  "--valid <duration>",
  "until it expires: 90d, 24h, ...; default for ever",
  durationParser("valid"),
);

interface ValidOptions {
  /** Milliseconds. */
  readonly valid?: number;
}

const HELP = `
A sender is an Ed25519 key. Its owner makes it with keygen, keeps the file, and
gives the public key to who looks after the recipient. What coffer seal
--sender-key FILE then seals is signed. A recipient that demands it (coffer
recipients require-sender) opens only what a sender of its list has signed, and
coffer decrypt tells who it was.

Examples:
  $ coffer recipients senders keygen sender.key
  $ coffer recipients senders add ID "Partner Ltd" --public-key KEY --valid 365d
  $ coffer recipients require-sender ID
  $ echo -n s3cret | coffer seal --recipient recipient.json --sender-key sender.key
  $ coffer recipients senders revoke ID SENDER
`;

const KEYGEN: Verb = {
  name: "keygen",
  summary: "make a key for a sender",
  description: "Makes a key for a sender: writes the private key to a new file, and prints the public key.",
  arguments: [["<file>", "a new file, which only you can read"]],
  needs: "nothing",
  run: async (_run: CommandRun, _options: object, file) => {
    checkOutFile(file!, false);
    const { privateKey, publicKey } = await createSenderKey();
    await writeOutFile(file!, utf8(`${privateKey}\n`, "key"), false);
    return { view: publicKey, data: () => ({ file, publicKey }) };
  },
};

const PUBLIC_KEY: Verb = {
  name: "public-key",
  summary: "print the public key of a sender's file",
  description: "Prints the public key of a private key that keygen has made.",
  arguments: [["<file>", "the file of the private key"]],
  needs: "nothing",
  run: async (_run: CommandRun, _options: object, file) => {
    const sender = sealedSender({ privateKey: await readSenderKey(file!) });
    try {
      const publicKey = await sender.publicKey();
      return { view: publicKey, data: () => ({ publicKey }) };
    } finally {
      sender.dispose();
    }
  },
};

const ADD: Verb = {
  name: "add",
  summary: "add a sender to a recipient's list",
  description: "Adds a sender to a recipient's list. The name is for people.",
  arguments: [ID_ARGUMENT, ["<name>", "who it is"]],
  options: [option("--public-key <key>", "the sender's public key, as keygen prints it"), VALID],
  needs: "any",
  run: async (run: CommandRun, options: ValidOptions & { readonly publicKey?: string }, id, name) => {
    const { publicKey } = options;
    if (publicKey === undefined) throw usageError("no public key was given", "name it with --public-key KEY");
    const { senders } = await recipientsOf(run);
    const request = { recipientId: id!, name: name!, publicKey, expiresAt: expiryOf(options) };
    return senderResult(await senders.add(request, { signal: run.signal }));
  },
};

const LIST: Verb = {
  name: "list",
  summary: "list a recipient's senders",
  description: "Lists the senders of a recipient, those that were revoked too.",
  arguments: [ID_ARGUMENT],
  needs: "any",
  run: async (run: CommandRun, _options: object, id) => {
    const { senders } = await recipientsOf(run);
    const all: SenderInfo[] = [];
    const request = { recipientId: id!, limit: KEKS_PAGE_MAX };
    for await (const one of senders.list(request, { signal: run.signal })) all.push(one);
    const rows = all.map((sender) => [sender.id, stateOf(sender), sender.expiresAt ?? "never", sender.name]);
    return { view: table(["ID", "STATE", "EXPIRES", "NAME"], rows), data: () => ({ data: all }) };
  },
};

const REVOKE: Verb = {
  name: "revoke",
  summary: "revoke a sender: nothing opens that it has signed",
  description: "Revokes a sender. Nothing opens that it has signed and that was not absorbed, until renew.",
  arguments: [ID_ARGUMENT, SENDER_ARGUMENT],
  needs: "any",
  run: async (run: CommandRun, _options: object, recipientId, id) => {
    const { senders } = await recipientsOf(run);
    const selector = { recipientId: recipientId!, id: id! };
    return senderResult(await senders.revoke(selector, { signal: run.signal }));
  },
};

const RENEW: Verb = {
  name: "renew",
  summary: "give a sender another expiry, or put one back",
  description:
    "Gives a sender another expiry. One that was revoked is put back: what it has signed opens again.",
  arguments: [ID_ARGUMENT, SENDER_ARGUMENT],
  options: [VALID],
  needs: "any",
  run: async (run: CommandRun, options: ValidOptions, recipientId, id) => {
    const { senders } = await recipientsOf(run);
    const request = { recipientId: recipientId!, id: id!, expiresAt: expiryOf(options) };
    return senderResult(await senders.renew(request, { signal: run.signal }));
  },
};

/** The group. */
export const SENDERS: Group = {
  name: "senders",
  summary: "look after who may seal to a recipient, and their keys",
  description: "Makes keys for senders; adds, lists, revokes and renews the senders of a recipient.",
  help: HELP,
  verbs: [KEYGEN, PUBLIC_KEY, ADD, LIST, REVOKE, RENEW],
};

function expiryOf({ valid }: ValidOptions): Date | undefined {
  return valid === undefined ? undefined : new Date(Date.now() + valid);
}

function stateOf({ revokedAt, expiresAt }: SenderInfo): string {
  if (revokedAt !== null) return "revoked";
  return expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? "expired" : "valid";
}

function senderResult(sender: SenderInfo): Result {
  return {
    view: record([
      ["id", sender.id],
      ["recipient", sender.recipientId],
      ["name", sender.name],
      ["state", stateOf(sender)],
      ["public key", sender.publicKey],
      ["created", sender.createdAt],
      ["expires", sender.expiresAt ?? "never"],
      ["revoked", sender.revokedAt ?? undefined],
    ]),
    data: () => sender,
  };
}

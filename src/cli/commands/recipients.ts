/**
 * `coffer recipients`: key pairs of contexts that others encrypt for without the vault.
 *
 * @module
 */
import type { SealedSuite } from "../../crypto/keys/sealed-key-blob.ts";
import { KEKS_PAGE_MAX, type RecipientInfo } from "../../keks/index.ts";
import {
  CONTEXT_OPTIONS,
  type ContextOptions,
  contextFrom,
  type Group,
  option,
  requiredContext,
  type Verb,
} from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { usageError } from "../errors.ts";
import { choiceParser, durationParser } from "../input/arguments.ts";
import { checkConfirmable, confirm } from "../input/confirm.ts";
import { entriesText, jsonText, type Result, record, table } from "../output/format.ts";
import { VERSION } from "./keys-states.ts";
import { ID_ARGUMENT, recipientsOf } from "./recipients-of.ts";
import { SENDERS } from "./recipients-senders.ts";

const SUITES: readonly SealedSuite[] = ["x25519", "x-wing"];

const REQUIRE_SENDER = option("--require-sender", "open only what one of its senders has signed");

const HELP = `
A recipient is a key pair for one key context. Who has its document (coffer
recipients export, or GET /coffer/v1/recipients/ID of a server) encrypts for the
context with coffer seal or the package coffer/sealed, without an API key, and
cannot decrypt. coffer decrypt opens the result, and coffer rewrap absorbs it:
it is then under the context's KEKs like everything else. The private key is
under these KEKs too, so a shred of one of them shreds what was not absorbed.

With --environment-wide a recipient is for all contexts of the environment, and
who seals states one (coffer seal --context). That gives up two things. Who has
the document can encrypt for every context. And the private key is not under a
tenant's KEK: after a shred of a tenant the vault refuses to open what was not
absorbed, but by its rule only, and coffer keys shred names the recipient as not
covered. Absorb soon, and shred old versions. The private key is under the KEK
coffer.environment-wide=recipients, which coffer keys rotates and shreds.

Examples:
  $ coffer recipients create --context organization_id=org_1 --vault vault.db
  $ coffer recipients create --environment-wide --vault vault.db
  $ coffer recipients export ID --vault vault.db > recipient.json
  $ coffer recipients list --server https://vault.example
  $ echo -n s3cret | coffer seal --recipient recipient.json
`;

interface CreateOptions extends ContextOptions {
  readonly environmentWide?: boolean;
  readonly suite?: SealedSuite;
  readonly requireSender?: boolean;
}

interface StateOptions {
  readonly version?: number;
  readonly yes?: boolean;
}

const CREATE: Verb = {
  name: "create",
  summary: "make a recipient for a key context, or for all",
  description:
    "Makes a key pair for a key context, or for all of the environment. Its private key stays in the vault.",
  options: [
    ...CONTEXT_OPTIONS,
    option(
      "--environment-wide",
      "for all contexts of the environment: a shred of a tenant does not reach its private key",
    ),
    REQUIRE_SENDER,
    option(
      "--suite <name>",
      `${SUITES.join(", ")}; default x25519. x-wing withstands quantum computers`,
      choiceParser("suite", SUITES),
    ),
  ],
  needs: "any",
  run: async (run: CommandRun, options: CreateOptions) => {
    const { environmentWide, suite, requireSender } = options;
    const context = environmentWide === true ? await contextFrom(options) : await requiredContext(options);
    if (environmentWide === true && context !== undefined) {
      throw usageError("give either a key context or --environment-wide");
    }
    const recipients = await recipientsOf(run);
    return recipientResult(
      await recipients.create({ context, environmentWide, suite, requireSender }, { signal: run.signal }),
    );
  },
};

const LIST: Verb = {
  name: "list",
  summary: "list recipients",
  description: "Lists the recipients of the environment.",
  needs: "any",
  run: async (run: CommandRun) => {
    const recipients = await recipientsOf(run);
    const all: RecipientInfo[] = [];
    const { signal } = run;
    for await (const one of recipients.list({ limit: KEKS_PAGE_MAX }, { signal })) all.push(one);
    const rows = all.map(({ id, suite, state, versions, context }) => [
      id,
      suite,
      state,
      String(versions[0]!.version),
      contextText(context),
    ]);
    return {
      view: table(["ID", "SUITE", "STATE", "VERSION", "CONTEXT"], rows),
      data: () => ({ data: all }),
    };
  },
};

const EXPORT: Verb = {
  name: "export",
  summary: "write a recipient's document, to be published",
  description: "Writes the document of a recipient: its public key, signed by the vault.",
  arguments: [ID_ARGUMENT],
  options: [
    option("--valid <duration>", "until it expires: 7d, 24h, ...; default 90d", durationParser("valid")),
  ],
  needs: "any",
  run: async (run: CommandRun, { valid }: { readonly valid?: number }, id) => {
    const recipients = await recipientsOf(run);
    const document = await recipients.document({ id: id! }, { validMs: valid, signal: run.signal });
    return { view: jsonText(document), data: () => document };
  },
};

const SHRED: Verb = {
  name: "shred",
  summary: "destroy a recipient's private keys for good",
  description: "Destroys the private keys of a recipient, or of one version: what was not absorbed is lost.",
  arguments: [ID_ARGUMENT],
  options: [VERSION, option("--yes", "do not ask")],
  needs: "any",
  run: async (run: CommandRun, { version, yes }: StateOptions, id) => {
    if (yes !== true) checkConfirmable(false);
    const recipients = await recipientsOf(run);
    if (yes !== true) await confirm(recipientView(await recipients.get({ id: id! })), id!);
    return recipientResult(await recipients.shred({ id: id!, version }));
  },
};

const REQUIRE: Verb = {
  name: "require-sender",
  summary: "demand a sender's signature of what a recipient opens",
  description: "Makes a recipient open only what one of its senders has signed; with --off anything again.",
  arguments: [ID_ARGUMENT],
  options: [option("--off", "demand none")],
  needs: "any",
  run: async (run: CommandRun, { off }: { readonly off?: boolean }, id) => {
    const recipients = await recipientsOf(run);
    const request = { id: id!, required: off !== true };
    return recipientResult(await recipients.requireSender(request, { signal: run.signal }));
  },
};

/** The group. */
export const RECIPIENTS: Group = {
  name: "recipients",
  summary: "look after public keys that others encrypt with",
  description: "Makes, lists, rotates, disables and shreds recipients, and writes their documents.",
  help: HELP,
  verbs: [
    CREATE,
    LIST,
    EXPORT,
    change("rotate", "make a new version of a recipient", "Makes a new version; older ones only open."),
    change("disable", "put a recipient out of use", "Puts a recipient, or one version, out of use.", true),
    change(
      "enable",
      "put a recipient back into use",
      "Puts a recipient, or one version, back into use.",
      true,
    ),
    SHRED,
    REQUIRE,
    SENDERS,
  ],
};

function change(
  name: "rotate" | "disable" | "enable",
  summary: string,
  description: string,
  hasVersion = false,
): Verb {
  return {
    name,
    summary,
    description,
    arguments: [ID_ARGUMENT],
    options: hasVersion ? [VERSION] : [],
    needs: "any",
    run: async (run: CommandRun, { version }: StateOptions, id) =>
      recipientResult(await (await recipientsOf(run))[name]({ id: id!, version }, { signal: run.signal })),
  };
}

function recipientResult(recipient: RecipientInfo): Result {
  return { view: recipientView(recipient), data: () => recipient };
}

/** A recipient's context; null is that of an environment-wide one. */
function contextText(context: RecipientInfo["context"]): string {
  return context === null ? "(environment-wide)" : entriesText(context, ", ");
}

function recipientView(recipient: RecipientInfo): string {
  const { id, context, suite, state, versions, requiresSender } = recipient;
  const demand = requiresSender ? { sender: "demanded" } : {};
  const head = record({ id, context: contextText(context), suite, state, ...demand });
  const rows = versions.map((row) => [String(row.version), row.state, row.createdAt]);
  return `${head}\n\n${table(["VERSION", "STATE", "CREATED"], rows)}`;
}

/**
 * Operations on recipients of sealed data keys.
 *
 * Owns their schemas, and the step between bodies and the RecipientService port. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import { SEALED_SUITES } from "../../crypto/keys/sealed-key-blob.ts";
import { RECIPIENT_AGE_MS_MAX } from "../../crypto/limits.ts";
import { recipientPageToWire, recipientToWire } from "../../wire/recipients.ts";
import { type Operation, operation, type PublicOperation } from "../core/operation.ts";
import { context, idPath, limit, pageOf, time } from "./shapes.ts";

const suite = z.enum(SEALED_SUITES.map(({ name }) => name));

const createBody = z.object({
  context: context.optional(),
  environment_wide: z
    .boolean()
    .optional()
    .describe(
      "Instead of a context: for all contexts of the environment. Who seals states the context; a shred of a tenant's KEK does not reach the private key",
    ),
  suite: suite.optional(),
  require_sender: z
    .boolean()
    .optional()
    .describe("Whether only what one of its senders has signed opens; default false"),
});

const requireSenderBody = z.object({ id: z.string(), required: z.boolean() });

const selectorBody = z.object({ id: z.string(), version: z.int().min(1).optional() });

const documentBody = z.object({
  id: z.string(),
  valid_ms: z.int().min(1).max(RECIPIENT_AGE_MS_MAX).optional().describe("Until it expires; default 90 days"),
});

const recipientContext = context.nullable().describe("Null: environment-wide");

const recipientInfo = z.object({
  id: z.string(),
  context: recipientContext,
  suite,
  state: z.string(),
  created_at: time,
  requires_sender: z.boolean(),
  versions: z.array(z.object({ version: z.int(), state: z.string(), created_at: time })),
});

const recipientsQuery = z.object({
  limit,
  after: z.string().optional().describe("Id of the last recipient of the page before"),
  id: z.string().optional().describe("Only this recipient"),
});

const recipientDocument = z.object({
  type: z.enum(["coffer-recipient-v1", "coffer-environment-recipient-v1"]),
  id: z.string(),
  version: z.int(),
  suite,
  context: recipientContext,
  public_key: z.string(),
  issued_at: time,
  expires_at: time,
  signer: z.string(),
  signature: z.string(),
});

/** A change of a recipient's states by its name in the port. */
function change(verb: "rotate" | "disable" | "enable" | "shred", summary: string): Operation {
  return operation({
    id: `${verb}Recipient`,
    route: `POST /coffer/v1/recipients/${verb}`,
    summary,
    permissions: ["admin"],
    bodySchema: selectorBody,
    answerSchema: recipientInfo,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      recipientToWire(await session.recipients[verb](body, { idempotency })),
  });
}

/** `/coffer/v1/recipients`, but for the one that needs no API key. */
export const RECIPIENT_OPERATIONS: readonly Operation[] = [
  operation({
    id: "listRecipients",
    route: "GET /coffer/v1/recipients",
    summary: "List recipients of sealed data keys with versions and states",
    permissions: ["admin"],
    querySchema: recipientsQuery,
    isList: true,
    answerSchema: pageOf(recipientInfo),
    run: async ({ session, query, signal }) => {
      const { id, limit, after } = query;
      if (id === undefined) {
        return recipientPageToWire(await session.recipients.list({ limit, after }, { signal }));
      }
      const recipient = await session.recipients.get({ id }, { signal });
      return recipientPageToWire({ data: [recipient], listMetadata: { after: null } });
    },
  }),
  operation({
    id: "createRecipient",
    route: "POST /coffer/v1/recipients",
    summary: "Make a key pair for a context, or for all of the environment, to which others seal data keys",
    permissions: ["admin"],
    bodySchema: createBody,
    answerSchema: recipientInfo,
    status: 201,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) => {
      const { context, environment_wide: environmentWide, suite, require_sender: requireSender } = body;
      const request = { context, environmentWide, suite, requireSender };
      return recipientToWire(await session.recipients.create(request, { idempotency }));
    },
  }),
  operation({
    id: "makeRecipientDocument",
    route: "POST /coffer/v1/recipients/document",
    summary: "Sign a recipient's document that is valid for a time of one's own",
    permissions: ["admin"],
    bodySchema: documentBody,
    answerSchema: recipientDocument,
    run: ({ session, body, signal }) =>
      session.recipients.document({ id: body.id }, { validMs: body.valid_ms, signal }),
  }),
  change("rotate", "Make a new version of a recipient; older ones only open"),
  change("disable", "Put a recipient, or one version, out of use until it is enabled"),
  change("enable", "Put a recipient, or one version, back into use"),
  change("shred", "Destroy the private keys of a recipient, or of one version, for good"),
  operation({
    id: "requireSender",
    route: "POST /coffer/v1/recipients/require-sender",
    summary: "Demand a sender's signature of what a recipient opens, or demand none",
    permissions: ["admin"],
    bodySchema: requireSenderBody,
    answerSchema: recipientInfo,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      recipientToWire(await session.recipients.requireSender(body, { idempotency })),
  }),
];

/** What needs no API key. */
export const PUBLIC_OPERATIONS: readonly PublicOperation[] = [
  {
    id: "getRecipientDocument",
    method: "GET",
    path: "/coffer/v1/recipients/{id}",
    summary: "The public key of a recipient, signed: for everybody, also from pages of other origins",
    pathSchema: idPath,
    answerSchema: recipientDocument,
    status: 200,
    run: ({ host, path }) => host.recipientDocument(path.id!),
  },
];

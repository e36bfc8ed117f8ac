/**
 * Operations on senders of recipients.
 *
 * Owns their schemas, and the step between bodies and the SenderService port. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import { SENDER_NAME_CHARS_MAX } from "../../keks/limits.ts";
import { senderPageToWire, senderToWire } from "../../wire/senders.ts";
import { type Operation, operation } from "../core/operation.ts";
import { limit, pageOf, time } from "./shapes.ts";

const expiresAt = z.string().optional().describe("RFC 3339: until when it signs; default for ever");

const addBody = z.object({
  recipient_id: z.string(),
  name: z
    .string()
    .min(1)
    .max(2 * SENDER_NAME_CHARS_MAX),
  public_key: z.string().describe("Ed25519, base64 of 32 bytes"),
  expires_at: expiresAt,
});

const selectorBody = z.object({ recipient_id: z.string(), id: z.string() });

const renewBody = selectorBody.extend({ expires_at: expiresAt });

const senderInfo = z.object({
  id: z.string(),
  recipient_id: z.string(),
  name: z.string(),
  public_key: z.string(),
  created_at: time,
  expires_at: time.nullable(),
  revoked_at: time.nullable(),
});

const sendersQuery = z.object({
  recipient_id: z.string(),
  limit,
  after: z.string().optional().describe("Id of the last sender of the page before"),
});

/** `/coffer/v1/senders`. */
export const SENDER_OPERATIONS: readonly Operation[] = [
  operation({
    id: "listSenders",
    route: "GET /coffer/v1/senders",
    summary: "List the senders of a recipient, those that were revoked too",
    permissions: ["admin"],
    querySchema: sendersQuery,
    isList: true,
    answerSchema: pageOf(senderInfo),
    run: async ({ session, query, signal }) => {
      const { recipient_id: recipientId, limit, after } = query;
      return senderPageToWire(
        await session.recipients.senders.list({ recipientId, limit, after }, { signal }),
      );
    },
  }),
  operation({
    id: "addSender",
    route: "POST /coffer/v1/senders",
    summary: "Add a sender to a recipient's list",
    permissions: ["admin"],
    bodySchema: addBody,
    answerSchema: senderInfo,
    status: 201,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) => {
      const { recipient_id: recipientId, name, public_key: publicKey, expires_at: expiresAt } = body;
      const request = { recipientId, name, publicKey, expiresAt };
      return senderToWire(await session.recipients.senders.add(request, { idempotency }));
    },
  }),
  operation({
    id: "revokeSender",
    route: "POST /coffer/v1/senders/revoke",
    summary: "Revoke a sender: nothing opens that it has signed, until it is renewed",
    permissions: ["admin"],
    bodySchema: selectorBody,
    answerSchema: senderInfo,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) => {
      const { recipient_id: recipientId, id } = body;
      return senderToWire(await session.recipients.senders.revoke({ recipientId, id }, { idempotency }));
    },
  }),
  operation({
    id: "renewSender",
    route: "POST /coffer/v1/senders/renew",
    summary: "Give a sender another expiry, and put one back that was revoked",
    permissions: ["admin"],
    bodySchema: renewBody,
    answerSchema: senderInfo,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) => {
      const { recipient_id: recipientId, id, expires_at: expiresAt } = body;
      const request = { recipientId, id, expiresAt };
      return senderToWire(await session.recipients.senders.renew(request, { idempotency }));
    },
  }),
];

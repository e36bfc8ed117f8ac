/**
 * Operations on webhooks and on deliveries that were given up.
 *
 * Owns their schemas and answers. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import type { WebhookInfo } from "../../vault/events/webhooks.ts";
import type { Wire } from "../../wire/bodies.ts";
import { EVENT_KINDS } from "../../wire/event-kinds.ts";
import { type Operation, operation } from "../core/operation.ts";
import { idPath, time } from "./shapes.ts";

const createWebhookBody = z.object({
  url: z.string(),
  kinds: z.array(z.enum(EVENT_KINDS)).min(1).optional(),
});

const webhook = z.object({
  id: z.string(),
  url: z.string(),
  kinds: z.array(z.string()).nullable().describe("Kinds that are delivered; null for all"),
  created_at: time,
});

const webhookWithSecret = webhook.extend({ secret: z.string().describe("Shown once") });

const webhookList = z.object({ data: z.array(webhook) });

const removeAnswer = z.object({ success: z.boolean() });

const deadList = z.object({
  data: z.array(
    z.object({ webhook_id: z.string(), event_id: z.string(), attempts: z.int(), last_error: z.string() }),
  ),
});

const reviveAnswer = z.object({ revived: z.int() });

/** `/coffer/v1/webhooks` and `/coffer/v1/dead-deliveries`. */
export const WEBHOOK_OPERATIONS: readonly Operation[] = [
  operation({
    id: "listWebhooks",
    route: "GET /coffer/v1/webhooks",
    summary: "List webhooks",
    permissions: ["admin"],
    answerSchema: webhookList,
    run: async ({ host, session }) => ({
      data: (await host.webhooks.list(session.environmentId)).map(webhookToWire),
    }),
  }),
  operation({
    id: "createWebhook",
    route: "POST /coffer/v1/webhooks",
    summary: "Have events delivered to a URL; the secret is shown once",
    permissions: ["admin"],
    bodySchema: createWebhookBody,
    answerSchema: webhookWithSecret,
    status: 201,
    isIdempotent: true,
    run: async ({ host, session, body, idempotency }) => {
      const created = await host.webhooks.create(session.environmentId, body, { idempotency });
      return { ...webhookToWire(created), secret: created.secret };
    },
  }),
  operation({
    id: "deleteWebhook",
    route: "DELETE /coffer/v1/webhooks/{id}",
    summary: "End a webhook; what it is owed is dropped",
    permissions: ["admin"],
    pathSchema: idPath,
    answerSchema: removeAnswer,
    isIdempotent: true,
    run: async ({ host, session, path, idempotency }) => {
      await host.webhooks.remove(session.environmentId, path.id, { idempotency });
      return { success: true };
    },
  }),
  operation({
    id: "listDeadDeliveries",
    route: "GET /coffer/v1/dead-deliveries",
    summary: "Deliveries that were given up",
    permissions: ["admin"],
    answerSchema: deadList,
    run: async ({ host, session }) => ({
      data: (await host.webhooks.dead(session.environmentId)).map((dead) => ({
        webhook_id: dead.webhookId,
        event_id: dead.eventId,
        attempts: dead.attempts,
        last_error: dead.lastError,
      })),
    }),
  }),
  operation({
    id: "reviveDeadDeliveries",
    route: "POST /coffer/v1/dead-deliveries/revive",
    summary: "Try deliveries that were given up again",
    permissions: ["admin"],
    answerSchema: reviveAnswer,
    isIdempotent: true,
    run: async ({ host, session, idempotency }) => ({
      revived: await host.webhooks.revive(session.environmentId, { idempotency }),
    }),
  }),
];

function webhookToWire(webhook: WebhookInfo): Wire {
  return { id: webhook.id, url: webhook.url, kinds: webhook.kinds ?? null, created_at: webhook.createdAt };
}

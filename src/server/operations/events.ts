/**
 * The operation that lists events.
 *
 * Owns its schemas. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import { KV_LIST_LIMIT_DEFAULT } from "../../kv/rules.ts";
import { EVENT_KINDS } from "../../wire/event-kinds.ts";
import { type Operation, operation } from "../core/operation.ts";
import { limit, pageOf, time } from "./shapes.ts";

const eventsQuery = z.object({ after: z.string().optional(), limit });

const event = z.object({
  object: z.literal("event"),
  id: z.string(),
  event: z.enum(EVENT_KINDS),
  data: z.record(z.string(), z.unknown()),
  created_at: time,
});

/** `/coffer/v1/events`. */
export const EVENT_OPERATIONS: readonly Operation[] = [
  operation({
    id: "listEvents",
    route: "GET /coffer/v1/events",
    summary: "Events after a cursor, in the order of their recording",
    permissions: ["admin"],
    querySchema: eventsQuery,
    isList: true,
    answerSchema: pageOf(event),
    run: async ({ host, session, query }) => {
      const request = { after: query.after || undefined, limit: query.limit ?? KV_LIST_LIMIT_DEFAULT };
      const page = await host.events.list(session.environmentId, request);
      return { data: page.data, list_metadata: { after: page.after } };
    },
  }),
];

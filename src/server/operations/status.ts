/**
 * The operation that tells who the server is.
 *
 * Owns its schema. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import { VERSION } from "../../version.ts";
import { type Operation, operation } from "../core/operation.ts";
import { context } from "./shapes.ts";

const statusAnswer = z.object({
  service: z.literal("coffer"),
  version: z.string(),
  environment_id: z.string(),
  api_key: z.object({
    id: z.string(),
    name: z.string(),
    permissions: z.array(z.string()),
    constraints: context,
  }),
});

/** `/coffer/v1/status`. */
export const STATUS_OPERATIONS: readonly Operation[] = [
  operation({
    id: "status",
    route: "GET /coffer/v1/status",
    summary: "Who the server is, and who the caller",
    permissions: [],
    answerSchema: statusAnswer,
    run: async ({ session, apiKey }) => ({
      service: "coffer",
      version: VERSION,
      environment_id: session.environmentId,
      api_key: {
        id: apiKey.id,
        name: apiKey.name,
        permissions: apiKey.permissions,
        constraints: apiKey.constraints,
      },
    }),
  }),
];

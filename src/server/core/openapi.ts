/**
 * `/openapi.json`: OpenAPI 3.1, made from the operations that the server runs.
 *
 * Owns the document's frame. Must not know any operation by name.
 *
 * @module
 */
import { z } from "zod";
import { VERSION } from "../../version.ts";
import type { Operation, PublicOperation } from "./operation.ts";

type Json = Record<string, unknown>;

/** Of every refusal. */
const problem = z.object({ error: z.string(), code: z.string(), message: z.string() });

/** The document for lists of operations. */
export function openApiDocument(
  operations: readonly Operation[],
  publicOperations: readonly PublicOperation[],
): Json {
  const paths: Record<string, Json> = {};
  const add = ({ path, method }: Pick<Operation, "path" | "method">, description: Json): void => {
    paths[path] = { ...paths[path], [method.toLowerCase()]: description };
  };
  for (const operation of operations) add(operation, describe(operation));
  for (const operation of publicOperations) add(operation, describePublic(operation));
  return {
    openapi: "3.1.0",
    info: {
      title: "coffer",
      version: VERSION,
      description: "The WorkOS Vault API (/vault/v1) and what it lacks (/coffer/v1).",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ apiKey: [] }],
    paths,
    components: {
      securitySchemes: { apiKey: { type: "http", scheme: "bearer", description: "An API key, sk_…" } },
      schemas: { Problem: jsonSchema(problem, "output") },
      headers: {
        Revision: {
          description:
            "Changes with each revocation in the caller's environment; absent where the server does not know it just now.",
          required: false,
          schema: { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" },
        },
      },
    },
  };
}

function describe(operation: Operation): Json {
  const parameters = [
    ...parametersOf(operation.pathSchema, "path"),
    ...parametersOf(operation.querySchema, "query"),
    ...(operation.isIdempotent
      ? [
          {
            name: "Idempotency-Key",
            in: "header",
            required: false,
            schema: { type: "string", maxLength: 255 },
          },
        ]
      : []),
  ];
  const all = operation.permissions.length === 0 ? "none" : operation.permissions.join(", ");
  const permissions = operation.instead === undefined ? all : `${all}; or ${operation.instead}`;
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: `Permissions: ${permissions}.`,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.bodySchema === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { "application/json": { schema: jsonSchema(operation.bodySchema, "input") } },
          },
        }),
    responses: responsesOf(operation.status, operation.answerSchema, {
      headers: { "Coffer-Revision": { $ref: "#/components/headers/Revision" } },
    }),
  };
}

function describePublic(operation: PublicOperation): Json {
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: "Needs no API key.",
    security: [],
    parameters: parametersOf(operation.pathSchema, "path"),
    responses: responsesOf(operation.status, operation.answerSchema),
  };
}

function responsesOf(status: number, answer: z.ZodType, more: Json = {}): Json {
  return {
    [status]: {
      description: "Done",
      ...more,
      content: { "application/json": { schema: jsonSchema(answer, "output") } },
    },
    default: {
      description: "Refused",
      content: { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } },
    },
  };
}

function parametersOf(schema: z.ZodObject | undefined, where: "path" | "query"): Json[] {
  if (schema === undefined) return [];
  const { properties, required } = jsonSchema(schema, "input") as {
    properties: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === "path" || (required?.includes(name) ?? false),
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { target: "draft-2020-12", io }) as Json;
  return rest;
}

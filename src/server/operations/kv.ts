/**
 * Operations on the store.
 *
 * Owns their schemas, and the step between bodies and the KvService port. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import type { KvListRequest } from "../../kv/kv-service.ts";
import { KV_NAME_CHARS_MAX } from "../../kv/rules.ts";
import {
  metadataToWire,
  objectToWire,
  objectWithoutValueToWire,
  summaryPageToWire,
  versionPageToWire,
} from "../../wire/bodies.ts";
import { type Operation, operation } from "../core/operation.ts";
import { BODY_BYTES_MAX } from "../limits.ts";
import { context, idPath, limit, time } from "./shapes.ts";

const metadata = z.object({
  id: z.string(),
  environment_id: z.string(),
  key_id: z.string(),
  updated_at: time,
  updated_by: z.object({ id: z.string(), name: z.string() }),
  context,
  version_id: z.string(),
});

const objectWithoutValue = z.object({ id: z.string(), name: z.string(), metadata });

const object = z.object({ id: z.string(), name: z.string(), value: z.string(), metadata });

const listMetadata = z.object({ before: z.string().nullable(), after: z.string().nullable() });

const objectList = z.object({
  data: z.array(z.object({ id: z.string(), name: z.string(), updated_at: time })),
  list_metadata: listMetadata,
});

const versionList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      created_at: time,
      current_version: z.boolean(),
      size: z.int(),
      etag: z.string(),
      is_destroyed: z.boolean(),
    }),
  ),
  list_metadata: listMetadata,
});

const deleteAnswer = z.object({ success: z.boolean(), name: z.string() });

const name = z.string().describe(`1 to ${KV_NAME_CHARS_MAX} characters`);

const createObjectBody = z.object({ name, value: z.string(), key_context: context });

const updateObjectBody = z.object({
  value: z.string(),
  version_check: z.string().nullish().describe("The version that must be current; null or absent: no check"),
});

const namePath = z.object({ name: z.string() });

const versionCheckQuery = z.object({ version_check: z.string().optional() });

const versionQuery = z.object({ version_id: z.string().optional() });

const listQuery = z.object({
  limit,
  before: z.string().optional(),
  after: z.string().optional(),
  order: z.enum(["asc", "desc", "normal"]).optional().describe("By creation; `normal` is `desc`"),
  search: z.string().optional().describe("Only names that hold this text"),
  updatedAfter: z.string().optional().describe("RFC 3339 with a zone, or what a JavaScript date writes"),
  updated_after: z.string().optional().describe("The same, as some SDKs spell it"),
});

const cofferListQuery = listQuery.extend({ deleted: z.enum(["true", "false"]).optional() });

const destroyBody = z.object({ version_id: z.string().optional() });

const destroyAnswer = z.object({ destroyed_versions: z.int() });

/** `/vault/v1/kv`, exactly as WorkOS has it. */
export const VAULT_KV_OPERATIONS: readonly Operation[] = [
  operation({
    id: "listKv",
    route: "GET /vault/v1/kv",
    summary: "List names",
    permissions: ["kv:read"],
    querySchema: listQuery,
    isList: true,
    answerSchema: objectList,
    run: async ({ session, query, signal }) =>
      summaryPageToWire(await session.kv.listKv(listRequest(query), { signal })),
  }),
  operation({
    id: "createKv",
    route: "POST /vault/v1/kv",
    summary: "Store a value under a new name",
    permissions: ["kv:write"],
    bodySchema: createObjectBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: metadata,
    status: 201,
    run: async ({ session, body, signal, idempotency }) => {
      const request = { name: body.name, value: body.value, keyContext: body.key_context };
      return metadataToWire(await session.kv.createKv(request, { signal, idempotency }));
    },
  }),
  operation({
    id: "getName",
    route: "GET /vault/v1/kv/name/{name}",
    summary: "Read a value by name",
    permissions: ["kv:read"],
    pathSchema: namePath,
    answerSchema: object,
    run: async ({ session, path, signal }) =>
      objectToWire(await session.kv.getName({ name: path.name }, { signal })),
  }),
  operation({
    id: "getKv",
    route: "GET /vault/v1/kv/{id}",
    summary: "Read a value by id",
    permissions: ["kv:read"],
    pathSchema: idPath,
    answerSchema: object,
    run: async ({ session, path, signal }) =>
      objectToWire(await session.kv.getKv({ id: path.id }, { signal })),
  }),
  operation({
    id: "updateKv",
    route: "PUT /vault/v1/kv/{id}",
    summary: "Write a new version",
    permissions: ["kv:write"],
    pathSchema: idPath,
    bodySchema: updateObjectBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: objectWithoutValue,
    status: 201,
    run: async ({ session, path, body, signal, idempotency }) => {
      const request = { id: path.id, value: body.value, versionCheck: body.version_check };
      return objectWithoutValueToWire(await session.kv.updateKv(request, { signal, idempotency }));
    },
  }),
  operation({
    id: "deleteKv",
    route: "DELETE /vault/v1/kv/{id}",
    summary: "Delete an object and free its name",
    permissions: ["kv:write"],
    pathSchema: idPath,
    querySchema: versionCheckQuery,
    answerSchema: deleteAnswer,
    run: ({ session, path, query, signal, idempotency }) =>
      session.kv.deleteKv({ id: path.id, versionCheck: query.version_check }, { signal, idempotency }),
  }),
  operation({
    id: "listKvMetadata",
    route: "GET /vault/v1/kv/{id}/metadata",
    summary: "Describe an object without its value",
    permissions: ["kv:read"],
    pathSchema: idPath,
    answerSchema: objectWithoutValue,
    run: async ({ session, path, signal }) =>
      objectWithoutValueToWire(await session.kv.listKvMetadata({ id: path.id }, { signal })),
  }),
  operation({
    id: "listKvVersions",
    route: "GET /vault/v1/kv/{id}/versions",
    summary: "List the versions of an object",
    permissions: ["kv:read"],
    pathSchema: idPath,
    answerSchema: versionList,
    run: async ({ session, path, signal }) =>
      versionPageToWire(await session.kv.listKvVersions({ id: path.id }, { signal })),
  }),
];

/** `/coffer/v1/kv`: old versions, deleted objects, undelete and destroy. */
export const COFFER_KV_OPERATIONS: readonly Operation[] = [
  ofVaultApi("listKv", {
    id: "cofferListKv",
    summary: "List names, of deleted objects too",
    querySchema: cofferListQuery,
  }),
  ofVaultApi("createKv", {
    id: "cofferCreateKv",
    summary: "Store a value under a new name, once per Idempotency-Key",
    isIdempotent: true,
  }),
  operation({
    id: "cofferGetKv",
    route: "GET /coffer/v1/kv/{id}",
    summary: "Read a value, of an old version too",
    permissions: ["kv:read"],
    pathSchema: idPath,
    querySchema: versionQuery,
    answerSchema: object,
    run: async ({ session, path, query, signal }) =>
      objectToWire(await session.kv.getKv({ id: path.id, versionId: query.version_id }, { signal })),
  }),
  ofVaultApi("updateKv", {
    id: "cofferUpdateKv",
    summary: "Write a new version, once per Idempotency-Key",
    isIdempotent: true,
  }),
  ofVaultApi("deleteKv", {
    id: "cofferDeleteKv",
    summary: "Delete an object, once per Idempotency-Key",
    isIdempotent: true,
  }),
  ofVaultApi("listKvVersions", { id: "cofferListKvVersions" }),
  operation({
    id: "undeleteKv",
    route: "POST /coffer/v1/kv/{id}/undelete",
    summary: "Bring a deleted object back",
    permissions: ["kv:write"],
    pathSchema: idPath,
    answerSchema: objectWithoutValue,
    isIdempotent: true,
    run: async ({ session, path, signal, idempotency }) =>
      objectWithoutValueToWire(await session.kv.undeleteKv({ id: path.id }, { signal, idempotency })),
  }),
  operation({
    id: "destroyKv",
    route: "POST /coffer/v1/kv/{id}/destroy",
    summary: "Erase the value of one version, or of all, for good",
    permissions: ["kv:write"],
    pathSchema: idPath,
    bodySchema: destroyBody,
    answerSchema: destroyAnswer,
    isIdempotent: true,
    run: async ({ session, path, body, signal, idempotency }) => {
      const request = { id: path.id, versionId: body.version_id };
      const done = await session.kv.destroyKv(request, { signal, idempotency });
      return { destroyed_versions: done.destroyedVersions };
    },
  }),
];

/** An operation of /vault/v1 under /coffer/v1, the same but for what is given. */
function ofVaultApi(id: string, differences: Partial<Operation>): Operation {
  const original = VAULT_KV_OPERATIONS.find((known) => known.id === id) as Operation;
  return { ...original, path: original.path.replace("/vault/", "/coffer/"), ...differences };
}

/** A list's query as the port's request. Some SDKs spell `updatedAfter` otherwise. */
function listRequest(query: Partial<z.output<typeof cofferListQuery>>): KvListRequest {
  return {
    limit: query.limit,
    // SDKs send empty parameters for what is not set.
    before: query.before || undefined,
    after: query.after || undefined,
    order: query.order === "asc" ? "asc" : "desc",
    search: query.search,
    updatedAfter: query.updatedAfter || query.updated_after || undefined,
    deleted: query.deleted === "true",
  };
}

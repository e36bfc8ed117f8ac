/**
 * `/vault/v1`: the 11 operations of the WorkOS Vault API, exactly (docs/spec/key-service-api.md section 2).
 *
 * Owns the step between the wire's bodies and the ports. Must not know HTTP beyond what an operation says.
 *
 * @module
 */

import type { DataKey } from "../../crypto/keys/data-key.ts";
import type { KvListRequest } from "../../kv/kv-service.ts";
import {
  metadataToWire,
  objectToWire,
  objectWithoutValueToWire,
  summaryPageToWire,
  versionPageToWire,
  type Wire,
} from "../../wire/bodies.ts";
import { type Operation, operation } from "../core/operation.ts";
import { BODY_BYTES_MAX } from "../limits.ts";
import * as schemas from "./schemas.ts";

export const VAULT_OPERATIONS: readonly Operation[] = [
  operation({
    id: "createDataKey",
    method: "POST",
    path: "/vault/v1/keys/data-key",
    summary: "Make a data key for a context",
    permissions: ["encrypt"],
    bodySchema: schemas.createDataKeyBody,
    answerSchema: schemas.dataKeyAnswer,
    status: 200,
    run: async ({ session, body, signal }) => {
      using key = await session.keys.createDataKey({ context: body.context }, { signal });
      return dataKeyToWire(key);
    },
  }),
  operation({
    id: "createDecrypt",
    method: "POST",
    path: "/vault/v1/keys/decrypt",
    summary: "Unwrap a data key",
    permissions: ["decrypt"],
    bodySchema: schemas.decryptBody,
    answerSchema: schemas.decryptAnswer,
    status: 200,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      using key = await session.keys.createDecrypt({ keys: body.keys }, { signal });
      return { id: key.id, data_key: key.dataKey };
    },
  }),
  operation({
    id: "createRekey",
    method: "POST",
    path: "/vault/v1/keys/rekey",
    summary: "Wrap a data key for another context; the answer holds the key, so decrypt is needed too",
    permissions: ["rekey", "decrypt"],
    bodySchema: schemas.rekeyBody,
    answerSchema: schemas.dataKeyAnswer,
    status: 200,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      const request = { context: body.context, encryptedKeys: body.encrypted_keys };
      using key = await session.keys.createRekey(request, { signal });
      return dataKeyToWire(key);
    },
  }),
  operation({
    id: "listKv",
    method: "GET",
    path: "/vault/v1/kv",
    summary: "List names",
    permissions: ["kv:read"],
    querySchema: schemas.listQuery,
    isList: true,
    answerSchema: schemas.objectList,
    status: 200,
    run: async ({ session, query, signal }) =>
      summaryPageToWire(await session.kv.listKv(listRequest(query), { signal })),
  }),
  operation({
    id: "createKv",
    method: "POST",
    path: "/vault/v1/kv",
    summary: "Store a value under a new name",
    permissions: ["kv:write"],
    bodySchema: schemas.createObjectBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: schemas.metadata,
    status: 201,
    run: async ({ session, body, signal, idempotency }) => {
      const request = { name: body.name, value: body.value, keyContext: body.key_context };
      return metadataToWire(await session.kv.createKv(request, { signal, idempotency }));
    },
  }),
  operation({
    id: "getName",
    method: "GET",
    path: "/vault/v1/kv/name/{name}",
    summary: "Read a value by name",
    permissions: ["kv:read"],
    pathSchema: schemas.namePath,
    answerSchema: schemas.object,
    status: 200,
    run: async ({ session, path, signal }) =>
      objectToWire(await session.kv.getName({ name: path.name }, { signal })),
  }),
  operation({
    id: "getKv",
    method: "GET",
    path: "/vault/v1/kv/{id}",
    summary: "Read a value by id",
    permissions: ["kv:read"],
    pathSchema: schemas.idPath,
    answerSchema: schemas.object,
    status: 200,
    run: async ({ session, path, signal }) =>
      objectToWire(await session.kv.getKv({ id: path.id }, { signal })),
  }),
  operation({
    id: "updateKv",
    method: "PUT",
    path: "/vault/v1/kv/{id}",
    summary: "Write a new version",
    permissions: ["kv:write"],
    pathSchema: schemas.idPath,
    bodySchema: schemas.updateObjectBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: schemas.objectWithoutValue,
    status: 201,
    run: async ({ session, path, body, signal, idempotency }) => {
      const request = { id: path.id, value: body.value, versionCheck: body.version_check };
      return objectWithoutValueToWire(await session.kv.updateKv(request, { signal, idempotency }));
    },
  }),
  operation({
    id: "deleteKv",
    method: "DELETE",
    path: "/vault/v1/kv/{id}",
    summary: "Delete an object and free its name",
    permissions: ["kv:write"],
    pathSchema: schemas.idPath,
    querySchema: schemas.versionCheckQuery,
    answerSchema: schemas.deleteAnswer,
    status: 200,
    run: ({ session, path, query, signal, idempotency }) =>
      session.kv.deleteKv({ id: path.id, versionCheck: query.version_check }, { signal, idempotency }),
  }),
  operation({
    id: "listKvMetadata",
    method: "GET",
    path: "/vault/v1/kv/{id}/metadata",
    summary: "Describe an object without its value",
    permissions: ["kv:read"],
    pathSchema: schemas.idPath,
    answerSchema: schemas.objectWithoutValue,
    status: 200,
    run: async ({ session, path, signal }) =>
      objectWithoutValueToWire(await session.kv.listKvMetadata({ id: path.id }, { signal })),
  }),
  operation({
    id: "listKvVersions",
    method: "GET",
    path: "/vault/v1/kv/{id}/versions",
    summary: "List the versions of an object",
    permissions: ["kv:read"],
    pathSchema: schemas.idPath,
    answerSchema: schemas.versionList,
    status: 200,
    run: async ({ session, path, signal }) =>
      versionPageToWire(await session.kv.listKvVersions({ id: path.id }, { signal })),
  }),
];

export function dataKeyToWire(key: DataKey): Wire {
  return { id: key.id, data_key: key.dataKey, encrypted_keys: key.encryptedKeys, context: key.context };
}

/** A list's query as the port's request. Some SDKs spell `updatedAfter` otherwise. */
export function listRequest(query: {
  readonly limit?: number | undefined;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
  readonly order?: "asc" | "desc" | "normal" | undefined;
  readonly search?: string | undefined;
  readonly updatedAfter?: string | undefined;
  readonly updated_after?: string | undefined;
  readonly deleted?: "true" | "false" | undefined;
}): KvListRequest {
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

/**
 * `/coffer/v1`: what WorkOS's API lacks (docs/spec/key-service-api.md section 3).
 *
 * Owns batches, old versions, undelete and destroy, KEKs, events. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import type { DataKey } from "../../crypto/keys/data-key.ts";
import type { KekSelector } from "../../keks/kek-service.ts";
import { KV_LIST_LIMIT_DEFAULT } from "../../kv/rules.ts";
import type { WebhookInfo } from "../../vault/events/webhooks.ts";
import { VERSION } from "../../version.ts";
import { objectToWire, objectWithoutValueToWire, summaryPageToWire, type Wire } from "../../wire/bodies.ts";
import { kekPageToWire, kekToWire, selectorFromWire, shredToWire } from "../../wire/keks.ts";
import { type Operation, operation } from "../core/operation.ts";
import { invalidRequest, toProblem } from "../core/problems.ts";
import { BODY_BYTES_MAX } from "../limits.ts";
import * as schemas from "./schemas.ts";
import { dataKeyToWire, listRequest, VAULT_OPERATIONS } from "./vault-api.ts";

const KEYS: readonly Operation[] = [
  operation({
    id: "createDataKeys",
    method: "POST",
    path: "/coffer/v1/keys/data-keys",
    summary: "Make several data keys for one context",
    permissions: ["encrypt"],
    bodySchema: schemas.dataKeysBody,
    answerSchema: schemas.dataKeysAnswer,
    status: 200,
    run: async ({ session, body, signal }) => {
      const data: Wire[] = [];
      for (let i = 0; i < body.count; i++) {
        using key = await session.keys.createDataKey({ context: body.context }, { signal });
        data.push(dataKeyToWire(key));
      }
      return { data };
    },
  }),
  operation({
    id: "createDecryptWithContext",
    method: "POST",
    path: "/coffer/v1/keys/decrypt",
    summary: "Unwrap a data key and tell its context",
    permissions: ["decrypt"],
    bodySchema: schemas.decryptBody,
    answerSchema: schemas.decryptWithContextAnswer,
    status: 200,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      using key = await session.keys.createDecrypt({ keys: body.keys }, { signal });
      return { id: key.id, data_key: key.dataKey, context: key.context };
    },
  }),
  operation({
    id: "createDecrypts",
    method: "POST",
    path: "/coffer/v1/keys/decrypts",
    summary: "Unwrap several data keys; one result per item, in order",
    permissions: ["decrypt"],
    bodySchema: schemas.decryptsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: schemas.decryptsAnswer,
    status: 200,
    isKeyBlobCall: true,
    run: ({ session, body, signal }) =>
      perItem(body.keys, async (keys) => {
        using key = await session.keys.createDecrypt({ keys }, { signal });
        return { id: key.id, data_key: key.dataKey, context: key.context };
      }),
  }),
  operation({
    id: "createRekeys",
    method: "POST",
    path: "/coffer/v1/keys/rekeys",
    summary: "Wrap several data keys for other contexts; keys are not answered",
    permissions: ["rekey"],
    bodySchema: schemas.rekeysBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: schemas.wrappedResults,
    status: 200,
    isKeyBlobCall: true,
    run: ({ session, body, signal }) =>
      perItem(body.items, async (item) => {
        const request = { context: item.context, encryptedKeys: item.encrypted_keys };
        using key = await session.keys.createRekey(request, { signal });
        return wrappedToWire(key);
      }),
  }),
  operation({
    id: "createRewraps",
    method: "POST",
    path: "/coffer/v1/keys/rewraps",
    summary: "Wrap several data keys under the newest KEK versions; keys are not answered",
    permissions: ["rekey"],
    bodySchema: schemas.rewrapsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: schemas.wrappedResults,
    status: 200,
    isKeyBlobCall: true,
    run: ({ session, body, signal }) =>
      perItem(body.encrypted_keys, async (encryptedKeys) => {
        using key = await session.keys.createRewrap({ encryptedKeys }, { signal });
        return wrappedToWire(key);
      }),
  }),
];

const KV: readonly Operation[] = [
  operation({
    id: "cofferListKv",
    method: "GET",
    path: "/coffer/v1/kv",
    summary: "List names, of deleted objects too",
    permissions: ["kv:read"],
    querySchema: schemas.cofferListQuery,
    isList: true,
    answerSchema: schemas.objectList,
    status: 200,
    run: async ({ session, query, signal }) =>
      summaryPageToWire(await session.kv.listKv(listRequest(query), { signal })),
  }),
  ofVaultApi("createKv", {
    id: "cofferCreateKv",
    summary: "Store a value under a new name, once per Idempotency-Key",
    isIdempotent: true,
  }),
  operation({
    id: "cofferGetKv",
    method: "GET",
    path: "/coffer/v1/kv/{id}",
    summary: "Read a value, of an old version too",
    permissions: ["kv:read"],
    pathSchema: schemas.idPath,
    querySchema: schemas.versionQuery,
    answerSchema: schemas.object,
    status: 200,
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
    method: "POST",
    path: "/coffer/v1/kv/{id}/undelete",
    summary: "Bring a deleted object back",
    permissions: ["kv:write"],
    pathSchema: schemas.idPath,
    answerSchema: schemas.objectWithoutValue,
    status: 200,
    isIdempotent: true,
    run: async ({ session, path, signal, idempotency }) =>
      objectWithoutValueToWire(await session.kv.undeleteKv({ id: path.id }, { signal, idempotency })),
  }),
  operation({
    id: "destroyKv",
    method: "POST",
    path: "/coffer/v1/kv/{id}/destroy",
    summary: "Erase the value of one version, or of all, for good",
    permissions: ["kv:write"],
    pathSchema: schemas.idPath,
    bodySchema: schemas.destroyBody,
    answerSchema: schemas.destroyAnswer,
    status: 200,
    isIdempotent: true,
    run: async ({ session, path, body, signal, idempotency }) => {
      const request = { id: path.id, versionId: body.version_id };
      const done = await session.kv.destroyKv(request, { signal, idempotency });
      return { destroyed_versions: done.destroyedVersions };
    },
  }),
];

const KEKS: readonly Operation[] = [
  operation({
    id: "listKeks",
    method: "GET",
    path: "/coffer/v1/keks",
    summary: "List KEKs with versions and states",
    permissions: ["admin"],
    querySchema: schemas.keksQuery,
    isList: true,
    answerSchema: schemas.kekList,
    status: 200,
    run: async ({ session, query, signal }) => {
      const { limit, after, kek_id, name, value } = query;
      const isNamed = kek_id !== undefined || name !== undefined || value !== undefined;
      if (!isNamed) return kekPageToWire(await session.keks.list({ limit, after }, { signal }));
      const kek = await session.keks.get(selector({ kek_id, name, value }, 400), { signal });
      return kekPageToWire({ data: [kek], listMetadata: { after: null } });
    },
  }),
  operation({
    id: "rotateKek",
    method: "POST",
    path: "/coffer/v1/keks/rotate",
    summary: "Make a new KEK version for future wraps",
    permissions: ["admin"],
    bodySchema: schemas.kekBody,
    answerSchema: schemas.kekInfo,
    status: 200,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      kekToWire(await session.keks.rotate(selector(body), { idempotency })),
  }),
  operation({
    id: "disableKek",
    method: "POST",
    path: "/coffer/v1/keks/disable",
    summary: "Put a KEK out of use until it is enabled",
    permissions: ["admin"],
    bodySchema: schemas.kekVersionBody,
    answerSchema: schemas.kekInfo,
    status: 200,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      kekToWire(await session.keks.disable({ ...selector(body), version: body.version }, { idempotency })),
  }),
  operation({
    id: "enableKek",
    method: "POST",
    path: "/coffer/v1/keks/enable",
    summary: "Put a KEK back into use, or take back a pending destruction",
    permissions: ["admin"],
    bodySchema: schemas.kekVersionBody,
    answerSchema: schemas.kekInfo,
    status: 200,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      kekToWire(await session.keks.enable({ ...selector(body), version: body.version }, { idempotency })),
  }),
  operation({
    id: "shredKek",
    method: "POST",
    path: "/coffer/v1/keks/shred",
    summary: "Destroy a KEK for good, or tell what that would cost",
    permissions: ["admin"],
    bodySchema: schemas.shredBody,
    answerSchema: schemas.shredAnswer,
    status: 200,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      shredToWire(
        await session.keks.shred(
          { ...selector(body), version: body.version },
          { dryRun: body.dry_run, delayMs: body.delay_ms, idempotency },
        ),
      ),
  }),
  operation({
    id: "rewrapKv",
    method: "POST",
    path: "/coffer/v1/keks/rewrap-kv",
    summary: "Wrap the data keys of stored values under the newest KEK versions, a part per request",
    permissions: ["admin"],
    querySchema: schemas.rewrapQuery,
    answerSchema: schemas.rewrapAnswer,
    status: 200,
    run: ({ session, query, signal }) => session.kv.rewrapPart({ after: query.after, signal }),
  }),
];

const WEBHOOKS: readonly Operation[] = [
  operation({
    id: "listWebhooks",
    method: "GET",
    path: "/coffer/v1/webhooks",
    summary: "List webhooks",
    permissions: ["admin"],
    answerSchema: schemas.webhookList,
    status: 200,
    run: async ({ host, session }) => ({
      data: (await host.webhooks.list(session.environmentId)).map(webhookToWire),
    }),
  }),
  operation({
    id: "createWebhook",
    method: "POST",
    path: "/coffer/v1/webhooks",
    summary: "Have events delivered to a URL; the secret is shown once",
    permissions: ["admin"],
    bodySchema: schemas.createWebhookBody,
    answerSchema: schemas.webhookWithSecret,
    status: 201,
    isIdempotent: true,
    run: async ({ host, session, body, idempotency }) => {
      const created = await host.webhooks.create(session.environmentId, body, { idempotency });
      return { ...webhookToWire(created), secret: created.secret };
    },
  }),
  operation({
    id: "deleteWebhook",
    method: "DELETE",
    path: "/coffer/v1/webhooks/{id}",
    summary: "End a webhook; what it is owed is dropped",
    permissions: ["admin"],
    pathSchema: schemas.idPath,
    answerSchema: schemas.removeAnswer,
    status: 200,
    isIdempotent: true,
    run: async ({ host, session, path, idempotency }) => {
      await host.webhooks.remove(session.environmentId, path.id, { idempotency });
      return { success: true };
    },
  }),
  operation({
    id: "listDeadDeliveries",
    method: "GET",
    path: "/coffer/v1/dead-deliveries",
    summary: "Deliveries that were given up",
    permissions: ["admin"],
    answerSchema: schemas.deadList,
    status: 200,
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
    method: "POST",
    path: "/coffer/v1/dead-deliveries/revive",
    summary: "Try deliveries that were given up again",
    permissions: ["admin"],
    answerSchema: schemas.reviveAnswer,
    status: 200,
    isIdempotent: true,
    run: async ({ host, session, idempotency }) => ({
      revived: await host.webhooks.revive(session.environmentId, { idempotency }),
    }),
  }),
];

const OTHERS: readonly Operation[] = [
  operation({
    id: "listEvents",
    method: "GET",
    path: "/coffer/v1/events",
    summary: "Events after a cursor, in the order of their recording",
    permissions: ["admin"],
    querySchema: schemas.eventsQuery,
    isList: true,
    answerSchema: schemas.eventList,
    status: 200,
    run: async ({ host, session, query }) => {
      const request = { after: query.after || undefined, limit: query.limit ?? KV_LIST_LIMIT_DEFAULT };
      const page = await host.events.list(session.environmentId, request);
      return { data: page.data, list_metadata: { after: page.after } };
    },
  }),
  operation({
    id: "status",
    method: "GET",
    path: "/coffer/v1/status",
    summary: "Who the server is, and who the caller",
    permissions: [],
    answerSchema: schemas.statusAnswer,
    status: 200,
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

export const COFFER_OPERATIONS: readonly Operation[] = [...KEYS, ...KV, ...KEKS, ...WEBHOOKS, ...OTHERS];

/** An operation of /vault/v1 under /coffer/v1, the same but for what is given. */
function ofVaultApi(id: string, differences: Partial<Operation>): Operation {
  const original = VAULT_OPERATIONS.find((known) => known.id === id) as Operation;
  return { ...original, path: original.path.replace("/vault/", "/coffer/"), ...differences };
}

/** One result per item, at its index; a failed item does not stop the others. */
async function perItem<T>(
  items: readonly T[],
  work: (item: T) => Promise<Wire>,
): Promise<{ results: Wire[] }> {
  const results: Wire[] = [];
  for (const item of items) {
    try {
      results.push(await work(item));
    } catch (error) {
      const problem = toProblem(error, true);
      if (problem.status >= 500) throw error; // The server's trouble is not the item's.
      results.push({ error: problem.message, code: problem.code });
    }
  }
  return { results };
}

function wrappedToWire(key: DataKey): Wire {
  return { id: key.id, encrypted_keys: key.encryptedKeys, context: key.context };
}

function selector(body: Parameters<typeof selectorFromWire>[0], status: 400 | 422 = 422): KekSelector {
  const selector = selectorFromWire(body);
  if (selector !== undefined) return selector;
  throw invalidRequest("A KEK is named by kek_id, or by name and value.", status);
}

function webhookToWire(webhook: WebhookInfo): Wire {
  return { id: webhook.id, url: webhook.url, kinds: webhook.kinds ?? null, created_at: webhook.createdAt };
}

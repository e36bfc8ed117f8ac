/**
 * Operations on data keys: making, unwrapping, rekeying and rewrapping them, one or many.
 *
 * Owns their schemas, and the step between bodies and the KeyService port. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import type { DataKey } from "../../crypto/keys/data-key.ts";
import type { Wire } from "../../wire/bodies.ts";
import { type Operation, operation } from "../core/operation.ts";
import { toProblem } from "../core/problems.ts";
import { BATCH_ITEMS_MAX, BODY_BYTES_MAX } from "../limits.ts";
import { context, dataKey, encryptedKeys, itemError } from "./shapes.ts";

const createDataKeyBody = z.object({ context });

const decryptBody = z.object({ keys: encryptedKeys });

const rekeyBody = z.object({ context, encrypted_keys: encryptedKeys });

const dataKeyAnswer = z.object({
  id: z.string(),
  data_key: dataKey,
  encrypted_keys: encryptedKeys,
  context,
});

const decryptAnswer = z.object({ id: z.string(), data_key: dataKey });

const decryptWithContextAnswer = z.object({ id: z.string(), data_key: dataKey, context });

const wrappedAnswer = z.object({ id: z.string(), encrypted_keys: encryptedKeys, context });

const dataKeysBody = z.object({ context, count: z.int().min(1).max(BATCH_ITEMS_MAX) });

const dataKeysAnswer = z.object({ data: z.array(dataKeyAnswer) });

const decryptsBody = z.object({ keys: z.array(encryptedKeys).min(1).max(BATCH_ITEMS_MAX) });

const decryptsAnswer = z.object({ results: z.array(z.union([decryptWithContextAnswer, itemError])) });

const rekeysBody = z.object({ items: z.array(rekeyBody).min(1).max(BATCH_ITEMS_MAX) });

const rewrapsBody = z.object({ encrypted_keys: z.array(encryptedKeys).min(1).max(BATCH_ITEMS_MAX) });

const wrappedResults = z.object({ results: z.array(z.union([wrappedAnswer, itemError])) });

/** `/vault/v1/keys`, exactly as WorkOS has it. */
export const VAULT_KEY_OPERATIONS: readonly Operation[] = [
  operation({
    id: "createDataKey",
    method: "POST",
    path: "/vault/v1/keys/data-key",
    summary: "Make a data key for a context",
    permissions: ["encrypt"],
    bodySchema: createDataKeyBody,
    answerSchema: dataKeyAnswer,
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
    bodySchema: decryptBody,
    answerSchema: decryptAnswer,
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
    bodySchema: rekeyBody,
    answerSchema: dataKeyAnswer,
    status: 200,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      const request = { context: body.context, encryptedKeys: body.encrypted_keys };
      using key = await session.keys.createRekey(request, { signal });
      return dataKeyToWire(key);
    },
  }),
];

/** `/coffer/v1/keys`: contexts told, and batches. */
export const COFFER_KEY_OPERATIONS: readonly Operation[] = [
  operation({
    id: "createDataKeys",
    method: "POST",
    path: "/coffer/v1/keys/data-keys",
    summary: "Make several data keys for one context",
    permissions: ["encrypt"],
    bodySchema: dataKeysBody,
    answerSchema: dataKeysAnswer,
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
    bodySchema: decryptBody,
    answerSchema: decryptWithContextAnswer,
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
    bodySchema: decryptsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: decryptsAnswer,
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
    bodySchema: rekeysBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: wrappedResults,
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
    bodySchema: rewrapsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: wrappedResults,
    status: 200,
    isKeyBlobCall: true,
    run: ({ session, body, signal }) =>
      perItem(body.encrypted_keys, async (encryptedKeys) => {
        using key = await session.keys.createRewrap({ encryptedKeys }, { signal });
        return wrappedToWire(key);
      }),
  }),
];

function dataKeyToWire(key: DataKey): Wire {
  return { id: key.id, data_key: key.dataKey, encrypted_keys: key.encryptedKeys, context: key.context };
}

function wrappedToWire(key: DataKey): Wire {
  return { id: key.id, encrypted_keys: key.encryptedKeys, context: key.context };
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

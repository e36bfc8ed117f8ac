/**
 * Operations on data keys: making, unwrapping, rekeying and rewrapping them, one or many.
 *
 * Owns their schemas, and the step between bodies and the KeyService port. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import { encodeBase64 } from "../../base/base64.ts";
import type { ItemResult } from "../../base/item-result.ts";
import type { DataKey } from "../../crypto/keys/data-key.ts";
import { rekeyKeys, rewrapKeys, unwrapKeys } from "../../keys/batch-calls.ts";
import type { WrappedDataKey } from "../../keys/key-service.ts";
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

const sender = z
  .string()
  .optional()
  .describe("Of a sealed data key with a signature: the id of its sender, whose signature it is");

const decryptWithContextAnswer = z.object({ id: z.string(), data_key: dataKey, context, sender });

const wrappedAnswer = z.object({ id: z.string(), encrypted_keys: encryptedKeys, context, sender });

const dataKeysBody = z.object({ context, count: z.int().min(1).max(BATCH_ITEMS_MAX) });

const dataKeysAnswer = z.object({ data: z.array(dataKeyAnswer) });

const decryptsBody = z.object({ keys: z.array(encryptedKeys).min(1).max(BATCH_ITEMS_MAX) });

const decryptsAnswer = z.object({ results: z.array(z.union([decryptWithContextAnswer, itemError])) });

const checkAnswer = z.object({ results: z.array(z.union([z.object({ ok: z.literal(true) }), itemError])) });

const rekeysBody = z.object({ items: z.array(rekeyBody).min(1).max(BATCH_ITEMS_MAX) });

const rewrapsBody = z.object({ encrypted_keys: z.array(encryptedKeys).min(1).max(BATCH_ITEMS_MAX) });

const wrappedResults = z.object({ results: z.array(z.union([wrappedAnswer, itemError])) });

/** `/vault/v1/keys`, exactly as WorkOS has it. */
export const VAULT_KEY_OPERATIONS: readonly Operation[] = [
  operation({
    id: "createDataKey",
    route: "POST /vault/v1/keys/data-key",
    summary: "Make a data key for a context",
    permissions: ["encrypt"],
    bodySchema: createDataKeyBody,
    answerSchema: dataKeyAnswer,
    run: async ({ session, body, signal }) => {
      using key = await session.keys.createDataKey({ context: body.context }, { signal });
      return dataKeyToWire(key);
    },
  }),
  operation({
    id: "createDecrypt",
    route: "POST /vault/v1/keys/decrypt",
    summary: "Unwrap a data key",
    permissions: ["decrypt"],
    bodySchema: decryptBody,
    answerSchema: decryptAnswer,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      using key = await session.keys.createDecrypt({ keys: body.keys }, { signal });
      return { id: key.id, data_key: key.dataKey };
    },
  }),
  operation({
    id: "createRekey",
    route: "POST /vault/v1/keys/rekey",
    summary: "Wrap a data key for another context; the answer holds the key, so decrypt is needed too",
    permissions: ["rekey", "decrypt"],
    bodySchema: rekeyBody,
    answerSchema: dataKeyAnswer,
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
    route: "POST /coffer/v1/keys/data-keys",
    summary: "Make several data keys for one context",
    permissions: ["encrypt"],
    bodySchema: dataKeysBody,
    answerSchema: dataKeysAnswer,
    run: async ({ session, body, signal }) => {
      const { context, count } = body;
      const made = await session.keys.createDataKeys({ context, count }, { signal });
      const data = made.map((one): Wire => {
        using key = one;
        return dataKeyToWire(key);
      });
      return { data };
    },
  }),
  operation({
    id: "createDecryptWithContext",
    route: "POST /coffer/v1/keys/decrypt",
    summary: "Unwrap a data key and tell its context",
    permissions: ["decrypt"],
    bodySchema: decryptBody,
    answerSchema: decryptWithContextAnswer,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      using key = await session.keys.createDecrypt({ keys: body.keys }, { signal });
      return unwrappedToWire(key);
    },
  }),
  operation({
    id: "createDecrypts",
    route: "POST /coffer/v1/keys/decrypts",
    summary: "Unwrap several data keys; one result per item, in order",
    permissions: ["decrypt"],
    bodySchema: decryptsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: decryptsAnswer,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) =>
      resultsToWire(await unwrapKeys(session.keys, body.keys, { signal }), (unwrapped) => {
        using key = unwrapped;
        return unwrappedToWire(key);
      }),
  }),
  operation({
    id: "checkKeys",
    route: "POST /coffer/v1/keys/check",
    summary: "Tell which data keys would be unwrapped now; keys are not answered",
    permissions: [],
    bodySchema: decryptsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: checkAnswer,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) =>
      resultsToWire(await session.keys.checkMany({ keys: body.keys }, { signal }), () => ({ ok: true })),
  }),
  operation({
    id: "createRekeys",
    route: "POST /coffer/v1/keys/rekeys",
    summary: "Wrap several data keys for other contexts; keys are not answered",
    permissions: ["rekey"],
    instead: "absorb",
    bodySchema: rekeysBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: wrappedResults,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) => {
      const items = body.items.map((item) => ({ context: item.context, encryptedKeys: item.encrypted_keys }));
      return resultsToWire(await rekeyKeys(session.keys, items, { signal }), wrappedToWire);
    },
  }),
  operation({
    id: "createRewraps",
    route: "POST /coffer/v1/keys/rewraps",
    summary: "Wrap several data keys under the newest KEK versions; keys are not answered",
    permissions: ["rekey"],
    instead: "absorb",
    bodySchema: rewrapsBody,
    bodyBytesMax: BODY_BYTES_MAX,
    answerSchema: wrappedResults,
    isKeyBlobCall: true,
    run: async ({ session, body, signal }) =>
      resultsToWire(await rewrapKeys(session.keys, body.encrypted_keys, { signal }), wrappedToWire),
  }),
];

function dataKeyToWire(key: DataKey): Wire {
  return { id: key.id, data_key: key.dataKey, encrypted_keys: key.encryptedKeys, context: key.context };
}

function unwrappedToWire(key: DataKey): Wire {
  return { id: key.id, data_key: key.dataKey, context: key.context, ...senderToWire(key) };
}

function wrappedToWire(key: WrappedDataKey): Wire {
  const encryptedKeys = encodeBase64(key.keyBlob);
  return { id: key.id, encrypted_keys: encryptedKeys, context: key.context, ...senderToWire(key) };
}

function senderToWire({ sender }: Pick<WrappedDataKey, "sender">): Wire {
  return sender === undefined ? {} : { sender };
}

/** One result per item, at its index; a failed item does not stop the others. */
function resultsToWire<T>(
  results: readonly ItemResult<T>[],
  toWire: (value: T) => Wire,
): { results: Wire[] } {
  return {
    results: results.map((result) => {
      if (result.ok) return toWire(result.value);
      const problem = toProblem(result.error, true);
      return { error: problem.message, code: problem.code };
    }),
  };
}

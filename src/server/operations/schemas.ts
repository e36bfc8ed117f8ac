/**
 * Schemas of bodies, queries and answers, once for validation and for OpenAPI.
 *
 * Owns the shapes of the wire as the server sees them. What a context, name or value may be in detail, the vault decides:
 * a schema only knows types. Must not know operations.
 *
 * @module
 */
import { z } from "zod";
import { KV_LIST_LIMIT_DEFAULT, KV_LIST_LIMIT_MAX, KV_NAME_CHARS_MAX } from "../../kv/rules.ts";
import { EVENT_KINDS } from "../../vault/events/events.ts";
import { BATCH_ITEMS_MAX } from "../limits.ts";

export const context = z
  .record(z.string(), z.string())
  .describe("Key context: 1 to 10 names (1 to 120 characters) with values (1 to 500 characters)");

export const encryptedKeys = z.string().describe("A wrapped data key, base64");
const dataKey = z.string().describe("Base64 of the 32 bytes of a data key");
const time = z.string().describe("RFC 3339");

export const createDataKeyBody = z.object({ context });
export const decryptBody = z.object({ keys: encryptedKeys });
export const rekeyBody = z.object({ context, encrypted_keys: encryptedKeys });

export const dataKeyAnswer = z.object({
  id: z.string(),
  data_key: dataKey,
  encrypted_keys: encryptedKeys,
  context,
});
export const decryptAnswer = z.object({ id: z.string(), data_key: dataKey });
export const decryptWithContextAnswer = z.object({ id: z.string(), data_key: dataKey, context });
export const wrappedAnswer = z.object({ id: z.string(), encrypted_keys: encryptedKeys, context });

/** One item of a batch that failed. */
export const itemError = z.object({ error: z.string(), code: z.string() });

export const metadata = z.object({
  id: z.string(),
  environment_id: z.string(),
  key_id: z.string(),
  updated_at: time,
  updated_by: z.object({ id: z.string(), name: z.string() }),
  context,
  version_id: z.string(),
});
export const objectWithoutValue = z.object({ id: z.string(), name: z.string(), metadata });
export const object = z.object({ id: z.string(), name: z.string(), value: z.string(), metadata });

const listMetadata = z.object({ before: z.string().nullable(), after: z.string().nullable() });
export const objectList = z.object({
  data: z.array(z.object({ id: z.string(), name: z.string(), updated_at: time })),
  list_metadata: listMetadata,
});
export const versionList = z.object({
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
export const deleteAnswer = z.object({ success: z.boolean(), name: z.string() });

const name = z.string().describe(`1 to ${KV_NAME_CHARS_MAX} characters`);
export const createObjectBody = z.object({ name, value: z.string(), key_context: context });
export const updateObjectBody = z.object({
  value: z.string(),
  version_check: z.string().nullish().describe("The version that must be current; null or absent: no check"),
});

export const idPath = z.object({ id: z.string() });
export const namePath = z.object({ name: z.string() });
export const versionCheckQuery = z.object({ version_check: z.string().optional() });
export const versionQuery = z.object({ version_id: z.string().optional() });

/** A query holds text. Only digits are a number: `0x2` and `1e0` are refused, as they are in a body. */
const wholeNumber = (text: unknown): unknown =>
  typeof text === "string" && /^\d{1,10}$/.test(text) ? Number(text) : text;

const limit = z
  .preprocess(wholeNumber, z.int().min(1).max(KV_LIST_LIMIT_MAX))
  .optional()
  .describe(`1 to ${KV_LIST_LIMIT_MAX}, default ${KV_LIST_LIMIT_DEFAULT}`);

export const listQuery = z.object({
  limit,
  before: z.string().optional(),
  after: z.string().optional(),
  order: z.enum(["asc", "desc", "normal"]).optional().describe("By creation; `normal` is `desc`"),
  search: z.string().optional().describe("Only names that hold this text"),
  updatedAfter: z.string().optional().describe("RFC 3339 with a zone, or what a JavaScript date writes"),
  updated_after: z.string().optional().describe("The same, as some SDKs spell it"),
});
export const cofferListQuery = listQuery.extend({ deleted: z.enum(["true", "false"]).optional() });

export const dataKeysBody = z.object({ context, count: z.int().min(1).max(BATCH_ITEMS_MAX) });
export const dataKeysAnswer = z.object({ data: z.array(dataKeyAnswer) });
export const decryptsBody = z.object({ keys: z.array(encryptedKeys).min(1).max(BATCH_ITEMS_MAX) });
export const decryptsAnswer = z.object({ results: z.array(z.union([decryptWithContextAnswer, itemError])) });
export const rekeysBody = z.object({ items: z.array(rekeyBody).min(1).max(BATCH_ITEMS_MAX) });
export const rewrapsBody = z.object({ encrypted_keys: z.array(encryptedKeys).min(1).max(BATCH_ITEMS_MAX) });
export const wrappedResults = z.object({ results: z.array(z.union([wrappedAnswer, itemError])) });

export const destroyBody = z.object({ version_id: z.string().optional() });
export const destroyAnswer = z.object({ destroyed_versions: z.int() });

const kekSelector = {
  kek_id: z.string().optional(),
  name: z.string().optional().describe("Context name, with `value` instead of `kek_id`"),
  value: z.string().optional(),
};
export const kekBody = z.object(kekSelector);
export const kekVersionBody = z.object({ ...kekSelector, version: z.int().min(1).optional() });
export const shredBody = z.object({
  ...kekSelector,
  version: z.int().min(1).optional(),
  dry_run: z.boolean().optional(),
  delay_ms: z.int().min(0).optional(),
});
export const kekInfo = z.object({
  id: z.string(),
  name: z.string(),
  value: z.string(),
  state: z.string(),
  created_at: time,
  versions: z.array(
    z.object({
      version: z.int(),
      state: z.string(),
      created_at: time,
      destroy_at: time.nullable(),
      kv_versions: z.int(),
    }),
  ),
});
export const keksQuery = z.object({
  limit,
  after: z.string().optional().describe("Id of the last KEK of the page before"),
  kek_id: z.string().optional().describe("Only this KEK"),
  name: z.string().optional().describe("Only the KEK of this context entry, with `value`"),
  value: z.string().optional(),
});
export const kekList = z.object({
  data: z.array(kekInfo),
  list_metadata: z.object({ after: z.string().nullable() }),
});
export const shredAnswer = z.object({
  kek_id: z.string(),
  name: z.string(),
  value: z.string(),
  versions: z.array(z.int()),
  is_dry_run: z.boolean(),
  destroy_at: time.nullable(),
  contexts: z.object({ count: z.int(), sample: z.array(context) }),
  kv_objects: z.object({ count: z.int(), sample: z.array(z.string()) }),
  kv_versions: z.int(),
});
export const rewrapQuery = z.object({ after: z.string().optional().describe("`after` of the part before") });
export const rewrapAnswer = z.object({
  checked: z.int(),
  rewrapped: z.int(),
  skipped: z.int(),
  after: z.string().nullable().describe("Where the next part begins; null after the last"),
  total: z.int().nullable().describe("Values there were to look at; null but in the first part"),
});

export const eventsQuery = z.object({ after: z.string().optional(), limit });
export const event = z.object({
  object: z.literal("event"),
  id: z.string(),
  event: z.enum(EVENT_KINDS),
  data: z.record(z.string(), z.unknown()),
  created_at: time,
});
export const eventList = z.object({
  data: z.array(event),
  list_metadata: z.object({ after: z.string().nullable() }),
});

export const createWebhookBody = z.object({
  url: z.string(),
  kinds: z.array(z.enum(EVENT_KINDS)).min(1).optional(),
});
export const webhook = z.object({
  id: z.string(),
  url: z.string(),
  kinds: z.array(z.string()).nullable().describe("Kinds that are delivered; null for all"),
  created_at: time,
});
export const webhookWithSecret = webhook.extend({ secret: z.string().describe("Shown once") });
export const webhookList = z.object({ data: z.array(webhook) });
export const removeAnswer = z.object({ success: z.boolean() });
export const deadList = z.object({
  data: z.array(
    z.object({ webhook_id: z.string(), event_id: z.string(), attempts: z.int(), last_error: z.string() }),
  ),
});
export const reviveAnswer = z.object({ revived: z.int() });

export const statusAnswer = z.object({
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

export const problem = z.object({ error: z.string(), code: z.string(), message: z.string() });

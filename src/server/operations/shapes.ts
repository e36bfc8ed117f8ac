/**
 * Shapes that operations have in common, once for validation and for OpenAPI.
 *
 * What a context, name or value may be in detail, the vault decides: a schema only knows types. Must not know operations.
 *
 * @module
 */
import { z } from "zod";
import { KV_LIST_LIMIT_DEFAULT, KV_LIST_LIMIT_MAX } from "../../kv/rules.ts";

/** A key context. */
export const context = z
  .record(z.string(), z.string())
  .describe("Key context: 1 to 10 names (1 to 120 characters) with values (1 to 500 characters)");

/** A wrapped data key. */
export const encryptedKeys = z.string().describe("A wrapped data key, base64");

/** A data key. */
export const dataKey = z.string().describe("Base64 of the 32 bytes of a data key");

/** A moment. */
export const time = z.string().describe("RFC 3339");

/** A path that names one thing. */
export const idPath = z.object({ id: z.string() });

/** A query holds text. Only digits are a number: `0x2` and `1e0` are refused, as they are in a body. */
export const wholeNumber = (text: unknown): unknown =>
  typeof text === "string" && /^\d{1,10}$/.test(text) ? Number(text) : text;

/** How many items a page has. */
export const limit = z
  .preprocess(wholeNumber, z.int().min(1).max(KV_LIST_LIMIT_MAX))
  .optional()
  .describe(`1 to ${KV_LIST_LIMIT_MAX}, default ${KV_LIST_LIMIT_DEFAULT}`);

/** One item of a batch that failed. */
export const itemError = z.object({ error: z.string(), code: z.string() });

/** A page of a list that goes on behind the last item. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ data: z.array(item), list_metadata: z.object({ after: z.string().nullable() }) });

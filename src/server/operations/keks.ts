/**
 * Operations on KEKs.
 *
 * Owns their schemas, and the step between bodies and the KekService port. Must not know HTTP beyond what an operation says.
 *
 * @module
 */
import { z } from "zod";
import type { KekSelector } from "../../keks/kek-service.ts";
import {
  kekPageToWire,
  kekToWire,
  selectorFromWire,
  shredToWire,
  wrappedKeysToWire,
} from "../../wire/keks.ts";
import { type Operation, operation } from "../core/operation.ts";
import { invalidRequest } from "../core/problems.ts";
import { context, limit, pageOf, time } from "./shapes.ts";

const kekSelector = {
  kek_id: z.string().optional(),
  name: z.string().optional().describe("Context name, with `value` instead of `kek_id`"),
  value: z.string().optional(),
};

const kekBody = z.object(kekSelector);

const kekVersionBody = z.object({ ...kekSelector, version: z.int().min(1).optional() });

const shredBody = z.object({
  ...kekSelector,
  version: z.int().min(1).optional(),
  dry_run: z.boolean().optional(),
  delay_ms: z.int().min(0).optional(),
});

const kekInfo = z.object({
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

const keksQuery = z.object({
  limit,
  after: z.string().optional().describe("Id of the last KEK of the page before"),
  kek_id: z.string().optional().describe("Only this KEK"),
  name: z.string().optional().describe("Only the KEK of this context entry, with `value`"),
  value: z.string().optional(),
});

const shredAnswer = z.object({
  kek_id: z.string(),
  name: z.string(),
  value: z.string(),
  versions: z.array(z.int()),
  is_dry_run: z.boolean(),
  destroy_at: time.nullable(),
  erasure: z
    .enum(["physical", "logical"])
    .describe("Whether the bytes of the KEK are overwritten, or only used no more"),
  contexts: z.object({ count: z.int(), sample: z.array(context) }),
  kv_objects: z.object({ count: z.int(), sample: z.array(z.string()) }),
  kv_versions: z.int(),
  recipient_versions: z.int(),
  uncovered_recipients: z
    .object({ count: z.int(), sample: z.array(z.string()) })
    .describe("Environment-wide recipients, by id, which the shred does not cover"),
});

const partQuery = z.object({ after: z.string().optional().describe("`after` of the part before") });

const rewrapAnswer = z.object({
  checked: z.int(),
  rewrapped: z.int(),
  skipped: z.int(),
  after: z.string().nullable().describe("Where the next part begins; null after the last"),
  total: z.int().nullable().describe("Wrapped keys there were to look at; null but in the first part"),
});

const wrappedKeysAnswer = z.object({
  checked: z.int(),
  old: z.int().describe("Wrapped keys that a rewrap would still visit"),
  unreadable: z.int(),
  keks: z.array(
    z.object({
      kek_id: z.string(),
      version: z.int(),
      state: z.string(),
      kv_versions: z.int(),
      recipient_versions: z.int(),
    }),
  ),
  after: z.string().nullable().describe("Where the next part begins; null after the last"),
  total: z.int().nullable().describe("Wrapped keys there were to read; null but in the first part"),
});

/** `/coffer/v1/keks`. */
export const KEK_OPERATIONS: readonly Operation[] = [
  operation({
    id: "listKeks",
    route: "GET /coffer/v1/keks",
    summary: "List KEKs with versions and states",
    permissions: ["admin"],
    querySchema: keksQuery,
    isList: true,
    answerSchema: pageOf(kekInfo),
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
    route: "POST /coffer/v1/keks/rotate",
    summary: "Make a new KEK version for future wraps",
    permissions: ["admin"],
    bodySchema: kekBody,
    answerSchema: kekInfo,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      kekToWire(await session.keks.rotate(selector(body), { idempotency })),
  }),
  stateOperation("disable", "Put a KEK out of use until it is enabled"),
  stateOperation("enable", "Put a KEK back into use, or take back a pending destruction"),
  operation({
    id: "shredKek",
    route: "POST /coffer/v1/keks/shred",
    summary: "Destroy a KEK for good, or tell what that would cost",
    permissions: ["admin"],
    bodySchema: shredBody,
    answerSchema: shredAnswer,
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
    route: "POST /coffer/v1/keks/rewrap-kv",
    summary:
      "Wrap data keys of stored values and private keys of recipients under the newest KEK versions, a part per request",
    permissions: ["admin"],
    querySchema: partQuery,
    answerSchema: rewrapAnswer,
    run: ({ session, query, signal }) => session.kv.rewrapPart({ after: query.after, signal }),
  }),
  operation({
    id: "verifyRewrap",
    route: "GET /coffer/v1/keks/wrapped-keys",
    summary: "Count what all wrapped keys in the vault are under, from their bytes, a part per request",
    permissions: ["admin"],
    querySchema: partQuery,
    answerSchema: wrappedKeysAnswer,
    run: async ({ session, query, signal }) => {
      const { after, total, ...report } = await session.kv.verifyPart({ after: query.after, signal });
      return { ...wrappedKeysToWire(report), after, total };
    },
  }),
];

/** Puts versions of a KEK into another state. */
function stateOperation(change: "disable" | "enable", summary: string): Operation {
  return operation({
    id: `${change}Kek`,
    route: `POST /coffer/v1/keks/${change}`,
    summary,
    permissions: ["admin"],
    bodySchema: kekVersionBody,
    answerSchema: kekInfo,
    isIdempotent: true,
    run: async ({ session, body, idempotency }) =>
      kekToWire(await session.keks[change]({ ...selector(body), version: body.version }, { idempotency })),
  });
}

function selector(body: Parameters<typeof selectorFromWire>[0], status: 400 | 422 = 422): KekSelector {
  const selector = selectorFromWire(body);
  if (selector !== undefined) return selector;
  throw invalidRequest("A KEK is named by kek_id, or by name and value.", status);
}

/** coffer/events: kinds as constants, payloads typed by kind; what a vault sends has exactly these names. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, expectTypeOf, test } from "vitest";
import { EVENT_KINDS, EventKinds, type EventPayload, isEventOf, verifyWebhook } from "../../src/events.ts";
import { EVENT_KINDS as OF_VAULT } from "../../src/vault/index.ts";
import { signWebhook } from "../../src/wire/webhook.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

test("every kind has a constant, and the vault's list is this one", () => {
  expect([...EVENT_KINDS].sort()).toEqual(Object.values(EventKinds).sort());
  expect(OF_VAULT).toBe(EVENT_KINDS);
  const page = readFileSync(join(REPOSITORY_ROOT, "docs/spec/events.md"), "utf8");
  for (const kind of EVENT_KINDS) expect(page).toContain(`\`${kind}\``);
});

test("an event that was verified has its kind's payload", () => {
  const data = {
    actor_id: "a",
    actor_source: "api",
    actor_name: "A",
    kv_name: "n",
    key_id: "k",
    key_context: { organization_id: "org_1" },
  };
  const wire = { id: "event_1", event: EventKinds.DataCreated, data, created_at: "2026-01-01T00:00:00.000Z" };
  const body = JSON.stringify(wire);
  const header = signWebhook(new TextEncoder().encode(body), "whsec_test", 5);
  const event = verifyWebhook(body, header, "whsec_test", { now: () => 5 });
  expect(isEventOf(event, EventKinds.DataDeleted)).toBe(false);
  if (!isEventOf(event, EventKinds.DataCreated)) throw new Error("it is of this kind");
  expectTypeOf(event.data.kv_name).toEqualTypeOf<string>();
  expectTypeOf<EventPayload<"vault.dek.read">["key_ids"]>().toEqualTypeOf<readonly string[]>();
  expect(event.data.key_context).toEqual({ organization_id: "org_1" });
});

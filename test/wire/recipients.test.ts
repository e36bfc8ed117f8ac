/** Recipients on the wire: what is written is read as the same, and an answer that lacks a member, or has another kind, is refused. */
import { describe, expect, test } from "vitest";
import type { RecipientInfo } from "../../src/keks/index.ts";
import {
  recipientDocumentFromWire,
  recipientFromWire,
  recipientPageFromWire,
  recipientPageToWire,
  recipientToWire,
} from "../../src/wire/recipients.ts";
import { errorOf } from "../support/errors.ts";
import { makeRecipient } from "../support/recipients.ts";

const AT = "2026-01-01T00:00:00.000Z";
const RECIPIENT: RecipientInfo = {
  id: "7b0b3c1e-0000-4000-8000-000000000001",
  context: { organization_id: "org_1" },
  suite: "x-wing",
  state: "active",
  createdAt: AT,
  requiresSender: true,
  versions: [
    { version: 2, state: "active", createdAt: AT },
    { version: 1, state: "decrypt-only", createdAt: AT },
  ],
};
const PAGE = { data: [RECIPIENT], listMetadata: { after: RECIPIENT.id } };
const { document } = makeRecipient();

/** Every body that has one member too few, or one of another kind, at any depth. */
function* spoiled(body: unknown): Generator<unknown> {
  if (typeof body !== "object" || body === null) return;
  for (const [name, member] of Object.entries(body)) {
    const put = (value: unknown): unknown =>
      Array.isArray(body)
        ? body.map((old, i) => (String(i) === name ? value : old))
        : { ...body, [name]: value };
    // A context has the names that it has.
    if (name !== "organization_id") yield put(undefined);
    yield put(typeof member === "object" && member !== null ? 1 : [1]);
    for (const inner of spoiled(member)) yield put(inner);
  }
}

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe.each([
  ["a recipient", json(recipientToWire(RECIPIENT)), recipientFromWire, RECIPIENT],
  ["a page of recipients", json(recipientPageToWire(PAGE)), recipientPageFromWire, PAGE],
  ["a document", json(document), recipientDocumentFromWire, document],
] as const)("%s", (_, body, read, expected) => {
  test("is read as it was written", () => {
    expect(read(body)).toEqual(expected);
  });

  test("is refused with a member too few or of another kind", () => {
    const bodies = [...spoiled(body), undefined, null, "x", []];
    expect(bodies.length).toBeGreaterThan(10);
    for (const wrong of bodies) {
      expect(
        errorOf(() => read(wrong)),
        JSON.stringify(wrong),
      ).toMatchObject({ code: "ERR_SERVICE_BAD_RESPONSE" });
    }
  });
});

test("a last page has no cursor; states and suites that are not known are refused", () => {
  const last = { data: [], listMetadata: { after: null } };
  expect(recipientPageFromWire(json(recipientPageToWire(last)))).toEqual(last);
  const refusal = { code: "ERR_SERVICE_BAD_RESPONSE" };
  const wire = json(recipientToWire(RECIPIENT)) as object;
  expect(errorOf(() => recipientFromWire({ ...wire, state: "lost" }))).toMatchObject(refusal);
  expect(errorOf(() => recipientFromWire({ ...wire, suite: "p-256" }))).toMatchObject(refusal);
});

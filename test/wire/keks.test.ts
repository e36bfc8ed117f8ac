/** KEKs on the wire: what is written is read as the same, and an answer that lacks a field, or has another kind, is refused. */
import { describe, expect, test } from "vitest";
import type { KekInfo, ShredReport } from "../../src/keks/index.ts";
import {
  kekFromWire,
  kekPageFromWire,
  kekPageToWire,
  shredFromWire,
  shredToWire,
} from "../../src/wire/keks.ts";
import { errorOf } from "../support/errors.ts";

const AT = "2026-01-01T00:00:00.000Z";
const KEK: KekInfo = {
  id: "7b0b3c1e-0000-4000-8000-000000000001",
  name: "organization_id",
  value: "org_1",
  state: "active",
  createdAt: AT,
  versions: [
    { version: 2, state: "active", createdAt: AT, destroyAt: null, kvVersions: 0 },
    { version: 1, state: "pending-destroy", createdAt: AT, destroyAt: AT, kvVersions: 3 },
  ],
};
const REPORT: ShredReport = {
  kekId: KEK.id,
  name: KEK.name,
  value: KEK.value,
  versions: [1, 2],
  isDryRun: false,
  destroyAt: AT,
  erasure: "physical",
  contexts: { count: 1, sample: [{ organization_id: "org_1" }] },
  kvObjects: { count: 1, sample: ["n"] },
  kvVersions: 3,
  recipientVersions: 2,
  uncoveredRecipients: { count: 21, sample: ["00000000-0000-4000-8000-000000000001"] },
};

/** Every body that has one member too few, or one of another kind, at any depth. */
function* spoiled(body: unknown): Generator<unknown> {
  if (typeof body !== "object" || body === null) return;
  for (const [name, member] of Object.entries(body)) {
    const put = (value: unknown): unknown =>
      Array.isArray(body)
        ? body.map((old, i) => (String(i) === name ? value : old))
        : { ...body, [name]: value };
    // [REV-20]: an answer may lack these.
    const mayLack = ["erasure", "recipient_versions", "uncovered_recipients"].includes(name);
    if (typeof member !== "boolean" && !mayLack) yield put(undefined);
    if (typeof member !== "boolean") yield put(typeof member === "object" && member !== null ? 1 : [1]);
    for (const inner of spoiled(member)) yield put(inner);
  }
}

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const PAGE = { data: [KEK], listMetadata: { after: KEK.id } };

describe.each([
  ["a page of KEKs", json(kekPageToWire(PAGE)), kekPageFromWire, PAGE],
  ["the report of a shred", json(shredToWire(REPORT)), shredFromWire, REPORT],
] as const)("%s", (_, wire, read, expected) => {
  test("is read as it was written", () => {
    expect(read(wire)).toEqual(expected);
  });

  test("is refused where a member is missing or of another kind", () => {
    const bodies = [...spoiled(wire)].filter((body) => JSON.stringify(body) !== JSON.stringify(wire));
    expect(bodies.length).toBeGreaterThan(20);
    for (const body of bodies) {
      expect(errorOf(() => read(body)).code, JSON.stringify(body)).toBe("ERR_SERVICE_BAD_RESPONSE");
    }
  });
});

test("a KEK of a state that is not known, or without versions, is refused", () => {
  const [kek] = (json(kekPageToWire(PAGE)) as { data: object[] }).data;
  for (const body of [{ ...kek, state: "asleep" }, { ...kek, versions: [] }, null, []]) {
    expect(errorOf(() => kekFromWire(body)).code).toBe("ERR_SERVICE_BAD_RESPONSE");
  }
});

test("[REV-20] a report that does not say how far the KEK is erased is of a logical erasure", () => {
  const { erasure, recipient_versions, uncovered_recipients, ...wire } = json(shredToWire(REPORT)) as Record<
    string,
    unknown
  >;
  expect([erasure, recipient_versions, uncovered_recipients]).toEqual([
    "physical",
    2,
    REPORT.uncoveredRecipients,
  ]);
  expect(shredFromWire(wire)).toEqual({
    ...REPORT,
    erasure: "logical",
    recipientVersions: 0,
    uncoveredRecipients: { count: 0, sample: [] },
  });
});

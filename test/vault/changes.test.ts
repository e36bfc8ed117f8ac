/** What counters mean together (docs/spec/revocation.md section 2). */
import { expect, test } from "vitest";
import {
  ALL_COUNTERS,
  allChangesOf,
  COUNTERS,
  changesOf,
  NO_CHANGES,
  revisionOf,
} from "../../src/vault/storage/changes.ts";

const rowsOf = (values: Record<string, unknown>) =>
  Object.entries(values).map(([name, value]) => ({ name, value }));
const STORED = { api_keys: 1, keks: 7, revocations: 5, "revocations env_1": 2, "revocations env_2": 1 };

test("[REV-21] the statement that reads the environments' counters reads all others too", () => {
  for (const name of ["keks", "api_keys", "revocations"]) {
    expect(ALL_COUNTERS).toContain(`'${name}'`);
    expect(COUNTERS).toContain(`'${name}'`);
  }
  expect(allChangesOf(rowsOf(STORED))).toEqual({
    keks: 7,
    revocations: 5,
    apiKeys: 1,
    revoked: new Map([
      ["revocations env_1", 2],
      ["revocations env_2", 1],
    ]),
    unattributed: 2,
  });
});

test("[REV-7] what no environment's counter tells of changes the revision of every environment", () => {
  const before = allChangesOf(rowsOf(STORED))!;
  const after = allChangesOf(rowsOf({ ...STORED, revocations: 6 }))!;
  for (const id of ["env_1", "env_2", "env_3"]) {
    expect(revisionOf(after, id)).toBe(revisionOf(before, id) + 1);
  }
});

test("counters of which one is missing, or no number, are none", () => {
  for (const name of ["api_keys", "keks", "revocations"]) {
    for (const value of [undefined, "5", null]) {
      const rows = rowsOf({ ...STORED, [name]: value });
      expect(changesOf(rows, NO_CHANGES)).toBeUndefined();
      expect(allChangesOf(rows)).toBeUndefined();
    }
  }
});

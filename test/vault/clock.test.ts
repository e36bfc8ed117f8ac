/** Clocks that are set back, or stand where no clock should. */
import { describe, expect, test } from "vitest";
import { orderedTime } from "../../src/vault/ids.ts";
import { openTestVault, TestClock } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

test("an object does not become older when the clock is set back", async () => {
  const clock = new TestClock();
  const vault = await openTestVault({ now: clock.now });
  const { id, updatedAt } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
  clock.advance(-3_600_000);
  const back = await vault.updateKv({ id, value: "2" });
  expect(back.metadata.updatedAt).toBe(updatedAt);
  clock.advance(7_200_000);
  const later = await vault.updateKv({ id, value: "3" });
  expect(Date.parse(later.metadata.updatedAt) - Date.parse(updatedAt)).toBe(3_600_000);
  clock.advance(-86_400_000);
  expect((await vault.updateKv({ id, value: "4" })).metadata.updatedAt).toBe(later.metadata.updatedAt);
  const listed = (await vault.listKv()).data[0]!;
  expect(listed.updatedAt).toBe(later.metadata.updatedAt);
  const times = (await vault.listKvVersions({ id })).data.map(({ createdAt }) => createdAt);
  expect(times).toEqual(times.toSorted().reverse());
});

describe("the time in an id", () => {
  test.each([
    [0, "000000000000"],
    [-1, "000000000000"],
    [-8.64e15, "000000000000"],
    [Date.UTC(2026, 0, 1) + 0.5, "019b76daa800"],
    [2 ** 48 - 1, "ffffffffffff"],
    [2 ** 48, "ffffffffffff"],
    [8.64e15, "ffffffffffff"],
  ])("%d ms is 12 digits: %s", (milliseconds, digits) => {
    expect(orderedTime(milliseconds)).toBe(digits);
  });
});

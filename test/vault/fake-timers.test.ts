/** A vault in a test that has faked the timers and never advances them. */
import { afterEach, expect, test, vi } from "vitest";
import { openVault } from "../../src/vault/open-vault.ts";

const CONTEXT = { organization_id: "org_1" };

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test("an embedded vault works and closes under fake timers", async () => {
  vi.useFakeTimers();
  const vault = await openVault({ path: ":memory:", onNotice: () => {} });
  const text = await vault.encrypt("s3cret", CONTEXT);
  expect(await vault.decrypt(text)).toBe("s3cret");
  const { id } = await vault.createKv({ name: "a", value: "b", keyContext: CONTEXT });
  expect((await vault.getKv({ id })).value).toBe("b");
  await vault.keks.rotate({ name: "organization_id", value: "org_1" });
  await vault.close();
});

test("batches that give way do not wait for a faked timer", async () => {
  await using vault = await openVault({ path: ":memory:", onNotice: () => {} });
  const texts = await Promise.all(Array.from({ length: 4 }, (_, i) => vault.encrypt(`${i}`, CONTEXT)));
  vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
  // Each look at the clock is later than a slice.
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 1_000;
    return now;
  });
  const moved = await vault.rekeyMany(texts, { organization_id: "org_2" });
  expect(moved.map((result) => result.ok)).toEqual([true, true, true, true]);
});

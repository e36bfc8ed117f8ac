import { afterEach, expect, test, vi } from "vitest";
import type { Vault } from "../../src/index.ts";
import { createTestVault } from "../../src/testing/index.ts";

/** Code of an application: keeps a card's number, and tries again while the service is busy. */
async function keepCard(vault: Vault, id: string, number: string): Promise<string> {
  for (;;) {
    try {
      return await vault.encrypt(number, { customer_id: id }, `card:${id}`);
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_SERVICE_RATE_LIMITED") throw error;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

afterEach(() => {
  vi.useRealTimers();
});

test("a card is kept although the service is busy twice", async () => {
  vi.useFakeTimers();
  const vault = createTestVault({ seed: "cards" });
  vault.control.throttle({ times: 2, operation: "createDataKey" });
  const kept = keepCard(vault, "cus_1", "4242 4242 4242 4242");
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await vault.decrypt(await kept, "card:cus_1")).toBe("4242 4242 4242 4242");
  expect(vault.control.faultsLeft).toBe(0);
});

test("a customer who was deleted can be read no more", async () => {
  const vault = createTestVault();
  const card = await keepCard(vault, "cus_1", "4242 4242 4242 4242");
  await vault.control.revoke({ customer_id: "cus_1" }, "shred");
  await expect(vault.decrypt(card, "card:cus_1")).rejects.toMatchObject({ code: "ERR_KEY_DESTROYED" });
});

/** close: the end of a vault, after the calls that are under way. */
import { expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";

const CONTEXT = { organization_id: "org_1" };

test("close waits for every call that is under way", async () => {
  const keys = new MemoryKeyService();
  const vault = new Vault({ keys, kv: noStore() });
  const releaseFirst = keys.hold();
  const first = vault.encrypt("x", CONTEXT);
  const releaseSecond = keys.hold();
  const second = vault.encrypt("x", CONTEXT);
  let isClosed = false;
  const closing = vault.close().then(() => {
    isClosed = true;
  });
  releaseFirst();
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  expect(isClosed).toBe(false);
  releaseSecond();
  await second;
  await closing;
  expect(isClosed).toBe(true);
});

/**
 * Leases: one data key for many messages, one by one and in batches, within a budget.
 *
 * Portable; brings the smallest key service there is, which hands out one published key.
 *
 * @module
 */

import type { ItemResult, KeyService } from "../../../src/keys/index.ts";
import { SAMPLE_1 } from "../../support/samples.ts";
import { codeOf } from "./checks.ts";
import { localDecryptSync, takeLease } from "./coffer.ts";
import { byteStream, type Context, sampleKey } from "./context.ts";

const CONTEXT = { organization_id: "org_1" };
/** More than one memory of the WebAssembly engine, and enough for one native call over all of them. */
const BATCH_SIZES = [1, 2, 15, 16, 17, 300, 1500];

const SERVICE: KeyService = {
  id: "one published key",
  createDataKey: async () => sampleKey(),
  createDecrypt: async () => sampleKey(),
  createRekey: async () => sampleKey(),
};

export async function checkLeases(context: Context): Promise<void> {
  for (const provider of [undefined, ...context.available.map(({ name }) => name)]) {
    for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const) {
      await checkMessages(context, { provider, layout });
    }
    await checkBudget(context, provider);
  }
}

type Options = NonNullable<Parameters<typeof takeLease>[2]>;

async function checkMessages({ checks }: Context, options: Options): Promise<void> {
  using lease = await takeLease(SERVICE, CONTEXT, options);
  const what = `${options.layout} by ${options.provider}`;
  const isSync = options.provider !== "webcrypto";
  const next = byteStream(5);
  for (const length of [0, 16, 200, 1024, 5000, 70_000]) {
    const data = next(length);
    const sealed = isSync ? lease.encryptSync(data, "aad") : await lease.encrypt(data, "aad");
    checks.bytes(await lease.decrypt(sealed, "aad", { as: "bytes" }), data, `${what}: ${length}`);
    checks.bytes(
      localDecryptSync(sealed, SAMPLE_1, "aad", { as: "bytes", provider: "noble" }),
      data,
      `${what}: ${length}, noble`,
    );
    const later = await lease.encrypt(data);
    checks.bytes(await lease.decrypt(later, "", { as: "bytes" }), data, `${what}: ${length}, later`);
    if (isSync)
      checks.bytes(lease.decryptSync(later, "", { as: "bytes" }), data, `${what}: ${length}, at once`);
  }
  for (const size of BATCH_SIZES) {
    if (size > 300 && options.provider !== undefined) continue;
    const items = Array.from({ length: size }, (_, i) => ({
      data: i % 3 === 0 ? `text ${i} ü` : next((i * 37) % (i % 50 === 0 ? 20_000 : 300)),
      associatedData: `row:${i}`,
    }));
    const sealed = await lease.encryptMany(items);
    const opened = await lease.decryptMany(
      sealed.map((item, i) => ({ ciphertext: resultValue(item), associatedData: `row:${i}` })),
      "",
      { as: "bytes" },
    );
    checks.same(opened.length, size, `${what}: batch of ${size}`);
    checks.same(new Set(sealed.map(resultValue)).size, size, `${what}: all differ`);
    for (const [i, { data }] of items.entries()) {
      const expected = typeof data === "string" ? new TextEncoder().encode(data) : data;
      checks.bytes(resultValue(opened[i]!), expected, () => `${what}: ${i} of ${size}`);
    }
    // In wrong order each is refused by itself.
    const wrong = await lease.decryptMany(
      sealed.map((item) => ({ ciphertext: resultValue(item) })),
      "row:0",
    );
    for (const [i, item] of wrong.entries()) {
      if (i === 0) checks.same(item.ok ? item.value : codeOf(item.error), items[0]!.data, `${what}: first`);
      else checks.same(item.ok ? "opened" : codeOf(item.error), "ERR_DECRYPT_FAILED", `${what}: ${i}`);
    }
  }
}

async function checkBudget({ checks }: Context, provider: Options["provider"]): Promise<void> {
  const lease = await takeLease(SERVICE, CONTEXT, { provider, maxMessages: 2, maxBytes: 100 });
  await lease.encrypt("one");
  await checks.refuses("ERR_DATA_KEY_EXHAUSTED", () => lease.encrypt("x".repeat(98)), "bytes of a lease");
  await lease.encrypt("two");
  await checks.refuses("ERR_DATA_KEY_EXHAUSTED", () => lease.encrypt("three"), "messages of a lease");
  lease.dispose();
  await checks.refuses("ERR_DISPOSED", () => lease.encrypt("late"), "a disposed lease");
  let now = 0;
  using short = await takeLease(SERVICE, CONTEXT, { provider, maxAgeMs: 10, now: () => now });
  await short.encrypt("in time");
  now = 11;
  await checks.refuses("ERR_LEASE_EXPIRED", () => short.encrypt("too late"), "an old lease");
}

function resultValue<T>(item: ItemResult<T>): T {
  if (item.ok) return item.value;
  throw item.error;
}

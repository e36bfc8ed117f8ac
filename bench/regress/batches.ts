/**
 * Batches and fresh keys of a vault in a file: figures are of one message.
 *
 * Owns the calls. Must not know what they are compared with.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { ItemResult } from "../../src/base/item-result.ts";
import type * as Vaults from "../../src/vault/index.ts";
import { inProcess, type Sampler } from "../lib/harness.ts";
import { type Group, load, type Side, type Work } from "./side.ts";

const BATCH = 1_000;
const CONTEXTS = 10;
const MESSAGE = "a secret of thirty-two characters";
const LARGE_BYTES = 4096;
const CONTEXT = { organization_id: "org_1" };

/** Batches of a thousand, and single messages that each have a data key of their own. */
export async function batchGroup(side: Side): Promise<Group> {
  const { openVault } = await load<typeof Vaults>(side, "vault/index.ts");
  const open = (cache: { readonly maxEntries: number }) =>
    openVault({ path: join(side.scratch, "batches.db"), cache, onNotice: () => {} });
  const vault = await open({ maxEntries: BATCH });
  // Without a cache each key is unwrapped.
  const uncached = await open({ maxEntries: 0 });
  const texts = Array.from({ length: BATCH }, (_, i) => `${MESSAGE} ${i}`);
  const large = Array.from({ length: BATCH }, () => randomBytes((LARGE_BYTES * 3) / 4).toString("base64"));
  const contexts = Array.from({ length: CONTEXTS }, (_, i) => ({ organization_id: `org_${i}` }));
  const items = texts.map((data, i) => ({ data, context: contexts[i % CONTEXTS]! }));
  const distinct = await Promise.all(texts.map((text) => vault.encrypt(text, CONTEXT)));
  const reuse = await open({ maxEntries: BATCH });
  const lease = await vault.lease(CONTEXT);
  const largeSealed = valuesOf(lease.encryptManySync(large));

  /** A call that handles some messages. */
  const work = (name: string, messages: number, call: () => unknown): Work => ({
    name,
    sampler: (column) => perMessage(inProcess({ name: column, call, isAsync: true }), messages),
  });
  const each = (name: string, call: (index: number) => unknown): Work => ({
    name,
    sampler: (column) => inProcess({ name: column, call, isAsync: true }),
  });
  const works = [
    each("encrypt, a fresh key", () => vault.encrypt(MESSAGE, CONTEXT)),
    each("decrypt, a key each, no cache", (i) => uncached.decrypt(distinct[i % BATCH]!)),
    each("encrypt, native, reuse", () =>
      reuse.encrypt(MESSAGE, CONTEXT, "", { layout: "native", reuse: true }),
    ),
    each("encrypt, iv12, reuse", () => reuse.encrypt(MESSAGE, CONTEXT, "", { reuse: true })),
    work("encryptMany, one context", BATCH, async () => valuesOf(await vault.encryptMany(texts, CONTEXT))),
    work(`encryptMany, ${CONTEXTS} contexts`, BATCH, async () =>
      valuesOf(await vault.encryptMany(items, CONTEXT)),
    ),
    work("decryptMany, a key each, cached", BATCH, async () => valuesOf(await vault.decryptMany(distinct))),
    work("decryptMany, a key each, no cache", BATCH, async () =>
      valuesOf(await uncached.decryptMany(distinct)),
    ),
    work("lease.encryptManySync, 4 KiB", BATCH, () => valuesOf(lease.encryptManySync(large))),
    work("lease.decryptManySync, 4 KiB", BATCH, () => valuesOf(lease.decryptManySync(largeSealed))),
  ];
  return {
    works,
    async close() {
      lease.dispose();
      for (const opened of [vault, uncached, reuse]) await opened.close();
    },
  };
}

/** Divides by the messages of a call. */
function perMessage(sampler: Sampler, messages: number): Sampler {
  return {
    name: sampler.name,
    async run(calls) {
      const { wall, cpu } = await sampler.run(Math.ceil(calls / messages));
      const share = calls / (Math.ceil(calls / messages) * messages);
      return { wall: wall * share, cpu: cpu * share };
    },
  };
}

function valuesOf<T>(results: readonly ItemResult<T>[]): T[] {
  return results.map((result) => {
    if (!result.ok) throw result.error;
    return result.value;
  });
}

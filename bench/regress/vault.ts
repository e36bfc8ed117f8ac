/**
 * A vault in a file, embedded: its store, and the first check of an API key.
 *
 * Owns the calls. Must not know what they are compared with.
 *
 * @module
 */
import { join } from "node:path";
import type * as Vaults from "../../src/vault/index.ts";
import { inProcess } from "../lib/harness.ts";
import { type Group, load, type Side, type Work } from "./side.ts";

const OBJECTS = 500;
const VALUE = "a secret of thirty-two characters";
const CONTEXT = { organization_id: "org_1" };

/** Calls of the store, and of who is asked for an API key that was not seen before. */
export async function vaultGroup(side: Side): Promise<Group> {
  const { openFileHost } = await load<typeof Vaults>(side, "vault/index.ts");
  const host = await openFileHost({ path: join(side.scratch, "vault.db"), onNotice: () => {} });
  const environment = await host.environment("default");
  const { key } = await host.apiKeys.create(environment.id, { name: "bench", permissions: ["decrypt"] });
  const { kv } = host.session(environment.id, { actor: { id: "bench", name: "bench", source: "api" } });
  const ids: string[] = [];
  for (let i = 0; i < OBJECTS; i++) {
    ids.push((await kv.createKv({ name: `object-${i}`, value: VALUE, keyContext: CONTEXT })).id);
  }
  let made = 0;
  const work = (name: string, call: (index: number) => Promise<unknown>): Work => ({
    name,
    sampler: (column) => inProcess({ name: column, call, isAsync: true }),
  });
  return {
    works: [
      work("getKv", (i) => kv.getKv({ id: ids[i % OBJECTS]! })),
      work("getName", (i) => kv.getName({ name: `object-${i % OBJECTS}` })),
      work("createKv", () => kv.createKv({ name: `made-${made++}`, value: VALUE, keyContext: CONTEXT })),
      work("updateKv", (i) => kv.updateKv({ id: ids[i % OBJECTS]!, value: VALUE })),
      work("first check of an API key", () => host.callers("changes").authenticate(key)),
    ],
    close: () => host.close(),
  };
}

/** The embedded store fulfils the contract of all stores, on a file and in memory; and so does the vault's face. */
import type { KvService } from "../../src/kv/kv-service.ts";
import { kvServiceContract } from "../contract/kv-service.ts";
import { freshPath, openTestHost, openTestVault, sessionOf, stallFile } from "../support/vaults.ts";

for (const where of ["a file", "memory"] as const) {
  kvServiceContract(
    `embedded, in ${where}`,
    async () => {
      const path = where === "memory" ? undefined : freshPath();
      const host = await openTestHost(path === undefined ? {} : { path });
      const { kv } = await sessionOf(host);
      const { kv: foreign } = await sessionOf(host, "other");
      return {
        kv,
        foreign,
        stall: path === undefined ? undefined : () => stallFile(path),
        close: () => host.close(),
      };
    },
    { modelRuns: where === "memory" ? 60 : 10 },
  );
}

kvServiceContract(
  "a vault",
  async () => {
    const vault = await openTestVault();
    const kv: KvService = {
      createKv: (request, options) => vault.createKv(request, options),
      getKv: (request, options) => vault.getKv(request, options),
      getName: (request, options) => vault.getName(request, options),
      updateKv: (request, options) => vault.updateKv(request, options),
      deleteKv: (request, options) => vault.deleteKv(request, options),
      // A listing is awaited for a page.
      listKv: async (request, options) => await vault.listKv(request, options),
      listKvVersions: (request, options) => vault.listKvVersions(request, options),
      listKvMetadata: (request, options) => vault.listKvMetadata(request, options),
      undeleteKv: (request, options) => vault.undeleteKv(request, options),
      destroyKv: (request, options) => vault.destroyKv(request, options),
    };
    return { kv, close: () => vault.close() };
  },
  { modelRuns: 5 },
);

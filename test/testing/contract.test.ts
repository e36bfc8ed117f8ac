/** The services of a test vault fulfil the contracts of all key services, stores and KEKs. */
import type { KekService } from "../../src/keks/index.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { createTestVault, type TestVault } from "../../src/testing/index.ts";
import { kekServiceContract } from "../contract/kek-service.ts";
import { keyServiceContract } from "../contract/key-service.ts";
import { kvServiceContract } from "../contract/kv-service.ts";

/** A listing is awaited for a page. */
const keksOf = ({ keks }: TestVault): KekService => ({
  list: async (request, options) => await keks.list(request, options),
  get: (selector, options) => keks.get(selector, options),
  rotate: (selector, options) => keks.rotate(selector, options),
  disable: (selector, options) => keks.disable(selector, options),
  enable: (selector, options) => keks.enable(selector, options),
  shred: (selector, options) => keks.shred(selector, options),
});

const kvOf = (vault: TestVault): KvService => ({
  createKv: (request, options) => vault.createKv(request, options),
  getKv: (request, options) => vault.getKv(request, options),
  getName: (request, options) => vault.getName(request, options),
  updateKv: (request, options) => vault.updateKv(request, options),
  deleteKv: (request, options) => vault.deleteKv(request, options),
  listKv: async (request, options) => await vault.listKv(request, options),
  listKvVersions: (request, options) => vault.listKvVersions(request, options),
  listKvMetadata: (request, options) => vault.listKvMetadata(request, options),
  undeleteKv: (request, options) => vault.undeleteKv(request, options),
  destroyKv: (request, options) => vault.destroyKv(request, options),
});

keyServiceContract(
  "a test vault's",
  async () => {
    const vault = createTestVault();
    return {
      service: vault.keys,
      foreign: createTestVault({ seed: "other" }).keys,
      keks: {
        rotate: (name, value) => vault.keks.rotate({ name, value }),
        disable: (name, value) => vault.keks.disable({ name, value }),
        enable: (name, value) => vault.keks.enable({ name, value }),
        shred: (name, value) => vault.keks.shred({ name, value }),
      },
      tellsContext: true,
      close: () => vault.close(),
    };
  },
  { blobFormat: "test" },
);

kekServiceContract("a test vault's", async () => {
  const vault = createTestVault();
  return {
    keks: keksOf(vault),
    keys: vault.keys,
    kv: kvOf(vault),
    foreign: keksOf(createTestVault({ seed: "other" })),
    erasure: "logical",
    close: () => vault.close(),
  };
});

kvServiceContract(
  "a test vault's",
  async () => {
    const vault = createTestVault();
    return {
      kv: kvOf(vault),
      foreign: kvOf(createTestVault({ seed: "other" })),
      close: () => vault.close(),
    };
  },
  { modelRuns: 10 },
);

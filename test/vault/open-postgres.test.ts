/** openVault over PostgreSQL: the same vault as over a file, and the contracts of its ports. */
import { expect, test } from "vitest";
import type { Vault } from "../../src/facade/vault.ts";
import type { KekService } from "../../src/keks/index.ts";
import type { KeyService } from "../../src/keys/key-service.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { migratePostgres, openVault } from "../../src/vault/index.ts";
import { kekServiceContract } from "../contract/kek-service.ts";
import { kvServiceContract } from "../contract/kv-service.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";
import { freshPath, ROOT_KEY } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const onNotice = (): void => {};
const open = (database: string, more: object = {}) =>
  openVault({ database, rootKey: ROOT_KEY, onNotice, ...more });

const storeOf = (vault: Vault): KvService => ({
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

const keksOf = ({ keks }: Vault): KekService => ({
  list: async (request, options) => await keks.list(request, options),
  get: (selector, options) => keks.get(selector, options),
  rotate: (selector, options) => keks.rotate(selector, options),
  disable: (selector, options) => keks.disable(selector, options),
  enable: (selector, options) => keks.enable(selector, options),
  shred: (selector, options) => keks.shred(selector, options),
});

describePostgres("openVault over PostgreSQL", () => {
  kvServiceContract(
    "openVault({ database })",
    async () => {
      const url = await emptyDatabaseUrl();
      const vault = await open(url);
      const other = await open(url, { environment: "other" });
      const close = async () => {
        await vault.close();
        await other.close();
      };
      return { kv: storeOf(vault), foreign: storeOf(other), close };
    },
    { modelRuns: 3 },
  );

  kekServiceContract("openVault({ database })", async () => {
    const url = await emptyDatabaseUrl();
    const vault = await open(url);
    const other = await open(url, { environment: "other" });
    return {
      keks: keksOf(vault),
      keys: vault as unknown as KeyService,
      kv: storeOf(vault),
      foreign: keksOf(other),
      erasure: "logical",
      close: async () => {
        await vault.close();
        await other.close();
      },
    };
  });

  test("makes the tables of an empty database, by two processes at once too, and is found again by its URL", async () => {
    const url = await emptyDatabaseUrl();
    const [one, two] = await Promise.all([open(url), open(url)]);
    const text = await one.encrypt("s3cret", CONTEXT, "user:42");
    expect(await two.decrypt(text, "user:42")).toBe("s3cret");
    await one.close();
    await two.close();
    const rootKeyPath = freshPath();
    const saved = process.env.COFFER_ROOT_KEY;
    process.env.COFFER_ROOT_KEY = ROOT_KEY;
    try {
      await using again = await openVault(url);
      expect(await again.decrypt(text, "user:42")).toBe("s3cret");
    } finally {
      if (saved === undefined) delete process.env.COFFER_ROOT_KEY;
      else process.env.COFFER_ROOT_KEY = saved;
    }
    // One that has tables already stays as it is.
    expect((await migratePostgres({ url })).from).toBeGreaterThan(0);
    expect(await rejectionOf(() => openVault({ database: url, rootKeyPath, onNotice }))).toMatchObject({
      code: "ERR_ROOT_KEY_MISSING",
    });
  });

  test("makes none where it may not", async () => {
    const url = await emptyDatabaseUrl();
    expect(await rejectionOf(() => open(url, { create: false }))).toMatchObject({
      code: "ERR_STORAGE_SCHEMA",
    });
  });
});

test.each([
  [{ path: "postgres://127.0.0.1/x" }, RangeError, /database: "postgres:/],
  [{ path: "vault.db", database: "postgres://127.0.0.1/x" }, TypeError, /either path or database/],
  [{ database: "postgres://127.0.0.1/x", lockWaitMs: 1 }, TypeError, /lockWaitMs/],
  [{ database: "postgres://127.0.0.1/x", url: "postgres://127.0.0.1/y" }, TypeError, /url/],
  [{ path: "vault.db", maxConnections: 1 }, TypeError, /maxConnections/],
  [{ database: "mysql://127.0.0.1/x", rootKey: ROOT_KEY }, TypeError, /postgres:/],
  [{ database: 5, rootKey: ROOT_KEY }, TypeError, /./],
])("refuses %j", async (options, type, message) => {
  const error = await rejectionOf(() => openVault(options as never));
  expect(error).toBeInstanceOf(type);
  expect(error.message).toMatch(message);
  expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
});

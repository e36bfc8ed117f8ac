/** putKv: makes an object by name or writes a new version, over a file, a database and HTTP, also when others do the same. */
import { describe, expect, test } from "vitest";
import { VaultError } from "../../src/errors.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { openVault } from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";
import { startServer } from "../support/server.ts";
import { freshPath, openTestVault, ROOT_KEY } from "../support/vaults.ts";

const KEY_CONTEXT = { organization_id: "org_1" };

/** Two vaults over the same store. */
type OpenTwo = () => Promise<readonly [Vault, Vault]>;

async function onFile(): Promise<readonly [Vault, Vault]> {
  const path = freshPath();
  return [await openTestVault({ path }), await openTestVault({ path })];
}

async function overHttp(extensions: boolean): Promise<readonly [Vault, Vault]> {
  const server = await startServer();
  const open = (): Vault => new Vault({ apiKey: server.key, baseUrl: server.url, extensions });
  return [open(), open()];
}

function putByName(openTwo: OpenTwo): void {
  test("makes an object, then writes versions", async () => {
    const [vault] = await openTwo();
    const made = await vault.putKv({ name: "a", value: "1", keyContext: KEY_CONTEXT });
    expect(made).toMatchObject({ created: true, name: "a", metadata: { context: KEY_CONTEXT } });
    const again = await vault.putKv({ name: "a", value: "2" });
    expect(again).toMatchObject({ created: false, id: made.id, name: "a" });
    expect(again.metadata.versionId).not.toBe(made.metadata.versionId);
    await vault.putKv({ name: "a", value: "3", keyContext: { ...KEY_CONTEXT } });
    expect((await vault.getName({ name: "a" })).value).toBe("3");
    expect((await vault.listKvVersions({ id: made.id })).data).toHaveLength(3);
  });

  test("with a version check it writes on that version only, and makes nothing", async () => {
    const [vault] = await openTwo();
    const made = await vault.putKv({ name: "a", value: "1", keyContext: KEY_CONTEXT, versionCheck: null });
    const { versionId } = made.metadata;
    await vault.putKv({ name: "a", value: "2", versionCheck: versionId });
    const refused = { name: "a", value: "3", keyContext: KEY_CONTEXT, versionCheck: versionId };
    expect(await rejectionOf(() => vault.putKv(refused))).toMatchObject({ code: "ERR_KV_VERSION_CONFLICT" });
    const missing = { ...refused, name: "b" };
    expect(await rejectionOf(() => vault.putKv(missing))).toMatchObject({ code: "ERR_KV_NOT_FOUND" });
    expect((await vault.getName({ name: "a" })).value).toBe("2");
  });

  test("two writers at once: both succeed, one makes the object", async () => {
    const vaults = await openTwo();
    const puts = Array.from({ length: 12 }, (_, i) =>
      vaults[i % 2]!.putKv({ name: "a", value: `${i}`, keyContext: KEY_CONTEXT }),
    );
    const results = await Promise.all(puts);
    expect(results.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(results.map(({ id }) => id)).size).toBe(1);
    const { data } = await vaults[0].listKvVersions({ id: results[0]!.id });
    expect(data).toHaveLength(12);
  });

  test("a writer and a deleter at once: every write succeeds", async () => {
    const [writer, deleter] = await openTwo();
    const deletes = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        const found = await deleter.listKv({ search: "a" });
        for (const { id } of found.data) await deleter.deleteKv({ id }).catch(() => {});
        await new Promise((done) => setImmediate(done));
      }
    };
    const writes = async (): Promise<void> => {
      for (let i = 0; i < 15; i++) await writer.putKv({ name: "a", value: `${i}`, keyContext: KEY_CONTEXT });
    };
    await Promise.all([writes(), deletes()]);
    expect(await writer.putKv({ name: "a", value: "last", keyContext: KEY_CONTEXT })).toHaveProperty("id");
    expect((await deleter.getName({ name: "a" })).value).toBe("last");
  });
}

describe("on a file", () => putByName(onFile));
describe("over HTTP", () => putByName(() => overHttp(true)));
describe("over HTTP, with WorkOS's operations only", () => putByName(() => overHttp(false)));
describePostgres("on PostgreSQL", () => {
  putByName(async () => {
    const url = await emptyDatabaseUrl();
    const options = { database: url, rootKey: ROOT_KEY, onNotice: () => {} };
    return [await openVault(options), await openVault(options)];
  });
});

test("what cannot be written is refused, and nothing changes", async () => {
  const [vault] = await onFile();
  const missing = await rejectionOf(() => vault.putKv({ name: "a", value: "1" }));
  expect(missing).toMatchObject({ code: "ERR_KV_NOT_FOUND" });
  await vault.putKv({ name: "a", value: "1", keyContext: KEY_CONTEXT });
  const other = { name: "a", value: "2", keyContext: { organization_id: "org_2" } };
  expect(await rejectionOf(() => vault.putKv(other))).toMatchObject({ code: "ERR_KV_CONTEXT_DIFFERS" });
  for (const [request, code] of [
    [{ name: "", value: "2" }, "ERR_KV_NAME_INVALID"],
    [{ name: "a", value: 2 }, "ERR_INVALID_ARGUMENT"],
    [{ name: "a", value: "\ud800" }, "ERR_TEXT_MALFORMED"],
    [{ name: "a", value: "x".repeat(65_537) }, "ERR_KV_VALUE_TOO_LARGE"],
    [{ name: "a", value: "2", keyContext: {} }, "ERR_KEY_CONTEXT_INVALID"],
    [{ name: "a", value: "2", versionCheck: "" }, "ERR_INVALID_ARGUMENT"],
  ] as const) {
    expect(await rejectionOf(() => vault.putKv(request as never)), code).toMatchObject({ code });
  }
  expect((await vault.getName({ name: "a" })).value).toBe("1");
});

test("an object whose value is gone gets a new one", async () => {
  const [vault] = await onFile();
  const { id, metadata } = await vault.putKv({ name: "a", value: "1", keyContext: KEY_CONTEXT });
  await vault.putKv({ name: "ab", value: "other", keyContext: KEY_CONTEXT });
  await vault.destroyKv({ id, versionId: metadata.versionId });
  expect(await vault.putKv({ name: "a", value: "2" })).toMatchObject({ created: false, id });
  expect((await vault.getName({ name: "a" })).value).toBe("2");
});

test("a store that answers races without end is given up after 20 tries", async () => {
  let tries = 0;
  const kv = {
    getName: async () => {
      throw new VaultError("ERR_KV_NOT_FOUND", "no such object");
    },
    createKv: async () => {
      tries += 1;
      throw new VaultError("ERR_KV_EXISTS", "the name is taken");
    },
  } as Partial<KvService> as KvService;
  const vault = new Vault({ keys: new MemoryKeyService(), kv });
  const error = await rejectionOf(() => vault.putKv({ name: "a", value: "1", keyContext: KEY_CONTEXT }));
  expect(error).toMatchObject({ code: "ERR_KV_EXISTS" });
  expect(tries).toBe(20);
});

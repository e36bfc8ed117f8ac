/** Sessions that are bound to entries of a context: what is out of their scope does not exist for them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DataKey } from "../../src/crypto/keys/data-key.ts";
import type { HostSession, VaultHost } from "../../src/vault/host.ts";
import { rejectionOf } from "../support/errors.ts";
import { openTestHost, sessionOf, TEST_ACTOR } from "../support/vaults.ts";

const OURS = { organization_id: "org_1" };
const THEIRS = { organization_id: "org_2" };

let host: VaultHost;
let all: HostSession;
let bound: HostSession;
let ours: DataKey;
let theirs: DataKey;

beforeAll(async () => {
  host = await openTestHost();
  all = await sessionOf(host);
  bound = host.session(all.environmentId, { actor: TEST_ACTOR, constraints: OURS });
  ours = await all.keys.createDataKey({ context: { ...OURS, env: "prod" } });
  theirs = await all.keys.createDataKey({ context: { ...THEIRS, env: "prod" } });
});
afterAll(() => host.close());

const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

describe("data keys", () => {
  test("are made for contexts within the scope only", async () => {
    using key = await bound.keys.createDataKey({ context: { ...OURS, more: "1" } });
    expect(key.context).toEqual({ ...OURS, more: "1" });
    for (const context of [THEIRS, { env: "prod" }, { organization_id: "ORG_1" }, { org: "org_1" }]) {
      expect(await codeOf(() => bound.keys.createDataKey({ context }))).toBe("ERR_CONTEXT_NOT_ALLOWED");
    }
    expect((await all.keks.list()).data.map((kek) => kek.value)).not.toContain("ORG_1");
  });

  test("are unwrapped within the scope only; outside, they are like keys that do not exist", async () => {
    using key = await bound.keys.createDecrypt({ keys: ours.encryptedKeys });
    expect(key.dataKey).toBe(ours.dataKey);
    const foreign = await sessionOf(host, "other");
    using unknown = await foreign.keys.createDataKey({ context: OURS });
    const messages = new Set<string>();
    for (const keys of [theirs.encryptedKeys, unknown.encryptedKeys]) {
      for (const call of [
        () => bound.keys.createDecrypt({ keys }),
        () => bound.keys.createRewrap({ encryptedKeys: keys }),
        () => bound.keys.createRekey({ context: OURS, encryptedKeys: keys }),
      ]) {
        const error = await rejectionOf(call);
        expect(error.code).toBe("ERR_KEY_NOT_FOUND");
        messages.add(error.message.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, "<id>"));
      }
    }
    expect(messages.size).toBe(1);
  });

  test("outside the scope do not even tell whether their KEK is disabled or destroyed", async () => {
    const context = { organization_id: "org_3" };
    using key = await all.keys.createDataKey({ context });
    const call = () => bound.keys.createDecrypt({ keys: key.encryptedKeys });
    const before = await rejectionOf(call);
    const kek = { name: "organization_id", value: "org_3" };
    for (const change of [() => all.keks.disable(kek), () => all.keks.shred(kek)]) {
      await change();
      const error = await rejectionOf(call);
      expect([error.code, error.message]).toEqual([before.code, before.message]);
    }
  });

  test("are moved within the scope only", async () => {
    using moved = await bound.keys.createRekey({
      context: { ...OURS, env: "test" },
      encryptedKeys: ours.encryptedKeys,
    });
    expect(moved.dataKey).toBe(ours.dataKey);
    const out = () => bound.keys.createRekey({ context: THEIRS, encryptedKeys: ours.encryptedKeys });
    expect(await codeOf(out)).toBe("ERR_CONTEXT_NOT_ALLOWED");
  });

  test("of another scope are not taken from another's cache", () => {
    expect(bound.keys.id).not.toBe(all.keys.id);
    const same = host.session(all.environmentId, { actor: TEST_ACTOR, constraints: OURS });
    expect(same.keys.id).toBe(bound.keys.id);
  });
});

describe("stored objects", () => {
  test("outside the scope are not found by any call, and are no cursors", async () => {
    const outside = await all.kv.createKv({ name: "outside", value: "v", keyContext: THEIRS });
    const inside = await bound.kv.createKv({ name: "inside", value: "v", keyContext: { ...OURS, x: "y" } });
    const { id } = outside;
    for (const call of [
      () => bound.kv.getKv({ id }),
      () => bound.kv.getKv({ id, versionId: outside.versionId }),
      () => bound.kv.getName({ name: "outside" }),
      () => bound.kv.updateKv({ id, value: "w" }),
      () => bound.kv.updateKv({ id, value: "w", versionCheck: outside.versionId }),
      () => bound.kv.updateKv({ id, value: "w", versionCheck: "another" }),
      () => bound.kv.deleteKv({ id }),
      () => bound.kv.listKvVersions({ id }),
      () => bound.kv.listKvMetadata({ id }),
      () => bound.kv.undeleteKv({ id }),
      () => bound.kv.destroyKv({ id }),
      () => bound.kv.destroyKv({ id, versionId: outside.versionId }),
    ]) {
      expect(await codeOf(call)).toBe("ERR_KV_NOT_FOUND");
    }
    expect(await codeOf(() => bound.kv.listKv({ after: id }))).toBe("ERR_CURSOR_INVALID");
    expect(await codeOf(() => bound.kv.listKv({ before: id }))).toBe("ERR_CURSOR_INVALID");
    expect((await bound.kv.listKv()).data.map((object) => object.id)).toEqual([inside.id]);
    expect((await all.kv.listKv()).data).toHaveLength(2);
    expect((await all.kv.getKv({ id })).value).toBe("v");
    await all.kv.deleteKv({ id });
    expect((await bound.kv.listKv({ deleted: true })).data).toEqual([]);
    expect(await codeOf(() => bound.kv.undeleteKv({ id }))).toBe("ERR_KV_NOT_FOUND");
  });

  test("are made within the scope only, under names that are the environment's", async () => {
    const create = (keyContext: Record<string, string>, name: string) =>
      bound.kv.createKv({ name, value: "v", keyContext });
    expect(await codeOf(() => create(THEIRS, "new"))).toBe("ERR_CONTEXT_NOT_ALLOWED");
    await all.kv.createKv({ name: "taken", value: "v", keyContext: THEIRS });
    expect(await codeOf(() => create(OURS, "taken"))).toBe("ERR_KV_EXISTS");
  });
});

describe("several entries", () => {
  test("must all be there", async () => {
    const constraints = { organization_id: "org_1", env: "prod" };
    const narrow = host.session(all.environmentId, { actor: TEST_ACTOR, constraints });
    using key = await narrow.keys.createDecrypt({ keys: ours.encryptedKeys });
    expect(key.dataKey).toBe(ours.dataKey);
    expect(await codeOf(() => narrow.keys.createDataKey({ context: OURS }))).toBe("ERR_CONTEXT_NOT_ALLOWED");
    expect(await codeOf(() => narrow.keys.createDecrypt({ keys: theirs.encryptedKeys }))).toBe(
      "ERR_KEY_NOT_FOUND",
    );
    expect((await narrow.kv.listKv()).data).toEqual([]);
  });

  test("that are none bind to nothing", async () => {
    const free = host.session(all.environmentId, { actor: TEST_ACTOR, constraints: {} });
    using key = await free.keys.createDecrypt({ keys: theirs.encryptedKeys });
    expect(key.dataKey).toBe(theirs.dataKey);
  });
});

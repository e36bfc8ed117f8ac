/** API keys are made with a name and permissions, or not at all. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isWellFormedKey } from "../../src/vault/access/api-keys.ts";
import type { VaultHost } from "../../src/vault/host.ts";
import { PERMISSIONS, type Permission } from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { freshPath, openTestHost, tamper } from "../support/vaults.ts";

let host: VaultHost;
let environmentId: string;

beforeAll(async () => {
  host = await openTestHost();
  environmentId = (await host.environment("default")).id;
});

afterAll(() => host.close());

const make = (request: object) =>
  host.apiKeys.create(environmentId, {
    name: "n",
    permissions: ["encrypt"],
    ...request,
  } as never);

const codeOf = async (request: object): Promise<string> => (await rejectionOf(() => make(request))).code;

describe("an API key", () => {
  test("without a permission, or with one that there is not, is not made", async () => {
    for (const permissions of [[], ["root"], ["encrypt", "ADMIN"], ["encrypt", ""]]) {
      expect(await codeOf({ permissions })).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(await host.apiKeys.list(environmentId)).toEqual([]);
  });

  test("without a name, or with one that is too long, no text or not well-formed, is not made", async () => {
    for (const name of ["", "x".repeat(101), "\ud800", undefined, 7]) {
      expect(await codeOf({ name })).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(await host.apiKeys.list(environmentId)).toEqual([]);
  });

  test("has a name of up to 100 characters, however many units each has", async () => {
    const name = "\u{1f511}".repeat(100);
    expect((await make({ name })).info.name).toBe(name);
  });

  test("with admin cannot be constrained", async () => {
    expect(await codeOf({ permissions: ["admin"], constraints: { organization_id: "org_1" } })).toBe(
      "ERR_INVALID_ARGUMENT",
    );
    const all: readonly Permission[] = PERMISSIONS;
    expect((await make({ permissions: all, constraints: {} })).info.constraints).toEqual({});
  });

  test("has each permission once, and what it was made with is what is listed and recognised", async () => {
    const constraints = { organization_id: "org_1" };
    const { key, info } = await make({ permissions: ["decrypt", "encrypt", "decrypt"], constraints });
    expect(info).toMatchObject({ permissions: ["decrypt", "encrypt"], constraints, revokedAt: null });
    expect(await host.apiKeys.list(environmentId)).toContainEqual(info);
    const callers = host.callers("none" as never);
    expect((await callers.authenticate(key))!.apiKey).toEqual(info);
    expect(callers.recall(key)!.apiKey).toEqual(info);
  });

  test("is listed in its own environment only, and everywhere where none is named", async () => {
    const other = (await host.environment("other")).id;
    const { info } = await make({ name: "here" });
    const there = await host.apiKeys.create(other, { name: "there", permissions: ["encrypt"] });
    expect(await host.apiKeys.list(other)).toEqual([there.info]);
    expect(await host.apiKeys.list(environmentId)).not.toContainEqual(there.info);
    expect(await host.apiKeys.list()).toEqual(expect.arrayContaining([info, there.info]));
  });

  test("whose row was altered is not listed", async () => {
    const path = freshPath();
    const own = await openTestHost({ path });
    const { id } = await own.environment("default");
    const { info } = await own.apiKeys.create(id, { name: "n", permissions: ["encrypt"] });
    tamper(path, (database) => database.exec(`UPDATE api_keys SET permissions = '["admin"]'`));
    const error = await rejectionOf(() => own.apiKeys.list(id));
    expect(error.code).toBe("ERR_STORAGE_CORRUPT");
    expect(error.message).toContain(info.id);
    await own.close();
  });

  test("that is revoked stays so, at one time, and is recognised no more", async () => {
    const { key, info } = await make({ name: "gone" });
    const callers = host.callers("none" as never);
    expect((await callers.authenticate(key))?.apiKey).toEqual(info);
    const revoked = await host.apiKeys.revoke(info.id);
    expect(revoked).toEqual({ ...info, revokedAt: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(callers.recall(key)).toBeUndefined();
    expect(await callers.authenticate(key)).toBeUndefined();
    expect(await host.apiKeys.revoke(info.id)).toEqual(revoked);
    expect(await host.apiKeys.list(environmentId)).toContainEqual(revoked);
    expect((await rejectionOf(() => host.apiKeys.revoke("key_none"))).code).toBe("ERR_API_KEY_NOT_FOUND");
  });

  test("whose row was altered, or put back as it was before it was revoked, is refused by each use", async () => {
    const path = freshPath();
    const own = await openTestHost({ path });
    const { id } = await own.environment("default");
    const { key, info } = await own.apiKeys.create(id, { name: "n", permissions: ["encrypt"] });
    const codes = async (): Promise<unknown[]> =>
      Promise.all(
        [
          () => own.apiKeys.list(id),
          () => own.apiKeys.revoke(info.id),
          () => own.callers("none" as never).authenticate(key),
        ].map(async (call) => (await rejectionOf(call)).code),
      );
    const row = tamper(path, (database) => database.prepare("SELECT * FROM api_keys").get())!;
    tamper(path, (database) => database.exec("UPDATE api_keys SET name = 'm'"));
    expect(await codes()).toEqual(Array(3).fill("ERR_STORAGE_CORRUPT"));
    tamper(path, (database) => database.exec("UPDATE api_keys SET name = 'n'"));
    // No MAC, half of one, more than one, and one under a key that there is not.
    const mac = Buffer.from(row.mac as Uint8Array);
    const others = [
      null,
      mac.subarray(0, 18),
      Buffer.alloc(0),
      Buffer.concat([mac, mac]),
      Buffer.alloc(36, 7),
    ];
    for (const other of others) {
      tamper(path, (database) => database.prepare("UPDATE api_keys SET mac = ?").run(other));
      expect(await codes()).toEqual(Array(3).fill("ERR_STORAGE_CORRUPT"));
    }
    tamper(path, (database) => database.prepare("UPDATE api_keys SET mac = ?").run(mac));
    await own.apiKeys.revoke(info.id);
    const back = "UPDATE api_keys SET revoked_at = NULL, generation = ?, mac = ?";
    tamper(path, (database) => database.prepare(back).run(row.generation!, row.mac!));
    expect(await codes()).toEqual(Array(3).fill("ERR_STORAGE_CORRUPT"));
    await own.close();
  });

  test("is recognised whole: nothing before it, behind it or instead of it", async () => {
    const { key } = await make({ name: "whole" });
    const callers = host.callers("none" as never);
    for (const other of ["", "nonsense", `x${key}`, `${key}x`, ` ${key}`, `${key}\n`, key.slice(0, -1)]) {
      expect(isWellFormedKey(other)).toBe(false);
      expect(await callers.authenticate(other)).toBeUndefined();
    }
    expect(isWellFormedKey(key)).toBe(true);
    const elsewhere = await openTestHost();
    const foreign = await elsewhere.apiKeys.create((await elsewhere.environment("default")).id, {
      name: "foreign",
      permissions: ["admin"],
    });
    await elsewhere.close();
    expect(await callers.authenticate(foreign.key)).toBeUndefined();
  });
});

/** API keys are made with a name and permissions, or not at all. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { VaultHost } from "../../src/vault/host.ts";
import { PERMISSIONS, type Permission } from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { openTestHost } from "../support/vaults.ts";

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
});

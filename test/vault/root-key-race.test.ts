/** A root key's file that another process makes at the moment in which it is looked for is found. */
import { linkSync, writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { findRootKey } from "../../src/vault/root/root-key.ts";
import { base64 } from "../support/bytes.ts";
import { freshPath } from "../support/vaults.ts";

const KEY = new Uint8Array(32).fill(7);
const others = vi.hoisted(() => ({ before: () => {}, after: () => {} }));

vi.mock("../../src/vault/files/vault-path.ts", async (original) => {
  const real = await original<typeof import("../../src/vault/files/vault-path.ts")>();
  return {
    ...real,
    isTaken: (path: string): boolean => {
      others.before();
      const isThere = real.isTaken(path);
      others.after();
      return isThere;
    },
  };
});

test.each(["before", "after"] as const)("%s the look", (when) => {
  const path = freshPath();
  writeFileSync(`${path}.made`, base64(KEY), { mode: 0o600 });
  let isMade = false;
  others.before = others.after = () => {};
  others[when] = () => {
    if (!isMade) linkSync(`${path}.made`, path);
    isMade = true;
  };
  const file = { path, what: "the file" };
  const request = {
    argument: undefined,
    nextArgument: undefined,
    nextVariable: undefined,
    variable: undefined,
    file,
    isEphemeral: false,
    create: true,
  };
  const found = findRootKey(request);
  expect(isMade).toBe(true);
  expect(found.source).toBe("file");
  expect(Uint8Array.from(found.key.bytes)).toEqual(KEY);
});

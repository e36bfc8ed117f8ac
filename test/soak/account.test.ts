/** The account of a soak notices what is lost and what is wrong: else its zeros would say nothing. */
import { afterAll, beforeEach, expect, test, vi } from "vitest";
import type { HostSession, VaultHost } from "../../src/vault/index.ts";
import { openTestHost, sessionOf } from "../support/vaults.ts";
import { Account } from "./account.ts";
import { type Act, type Line, storedValue } from "./writer.ts";

let host: VaultHost;
let session: HostSession;
const hosts: VaultHost[] = [];

beforeEach(async () => {
  host = await openTestHost();
  hosts.push(host);
  session = await sessionOf(host);
  vi.spyOn(console, "log").mockImplementation(() => {});
});

afterAll(async () => {
  for (const opened of hosts) await opened.close();
});

const CONTEXT = { tenant: "t" };
const create = (name: string, value = storedValue(name, 1)) =>
  session.kv.createKv({ name, value, keyContext: CONTEXT });

/** Lines of acts, each with its end: done, a code, or none. */
function said(...acts: readonly [does: Act, name: string, end?: string, more?: object][]): Line[] {
  return acts.flatMap(([does, name, end, more], number): Line[] => [
    { begins: number, does, name },
    ...(end === undefined
      ? []
      : [end === "done" ? { done: number, ...more } : { failed: number, code: end }]),
  ]);
}

async function counts(lines: readonly Line[]): Promise<Pick<Account, "lost" | "wrong" | "unclear">> {
  const account = new Account();
  account.note(lines);
  await account.compare(host, session);
  const { lost, wrong, unclear } = account;
  return { lost, wrong, unclear };
}

test("what was acknowledged and is there is well, whatever nobody was told the end of", async () => {
  const { id } = await create("a");
  await session.kv.updateKv({ id, value: storedValue("a", 2) });
  await create("b");
  await session.kv.deleteKv({ id: (await create("c")).id });
  expect(
    await counts(
      said(
        ["create", "a", "done"],
        ["update", "a", "ERR_OUTCOME_UNKNOWN"],
        ["create", "b"],
        ["create", "c", "done"],
        ["delete", "c"],
        ["create", "d"],
        ["create", "e", "ERR_STORAGE_BUSY"],
      ),
    ),
  ).toEqual({ lost: 0, wrong: 0, unclear: 4 });
});

test("an acknowledged change that is not there is lost", async () => {
  await create("a");
  expect(
    await counts(said(["create", "a", "done"], ["update", "a", "done"], ["create", "b", "done"])),
  ).toEqual({
    lost: 2,
    wrong: 0,
    unclear: 0,
  });
});

test("a change that was refused and was done, another value, and an error without a code are wrong", async () => {
  await create("a");
  await create("b", "another");
  const lines = said(
    ["create", "a", "ERR_STORAGE_FULL"],
    ["create", "b", "done"],
    ["rotate", "t", "not a vault's error: x"],
  );
  expect(await counts(lines)).toEqual({ lost: 0, wrong: 3, unclear: 0 });
});

test("data keys: one that is another is wrong; one that no longer unwraps, or was shredded and does, is lost", async () => {
  const key = await session.keys.createDataKey({ context: CONTEXT });
  const { encryptedKeys: blob, dataKey } = key;
  const made = (name: string, of: string, by = blob): [Act, string, string, object] => [
    "key",
    name,
    "done",
    { blob: by, key: of },
  ];
  expect(await counts(said(made("k", dataKey)))).toEqual({ lost: 0, wrong: 0, unclear: 0 });
  expect(await counts(said(made("k", "other")))).toEqual({ lost: 0, wrong: 1, unclear: 0 });
  expect(await counts(said(made("k", dataKey), ["shred", "k", "done"]))).toEqual({
    lost: 1,
    wrong: 0,
    unclear: 0,
  });
  expect(await counts(said(made("k", dataKey), ["shred", "k"]))).toEqual({ lost: 0, wrong: 0, unclear: 1 });
  await session.keks.shred({ name: "tenant", value: "t" });
  expect(await counts(said(made("k", dataKey)))).toEqual({ lost: 1, wrong: 0, unclear: 0 });
  expect(await counts(said(made("k", dataKey), ["shred", "k", "done"]))).toEqual({
    lost: 0,
    wrong: 0,
    unclear: 0,
  });
});

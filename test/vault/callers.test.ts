/** Who a request comes from: what is kept between requests is never older than the last revocation that is known of. */
import { beforeEach, expect, test } from "vitest";
import { digestOf } from "../../src/vault/access/api-keys.ts";
import { Callers } from "../../src/vault/access/callers.ts";
import type { OpenedVault } from "../../src/vault/authority/opened-vault.ts";
import type { Row } from "../../src/vault/storage/database.ts";
import { openTestHost } from "../support/vaults.ts";

let key: string;
let row: Row;
/** The database's counter of revocations, and how often it was asked for a key. */
let revocations: number;
let questions: number;
let during: () => void;
let callers: Callers<{ readonly id: string }>;

beforeEach(async () => {
  const host = await openTestHost();
  const { id } = await host.environment("default");
  key = (await host.apiKeys.create(id, { name: "n", permissions: ["encrypt"] })).key;
  await host.close();
  row = {
    id: "key_1",
    environment_id: id,
    name: "n",
    digest: digestOf(key),
    permissions: '["encrypt"]',
    constraints: "{}",
    created_at: 0,
    revoked_at: null,
    generation: 0,
    mac: null,
  };
  revocations = 1;
  questions = 0;
  during = () => {};
  const database = {
    changes: () => ({ apiKeys: revocations }),
    read: async (work: (sql: object) => Promise<unknown>) => {
      questions += 1;
      const found = await work({ get: async () => row });
      during();
      return found;
    },
  };
  const authority = { look: async () => ({ check: () => {} }) };
  const vault = { database, authority } as unknown as OpenedVault;
  callers = new Callers(vault, ({ id }) => ({ id }));
});

test("a caller is kept until a key is revoked, and then looked up again", async () => {
  expect(callers.recall(key)).toBeUndefined();
  const caller = await callers.authenticate(key);
  expect(caller).toEqual({ id: "key_1" });
  expect(callers.recall(key)).toBe(caller);
  expect(await callers.authenticate(key)).toBe(caller);
  expect(questions).toBe(1);
  revocations += 1;
  expect(callers.recall(key)).toBeUndefined();
  expect(await callers.authenticate(key)).toEqual(caller);
  expect(questions).toBe(2);
});

test("[API-4] a caller that was looked up while a key was revoked is not kept", async () => {
  during = () => {
    revocations += 1;
  };
  await callers.authenticate(key);
  expect(callers.recall(key)).toBeUndefined();
  // Another request has heard of the revocation in between.
  during = () => {
    revocations += 1;
    callers.recall(key);
  };
  await callers.authenticate(key);
  during = () => {};
  expect(callers.recall(key)).toBeUndefined();
});

test("a row that is revoked, or of another digest, is no caller", async () => {
  row = { ...row, revoked_at: 1 };
  expect(await callers.authenticate(key)).toBeUndefined();
  row = { ...row, revoked_at: null, digest: new Uint8Array(32) };
  expect(await callers.authenticate(key)).toBeUndefined();
});

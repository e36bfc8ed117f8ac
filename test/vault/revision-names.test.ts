/** Names of revisions, by a database that tells what it is told (docs/spec/revocation.md [REV-11]). */
import { beforeEach, expect, test } from "vitest";
import { VaultError } from "../../src/errors.ts";
import { RevisionNames } from "../../src/vault/keks/revision-names.ts";
import {
  type Changes,
  NO_CHANGES,
  revocationCounter,
  UNKNOWN_CHANGES,
} from "../../src/vault/storage/changes.ts";

const VAULT = "7b0b3c1e-0000-4000-8000-000000000001";
let changes: Changes;
/** What a look into the database finds. */
let found: Changes | VaultError;
const database = {
  changes: () => changes,
  lookAfresh: async () => {
    if (found instanceof VaultError) throw found;
    changes = found;
  },
};
const namesOf = (environment: string, vault = VAULT): RevisionNames =>
  new RevisionNames(database, vault, environment);
const revoked = (environment: string, count: number): Changes => ({
  ...NO_CHANGES,
  revocations: count,
  revoked: new Map([[revocationCounter(environment), count]]),
});
beforeEach(() => {
  changes = NO_CHANGES;
  found = NO_CHANGES;
});

test("[REV-11] a name is that of vault, environment and revision", () => {
  const [one, two] = [namesOf("env_1"), namesOf("env_2")];
  const [first, other] = [one.newest(), two.newest()];
  expect(first).toMatch(/^[A-Za-z0-9_-]{20}$/);
  changes = revoked("env_1", 1);
  const second = one.newest();
  expect(two.newest()).toBe(other);
  expect(namesOf("env_1").newest()).toBe(second);
  const elsewhere = namesOf("env_1", VAULT.replace("1", "2")).newest();
  expect(new Set([first, second, other, elsewhere]).size).toBe(4);
});

test("[REV-11] what is not known just now is looked for, and undefined where the storage is away", async () => {
  const names = namesOf("env_1");
  const known = names.newest();
  changes = UNKNOWN_CHANGES;
  expect(names.newest()).toBeUndefined();
  found = new VaultError("ERR_STORAGE_UNAVAILABLE", "away");
  expect(await names.afresh()).toBeUndefined();
  found = UNKNOWN_CHANGES;
  expect(await names.afresh()).toBeUndefined();
  found = NO_CHANGES;
  expect(await names.afresh()).toBe(known);
});

/** What a keyring does with keys that it has just unwrapped when it cannot look whether they are still good. */
import { expect, test, vi } from "vitest";

import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import { KcXaesKey } from "../../src/crypto/primitives/xaes.ts";
import { Keyring } from "../../src/vault/keks/keyring.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { openTestDatabase } from "../support/authority.ts";
import { rejectionOf } from "../support/errors.ts";
import { freshPath, openTestVault, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

test("[KEY-48] a look that fails leaves no wrapping key behind", async () => {
  const path = freshPath();
  const vault = await openTestVault({ path });
  await vault.createDataKey({ context: CONTEXT });
  const { environmentId } = vault;
  await vault.close();
  const database = await openSqlite(path, { create: false, lockWaitMs: 1_000 });
  const opened = await openTestDatabase(database);
  const read = database.read.bind(database);
  vi.spyOn(database, "read").mockImplementation(async (work, options) => {
    const loaded = await read(work, options);
    // The file is damaged between the two: the next look finds a counter that is none.
    tamper(path, (db) => db.exec("UPDATE counters SET value = 'x' WHERE name = 'keks'"));
    return loaded;
  });
  const dispose = vi.spyOn(KcXaesKey.prototype, "dispose");
  const keyring = new Keyring(opened, environmentId);
  const events = { append: async () => {}, note: () => {} };
  const error = await rejectionOf(() =>
    keyring.createDataKey(canonicalContext(CONTEXT), "application", events),
  );
  expect(error.code).toBe("ERR_STORAGE_CORRUPT");
  // The key under which the KEK was wrapped, and the one that is made of the KEK.
  expect(dispose).toHaveBeenCalledTimes(2);
  dispose.mockRestore();
  await database.close();
});

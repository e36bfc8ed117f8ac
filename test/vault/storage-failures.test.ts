/** Full disks, locks that others hold, and what may only be read: typed errors, nothing lost, usable afterwards. */

import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { VaultProcess } from "../support/vault-process.ts";
import { freshDirectory, freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const CONTEXT = { organization_id: "org_1" };
const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

/** Runs with a file system in memory of a given size, where one may be mounted; the test is skipped where not. */
async function withSmallDisk(
  context: TestContext,
  size: string,
  work: (directory: string, remount: (options: string) => void) => Promise<void>,
): Promise<void> {
  const directory = freshDirectory();
  const mount = (options: string): boolean =>
    spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", directory], { stdio: "ignore" }).status === 0;
  const isMounted = process.getuid?.() === 0 && mount(`size=${size}`);
  context.skip(!isMounted, "no file system may be mounted here");
  try {
    await work(directory, (options) => void mount(`remount,${options}`));
  } finally {
    spawnSync("umount", ["-l", directory], { stdio: "ignore" });
  }
}

/** Writes until the first error; answers what was acknowledged and the error. */
async function fill(
  vault: EmbeddedVault,
  value: string,
  from = 0,
): Promise<{ acknowledged: string[]; error: Error & { code: string } }> {
  const acknowledged: string[] = [];
  for (let i = from; ; i++) {
    try {
      const { id } = await vault.createKv({ name: `full ${i}`, value: `${i} ${value}`, keyContext: CONTEXT });
      acknowledged.push(id);
    } catch (error) {
      return { acknowledged, error: error as Error & { code: string } };
    }
    if (acknowledged.length > 5_000) throw new Error("the disk does not fill up");
  }
}

async function expectAllReadable(vault: EmbeddedVault, ids: readonly string[], value: string): Promise<void> {
  for (const [i, id] of ids.entries()) expect((await vault.getKv({ id })).value).toBe(`${i} ${value}`);
}

describe("a full disk", () => {
  test("[KEY-19] a small file system: nothing lost, usable when there is room again", async (context) => {
    await withSmallDisk(context, "2m", async (directory, remount) => {
      const path = join(directory, "vault.db");
      const value = "x".repeat(8_000);
      const vault = await openTestVault({ path });
      const { acknowledged, error } = await fill(vault, value);
      expect(isVaultError(error, "ERR_STORAGE_FULL")).toBe(true);
      expect(acknowledged.length).toBeGreaterThan(20);
      // Goes on failing in the same way, and goes on reading.
      expect(await codeOf(() => vault.createKv({ name: "more", value, keyContext: CONTEXT }))).toBe(
        "ERR_STORAGE_FULL",
      );
      await expectAllReadable(vault, acknowledged, value);
      expect((await vault.listKv({ search: "more" })).data).toEqual([]);
      // No notice is given of changes that were not made.
      expect((await listKeks(vault)).map((kek) => kek.versions.length)).toEqual([1]);
      remount("size=16m");
      await vault.createKv({ name: "more", value: "later", keyContext: CONTEXT });
      await vault.keks.rotate({ name: "organization_id", value: "org_1" });
      await expectAllReadable(vault, acknowledged, value);
      await vault.close();
      const again = await openTestVault({ path });
      await expectAllReadable(again, acknowledged, value);
      expect((await again.getName({ name: "more" })).value).toBe("later");
      await again.close();
      tamper(path, (db) => {
        expect(db.prepare("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
      });
    });
  });

  test("[KEY-19] reopened while it is still full: everything that was acknowledged can be read", async (context) => {
    await withSmallDisk(context, "2m", async (directory, remount) => {
      const path = join(directory, "vault.db");
      const value = "y".repeat(3_000);
      const vault = await openTestVault({ path });
      const { acknowledged } = await fill(vault, value);
      await vault.close();
      // Fill the last gap.
      try {
        writeFileSync(join(directory, "filler"), Buffer.alloc(4 << 20));
      } catch {
        // That is the point.
      }
      const again = await openVault({ path, rootKey: ROOT_KEY }).catch((error) => error);
      if (isVaultError(again)) {
        expect(again.code).toBe("ERR_STORAGE_FULL");
      } else {
        await expectAllReadable(again as EmbeddedVault, acknowledged, value);
        await (again as EmbeddedVault).close();
      }
      rmSync(join(directory, "filler"));
      remount("size=16m");
      const last = await openTestVault({ path });
      await expectAllReadable(last, acknowledged, value);
      await last.createKv({ name: "after", value: "v", keyContext: CONTEXT });
      await last.close();
    });
  });

  test("[KEY-19] [KEY-21] a shred on a full disk is done or refused, never half", async (context) => {
    await withSmallDisk(context, "1m", async (directory) => {
      const path = join(directory, "vault.db");
      const vault = await openTestVault({ path });
      const text = await vault.encrypt("secret", { organization_id: "victim" });
      const { acknowledged } = await fill(vault, "z".repeat(2_000));
      const selector = { name: "organization_id", value: "victim" };
      try {
        await vault.keks.shred(selector);
        expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DESTROYED");
      } catch (error) {
        expect(isVaultError(error, "ERR_STORAGE_FULL")).toBe(true);
        expect(await vault.decrypt(text)).toBe("secret");
        expect((await listKeks(vault, selector))[0]!.state).toBe("active");
      }
      expect((await vault.getKv({ id: acknowledged[0]! })).value).toContain("zzz");
      await vault.close();
    });
  });

  test("[KEY-19] a disk without any room makes no vault", async (context) => {
    await withSmallDisk(context, "64k", async (directory) => {
      try {
        writeFileSync(join(directory, "filler"), Buffer.alloc(1 << 20));
      } catch {
        // Full now.
      }
      const error = await rejectionOf(() => openVault(join(directory, "vault.db")));
      expect(isVaultError(error, "ERR_STORAGE_FULL")).toBe(true);
      // Once more: what the first attempt left behind is no obstacle, and no half root key is there.
      expect(await codeOf(() => openVault(join(directory, "vault.db")))).toBe("ERR_STORAGE_FULL");
      rmSync(join(directory, "filler"));
      if (existsSync(join(directory, "vault.db.root-key"))) {
        expect(readFileSync(join(directory, "vault.db.root-key"), "utf8")).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
      }
    });
  });

  test("[KEY-18] [KEY-19] a limit of SQLite's: writes that share a transaction fail together, none half", async () => {
    const database = await openSqlite(":memory:", { create: true, lockWaitMs: 1_000 });
    await database.write(async (sql) => {
      await sql.run("CREATE TABLE filled (row_id INTEGER PRIMARY KEY, b BLOB)");
      const { page_count: pages } = (await sql.get("PRAGMA page_count"))!;
      await sql.all(`PRAGMA max_page_count = ${(pages as number) + 20}`);
    });
    const put = (): Promise<number> =>
      database.write(async (sql) => {
        await sql.run("INSERT INTO filled (b) VALUES (?)", new Uint8Array(3_000));
        await sql.run("INSERT INTO filled (b) VALUES (?)", new Uint8Array(3_000));
        return 2;
      });
    let acknowledged = 0;
    let refused = 0;
    for (let round = 0; round < 8; round++) {
      const results = await Promise.allSettled(Array.from({ length: 3 }, put));
      for (const result of results) {
        if (result.status === "fulfilled") acknowledged += result.value;
        else {
          refused += 1;
          expect(isVaultError(result.reason, "ERR_STORAGE_FULL")).toBe(true);
        }
      }
    }
    expect(refused).toBeGreaterThan(0);
    const count = await database.read((sql) => sql.get("SELECT count(*) AS n FROM filled"));
    expect(count!.n).toBe(acknowledged);
    await database.write(async (sql) => {
      await sql.all("PRAGMA max_page_count = 1000000");
      await sql.run("INSERT INTO filled (b) VALUES (?)", new Uint8Array(3_000));
    });
    await database.close();
  });

  test("[KEY-18] [KEY-19] a process whose files may not grow: what it acknowledged is there", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    const script = `
      const { openVault } = await import(${JSON.stringify(join(REPOSITORY_ROOT, "src/vault/index.ts"))});
      process.on("SIGXFSZ", () => {});
      const vault = await openVault({ path: ${JSON.stringify(path)}, rootKey: ${JSON.stringify(ROOT_KEY)} });
      const value = "x".repeat(5000);
      try {
        for (let i = 0; i < 1000; i++) {
          const { id } = await vault.createKv({ name: "n" + i, value: i + value, keyContext: { n: "1" } });
          console.log(id);
        }
      } catch (error) {
        console.log("error", error.name, error.code);
      }`;
    const out = execFileSync(
      "bash",
      ["-c", 'ulimit -f 900; exec "$0" --input-type=module -e "$1"', process.execPath, script],
      { encoding: "utf8" },
    );
    const lines = out.trim().split("\n");
    expect(lines.pop()).toMatch(/^error VaultError ERR_STORAGE_(FULL|UNAVAILABLE)$/);
    expect(lines.length).toBeGreaterThan(3);
    const vault = await openTestVault({ path });
    for (const [i, id] of lines.entries()) {
      expect((await vault.getKv({ id })).value).toBe(`${i}${"x".repeat(5000)}`);
    }
    await vault.createKv({ name: "after", value: "v", keyContext: CONTEXT });
  });
});

describe("a lock that another process holds", () => {
  test("[KEY-19] writes wait as long as they are told to, then fail; reads go on", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path, lockWaitMs: 60 });
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const text = await vault.encrypt("x", CONTEXT);
    const other = new VaultProcess();
    await other.call("holdLock", path);
    for (const call of [
      () => vault.createKv({ name: "other", value: "v", keyContext: CONTEXT }),
      () => vault.updateKv({ id, value: "w" }),
      () => vault.deleteKv({ id }),
      () => vault.keks.rotate({ name: "organization_id", value: "org_1" }),
      () => vault.encrypt("x", { organization_id: "new" }),
      () => vault.destroyKv({ id }),
    ]) {
      const error = await rejectionOf(call);
      expect(isVaultError(error, "ERR_STORAGE_BUSY")).toBe(true);
      expect((error as unknown as { retryable: boolean }).retryable).toBe(true);
    }
    expect((await vault.getKv({ id })).value).toBe("v");
    expect(await vault.decrypt(text)).toBe("x");
    expect(await vault.decrypt(await vault.encrypt("y", CONTEXT))).toBe("y");
    await other.call("letGo");
    await vault.updateKv({ id, value: "w" });
    expect((await vault.getKv({ id })).value).toBe("w");
    expect((await vault.listKvVersions({ id })).data).toHaveLength(2);
    expect((await vault.listKv({ search: "other" })).data).toEqual([]);
    await other.end();
  });

  test("[KEY-19] a write goes on as soon as the lock is free", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path, lockWaitMs: 30_000 });
    const other = new VaultProcess();
    await other.call("holdLock", path);
    const writes = Array.from({ length: 20 }, (_, i) =>
      vault.createKv({ name: `${i}`, value: "v", keyContext: CONTEXT }),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    await other.call("letGo");
    expect(await Promise.all(writes)).toHaveLength(20);
    await other.end();
  });

  test("[KEY-19] opening waits too: a vault that is there, and one that is to be made", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    const other = new VaultProcess();
    await other.call("holdLock", path);
    // An open vault in an environment that is there needs no lock.
    await (await openVault({ path, rootKey: ROOT_KEY, lockWaitMs: 0 })).close();
    const options = { path, rootKey: ROOT_KEY, environment: "new" };
    expect(await codeOf(() => openVault({ ...options, lockWaitMs: 50 }))).toBe("ERR_STORAGE_BUSY");
    const waiting = openVault({ ...options, lockWaitMs: 30_000 });
    await other.call("letGo");
    await (await waiting).close();
    await other.end();
  });

  test("[KEY-49] an abort ends the wait, and nothing is written", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path, lockWaitMs: 60_000 });
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const text = await vault.encrypt("x", CONTEXT);
    const other = new VaultProcess();
    await other.call("holdLock", path);
    const controller = new AbortController();
    const { signal } = controller;
    const calls = [
      vault.encrypt("x", { organization_id: "new" }, undefined, { signal }),
      vault.encrypt("x", { organization_id: "new" }, undefined, { signal, reuse: true }),
      vault.lease({ organization_id: "newer" }, { signal }),
      vault.rekey(text, { organization_id: "new" }, { signal }),
      vault.rekeyMany([text], { organization_id: "new" }, { signal }),
      vault.createKv({ name: "other", value: "v", keyContext: CONTEXT }, { signal }),
      vault.updateKv({ id, value: "w" }, { signal }),
      vault.deleteKv({ id }, { signal }),
      vault.destroyKv({ id }, { signal }),
    ].map((call) => rejectionOf(() => call));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const reason = new Error("changed my mind");
    controller.abort(reason);
    for (const call of calls) expect(await call).toBe(reason);
    await other.call("letGo");
    expect((await vault.getKv({ id })).value).toBe("v");
    expect((await vault.listKvVersions({ id })).data).toHaveLength(1);
    expect((await vault.listKv({ search: "other" })).data).toEqual([]);
    expect((await listKeks(vault)).filter((kek) => kek.value === "newer")).toEqual([]);
    await other.end();
  });
});

describe("what may only be read", () => {
  test("[KEY-18] a file system that is read-only is ERR_STORAGE_READ_ONLY, and is not waited for", async (context) => {
    await withSmallDisk(context, "8m", async (directory, remount) => {
      const path = join(directory, "vault.db");
      const vault = await openTestVault({ path });
      const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
      const text = await vault.encrypt("x", CONTEXT);
      await vault.close();
      remount("ro");
      const opened = await openVault({ path, rootKey: ROOT_KEY }).catch((error) => error);
      if (isVaultError(opened)) {
        expect(["ERR_STORAGE_READ_ONLY", "ERR_STORAGE_UNAVAILABLE"]).toContain(opened.code);
      } else {
        const readOnly = opened as EmbeddedVault;
        expect((await readOnly.getKv({ id })).value).toBe("v");
        expect(await readOnly.decrypt(text)).toBe("x");
        expect(await codeOf(() => readOnly.updateKv({ id, value: "w" }))).toBe("ERR_STORAGE_READ_ONLY");
        await readOnly.close();
      }
      expect(await codeOf(() => openVault(join(directory, "new.db")))).toBe("ERR_STORAGE_READ_ONLY");
      remount("rw");
      const again = await openTestVault({ path });
      expect((await again.getKv({ id })).value).toBe("v");
      await again.close();
    });
  });

  test("[KEY-18] a file that becomes read-only for SQLite fails every write, at once, and all reads go on", async () => {
    const path = freshPath();
    const database = await openSqlite(path, { create: true, lockWaitMs: 60_000 });
    await database.read((sql) => sql.all("PRAGMA query_only = ON"));
    const calls = Array.from({ length: 100 }, () =>
      rejectionOf(() => database.write((sql) => sql.run("DELETE FROM meta"))),
    );
    for (const call of calls) expect((await call).code).toBe("ERR_STORAGE_READ_ONLY");
    expect(await database.read((sql) => sql.get("SELECT count(*) AS n FROM meta"))).toEqual({ n: 0 });
    await database.close();
  });

  test("a copy of a vault that was not closed can be opened", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const copy = freshPath();
    for (const suffix of ["", "-wal"]) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`);
    const other = await openTestVault({ path: copy });
    expect((await other.getKv({ id })).value).toBe("v");
  });
});

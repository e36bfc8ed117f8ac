/** What the disk and the system refuse, by the real thing: typed errors with the system's word, and what a lost sync means. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, type TestContext, test } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import { openVault } from "../../src/vault/index.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { rejectionOf } from "../support/errors.ts";
import { VaultProcess } from "../support/vault-process.ts";
import { freshDirectory, freshPath, openTestVault, ROOT_KEY } from "../support/vaults.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const CONTEXT = { organization_id: "org_1" };

/** Codes of an error and of all its causes, as a log may show them. */
function codesOf(error: unknown): unknown[] {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return cause === undefined ? [code] : [code, ...codesOf(cause)];
}

function withTmpfs(
  context: TestContext,
  size: string,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = freshDirectory();
  const mounted =
    process.getuid?.() === 0 &&
    spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", directory], { stdio: "ignore" })
      .status === 0;
  context.skip(!mounted, "no file system may be mounted here");
  return work(directory).finally(() => spawnSync("umount", ["-l", directory], { stdio: "ignore" }));
}

/** Runs a program over a vault in a process of its own. */
function runProgram(shell: string, program: string, env: Record<string, string> = {}): string {
  const ran = spawnSync(
    "bash",
    ["-c", `${shell} exec "$0" --input-type=module -e "$1"`, process.execPath, program],
    { encoding: "utf8", env: { ...process.env, ...env }, timeout: 30_000 },
  );
  return ran.stdout.trim();
}
const OPEN = `const { openVault } = await import(${JSON.stringify(join(REPOSITORY_ROOT, "src/vault/index.ts"))});
  const codes = (error) => error === undefined ? [] : [error.code, ...codes(error.cause)];
  const open = (path) => openVault({ path, rootKey: ${JSON.stringify(ROOT_KEY)} });`;

describe("what the system refuses", () => {
  test("[KEY-19] a new vault on a disk of 12 KiB is told as a full disk", async (context) => {
    await withTmpfs(context, "12k", async (directory) => {
      const error = await rejectionOf(() =>
        openVault({ path: join(directory, "vault.db"), rootKey: ROOT_KEY }),
      );
      expect(isVaultError(error, "ERR_STORAGE_FULL")).toBe(true);
      expect(error.message).toContain("make room");
      expect(readdirSync(directory).filter((name) => name.includes("probe"))).toEqual([]);
    });
  });

  test("[KEY-19] no file descriptor left: named, and it can be tried again", () => {
    const path = freshPath();
    const out = runProgram(
      "ulimit -n 64;",
      `import { openSync, closeSync } from "node:fs";
       ${OPEN}
       await (await open(${JSON.stringify(path)})).close();
       const taken = [];
       try { for (;;) taken.push(openSync("/dev/null")); } catch {}
       const error = await open(${JSON.stringify(path)}).catch((error) => error);
       for (const fd of taken) closeSync(fd);
       await (await open(${JSON.stringify(path)})).close();
       console.log(JSON.stringify([error.name, error.retryable, codes(error)]));`,
    );
    const [name, retryable, codes] = JSON.parse(out);
    expect([name, retryable, codes[0], codes.at(-1)]).toEqual([
      "VaultError",
      true,
      "ERR_STORAGE_UNAVAILABLE",
      "EMFILE",
    ]);
  });

  test("[KEY-19] what is not allowed, and what is no directory, say so", async () => {
    writeFileSync(join(freshDirectory(), "file"), "");
    const file = join(freshDirectory(), "file");
    writeFileSync(file, "x");
    const error = await rejectionOf(() => openVault({ path: join(file, "vault.db"), rootKey: ROOT_KEY }));
    expect(codesOf(error)).toEqual(["ERR_STORAGE_UNAVAILABLE", "ENOTDIR"]);
    expect(error.message).toContain("not a directory");
  });

  test("SQLite's code is in the cause, for a log, and its words are not", async () => {
    const database = await openSqlite(freshPath(), { create: true, lockWaitMs: 0 });
    const error = await rejectionOf(() =>
      database.write(async (sql) => {
        for (let i = 0; i < 2; i++) await sql.run("INSERT INTO counters (name, value) VALUES ('twice', 1)");
      }),
    );
    expect(codesOf(error)).toEqual(["ERR_STORAGE_UNAVAILABLE", "SQLITE_CONSTRAINT"]);
    expect(error.message).toContain("SQLITE_CONSTRAINT");
    await database.close();
  });
});

test("[KEY-52] a COMMIT whose sync fails is unknown, the vault ends, and a fresh opening tells", (context) => {
  const directory = freshDirectory();
  const shim = join(directory, "shim.so");
  const source = join(REPOSITORY_ROOT, "test/support/failing-fsync.c");
  const built = spawnSync("cc", ["-shared", "-fPIC", "-o", shim, source], { stdio: "ignore" }).status === 0;
  context.skip(!built || !existsSync(shim), "no C compiler to make syncs fail with");
  const fail = join(directory, "fail");
  const path = join(directory, "vault.db");
  const out = runProgram(
    "",
    `import { writeFileSync, rmSync } from "node:fs";
     ${OPEN}
     const vault = await open(${JSON.stringify(path)});
     const put = (name) => vault.createKv({ name, value: "v", keyContext: ${JSON.stringify(CONTEXT)} });
     await put("before");
     writeFileSync(${JSON.stringify(fail)}, "");
     const failed = await Promise.all(["a", "b"].map((name) => put(name).catch((error) => error)));
     const after = await put("c").catch((error) => error);
     rmSync(${JSON.stringify(fail)});
     await vault.close().catch(() => {});
     const again = await open(${JSON.stringify(path)});
     const { data } = await again.listKv();
     await again.close();
     console.log(JSON.stringify([failed.map(codes), after.code, data.map((object) => object.name)]));`,
    { LD_PRELOAD: shim, COFFER_FAIL_FSYNC: fail },
  );
  const [failed, after, names] = JSON.parse(out);
  for (const codes of failed) {
    expect(codes[0]).toBe("ERR_OUTCOME_UNKNOWN");
    expect(codes).toContain("SQLITE_IOERR_FSYNC");
  }
  expect(after).toBe("ERR_STORAGE_UNAVAILABLE");
  expect(names).toContain("before");
  expect(names).not.toContain("c");
});

describe("locks that others hold", () => {
  test("[KEY-54] closing does not wait for a lock as long as calls may", async () => {
    const path = freshPath();
    const database = await openSqlite(path, { create: true, lockWaitMs: 600_000 });
    const other = new VaultProcess();
    await other.call("holdLock", path);
    const writing = rejectionOf(() => database.write((sql) => sql.run("DELETE FROM meta")));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const startedAt = performance.now();
    const closing = database.close();
    expect(await writing).toMatchObject({ code: "ERR_STORAGE_BUSY" });
    await closing;
    // Ten times the promise.
    expect(performance.now() - startedAt).toBeLessThan(50_000);
    await other.call("letGo");
    await other.end();
  }, 60_000);

  test("[KEY-53] an abort ends the wait for others' reads after a destruction, which stays", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path, lockWaitMs: 60_000 });
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const other = new VaultProcess();
    await other.call("holdRead", path);
    const controller = new AbortController();
    const destroying = vault.destroyKv({ id }, { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 100));
    controller.abort(new Error("enough"));
    const startedAt = performance.now();
    await destroying.catch((error: Error) => expect(error.message).toBe("enough"));
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await other.call("letGo");
    await other.end();
    expect((await rejectionOf(() => vault.undeleteKv({ id }))).code).toBe("ERR_KV_VERSION_DESTROYED");
  });
});

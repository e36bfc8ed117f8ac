/** Backups: whole, of one moment, proved, and put in place without a way to lose what stood there. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import {
  backupVault,
  checkBackup,
  type EmbeddedVault,
  openVault,
  restoreVault,
  streamBackup,
} from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { filesOf, freshDirectory, freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const OTHER_KEY = Buffer.alloc(32, 9).toString("base64");

async function put(vault: EmbeddedVault, name: string): Promise<void> {
  await vault.createKv({ name, value: `of ${name}`, keyContext: CONTEXT });
}

async function namesIn(path: string): Promise<string[]> {
  const vault = await openVault({ path, rootKey: ROOT_KEY, create: false });
  const names: string[] = [];
  for await (const { name } of vault.listKv()) names.push(name);
  await vault.close();
  return names.sort();
}

/** A closed vault with one value, and a backup of it. */
async function vaultAndBackup(): Promise<{ path: string; backup: string }> {
  const path = freshPath();
  const vault = await openTestVault({ path });
  await put(vault, "a");
  const backup = join(dirname(path), "backup.db");
  await backupVault(path, backup);
  await vault.close();
  return { path, backup };
}

const without = (path: string, ...ends: string[]): string[] =>
  readdirSync(dirname(path)).filter((name) => !ends.some((end) => name.endsWith(end)));

describe("[KEY-58] a backup", () => {
  test("holds everything that was answered before it began, while two processes write on", async () => {
    const path = freshPath();
    const one = await openTestVault({ path });
    const two = await openTestVault({ path });
    const answered: string[] = [];
    let goesOn = true;
    const writing = [one, two].map(async (vault, who) => {
      for (let i = 0; goesOn && i < 5_000; i++) {
        await put(vault, `${who}-${i}`);
        answered.push(`${who}-${i}`);
        // The event loop is for the other one, and for the backup, too.
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    for (let round = 0; round < 3; round++) {
      while (answered.length < 20 * (round + 1)) await new Promise((resolve) => setTimeout(resolve, 1));
      const before = [...answered];
      const backup = join(freshDirectory(), "backup.db");
      const { bytes } = await backupVault(path, backup);
      expect(statSync(backup)).toMatchObject({ size: bytes, mode: 0o100600 });
      expect(readdirSync(dirname(backup))).toEqual(["backup.db"]);
      expect(await namesIn(backup)).toEqual(expect.arrayContaining(before));
    }
    goesOn = false;
    await Promise.all(writing);
  });

  test("holds nothing that was deleted from the tables, and no root key", async () => {
    const path = freshPath();
    const vault = await openVault({ path, onNotice: () => {} });
    await put(vault, "a");
    await vault.close();
    tamper(path, (database) => {
      database.exec("PRAGMA secure_delete = OFF");
      database.exec(
        "CREATE TABLE gone (text TEXT); INSERT INTO gone VALUES ('marker-4711'); DROP TABLE gone",
      );
    });
    expect(filesOf(path).includes("marker-4711")).toBe(true);
    const backup = join(freshDirectory(), "backup.db");
    await backupVault(path, backup);
    const bytes = readFileSync(backup);
    expect(bytes.includes("marker-4711")).toBe(false);
    expect(bytes.includes(readFileSync(`${path}.root-key`, "utf8").trim())).toBe(false);
  });

  test("needs no root key, and tells how far it has come", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    for (let i = 0; i < 50; i++) await put(vault, `n-${i}`);
    const seen: [number, number][] = [];
    const { bytes } = await backupVault(path, join(dirname(path), "b.db"), {
      onProgress: (...one) => void seen.push(one),
    });
    expect(seen.at(-1)).toEqual([bytes, bytes]);
    expect(seen.every(([done, total]) => done <= total)).toBe(true);
  });

  test("as a stream has the same bytes, and leaves no file", async () => {
    const { path } = await vaultAndBackup();
    const pieces: Uint8Array[] = [];
    for await (const piece of streamBackup(path)) pieces.push(piece);
    const copy = join(freshDirectory(), "copy.db");
    writeFileSync(copy, Buffer.concat(pieces));
    expect(await namesIn(copy)).toEqual(["a"]);
  });

  test("that is aborted or refused leaves nothing, and what was there", async () => {
    const { path, backup } = await vaultAndBackup();
    const before = readFileSync(backup);
    const reason = new Error("enough");
    const aborted = AbortSignal.abort(reason);
    expect(await rejectionOf(() => backupVault(path, `${backup}2`, { signal: aborted }))).toBe(reason);
    const controller = new AbortController();
    const underWay = backupVault(path, `${backup}3`, { signal: controller.signal });
    controller.abort(reason);
    expect(await rejectionOf(() => underWay)).toBe(reason);
    expect((await rejectionOf(() => backupVault(path, backup))).code).toBe("ERR_FILE_EXISTS");
    expect((await rejectionOf(() => backupVault(path, path, { force: true }))).code).toBe("ERR_FILE_EXISTS");
    const link = join(dirname(path), "link.db");
    symlinkSync(path, link);
    expect((await rejectionOf(() => backupVault(link, path, { force: true }))).code).toBe("ERR_FILE_EXISTS");
    expect((await rejectionOf(() => backupVault(`${path}-none`, `${backup}4`))).code).toBe(
      "ERR_VAULT_NOT_FOUND",
    );
    expect((await rejectionOf(() => backupVault(path, join(dirname(path), "none/b.db")))).code).toBe(
      "ERR_STORAGE_UNAVAILABLE",
    );
    expect((await rejectionOf(() => backupVault(path, "A".repeat(43)))).code).toBe("ERR_INVALID_ARGUMENT");
    const other = join(dirname(path), "other.db");
    const database = new DatabaseSync(other);
    database.exec("CREATE TABLE t (x)");
    database.close();
    expect((await rejectionOf(() => backupVault(other, `${backup}5`))).code).toBe("ERR_STORAGE_CORRUPT");
    writeFileSync(`${other}.txt`, "no database at all, but long enough to be read as one".repeat(100));
    expect((await rejectionOf(() => backupVault(`${other}.txt`, `${backup}6`))).code).toBe(
      "ERR_STORAGE_CORRUPT",
    );
    expect(readFileSync(backup).equals(before)).toBe(true);
    expect(without(path, "-wal", "-shm").sort()).toEqual(
      ["backup.db", "link.db", "other.db", "other.db.txt", "vault.db"].sort(),
    );
  });
});

describe("[KEY-59] the proof of a backup", () => {
  test("counts, decrypts a sample, and touches nothing", async () => {
    const { path, backup } = await vaultAndBackup();
    const before = readFileSync(backup);
    expect(await checkBackup(backup, { rootKey: ROOT_KEY })).toMatchObject({
      environments: 1,
      keks: 1,
      objects: 1,
      versions: 1,
      sample: { decrypted: 1, outOfUse: 0 },
    });
    expect((await checkBackup(backup)).sample).toBeUndefined();
    expect(readFileSync(backup).equals(before)).toBe(true);
    expect(without(path, "-wal", "-shm").sort()).toEqual(["backup.db", "vault.db"]);
  });

  test("counts values whose keys are out of use, and does not fail on them", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    await put(vault, "a");
    await vault.keks.disable({ name: "organization_id", value: "org_1" });
    const backup = join(dirname(path), "backup.db");
    await backupVault(path, backup);
    expect((await checkBackup(backup, { rootKey: ROOT_KEY })).sample).toEqual({ decrypted: 0, outOfUse: 1 });
  });

  test("fails for what is damaged, of another root key, no vault, or not a backup", async () => {
    const { path, backup } = await vaultAndBackup();
    expect((await rejectionOf(() => checkBackup(backup, { rootKey: OTHER_KEY }))).code).toBe(
      "ERR_ROOT_KEY_WRONG",
    );
    expect((await rejectionOf(() => checkBackup(`${backup}-none`))).code).toBe("ERR_VAULT_NOT_FOUND");
    const cut = `${backup}.cut`;
    writeFileSync(cut, readFileSync(backup).subarray(0, 20_000));
    expect((await rejectionOf(() => checkBackup(cut, { rootKey: ROOT_KEY }))).code).toBe(
      "ERR_STORAGE_CORRUPT",
    );
    const value = `${backup}.value`;
    copyFileSync(backup, value);
    tamper(value, (database) => database.exec("UPDATE kv_versions SET sealed = zeroblob(length(sealed))"));
    tamper(value, (database) => database.exec("PRAGMA journal_mode = DELETE"));
    expect(["ERR_STORAGE_CORRUPT", "ERR_DECRYPT_FAILED"]).toContain(
      (await rejectionOf(() => checkBackup(value, { rootKey: ROOT_KEY }))).code,
    );
    // A copy of the file of a vault in use: what was stored last is in the journal beside it.
    const vault = await openTestVault({ path });
    await put(vault, "b");
    const error = await rejectionOf(() => checkBackup(path, { rootKey: ROOT_KEY }));
    expect(error).toMatchObject({
      code: "ERR_STORAGE_CORRUPT",
      message: expect.stringContaining("coffer backup"),
    });
  });
});

describe("[KEY-59] the way back", () => {
  test("keeps what stood there, journal included, and brings the backup's state", async () => {
    const { path, backup } = await vaultAndBackup();
    const vault = await openTestVault({ path });
    await put(vault, "later");
    await vault.close();
    expect((await rejectionOf(() => restoreVault(backup, path, { rootKey: ROOT_KEY }))).code).toBe(
      "ERR_FILE_EXISTS",
    );
    const { kept } = await restoreVault(backup, path, { rootKey: ROOT_KEY, force: true });
    expect(statSync(path).mode).toBe(0o100600);
    expect(await namesIn(path)).toEqual(["a"]);
    expect(kept).toHaveLength(1);
    expect(await namesIn(join(dirname(path), kept[0]!))).toEqual(["a", "later"]);
  });

  test("is refused while a process has the vault open", async () => {
    const { path, backup } = await vaultAndBackup();
    const vault = await openTestVault({ path });
    await put(vault, "b");
    const names = readdirSync(dirname(path)).sort();
    const error = await rejectionOf(() => restoreVault(backup, path, { rootKey: ROOT_KEY, force: true }));
    expect(error.code).toBe("ERR_STORAGE_BUSY");
    expect(readdirSync(dirname(path)).sort()).toEqual(names);
    await put(vault, "c");
    await vault.close();
    expect(await namesIn(path)).toEqual(["a", "b", "c"]);
  });

  test("takes a left-over journal away with the vault that it belongs to, also where that is damaged or gone", async () => {
    for (const harm of ["damaged", "gone"] as const) {
      const { path, backup } = await vaultAndBackup();
      const vault = await openTestVault({ path });
      await put(vault, "later");
      // As after kill -9: the journal has what the file lacks.
      const journal = readFileSync(`${path}-wal`);
      await vault.close();
      writeFileSync(`${path}-wal`, journal);
      if (harm === "damaged") writeFileSync(path, "not a database".repeat(1_000));
      else renameSync(path, `${path}.elsewhere`);
      const { kept } = await restoreVault(backup, path, { rootKey: ROOT_KEY, force: true });
      expect(kept.some((name) => name.endsWith("-wal"))).toBe(true);
      expect(await namesIn(path)).toEqual(["a"]);
    }
  });

  test("that was interrupted is told, makes no empty vault, and can be taken again", async () => {
    const path = freshPath();
    const vault = await openVault({ path, onNotice: () => {} });
    await put(vault, "a");
    const backup = join(dirname(path), "backup.db");
    await backupVault(path, backup);
    await vault.close();
    // What stood there has its other name; the backup has not its own yet.
    renameSync(path, `${path}.before-restore-1`);
    expect((await rejectionOf(() => openVault(path))).code).toBe("ERR_VAULT_LOST");
    expect(existsSync(path)).toBe(false);
    await restoreVault(backup, path);
    const again = await openVault(path);
    expect((await again.getName({ name: "a" })).value).toBe("of a");
    await again.close();
  });

  test("is not begun with what is no good backup", async () => {
    const { path, backup } = await vaultAndBackup();
    const before = readFileSync(path);
    const bad = `${backup}.bad`;
    writeFileSync(bad, readFileSync(backup).subarray(0, 30_000));
    chmodSync(bad, 0o600);
    for (const [from, rootKey] of [
      [bad, ROOT_KEY],
      [backup, OTHER_KEY],
      [`${backup}-none`, ROOT_KEY],
    ] as const) {
      await rejectionOf(() => restoreVault(from, path, { rootKey, force: true }));
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    expect((await rejectionOf(() => restoreVault(path, path, { force: true }))).code).toBe("ERR_FILE_EXISTS");
  });
});

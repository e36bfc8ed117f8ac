/** Writes that come together share a commit, and what they may have to take back stays in memory (src/vault/storage/sqlite/open.ts). */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { expect, test } from "vitest";
import type { Database } from "../../src/vault/storage/database.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { freshPath, openTestVault } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const PAGE_BYTES = 4096;

/**
 * The commits in a journal: its frames whose second number, the pages after the commit, is not 0 (sqlite.org/fileformat2,
 * section 4.1). Nothing may have emptied the journal meanwhile.
 */
function commitsIn(path: string): number {
  const bytes = readFileSync(`${path}-wal`);
  const [HEADER, FRAME_HEADER] = [32, 24];
  // Frames of another salt are what is left of an earlier use of the file.
  const salt = bytes.subarray(16, 24);
  let commits = 0;
  for (let at = HEADER; at + FRAME_HEADER <= bytes.length; at += FRAME_HEADER + PAGE_BYTES) {
    if (bytes.subarray(at + 8, at + 16).compare(salt) === 0 && bytes.readUInt32BE(at + 4) !== 0) commits += 1;
  }
  return commits;
}

test("calls of one turn share a commit", async () => {
  const path = freshPath();
  const vault = await openTestVault({ path });
  await vault.createKv({ name: "first", value: "v", keyContext: CONTEXT });
  const before = commitsIn(path);
  const calls = 16;
  // As requests come: each in a callback of its own, between which all that can go on does.
  await Promise.all(
    Array.from(
      { length: calls },
      (_, i) =>
        new Promise((resolve, reject) => {
          setImmediate(() => {
            vault.createKv({ name: `name ${i}`, value: "v", keyContext: CONTEXT }).then(resolve, reject);
          });
        }),
    ),
  );
  expect(commitsIn(path) - before).toBe(1);
  // One after another each has its own: it is durable before it is answered.
  for (let i = 0; i < 3; i++) await vault.createKv({ name: `later ${i}`, value: "v", keyContext: CONTEXT });
  expect(commitsIn(path) - before).toBe(4);
  expect((await vault.listKv({ limit: 100 })).data).toHaveLength(calls + 4);
});

test.skipIf(process.platform !== "linux")(
  "of writes in one commit, what one takes back is kept in no file",
  async () => {
    const database: Database = await openSqlite(freshPath(), { create: true, lockWaitMs: 10_000 });
    const rows = 50;
    const insert = (at: number) =>
      database.write(async (sql) => {
        for (let i = 0; i < rows; i++) {
          const value = new Uint8Array(PAGE_BYTES).fill(at);
          await sql.run("INSERT INTO meta (name, value) VALUES (?, ?)", `${at} ${i}`, value);
        }
      });
    const files = new Set<string>();
    const spoil = () =>
      database.write(async (sql) => {
        await sql.run("UPDATE meta SET value = ?", new Uint8Array(PAGE_BYTES).fill(9));
        for (const fd of readdirSync("/proc/self/fd")) {
          try {
            files.add(readlinkSync(`/proc/self/fd/${fd}`));
          } catch {} // The one of the directory itself.
        }
        throw new Error("no");
      });
    const [first, second] = await Promise.allSettled([insert(1), spoil(), insert(2)]);
    expect([first?.status, second?.status]).toEqual(["fulfilled", "rejected"]);
    // SQLite's names for files of its own begin so, wherever they are.
    expect([...files].filter((file) => file.includes("etilqs_"))).toEqual([]);
    expect(files.size).toBeGreaterThan(0);
    const left = await database.read((sql) => sql.all("SELECT value FROM meta"));
    expect(new Set(left.map((row) => (row.value as Uint8Array)[0]))).toEqual(new Set([1, 2]));
    expect(left).toHaveLength(2 * rows);
    await database.close();
  },
);

/** Files that the command writes: whole or not at all, whatever ends it and whatever the disk says. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { seededBytes } from "../support/bytes.ts";
import { workplace } from "../support/cli.ts";

const ORG_1 = ["--context", "organization_id=org_1"];
const CONTENT = seededBytes(9, 20_000_000);
const FAULTS = join(import.meta.dirname, "..", "support", "file-faults.ts");
const STEPS_MAX = 60;

const faulty = (fault: string) => ({
  env: { NODE_OPTIONS: `--import=${FAULTS}`, COFFER_TEST_FAULT: fault },
});

async function withSealed(bytes = 1000) {
  const place = workplace();
  writeFileSync(place.path("in"), CONTENT.subarray(0, bytes));
  await place.out(["encrypt-file", "in", ...ORG_1]);
  const left = (): string[] => readdirSync(place.directory).filter((name) => name.endsWith(".tmp"));
  return { ...place, left };
}

test("ended by force at every step, there is the old file or the new one, and the rest is named", async () => {
  const { path, run, left } = await withSealed();
  let isEnded = false;
  for (let step = 1; step <= STEPS_MAX && !isEnded; step++) {
    writeFileSync(path("out"), "old");
    const ran = await run(["decrypt-file", "in.coffer", "--out", "out", "--force"], faulty(`kill:${step}`));
    isEnded = ran.code === 0;
    const found = readFileSync(path("out"));
    expect(found.length === 3 || Buffer.compare(found, CONTENT.subarray(0, 1000)) === 0, `${step}`).toBe(
      true,
    );
  }
  expect(isEnded).toBe(true);
  expect(left().length).toBeGreaterThan(0);
  const next = await run(["decrypt-file", "in.coffer", "--out", "out", "--force"]);
  for (const name of left()) expect(next.err).toContain(name);
}, 30_000);

test.each([
  ["ENOSPC:write:1", "the disk is full, ENOSPC"],
  ["EDQUOT:write:1", "the disk quota is used up, EDQUOT"],
  ["EROFS:openSync", "the file system is read-only, EROFS"],
  ["EMFILE:openSync", "this process may not open more files, EMFILE"],
  ["EIO:fsync:1", "the disk or its connection failed, EIO"],
  ["EXDEV:renameSync:1", "the directory is another file system, EXDEV"],
  ["EBUSY:renameSync:1", "it is in use, as a mount point is, EBUSY"],
])("what the system refuses (%s) is told, and the old file stays", async (fault, reason) => {
  const { path, run, left } = await withSealed();
  writeFileSync(path("out"), "old");
  const ran = await run(["decrypt-file", "in.coffer", "--out", "out", "--force"], faulty(fault));
  expect(ran).toMatchObject({ code: 1, out: "" });
  expect(ran.err).toContain(`(${reason}) (ERR_OUTPUT_FAILED)`);
  expect(readFileSync(path("out"), "utf8")).toBe("old");
  expect(left()).toEqual([]);
});

test("where files cannot be linked, nothing is replaced without --force either", async () => {
  const { path, run, left } = await withSealed();
  const noLinks = faulty("EPERM:linkSync");
  expect((await run(["decrypt-file", "in.coffer", "--out", "out"], noLinks)).code).toBe(0);
  expect(statSync(path("out")).size).toBe(1000);
  expect(statSync(path("out")).mode & 0o777).toBe(0o600);
  writeFileSync(path("out"), "old");
  const refused = await run(["decrypt-file", "in.coffer", "--out", "out"], noLinks);
  expect(refused.err).toContain("(ERR_OUTPUT_EXISTS)");
  expect(readFileSync(path("out"), "utf8")).toBe("old");
  expect(left()).toEqual([]);
});

test.each([
  ["cat in.coffer", "printf x >> in.coffer", "grown"],
  ["cat in.coffer", "truncate -s 3000000 in.coffer", ""],
  ["decrypt-file in.coffer --out -", "printf x >> in.coffer", ""],
  ["encrypt-file in --context organization_id=org_1 --out -", "printf x >> in", "grown"],
  ["encrypt-file in --context organization_id=org_1 --out -", "truncate -s 19000000 in", "shorter"],
])("a source that changes under %s is no success: %s", async (command, change, what) => {
  const { shell } = await withSealed(CONTENT.length);
  // The pipe is full before the change comes.
  const ran = await shell(
    `{ coffer ${command}; echo $? > code; } | { head -c 1 > /dev/null; ${change}; cat > /dev/null; }; cat code`,
  );
  expect(ran.out).not.toBe("0\n");
  expect(ran.err).toContain(what);
  expect(ran.err).toMatch(/\(ERR_(INPUT_UNREADABLE|DECRYPT_FAILED|ENVELOPE_MALFORMED)\)/);
});

describe.skipIf(!canMount())(
  "on a disk that is really full (skipped where mounting is not permitted)",
  () => {
    test("nothing is left, and nothing that was there is lost", async () => {
      const { path, run, out } = workplace();
      mkdirSync(path("disk"));
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", path("disk")]).status).toBe(0);
      onTestFinished(() => void spawnSync("umount", [path("disk")]));
      writeFileSync(path("disk/small"), CONTENT.subarray(0, 60_000));
      await out(["encrypt-file", "disk/small", ...ORG_1]);
      const sealed = readFileSync(path("disk/small.coffer"));
      writeFileSync(path("large"), CONTENT.subarray(0, 300_000));
      for (const args of [
        ["encrypt-file", "large", "--out", "disk/small.coffer", "--force", ...ORG_1],
        ["encrypt-file", "large", "--out", "disk/new", ...ORG_1],
      ]) {
        expect((await run(args)).err).toContain("(the disk is full, ENOSPC) (ERR_OUTPUT_FAILED)");
      }
      const free = Number(
        spawnSync("df", ["--output=avail", "-k", path("disk")])
          .stdout.toString()
          .split("\n")[1],
      );
      writeFileSync(path("disk/filler"), new Uint8Array(free * 1024));
      const rekeyed = await run(["rekey-file", "disk/small.coffer", "--context", "organization_id=org_2"]);
      expect(rekeyed.err).toContain("(the disk is full, ENOSPC) (ERR_OUTPUT_FAILED)");
      expect(Buffer.compare(readFileSync(path("disk/small.coffer")), sealed)).toBe(0);
      expect(readdirSync(path("disk")).sort()).toEqual(["filler", "small", "small.coffer"]);
      expect((await run(["cat", "disk/small.coffer", "--range", "0-9"])).bytes).toHaveLength(10);
      spawnSync("mount", ["-o", "remount,ro", path("disk")]);
      const readOnly = await run(["decrypt-file", "disk/small.coffer", "--out", "disk/x"]);
      expect(readOnly.err).toContain("(the file system is read-only, EROFS) (ERR_OUTPUT_FAILED)");
      const inPlace = await run(["rekey-file", "disk/small.coffer", ...ORG_1]);
      expect(inPlace.err).toContain("EROFS");
      expect(inPlace.code).toBe(1);
    });
  },
);

function canMount(): boolean {
  return (
    process.platform === "linux" &&
    spawnSync("unshare", ["-m", "true"]).status === 0 &&
    process.geteuid?.() === 0
  );
}

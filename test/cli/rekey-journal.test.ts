/** A rekey in place under crashes, full disks, exchanged files and other processes (native-envelope.md section 8.1). */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { journalPath, writeJournal } from "../../src/cli/files/rekey-journal.ts";
import { seededBytes } from "../support/bytes.ts";
import { type Workplace, workplace } from "../support/cli.ts";

const ORG_1 = ["--context", "organization_id=org_1"];
const ORG_2 = ["--context", "organization_id=org_2"];
const CONTENT = seededBytes(9, 50_000);
const BODY_BYTES = CONTENT.length + 4 * 16 + 56;
const FAULTS = join(import.meta.dirname, "..", "support", "file-faults.ts");
const STEPS_MAX = 60;

const faulty = (fault: string) => ({
  env: { NODE_OPTIONS: `--import=${FAULTS}`, COFFER_TEST_FAULT: fault },
});

async function withSealed(): Promise<Workplace & { sealed(): Buffer; header(): Buffer }> {
  const place = workplace();
  writeFileSync(place.path("in"), CONTENT);
  await place.out(["encrypt-file", "in", ...ORG_1]);
  // Its KEKs exist, so that a rekey touches nothing but the file.
  await place.out(["encrypt", "x", ...ORG_2]);
  const sealed = (): Buffer => readFileSync(place.path("in.coffer"));
  return { ...place, sealed, header: () => sealed().subarray(0, -BODY_BYTES) };
}

const isReadable = async (place: Workplace, file = "in.coffer"): Promise<boolean> =>
  Buffer.compare((await place.run(["cat", file])).bytes, CONTENT) === 0;
const names = (place: Workplace, pattern: RegExp): string[] =>
  readdirSync(place.directory).filter((name) => pattern.test(name));

/** A journal as a killed process leaves it, and the two headers in it. */
async function withJournal() {
  const place = await withSealed();
  const old = Buffer.from(place.header());
  const before = place.sealed();
  await place.out(["rekey-file", "in.coffer", ...ORG_2]);
  const header = Buffer.from(place.header());
  const after = place.sealed();
  const prefix = before.subarray(old.length, old.length + 56);
  const leave = (): void => {
    rmSync(place.path("in.coffer.rekey"), { force: true });
    // An id that no process has.
    writeJournal(place.path("in.coffer"), {
      writer: 2 ** 31 - 1,
      size: before.length,
      prefix,
      old,
      new: header,
    });
  };
  const torn = Buffer.concat([header.subarray(0, 80), before.subarray(80)]);
  return { ...place, before, after, torn, leave };
}

describe("ended by force", () => {
  test.each(["kill", "tear"])(
    "[NAT-30] at every step (%s): the file can be read, or rekey-file makes it so",
    async (fault) => {
      const place = await withSealed();
      const first = place.sealed();
      writeFileSync(place.path("other"), CONTENT.subarray(0, 40_000));
      await place.out(["encrypt-file", "other", "--out", "other.coffer", ...ORG_1]);
      let isEnded = false;
      for (let step = 1; step <= STEPS_MAX && !isEnded; step++) {
        writeFileSync(place.path("in.coffer"), first);
        const ran = await place.run(["rekey-file", "in.coffer", ...ORG_2], faulty(`${fault}:${step}`));
        isEnded = ran.code === 0;
        if (isEnded) break;
        expect(ran.code, `step ${step}: ${ran.err}`).toBe(null);
        const read = await place.run(["cat", "in.coffer"]);
        if (read.code !== 0) expect(read.err).toContain("finishes it");
        else expect(Buffer.compare(read.bytes, CONTENT)).toBe(0);
        // The file is exchanged at this very moment: what is left behind must not touch it.
        copyFileSync(place.path("in.coffer"), place.path("kept"));
        copyFileSync(place.path("other.coffer"), place.path("exchanged"));
        renameSync(place.path("exchanged"), place.path("in.coffer"));
        await place.out(["rekey-file", "in.coffer", ...ORG_2]);
        const other = await place.run(["cat", "in.coffer"]);
        expect(Buffer.compare(other.bytes, CONTENT.subarray(0, 40_000)), `step ${step}`).toBe(0);
        expect(names(place, /rekey$/)).toEqual([]);
      }
      expect(isEnded).toBe(true);
      expect(await isReadable(place)).toBe(true);
    },
    // Some thirty steps of four processes each: seconds here, minutes on a machine that others use.
    240_000,
  );

  test("[NAT-32] a torn header is refused to read, and completed by the next rekey", async () => {
    const place = await withJournal();
    for (const torn of [
      place.torn,
      Buffer.from(place.before).fill(0, 50, place.before.length - BODY_BYTES),
    ]) {
      writeFileSync(place.path("in.coffer"), torn);
      place.leave();
      for (const command of [
        ["decrypt-file", "in.coffer", "--out", "x"],
        ["cat", "in.coffer"],
        ["rekey-file", "in.coffer", "--out", "y", ...ORG_1],
      ]) {
        const ran = await place.run(command);
        expect(ran.code).toBe(1);
        expect(ran.err).toContain("`coffer rekey-file` on the same file finishes it");
      }
      const finished = await place.run(["rekey-file", "in.coffer", ...ORG_1]);
      expect(finished).toMatchObject({ code: 0, err: expect.stringContaining("finished first") });
      expect(await isReadable(place)).toBe(true);
      expect(names(place, /rekey|tmp/)).toEqual([]);
    }
  });

  test("[NAT-33] a journal blocks nothing where the header is whole: old, new, or another file's", async () => {
    const place = await withJournal();
    await place.out(["encrypt-file", "in", "--out", "third.coffer", ...ORG_1]);
    const third = readFileSync(place.path("third.coffer"));
    writeFileSync(place.path("again.coffer"), place.after);
    await place.out(["rekey-file", "again.coffer", ...ORG_1]);
    const again = readFileSync(place.path("again.coffer"));
    for (const [file, note] of [
      [place.before, "before it changed anything"],
      [place.after, "finished first"],
      // Put there by hand, and the same message under a third header.
      [third, "about another file"],
      [again, "about another file"],
    ] as const) {
      writeFileSync(place.path("in.coffer"), file);
      place.leave();
      expect(await isReadable(place)).toBe(true);
      const ran = await place.run(["rekey-file", "in.coffer", ...ORG_1]);
      expect(ran).toMatchObject({ code: 0, err: expect.stringContaining(note) });
      expect(await isReadable(place)).toBe(true);
      expect(names(place, /rekey$/)).toEqual([]);
    }
  });

  test("[NAT-34] a command that replaces the file takes its journal along", async () => {
    const place = await withJournal();
    const [sealed] = [await place.out(["encrypt", "x", ...ORG_1])];
    for (const command of [
      ["encrypt-file", "in", "--out", "in.coffer", "--force", ...ORG_1],
      ["decrypt", sealed!.trim(), "--out", "in.coffer", "--force"],
      ["rekey-file", "copy", "--out", "in.coffer", "--force", ...ORG_1],
    ]) {
      writeFileSync(place.path("copy"), place.after);
      place.leave();
      await place.out(command);
      expect(names(place, /rekey$/), command[0]).toEqual([]);
    }
  });
});

describe("[NAT-31] what is no journal", () => {
  test("is neither used nor removed, and stops no reader", async () => {
    const place = await withJournal();
    const journal = place.path("in.coffer.rekey");
    place.leave();
    const good = readFileSync(journal);
    const flipped = Buffer.from(good);
    flipped[100]! ^= 1;
    const bare = place.after.subarray(0, place.after.length - BODY_BYTES);
    for (const bytes of [
      flipped,
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.alloc(70_000),
      Buffer.alloc(300_000),
      Buffer.from("my own notes"),
      // A header and its digest, which name no file.
      Buffer.concat([bare, createHash("sha256").update(bare).digest()]),
    ]) {
      writeFileSync(place.path("in.coffer"), place.before);
      writeFileSync(journal, bytes);
      expect(await isReadable(place)).toBe(true);
      const refused = await place.run(["rekey-file", "in.coffer", ...ORG_2]);
      expect(refused).toMatchObject({ code: 1, err: expect.stringContaining("taken by something else") });
      expect(Buffer.compare(readFileSync(journal), bytes)).toBe(0);
      expect(Buffer.compare(place.sealed(), place.before)).toBe(0);
    }
    // An empty one has nothing to lose.
    writeFileSync(journal, "");
    expect(await isReadable(place)).toBe(true);
    await place.out(["rekey-file", "in.coffer", ...ORG_2]);
    expect(existsSync(journal)).toBe(false);
  });

  test("includes links, and files that others can write to or own", async () => {
    const place = await withJournal();
    const journal = place.path("in.coffer.rekey");
    writeFileSync(place.path("in.coffer"), place.torn);
    const plant = [
      (): void => chmodSync(journal, 0o620),
      (): void => {
        renameSync(journal, place.path("elsewhere"));
        symlinkSync(place.path("elsewhere"), journal);
      },
      ...(process.geteuid?.() === 0 ? [(): void => chownSync(journal, 12_345, 12_345)] : []),
    ];
    for (const change of plant) {
      place.leave();
      change();
      // No hint says to finish what another user has begun.
      expect((await place.run(["cat", "in.coffer"])).err).not.toContain("finishes it");
      await place.run(["rekey-file", "in.coffer", ...ORG_2]);
      expect(Buffer.compare(place.sealed(), place.torn)).toBe(0);
      expect(existsSync(journal)).toBe(true);
    }
  });
});

test.each([
  ["ENOSPC:openSync", "the disk is full, ENOSPC"],
  ["EDQUOT:writeSync", "the disk quota is used up, EDQUOT"],
  ["EROFS:openSync", "the file system is read-only, EROFS"],
  ["ENOSPC:writeSync:2", "the disk is full, ENOSPC"],
  ["EIO:fsyncSync:1", "EIO"],
])("a disk that refuses (%s) leaves the file as it was, and no journal", async (fault, reason) => {
  const place = await withSealed();
  const before = place.sealed();
  const ran = await place.run(["rekey-file", "in.coffer", ...ORG_2], faulty(fault));
  expect(ran.code).toBe(1);
  expect(ran.err).toContain(`${reason}) (ERR_OUTPUT_FAILED)`);
  expect(Buffer.compare(place.sealed(), before)).toBe(0);
  expect(names(place, /rekey|tmp/)).toEqual([]);
});

test("two at once: one does it, the other is told, and the file is whole", async () => {
  const place = await withSealed();
  for (let round = 0; round < 3; round++) {
    const ran = await Promise.all([1, 2, 3].map(() => place.run(["rekey-file", "in.coffer", ...ORG_2])));
    for (const { code, err } of ran.filter((each) => each.code !== 0)) {
      expect(code).toBe(1);
      expect(err).toMatch(/another (rekey of this file is under way|process)/);
      expect(err).not.toContain("EEXIST");
    }
    expect(ran.some(({ code }) => code === 0)).toBe(true);
    expect(await isReadable(place)).toBe(true);
  }
});

test("a link's file is changed with its own journal, and a copy keeps owner and mode", async () => {
  const place = await withJournal();
  symlinkSync(place.path("in.coffer"), place.path("link"));
  writeFileSync(place.path("in.coffer"), place.torn);
  place.leave();
  expect((await place.run(["cat", "link"])).err).toContain("finishes it");
  expect((await place.run(["rekey-file", "link", ...ORG_1])).err).toContain("finished first");
  expect(await isReadable(place)).toBe(true);
  chmodSync(place.path("in.coffer"), 0o640);
  if (process.geteuid?.() === 0) chownSync(place.path("in.coffer"), 12_345, 12_346);
  const { uid, gid } = statSync(place.path("in.coffer"));
  await place.out(["rekey-file", "in.coffer", ...ORG_1, "--context", "region=eu"]);
  const after = statSync(place.path("in.coffer"));
  expect([after.mode & 0o777, after.uid, after.gid]).toEqual([0o640, uid, gid]);
});

test("a journal's name fits where the file's does, and is its alone", () => {
  const long = "語".repeat(80);
  for (const name of ["a", "x".repeat(137), "x".repeat(138), "x".repeat(255), long]) {
    expect(Buffer.byteLength(journalPath(name))).toBeLessThanOrEqual(143);
  }
  expect(journalPath("/d/a")).toBe("/d/a.rekey");
  expect(journalPath(`${long}1`)).not.toBe(journalPath(`${long}2`));
});

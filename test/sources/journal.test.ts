/** Sources without transactions: files and rows of one's own, and pages that are interrupted. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { nativeDecrypt, nativeEncrypt } from "../../src/crypto/index.ts";
import { parseNativeHeader } from "../../src/crypto/native/format.ts";
import { Vault } from "../../src/index.ts";
import { type CiphertextSource, RekeyJob } from "../../src/rekey/index.ts";
import { cofferFolder, iterableSource, jsonLinesFile } from "../../src/sources/index.ts";
import { base64, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { openTestHost, sessionOf } from "../support/vaults.ts";

const CONTEXT = { app: "a" };

async function setting() {
  const directory = mkdtempSync(join(tmpdir(), "coffer-journal-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const host = await openTestHost();
  onTestFinished(() => host.close());
  const { keys, kv, keks } = await sessionOf(host);
  const vault = new Vault({ keys, kv, keks, cache: { maxAgeMs: 0 } });
  const rotate = () => keks.rotate({ name: "app", value: "a" });
  return { directory, vault, rotate };
}

test("[JOB-25] however often a page is interrupted and written again, each row is moved once", async () => {
  const { directory, vault, rotate } = await setting();
  const values = await Promise.all(Array.from({ length: 30 }, (_, i) => vault.encrypt(`${i}`, CONTEXT)));
  await rotate();
  const rows = values.map((value, i) => ({ key: `${i}`, value }));
  let untilDeath = 0;
  const open = () =>
    iterableSource({
      name: "mine",
      slots: ["body"],
      journal: join(directory, "journal"),
      rows: () => rows.map(({ key, value }) => ({ key, values: [value], fields: {} })),
      write: (key, [change]) => {
        if (untilDeath-- === 0) throw new Error("killed");
        const row = rows[Number(key)]!;
        if (row.value === change!.after) return "written";
        if (row.value !== change!.before) return "changed";
        row.value = change!.after;
        return "written";
      },
    });
  for (untilDeath of [0, 3, 1, 9, 14]) {
    const source = open();
    const error = await new RekeyJob({ keys: vault.keys, source, mode: "rewrap" })
      .run({ pageRows: 8, leaseMs: 200, workers: 1 })
      .catch((failure) => failure);
    expect(error.message).toBe("killed");
    await source.close();
  }
  untilDeath = -1;
  const source = open();
  const report = await new RekeyJob({ keys: vault.keys, source, mode: "rewrap" }).run({ leaseMs: 200 });
  expect(report).toMatchObject({ isComplete: true, counts: { rows: 30, moved: 30, conflicts: 0 } });
  for (const [i, { value }] of rows.entries()) expect(await vault.decrypt(value)).toBe(`${i}`);
  await source.close();
  expect(readdirSync(directory)).toEqual([]);
});

test("JSON lines keep every character but those of their ciphertexts", async () => {
  const { directory, vault, rotate } = await setting();
  const path = join(directory, "users.jsonl");
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((text) => vault.encrypt(text, CONTEXT)));
  await rotate();
  const lines = [
    `{"id": 1.0, "big": 12345678901234567890, "ssn":"${a}",  "é": "\\u00e9"}\r\n`,
    "\n",
    "no json\n",
    `{"id":2,"deep":{"ssn":${JSON.stringify(b).replaceAll("/", "\\/")}},"ssn":null}\n`,
    `{"id":3,"ssn":"${c}","copy":"${c}"}\n`,
    `{"id":4,"ssn":"plain"}`,
  ];
  writeFileSync(path, lines.join(""), { mode: 0o640 });
  const source = await jsonLinesFile({ path, columns: ["ssn", ["deep", "ssn"]] });
  expect(source.slots).toEqual(["ssn", "deep.ssn"]);
  const report = await new RekeyJob({ keys: vault.keys, source, mode: "rewrap" }).run({ pageRows: 2 });
  expect(report.counts).toMatchObject({ rows: 6, moved: 2, empty: 6, plaintext: 3, refused: 1 });
  await source.close();
  const after = readFileSync(path, "utf8").split(/(?<=\n)/);
  const [one, two] = [JSON.parse(after[0]!).ssn, JSON.parse(after[3]!).deep.ssn];
  expect(after[0]).toBe(lines[0]!.replace(a!, one));
  expect(after[3]).toBe(`{"id":2,"deep":{"ssn":"${two}"},"ssn":null}\n`);
  expect([...after.slice(1, 3), ...after.slice(4)]).toEqual([...lines.slice(1, 3), ...lines.slice(4)]);
  expect([await vault.decrypt(one), await vault.decrypt(two)]).toEqual(["a", "b"]);
  expect([one, two]).not.toContain(a);
  expect(statSync(path).mode & 0o777).toBe(0o640);
  expect(readdirSync(directory)).toEqual(["users.jsonl"]);
});

test("JSON lines that somebody else writes meanwhile stay as they are", async () => {
  const { directory, vault, rotate } = await setting();
  const path = join(directory, "users.jsonl");
  const text = await vault.encrypt("a", CONTEXT);
  await rotate();
  writeFileSync(path, `{"ssn":"${text}"}\n`);
  const source = await jsonLinesFile({ path, columns: ["ssn"] });
  const job = new RekeyJob({ keys: vault.keys, source, mode: "rewrap" });
  const grown = `{"ssn":"${text}"}\n{"ssn":"${text}"}\n`;
  const error = await rejectionOf(() => job.run({ onProgress: () => writeFileSync(path, grown) }));
  expect(error.code).toBe("ERR_SOURCE_CHANGED");
  expect(readFileSync(path, "utf8")).toBe(grown);
  await job.abort();
  await source.close();
  expect(readdirSync(directory)).toEqual(["users.jsonl"]);
});

test("a folder's files get new headers, in place or by a copy, and their data stays", async () => {
  const { directory, vault, rotate } = await setting();
  mkdirSync(join(directory, "sub"));
  const data = (name: string): Uint8Array => utf8Bytes(name.repeat(5_000));
  const names = ["a.coffer", "b.coffer", join("sub", "c.coffer")];
  for (const name of names) {
    using key = await vault.createDataKey({ context: CONTEXT });
    writeFileSync(join(directory, name), await nativeEncrypt(data(name), key, "aad"));
  }
  writeFileSync(join(directory, "other.coffer"), "no ciphertext");
  writeFileSync(join(directory, "readme.txt"), "not looked at");
  await rotate();
  const bodyOf = (name: string): Uint8Array => {
    const bytes = readFileSync(join(directory, name));
    return bytes.subarray(parseNativeHeader(bytes).bytes);
  };
  const before = names.map(bodyOf);
  const run = async (options: object) => {
    const source = await cofferFolder({ path: directory });
    const report = await new RekeyJob({ keys: vault.keys, source, mode: "rewrap", ...options }).run();
    await source.close();
    return report;
  };
  const first = await run({});
  expect(first.counts).toMatchObject({ rows: 4, moved: 3, plaintext: 1 });
  // Two entries make a longer header: the file is copied.
  const second = await run({ mode: "rekey", context: () => ({ app: "a", team: "t" }) });
  expect(second.counts).toMatchObject({ rows: 4, moved: 3, plaintext: 1 });
  expect(names.map(bodyOf)).toEqual(before);
  for (const name of names) {
    const bytes = Uint8Array.from(readFileSync(join(directory, name)));
    using key = await vault.createDecrypt({ keys: base64(parseNativeHeader(bytes).keyBlob) });
    expect(key.context).toEqual({ app: "a", team: "t" });
    expect(await nativeDecrypt(bytes, key, "aad")).toEqual(data(name));
  }
  expect(readdirSync(directory).sort()).toEqual([
    "a.coffer",
    "b.coffer",
    "other.coffer",
    "readme.txt",
    "sub",
  ]);
  const source = await cofferFolder({ path: directory });
  expect(() => new RekeyJob({ keys: vault.keys, source, mode: "re-encrypt" })).toThrow(
    expect.objectContaining({ code: "ERR_UNSUPPORTED" }),
  );
  expect((await rejectionOf(() => cofferFolder({ path: join(directory, "none") }))).code).toBe(
    "ERR_SOURCE_INVALID",
  );
});

test("[JOB-25] a header that a crash has torn is written again as a whole", async () => {
  const { directory, vault, rotate } = await setting();
  const path = join(directory, "a.coffer");
  using key = await vault.createDataKey({ context: CONTEXT });
  writeFileSync(path, await nativeEncrypt(utf8Bytes("data"), key, "aad"));
  const before = readFileSync(path);
  const headerBytes = parseNativeHeader(before).bytes;
  await rotate();
  const dying = await cofferFolder({ path: directory });
  const job = (source: CiphertextSource) => new RekeyJob({ keys: vault.keys, source, mode: "rewrap" });
  const journal = new DatabaseSync(join(directory, ".coffer-rekey"));
  // The page is written, and its end is not noted: as if the process had died in between.
  journal.exec(`CREATE TABLE coffer_rekey_notes (job_id TEXT NOT NULL, number INTEGER NOT NULL, note TEXT NOT NULL,
    PRIMARY KEY (job_id, number))`);
  journal.exec(
    "CREATE TRIGGER dies BEFORE DELETE ON coffer_rekey_notes BEGIN SELECT RAISE(ABORT, 'dies'); END",
  );
  await rejectionOf(() => job(dying).run({ leaseMs: 200 }));
  const after = readFileSync(path);
  expect(after.subarray(headerBytes)).toEqual(before.subarray(headerBytes));
  expect(after).not.toEqual(before);
  const torn = Buffer.concat([after.subarray(0, 60), before.subarray(60)]);
  writeFileSync(path, torn);
  journal.exec("DROP TRIGGER dies");
  journal.close();
  await dying.close();
  const source = await cofferFolder({ path: directory });
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect((await job(source).run()).counts).toMatchObject({ rows: 1, moved: 1 });
  await source.close();
  expect(readFileSync(path)).toEqual(after);
});

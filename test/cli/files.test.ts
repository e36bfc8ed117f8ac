/** `coffer encrypt-file`, `decrypt-file`, `cat` and `rekey-file`, run as processes. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { bytesText, Progress, progressLine } from "../../src/cli/output/progress.ts";
import { seededBytes } from "../support/bytes.ts";
import { hasTerminal, workplace } from "../support/cli.ts";

const ORG_1 = ["--context", "organization_id=org_1"];
const ORG_2 = ["--context", "organization_id=org_2"];
const CONTENT = seededBytes(9, 1_000_000);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A workplace with a file in it, and its encrypted form if wanted. */
async function withFile(content: Uint8Array = CONTENT) {
  const place = workplace();
  writeFileSync(place.path("in"), content);
  await place.out(["encrypt-file", "in", ...ORG_1]);
  return { ...place, sealed: (): Buffer => readFileSync(place.path("in.coffer")) };
}

describe("encrypt-file and decrypt-file", () => {
  test.each([0, 1, 16_384, 1_000_000])("there and back, %i bytes, quiet when piped", async (size) => {
    const { path, run, out } = workplace();
    writeFileSync(path("in"), CONTENT.subarray(0, size));
    expect(await run(["encrypt-file", "in", ...ORG_1, "--aad", "a"])).toMatchObject({ code: 0, out: "" });
    expect(readFileSync(path("in.coffer")).subarray(0, 6)).toEqual(Buffer.from("434652310100", "hex"));
    expect(statSync(path("in.coffer")).mode & 0o777).toBe(0o600);
    const ran = await run(["decrypt-file", "in.coffer", "--out", "back", "--aad", "a"]);
    expect(ran).toMatchObject({ code: 0, out: "", err: "" });
    expect(Buffer.compare(readFileSync(path("back")), CONTENT.subarray(0, size))).toBe(0);
    expect(await out(["decrypt-file", "in.coffer", "--out", "-", "--aad", "a"])).toHaveLength(
      CONTENT.subarray(0, size).length === 0 ? 0 : Buffer.from(CONTENT.subarray(0, size)).toString().length,
    );
    expect((await run(["decrypt-file", "in.coffer", "--out", "other"])).code).toBe(3);
    expect(readdirSync(path(".")).sort()).toEqual([
      "back",
      "in",
      "in.coffer",
      "vault.db",
      "vault.db.root-key",
    ]);
  });

  test("through pipes, and with names of their own", async () => {
    const { path, run, shell, json } = await withFile();
    const piped = await shell(
      "cat in | coffer encrypt-file - --out - --context user=42 | coffer decrypt-file - --out -",
    );
    expect(piped.code).toBe(0);
    expect(Buffer.compare(piped.bytes, CONTENT)).toBe(0);
    expect((await run(["decrypt-file", "in.coffer"])).err).toContain("ERR_OUTPUT_EXISTS");
    const told = await json([
      "decrypt-file",
      "in.coffer",
      "--force",
      "--expect-context",
      "organization_id=org_1",
    ]);
    expect(told).toEqual({ file: "in", bytes: CONTENT.length });
    expect(Buffer.compare(readFileSync(path("in")), CONTENT)).toBe(0);
  });

  test("refuse what they cannot do, before the vault is touched", async () => {
    const { path, run } = workplace();
    writeFileSync(path("in"), "x");
    mkdirSync(path("directory"));
    symlinkSync(path("in"), path("link"));
    for (const [args, code] of [
      [["encrypt-file", "in"], "ERR_USAGE"],
      [["encrypt-file", "", ...ORG_1], "ERR_USAGE"],
      [["encrypt-file", "-", ...ORG_1], "ERR_USAGE"],
      [["encrypt-file", "none", ...ORG_1], "ERR_INPUT_UNREADABLE"],
      [["encrypt-file", "directory", ...ORG_1], "ERR_INPUT_UNREADABLE"],
      [["encrypt-file", "in", "--out", "none/out", ...ORG_1], "ERR_OUTPUT_FAILED"],
      [["encrypt-file", "in", "--out", "directory", ...ORG_1], "ERR_OUTPUT_EXISTS"],
      [["encrypt-file", "in", "--out", "link", "--force", ...ORG_1], "ERR_OUTPUT_EXISTS"],
      [["encrypt-file", "in", "--out", "-", "--format", "json", ...ORG_1], "ERR_USAGE"],
      [["decrypt-file", "in"], "ERR_USAGE"],
      [["decrypt-file", "in", "--out", ""], "ERR_USAGE"],
      [["cat", "-"], "ERR_USAGE"],
      [["cat", "in", "--range", "5"], "ERR_USAGE"],
      [["cat", "in", "--range", "5-4"], "ERR_USAGE"],
      [["cat", "in", "--range", "-"], "ERR_USAGE"],
      [["cat", "none"], "ERR_INPUT_UNREADABLE"],
      [["rekey-file", "-", ...ORG_1], "ERR_USAGE"],
      [["rekey-file", "in", "--out", "-", ...ORG_1], "ERR_USAGE"],
      [["rekey-file", "in"], "ERR_USAGE"],
      [["rekey-file", "in", ...ORG_1], "ERR_ENVELOPE_MALFORMED"],
    ] as [string[], string][]) {
      if (code === "ERR_ENVELOPE_MALFORMED") writeFileSync(path("in"), "CFR1\u0001");
      const ran = await run(args);
      expect(ran.err, args.join(" ")).toContain(code);
      expect(ran.out).toBe("");
    }
    expect(existsSync(path("vault.db"))).toBe(false);
    expect(readdirSync(path(".")).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("a file that is cut off, altered or no envelope leaves nothing behind", async () => {
    const { path, run, sealed } = await withFile();
    const good = sealed();
    const flipped = Buffer.from(good);
    flipped[good.length - 20]! ^= 1;
    for (const [bad, code, exit] of [
      [good.subarray(0, 500_000), "ERR_DECRYPT_FAILED", 3],
      [good.subarray(0, good.length - 1), "ERR_DECRYPT_FAILED", 3],
      [good.subarray(0, 100), "ERR_ENVELOPE_MALFORMED", 3],
      [flipped, "ERR_DECRYPT_FAILED", 3],
      [Buffer.alloc(0), "ERR_NOT_CIPHERTEXT", 1],
      [Buffer.from("CFR2..."), "ERR_ENVELOPE_UNSUPPORTED", 1],
      [CONTENT, "ERR_NOT_CIPHERTEXT", 1],
    ] as [Uint8Array, string, number][]) {
      writeFileSync(path("bad.coffer"), bad);
      const ran = await run(["decrypt-file", "bad.coffer"]);
      expect(ran).toMatchObject({ code: exit, out: "" });
      expect(ran.err).toContain(code);
      expect(existsSync(path("bad"))).toBe(false);
      // On standard output, what came before has been written; the exit code says that it is not all.
      const piped = await run(["decrypt-file", "bad.coffer", "--out", "-"]);
      expect(piped.code).toBe(exit);
      expect(Buffer.compare(piped.bytes, CONTENT.subarray(0, piped.bytes.length))).toBe(0);
    }
    expect(readdirSync(path(".")).filter((name) => name.includes("tmp"))).toEqual([]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGQUIT", 131],
    ["SIGUSR2", 140],
    ["SIGALRM", 142],
    ["SIGABRT", 134],
  ] as const)("%s leaves neither a file that looks whole nor its beginning", async (signal, code) => {
    const { path, start } = workplace();
    const started = start(["encrypt-file", "-", "--out", "out.coffer", ...ORG_1]);
    started.child.stdin.write(CONTENT);
    const temporary = (): string[] => readdirSync(path(".")).filter((name) => name.startsWith("out.coffer"));
    for (let i = 0; i < 200 && !temporary().some((name) => statSync(path(name)).size > 500_000); i++)
      await sleep(20);
    expect(temporary()).toEqual([expect.stringMatching(/^out\.coffer\.coffer-\d+-[0-9a-f]{16}\.tmp$/)]);
    started.child.kill(signal);
    expect(await started.ended).toMatchObject({ code, out: "" });
    expect(temporary()).toEqual([]);
  });

  test("what SIGKILL leaves is named by the next run", async () => {
    const { path, start, run } = workplace();
    const started = start(["encrypt-file", "-", "--out", "out.coffer", ...ORG_1]);
    started.child.stdin.write(CONTENT);
    const left = (): string[] => readdirSync(path(".")).filter((name) => name.endsWith(".tmp"));
    for (let i = 0; i < 200 && left().length === 0; i++) await sleep(20);
    started.child.kill("SIGKILL");
    await started.ended;
    writeFileSync(path("in"), "x");
    const next = await run(["encrypt-file", "in", ...ORG_1]);
    expect(next).toMatchObject({ code: 0, out: "" });
    expect(next.err).toContain(`ended by force has left ${left()[0]}`);
  });

  test("a named pipe without a writer does not hold it", async () => {
    const { path, start } = workplace();
    expect(spawnSync("mkfifo", [path("pipe")]).status).toBe(0);
    const started = start(["encrypt-file", "pipe", "--out", "out", ...ORG_1]);
    for (let i = 0; i < 200 && !existsSync(path("vault.db")); i++) await sleep(20);
    await sleep(100);
    started.child.kill("SIGINT");
    expect((await started.ended).code).toBe(130);
    expect(existsSync(path("out"))).toBe(false);
  });

  test.each(["x".repeat(228), "x".repeat(248), "語".repeat(80)])("long names fit: %s", async (name) => {
    const { path, run, out } = workplace();
    writeFileSync(path(name), "x");
    await out(["encrypt-file", name, "--out", "sealed", ...ORG_1]);
    await out(["decrypt-file", "sealed", "--out", name, "--force"]);
    await out(["rekey-file", "sealed", "--out", `${name.slice(0, -2)}.c`, ...ORG_2]);
    await out(["rekey-file", `${name.slice(0, -2)}.c`, ...ORG_1]);
    expect(readFileSync(path(name), "utf8")).toBe("x");
    const tooLong = await run(["encrypt-file", "sealed", "--out", "x".repeat(256), ...ORG_1]);
    expect(tooLong.err).toContain("ENAMETOOLONG) (ERR_OUTPUT_FAILED)");
  });

  test("a source that grows or shrinks while it is read is an error", async () => {
    const { path, start } = workplace();
    for (const [change, what] of [
      [(): void => appendFileSync(path("in"), "more"), "grown"],
      [(): void => truncateSync(path("in"), 2 ** 20), "shorter"],
    ] as const) {
      writeFileSync(path("in"), "");
      truncateSync(path("in"), 2 ** 29);
      const started = start(["encrypt-file", "in", "--force", ...ORG_1]);
      const isBegun = (): boolean => readdirSync(path(".")).some((name) => name.endsWith(".tmp"));
      for (let i = 0; i < 400 && !isBegun(); i++) await sleep(5);
      change();
      const ran = await started.ended;
      expect(ran).toMatchObject({ code: 1, out: "" });
      expect(ran.err).toContain(what);
      expect(existsSync(path("in.coffer"))).toBe(false);
    }
  });

  test.skipIf(!existsSync("/dev/full"))("a full disk is told, and nothing is left", async () => {
    const { run, shell } = await withFile();
    const ran = await shell("coffer decrypt-file in.coffer --out - > /dev/full");
    expect(ran.code).toBe(1);
    expect(ran.err).toContain("ERR_OUTPUT_FAILED");
    expect((await run(["cat", "in.coffer", "--range", "0-9"])).code).toBe(0);
  });

  test.skipIf(!hasTerminal())("a terminal sees progress, and no binary data", async () => {
    const { path, terminal } = workplace();
    writeFileSync(path("in"), new Uint8Array(200 * 2 ** 20));
    const ran = await terminal(["encrypt-file", "in", ...ORG_1]);
    expect(ran.out).toMatch(/MiB of 200\.0 MiB \(\d+%\), [\d.]+ [KMG]iB\/s, \d+ s left/);
    const refused = await terminal(["decrypt-file", "in.coffer", "--out", "-"]);
    expect(refused.out).toContain("ERR_OUTPUT_BINARY");
    const shown = await terminal(["cat", "in.coffer", "--range", "0-9"]);
    expect(shown.out).toContain("ERR_OUTPUT_BINARY");
    const large = await terminal(["cat", "in.coffer"]);
    expect(large.out).toContain("ERR_OUTPUT_BINARY");
  });
});

describe("cat", () => {
  test("writes ranges as HTTP and curl have them", async () => {
    const { run, path } = await withFile();
    for (const [range, from, to] of [
      ["0-0", 0, 1],
      ["0-99", 0, 100],
      ["16380-16390", 16_380, 16_391],
      ["999990-", 999_990, 1_000_000],
      ["0-1000000", 0, 1_000_000],
      ["999995-9999999999999999", 999_995, 1_000_000],
      ["-5", 999_995, 1_000_000],
      ["-5000000", 0, 1_000_000],
    ] as const) {
      const ran = await run(["cat", "in.coffer", "--range", range]);
      expect(ran.code, range).toBe(0);
      expect(Buffer.compare(ran.bytes, CONTENT.subarray(from, to)), range).toBe(0);
    }
    expect(Buffer.compare((await run(["cat", "in.coffer"])).bytes, CONTENT)).toBe(0);
    for (const range of ["1000000-", "1000001-1000002", "-0"]) {
      expect((await run(["cat", "in.coffer", "--range", range])).err).toContain("ERR_USAGE");
    }
    truncateSync(path("in.coffer"), 500_000);
    // Whatever the range, a file that was cut off is none.
    const ran = await run(["cat", "in.coffer", "--range", "0-9"]);
    expect(ran).toMatchObject({ code: 3, out: "" });
  });

  test("reads servers that answer ranges", async () => {
    const { run, sealed } = await withFile();
    const file = sealed();
    const server = createServer((request, response) => {
      const [start, end] = /(\d+)-(\d+)/.exec(request.headers.range!)!.slice(1).map(Number) as [
        number,
        number,
      ];
      const body = file.subarray(start, end + 1);
      const told = `bytes ${start}-${start + body.length - 1}/${file.length}`;
      response.writeHead(206, { "content-range": told }).end(body);
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const ran = await run(["cat", `http://127.0.0.1:${port}/in.coffer`, "--range", "500000-500009"]);
    server.close();
    server.closeAllConnections();
    expect(Buffer.compare(ran.bytes, CONTENT.subarray(500_000, 500_010))).toBe(0);
    const gone = await run(["cat", `http://127.0.0.1:${port}/in.coffer`]);
    expect(gone.err).toContain("ERR_INPUT_UNREADABLE");
  });
});

describe("rekey-file", () => {
  const bodyOf = (file: Uint8Array): string =>
    createHash("sha256").update(file.subarray(-1_000_000)).digest("hex");

  test("changes the header where it is, and not one byte of the body", async () => {
    const { run, json, path, sealed } = await withFile();
    const before = sealed();
    const { ino } = statSync(path("in.coffer"));
    expect(await json(["rekey-file", "in.coffer", ...ORG_2])).toMatchObject({
      file: "in.coffer",
      isInPlace: true,
    });
    const after = sealed();
    expect(statSync(path("in.coffer")).ino).toBe(ino);
    const header = before.length - (CONTENT.length + 62 * 16 + 56);
    expect(Buffer.compare(after.subarray(header), before.subarray(header))).toBe(0);
    expect(Buffer.compare(after, before)).not.toBe(0);
    await run(["decrypt-file", "in.coffer", "--force", "--expect-context", "organization_id=org_2"]);
    expect(Buffer.compare(readFileSync(path("in")), CONTENT)).toBe(0);
    const old = await run([
      "decrypt-file",
      "in.coffer",
      "--out",
      "x",
      "--expect-context",
      "organization_id=org_1",
    ]);
    expect(old.code).toBe(3);
    expect(readdirSync(path(".")).filter((name) => /tmp|rekey/.test(name))).toEqual([]);
  });

  test("copies where the header gets longer, and where a new file is wanted", async () => {
    const { run, json, path, sealed } = await withFile();
    const before = sealed();
    const longer = [...ORG_2, "--context", "region=eu"];
    expect(await json(["rekey-file", "in.coffer", "--out", "moved", ...longer])).toMatchObject({
      isInPlace: false,
    });
    expect(Buffer.compare(sealed(), before)).toBe(0);
    expect(await json(["rekey-file", "in.coffer", ...longer])).toMatchObject({ isInPlace: false });
    for (const file of ["moved", "in.coffer"]) {
      expect(bodyOf(readFileSync(path(file)))).toBe(bodyOf(before));
      expect((await run(["cat", file, "--range", "0-9"])).bytes).toEqual(
        Buffer.from(CONTENT.subarray(0, 10)),
      );
    }
    expect((await run(["rekey-file", "in.coffer", "--out", "moved", ...longer])).err).toContain(
      "ERR_OUTPUT_EXISTS",
    );
  });

  test.skipIf(process.getuid?.() === 0)("a file that may not be written is told", async () => {
    const { run, path } = await withFile();
    chmodSync(path("in.coffer"), 0o400);
    expect((await run(["rekey-file", "in.coffer", ...ORG_2])).err).toContain("ERR_INPUT_UNREADABLE");
  });
});

test("inspect tells of a file what it tells of a text", async () => {
  const { json, out } = await withFile();
  const info = await json(["inspect", "@in.coffer"]);
  expect(info).toMatchObject({
    layout: "native",
    plaintextBytes: CONTENT.length,
    keyBlob: { format: "coffer" },
  });
  expect(await out(["inspect", "@in.coffer"])).toContain(`plaintext bytes  ${CONTENT.length}`);
});

describe("progress", () => {
  test("bytes, rate and time left", () => {
    expect(progressLine(2 ** 29, 2 ** 30, 1)).toBe("512.0 MiB of 1.0 GiB (50%), 512.0 MiB/s, 1 s left");
    expect(progressLine(100, undefined, 2)).toBe("100 B, 50 B/s");
    expect(progressLine(0, 10, 0)).toBe("0 B of 10 B (0%), 0 B/s");
    expect(progressLine(0, 0, 1)).toBe("0 B of 0 B (100%), 0 B/s");
    expect(progressLine(1, 121, 1)).toContain("2 min 0 s left");
    expect(progressLine(1, 3_600 * 5 + 61, 1)).toContain("5 h 1 min left");
    expect([0, 1023, 1024, 2 ** 60].map(bytesText)).toEqual(["0 B", "1023 B", "1.0 KiB", "1024.0 PiB"]);
  });

  test("no more than ten lines a second", () => {
    const lines: string[] = [];
    let now = 0;
    const progress = new Progress(
      (line) => lines.push(line),
      100,
      () => now,
    );
    for (; now <= 1_000; now += 10) progress.update(now / 10);
    expect(lines).toHaveLength(10);
  });
});

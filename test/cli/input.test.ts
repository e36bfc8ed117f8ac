/** Values by every way into the command: none is lost, stored empty by mistake, or shown. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { CANARY, hasTerminal, workplace } from "../support/cli.ts";

const SECRET = `s3cret ${CANARY}`;
const ORG_1 = ["--context", "org=1"];
const PROMPT = "which is not shown";

describe("a value as an argument beside one on standard input", () => {
  test("is refused, whichever the pipe's pace", async () => {
    const { shell, path, run } = workplace();
    for (const [line, isEntry] of [
      [`echo ${CANARY} | coffer encrypt --context org=1 user=2`, true],
      [`(sleep 1; echo ${CANARY}) | coffer encrypt --context org=1 user=2`, true],
      [`echo ${CANARY} | coffer encrypt value --context org=1`, false],
      [`echo ${CANARY} | coffer encrypt @file --context org=1`, false],
      [`echo ${CANARY} | coffer kv put db value --context org=1`, false],
      [`echo ${CANARY} | coffer kv put db app=2 --context org=1`, true],
      ["coffer kv put db value --context org=1 < file", false],
    ] as const) {
      writeFileSync(path("file"), "x");
      const ran = await shell(line);
      expect(ran, line).toMatchObject({ code: 1, out: "" });
      expect(ran.err).toContain("nobody knows which is meant (ERR_USAGE)");
      expect(ran.err.includes("each entry of a context needs its own --context"), line).toBe(isEntry);
    }
    expect((await run(["encrypt", "value", ...ORG_1], { stdin: SECRET })).code).toBe(1);
    expect(existsSync(path("vault.db"))).toBe(false);
  });

  test("is taken where nothing waits there", async () => {
    const { shell, run, start } = workplace();
    for (const line of [
      "coffer encrypt value --context org=1 < /dev/null",
      "coffer encrypt user=2 --context org=1 <&-",
      ": | coffer encrypt value --context org=1",
      "coffer encrypt value --context org=1 < empty",
    ]) {
      expect((await shell(`: > empty; ${line}`)).code, line).toBe(0);
    }
    expect((await run(["encrypt", "user=2", ...ORG_1], { stdin: "" })).code).toBe(0);
    // As another program starts it: a pipe that stays open and brings nothing.
    expect((await start(["encrypt", "value", ...ORG_1]).ended).code).toBe(0);
  });
});

describe("an empty value", () => {
  test("is refused by every way, unless --allow-empty", async () => {
    const { shell, path, out, json, run } = workplace();
    await out(["kv", "put", "db", SECRET, ...ORG_1]);
    writeFileSync(path("backup.coffer"), "the backup");
    for (const line of [
      "false | coffer kv put db",
      "coffer kv put db ''",
      "coffer kv put db @empty",
      "coffer kv put db - < /dev/null",
      "coffer kv put db - <&-",
      "false | coffer encrypt --context org=1",
      "coffer encrypt '' --context org=1",
      "coffer encrypt @empty --context org=1",
      "false | coffer encrypt-file - --out backup.coffer --force --context org=1",
      "coffer encrypt-file - --out backup.coffer --force --context org=1 < /dev/null",
      "coffer encrypt-file /dev/null --out backup.coffer --force --context org=1",
      "mkfifo pipe; : > pipe & coffer encrypt-file pipe --out backup.coffer --force --context org=1",
    ]) {
      const ran = await shell(`: > empty; ${line}`);
      expect(ran, line).toMatchObject({ code: 1, out: "" });
      expect(ran.err, line).toMatch(
        /(the value is empty: nothing was written) \(ERR_USAGE\)\n.*--allow-empty/,
      );
    }
    expect((await json(["kv", "versions", "db"])).data).toHaveLength(1);
    expect(readFileSync(path("backup.coffer"), "utf8")).toBe("the backup");
    for (const args of [
      ["kv", "put", "db", "", "--allow-empty"],
      ["encrypt", "", "--allow-empty", ...ORG_1],
      ["encrypt-file", "-", "--out", "backup.coffer", "--force", "--allow-empty", ...ORG_1],
      ["encrypt-file", "empty", ...ORG_1],
    ]) {
      expect((await run(args)).code, args.join(" ")).toBe(0);
    }
    expect(await out(["kv", "get", "db"])).toBe("");
  });
});

describe.skipIf(!hasTerminal())("a value that is typed", () => {
  test("is not shown, and taken as it is", async () => {
    const { terminal, out } = workplace();
    for (const [typed, value] of [
      [`${SECRET}\r`, SECRET],
      [`wrong\u0015${SECRET}x\u007f\r`, SECRET],
      ["ü語\u007f\u007fa\u0004", "a"],
    ] as const) {
      const ran = await terminal(["kv", "put", "db", "-", ...ORG_1], { prompt: PROMPT, typed });
      expect(ran.code).toBe(0);
      expect(ran.out).not.toContain(CANARY);
      expect(ran.out).not.toContain("ü");
      expect(await out(["kv", "get", "db"])).toBe(value);
    }
    const encrypted = await terminal(["encrypt", "-", ...ORG_1], { prompt: PROMPT, typed: `${SECRET}\r` });
    expect(encrypted.out).not.toContain(CANARY);
    const text = /^\S{100,}(?=\r$)/m.exec(encrypted.out)![0];
    expect(await out(["decrypt", text])).toBe(SECRET);
  });

  test("is refused if it is none, several lines, or keys that are no text; Ctrl-C ends it", async () => {
    const { terminal, path } = workplace();
    for (const [typed, code, what] of [
      ["\r", 1, "the value is empty"],
      ["\u0004", 1, "no value was given"],
      [`${CANARY}\rls\r`, 1, "more than one line"],
      ["a\u001b[A\r", 1, "no text"],
      [`${CANARY}\u0003`, 130, ""],
      ["\u001c", 131, ""],
    ] as const) {
      const ran = await terminal(["kv", "put", "db", "-", ...ORG_1], { prompt: PROMPT, typed });
      expect(ran.code, JSON.stringify(typed)).toBe(code);
      expect(ran.out).toContain(what);
      expect(ran.out).not.toContain(CANARY);
    }
    expect(existsSync(path("vault.db"))).toBe(false);
  });
});

test("a result is not named after a pipe or what the kernel shows as a file", async () => {
  const { shell, path } = workplace();
  // Outside the test's folder: what another run left there is no fault of this one.
  const beside = "/dev/stdin.coffer";
  const now = () => {
    const stat = statSync(beside, { throwIfNoEntry: false });
    return stat && `${stat.ino} ${stat.mtimeMs}`;
  };
  const before = now();
  onTestFinished(() => {
    if (!before) rmSync(beside, { force: true });
  });
  for (const line of [
    "echo x | coffer encrypt-file /dev/stdin --context org=1",
    "coffer encrypt-file /dev/stdin --context org=1 < /etc/passwd",
    "coffer encrypt-file /proc/version --context org=1",
  ]) {
    const ran = await shell(line);
    expect(ran).toMatchObject({ code: 1, out: "" });
    expect(ran.err).toContain("name the result with --out FILE");
  }
  expect(now()).toBe(before);
  expect((await shell("echo x | coffer encrypt-file /dev/stdin --out sealed --context org=1")).code).toBe(0);
  expect(existsSync(path("sealed"))).toBe(true);
});

/** What users are told to do: the command takes it, and it helps. */
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { CliError } from "../../src/cli/errors.ts";
import { commandIn, fittingHints, optionsIn } from "../../src/cli/output/hints.ts";
import { describe as describeError, HINTS } from "../../src/cli/output/report.ts";
import { createProgram } from "../../src/cli/program.ts";
import { VaultError, type VaultErrorCode } from "../../src/errors.ts";
import { workplace } from "../support/cli.ts";

const SOURCES = join(import.meta.dirname, "..", "..", "src", "cli");
const ORG_1 = ["--context", "org=1"];

const program = createProgram([], async () => {}, { writeOut: () => {}, writeErr: () => {} });
const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
const commands = leaves(program);
const longs = (command: Command) => command.options.map(({ long }) => long);

describe("hints name only what there is", () => {
  const texts = readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(SOURCES, name), "utf8"));

  test("every command in backquotes exists and has its options", () => {
    // Within string literals only: comments write names in backquotes as well.
    const named = texts.flatMap((text) =>
      [...text.matchAll(/"[^"\n]*?`coffer [^"\n]*"/g)].flatMap(([literal]) =>
        [...literal.matchAll(/`coffer ([^`]+)`/g)].map(([, line]) => line!),
      ),
    );
    expect(named.length).toBeGreaterThan(10);
    for (const line of named) {
      const [first = ""] = line.split(" ");
      if (/^[A-Z]|^--/.test(first)) continue;
      const command = commandIn(program, line.split(" "));
      expect(command.commands, line).toEqual([]);
      for (const option of optionsIn(line)) expect(longs(command), line).toContain(option);
    }
  });

  test("every option that any hint names is one of some command", () => {
    const all = new Set([...commands.flatMap(longs), "--help", "--version"]);
    for (const hint of Object.values(HINTS).flat())
      for (const option of optionsIn(hint)) expect([...all], hint).toContain(option);
  });

  test("whatever fails, no command is told of an option that it lacks; and each hint is told by some", () => {
    const told = new Set<string>();
    for (const command of commands) {
      for (const code of Object.keys(HINTS) as VaultErrorCode[]) {
        for (const hint of describeError(new VaultError(code, "x"), command).hints) {
          told.add(hint);
          const options = optionsIn(hint.replace(/`[^`]*`/g, ""));
          for (const option of options)
            expect(longs(command), `${command.name()}: ${hint}`).toContain(option);
        }
      }
    }
    expect([...told].sort()).toEqual([...new Set(Object.values(HINTS).flat())].sort());
    const kvGet = commandIn(program, ["--format", "json", "kv", "get", "name"]);
    expect(kvGet.name()).toBe("get");
    const error = new CliError("ERR_USAGE", "x", "--all does it", "`coffer kv list --all` does it");
    expect(describeError(error, kvGet).hints).toEqual(["`coffer kv list --all` does it"]);
    expect(fittingHints(["--all"], undefined)).toEqual(["--all"]);
  });
});

test("a mistyped name brings the nearest ones; two exchanged letters are one mistake", async () => {
  for (const [line, meant] of [
    ["kyes", "keys"],
    ["act", "cat"],
    ["kq", "kv"],
    ["hepl", "help"],
    ["reap", "help, rewrap, seal"],
    ["zqxrypt-file", "decrypt-file, encrypt-file"],
    ["kv gte", "get"],
    ["keys rew", "rewrap"],
    ["api-keys lt", "list"],
    ["encrypt --contxet", "--context"],
    ["cat --rae", "--range"],
    ["keys shred --hlp", "--help"],
    ["frobnicate", undefined],
    ["encrypt --xyz", undefined],
    ["encrypt -server", undefined],
  ] as const) {
    const argv = line.split(" ");
    const parsed = createProgram(argv, async () => {}, { writeOut: () => {}, writeErr: () => {} });
    const error = await parsed.parseAsync(argv, { from: "user" }).catch((reason: unknown) => reason);
    expect(error, line).toBeInstanceOf(CliError);
    const told = (error as CliError).hints.filter((hint) => hint.startsWith("did you mean"));
    expect(told, line).toEqual(meant === undefined ? [] : [`did you mean ${meant}?`]);
  }
});

test("the wrong kind of input names the command that takes it", async () => {
  const { path, out, run } = workplace();
  writeFileSync(path("in"), "x".repeat(100));
  const text = await out(["encrypt", "x", ...ORG_1]);
  writeFileSync(path("text"), text);
  writeFileSync(path("bom"), `\ufeff${text}`);
  writeFileSync(path("utf16"), Buffer.from(`\ufeff${text}`, "utf16le"));
  writeFileSync(path("bare16"), Buffer.from(text, "utf16le"));
  writeFileSync(path("spaced"), text.replace(/.{40}/g, "$& "));
  await out(["encrypt-file", "in", ...ORG_1]);
  const files = "`coffer decrypt-file FILE`";
  const texts = "`coffer decrypt @FILE`";
  for (const [args, hint] of [
    [["decrypt", "@in.coffer"], files],
    [["rekey", "@in.coffer", ...ORG_1], "`coffer rekey-file FILE`"],
    [["rewrap", "@in.coffer"], "`coffer rekey-file FILE`"],
    [["decrypt-file", "text", "--out", "x"], texts],
    [["cat", "text"], texts],
    [["rekey-file", "text", ...ORG_1], "`coffer rekey @FILE`"],
    [["decrypt", "text"], "@ before it"],
    [["inspect", "text"], "@ before it"],
    [["decrypt-file", "@in.coffer"], "without @"],
    [["encrypt-file", "@in", ...ORG_1], "without @"],
    [["cat", "@in.coffer"], "without @"],
    [["rekey-file", "@in.coffer", ...ORG_1], "without @"],
    [["decrypt", "@bom"], "byte order mark"],
    [["decrypt", "@utf16"], "byte order mark"],
    [["inspect", "@bare16"], "UTF-16"],
    [["decrypt", "@spaced"], "--lenient"],
  ] as const) {
    const ran = await run(args);
    expect(ran, args.join(" ")).toMatchObject({ code: 1, out: "" });
    expect(ran.err, args.join(" ")).toContain(hint);
  }
  // A hint that would be refused too is not given.
  for (const args of [
    ["decrypt", "@in"],
    ["decrypt", "@bom"],
    ["decrypt", "@spaced", "--lenient", "--layout", "dotnet"],
  ]) {
    expect((await run(args)).err, args.join(" ")).not.toContain("hint: --lenient");
  }
  expect(await out(["decrypt", "@spaced", "--lenient"])).toBe("x");
});

test("files that cannot be opened are told by the system's word", async () => {
  const { path, run, shell } = workplace();
  symlinkSync("loop", path("loop"));
  for (const [name, code] of [
    ["loop", "ELOOP"],
    ["x".repeat(256), "ENAMETOOLONG"],
    ["none", "ENOENT"],
    [".", "EISDIR"],
  ] as const) {
    for (const args of [
      ["encrypt-file", name, "--out", "out", ...ORG_1],
      ["decrypt-file", name, "--out", "out"],
      ["cat", name],
      ["rekey-file", name, ...ORG_1],
      ["inspect", `@${name}`],
      ["encrypt", `@${name}`, ...ORG_1],
    ]) {
      const ran = await run(args);
      expect(ran.code).toBe(1);
      expect(ran.err, args.join(" ")).toMatch(new RegExp(`, ${code}\\) \\(ERR_INPUT_UNREADABLE\\)`));
    }
  }
  const unnamed = await shell("coffer encrypt-file \"$(printf 'a\\377')\" --context org=1");
  expect(unnamed.err).toContain("rename the file (mv)");
});

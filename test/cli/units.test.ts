/** Parts of the command that need no process: formats, codes, reports, the filter of warnings. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { CLI_ERROR_CODES, CliError } from "../../src/cli/errors.ts";
import { contextOf, countParser, durationParser, entryParser, kekOf } from "../../src/cli/input/arguments.ts";
import { exitCodeOf } from "../../src/cli/output/exit-codes.ts";
import { jsonText, record, render, table, visible } from "../../src/cli/output/format.ts";
import { describe as describeError, reportText } from "../../src/cli/output/report.ts";
import { hideSqliteWarning } from "../../src/cli/warnings.ts";
import { VAULT_ERROR_CODES, VaultError } from "../../src/errors.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";

describe("formats", () => {
  test("JSON stays the same data, without what steers a terminal", () => {
    const data = { "a\u001b": ["\u009b", "\u{202e}", "\n", "ü🔑", "\\u001b"] };
    for (const indent of [0, 2]) {
      const text = jsonText(data, indent);
      expect(text).not.toMatch(/[\u001b\u009b\u202e]/);
      expect(JSON.parse(text)).toEqual(data);
    }
  });

  test("tables and records line up, cell by cell", () => {
    expect(
      table(
        ["A", "LONG"],
        [
          ["xyz", "1"],
          ["\n", ""],
        ],
      ),
    ).toBe("A    LONG\nxyz  1\n\\n");
    expect(
      record([
        ["a", "1"],
        ["left out", undefined],
        ["long", "\t"],
      ]),
    ).toBe("a     1\nlong  \\t");
    expect(visible("\u0000é")).toBe("\\u0000é");
    // Zero widths, a byte order mark, a tag, a variation selector, a soft hyphen: what shows nothing is shown.
    expect(visible("a\u200bb\ufeffc\u{e0041}d\u2060e\ufe0ff\u00adg\u{e0100}")).toBe(
      "a\\u200bb\\ufeffc\\u{e0041}d\\u2060e\\ufe0ff\\u00adg\\u{e0100}",
    );
    const hidden = { name: "a\u{e0041}\u200b" };
    expect(jsonText(hidden, 0)).toBe('{"name":"a\\udb40\\udc41\\u200b"}');
    expect(JSON.parse(jsonText(hidden))).toEqual(hidden);
    const shown = (view: string): unknown =>
      render(
        { view: Buffer.from(view), data: () => 0 },
        { format: "table", field: undefined, isTerminal: true },
      );
    for (const value of ["a\u{e0041}", "a\u200b", "\ufeffa"]) expect(() => shown(value)).toThrow(CliError);
    expect(shown("👩‍👩‍👧 ❤️")).toBe("👩‍👩‍👧 ❤️\n");
  });

  test("a field is found by its path, also where names hold dots", () => {
    const data = { a: { "b.c": [{ d: "x" }], b: 1 }, list: [] };
    const field = (path: string): unknown =>
      render({ view: "", data: () => data }, { format: "json", field: path, isTerminal: false });
    expect(field("a.b.c.0.d")).toBe("x");
    expect(field("a.b")).toBe("1");
    expect(field("a.b.c")).toBe('[{"d":"x"}]');
    for (const path of ["", "a.b.c.1", "list.length", "toString", "__proto__", "a.b.x"]) {
      expect(errorOf(() => field(path))).toBeInstanceOf(CliError);
    }
  });
});

describe("arguments", () => {
  test("contexts are split at the first =, and repeated names refused", async () => {
    const parse = entryParser("context");
    const entries = parse("b=", parse("a=1=2"));
    expect(entries).toEqual([
      { name: "a", value: "1=2" },
      { name: "b", value: "" },
    ]);
    const context = (text: string, json?: string) =>
      contextOf({ entries: json === undefined ? parse(text) : undefined, json, option: "context" });
    expect(await context("a==")).toEqual({ a: "=" });
    expect(await context("", '{"a=b":"c"}')).toEqual({ "a=b": "c" });
    expect(await contextOf({ entries: undefined, json: undefined, option: "context" })).toBeUndefined();
    expect(await rejectionOf(() => context("coffer:x=1"))).toMatchObject({ code: "ERR_KEY_CONTEXT_INVALID" });
  });

  test("KEKs by entry or id, durations, counts", () => {
    expect(kekOf("a=b=c")).toEqual({ name: "a", value: "b=c" });
    const id = "ABCDEF00-0000-4000-8000-000000000000";
    expect(kekOf(id)).toEqual({ kekId: id.toLowerCase() });
    const duration = durationParser("after");
    expect(["90s", "15m", "36h", "365d"].map(duration)).toEqual([
      90_000, 900_000, 129_600_000, 31_536_000_000,
    ]);
    for (const text of ["", "1", "1.5h", "-1s", "1w", "366d", "0d", "9999999999s"]) {
      expect(() => duration(text)).toThrow(CliError);
    }
    const count = countParser("limit", 100);
    expect(count("007")).toBe(7);
    for (const text of ["", "0", "101", "1e1", "0x5", "-1", "1.0"])
      expect(() => count(text)).toThrow(CliError);
  });
});

describe("errors", () => {
  test("every code has one exit code", () => {
    for (const code of [...VAULT_ERROR_CODES, ...CLI_ERROR_CODES])
      expect([1, 2, 3]).toContain(exitCodeOf(code));
    expect(exitCodeOf("ERR_PLAINTEXT_NOT_TEXT")).toBe(1);
    expect(exitCodeOf("ERR_STORAGE_CORRUPT")).toBe(3);
  });

  test("of an unexpected error, kind and place are told and nothing else", () => {
    const secret = "s3cret";
    for (const thrown of [
      new TypeError(secret),
      Object.assign(new Error(secret), { code: secret }),
      secret,
      null,
    ]) {
      const report = describeError(thrown);
      expect(report).toMatchObject({ code: "ERR_INTERNAL", exitCode: 1 });
      expect(JSON.stringify(report)).not.toContain(secret);
    }
    expect(describeError(new TypeError(secret)).message).toMatch(
      /^unexpected TypeError at units\.test\.ts:\d+:/,
    );
    // The place is the first that is not within Node.
    const within = errorOf(() => Buffer.from(5 as never));
    expect(describeError(within).message).toMatch(/^unexpected TypeError at units\.test\.ts:\d+:/);
  });

  test("what the system says is told by its code, never by its message", () => {
    for (const code of ["EDQUOT", "EROFS", "EMFILE", "ENOSPC", "EISDIR", "ENAMETOOLONG", "ELOOP", "EXDEV"]) {
      const told = describeError(Object.assign(new Error("/s3cret"), { code, syscall: "open", errno: -1 }));
      expect(told).toMatchObject({ code: "ERR_SYSTEM", exitCode: 1 });
      expect(told.message).toMatch(new RegExp(`^the system refused a call \\([a-z ]+.*, ${code}\\)$`));
      expect(told.message).not.toContain("s3cret");
    }
  });

  test("the library's wrong arguments are told as such; lines cannot be forged", () => {
    const wrong = Object.assign(new RangeError("limit must be small"), { code: "ERR_INVALID_ARGUMENT" });
    expect(describeError(wrong)).toMatchObject({ code: "ERR_INVALID_ARGUMENT", message: wrong.message });
    const forged = describeError(new VaultError("ERR_STORAGE_BUSY", "a\ncoffer: error: \u001b"));
    expect(forged.retryable).toBe(true);
    expect(reportText(forged, "table").split("\n")[0]).toBe(
      "coffer: error: a\\ncoffer: error: \\u001b (ERR_STORAGE_BUSY)",
    );
  });
});

describe("warnings", () => {
  const { emitWarning } = process;
  afterEach(() => {
    process.emitWarning = emitWarning;
  });

  test("only that of node:sqlite is hidden", () => {
    const emitted = vi.fn();
    process.emitWarning = emitted as typeof process.emitWarning;
    hideSqliteWarning();
    const text = "SQLite is an experimental feature and might change at any time";
    process.emitWarning(text, "ExperimentalWarning");
    process.emitWarning(text, { type: "ExperimentalWarning" });
    expect(emitted).not.toHaveBeenCalled();
    process.emitWarning(text);
    process.emitWarning("Other is an experimental feature", "ExperimentalWarning");
    process.emitWarning(new Error("x"));
    expect(emitted).toHaveBeenCalledTimes(3);
  });
});

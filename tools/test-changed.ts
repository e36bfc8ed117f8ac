/**
 * `npm run test:changed -- [REF] [--all]`: the tests that the changes since REF (default: main) reach by imports, in
 * the rooms that were changed; with `--all` in every room.
 *
 * Owns the choice. Vitest knows the imports. It knows nothing of programs that a test starts: of these, `--all` knows
 * the command. `npm test` decides.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT } from "./root.ts";
import { endChildrenOnSignals, runNode } from "./run.ts";

const VITEST = "node_modules/vitest/vitest.mjs";
/** Tests that import it start the command as a process, which any change of `src/` may reach. */
const COMMAND_STARTER = "support/cli.ts";

/** Where the tests of a file are, as the beginning of their paths; undefined for files without a room. */
export function testsOf(path: string): string | undefined {
  const [, top, room] = /^(src|test|bench|tools|examples)\/(.+)/.exec(path) ?? [];
  if (top === "src" || top === "test") {
    // A room is a folder; errors.ts is a room of one file.
    const name = room!.includes("/") ? `${room!.split("/")[0]}/` : room!.replace(/(\.test)?\.ts$/, ".");
    return `test/${name}`;
  }
  if (top === "examples") return `test/${room!.split("/")[0]}/`;
  return top === undefined ? undefined : `test/${top}/`;
}

async function main(since: string, isAll: boolean): Promise<boolean> {
  const git = (...args: string[]): string[] =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8" }).split("\n").filter(Boolean);
  const changed = [
    ...git("diff", "--name-only", "--merge-base", since),
    ...git("ls-files", "--others", "--exclude-standard"),
  ];
  const listed = await runNode(VITEST, ["list", "--filesOnly", "--changed", since], { capture: true });
  if (!listed.ok) throw new Error(listed.output);
  const starters =
    isAll && changed.some((path) => path.startsWith("src/"))
      ? git("ls-files", "test/*.test.ts").filter((file) =>
          readFileSync(join(ROOT, file), "utf8").includes(COMMAND_STARTER),
        )
      : [];
  const imported = listed.output.split("\n").filter((line) => line.endsWith(".test.ts"));
  const reached = [...new Set([...imported, ...starters])];
  const rooms = [...new Set(changed.map(testsOf))].filter((room) => room !== undefined);
  const chosen = isAll ? reached : reached.filter((file) => rooms.some((room) => file.startsWith(room)));
  console.log(`${changed.length} files changed since ${since}; they reach ${reached.length} test files.`);
  console.log(
    `${chosen.length} of these run${isAll ? "" : "; --all runs all, and those that start the command"}:\n${chosen.map((file) => `  ${file}\n`).join("")}`,
  );
  return chosen.length === 0 || (await runNode(VITEST, ["run", ...chosen])).ok;
}

if (import.meta.main) {
  endChildrenOnSignals();
  const { values, positionals } = parseArgs({
    options: { all: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  if (!(await main(positionals[0] ?? "main", values.all))) process.exitCode = 1;
}

/** The demo of a live rekey, run as a user runs it, with fewer rows; on PostgreSQL too. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { describePostgres, emptyDatabaseUrl } from "../support/postgres.ts";

vi.setConfig({ testTimeout: 120_000 });

const MAIN = join(import.meta.dirname, "..", "..", "examples", "rekey-demo", "main.ts");

function run(...args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args]);
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

const expectAll = ({ code, out, err }: Awaited<ReturnType<typeof run>>): void => {
  expect([code, err]).toEqual([0, ""]);
  for (const line of [
    "3,000 ciphertexts; under the KEK's version 1: 3,000",
    "✓ every row has been dealt with once",
    "3,000 ciphertexts; under the KEK's version 2: 3,000",
    "✓ nothing is left under version 1",
    "✓ all 3,000 rows decrypt to what was written last",
  ])
    expect(out).toContain(line);
  expect(out.match(/killed at/g)).toHaveLength(2);
};

test("on SQLite", async () => {
  expectAll(await run("--rows", "3000"));
});

describePostgres("on PostgreSQL", () => {
  test("by its URL", async () => {
    expectAll(await run("--rows", "3000", "--database", await emptyDatabaseUrl()));
  });
});

/** A server's log: every line whole and in order, those of one turn together, and none lost at the end. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { logLines } from "../../src/cli/output/log-lines.ts";

test("lines of one turn are one write, and later ones another", async () => {
  const writes: string[] = [];
  const log = logLines((text) => writes.push(text));
  log.add({ a: 1 });
  log.add({ b: "2" });
  expect(writes).toEqual([]);
  await nextTurn();
  expect(writes).toEqual(['{"a":1}\n{"b":"2"}\n']);
  log.add({ c: 3 });
  await nextTurn();
  await nextTurn();
  expect(writes).toEqual(['{"a":1}\n{"b":"2"}\n', '{"c":3}\n']);
});

test("a write has at most what a pipe takes in one piece, and whole lines", async () => {
  const writes: string[] = [];
  const log = logLines((text) => writes.push(text));
  for (let i = 0; i < 100; i++) log.add({ i, text: "x".repeat(100) });
  log.add({ text: "y".repeat(10_000) });
  await nextTurn();
  const lines = writes.join("").trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as { i?: number }).i)).toEqual([
    ...Array(100).keys(),
    undefined,
  ]);
  for (const write of writes.slice(0, -1)) {
    expect(write.length).toBeLessThanOrEqual(4_096);
    expect(write.endsWith("}\n")).toBe(true);
  }
  // One line is never cut.
  expect(writes.at(-1)).toContain("y".repeat(10_000));
});

test("what waits at the end of the process is written then, once", async () => {
  const writes: string[] = [];
  const last: string[] = [];
  const log = logLines((text) => writes.push(text));
  log.add({ a: 1 });
  log.flush((text) => last.push(text));
  log.flush((text) => last.push(text));
  await nextTurn();
  expect({ writes, last }).toEqual({ writes: [], last: ['{"a":1}\n'] });
});

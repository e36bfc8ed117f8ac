/**
 * The benchmark as a program: it runs, it writes what it says it writes, it fails when outputs disagree.
 *
 * Asserts no timing.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import * as nodeCrypto from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { crossover } from "../../bench/crossover.ts";
import { ByHand, KEY_BLOB_MAGIC } from "../../bench/lib/by-hand.ts";
import { type Case, type CaseResult, measure } from "../../bench/lib/harness.ts";
import type { Report } from "../../bench/lib/report.ts";
import { readResult, writeResult } from "../../bench/lib/result-file.ts";
import { quantile, shuffled, summarize } from "../../bench/lib/statistics.ts";
import { processStarter } from "../../bench/runtimes/hosts/process.ts";
import { processorTimeBetween, readProcessorTime } from "../../bench/runtimes/processor-time.ts";
import { Program } from "../../bench/runtimes/program.ts";
import type { Material } from "../../bench/runtimes/protocol.ts";
import type { RuntimesReport } from "../../bench/runtimes/report.ts";
import { WebCryptoByHand } from "../../bench/runtimes/webcrypto-by-hand.ts";
import { showResult } from "../../bench/show.ts";
import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const directory = mkdtempSync(join(tmpdir(), "coffer-bench-test-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ["bench/main.ts", ...args], { cwd: REPOSITORY_ROOT, encoding: "utf8" });
}

describe("npm run bench", () => {
  test("-- --quick runs every suite, writes each one's result and prints its tables", () => {
    const out = join(directory, "results");
    const run = bench("--quick", "--out", out, "--disk", directory);
    expect(run.stderr).toContain("written to");
    expect(run.status).toBe(0);
    const files = readdirSync(out).sort();
    expect(files).toEqual(["quick-envelope.json", "quick-kv.json"]);
    const paths = files.map((file) => join(out, file));
    expect(run.stdout.trim()).toBe(paths.map(showResult).join("\n\n").trim());
    for (const path of paths) {
      const text = readFileSync(path, "utf8");
      // Results are published: nothing in them may say where they were made.
      expect(text).not.toContain(directory);
      expect(text).not.toContain(REPOSITORY_ROOT);
      expect(text).not.toContain("samples");
      expect(readResult(path)).toMatchObject({
        schema: 3,
        machine: { cpu: expect.any(String), cores: expect.any(Number) },
        load: { before: expect.any(Number), after: expect.any(Number) },
        versions: { node: process.versions.node, peers: { "@workos-inc/node": "11.0.0" } },
      });
    }
    const cases = paths.flatMap((path) => readResult<Report>(path).cases);
    expect(cases.map(({ suite, work, size }) => `${suite} ${work} ${size}`)).toEqual([
      "envelope seal 16 B",
      "envelope seal 1 KiB",
      "envelope open 16 B",
      "envelope open 1 KiB",
      "kv put 64 B",
      "kv get 64 B",
    ]);
    for (const { competitors } of cases) {
      expect(competitors.length).toBeGreaterThan(1);
      expect(competitors[0]!.ratio).toEqual({ median: 1, spread: 0 });
      for (const { ns } of competitors.flatMap(({ wall, cpu }) => [wall, cpu])) {
        expect(ns.min).toBeGreaterThan(0);
        expect(ns.min).toBeLessThanOrEqual(ns.median);
      }
    }
    // Stores are taken away again.
    expect(readdirSync(directory)).toEqual(["results"]);
  });

  test("-- --only measures one suite", () => {
    const out = join(directory, "one");
    expect(bench("--quick", "--only", "kv", "--name", "x", "--out", out).status).toBe(0);
    expect(readdirSync(out)).toEqual(["x-kv.json"]);
    const report = readResult<Report>(join(out, "x-kv.json"));
    expect(new Set(report.cases.map(({ suite }) => suite))).toEqual(new Set(["kv"]));
  });

  test("-- --quick --only runtimes measures the Node that runs it, which is installed everywhere", () => {
    const out = join(directory, "runtimes");
    const run = bench("--quick", "--only", "runtimes", "--out", out);
    expect(run.stderr).toContain("written to");
    expect(run.status).toBe(0);
    expect(readdirSync(out)).toEqual(["quick-runtimes.json"]);
    const path = join(out, "quick-runtimes.json");
    expect(run.stdout.trim()).toBe(showResult(path).trim());
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(directory);
    expect(text).not.toContain(REPOSITORY_ROOT);
    const { runtimes, skipped } = readResult<RuntimesReport>(path);
    expect(skipped).toEqual([]);
    expect(runtimes.map(({ about }) => about)).toEqual([
      {
        engine: `Node ${process.versions.node}`,
        runtimeName: "node",
        hasNodeCrypto: true,
        hasBuffer: true,
        hasWasm: true,
      },
    ]);
    const { cases } = runtimes[0]!;
    expect(cases.map(({ work, size }) => `${work} ${size}`)).toEqual([
      "seal 16 B",
      "seal 1 KiB",
      "open 16 B",
      "open 1 KiB",
      "seal 1000 16 B",
      "seal 1000 1 KiB",
      "open 1000 16 B",
      "open 1000 1 KiB",
    ]);
    const names = cases[0]!.competitors.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(["bare", "by hand", "node", "wasm", "webcrypto, async", "noble"]),
    );
    for (const { ns } of cases.flatMap(({ competitors }) => competitors.map(({ wall }) => wall))) {
      expect(ns.min).toBeGreaterThan(0);
    }
  });

  test.each([
    { args: ["--nonsense"] },
    { args: ["--runtimes", "netscape"] },
    { args: ["--only", "nothing"] },
    { args: ["--quick", "--full"] },
    { args: ["--name", "../x"] },
    { args: ["extra"] },
  ])("$args is refused with the usage", ({ args }) => {
    const run = bench(...args);
    expect(run.status).toBe(2);
    expect(run.stderr).toContain("--only SUITE");
  });
});

describe("measure", () => {
  const settings = { rounds: 3, sampleMs: 0.1, warmUpMs: 0.1 };
  const log: string[] = [];
  const subject = (check: () => Promise<void>): Case => ({
    suite: "test",
    work: "count",
    size: "1",
    clock: "wall",
    competitors: [
      { name: "a", isAsync: false, call: () => log.push("a") },
      { name: "b", isAsync: true, call: async () => log.push("b") },
    ],
    check,
    close: async () => void log.push("closed"),
  });

  test("takes one sample of each competitor a round, and closes the case", async () => {
    log.length = 0;
    const result = await measure(
      subject(async () => {}),
      settings,
    );
    expect(result.competitors.map(({ name, wall }) => [name, wall.samples?.length])).toEqual([
      ["a", 3],
      ["b", 3],
    ]);
    expect(log.at(-1)).toBe("closed");
  });

  test("does not time competitors whose outputs disagree", async () => {
    log.length = 0;
    const check = () => Promise.reject(new Error("outputs disagree"));
    await expect(measure(subject(check), settings)).rejects.toThrow("outputs disagree");
    expect(log).toEqual(["closed"]);
  });
});

describe("a result's file", () => {
  test("gives back the figures of every case, without the samples", async () => {
    const settings = { rounds: 3, sampleMs: 0.1, warmUpMs: 0.1 };
    const competitors = [{ name: "a", isAsync: false, call: () => 1 }] as const;
    const about = { suite: "test", work: "count", clock: "wall", competitors, async check() {} } as const;
    const cases = [
      await measure({ ...about, size: "1" }, settings),
      await measure({ ...about, size: "2" }, settings),
    ];
    const kept = readResult<Report>(writeResult({ name: "own", cases } as never, directory)).cases;
    rmSync(join(directory, "own.json"));
    expect(kept.map(({ size }) => size)).toEqual(["1", "2"]);
    for (const [i, { suite, work, clock, competitors }] of kept.entries()) {
      expect({ suite, work, clock }).toEqual({ suite: "test", work: "count", clock: "wall" });
      const { wall, cpu } = cases[i]!.competitors[0]!;
      const figures = ({ ns }: typeof wall) => ({
        ns: {
          median: Math.round(ns.median),
          min: Math.round(ns.min),
          spread: Math.round(ns.spread * 100) / 100,
        },
      });
      expect(competitors).toEqual([
        { name: "a", wall: figures(wall), cpu: figures(cpu), ratio: { median: 1, spread: 0 } },
      ]);
    }
  });
});

describe("statistics", () => {
  test("quantiles lie between neighbours in proportion", () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([4, 1, 2, 3], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
    expect(quantile([7], 0.75)).toBe(7);
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });

  test("a summary tells median, ends and the spread of the middle half", () => {
    expect(summarize([5, 1, 3, 2, 4])).toEqual({ median: 3, min: 1, max: 5, spread: 2 / 3 });
  });

  test("shuffling keeps all items and changes the order", () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const mixed = shuffled(items);
    expect(mixed).not.toEqual(items);
    expect(mixed.toSorted((a, b) => a - b)).toEqual(items);
  });
});

describe("the program that runs in other runtimes", () => {
  const rawKey = nodeCrypto.randomBytes(32);
  const blob = Buffer.from(KEY_BLOB_MAGIC.padEnd(206, "k"), "latin1");
  const hand = new ByHand(nodeCrypto, rawKey, blob);
  const texts = ["one", "tw\u00f6"];
  const material = (ciphertexts: readonly string[]): Material => ({
    set: "message",
    dataKey: rawKey.toString("base64"),
    encryptedKeys: blob.toString("base64"),
    texts,
    ciphertexts,
  });

  test("answers with what each competitor sealed, after it opened what it was given", async () => {
    const program = new Program(HERE);
    const ciphertexts = texts.map((text) => hand.seal(text));
    const prepared = await program.answer({ op: "prepare", material: material(ciphertexts) });
    expect(prepared.map(({ name }) => name)).toContain("wasm");
    for (const { name, sealed } of prepared.filter((competitor) => competitor.name !== "bare")) {
      expect([name, hand.open(sealed![0]!)]).toEqual([name, texts[0]]);
    }
    await program.answer({ op: "run", work: "seal", name: "wasm", calls: 3 });
    await expect(
      Promise.resolve().then(() => program.answer({ op: "run", work: "seal", name: "rot13", calls: 1 })),
    ).rejects.toThrow("rot13");
  });

  test("refuses to compare competitors that do not agree", async () => {
    const ciphertexts = [hand.seal(texts[0]!), hand.seal("something else")];
    await expect(
      new Program(HERE).answer({ op: "prepare", material: material(ciphertexts) }),
    ).rejects.toThrow("outputs disagree: bare");
  });

  test("Web Crypto by hand writes what node:crypto by hand reads, and back", async () => {
    const other = await WebCryptoByHand.create(crypto.subtle, Uint8Array.from(rawKey), blob);
    for (const text of ["", ...texts, "x".repeat(20_000)]) {
      expect(hand.open(await other.seal(text))).toBe(text);
      expect(await other.open(hand.seal(text))).toBe(text);
    }
  });
});

describe("a runtime as a process", () => {
  test("that is not installed says so", () => {
    expect(processStarter("X", join(directory, "absent")).missing).toContain("not installed");
    expect(processStarter("X", process.execPath).missing).toBeUndefined();
  });

  test("that ends instead of answering is told with what it said", async () => {
    const script = 'console.error("no such option"); process.exit(3)';
    const host = await processStarter("X", process.execPath, ["-e", script]).start("unused", directory);
    await expect(host.ask({ op: "about" })).rejects.toThrow("X ended: no such option");
    await host.close();
  });
});

describe("processor time", () => {
  test("counts what threads used in between, new ones from their start; ended ones are left out", () => {
    const before = new Map([
      ["a", 5],
      ["ended", 7],
    ]);
    const after = new Map([
      ["a", 9],
      ["new", 2],
    ]);
    expect(processorTimeBetween(before, after)).toBe(6);
  });

  test("of a process that is not there is not told", () => {
    expect(readProcessorTime([2 ** 30])).toBeUndefined();
  });
});

describe("crossovers", () => {
  const cases = (times: readonly (readonly [string, number, number])[]): CaseResult[] =>
    times.map(([size, a, b]) => {
      const of = (name: string, min: number) => ({ name, cpu: { ns: { min } } });
      return { work: "seal", size, competitors: [of("a", a), of("b", b)] } as unknown as CaseResult;
    });

  test("lie at the last size before the first at which the other is faster", () => {
    const measured = cases([
      ["16 B", 1, 2],
      ["64 B", 2, 2],
      ["96 B", 3, 2],
      ["128 B", 1, 2],
    ]);
    expect(crossover(measured, "seal", "a", "b")).toBe("64 B");
    expect(crossover(measured, "seal", "b", "a")).toBe("none");
    expect(crossover(measured.slice(0, 2), "seal", "a", "b")).toBe("all up to 64 B");
    expect(crossover(measured, "seal", "a", "absent")).toBeUndefined();
  });
});

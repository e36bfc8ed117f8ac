/**
 * A reporter for vitest that writes the counts to a file, with the reasons of skipped tests.
 *
 * Owns the shape of that file. vitest's own JSON reporter leaves the reasons out.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import type { Reporter, TestCase, TestModule } from "vitest/node";

export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** What failed outside of any test: files that do not load, hooks, rejections that no test awaited. */
  readonly broken: readonly string[];
}

export class SummaryReporter implements Reporter {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { message?: string }[]): void {
    const summary: TestSummary = {
      passed: count(modules, "passed"),
      failed: count(modules, "failed"),
      skipped: modules.flatMap((module) =>
        [...module.children.allTests("skipped")].map((test) => ({
          name: `${module.relativeModuleId}: ${test.fullName}`,
          reason: reasonOf(test),
        })),
      ),
      broken: [
        ...modules.flatMap(outsideTests),
        ...unhandled.map((error) => `unhandled error: ${firstLine(error.message)}`),
      ],
    };
    writeFileSync(this.#path, JSON.stringify(summary));
  }
}

/** Leaves the counts of a script for the run of the whole suite, if that started it (tools/test.ts). */
export function leaveSummary(summary: TestSummary): void {
  const path = process.env.COFFER_TEST_SUMMARY;
  if (path !== undefined) writeFileSync(path, JSON.stringify(summary));
}

/** Reads what a run wrote; undefined if it did not come that far. */
export function readSummary(path: string): TestSummary | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as TestSummary;
  } catch {
    return undefined;
  }
}

function count(modules: readonly TestModule[], state: "passed" | "failed"): number {
  return modules.reduce((sum, module) => sum + [...module.children.allTests(state)].length, 0);
}

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === "skipped" && result.note !== undefined) return result.note;
  return test.options.mode === "todo" ? "to do" : "skipped in the file, without a note";
}

/** Errors of the file and its suites; a test that never ended (its process died) counts as well. */
function outsideTests(module: TestModule): string[] {
  const errors = [...module.errors(), ...[...module.children.allSuites()].flatMap((suite) => suite.errors())];
  const unfinished = [...module.children.allTests("pending")].map((test) => `${test.fullName} did not end`);
  const died = ["pending", "queued"].includes(module.state()) && unfinished.length === 0;
  return [
    ...errors.map((error) => firstLine(error.message)),
    ...unfinished,
    ...(died ? ["did not run to its end"] : []),
  ].map((what) => `${module.relativeModuleId}: ${what}`);
}

const firstLine = (text = "no message"): string => text.split("\n", 1)[0]!;

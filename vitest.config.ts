/**
 * How vitest runs. `npm run test:unit -- <file>` runs some tests, `npm test` all of them with coverage.
 */
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { SummaryReporter } from "./tools/summary-reporter.ts";

/** Set by tools/test.ts, which runs the whole suite: where the counts go. */
const summary = process.env.COFFER_TEST_SUMMARY;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Tests start processes, change environments and open databases: each file in a process of its own.
    pool: "forks",
    // Most of their time they wait, for disks, clocks and processes of theirs: no core is kept free for the runner.
    maxWorkers: availableParallelism(),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests print how many vectors they checked.
    silent: false,
    reporters: summary === undefined ? ["default"] : ["default", new SummaryReporter(summary)],
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: [["text", { skipFull: true }]],
      // A part of the suite cannot reach them.
      thresholds: summary === undefined ? {} : { "src/crypto/**": { branches: 100 } },
    },
  },
});

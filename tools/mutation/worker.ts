/**
 * The process that runs tests against mutants, told by its parent over IPC.
 *
 * Owns one vitest, which stays, and what it reads in the place of a source file. A mutant can hang it: the parent
 * then ends it. Must not know which mutants there are.
 *
 * @module
 */
import { createVitest, type TestSpecification } from "vitest/node";
import { ROOT } from "../root.ts";

/** What the parent asks for: these tests, with these files read as other texts. */
export interface RunRequest {
  readonly tests: readonly string[];
  readonly replaced: Readonly<Record<string, string>>;
}

/** What came of it. */
export interface RunAnswer {
  readonly failed: readonly string[];
  /** Milliseconds of each test file. */
  readonly durations: Readonly<Record<string, number>>;
  /** The first test that failed, and why, for people. */
  readonly first?: string;
}

let replaced: Readonly<Record<string, string>> = {};

const vitest = await createVitest(
  "test",
  {
    root: ROOT,
    watch: false,
    // The other loaders write a file beside the configuration, which is read-only here.
    configLoader: "native",
    // It keeps what it read on disk by the file's text: mutants would be found there by others, and others' texts here.
    fsModuleCache: false,
    coverage: { enabled: false },
    reporters: [{}],
    bail: process.env.COFFER_MUTATION_HITS === undefined ? 1 : 0,
    maxWorkers: 1,
    fileParallelism: false,
    setupFiles: ["tools/mutation/hits-setup.ts"],
    silent: true,
  },
  {
    plugins: [
      {
        name: "coffer-mutants",
        enforce: "pre",
        transform: (_code: string, id: string) => {
          const text = replaced[id.split("?")[0]!];
          return text === undefined ? undefined : { code: text, map: null };
        },
      },
    ],
  },
);
const known = new Map<string, TestSpecification>();
for (const specification of await vitest.globTestSpecifications()) {
  known.set(specification.moduleId, specification);
}

async function run({ tests, replaced: next }: RunRequest): Promise<RunAnswer> {
  const touched = new Set([...Object.keys(replaced), ...Object.keys(next)]);
  replaced = next;
  for (const file of touched) vitest.invalidateFile(file);
  const specifications = tests.map((test) => known.get(test)).filter((found) => found !== undefined);
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const failed: string[] = [];
  const durations: Record<string, number> = {};
  let first: string | undefined;
  for (const module of testModules) {
    // Those of earlier runs are still among them.
    if (!tests.includes(module.moduleId)) continue;
    const diagnostic = module.diagnostic();
    durations[module.moduleId] =
      diagnostic.duration +
      diagnostic.collectDuration +
      diagnostic.prepareDuration +
      diagnostic.setupDuration;
    if (module.state() === "failed") {
      failed.push(module.moduleId);
      const [test] = [...module.children.allTests("failed")];
      first ??= test?.fullName ?? `${module.errors()[0]?.message ?? "the file does not load"}`;
    }
  }
  // Rejections that no test awaited make a run fail as well.
  if (failed.length === 0 && unhandledErrors.length > 0) {
    failed.push(...tests.slice(0, 1));
    first = String((unhandledErrors[0] as Error).message);
  }
  return { failed, durations, ...(first === undefined ? {} : { first }) };
}

process.on("message", (request: RunRequest) => {
  void run(request).then((answer) => process.send!(answer));
});
process.once("disconnect", () => process.exit(0));
process.send!("ready");

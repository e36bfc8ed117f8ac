/**
 * Named steps with a result each, and their sum.
 *
 * Owns how results are shown and counted. Must not know what the steps do.
 *
 * @module
 */

export interface Step {
  readonly name: string;
  /** Throws, or tells what is wrong; nothing if all is well. */
  readonly run: () => Promise<readonly string[]> | readonly string[];
}

const MS_PER_SECOND = 1_000;

/** What a whole run came to. */
export class Tally {
  passed = 0;
  failed = 0;
  readonly #skipped: string[] = [];

  add(ok: boolean): void {
    if (ok) this.passed++;
    else this.failed++;
  }

  /** @param what - with the reason */
  skip(what: string): void {
    this.#skipped.push(what);
  }

  /** Lists what was skipped, then prints the one line that tools read; the caller must not print after it. */
  finish(): void {
    if (this.#skipped.length > 0) console.log(`\n${this.#skipped.length} skipped:`);
    for (const what of this.#skipped) console.log(`  ${what}`);
    console.log(`\n${this.passed} passed, ${this.failed} failed`);
    if (this.failed > 0 || this.passed === 0) process.exitCode = 1;
  }
}

/** Runs a step and prints PASS or FAIL; its complaints on failure. */
export async function runStep(step: Step, tally: Tally): Promise<void> {
  const start = performance.now();
  let problems: readonly string[];
  try {
    problems = await step.run();
  } catch (error) {
    problems = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
  const seconds = ((performance.now() - start) / MS_PER_SECOND).toFixed(1);
  tally.add(problems.length === 0);
  console.log(`${problems.length === 0 ? "PASS" : "FAIL"}  ${step.name} (${seconds} s)`);
  for (const problem of problems) console.log(indent(problem));
}

const indent = (text: string): string => text.trimEnd().replaceAll(/^/gm, "      ");

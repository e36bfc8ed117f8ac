/**
 * Runtimes that run the program as a process: Node, Bun, Deno.
 *
 * Owns the pipe. The program ends when its input does, so also when this process is killed.
 *
 * @module
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Answer, Question } from "../protocol.ts";
import { ANSWER_MS_MAX, type Host, START_MS_MAX, type Starter, unwrap, within } from "./host.ts";

/** @param args - before the program's path */
export function processStarter(name: string, command: string, args: readonly string[] = []): Starter {
  return {
    name,
    entry: "entry-process",
    missing: existsSync(command) ? undefined : "not installed under bench/runtimes",
    start: async (bundle) => new ProcessHost(name, spawn(command, [...args, bundle])),
  };
}

class ProcessHost implements Host {
  readonly name: string;
  readonly pids: readonly number[];
  readonly hasClock = true;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #errors = "";

  constructor(name: string, child: ChildProcessWithoutNullStreams) {
    this.name = name;
    this.#child = child;
    this.pids = child.pid === undefined ? [] : [child.pid];
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#ended = once(child, "close").catch(() => {});
    child.stderr.on("data", (chunk) => {
      this.#errors += chunk;
    });
    // The question that waits for its answer reports the end.
    child.stdin.on("error", () => {});
  }

  async ask<Q extends Question>(question: Q): Promise<Answer<Q>> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const line = await within(ANSWER_MS_MAX, `${this.name}: an answer`, this.#lines.next());
    if (line.done === true) {
      // What it had to say may come after the end of its answers.
      await within(START_MS_MAX, `${this.name}: its end`, this.#ended);
      throw new Error(`${this.name} ended: ${this.#errors.trim()}`);
    }
    return unwrap<Q>(this.name, JSON.parse(line.value));
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 2000);
    if (this.#child.exitCode === null) await this.#ended;
    clearTimeout(timer);
  }
}

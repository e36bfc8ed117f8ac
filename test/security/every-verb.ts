/**
 * Runs every verb of the command with a canary in each of its places, and writes what the verbs have said to standard error.
 * A process of its own: the command writes to its own streams.
 *
 * `node every-verb.ts CANARY`, in a folder that may be filled.
 *
 * @module
 */
import type { Command } from "commander";
import { createProgram } from "../../src/cli/program.ts";
import { run } from "../../src/cli/run.ts";

/** Waits for signals and connections. */
const LASTING = new Set(["server"]);
/** What these take is a place or an address: messages name it. */
const PLACES = /file|path|vault|database|server|listen|table|column|slot|where|output|out|folder|to|from/;

const canary = process.argv[2]!;

function verbsOf(command: Command, path: readonly string[]): { path: readonly string[]; verb: Command }[] {
  if (command.commands.length > 0)
    return command.commands.flatMap((child) => verbsOf(child, [...path, child.name()]));
  return [{ path, verb: command }];
}

const program = createProgram([], async () => {}, { writeOut: () => {}, writeErr: () => {} });
const verbs = verbsOf(program, []).filter(({ path }) => !LASTING.has(path[0]!));
for (const { path, verb } of verbs) {
  const places = verb.registeredArguments.map((argument) =>
    PLACES.test(argument.name()) ? "plain" : canary,
  );
  const calls = [places, [...places, canary], [`--${canary}`]];
  for (const option of verb.options) {
    const isPlace = PLACES.test(option.long ?? "") || option.isBoolean();
    if (!isPlace) calls.push([...places, option.long!, canary], [...places, option.long!, `name=${canary}`]);
  }
  for (const call of calls) await run([...path, ...call]);
}
console.error(`${verbs.length} verbs`);
process.exit(0);

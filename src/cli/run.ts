/**
 * One run of the command, from arguments to an exit code.
 *
 * Owns parsing, execution, interruption and the report of errors, in this order. Must not know commands.
 *
 * @module
 */
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { CommanderError } from "commander";
import type { Execute } from "./bind.ts";
import { CommandRun } from "./command-run.ts";
import { usageError } from "./errors.ts";
import { isStdoutTerminal, writeErr, writeOut } from "./io.ts";
import { EXIT_LOCAL, EXIT_SIGNAL } from "./output/exit-codes.ts";
import { type Format, render } from "./output/format.ts";
import { commandIn } from "./output/hints.ts";
import { describe, reportText } from "./output/report.ts";
import { MORE, UnknownOption } from "./parser.ts";
import { createProgram } from "./program.ts";

/**
 * Signals that end a process unless it listens, and may be heard: on each of them what was begun is taken away.
 * SIGPIPE and SIGXFSZ are none here, for Node turns them into errors of writing; SIGUSR1 and SIGPROF belong to Node.
 */
const SIGNALS = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGABRT",
  "SIGALRM",
  "SIGVTALRM",
  "SIGUSR2",
  "SIGXCPU",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
] as const;

/** Milliseconds that closing the vault may take after a signal: a commit ends sooner, a wait for a lock may not. */
const CLOSE_MS = 1_000;

/** The process was told to end. */
class Interrupted extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("interrupted");
    this.exitCode = exitCode;
  }
}

/** @returns the exit code; everything has been written by then */
export async function run(argv: readonly string[]): Promise<number> {
  const abort = new AbortController();
  const interrupted = onSignals(abort, (signal) => current?.ignoredSignals.has(signal) === true);
  let current: CommandRun | undefined;
  let exitCode = 0;
  const execute: Execute = async (flags, work) => {
    current = new CommandRun(flags, abort.signal);
    const result = await work(current).finally(() => current?.close());
    const { format, flags: given } = current;
    await writeOut(render(result, { format, field: given.field, isTerminal: isStdoutTerminal() }));
    exitCode = result.exitCode ?? 0;
  };
  try {
    const shown = await Promise.race([parseAndExecute(argv, execute), interrupted]);
    return shown ?? exitCode;
  } catch (error) {
    if (!(error instanceof Interrupted)) return fail(error, argv, current);
    const ended = await current?.onInterrupt?.().catch((failure) => fail(failure, argv, current));
    await Promise.race([current?.close().catch(() => {}), sleep(CLOSE_MS)]);
    return ended ?? error.exitCode;
  }
}

/** Reports what went wrong. @returns the exit code */
async function fail(
  error: unknown,
  argv: readonly string[],
  current: CommandRun | undefined,
): Promise<number> {
  const program = createProgram(argv, async () => {}, { writeOut: () => {}, writeErr: () => {} });
  const report = describe(error, commandIn(program, argv));
  await writeErr(reportText(report, current?.format ?? formatIn(argv)));
  return report.exitCode;
}

/** Rejects on the first signal; a second one ends the process at once. */
function onSignals(abort: AbortController, isIgnored: (signal: NodeJS.Signals) => boolean): Promise<never> {
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => {}); // It may come when nothing waits any more.
  for (const signal of SIGNALS) {
    const number = constants.signals[signal];
    // Not every system has every one.
    if (number === undefined) continue;
    const exitCode = EXIT_SIGNAL + number;
    process.on(signal, () => {
      if (isIgnored(signal)) return;
      if (abort.signal.aborted) process.exit(exitCode);
      const reason = new Interrupted(exitCode);
      abort.abort(reason);
      interrupted.reject(reason);
    });
  }
  return interrupted.promise;
}

/** @returns the exit code where help or the version was asked for and has been written */
async function parseAndExecute(argv: readonly string[], execute: Execute): Promise<number | undefined> {
  if (argv.some((argument) => argument.includes("\ufffd"))) {
    // Node puts it in the place of bytes that are not UTF-8: what was meant is lost.
    throw usageError(
      "an argument is not UTF-8 text, or holds U+FFFD, which cannot be told from that",
      "a value: give it on standard input or as @FILE",
      "a file's name: rename the file (mv), for no program of this kind can name it",
    );
  }
  const text = { out: "", err: "" };
  const program = createProgram(argv, execute, {
    writeOut: (part) => {
      text.out += part;
    },
    writeErr: (part) => {
      text.err += part;
    },
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return undefined;
  } catch (error) {
    // Not among the options, where -hunter2 would ask for help; but people type it.
    if (error instanceof UnknownOption && error.typed === "-h")
      return parseAndExecute(withHelp(argv), execute);
    if (!(error instanceof CommanderError)) throw error;
    const isHelp = error.exitCode === 0 || error.code === "commander.help";
    // An error that has no method of ours. Its message is not shown, for it may hold what was typed.
    if (!isHelp) throw usageError("the line cannot be read", MORE);
    await writeOut(text.out);
    await writeErr(text.err);
    return error.exitCode === 0 ? 0 : EXIT_LOCAL;
  }
}

function withHelp(argv: readonly string[]): string[] {
  return argv.map((argument) => (argument === "-h" ? "--help" : argument));
}

/** The format that was asked for, where parsing did not come so far. */
function formatIn(argv: readonly string[]): Format {
  const isJson = argv.some(
    (argument, i) => argument === "--format=json" || (argument === "json" && argv[i - 1] === "--format"),
  );
  return isJson ? "json" : "table";
}

/**
 * `npm run demo`: the main job of coffer, from plaintext files to a shredded tenant.
 *
 * Owns the process: arguments, signals, exit code, and what is said at the end. The steps are in demo.ts.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join, relative, resolve } from "node:path";
import { isVaultError } from "../../src/index.ts";
import { ROOT_KEY_SUFFIX, ROOT_KEY_VARIABLE } from "../../src/vault/index.ts";
import { type DemoResult, runDemo, VerificationError } from "./demo.ts";
import { InputError } from "./input.ts";
import { type DemoOptions, HELP, parseOptions } from "./options.ts";
import { milliseconds, Report } from "./report.ts";

const ROOT = join(import.meta.dirname, "..", "..");

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  // npm passes on what the terminal has sent already: a second one must not cut the first one's end short.
  process.on(signal, () => interruption.abort(signal));
}

// The reader of the account has ended, as `head` does.
process.stdout.on("error", () => interruption.abort("SIGPIPE"));

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: DemoOptions | undefined;
  try {
    options = parseOptions(args);
  } catch (error) {
    console.error(`${(error as Error).message}\nSee npm run demo -- --help`);
    return 1;
  }
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  const report = new Report(process.stdout, interruption.signal);
  const start = performance.now();
  try {
    const result = await runDemo(options, report, interruption.signal);
    report.print(`\nAll verified in ${milliseconds(performance.now() - start)}.\n`);
    report.print(howToGoOn(result));
    return 0;
  } catch (error) {
    if (interruption.signal.aborted) {
      const signal = interruption.signal.reason as NodeJS.Signals;
      console.error(
        `\nStopped by ${signal}. Your files are untouched; what this run made is left in ${options.out}.`,
      );
      return 128 + constants.signals[signal];
    }
    console.error(`\n${explain(error)}`);
    return 1;
  }
}

/** What went wrong, as the user needs it: a stack only for an error that was not foreseen. */
function explain(error: unknown): string {
  if (error instanceof InputError) return error.message;
  if (error instanceof VerificationError) return `Verification failed: ${error.message}`;
  if (isVaultError(error)) return `${error.code}: ${error.message}`;
  const { syscall, message, stack } = error as NodeJS.ErrnoException;
  return syscall === undefined ? (stack ?? String(error)) : message;
}

function howToGoOn({ vaultPath, csvPath, fieldPath, fieldPlace, secretName }: DemoResult): string {
  const rootKeyPath = `${vaultPath}${ROOT_KEY_SUFFIX}`;
  const vault = `--vault ${shellWord(fromRoot(vaultPath))}`;
  const field = `${shellWord(`@${fromRoot(fieldPath)}`)} --aad ${shellWord(fieldPlace)}`;
  return `Left for you (the next run makes a folder of its own):
  ${vaultPath}, the vault
  ${existsSync(rootKeyPath) ? `${rootKeyPath}, its root key: without it nothing can be read` : `(its root key is in ${ROOT_KEY_VARIABLE})`}
  ${csvPath}, ciphertexts in place of fields
  ${fieldPath}, one of them by itself

Go on with:
  npm run --silent coffer -- kv list ${vault}
  npm run --silent coffer -- kv get ${shellWord(secretName)} ${vault}
  npm run --silent coffer -- keys list ${vault}
  npm run --silent coffer -- decrypt ${field} ${vault}`;
}

/** npm runs its scripts in the root of the repository, wherever it is called. */
function fromRoot(path: string): string {
  const inRoot = relative(ROOT, resolve(path));
  return inRoot.startsWith("..") ? resolve(path) : inRoot;
}

/** Quoted if a shell would take it apart. */
function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

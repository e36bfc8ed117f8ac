/**
 * `coffer encrypt-file`, `decrypt-file` and `cat`: files of any size in the native format.
 *
 * @module
 */

import { existsSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import type { Option } from "commander";
import type { NativeReader } from "../../crypto/native/range.ts";
import { isVaultError } from "../../errors.ts";
import { fetchSource } from "../../http/fetch-source.ts";
import {
  AAD,
  type Action,
  CONTEXT_OPTIONS,
  type ContextOptions,
  type DecryptionOptions,
  decryptionOptions,
  expectedContext,
  option,
  requiredContext,
  type Verb,
} from "../command.ts";
import type { CommandRun } from "../command-run.ts";
import { CliError, usageError } from "../errors.ts";
import { openInput, openOutput, openToRead, pump, STANDARD } from "../files/file-streams.ts";
import { checkHeaderWhole } from "../files/rekey-in-place.ts";
import { checkNoKey } from "../input/paths.ts";
import { ALLOW_EMPTY_OPTION, emptyValue, readAssociatedData } from "../input/values.ts";
import { isStdinTerminal, isStdoutTerminal } from "../io.ts";
import type { Result } from "../output/format.ts";
import { Hinted } from "../output/hints.ts";
import { Progress } from "../output/progress.ts";

/** What encrypted files are called. */
const SUFFIX = ".coffer";

/** Bytes of a range that may be shown on a terminal, if they are text. */
const SHOWN_BYTES_MAX = 1024 * 1024;

interface OutOptions {
  readonly out?: string;
  readonly force?: boolean;
}

interface EncryptOptions extends ContextOptions, OutOptions {
  readonly allowEmpty?: boolean;
  readonly aad?: string;
}

interface DecryptOptions extends DecryptionOptions, OutOptions {}

interface CatOptions extends DecryptionOptions {
  readonly range?: ByteRange;
}

/** A range as HTTP and curl have it: both ends included. */
interface ByteRange {
  /** Undefined: the last `end` bytes. */
  readonly start: number | undefined;
  /** Undefined: to the end. */
  readonly end: number | undefined;
}

/** How an encrypted file is read. */
const READ_OPTIONS = decryptionOptions("file");

/** Where a result goes. */
const outOptions = (help: string): readonly Option[] => [
  option("--out <file>", help),
  option("--force", "let the result replace a file"),
];

const encryptFile: Action<EncryptOptions> = async (run, options, given) => {
  const path = checkInput(given);
  const out = checkOutput(run, options.out ?? (hasOwnName(path) ? `${path}${SUFFIX}` : undefined));
  const context = await requiredContext(options);
  const associatedData = await readAssociatedData(options.aad);
  const files = { path, out, force: options.force === true, create: true };
  const allowEmpty = options.allowEmpty === true;
  return transformFile(run, { ...files, allowEmpty }, (vault) =>
    vault.encryptStream(context, associatedData, { signal: run.signal }),
  );
};

/** `coffer encrypt-file`. */
export const ENCRYPT_FILE: Verb = {
  name: "encrypt-file",
  summary: "encrypt a file of any size",
  description: "Encrypts a file of any size under a new data key of a key context.",
  arguments: [["<in>", "the file, or - for standard input"]],
  options: [
    ...CONTEXT_OPTIONS,
    AAD,
    option(ALLOW_EMPTY_OPTION, "take an empty pipe, which is refused as a mistake otherwise"),
    ...outOptions(`where to; default the file's name with ${SUFFIX} added`),
  ],
  help: `
The file is read once and written in pieces, so its size does not matter. It is
written beside its place and gets its name when it is whole: what is interrupted
leaves nothing behind. - stands for standard input or output.

Examples:
  $ coffer encrypt-file backup.tar --context organization_id=org_1
  $ tar c docs | coffer encrypt-file - --out docs.tar.coffer --context user=42
`,
  run: encryptFile,
};

const decryptFile: Action<DecryptOptions> = async (run, options, given) => {
  const path = checkInput(given);
  const bare = path.endsWith(SUFFIX) && path !== SUFFIX ? path.slice(0, -SUFFIX.length) : undefined;
  const out = checkOutput(run, options.out ?? bare);
  const reading = await readingOptions(options);
  checkHeaderWhole(path);
  const files = { path, out, force: options.force === true, create: false, allowEmpty: true };
  return hintingAtTexts(() =>
    transformFile(run, files, (vault) =>
      vault.decryptStream(reading.associatedData, { context: reading.context, signal: run.signal }),
    ),
  );
};

/** `coffer decrypt-file`. */
export const DECRYPT_FILE: Verb = {
  name: "decrypt-file",
  summary: "decrypt a file of any size",
  description: "Decrypts a file that encrypt-file has written.",
  arguments: [["<in>", "the file, or - for standard input"]],
  options: [...READ_OPTIONS, ...outOptions(`where to; default the file's name without ${SUFFIX}`)],
  help: `
Nothing is written but what has been authenticated, and the file gets its name
when all of it has been: a file that was cut off or altered leaves nothing behind.
On standard output (--out -) what came before the damage has been written by then:
look at the exit code.

Examples:
  $ coffer decrypt-file backup.tar.coffer
  $ coffer decrypt-file docs.tar.coffer --out - | tar x
`,
  run: decryptFile,
};

const catFile: Action<CatOptions> = async (run, options, given) => {
  if (given === undefined || given === STANDARD) {
    throw usageError("cat needs a file: standard input cannot be read at any place");
  }
  checkNotAt(given);
  const { associatedData, context } = await readingOptions(options);
  const { signal } = run;
  const isAddress = /^https?:\/\//.test(given);
  if (!isAddress) checkHeaderWhole(given);
  const file = isAddress ? undefined : await openToRead(given);
  try {
    const source = file ?? (await fetchFile(given, signal));
    const vault = await run.open();
    using reader = await hintingAtTexts(() =>
      vault.openNativeSource(source, associatedData, { context, signal }),
    );
    const { start, end } = resolveRange(options.range, reader);
    if (isStdoutTerminal()) {
      if (end - start > SHOWN_BYTES_MAX) throw binary();
      const view = await reader.read(start, end, { signal });
      await file?.checkUnchanged();
      return { view, data: () => ({ size: reader.size }) };
    }
    const output = openOutput(STANDARD, { replace: false });
    for await (const piece of reader.stream(start, end, { signal }) as AsyncIterable<Uint8Array>) {
      await output.write(piece);
    }
    await file?.checkUnchanged();
    return { view: "", data: () => ({}) };
  } finally {
    await file?.close();
  }
};

/** `coffer cat`. */
export const CAT: Verb = {
  name: "cat",
  summary: "decrypt a range of a file",
  description: "Writes a range of an encrypted file to standard output, decrypted.",
  arguments: [["<in>", "the file, or a https:// address"]],
  options: [
    option("--range <a-b>", "bytes of the plaintext, both ends included; default all", parseRange),
    ...READ_OPTIONS,
  ],
  help: `
Only the parts of the file that hold the range are read and decrypted, and the
end, which proves the file's size. A range is given as HTTP and curl have it: 0-99
are the first 100 bytes, 100- all but these, -100 the last 100, and of a shorter
file what there is. The file may be
a https:// address of a server that answers ranges.

Examples:
  $ coffer cat log.txt.coffer --range 0-999
  $ coffer cat video.mp4.coffer --range 1048576- > rest.mp4
`,
  run: catFile,
};

interface Files {
  readonly path: string;
  readonly out: string;
  readonly force: boolean;
  /** Make the vault if there is none. */
  readonly create: boolean;
  /** Take a pipe that brings nothing; a file that is empty is what it is. */
  readonly allowEmpty: boolean;
}

async function transformFile(
  run: CommandRun,
  files: Files,
  transform: (vault: Awaited<ReturnType<CommandRun["open"]>>) => ReadableWritablePair<Uint8Array, Uint8Array>,
): Promise<Result> {
  const input = await openInput(files.path);
  try {
    await run.tellLeftFiles(files.out);
    const output = openOutput(files.out, { replace: files.force });
    try {
      const vault = await run.open({ create: files.create });
      const progress = new Progress((line) => void run.progress(line), input.size);
      let read = 0;
      const bytes = await pump(input, transform(vault), output, {
        signal: run.signal,
        onProgress: (done) => {
          read = done;
          progress.update(done);
        },
      });
      if (read === 0 && input.size === undefined && !files.allowEmpty) throw emptyValue();
      await output.commit();
      return { view: "", data: () => ({ file: files.out, bytes }) };
    } finally {
      output.discard();
      await run.progress();
    }
  } finally {
    await input.close();
  }
}

async function fetchFile(address: string, signal: AbortSignal) {
  try {
    return await fetchSource(address, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TypeError)
      throw new CliError("ERR_INPUT_UNREADABLE", "the address cannot be reached");
    throw error;
  }
}

async function readingOptions(options: DecryptionOptions) {
  const context = await expectedContext(options);
  return { context, associatedData: await readAssociatedData(options.aad) };
}

function checkInput(given: string | undefined): string {
  if (given === undefined || given === "") throw usageError("no file was given");
  checkNotAt(given);
  if (given === STANDARD && isStdinTerminal()) {
    throw usageError("standard input is a terminal", "name a file, or pipe something in");
  }
  return given;
}

/** @ is for values: here it would be the beginning of a name. */
export function checkNotAt(given: string): void {
  if (!given.startsWith("@") || existsSync(given)) return;
  throw new CliError(
    "ERR_INPUT_UNREADABLE",
    "there is no such file",
    "a file that is worked on is named without @",
  );
}

/** What `coffer encrypt` writes is text, and goes elsewhere than files do. */
export async function hintingAtTexts<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isVaultError(error, "ERR_NOT_CIPHERTEXT")) throw error;
    throw new Hinted(error, [
      "this command takes what encrypt-file has written; the text that encrypt writes goes to `coffer decrypt @FILE`, or `coffer rekey @FILE`",
    ]);
  }
}

/** Whether a result may be named after the input: not after a pipe or what the kernel shows as files. */
function hasOwnName(path: string): boolean {
  if (path === STANDARD) return false;
  try {
    return !/^\/(dev|proc|sys)(\/|$)/.test(realpathSync(dirname(path)));
  } catch {
    return true; // Opening it says why it cannot.
  }
}

function checkOutput(run: CommandRun, out: string | undefined): string {
  if (out === undefined || out === "")
    throw usageError("nobody knows where to", "name the result with --out FILE");
  if (out !== STANDARD) {
    checkNoKey(out, "--out");
    return out;
  }
  if (isStdoutTerminal()) throw binary();
  if (run.flags.format === "json" || run.flags.field !== undefined) {
    throw usageError("standard output is for the file: it cannot hold a result as JSON as well");
  }
  return out;
}

function binary(): CliError {
  return new CliError(
    "ERR_OUTPUT_BINARY",
    "a file is not printed to a terminal",
    "name the result with --out FILE, or send it to another program",
  );
}

function parseRange(text: string): ByteRange {
  const [, start = "", end = ""] = /^(\d{0,16})-(\d{0,16})$/.exec(text) ?? [];
  const range = {
    start: start === "" ? undefined : Number(start),
    end: end === "" ? undefined : Number(end),
  };
  const isEmpty = start === "" && end === "";
  const isBackwards = range.start !== undefined && range.end !== undefined && range.end < range.start;
  if (isEmpty || isBackwards || text === "-0") {
    throw usageError("--range takes A-B, A- or -B: whole numbers, A at most B");
  }
  return range;
}

/** From both ends included to the library's start and end; what is behind the file is left out (RFC 9110 14.1.2). */
function resolveRange(range: ByteRange | undefined, { size }: NativeReader): { start: number; end: number } {
  if (range === undefined) return { start: 0, end: size };
  if (range.start === undefined) return { start: Math.max(0, size - range.end!), end: size };
  if (range.start >= size) throw usageError(`the range begins behind the file, which has ${size} bytes`);
  return { start: range.start, end: range.end === undefined ? size : Math.min(range.end + 1, size) };
}

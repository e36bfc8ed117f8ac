/**
 * Standard streams and files, as bytes.
 *
 * Owns bounded reading and complete writing. Must not know what the bytes mean; error messages never name a path
 * that came in the place of a value.
 *
 * @module
 */
import { constants, createReadStream, fstatSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { concatBytes } from "../base/bytes.ts";
import { CliError, systemReason } from "./errors.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

/** Whether a person types. */
export const isStdinTerminal = (): boolean => process.stdin.isTTY === true;
/** Whether a person reads the result. */
export const isStdoutTerminal = (): boolean => process.stdout.isTTY === true;
/** Whether a person reads messages and progress. */
export const isStderrTerminal = (): boolean => process.stderr.isTTY === true;

/** Whether something was given on standard input: a pipe or a file, not a terminal and not `/dev/null`. */
export function isStdinGiven(): boolean {
  try {
    return !fstatSync(STDIN).isCharacterDevice();
  } catch {
    return false; // It is closed.
  }
}

/** Whether standard input is a pipe or a file: something was given. */
export function isStdinPipe(): boolean {
  return fstatSync(STDIN).isFIFO();
}

/** Turns of the event loop after which what a pipe or a socket holds has been seen. */
const LOOK_TURNS = 3;

/**
 * Whether standard input holds something now, without waiting for it. What is found is used up: the caller refuses
 * it then.
 */
export async function hasWaitingInput(): Promise<boolean> {
  try {
    // A file's beginning is there or it is empty; reading a pipe so would wait for its writer.
    if (fstatSync(STDIN).isFile()) return readSync(STDIN, new Uint8Array(1)) > 0;
    let isThere = false;
    const onData = (): void => {
      isThere = true;
    };
    process.stdin.on("data", onData).on("error", () => {});
    for (let turn = 0; turn < LOOK_TURNS; turn++) await nextTurn();
    process.stdin.off("data", onData).pause();
    return isThere;
  } catch {
    return false; // What cannot be read holds nothing that could be lost.
  }
}

/**
 * Reads standard input to its end.
 *
 * @returns at most `maxBytes + 1` bytes: one more than allowed tells the caller that there are too many
 * @throws CliError ERR_INPUT_UNREADABLE
 */
export async function readStdin(maxBytes: number): Promise<Uint8Array> {
  try {
    const stdin = fstatSync(STDIN);
    const isReadable = stdin.isFile() || stdin.isFIFO() || stdin.isSocket() || stdin.isCharacterDevice();
    // Of anything else, a directory for instance, Node makes an empty input.
    if (!isReadable) throw Object.assign(new Error(), { code: stdin.isDirectory() ? "EISDIR" : "ENXIO" });
    return await collect(process.stdin, maxBytes);
  } catch (error) {
    throw new CliError("ERR_INPUT_UNREADABLE", `standard input cannot be read (${systemReason(error)})`);
  }
}

async function collect(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBytes) break;
  }
  return concatBytes(...chunks).subarray(0, maxBytes + 1);
}

/** One line that a person types, without its end. */
export async function readLine(): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of process.stdin) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.split(/\r?\n/)[0]!;
}

/**
 * Reads a file, a named pipe or the like.
 *
 * @param what - names the file in errors
 * @returns at most `maxBytes + 1` bytes, as {@link readStdin}
 * @throws CliError ERR_INPUT_UNREADABLE
 */
export async function readFile(path: string, maxBytes: number, what: string): Promise<Uint8Array> {
  try {
    return await collect(isPipe(path) ? openPipe(path) : createReadStream(path), maxBytes);
  } catch (error) {
    throw new CliError(
      "ERR_INPUT_UNREADABLE",
      `${what} cannot be read (${systemReason(error)})`,
      "@ before a value names a file: write @@ for a value that begins with @ itself",
    );
  }
}

/** Whether a path is that of a pipe; what cannot be looked at is none, and opening it says why. */
export function isPipe(path: string): boolean {
  try {
    return statSync(path).isFIFO();
  } catch {
    return false;
  }
}

/** A named pipe, opened so that waiting for its writer does not occupy a thread: the process could not end then. */
export function openPipe(path: string): AsyncIterable<Uint8Array> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

/**
 * Writes to standard output, all of it. A reader that has gone away is no error: it has what it wanted.
 *
 * @throws CliError ERR_OUTPUT_FAILED
 */
export async function writeOut(data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  if (bytes.length === 0) return;
  try {
    // Node's stream for files does not look at how much was written: a full disk would cut the result off silently.
    if (fstatSync(STDOUT).isFile()) writeAll(STDOUT, bytes);
    else await writeStream(process.stdout, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return;
    throw new CliError("ERR_OUTPUT_FAILED", `the result cannot be written (${systemReason(error)})`);
  }
}

/** Writes lines for people, or for programs that read errors as JSON. A failure of this has no other place to be reported. */
export async function writeErr(text: string): Promise<void> {
  await writeStream(process.stderr, new TextEncoder().encode(text)).catch(() => {});
}

/** The same before this returns, when the process ends. */
export function writeErrNow(text: string): void {
  try {
    writeAll(STDERR, new TextEncoder().encode(text));
  } catch {
    // As for the other.
  }
}

/** Writes all bytes, however often the system takes a part only. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function writeStream(stream: NodeJS.WriteStream, bytes: Uint8Array): Promise<void> {
  const done = Promise.withResolvers<void>();
  stream.write(bytes, (error) => (error ? done.reject(error) : done.resolve()));
  return done.promise;
}

/** Without a listener, a stream's error would end the process with a stack trace; {@link writeOut} tells of it. */
export function expectStreamErrors(): void {
  process.stdout.on("error", () => {});
  process.stderr.on("error", () => {});
}

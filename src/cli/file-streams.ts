/**
 * Files of any size as streams: input piece by piece, output beside its place and then moved there.
 *
 * Owns reading and writing of large files, and that no half-written one is ever found under its name. Must not know
 * what the bytes mean; error messages never name a path.
 *
 * @module
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { toHex } from "../crypto/bytes.ts";
import { randomBytes } from "../crypto/random.ts";
import { CliError, systemReason } from "./errors.ts";
import { writeOut } from "./io.ts";
import { checkOutFile, linkNew } from "./out-file.ts";

/** The name that stands for standard input or output. */
export const STANDARD = "-";

/** Bytes that are read at once: 16 chunks of the native format. Larger pieces measured no faster, but hold more. */
const READ_BYTES = 256 * 1024;

const FILE_MODE = 0o600;

/** A stream to read, and how much it will give. */
export interface Input {
  readonly stream: ReadableStream<Uint8Array>;
  /** Bytes in all; undefined where nobody knows, as for a pipe. */
  readonly size: number | undefined;
  /** Closes a file; may be called more than once. */
  close(): Promise<void>;
}

/**
 * Opens a file or standard input.
 *
 * @param onRead - told how many bytes have been read so far
 * @throws CliError ERR_INPUT_UNREADABLE; the stream fails with it as well
 */
export async function openInput(path: string, onRead: (bytes: number) => void): Promise<Input> {
  let total = 0;
  const counted = (bytes: Uint8Array): Uint8Array => {
    total += bytes.length;
    onRead(total);
    return bytes;
  };
  if (path === STANDARD) {
    const stream = ReadableStream.from(standardInput(counted));
    return { stream, size: undefined, close: async () => {} };
  }
  const file = await openToRead(path);
  const stats = await file.stat();
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await readPiece(file);
        if (bytes.length > 0) controller.enqueue(counted(bytes));
        else controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, size: stats.isFile() ? stats.size : undefined, close: () => file.close() };
}

/** Opens a file to read from any place. @throws CliError ERR_INPUT_UNREADABLE */
export async function openToRead(path: string, flags: "r" | "r+" = "r"): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    throw unreadable(error);
  }
}

/** Where a result goes. */
export interface Output {
  write(bytes: Uint8Array): Promise<void>;
  /** Makes it durable and gives it its name. */
  commit(): Promise<void>;
  /** Takes away what was written, unless it was committed. May be called more than once. */
  discard(): void;
}

/**
 * Opens a new file beside its place, or standard output.
 *
 * @throws CliError ERR_OUTPUT_EXISTS, ERR_OUTPUT_FAILED; its calls as well
 */
export async function openOutput(path: string, force: boolean): Promise<Output> {
  if (path === STANDARD) return { write: writeOut, commit: async () => {}, discard: () => {} };
  checkOutFile(path, force);
  const temporary = `${path}.${toHex(randomBytes(8))}.tmp`;
  let file: FileHandle;
  try {
    file = await open(temporary, "wx", FILE_MODE);
  } catch (error) {
    throw unwritable(error);
  }
  let isOpen = true;
  const discard = (): void => {
    if (!isOpen) return;
    isOpen = false;
    rmSync(temporary, { force: true });
    process.off("exit", discard);
    file.close().catch(() => {});
  };
  // A signal may end the process before anybody calls discard.
  process.on("exit", discard);
  return {
    discard,
    async write(bytes) {
      try {
        for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
      } catch (error) {
        throw unwritable(error);
      }
    },
    async commit() {
      try {
        await file.sync();
        if (force) renameSync(temporary, path);
        else linkNew(temporary, path);
        syncDirectory(dirname(path));
      } catch (error) {
        throw error instanceof CliError ? error : unwritable(error);
      }
      discard();
    },
  };
}

/** Makes names in a directory durable. Where that cannot be done, the file system does it in its own time. */
export function syncDirectory(path: string): void {
  try {
    const fd = openSync(path, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Not every system lets directories be opened.
  }
}

async function* standardInput(counted: (bytes: Uint8Array) => Uint8Array): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of process.stdin as AsyncIterable<Uint8Array>) yield counted(bytes);
  } catch (error) {
    throw unreadable(error);
  }
}

async function readPiece(file: FileHandle): Promise<Uint8Array> {
  try {
    const bytes = new Uint8Array(READ_BYTES);
    const { bytesRead } = await file.read(bytes);
    return bytes.subarray(0, bytesRead);
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): CliError {
  return new CliError("ERR_INPUT_UNREADABLE", `the input cannot be read (${systemReason(error)})`);
}

function unwritable(error: unknown): CliError {
  return new CliError("ERR_OUTPUT_FAILED", `the output file cannot be written (${systemReason(error)})`);
}

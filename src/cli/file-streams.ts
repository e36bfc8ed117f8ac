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
import { releaseMemory, toHex } from "../crypto/bytes.ts";
import { randomBytes } from "../crypto/random.ts";
import { CliError, systemReason } from "./errors.ts";
import { writeOut } from "./io.ts";
import { checkOutFile, linkNew } from "./out-file.ts";

/** The name that stands for standard input or output. */
export const STANDARD = "-";

/** Bytes that are read at once: 16 chunks of the native format. Larger pieces measured no faster, but hold more. */
const READ_BYTES = 256 * 1024;

const FILE_MODE = 0o600;

/** Something to read from its beginning to its end. */
export interface Input {
  /** Bytes in all; undefined where nobody knows, as for a pipe. */
  readonly size: number | undefined;
  /** Pieces, each valid until the one after the next is asked for. Fails with CliError ERR_INPUT_UNREADABLE. */
  read(): AsyncGenerator<Uint8Array>;
  /** Closes a file; may be called more than once. */
  close(): Promise<void>;
}

/**
 * Opens a file or standard input.
 *
 * @throws CliError ERR_INPUT_UNREADABLE
 */
export async function openInput(path: string): Promise<Input> {
  if (path === STANDARD) return { size: undefined, read: readStandardInput, close: async () => {} };
  const file = await openToRead(path);
  const stats = await file.stat();
  return {
    size: stats.isFile() ? stats.size : undefined,
    read: () => readFile(file),
    close: () => file.close(),
  };
}

/**
 * Pumps an input through a transform into an output. Nothing is held but a few pieces, whose memory is used again.
 *
 * @param onProgress - told how many bytes have been read so far
 * @returns how many bytes were written
 * @throws what failed first: input, transform or output; the signal's reason
 */
export async function pump(
  input: Input,
  transform: ReadableWritablePair<Uint8Array, Uint8Array>,
  output: Output,
  { signal, onProgress }: { signal: AbortSignal; onProgress: (bytes: number) => void },
): Promise<number> {
  const feed = async (): Promise<void> => {
    const writer = transform.writable.getWriter();
    try {
      let total = 0;
      let written = Promise.resolve();
      for await (const bytes of input.read()) {
        // The piece before is done with: its memory is what is read into next.
        await written;
        signal.throwIfAborted();
        written = writer.write(bytes);
        written.catch(() => {}); // Awaited in the next round.
        total += bytes.length;
        onProgress(total);
      }
      await written;
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {});
      throw error;
    }
  };
  const drain = async (): Promise<number> => {
    let total = 0;
    for await (const bytes of transform.readable as AsyncIterable<Uint8Array>) {
      total += bytes.length;
      await output.write(bytes);
      releaseMemory(bytes);
    }
    return total;
  };
  const [drained, fed] = await Promise.allSettled([drain(), feed()]);
  // Whatever fails, the reading end fails with it; the writing end only hears that nobody reads any more.
  if (drained.status === "rejected") throw drained.reason;
  if (fed.status === "rejected") throw fed.reason;
  return drained.value;
}

/** Opens a file to read from any place. @throws CliError ERR_INPUT_UNREADABLE */
export async function openToRead(path: string, flags: "r" | "r+" = "r"): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, flags);
  } catch (error) {
    throw unreadable(error);
  }
  if ((await file.stat()).isDirectory()) {
    await file.close();
    throw unreadable({ code: "EISDIR" });
  }
  return file;
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

async function* readStandardInput(): AsyncGenerator<Uint8Array> {
  try {
    yield* process.stdin as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw unreadable(error);
  }
}

/** Into two buffers in turn: one is read into while the other is worked on. */
async function* readFile(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)] as const;
  for (let turn = 0; ; turn = 1 - turn) {
    const buffer = buffers[turn as 0 | 1];
    let bytesRead: number;
    try {
      ({ bytesRead } = await file.read(buffer));
    } catch (error) {
      throw unreadable(error);
    }
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function unreadable(error: unknown): CliError {
  return new CliError("ERR_INPUT_UNREADABLE", `the input cannot be read (${systemReason(error)})`);
}

function unwritable(error: unknown): CliError {
  return new CliError("ERR_OUTPUT_FAILED", `the output file cannot be written (${systemReason(error)})`);
}

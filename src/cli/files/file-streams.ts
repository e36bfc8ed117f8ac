/**
 * Files of any size as streams: input piece by piece, output into a file or standard output.
 *
 * Owns the reading of large files, and that what changes meanwhile is an error. Must not know what the bytes mean;
 * error messages never name a path.
 *
 * @module
 */
import type { Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { releaseMemory } from "../../base/bytes.ts";
import type { AtomicFileOptions } from "../../vault/files/atomic-file.ts";
import { CliError, systemReason } from "../errors.ts";
import { checkNoKey } from "../input/paths.ts";
import { isPipe, openPipe, writeOut } from "../io.ts";
import { OutFile } from "./out-file.ts";

/** The name that stands for standard input or output. */
export const STANDARD = "-";

/**
 * Bytes that are read at once: 64 chunks of the native format, which the stream hands on together. Measured on 256 MiB (Node
 * 24): beside 256 KiB a third of the changes between threads and 8 % less processor time at the same peak of memory; reading and
 * writing in this thread saves 4 % more, but then nothing happens at the same time.
 */
const READ_BYTES = 1024 * 1024;

/** Something to read from its beginning to its end. */
export interface Input {
  /** Bytes in all; undefined where it is not known, as for a pipe. */
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
  if (path === STANDARD) return pipeInput(() => process.stdin);
  checkNoKey(path, "the input");
  if (isPipe(path)) return pipeInput(() => openPipe(path));
  const file = await openToRead(path);
  const { stats } = file;
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
  // Whatever fails, the reading end fails with it; the writing end only hears that there is no reader any more.
  if (drained.status === "rejected") throw drained.reason;
  if (fed.status === "rejected") throw fed.reason;
  return drained.value;
}

/** Opens a file to read from any place. @throws CliError ERR_INPUT_UNREADABLE */
export async function openToRead(path: string, flags: "r" | "r+" = "r"): Promise<OpenFile> {
  checkNoKey(path, "the input");
  if (isPipe(path)) {
    // Opening it would wait for a writer, and no signal could end that.
    throw new CliError("ERR_INPUT_UNREADABLE", "the input is a pipe, which cannot be read at any place");
  }
  try {
    const handle = await open(path, flags);
    try {
      const stats = await handle.stat();
      if (stats.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
      return new OpenFile(handle, stats);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw unreadable(error);
  }
}

/** A file that is read, and must not change meanwhile. Its calls throw CliError ERR_INPUT_UNREADABLE. */
export class OpenFile {
  readonly #handle: FileHandle;
  /** As it was when it was opened. */
  readonly stats: Stats;

  constructor(handle: FileHandle, stats: Stats) {
    this.#handle = handle;
    this.stats = stats;
  }

  get fd(): number {
    return this.#handle.fd;
  }

  /** The same as at first: what is read in several pieces must be one file. */
  async stat(): Promise<{ readonly size: number }> {
    return this.stats;
  }

  /** @param position - null: behind what was read before */
  async read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number | null,
  ): Promise<{ readonly bytesRead: number }> {
    try {
      return await this.#handle.read(buffer, offset, length, position);
    } catch (error) {
      throw unreadable(error);
    }
  }

  /**
   * Looks whether the file is still as long as it was when it was opened. A device, a pipe and what the kernel makes
   * up at each read (`/proc`) have no size to compare.
   *
   * @param bytesRead - bytes that were read, where all of it was
   */
  async checkUnchanged(bytesRead?: number): Promise<void> {
    if (!this.stats.isFile()) return;
    const { size } = this.stats;
    const now = await this.#handle.stat().catch((error) => {
      throw unreadable(error);
    });
    const isMadeUp = size === 0 && now.size === 0;
    if (now.size === size && (bytesRead === undefined || bytesRead === size || isMadeUp)) return;
    throw new CliError(
      "ERR_INPUT_UNREADABLE",
      now.size > size
        ? "the file has grown while it was read: what was read is not all of it"
        : "the file has become shorter while it was read",
      "take a copy or a snapshot that nobody writes to, and read that",
    );
  }

  close(): Promise<void> {
    return this.#handle.close();
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
export function openOutput(path: string, options: AtomicFileOptions): Output {
  if (path === STANDARD) return { write: writeOut, commit: async () => {}, discard: () => {} };
  return new OutFile(path, options);
}

function pipeInput(openSource: () => AsyncIterable<Uint8Array>): Input {
  return {
    size: undefined,
    async *read() {
      try {
        yield* openSource();
      } catch (error) {
        throw unreadable(error);
      }
    },
    close: async () => {},
  };
}

/** Into two buffers in turn: one is read into while the other is worked on. */
async function* readFile(file: OpenFile): AsyncGenerator<Uint8Array> {
  const buffers = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)] as const;
  let total = 0;
  for (let turn = 0; ; turn = 1 - turn) {
    const buffer = buffers[turn as 0 | 1];
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return file.checkUnchanged(total);
    total += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function unreadable(error: unknown): CliError {
  return new CliError("ERR_INPUT_UNREADABLE", `the input cannot be read (${systemReason(error)})`);
}

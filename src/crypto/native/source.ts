/**
 * What ranges of a native envelope are read from: arrays, Blobs, file handles, or anything with a size and a read.
 *
 * Owns one shape over them all and the check of what they answer. Files are known by their shape only: nothing here
 * opens, names or fetches one. Must not know what the bytes are.
 *
 * @module
 */

import { isUint8Array, ownBytes, typeName } from "../../base/bytes.ts";
import { invalidType } from "../../errors.ts";
import { cutOff } from "./format.ts";

/** Bytes at rest that can be read at any place. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /**
   * Reads bytes; the caller stays within the size.
   *
   * @returns exactly `length` bytes; fewer only where the source is shorter than its size says
   */
  read(offset: number, length: number, signal?: AbortSignal): Uint8Array | Promise<Uint8Array>;
}

/** The part of a Blob or File that is used. */
export interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** The part of a `FileHandle` of `node:fs/promises` that is used. It stays open, and its position is not used. */
export interface FileHandleLike {
  stat(): Promise<{ readonly size: number }>;
  read(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
}

/** Whatever ranges can be read from. */
export type RangeSource = Uint8Array | BlobLike | FileHandleLike | ByteSource;

/**
 * One shape for all sources.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT for anything else
 */
export async function toByteSource(source: RangeSource): Promise<ByteSource> {
  if (isUint8Array(source)) {
    const bytes = ownBytes(source, "source");
    return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
  }
  // Whatever was given is looked at before it is trusted to be one of these.
  const given = (source ?? {}) as Partial<Record<"size" | "slice" | "stat" | "read", unknown>>;
  if (typeof given.stat === "function" && typeof given.read === "function") {
    return ofFile(source as FileHandleLike);
  }
  if (typeof given.size === "number" && typeof given.read === "function") return source as ByteSource;
  if (typeof given.size === "number" && typeof given.slice === "function") return ofBlob(source as BlobLike);
  throw invalidType(`source must be bytes, a Blob, a file handle or { size, read }, got ${typeName(source)}`);
}

/**
 * Reads exactly what was asked for.
 *
 * @throws VaultError ERR_ENVELOPE_MALFORMED if the source ends before its size; TypeError ERR_INVALID_ARGUMENT if it
 *   answers something else than bytes, or more of them; the signal's reason; and what the source throws
 */
export async function readExactly(
  source: ByteSource,
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const bytes = await source.read(offset, length, signal);
  signal?.throwIfAborted();
  if (!isUint8Array(bytes) || bytes.length > length) {
    throw invalidType("the source must answer a Uint8Array of no more bytes than it was asked for");
  }
  if (bytes.length < length) throw cutOff();
  return bytes;
}

function ofBlob(blob: BlobLike): ByteSource {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

async function ofFile(file: FileHandleLike): Promise<ByteSource> {
  const { size } = await file.stat();
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const { bytesRead } = await file.read(bytes, at, length - at, offset + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    },
  };
}

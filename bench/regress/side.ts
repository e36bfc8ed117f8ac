/**
 * One of two commits that are compared: its files, and the work that it is measured at.
 *
 * Owns the shapes. Must not know which work there is.
 *
 * @module
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Sampler } from "../lib/harness.ts";

/** A commit, checked out. */
export interface Side {
  /** The directory of its files. */
  readonly path: string;
  /** A directory of its own for vaults. */
  readonly scratch: string;
}

/** Some work, ready to be measured. */
export interface Work {
  readonly name: string;
  /** A sampler of it under the name of a column. */
  sampler(column: string): Sampler;
}

/** The works of a group, made ready for one commit. */
export interface Group {
  readonly works: readonly Work[];
  close(): Promise<void>;
}

/** Loads a module of a commit. @param file - from `src` */
export async function load<T>(side: Side, file: string): Promise<T> {
  return (await import(pathToFileURL(join(side.path, "src", file)).href)) as T;
}

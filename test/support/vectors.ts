/**
 * Where the test vectors are, and how a test says how many of them it checked.
 *
 * Owns the look-up. The files are other people's work under their own licences and are read in place, never
 * copied here: from `COFFER_VECTORS`, else from `../shared/vectors` beside the repository. Where a file is
 * absent its tests are skipped, and the run says so.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe } from "vitest";

/** The repository's root, wherever the tests are started from. */
export const REPOSITORY_ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

export const VECTORS_DIRECTORY: string =
  process.env.COFFER_VECTORS ?? resolve(REPOSITORY_ROOT, "../shared/vectors");

/** Reads the file of a suite; call it inside a test, so that a skipped suite reads nothing. */
export interface VectorFile {
  text(): string;
  /** The caller states the shape; the tests would fail on another. */
  json<T>(): T;
}

/**
 * Describes the tests over one vector file.
 *
 * @param path - within the vectors' directory
 */
export function describeVectors(title: string, path: string, body: (file: VectorFile) => void): void {
  const absolute = join(VECTORS_DIRECTORY, path);
  const isThere = existsSync(absolute);
  const why = `${absolute} is not there (COFFER_VECTORS says where vectors are)`;
  if (!isThere) console.log(`vectors: skipped: ${why}`);
  const text = () => readFileSync(absolute, "utf8");
  describe(`${title} (${path})`, () => {
    // Not describe.skipIf: only here can the reason be given, which the summary of a run lists.
    beforeEach((context) => context.skip(!isThere, why));
    body({ text, json: <T>() => JSON.parse(text()) as T });
  });
}

/** Says how many vectors a test has checked. */
export function reportChecked(count: number, what: string): void {
  console.log(`vectors: ${count} ${what}`);
}

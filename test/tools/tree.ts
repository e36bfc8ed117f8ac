/**
 * Small source trees in temporary directories, for the tests of the tools.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";

/** Text by path relative to the root. */
export type Files = Readonly<Record<string, string>>;

/** Writes the files to a new directory that lives as long as the test. */
export function makeTree(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), "coffer-tree-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

/**
 * Which files the repository holds: what git tracks or would track.
 *
 * Owns the listing only. Must not know what the list is for.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** Directories that are never part of the repository, for copies of it that are not under git. */
const NOT_TRACKED: ReadonlySet<string> = new Set([".git", "node_modules", "dist", "coverage", "demo-output"]);

const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Paths relative to `root`, sorted, with `/`; new files that are not ignored count, deleted ones and links do not.
 *
 * A copy without git (an archive, a container without the command) is walked instead.
 */
export function listFiles(root: string): string[] {
  const paths = existsSync(join(root, ".git")) ? (gitFiles(root) ?? walk(root)) : walk(root);
  // Links and submodules hold no text of ours.
  return paths
    .filter((path) => lstatSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true)
    .sort();
}

function gitFiles(root: string): string[] | undefined {
  try {
    const output = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
      maxBuffer: OUTPUT_BYTES_MAX,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return [...new Set(output.split("\0").filter((path) => path !== ""))];
  } catch {
    return undefined;
  }
}

function walk(root: string, directory = root): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_TRACKED.has(entry.name)) return [];
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return walk(root, path);
    return entry.isFile() ? [relative(root, path)] : [];
  });
}

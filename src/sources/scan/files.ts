/**
 * Files that hold ciphertexts, for a census: JSON lines, and folders of files.
 *
 * Owns the way through them. Links are not followed. Must not know what values mean.
 *
 * @module
 */
import { createReadStream, type Dirent } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { VaultError } from "../../errors.ts";
import { SCAN_HEAD_MAX, type ScanPlace, type ScanSource } from "./scan.ts";
import type { Cell } from "./tally.ts";

/** Rows that are handed on in one go. Ours. */
const PAGE_ROWS = 1_000;

/** A file with a JSON value on each line. A sample of it is its first lines: where others begin is not known. */
export function jsonLinesScanSource(path: string): ScanSource {
  return {
    kind: "json-lines",
    async *places() {
      yield {
        name: path,
        rows: undefined,
        isEstimate: false,
        columns: [""],
        read: (sample) => linesOf(path, sample),
      } satisfies ScanPlace;
    },
  };
}

async function* linesOf(path: string, sample: number | undefined): AsyncGenerator<Cell[][]> {
  const input = createReadStream(path, "utf8");
  let page: Cell[][] = [];
  let count = 0;
  let number = 0;
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      if (line.trim() === "") continue;
      page.push([{ json: parsed(line, number) }]);
      count += 1;
      if (page.length === PAGE_ROWS) {
        yield page;
        page = [];
      }
      if (count === sample) break;
    }
  } finally {
    input.destroy();
  }
  if (page.length > 0) yield page;
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new VaultError("ERR_JSON_INVALID", `line ${number} is not JSON`);
  }
}

/** All files below a folder, each as one value of it. */
export function folderScanSource(path: string): ScanSource {
  return {
    kind: "folder",
    async *places() {
      yield* foldersBelow(path, path);
    },
  };
}

async function* foldersBelow(root: string, path: string): AsyncGenerator<ScanPlace> {
  const entries = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const files = entries.filter((entry) => entry.isFile());
  if (files.length > 0) {
    yield {
      name: path,
      rows: files.length,
      isEstimate: false,
      columns: ["file"],
      read: (sample) => headsOf(path, spread(files, sample)),
    };
  }
  for (const entry of entries) {
    if (entry.isDirectory()) yield* foldersBelow(root, join(path, entry.name));
  }
}

/** Some of a list, from all over it. */
function spread<T>(list: readonly T[], count: number | undefined): readonly T[] {
  if (count === undefined || list.length <= count) return list;
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]!);
}

async function* headsOf(path: string, files: readonly Dirent[]): AsyncGenerator<Cell[][]> {
  let page: Cell[][] = [];
  for (const { name } of files) {
    page.push([await headOf(join(path, name))]);
    if (page.length === PAGE_ROWS) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

async function headOf(path: string): Promise<Cell> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const head = new Uint8Array(Math.min(size, SCAN_HEAD_MAX));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    // A text file that ends with a line break holds the text before it.
    const end = size <= SCAN_HEAD_MAX && head[bytesRead - 1] === 0x0a ? bytesRead - 1 : bytesRead;
    return { head: head.subarray(0, end), size };
  } finally {
    await file.close();
  }
}

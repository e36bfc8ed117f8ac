/**
 * A folder of encrypted files (`.coffer`) as a source: their headers are moved, their data is neither read nor written.
 *
 * Owns the walk through the folder, and the exchange of a header: in place where it has the same length, else by a copy that takes
 * the file's place. Must not know keys.
 *
 * @module
 */
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { concatBytes, equalBytes } from "../base/bytes.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { TAG_BYTES } from "../crypto/limits.ts";
import { NATIVE_HEADER_BYTES_MAX, NATIVE_PREFIX_BYTES, parseNativeHeader } from "../crypto/native/format.ts";
import { invalidType, isVaultError, VaultError } from "../errors.ts";
import type { CiphertextSource, SourceRow } from "../rekey/job/source.ts";
import { type JournalledData, JournalledSource, type NotedRow } from "./journal.ts";
import type { ChangeResult } from "./sql/dialect.ts";

/** A folder of encrypted files. */
export interface FolderOptions {
  readonly path: string;
  /** How names of encrypted files end; default `.coffer`. */
  readonly suffix?: string | undefined;
}

const FOLDER_OPTIONS = optionNames<FolderOptions>({ path: true, suffix: true });
const SUFFIX_DEFAULT = ".coffer";
/** The journal's file within the folder. */
const JOURNAL = ".coffer-rekey";
const COPY_SUFFIX = ".coffer-new";

/**
 * The encrypted files of a folder and those below it. A job of the modes `rewrap` and `rekey` changes their headers, so that a
 * large file takes no longer than a small one; the other modes would have to read the data, and are refused.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_SOURCE_INVALID if there is no such folder
 */
export async function cofferFolder(options: FolderOptions): Promise<CiphertextSource> {
  checkOptions(options, FOLDER_OPTIONS, "cofferFolder");
  const { path, suffix = SUFFIX_DEFAULT } = options;
  if (typeof path !== "string" || typeof suffix !== "string" || suffix === "")
    throw invalidType("path and suffix must be texts");
  const root = resolve(path);
  const isFolder = await stat(root).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new VaultError("ERR_SOURCE_INVALID", "there is no such folder");
  return new JournalledSource(new Folder(root, suffix), join(root, JOURNAL));
}

class Folder implements JournalledData {
  readonly name: string;
  readonly shape: string;
  readonly slots: readonly string[] = ["header"];
  readonly isSpliceOnly = true;
  readonly #root: string;
  readonly #suffix: string;
  #paths: string[] | undefined;

  constructor(root: string, suffix: string) {
    this.name = `folder:${root}`;
    this.shape = JSON.stringify({ folder: root, suffix });
    this.#root = root;
    this.#suffix = suffix;
  }

  async survey() {
    this.#paths = undefined;
    return { rows: (await this.#list()).length, charactersMax: [undefined], warnings: [] };
  }

  async readPage(after: string | null, limit: number): Promise<SourceRow[]> {
    const paths = await this.#list();
    const from = after === null ? 0 : paths.findIndex((path) => path > after);
    return from < 0 ? [] : this.readRows(paths.slice(from, from + limit));
  }

  async readRows(keys: readonly string[]): Promise<SourceRow[]> {
    const rows: SourceRow[] = [];
    for (const key of keys) {
      const text = await this.#headerText(key);
      if (text !== undefined) rows.push({ key, values: [text], fields: { path: key } });
    }
    return rows;
  }

  async place(): Promise<string> {
    return "";
  }

  async write(rows: readonly NotedRow[], _: string, isRepeat: boolean): Promise<ChangeResult[]> {
    const results: ChangeResult[] = [];
    for (const { key, values } of rows) {
      const { before, replacement } = values[0]!;
      results.push(
        before === null || replacement === undefined
          ? "written"
          : await this.#exchange(key, headerOf(before), headerOf(replacement), isRepeat),
      );
    }
    return results;
  }

  async finish(): Promise<void> {}
  async close(): Promise<void> {}

  async #list(): Promise<string[]> {
    if (this.#paths === undefined) {
      const entries = await readdir(this.#root, { recursive: true, withFileTypes: true });
      this.#paths = entries
        .filter((entry) => entry.isFile() && entry.name.endsWith(this.#suffix))
        .map((entry) => relative(this.#root, join(entry.parentPath, entry.name)))
        .sort((a, b) => (a < b ? -1 : 1));
    }
    return this.#paths;
  }

  /** A file's header as an envelope without data; a text that is no ciphertext for other files; undefined for none. */
  async #headerText(key: string): Promise<string | undefined> {
    let file: FileHandle;
    try {
      file = await open(join(this.#root, key), "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new VaultError("ERR_STORAGE_UNAVAILABLE", "a file cannot be read", { cause: error });
    }
    try {
      const head = await beginningOf(file);
      return encodeBase64(concatBytes(head.subarray(0, parseNativeHeader(head).bytes), WITHOUT_DATA));
    } catch (error) {
      if (isVaultError(error)) return "";
      throw error;
    } finally {
      await file.close();
    }
  }

  async #exchange(
    key: string,
    before: Uint8Array,
    after: Uint8Array,
    isRepeat: boolean,
  ): Promise<ChangeResult> {
    const path = join(this.#root, key);
    const file = await open(path, "r+").catch(() => undefined);
    if (file === undefined) return "changed";
    try {
      const head = await beginningOf(file);
      if (equalBytes(head.subarray(0, after.length), after)) return "written";
      const found = head.subarray(0, before.length);
      const isTorn =
        isRepeat &&
        before.length === after.length &&
        found.length === before.length &&
        found.every((byte, i) => byte === before[i] || byte === after[i]);
      if (!equalBytes(found, before) && !isTorn) return "changed";
      if (before.length === after.length) {
        // The page is noted: a header that is torn by a crash is written again.
        await file.write(after, 0, after.length, 0);
        await file.sync();
        return "written";
      }
    } finally {
      await file.close();
    }
    const copy = `${path}${COPY_SUFFIX}`;
    const { mode } = await stat(path);
    await rm(copy, { force: true });
    const out = createWriteStream(copy, { flags: "wx", mode: 0o600, flush: true });
    out.write(after);
    await pipeline(createReadStream(path, { start: before.length }), out);
    await chmod(copy, mode);
    await rename(copy, path);
    return "written";
  }
}

/** What follows a header that stands for a file: salt, commitment and the tag of no data, all zeros. It is never opened. */
const WITHOUT_DATA = new Uint8Array(NATIVE_PREFIX_BYTES + TAG_BYTES);

/** The header within the text of {@link WITHOUT_DATA}'s envelope. */
function headerOf(text: string): Uint8Array {
  const bytes = decodeBase64(text)!;
  return bytes.subarray(0, bytes.length - WITHOUT_DATA.length);
}

async function beginningOf(file: FileHandle): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(
    new Uint8Array(NATIVE_HEADER_BYTES_MAX),
    0,
    NATIVE_HEADER_BYTES_MAX,
    0,
  );
  return buffer.subarray(0, bytesRead);
}

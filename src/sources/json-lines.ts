/**
 * A file of JSON lines as a source.
 *
 * Owns the reading of lines, and the new file that grows beside the old one and takes its place in the end. A line keeps every
 * character but those of its ciphertexts. Must not know keys.
 *
 * @module
 */
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { checkOptions, optionNames } from "../base/options.ts";
import { invalidType, VaultError } from "../errors.ts";
import type { CiphertextSource, SourceRow } from "../rekey/job/source.ts";
import { type JournalledData, JournalledSource, type NotedRow } from "./journal.ts";
import type { ChangeResult } from "./sql/dialect.ts";

/** A file of JSON lines. */
export interface JsonLinesOptions {
  readonly path: string;
  /** Where in each line's object ciphertexts are: a name, or names from the outside in. */
  readonly columns: readonly (string | readonly string[])[];
}

const JSON_LINES_OPTIONS = optionNames<JsonLinesOptions>({ path: true, columns: true });

/** Bytes that are read at once. Ours. */
const READ_BYTES = 256 * 1024;
/** Bytes of a line at most: longer than the longest ciphertext. Ours. */
const LINE_BYTES_MAX = 128 * 1024 * 1024;
const LINE_FEED = 0x0a;

/**
 * The ciphertexts in a file with a JSON object on each line. The new lines grow in a file beside it, which takes its place when
 * the job is done; until then the file stays as it is. Nobody else may write it meanwhile.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_SOURCE_INVALID if there is no such file
 */
export async function jsonLinesFile(options: JsonLinesOptions): Promise<CiphertextSource> {
  checkOptions(options, JSON_LINES_OPTIONS, "jsonLinesFile");
  const { path, columns } = options;
  if (typeof path !== "string" || !Array.isArray(columns) || columns.length === 0)
    throw invalidType("path must be a text, columns a list of at least one");
  const file = resolve(path);
  const data = await JsonLines.open(
    file,
    columns.map((column) => (typeof column === "string" ? [column] : [...column])),
  );
  return new JournalledSource(data, `${file}.coffer-rekey`);
}

/** A line where it stands. */
interface Line {
  readonly at: number;
  /** With its line break, if it has one. */
  readonly bytes: Buffer;
}

class JsonLines implements JournalledData {
  readonly name: string;
  readonly shape: string;
  readonly slots: readonly string[];
  readonly #path: string;
  readonly #paths: readonly (readonly string[])[];
  readonly #file: FileHandle;
  #out: FileHandle | undefined;

  private constructor(
    path: string,
    paths: readonly (readonly string[])[],
    file: FileHandle,
    identity: string,
  ) {
    this.name = `jsonl:${path}`;
    this.shape = identity;
    this.slots = paths.map((names) => names.join("."));
    this.#path = path;
    this.#paths = paths;
    this.#file = file;
  }

  static async open(path: string, paths: readonly (readonly string[])[]): Promise<JsonLines> {
    try {
      const identity = await identityOf(path);
      return new JsonLines(path, paths, await open(path, "r"), identity);
    } catch (cause) {
      throw new VaultError("ERR_SOURCE_INVALID", "the file cannot be opened", { cause });
    }
  }

  async survey() {
    let rows = 0;
    for await (const _ of this.#linesFrom(0)) rows += 1;
    return { rows, charactersMax: this.#paths.map(() => undefined), warnings: [] };
  }

  async readPage(after: string | null, limit: number): Promise<SourceRow[]> {
    const rows: SourceRow[] = [];
    let isBehind = after === null;
    for await (const line of this.#linesFrom(after === null ? 0 : placeOf(after))) {
      if (isBehind) rows.push(this.#rowOf(line));
      isBehind = true;
      if (rows.length === limit) break;
    }
    return rows;
  }

  async readRows(keys: readonly string[]): Promise<SourceRow[]> {
    const rows: SourceRow[] = [];
    for (const key of keys) rows.push(this.#rowOf(await this.#lineAt(placeOf(key))));
    return rows;
  }

  async place(): Promise<string> {
    const out = await this.#output();
    return String((await out.stat()).size);
  }

  async write(rows: readonly NotedRow[], place: string): Promise<ChangeResult[]> {
    const out = await this.#output();
    // What an interrupted page has left is cut off: it is written again as a whole.
    await out.truncate(Number(place));
    const results: ChangeResult[] = [];
    const parts: Buffer[] = [];
    const [first] = rows;
    if (first === undefined) return results;
    // The rows of a page follow each other in the file.
    const lines = this.#linesFrom(placeOf(first.key));
    for (const { values } of rows) {
      const next = await lines.next();
      if (next.done === true) throw shorter();
      const replaced = replacedIn(next.value.bytes, values);
      results.push(replaced === undefined ? "refused" : "written");
      parts.push(replaced ?? next.value.bytes);
    }
    await lines.return(undefined);
    await out.appendFile(Buffer.concat(parts));
    await out.sync();
    return results;
  }

  async finish(state: "done" | "aborted"): Promise<void> {
    const path = this.#outPath();
    await this.#out?.close();
    this.#out = undefined;
    if (state === "aborted") {
      await rm(path, { force: true });
      return;
    }
    if ((await identityOf(this.#path)) !== this.shape)
      throw new VaultError(
        "ERR_SOURCE_CHANGED",
        "the file was written by somebody else meanwhile: it stays as it is",
      );
    const { mode } = await stat(this.#path);
    const out = await open(path, "a");
    await out.chmod(mode);
    await out.sync();
    await out.close();
    await rename(path, this.#path);
    const folder = await open(dirname(this.#path), "r");
    await folder.sync();
    await folder.close();
  }

  async close(): Promise<void> {
    await this.#out?.close();
    this.#out = undefined;
    await this.#file.close();
  }

  #outPath(): string {
    return `${this.#path}.coffer-new`;
  }

  async #output(): Promise<FileHandle> {
    this.#out ??= await open(this.#outPath(), "a", 0o600);
    return this.#out;
  }

  #rowOf({ at, bytes }: Line): SourceRow {
    const key = JSON.stringify([at]);
    const text = bytes.toString("utf8");
    let object: unknown;
    try {
      object = text.trim() === "" ? null : JSON.parse(text);
    } catch {
      // A line that is no JSON is listed, and stays as it is.
      return { key, values: this.#paths.map(() => ""), fields: {} };
    }
    const fields: Record<string, string | null> = Object.create(null);
    if (typeof object === "object" && object !== null) {
      for (const [name, value] of Object.entries(object))
        if (value === null || typeof value !== "object") fields[name] = value === null ? null : String(value);
    }
    return { key, values: this.#paths.map((names) => textAt(object, names)), fields };
  }

  async #lineAt(at: number): Promise<Line> {
    for await (const line of this.#linesFrom(at)) return line;
    throw shorter();
  }

  async *#linesFrom(start: number): AsyncGenerator<Line> {
    let at = start;
    let held: Buffer = Buffer.alloc(0);
    for (let position = start; ; ) {
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, position);
      position += bytesRead;
      held =
        held.length === 0
          ? buffer.subarray(0, bytesRead)
          : Buffer.concat([held, buffer.subarray(0, bytesRead)]);
      for (let end = held.indexOf(LINE_FEED); end >= 0; end = held.indexOf(LINE_FEED)) {
        yield { at, bytes: held.subarray(0, end + 1) };
        at += end + 1;
        held = held.subarray(end + 1);
      }
      if (bytesRead === 0) {
        if (held.length > 0) yield { at, bytes: held };
        return;
      }
      if (held.length > LINE_BYTES_MAX)
        throw new VaultError("ERR_SOURCE_INVALID", `a line has more than ${LINE_BYTES_MAX} bytes`);
    }
  }
}

function shorter(): VaultError {
  return new VaultError("ERR_SOURCE_CHANGED", "the file is shorter than it was");
}

const placeOf = (key: string): number => (JSON.parse(key) as [number])[0];

/** What tells a file from what it was before: another version of it is another source. */
async function identityOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  return JSON.stringify({ path, size: String(size), changed: String(mtimeNs), file: String(ino) });
}

function textAt(object: unknown, names: readonly string[]): string | null {
  let value = object;
  for (const name of names) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Record<string, unknown>)[name];
  }
  if (value === null || value === undefined) return null;
  return typeof value === "string" ? value : "";
}

/** A line with other ciphertexts, and every other character as it was; undefined where it is not clear which one is meant. */
function replacedIn(bytes: Buffer, values: NotedRow["values"]): Buffer | undefined {
  let text = bytes.toString("latin1");
  for (const { before, replacement } of values) {
    if (before === null || replacement === undefined) continue;
    // A ciphertext is base64: JSON writes it as it is, or with "/" escaped.
    const literal = [JSON.stringify(before), JSON.stringify(before).replaceAll("/", "\\/")].find((form) =>
      text.includes(form),
    );
    if (literal === undefined) return undefined;
    const at = text.indexOf(literal);
    if (text.indexOf(literal, at + 1) >= 0) return undefined;
    text = text.slice(0, at) + JSON.stringify(replacement) + text.slice(at + literal.length);
  }
  return Buffer.from(text, "latin1");
}

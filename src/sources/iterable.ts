/**
 * Any rows as a source: an iterable that gives them in order, and a function that writes one if it still is what was read.
 *
 * Owns the way from an iterable to pages. Must not know where rows come from.
 *
 * @module
 */
import { checkOptions, optionNames } from "../base/options.ts";
import { invalidType } from "../errors.ts";
import type { CiphertextSource, SourceRow } from "../rekey/job/source.ts";
import { type JournalledData, JournalledSource, type NotedRow } from "./journal.ts";
import type { ChangeResult } from "./sql/dialect.ts";

/** What of one row is to be written. */
export interface RowWrite {
  readonly slot: string;
  readonly before: string;
  readonly after: string;
}

/** Rows of one's own. */
export interface IterableOptions {
  /** Names the rows, for people and in the journal: the same for the same rows. */
  readonly name: string;
  /** Names of the values that each row has. */
  readonly slots: readonly string[];
  /** Gives all rows, in the same order each time; `values` in the order of `slots`. Called again to read anew. */
  readonly rows: () => AsyncIterable<SourceRow> | Iterable<SourceRow>;
  /**
   * Writes values of one row if they still are `before`, all or none. Answers `written` also if they are `after` already: after an
   * interruption a page is written again. `changed`: the row is something else by now. `refused`: its place does not take it.
   */
  readonly write: (key: string, changes: readonly RowWrite[]) => Promise<ChangeResult> | ChangeResult;
  /** Path of the journal's file. */
  readonly journal: string;
}

const ITERABLE_OPTIONS = optionNames<IterableOptions>({
  name: true,
  slots: true,
  rows: true,
  write: true,
  journal: true,
});

/**
 * Rows of one's own as a source.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT
 */
export function iterableSource(options: IterableOptions): CiphertextSource {
  checkOptions(options, ITERABLE_OPTIONS, "iterableSource");
  const { name, slots, rows, write, journal } = options;
  if (typeof name !== "string" || typeof journal !== "string" || !Array.isArray(slots) || slots.length === 0)
    throw invalidType("name and journal must be texts, slots a list of at least one");
  if (typeof rows !== "function" || typeof write !== "function")
    throw invalidType("rows and write must be functions");
  return new JournalledSource(new IterableData(options), journal);
}

class IterableData implements JournalledData {
  readonly name: string;
  readonly shape: string;
  readonly slots: readonly string[];
  readonly #options: IterableOptions;
  /** The walk that is under way, and the last key that it gave. */
  #walk: AsyncIterator<SourceRow> | undefined;
  #last: string | null = null;

  constructor(options: IterableOptions) {
    this.name = options.name;
    this.shape = JSON.stringify({ rows: options.name });
    this.slots = [...options.slots];
    this.#options = options;
  }

  async survey() {
    let rows = 0;
    for await (const _ of this.#options.rows()) rows += 1;
    return { rows, charactersMax: this.slots.map(() => undefined), warnings: [] };
  }

  async readPage(after: string | null, limit: number): Promise<SourceRow[]> {
    if (this.#walk === undefined || this.#last !== after) await this.#goTo(after);
    const page: SourceRow[] = [];
    while (page.length < limit) {
      const next = await this.#walk!.next();
      if (next.done === true) break;
      page.push(next.value);
      this.#last = next.value.key;
    }
    return page;
  }

  async readRows(keys: readonly string[]): Promise<SourceRow[]> {
    const wanted = new Set(keys);
    const found = new Map<string, SourceRow>();
    if (wanted.size > 0)
      for await (const row of this.#options.rows()) if (wanted.has(row.key)) found.set(row.key, row);
    return keys.flatMap((key) => found.get(key) ?? []);
  }

  async place(): Promise<string> {
    return "";
  }

  async write(rows: readonly NotedRow[]): Promise<ChangeResult[]> {
    const results: ChangeResult[] = [];
    for (const { key, values } of rows) {
      const changes = values.flatMap(({ before, replacement: after }, i) =>
        before === null || after === undefined ? [] : [{ slot: this.slots[i]!, before, after }],
      );
      results.push(changes.length === 0 ? "written" : await this.#options.write(key, changes));
    }
    return results;
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {
    await this.#walk?.return?.();
    this.#walk = undefined;
  }

  async #goTo(after: string | null): Promise<void> {
    await this.#walk?.return?.();
    const rows = this.#options.rows();
    this.#walk = (async function* () {
      yield* rows;
    })();
    this.#last = after;
    if (after === null) return;
    for (;;) {
      const next = await this.#walk.next();
      if (next.done === true || next.value.key === after) return;
    }
  }
}

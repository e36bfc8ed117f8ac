/**
 * A page of a list that can fetch the rest.
 *
 * Owns the walk from page to page. Must not know where pages come from.
 *
 * @module
 */
import type { List, ListObjectsOptions } from "./types.ts";

/** Fetches what follows a cursor, in pages of the largest size. */
export type FetchAfter<T> = (after: string) => Promise<List<T>>;

/** A list's page as the SDK gives it. */
export class AutoPaginatable<T> implements List<T> {
  /** An own field, and the first, as in the SDK: `JSON.stringify` of a page shows its data. */
  protected readonly list: List<T>;
  readonly object = "list" as const;
  readonly options: ListObjectsOptions;
  readonly #fetch: FetchAfter<T>;

  constructor(list: List<T>, fetch: FetchAfter<T>, options: ListObjectsOptions = {}) {
    this.list = list;
    this.#fetch = fetch;
    this.options = options;
  }

  get data(): T[] {
    return this.list.data;
  }

  get listMetadata(): List<T>["listMetadata"] {
    return this.list.listMetadata;
  }

  /**
   * Everything from this page to the end, without pauses; only this page if a `limit` was asked for, as the SDK does.
   */
  async autoPagination(): Promise<T[]> {
    const all = [...this.data];
    if (this.options.limit) return all;
    let after = this.listMetadata.after;
    while (after) {
      const page = await this.#fetch(after);
      all.push(...page.data);
      after = page.listMetadata.after;
    }
    return all;
  }
}

/**
 * Lists that can be awaited for one page or iterated to the end.
 *
 * Owns the walk from page to page. Must not know where pages come from.
 *
 * @module
 */
import type { KvListRequest, KvPage, KvSummary } from "./kv-service.ts";

/** Fetches one page. */
export type FetchPage = (request: KvListRequest) => Promise<KvPage<KvSummary>>;

/**
 * A list: `await` it for the first page, or `for await` over every object on every page; with `before`, those before the
 * cursor, the nearest first. Nothing is fetched before; each page once, without pauses.
 */
export class KvListing implements PromiseLike<KvPage<KvSummary>>, AsyncIterable<KvSummary> {
  readonly #fetch: FetchPage;
  readonly #request: KvListRequest;
  #first: Promise<KvPage<KvSummary>> | undefined;

  constructor(fetch: FetchPage, request: KvListRequest) {
    this.#fetch = fetch;
    // As it is now: it is asked for later, and page by page.
    const { updatedAfter } = request;
    this.#request = {
      ...request,
      updatedAfter: updatedAfter instanceof Date ? new Date(updatedAfter) : updatedAfter,
    };
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is this class's purpose
  then<A = KvPage<KvSummary>, B = never>(
    onfulfilled?: ((page: KvPage<KvSummary>) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#first ??= this.#fetch(this.#request);
    return this.#first.then(onfulfilled, onrejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<KvSummary, void, undefined> {
    this.#first ??= this.#fetch(this.#request);
    let page = await this.#first;
    if (this.#request.before !== undefined) {
      // Away from the cursor: what comes after it is no part of this list.
      while (page.data.length > 0) {
        yield* [...page.data].reverse();
        page = await this.#fetch({ ...this.#request, before: page.data[0]!.id });
      }
      return;
    }
    // Services differ in what their cursors mean on the last page: a page that brings nothing new ends the walk, and
    // nothing is told twice.
    const seen = new Set<string>();
    for (;;) {
      const fresh = page.data.filter(({ id }) => !seen.has(id));
      for (const { id } of fresh) seen.add(id);
      yield* fresh;
      const { after } = page.listMetadata;
      if (after === null || fresh.length === 0) return;
      page = await this.#fetch({ ...this.#request, before: undefined, after });
    }
  }
}

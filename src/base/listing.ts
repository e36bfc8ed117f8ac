/**
 * Lists that can be awaited for one page or iterated to the end.
 *
 * Owns the walk from page to page. Must not know what is listed, nor where pages come from.
 *
 * @module
 */

/** One page of a list. */
export interface ListPage<Item> {
  readonly data: readonly Item[];
  readonly listMetadata: {
    /** Cursor to what follows; null on the last page. */
    readonly after: string | null;
  };
}

/** Which page. */
export interface PageRequest {
  /** Cursor: what comes before it. */
  readonly before?: string | undefined;
  /** Cursor: what comes after it. */
  readonly after?: string | undefined;
}

/**
 * A list: `await` it for the first page, or `for await` over every item on every page; with `before`, those before the
 * cursor, the nearest first. Nothing is fetched before; each page once, without pauses.
 */
export class Listing<
  Item extends { readonly id: string },
  Request extends PageRequest,
  Page extends ListPage<Item>,
> implements PromiseLike<Page>, AsyncIterable<Item>
{
  readonly #fetch: (request: Request) => Promise<Page>;
  readonly #request: Request;
  #first: Promise<Page> | undefined;

  /** @param request - is asked for later and page by page, so it must not change */
  constructor(fetch: (request: Request) => Promise<Page>, request: Request) {
    this.#fetch = fetch;
    this.#request = request;
  }

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is this class's purpose
  then<A = Page, B = never>(
    onfulfilled?: ((page: Page) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#first ??= this.#fetch(this.#request);
    return this.#first.then(onfulfilled, onrejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
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

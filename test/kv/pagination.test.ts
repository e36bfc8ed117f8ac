/** Listings: awaited for one page, iterated to the end in either direction. */
import { describe, expect, test } from "vitest";
import type { KvListRequest, KvPage, KvSummary } from "../../src/kv/kv-service.ts";
import { KvListing } from "../../src/kv/pagination.ts";
import { openTestVault } from "../support/vaults.ts";

/** A list of objects 0 to count - 1, whose cursors are their ids. */
function source(count: number): {
  fetch: (request: KvListRequest) => Promise<KvPage<KvSummary>>;
  requests: KvListRequest[];
} {
  const all = Array.from({ length: count }, (_, i) => ({ id: `${i}`, name: `n${i}`, updatedAt: "" }));
  const requests: KvListRequest[] = [];
  const fetch = async (request: KvListRequest): Promise<KvPage<KvSummary>> => {
    requests.push(request);
    const limit = request.limit ?? 10;
    let data: KvSummary[];
    if (request.before !== undefined) {
      const end = Number(request.before);
      data = all.slice(Math.max(0, end - limit), end);
    } else {
      const start = request.after === undefined ? 0 : Number(request.after) + 1;
      data = all.slice(start, start + limit);
    }
    const last = data.at(-1);
    const next = last === undefined || last.id === `${count - 1}` ? null : last.id;
    return { data, listMetadata: { before: next, after: next } };
  };
  return { fetch, requests };
}

const idsOf = async (listing: AsyncIterable<KvSummary>): Promise<number[]> => {
  const ids = [];
  for await (const object of listing) ids.push(Number(object.id));
  return ids;
};
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("a listing", () => {
  test("fetches nothing before it is used, and its first page once", async () => {
    const { fetch, requests } = source(25);
    const listing = new KvListing(fetch, { limit: 10 });
    expect(requests).toEqual([]);
    const page = await listing;
    expect(page.data.map((object) => object.id)).toEqual(range(0, 10).map(String));
    expect(await listing).toBe(page);
    expect(await idsOf(listing)).toEqual(range(0, 25));
    expect(requests).toHaveLength(3);
  });

  test.each([0, 1, 9, 10, 11, 30])("walks over all of %i, each once", async (count) => {
    const { fetch } = source(count);
    expect(await idsOf(new KvListing(fetch, { limit: 10 }))).toEqual(range(0, count));
    expect(await idsOf(new KvListing(fetch, { limit: 1 }))).toEqual(range(0, count));
  });

  test("ends, and tells nothing twice, where the last page's cursor leads back", async () => {
    const { fetch, requests } = source(25);
    const backwards = async (request: KvListRequest): Promise<KvPage<KvSummary>> => {
      const page = await fetch(request);
      // A cursor to the page before, taken for one to the next.
      const after = page.listMetadata.after ?? "19";
      return { ...page, listMetadata: { before: after, after } };
    };
    expect(await idsOf(new KvListing(backwards, { limit: 10 }))).toEqual(range(0, 25));
    expect(requests).toHaveLength(4);
  });

  test("goes on from a cursor", async () => {
    const { fetch } = source(25);
    expect(await idsOf(new KvListing(fetch, { limit: 10, after: "7" }))).toEqual(range(8, 25));
  });

  test("before a cursor holds only what comes before it, the nearest first", async () => {
    const { fetch, requests } = source(25);
    expect(await idsOf(new KvListing(fetch, { limit: 10, before: "23" }))).toEqual(range(0, 23).reverse());
    expect(requests.every((request) => request.after === undefined)).toBe(true);
    expect(await idsOf(new KvListing(fetch, { limit: 10, before: "0" }))).toEqual([]);
    expect(await idsOf(new KvListing(fetch, { limit: 10, before: "10" }))).toEqual(range(0, 10).reverse());
    // The page itself is in the list's order.
    const page = await new KvListing(fetch, { limit: 10, before: "23" });
    expect(page.data.map((object) => object.id)).toEqual(range(13, 23).map(String));
  });

  test("keeps the rest of its request on every page", async () => {
    const { fetch, requests } = source(12);
    await idsOf(new KvListing(fetch, { limit: 5, search: "n", order: "asc" }));
    for (const request of requests) expect(request).toMatchObject({ limit: 5, search: "n", order: "asc" });
  });

  test("stops fetching when its reader stops", async () => {
    const { fetch, requests } = source(100);
    for await (const object of new KvListing(fetch, { limit: 10 })) if (object.id === "12") break;
    expect(requests).toHaveLength(2);
  });

  test("fails with what a page fails with, also a later one", async () => {
    const { fetch } = source(25);
    const reason = new Error("down");
    const failing = (request: KvListRequest): Promise<KvPage<KvSummary>> =>
      request.after === undefined ? fetch(request) : Promise.reject(reason);
    const seen: number[] = [];
    const walk = async (): Promise<void> => {
      for await (const object of new KvListing(failing, { limit: 10 })) seen.push(Number(object.id));
    };
    await expect(walk()).rejects.toBe(reason);
    expect(seen).toEqual(range(0, 10));
    await expect(new KvListing(() => Promise.reject(reason), {})).rejects.toBe(reason);
  });

  test("of a vault walks over all pages, in both orders and directions", async () => {
    const vault = await openTestVault();
    const names = Array.from({ length: 23 }, (_, i) => `n${String(i).padStart(2, "0")}`);
    for (const name of names) await vault.createKv({ name, value: "v", keyContext: { n: "1" } });
    const walk = async (request: KvListRequest): Promise<string[]> => {
      const found = [];
      for await (const object of vault.listKv(request)) found.push(object.name);
      return found;
    };
    expect(await walk({ limit: 5, order: "asc" })).toEqual(names);
    expect(await walk({ limit: 5 })).toEqual([...names].reverse());
    const { id } = await vault.getName({ name: "n11" });
    expect(await walk({ limit: 5, order: "asc", after: id })).toEqual(names.slice(12));
    expect(await walk({ limit: 5, order: "asc", before: id })).toEqual(names.slice(0, 11).reverse());
  });
});

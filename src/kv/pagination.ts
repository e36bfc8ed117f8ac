/**
 * Lists of the store.
 *
 * Owns the copy of a request, which is asked for later. The walk is in base/listing.ts.
 *
 * @module
 */
import { Listing } from "../base/listing.ts";
import type { KvListRequest, KvPage, KvSummary } from "./kv-service.ts";

/** A list of objects: `await` it for the first page, or `for await` over every object on every page. */
export class KvListing extends Listing<KvSummary, KvListRequest, KvPage<KvSummary>> {
  constructor(fetch: (request: KvListRequest) => Promise<KvPage<KvSummary>>, request: KvListRequest) {
    const { updatedAfter } = request;
    super(fetch, {
      ...request,
      updatedAfter: updatedAfter instanceof Date ? new Date(updatedAfter) : updatedAfter,
    });
  }
}

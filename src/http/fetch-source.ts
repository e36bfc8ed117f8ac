/**
 * A file behind a URL as a source of ranges: `decryptRange(await fetchSource(url), 0, 100)`.
 *
 * Owns the Range requests (RFC 9110 section 14) and the check of what a server answers to them. Needs no vault; must
 * not know what the bytes are.
 *
 * @module
 */

import type { Bytes } from "../base/bytes.ts";
import { parseUrl } from "../base/features.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import type { ByteSource } from "../crypto/native/source.ts";
import { invalidType, VaultError } from "../errors.ts";

/** How to read a file over HTTP. */
export interface FetchSourceOptions {
  /** Sends requests; default the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /**
   * Headers of every request, such as `authorization`; at most those of one origin: where a redirect leads to another, they
   * are left out. Browsers do not tell where redirects lead, so there one is an error if headers are given.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Ends the wait for the first answer. */
  readonly signal?: AbortSignal | undefined;
}

/** Names of {@link FetchSourceOptions}. */
const FETCH_SOURCE_OPTIONS = /* @__PURE__ */ optionNames<FetchSourceOptions>({
  fetch: true,
  headers: true,
  signal: true,
});

/** Bytes that the first request asks for: it tells the size, and most headers of envelopes lie within. */
const FIRST_BYTES = 1024;

/** Redirects of one request (WHATWG Fetch, HTTP-redirect fetch, step 10: 20). */
const REDIRECTS_MAX = 20;

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const PARTIAL_CONTENT = 206;
const RANGE_NOT_SATISFIABLE = 416;
const OK = 200;

/** RFC 9110 section 14.4: `bytes 0-1023/146515`, or `bytes * /146515` (without the space) where nothing matched. */
const CONTENT_RANGE = /^bytes (?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16})$/;

/**
 * Asks a server for the size of a file, by a first range of it.
 *
 * @returns a source that sends one request per read. The file must not change while it is read: an exchanged one does
 *   not decrypt
 * @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_UNSUPPORTED if the server does not answer ranges,
 *   ERR_SERVICE_BAD_RESPONSE (with `status`) for any other answer; what `fetch` throws
 */
export async function fetchSource(url: string | URL, options: FetchSourceOptions = {}): Promise<ByteSource> {
  checkOptions(options, FETCH_SOURCE_OPTIONS, "fetchSource");
  const address = parseUrl(String(url))?.href;
  if (address === undefined) throw invalidType("url must be an absolute URL");
  const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  // The caller may go on with its object.
  const own: Readonly<Record<string, string>> = { ...options.headers };

  async function get(offset: number, length: number, signal: AbortSignal | undefined): Promise<FileRange> {
    const response = await follow(send, address as string, own, {
      headers: { "accept-encoding": "identity", ...own, range: `bytes=${offset}-${offset + length - 1}` },
      signal: signal ?? null,
    });
    try {
      return await readRange(response, offset, length);
    } catch (error) {
      await response.body?.cancel().catch(() => {});
      throw error;
    }
  }

  const first = await get(0, FIRST_BYTES, options.signal);
  return {
    size: first.size,
    async read(offset, length, signal) {
      if (length === 0) return new Uint8Array(0);
      if (offset + length <= first.bytes.length) return first.bytes.subarray(offset, offset + length);
      return (await get(offset, length, signal)).bytes;
    },
  };
}

/** Sends a request and follows redirects; the caller's own headers stay at the first origin ([API-49]). */
async function follow(
  send: typeof globalThis.fetch,
  address: string,
  own: Readonly<Record<string, string>>,
  init: RequestInit & { readonly headers: Readonly<Record<string, string>> },
): Promise<Response> {
  if (Object.keys(own).length === 0) return await send(address, init);
  let url = new URL(address);
  let { headers } = init;
  for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
    const response = await send(url.href, { ...init, headers, redirect: "manual" });
    if (response.type !== "opaqueredirect" && !REDIRECTS.includes(response.status)) return response;
    const next = parseUrl(response.headers.get("location") ?? "", url.href);
    await response.body?.cancel();
    if (next === undefined || !/^https?:$/.test(next.protocol)) throw badRedirect(response.status);
    if (next.origin !== url.origin) headers = without(headers, own);
    url = next;
  }
  throw badRedirect(REDIRECTS[0] as number);
}

function without(
  headers: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Record<string, string> {
  const names = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  const { range, ...others } = headers;
  const kept = Object.entries(others).filter(([name]) => !names.has(name.toLowerCase()));
  // The range is never the caller's: it was put behind theirs.
  return { ...Object.fromEntries(kept), range: range as string };
}

function badRedirect(status: number): VaultError {
  return new VaultError(
    "ERR_SERVICE_BAD_RESPONSE",
    "the server redirects, and it cannot be told where to: the headers given do not go along",
    { status: status || undefined },
  );
}

/** What a server has given of a file. */
interface FileRange {
  readonly bytes: Uint8Array;
  /** Bytes of the whole file. */
  readonly size: number;
}

async function readRange(response: Response, offset: number, length: number): Promise<FileRange> {
  const { status } = response;
  if (status === OK) {
    throw new VaultError("ERR_UNSUPPORTED", "the server does not answer ranges of this file", { status });
  }
  const told = CONTENT_RANGE.exec(response.headers.get("content-range") ?? "");
  if (status === RANGE_NOT_SATISFIABLE && told?.[3] !== undefined) {
    await response.body?.cancel();
    return { bytes: new Uint8Array(0), size: Number(told[3]) };
  }
  if (status !== PARTIAL_CONTENT || told === null || Number(told[1]) !== offset) {
    throw badAnswer(status);
  }
  return { bytes: await readBody(response, length), size: Number(told[3]) };
}

/** Never more than was asked for, whatever the server goes on sending. */
async function readBody(response: Response, length: number): Promise<Bytes> {
  const out = new Uint8Array(length);
  let at = 0;
  // Not by for await, which not every browser has on streams.
  const reader = response.body?.getReader();
  for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) {
    if (piece.value.length > length - at) {
      await reader?.cancel();
      throw badAnswer(response.status);
    }
    out.set(piece.value, at);
    at += piece.value.length;
  }
  return out.subarray(0, at);
}

function badAnswer(status: number): VaultError {
  return new VaultError("ERR_SERVICE_BAD_RESPONSE", "the server's answer to a range request is not one", {
    status,
  });
}

/**
 * The base URL of a service: read once, joined so that no spelling leads elsewhere.
 *
 * Owns what a base URL may be, and how paths and queries are put behind it. Scheme, host, port and path prefix of every
 * request are the base URL's (docs/spec/key-service-api.md section 5.1). Must not know keys or operations.
 *
 * @module
 */

import { typeName } from "../base/bytes.ts";
import { isWellFormed } from "../base/features.ts";
import { invalidRange, invalidType } from "../errors.ts";

/** What parsers agree on: a scheme, two slashes, an authority and a path, in visible ASCII. `\` is a slash to some of them. */
const SPELLING = /^https?:\/\/[^/\\?#@]+(?:\/[^\\?#]*)?$/i;
const VISIBLE_ASCII = /^[\x21-\x7e]*$/;

/** This machine, as the URL parser writes its names and addresses. */
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Whether a host name, as the URL parser writes it, is this machine. */
export const isLoopback = (hostname: string): boolean => LOOPBACK.test(hostname);

/** A service's address. */
export class BaseUrl {
  /** Scheme, host and port, as the URL parser writes them. */
  readonly origin: string;
  /** Host name without a port. */
  readonly hostname: string;
  /** Path before every request's own; empty, or begins with a slash and does not end with one. */
  readonly prefix: string;

  /**
   * @param text - `https://host[:port][/prefix]`; `http` to this machine only
   * @param insecureHttp - `http` to other machines too
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  constructor(text: string, insecureHttp: boolean) {
    if (typeof text !== "string") throw invalidType(`baseUrl must be a string, got ${typeName(text)}`);
    if (!SPELLING.test(text) || !VISIBLE_ASCII.test(text)) {
      throw invalidRange(
        "baseUrl must be http(s)://host[:port][/path] without spaces, credentials, a query or a fragment",
      );
    }
    const url = parse(text);
    if (url.protocol === "http:" && !insecureHttp && !isLoopback(url.hostname)) {
      throw invalidRange(
        "baseUrl must be https: plain http would show keys to the network (insecureHttp allows it)",
      );
    }
    this.origin = url.origin;
    this.hostname = url.hostname;
    this.prefix = url.pathname.replace(/\/+$/, "");
  }

  /** The address as text, in one spelling. */
  get href(): string {
    return `${this.origin}${this.prefix}/`;
  }

  /**
   * The URL of a request.
   *
   * @param segments - of the path; each is encoded, so that a name with a slash stays one segment
   * @param query - those that are undefined are left out
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT for a segment that no path can carry
   */
  join(segments: readonly string[], query: Readonly<Record<string, string | number | undefined>> = {}): URL {
    // Text behind text: resolving one against the other would take `//name` for a host.
    const url = new URL(`${this.origin}${this.prefix}/${segments.map(encodeSegment).join("/")}`);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }
}

function parse(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw invalidRange("baseUrl is not a URL");
  }
}

function encodeSegment(segment: string): string {
  if (typeof segment !== "string") throw invalidType(`a path segment must be text, got ${typeName(segment)}`);
  if (segment === "" || segment === "." || segment === "..") {
    throw invalidRange('an id or name must not be empty, "." or ".."');
  }
  if (!isWellFormed(segment)) throw invalidRange("an id or name must not hold a lone surrogate");
  return encodeURIComponent(segment);
}

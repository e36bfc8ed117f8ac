/**
 * `new WorkOS(…)`: the object that `vault` hangs on in code written for the SDK.
 *
 * Owns the reading of the SDK's options. Must not know operations.
 *
 * @module
 */
import { Vault } from "../facade/vault.ts";
import type { HttpOptions } from "../http/transport.ts";
import { WorkOSVault } from "./vault.ts";

/** How to reach a service: coffer's own options, or the SDK's, which name a host instead of a URL. */
export interface WorkOSOptions extends HttpOptions {
  /** A vault of one's own, embedded or over HTTP, instead of all other options. */
  readonly vault?: Vault | undefined;
  /** Host name without a port. */
  readonly apiHostname?: string | undefined;
  readonly port?: number | undefined;
  /** Default true. */
  readonly https?: boolean | undefined;
  /** Milliseconds, as `timeoutMs`. */
  readonly timeout?: number | undefined;
}

/** Has a `vault`, and nothing else of what WorkOS's own client has. */
export class WorkOS {
  readonly vault: WorkOSVault;

  /**
   * @param keyOrOptions - an API key, or options
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT, as `new Vault`
   */
  constructor(keyOrOptions?: string | WorkOSOptions, options: WorkOSOptions = {}) {
    const given = typeof keyOrOptions === "string" ? { ...options, apiKey: keyOrOptions } : keyOrOptions;
    this.vault = new WorkOSVault(given?.vault ?? new Vault(httpOptions(given ?? options)));
  }
}

function httpOptions(options: WorkOSOptions): HttpOptions {
  const { vault, apiHostname, port, https, timeout, ...rest } = options;
  const http = { ...rest, timeoutMs: rest.timeoutMs ?? timeout };
  if (apiHostname === undefined) return http;
  const authority = port === undefined ? apiHostname : `${apiHostname}:${port}`;
  return { ...http, baseUrl: `${https === false ? "http" : "https"}://${authority}` };
}

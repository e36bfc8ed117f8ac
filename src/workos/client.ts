/**
 * `new WorkOS(…)`: the object that `vault` and `webhooks` hang on in code written for the SDK.
 *
 * Owns the reading of the SDK's options. Must not know operations.
 *
 * @module
 */
import { environmentVariable } from "../base/runtime.ts";
import { Vault } from "../facade/vault.ts";
import type { HttpOptions } from "../http/transport.ts";
import { NoApiKeyProvidedException } from "./exceptions.ts";
import { WorkOSVault } from "./vault.ts";
import { Webhooks } from "./webhooks.ts";

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
  /** Put into every request. What coffer itself sets goes before; headers are joined. */
  readonly config?: RequestInit | undefined;
  /** Named in the header `User-Agent`, behind coffer. */
  readonly appInfo?: { readonly name: string; readonly version: string } | undefined;
  /** As `fetch`. */
  readonly fetchFn?: typeof globalThis.fetch | undefined;
  /** Of no use to the vault. With it, and without an API key, a client can be made to check webhooks with. */
  readonly clientId?: string | undefined;
  /** Of no use to the vault. */
  readonly issuer?: string | readonly string[] | undefined;
}

const KEY_VARIABLES = ["WORKOS_API_KEY", "COFFER_API_KEY"];

/** Has `vault` and `webhooks`, and nothing else of what WorkOS's own client has. */
export class WorkOS {
  readonly webhooks: Webhooks = new Webhooks();
  /** As it was given. */
  readonly clientId: string | undefined;
  readonly #vault: WorkOSVault | undefined;

  /**
   * @param keyOrOptions - an API key, or options; default the environment variable WORKOS_API_KEY
   * @throws NoApiKeyProvidedException if there is neither a key nor a `clientId`; TypeError or RangeError
   *   ERR_INVALID_ARGUMENT, as `new Vault`
   */
  constructor(keyOrOptions?: string | WorkOSOptions, options: WorkOSOptions = {}) {
    const given: WorkOSOptions =
      typeof keyOrOptions === "string" ? { ...options, apiKey: keyOrOptions } : (keyOrOptions ?? options);
    this.clientId = given.clientId;
    const hasKey =
      given.apiKey !== undefined || KEY_VARIABLES.some((name) => environmentVariable(name) !== undefined);
    if (given.vault !== undefined) this.#vault = new WorkOSVault(given.vault);
    else if (hasKey) this.#vault = new WorkOSVault(new Vault(httpOptions(given)));
    else if (given.clientId === undefined) throw new NoApiKeyProvidedException();
  }

  /** The calls of the vault. @throws NoApiKeyProvidedException if the client was made without a key */
  get vault(): WorkOSVault {
    if (this.#vault === undefined) throw new NoApiKeyProvidedException();
    return this.#vault;
  }
}

function httpOptions(options: WorkOSOptions): HttpOptions {
  const { vault, apiHostname, port, https, timeout, config, appInfo, fetchFn, clientId, issuer, ...rest } =
    options;
  const send = rest.fetch ?? fetchFn;
  const http = {
    ...rest,
    timeoutMs: rest.timeoutMs ?? timeout,
    fetch: config === undefined && appInfo === undefined ? send : withMore(send, config, appInfo),
  };
  if (apiHostname === undefined) return http;
  const authority = port === undefined ? apiHostname : `${apiHostname}:${port}`;
  return { ...http, baseUrl: `${https === false ? "http" : "https"}://${authority}` };
}

/** A `fetch` that adds to requests what the SDK's options say. */
function withMore(
  send: typeof globalThis.fetch | undefined,
  config: RequestInit | undefined,
  appInfo: WorkOSOptions["appInfo"],
): typeof globalThis.fetch {
  return (input, init) => {
    const headers = new Headers(config?.headers);
    new Headers(init?.headers).forEach((value, name) => {
      headers.set(name, value);
    });
    const agent = headers.get("user-agent");
    if (appInfo !== undefined && agent !== null) {
      headers.set("user-agent", `${agent} (${appInfo.name}/${appInfo.version})`);
    }
    return (send ?? globalThis.fetch)(input, { ...config, ...init, headers });
  };
}

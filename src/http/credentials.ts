/**
 * Which API key goes to which service.
 *
 * Owns the choice by options and environment variables: a key that comes from the environment goes to its own kind of
 * service only (docs/spec/key-service-api.md section 5.1). Must not know how requests are sent.
 *
 * @module
 */
import { environmentVariable } from "../base/runtime.ts";
import { invalidType } from "../errors.ts";
import { BaseUrl } from "./base-url.ts";
import { BASE_URL_DEFAULT, WORKOS_DOMAINS } from "./limits.ts";

/** Visible ASCII: what a header can carry. */
const API_KEY = /^[\x21-\x7e]{1,500}$/;

/** What of the options says where to go, and as whom. */
export interface TargetOptions {
  readonly apiKey?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly insecureHttp?: boolean | undefined;
}

/** A service, and the key for it. */
export interface Target {
  readonly apiKey: string;
  readonly baseUrl: BaseUrl;
  /** By its name: WorkOS's own, production or staging. */
  readonly isWorkos: boolean;
}

/**
 * Finds the service and the key for it.
 *
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT for an absent or malformed key or URL, and where the only key there
 *   is in the environment is for another kind of service
 */
export function targetOf(options: TargetOptions): Target {
  const named = options.baseUrl ?? environmentVariable("COFFER_BASE_URL");
  const baseUrl = new BaseUrl(named ?? BASE_URL_DEFAULT, options.insecureHttp === true);
  const isWorkos = isWorkosHost(baseUrl.hostname);
  const apiKey = options.apiKey ?? keyFromEnvironment(isWorkos, named !== undefined);
  if (typeof apiKey !== "string" || !API_KEY.test(apiKey)) {
    throw invalidType("apiKey must be 1 to 500 visible ASCII characters");
  }
  return { apiKey, baseUrl, isWorkos };
}

function keyFromEnvironment(isWorkos: boolean, isNamed: boolean): string {
  const coffer = environmentVariable("COFFER_API_KEY");
  const workos = environmentVariable("WORKOS_API_KEY");
  if (!isNamed && coffer !== undefined) {
    throw invalidType(
      "COFFER_API_KEY is set, but no server: give baseUrl or COFFER_BASE_URL (for WorkOS's own service, baseUrl too)",
    );
  }
  const key = isWorkos ? workos : coffer;
  if (key !== undefined) return key;
  const [own, other, otherName] = isWorkos
    ? ["WORKOS_API_KEY", coffer, "COFFER_API_KEY"]
    : ["COFFER_API_KEY", workos, "WORKOS_API_KEY"];
  throw invalidType(
    other === undefined
      ? `an API key is needed: apiKey or ${own}`
      : `an API key is needed: apiKey or ${own}; ${otherName} is not sent to this kind of service unless given as apiKey`,
  );
}

/** Whether a host, as the URL parser writes it, is one of WorkOS's. A last dot says the same name. */
function isWorkosHost(hostname: string): boolean {
  const name = hostname.replace(/\.$/, "");
  return WORKOS_DOMAINS.some((domain) => name === domain || name.endsWith(`.${domain}`));
}

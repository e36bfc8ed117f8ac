/**
 * The worker that delivers events to webhooks.
 *
 * Owns the attempt: where a URL may lead, the signed request, what counts as delivered. Each ends by itself, and makes
 * room for the next: none waits for another. Runs on Node, since only there an address can be checked and then connected
 * to. Must not know how deliveries are stored, nor whose turn it is.
 *
 * @module
 */

import type { LookupAddress } from "node:dns";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { utf8 } from "../../base/bytes.ts";
import { checkOptions, optionNames } from "../../base/options.ts";
import { invalidRange } from "../../errors.ts";
import type { Delivery, Webhooks } from "../../vault/events/webhooks.ts";
import { VERSION } from "../../version.ts";
import { SIGNATURE_HEADER, signWebhook } from "../../wire/webhook.ts";
import { WEBHOOK_POLL_MS, WEBHOOK_TIMEOUT_MS } from "../limits.ts";
import { Lookups } from "./lookup.ts";
import { DeliveryPlanner } from "./planner.ts";

/** How deliveries are made. */
export interface WebhookWorkerOptions {
  readonly webhooks: Webhooks;
  /** Networks that may be reached although they are not public, as `address/prefix`. */
  readonly allow?: readonly string[] | undefined;
  /** Milliseconds between two looks at what is due; default 1,000. */
  readonly pollMs?: number | undefined;
}

/** Names of {@link WebhookWorkerOptions}. */
const WORKER_OPTIONS = optionNames<WebhookWorkerOptions>({ webhooks: true, allow: true, pollMs: true });

/** Addresses that are not public (IANA special-purpose registries, RFC 6890 and successors). */
const NOT_PUBLIC_V4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];
/** Those of IPv6, and all forms that carry an IPv4 address: mapped, NAT64, 6to4, Teredo. */
const NOT_PUBLIC_V6 = [
  "::/96",
  "::ffff:0:0/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
];

const NETWORK = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/;

const notPublic = blockList([...NOT_PUBLIC_V4, ...NOT_PUBLIC_V6]);

/** Delivers what is due until it is stopped. */
export class WebhookWorker {
  readonly #webhooks: Webhooks;
  readonly #allowed: BlockList;
  readonly #pollMs: number;
  readonly #planner = new DeliveryPlanner();
  readonly #lookups = new Lookups();
  readonly #underWay = new Set<Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Begins what is due, as long as it runs. */
  #beginning: Promise<void> | undefined;
  /** There may be something due that the look under way has not seen. */
  #isLookWanted = false;
  #isStopped = false;

  /** @throws TypeError or RangeError for a network that is not `address/prefix` */
  constructor(options: WebhookWorkerOptions) {
    checkOptions(options, WORKER_OPTIONS, "WebhookWorker");
    this.#webhooks = options.webhooks;
    this.#allowed = blockList(options.allow ?? []);
    this.#pollMs = options.pollMs ?? WEBHOOK_POLL_MS;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      // A look that fails, because the storage is away, is made again; deliveries stay owed.
      this.#begin()
        .catch(() => {})
        .then(() => {
          if (!this.#isStopped) this.start();
        });
    }, this.#pollMs);
    this.#timer.unref();
  }

  /** Starts no more deliveries and waits for those under way, which take 10 s at most if the storage answers. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#beginning?.catch(() => {});
    await Promise.all(this.#underWay);
  }

  /** Delivers what is due now. */
  async deliverDue(): Promise<void> {
    await this.#begin();
    // Each begins what is due next before it is over.
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** Begins what is due as far as there is room. One looks for all that ask meanwhile. */
  #begin(): Promise<void> {
    this.#isLookWanted = true;
    this.#beginning ??= this.#look().finally(() => {
      this.#beginning = undefined;
    });
    return this.#beginning;
  }

  async #look(): Promise<void> {
    while (this.#isLookWanted && !this.#isStopped) {
      this.#isLookWanted = false;
      const wanted = this.#planner.plan(await this.#webhooks.owed());
      if (wanted.size === 0) continue;
      const claimed = await this.#webhooks.claim(wanted);
      for (const delivery of claimed) {
        this.#planner.began(delivery);
        const done = this.#deliver(delivery).finally(() => this.#underWay.delete(done));
        this.#underWay.add(done);
      }
      // Where one webhook was owed less than it could have had, there is room for others.
      if (claimed.length > 0) this.#isLookWanted = true;
    }
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const failure = await this.#attempt(delivery);
    // What cannot be noted, because the storage is away, is claimed again after a while.
    await this.#webhooks.settle(delivery, failure).catch(() => {});
    this.#planner.ended(delivery, failure !== undefined);
    await this.#begin().catch(() => {});
  }

  /** One attempt. @returns why it failed, in our own words; undefined if it was delivered */
  async #attempt(delivery: Delivery): Promise<string | undefined> {
    try {
      const signal = AbortSignal.timeout(WEBHOOK_TIMEOUT_MS);
      const url = new URL(delivery.url);
      const address = await this.#addressOf(url, signal);
      if (address === undefined) return "the URL's address is not public";
      const body = utf8(JSON.stringify(delivery.event), "event");
      const status = await send(url, address, body, delivery.secret, signal);
      // A redirect is not followed: it would lead past the check of the address.
      return status >= 200 && status < 300 ? undefined : `status ${status}`;
    } catch (error) {
      return `not reached (${(error as NodeJS.ErrnoException).code ?? (error as Error).name})`;
    }
  }

  /** The address to connect to: the first of the name's, if every one may be reached. */
  async #addressOf(url: URL, signal: AbortSignal): Promise<LookupAddress | undefined> {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const addresses = isIP(host)
      ? [{ address: host, family: isIP(host) }]
      : await this.#lookups.addressesOf(host, signal);
    if (addresses.length === 0 || !addresses.every((found) => this.#mayReach(found))) return undefined;
    return addresses[0];
  }

  #mayReach({ address, family }: LookupAddress): boolean {
    const kind = family === 6 ? "ipv6" : "ipv4";
    return !notPublic.check(address, kind) || this.#allowed.check(address, kind);
  }
}

/** Sends a signed event to exactly this address, whatever the name resolves to by now. */
function send(
  url: URL,
  address: LookupAddress,
  body: Uint8Array,
  secret: string,
  signal: AbortSignal,
): Promise<number> {
  const lookup: LookupFunction = (_name, options, callback) => {
    if (options.all) callback(null, [address]);
    else callback(null, address.address, address.family);
  };
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(
      url,
      {
        method: "POST",
        lookup,
        agent: false,
        signal,
        headers: {
          "content-type": "application/json",
          "content-length": body.length,
          "user-agent": `coffer/${VERSION}`,
          [SIGNATURE_HEADER]: signWebhook(body, secret, Date.now()),
        },
      },
      (response) => {
        // Nothing of the answer is wanted but its status.
        response.destroy();
        resolve(response.statusCode as number);
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [, address, prefix] = NETWORK.exec(network) ?? [];
    // Without a prefix it would be taken for 0: for every address there is.
    if (address === undefined) throw invalidRange("a network is written as address/prefix");
    list.addSubnet(address, Number(prefix), address.includes(":") ? "ipv6" : "ipv4");
  }
  return list;
}

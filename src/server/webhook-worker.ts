/**
 * The worker that delivers events to webhooks.
 *
 * Owns the attempt: where a URL may lead, the signed request, what counts as delivered. Runs on Node, since only there an
 * address can be checked and then connected to. Must not know how deliveries are stored.
 *
 * @module
 */
import { lookup as dnsLookup } from "node:dns/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { utf8 } from "../crypto/bytes.ts";
import { invalidRange } from "../errors.ts";
import { SIGNATURE_HEADER, signWebhook } from "../http/webhook.ts";
import type { Delivery, Webhooks } from "../vault/webhooks.ts";
import { VERSION } from "../version.ts";
import { WEBHOOK_CONCURRENCY, WEBHOOK_POLL_MS, WEBHOOK_TIMEOUT_MS } from "./limits.ts";

export interface WebhookWorkerOptions {
  readonly webhooks: Webhooks;
  /** Networks that may be reached although they are not public, as `address/prefix`. */
  readonly allow?: readonly string[] | undefined;
  /** Milliseconds between two looks at what is due; default 1,000. */
  readonly pollMs?: number | undefined;
}

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
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** @throws TypeError or RangeError for a network that is not `address/prefix` */
  constructor(options: WebhookWorkerOptions) {
    this.#webhooks = options.webhooks;
    this.#allowed = blockList(options.allow ?? []);
    this.#pollMs = options.pollMs ?? WEBHOOK_POLL_MS;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      // A round that fails, because the storage is away, is tried again; deliveries stay owed.
      this.#round = this.deliverDue()
        .catch(() => {})
        .then(() => {
          if (!this.#isStopped) this.start();
        });
    }, this.#pollMs);
    this.#timer.unref();
  }

  /** Starts no more deliveries and waits for those under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  /** Delivers what is due now. */
  async deliverDue(): Promise<void> {
    for (;;) {
      const due = await this.#webhooks.claim(WEBHOOK_CONCURRENCY);
      await Promise.all(
        due.map(async (delivery) => this.#webhooks.settle(delivery, await this.#attempt(delivery))),
      );
      if (due.length < WEBHOOK_CONCURRENCY || this.#isStopped) return;
    }
  }

  /** One attempt. @returns why it failed, in our own words; undefined if it was delivered */
  async #attempt(delivery: Delivery): Promise<string | undefined> {
    try {
      const url = new URL(delivery.url);
      const address = await this.#addressOf(url);
      if (address === undefined) return "the URL's address is not public";
      const status = await send(url, address, utf8(JSON.stringify(delivery.event), "event"), delivery.secret);
      // A redirect is not followed: it would lead past the check of the address.
      return status >= 200 && status < 300 ? undefined : `status ${status}`;
    } catch (error) {
      return `not reached (${(error as NodeJS.ErrnoException).code ?? (error as Error).name})`;
    }
  }

  /** The address to connect to: the first of the name's, if every one may be reached. */
  async #addressOf(url: URL): Promise<{ address: string; family: number } | undefined> {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const addresses = isIP(host)
      ? [{ address: host, family: isIP(host) }]
      : await dnsLookup(host, { all: true });
    if (addresses.length === 0 || !addresses.every((found) => this.#mayReach(found))) return undefined;
    return addresses[0];
  }

  #mayReach({ address, family }: { address: string; family: number }): boolean {
    const kind = family === 6 ? "ipv6" : "ipv4";
    return !notPublic.check(address, kind) || this.#allowed.check(address, kind);
  }
}

/** Sends a signed event to exactly this address, whatever the name resolves to by now. */
function send(
  url: URL,
  address: { address: string; family: number },
  body: Uint8Array,
  secret: string,
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
        signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
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

/**
 * The SenderService port over HTTP: a coffer server's `/coffer/v1/senders`.
 *
 * Owns the requests. Shapes are wire/senders.ts's, retries the transport's. Must not know what stands behind a URL.
 *
 * @module
 */
import { encodeBase64 } from "../base/base64.ts";
import {
  type AddSenderRequest,
  ownAddSender,
  ownRenewSender,
  ownSenderList,
  ownSenderSelector,
  type RenewSenderRequest,
  type SenderInfo,
  type SenderListRequest,
  type SenderPage,
  type SenderSelector,
  type SenderService,
} from "../keks/sender-service.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type { Wire } from "../wire/bodies.ts";
import { senderFromWire, senderPageFromWire } from "../wire/senders.ts";
import type { HttpRequest, Transport } from "./transport.ts";

const PATH = ["coffer", "v1", "senders"];
const CODES = { 404: "ERR_KEY_NOT_FOUND" } as const;

/** Senders of a coffer server's recipients. */
export class HttpSenderService implements SenderService {
  readonly takesHeaders = true;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async add(request: AddSenderRequest, options: ChangeOptions = {}): Promise<SenderInfo> {
    const { recipientId, name, publicKey, expiresAt } = ownAddSender(request);
    const body = { recipient_id: recipientId, name, public_key: encodeBase64(publicKey) };
    return this.#post([], { ...body, ...expiry(expiresAt) }, options);
  }

  async list(request: SenderListRequest, options: CallOptions = {}): Promise<SenderPage> {
    const { recipientId, limit, after } = ownSenderList(request);
    const query = { recipient_id: recipientId, limit, after };
    return this.#send({ method: "GET", path: PATH, query, read: senderPageFromWire }, options);
  }

  async revoke(selector: SenderSelector, options: ChangeOptions = {}): Promise<SenderInfo> {
    const { recipientId, id } = ownSenderSelector(selector);
    return this.#post(["revoke"], { recipient_id: recipientId, id }, options);
  }

  async renew(request: RenewSenderRequest, options: ChangeOptions = {}): Promise<SenderInfo> {
    const { recipientId, id, expiresAt } = ownRenewSender(request);
    return this.#post(["renew"], { recipient_id: recipientId, id, ...expiry(expiresAt) }, options);
  }

  #post(rest: readonly string[], body: Wire, options: ChangeOptions): Promise<SenderInfo> {
    return this.#send({ method: "POST", path: [...PATH, ...rest], body, read: senderFromWire }, options);
  }

  #send<T>(request: HttpRequest<T>, options: ChangeOptions): Promise<T> {
    return this.#transport.run(options, () => ({ ...request, needs: "recipients", codes: CODES }));
  }
}

function expiry(expiresAt: number | null): Wire {
  return expiresAt === null ? {} : { expires_at: new Date(expiresAt).toISOString() };
}

/**
 * The RecipientService port over HTTP: a coffer server's `/coffer/v1/recipients`.
 *
 * Owns the requests. Shapes are wire/recipients.ts's, retries the transport's. Must not know what stands behind a URL.
 *
 * @module
 */
import { contextObject } from "../crypto/keys/key-context.ts";
import type { RecipientDocument } from "../crypto/sealed/recipient-document.ts";
import { VaultError } from "../errors.ts";
import { type KekListRequest, ownListRequest } from "../keks/kek-service.ts";
import {
  type CreateRecipientRequest,
  ownCreateRequest,
  ownRecipientSelector,
  ownRequireSender,
  ownValidMs,
  type RecipientDocumentOptions,
  type RecipientInfo,
  type RecipientPage,
  type RecipientSelector,
  type RecipientService,
  type RequireSenderRequest,
} from "../keks/recipient-service.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type { Wire } from "../wire/bodies.ts";
import { recipientDocumentFromWire, recipientFromWire, recipientPageFromWire } from "../wire/recipients.ts";
import { HttpSenderService } from "./http-sender-service.ts";
import type { HttpRequest, Transport } from "./transport.ts";

const PATH = ["coffer", "v1", "recipients"];
const CODES = { 404: "ERR_KEY_NOT_FOUND" } as const;

/** Recipients of a coffer server. Over other services every call throws ERR_UNSUPPORTED. */
export class HttpRecipientService implements RecipientService {
  readonly takesHeaders = true;
  readonly senders: HttpSenderService;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.senders = new HttpSenderService(transport);
  }

  async create(request: CreateRecipientRequest, options: ChangeOptions = {}): Promise<RecipientInfo> {
    const { context, suite, requireSender } = ownCreateRequest(request);
    const forWhat = context === undefined ? { environment_wide: true } : { context: contextObject(context) };
    // Servers of before there were senders refuse what they do not know.
    const demand = requireSender ? { require_sender: true } : {};
    const body = { ...forWhat, suite, ...demand };
    return this.#post([], body, recipientFromWire, options);
  }

  async list(request: KekListRequest = {}, options: CallOptions = {}): Promise<RecipientPage> {
    return this.#list({ ...ownListRequest(request) }, options);
  }

  async get(selector: RecipientSelector, options: CallOptions = {}): Promise<RecipientInfo> {
    const { id } = ownRecipientSelector(selector);
    const { data } = await this.#list({ id }, options);
    if (data[0]?.id === id) return data[0];
    throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such recipient in this environment");
  }

  async document(
    selector: RecipientSelector,
    options: RecipientDocumentOptions = {},
  ): Promise<RecipientDocument> {
    const { id } = ownRecipientSelector(selector);
    const { validMs, ...call } = options;
    const body = { id, valid_ms: ownValidMs({ validMs }) };
    return this.#post(["document"], body, recipientDocumentFromWire, call, true);
  }

  async rotate(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#change("rotate", selector, options);
  }

  async disable(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#change("disable", selector, options);
  }

  async enable(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#change("enable", selector, options);
  }

  async shred(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#change("shred", selector, options);
  }

  async requireSender(request: RequireSenderRequest, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#post(["require-sender"], { ...ownRequireSender(request) }, recipientFromWire, options);
  }

  #change(verb: string, selector: RecipientSelector, options: ChangeOptions): Promise<RecipientInfo> {
    return this.#post([verb], { ...ownRecipientSelector(selector) }, recipientFromWire, options);
  }

  #list(query: HttpRequest["query"], options: CallOptions): Promise<RecipientPage> {
    return this.#send({ method: "GET", path: PATH, query, read: recipientPageFromWire }, options);
  }

  #post<T>(
    rest: readonly string[],
    body: Wire,
    read: (answer: unknown) => T,
    options: ChangeOptions,
    isRepeatable?: boolean,
  ): Promise<T> {
    return this.#send({ method: "POST", path: [...PATH, ...rest], body, read, isRepeatable }, options);
  }

  #send<T>(request: HttpRequest<T>, options: ChangeOptions): Promise<T> {
    return this.#transport.run(options, () => ({ ...request, needs: "recipients", codes: CODES }));
  }
}

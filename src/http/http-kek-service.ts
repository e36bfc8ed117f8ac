/**
 * The KekService port over HTTP: a coffer server's `/coffer/v1/keks`.
 *
 * Owns the requests. Shapes are wire/keks.ts's, retries the transport's. Must not know what stands behind a URL.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import {
  isNamed,
  type KekInfo,
  type KekListRequest,
  type KekPage,
  type KekSelector,
  type KekService,
  type KekVersionSelector,
  ownListRequest,
  ownSelector,
  ownShredOptions,
  type ShredOptions,
  type ShredReport,
} from "../keks/kek-service.ts";
import type { CallOptions } from "../keys/key-service.ts";
import type { Wire } from "../wire/bodies.ts";
import { kekFromWire, kekPageFromWire, selectorToWire, shredFromWire } from "../wire/keks.ts";
import type { Transport } from "./transport.ts";

const CODES = { 404: "ERR_KEY_NOT_FOUND" } as const;

/** KEKs of a coffer server. Over other services every call throws ERR_UNSUPPORTED. */
export class HttpKekService implements KekService {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(request: KekListRequest = {}, options: CallOptions = {}): Promise<KekPage> {
    return this.#ask(ownListRequest(request), options.signal);
  }

  async get(selector: KekSelector, options: CallOptions = {}): Promise<KekInfo> {
    const own = ownSelector(selector);
    const { data } = await this.#ask(selectorToWire(own), options.signal);
    const found = data.find((kek) => isNamed(kek, own));
    if (found !== undefined) return found;
    throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such KEK in this environment");
  }

  async rotate(selector: KekSelector, options: CallOptions = {}): Promise<KekInfo> {
    return this.#change("rotate", selectorToWire(ownSelector(selector)), kekFromWire, options.signal);
  }

  async disable(selector: KekVersionSelector, options: CallOptions = {}): Promise<KekInfo> {
    return this.#change("disable", selectorToWire(ownSelector(selector)), kekFromWire, options.signal);
  }

  async enable(selector: KekVersionSelector, options: CallOptions = {}): Promise<KekInfo> {
    return this.#change("enable", selectorToWire(ownSelector(selector)), kekFromWire, options.signal);
  }

  async shred(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    const { isDryRun, delayMs } = ownShredOptions(options);
    const body = { ...selectorToWire(ownSelector(selector)), dry_run: isDryRun, delay_ms: delayMs };
    return this.#change("shred", body, shredFromWire, options.signal);
  }

  async #ask(
    query: Readonly<Record<string, string | number | undefined>>,
    signal: AbortSignal | undefined,
  ): Promise<KekPage> {
    await this.#transport.needExtensions("list KEKs", signal);
    const path = ["coffer", "v1", "keks"];
    return this.#transport.send({ method: "GET", path, query, codes: CODES, signal, read: kekPageFromWire });
  }

  async #change<T>(
    verb: string,
    body: Wire,
    read: (answer: unknown) => T,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    await this.#transport.needExtensions(`${verb} KEKs`, signal);
    const path = ["coffer", "v1", "keks", verb];
    return this.#transport.send({ method: "POST", path, body, codes: CODES, signal, read });
  }
}

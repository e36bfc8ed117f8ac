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
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import type { Wire } from "../wire/bodies.ts";
import { kekFromWire, kekPageFromWire, selectorToWire, shredFromWire } from "../wire/keks.ts";
import type { Transport } from "./transport.ts";

const CODES = { 404: "ERR_KEY_NOT_FOUND" } as const;

/** KEKs of a coffer server. Over other services every call throws ERR_UNSUPPORTED. */
export class HttpKekService implements KekService {
  readonly takesHeaders = true;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  async list(request: KekListRequest = {}, options: CallOptions = {}): Promise<KekPage> {
    return this.#ask(ownListRequest(request), options);
  }

  async get(selector: KekSelector, options: CallOptions = {}): Promise<KekInfo> {
    const own = ownSelector(selector);
    const { data } = await this.#ask(selectorToWire(own), options);
    const found = data.find((kek) => isNamed(kek, own));
    if (found !== undefined) return found;
    throw new VaultError("ERR_KEY_NOT_FOUND", "there is no such KEK in this environment");
  }

  async rotate(selector: KekSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#change("rotate", selectorToWire(ownSelector(selector)), kekFromWire, options);
  }

  async disable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#change("disable", selectorToWire(ownSelector(selector)), kekFromWire, options);
  }

  async enable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#change("enable", selectorToWire(ownSelector(selector)), kekFromWire, options);
  }

  async shred(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    const { isDryRun, delayMs } = ownShredOptions(options);
    const body = { ...selectorToWire(ownSelector(selector)), dry_run: isDryRun, delay_ms: delayMs };
    return this.#change("shred", body, shredFromWire, options);
  }

  async #ask(
    query: Readonly<Record<string, string | number | undefined>>,
    options: CallOptions,
  ): Promise<KekPage> {
    const request = { path: ["coffer", "v1", "keks"], query, codes: CODES, read: kekPageFromWire };
    return this.#transport.run(options, () => ({ needs: "list KEKs", method: "GET", ...request }));
  }

  async #change<T>(
    verb: string,
    body: Wire,
    read: (answer: unknown) => T,
    options: ChangeOptions,
  ): Promise<T> {
    const request = { path: ["coffer", "v1", "keks", verb], body, codes: CODES, read };
    return this.#transport.run(options, () => ({ needs: `${verb} KEKs`, method: "POST", ...request }));
  }
}

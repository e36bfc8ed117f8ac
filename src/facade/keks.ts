/**
 * `vault.keks`: the KEKs of a vault's environment.
 *
 * Owns the check of options, and what is said where there are none. Must not know which service stands behind it.
 *
 * @module
 */
import {
  type KekInfo,
  KekListing,
  type KekListRequest,
  type KekSelector,
  type KekService,
  type KekVersionSelector,
  SHRED_OPTIONS,
  type ShredOptions,
  type ShredReport,
} from "../keks/kek-service.ts";
import { CALL_OPTIONS, type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import { PortCalls, type VaultCalls } from "./calls.ts";

/** Lists KEKs and changes their states. Every call throws ERR_UNSUPPORTED over a service that has none, as WorkOS's. */
export class VaultKeks {
  readonly #calls: PortCalls<KekService | undefined>;

  /** @param calls - which calls of the vault are under way */
  constructor(keks: KekService | undefined, calls: VaultCalls) {
    this.#calls = new PortCalls(keks, calls, "KEKs");
  }

  /**
   * Lists KEKs by context name and value: `await` it for a page, or `for await` over all. `timeout` is for each page.
   *
   * @throws RangeError ERR_INVALID_ARGUMENT for a bad limit; VaultError ERR_CURSOR_INVALID
   */
  list(request: KekListRequest = {}, options: CallOptions = {}): KekListing {
    const fetch = this.#calls.pages("keks.list", options, (keks, page: KekListRequest, call) =>
      keks.list(page, call),
    );
    return new KekListing(fetch, { ...request });
  }

  /** One KEK. @throws VaultError ERR_KEY_NOT_FOUND */
  get(selector: KekSelector, options: CallOptions = {}): Promise<KekInfo> {
    return this.#calls.run("keks.get", CALL_OPTIONS, options, (keks, call) => keks.get(selector, call));
  }

  /** Makes a new KEK version for future wraps. @throws as `KekService.rotate` */
  rotate(selector: KekSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#calls.run("keks.rotate", CHANGE_OPTIONS, options, (keks, call) =>
      keks.rotate(selector, call),
    );
  }

  /** Puts a KEK, or one version, out of use until `enable`. @throws as `KekService.disable` */
  disable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#calls.run("keks.disable", CHANGE_OPTIONS, options, (keks, call) =>
      keks.disable(selector, call),
    );
  }

  /** Puts a KEK back into use, or takes back a pending destruction. @throws as `KekService.enable` */
  enable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    return this.#calls.run("keks.enable", CHANGE_OPTIONS, options, (keks, call) =>
      keks.enable(selector, call),
    );
  }

  /** Destroys a KEK for good, or tells what that would cost. @throws as `KekService.shred` */
  shred(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    return this.#calls.run("keks.shred", SHRED_OPTIONS, options, (keks, call) => keks.shred(selector, call));
  }
}

/**
 * `vault.keks`: the KEKs of a vault's environment.
 *
 * Owns the check of options, and what is said where there are none. Must not know which service stands behind it.
 *
 * @module
 */
import { checkOptions } from "../base/options.ts";
import { VaultError } from "../errors.ts";
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
import { type CallTaker, checkedCall } from "../keys/calls.ts";
import { CALL_OPTIONS, type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import type { VaultCalls } from "./calls.ts";

/** Lists KEKs and changes their states. Every call throws ERR_UNSUPPORTED over a service that has none, as WorkOS's. */
export class VaultKeks {
  readonly #service: KekService | undefined;
  readonly #calls: VaultCalls;

  /** @param calls - which calls of the vault are under way */
  constructor(service: KekService | undefined, calls: VaultCalls) {
    this.#service = service;
    this.#calls = calls;
  }

  /**
   * Lists KEKs by context name and value: `await` it for a page, or `for await` over all. `timeout` is for each page.
   *
   * @throws RangeError ERR_INVALID_ARGUMENT for a bad limit; VaultError ERR_CURSOR_INVALID
   */
  list(request: KekListRequest = {}, options: CallOptions = {}): KekListing {
    checkOptions(options, CALL_OPTIONS, "keks.list");
    const own = { ...checkedCall(options, this.#service ?? NO_KEKS) };
    return new KekListing((page) => this.#run(own, (service, call) => service.list(page, call)), {
      ...request,
    });
  }

  /** One KEK. @throws VaultError ERR_KEY_NOT_FOUND */
  async get(selector: KekSelector, options: CallOptions = {}): Promise<KekInfo> {
    checkOptions(options, CALL_OPTIONS, "keks.get");
    return this.#run(options, (service, call) => service.get(selector, call));
  }

  /** Makes a new KEK version for future wraps. @throws as `KekService.rotate` */
  async rotate(selector: KekSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    checkOptions(options, CHANGE_OPTIONS, "keks.rotate");
    return this.#run(options, (service, call) => service.rotate(selector, call));
  }

  /** Puts a KEK, or one version, out of use until `enable`. @throws as `KekService.disable` */
  async disable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    checkOptions(options, CHANGE_OPTIONS, "keks.disable");
    return this.#run(options, (service, call) => service.disable(selector, call));
  }

  /** Puts a KEK back into use, or takes back a pending destruction. @throws as `KekService.enable` */
  async enable(selector: KekVersionSelector, options: ChangeOptions = {}): Promise<KekInfo> {
    checkOptions(options, CHANGE_OPTIONS, "keks.enable");
    return this.#run(options, (service, call) => service.enable(selector, call));
  }

  /** Destroys a KEK for good, or tells what that would cost. @throws as `KekService.shred` */
  async shred(selector: KekVersionSelector, options: ShredOptions = {}): Promise<ShredReport> {
    checkOptions(options, SHRED_OPTIONS, "keks.shred");
    return this.#run(options, (service, call) => service.shred(selector, call));
  }

  #run<O extends ChangeOptions, T>(
    options: O,
    work: (service: KekService, call: O) => Promise<T>,
  ): Promise<T> {
    return this.#calls.during(options, this.#service ?? NO_KEKS, async (call) => {
      if (this.#service === undefined)
        throw new VaultError("ERR_UNSUPPORTED", "this key service has no KEKs");
      return work(this.#service, call);
    });
  }
}

/** What takes calls where there are no KEKs: all options, since the answer is that there are none. */
const NO_KEKS: CallTaker = { takesHeaders: true };

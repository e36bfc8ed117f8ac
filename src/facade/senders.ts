/**
 * `vault.recipients.senders`: who may seal to recipients that demand a sender.
 *
 * Owns the check of options. Must not know which service stands behind it.
 *
 * @module
 */
import type { RecipientService } from "../keks/recipient-service.ts";
import {
  type AddSenderRequest,
  type RenewSenderRequest,
  type SenderInfo,
  SenderListing,
  type SenderListRequest,
  type SenderSelector,
} from "../keks/sender-service.ts";
import { type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import type { PortCalls } from "./calls.ts";

/** Looks after the senders of recipients: Ed25519 keys whose signature a recipient knows, and may demand. */
export class VaultSenders {
  readonly #calls: PortCalls<RecipientService | undefined>;

  /** @param calls - to the port of recipients, which has their senders */
  constructor(calls: PortCalls<RecipientService | undefined>) {
    this.#calls = calls;
  }

  /** Adds a sender to a recipient's list. @throws as `SenderService.add` */
  add(request: AddSenderRequest, options: ChangeOptions = {}): Promise<SenderInfo> {
    return this.#calls.run("senders.add", CHANGE_OPTIONS, options, (port, call) =>
      port.senders.add(request, call),
    );
  }

  /**
   * Lists a recipient's senders by id: `await` it for a page, or `for await` over all. `timeout` is for each page.
   *
   * @throws RangeError ERR_INVALID_ARGUMENT for a bad limit; VaultError ERR_KEY_NOT_FOUND
   */
  list(request: SenderListRequest, options: CallOptions = {}): SenderListing {
    const fetch = this.#calls.pages("senders.list", options, (port, page: SenderListRequest, call) =>
      port.senders.list(page, call),
    );
    return new SenderListing(fetch, { ...request });
  }

  /** Revokes a sender: nothing opens that it has signed, until `renew`. @throws as `SenderService.revoke` */
  revoke(selector: SenderSelector, options: ChangeOptions = {}): Promise<SenderInfo> {
    return this.#calls.run("senders.revoke", CHANGE_OPTIONS, options, (port, call) =>
      port.senders.revoke(selector, call),
    );
  }

  /** Gives a sender another expiry, and puts one back that was revoked. @throws as `SenderService.renew` */
  renew(request: RenewSenderRequest, options: ChangeOptions = {}): Promise<SenderInfo> {
    return this.#calls.run("senders.renew", CHANGE_OPTIONS, options, (port, call) =>
      port.senders.renew(request, call),
    );
  }
}

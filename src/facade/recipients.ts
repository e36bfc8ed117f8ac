/**
 * `vault.recipients`: key pairs of contexts that others encrypt for without the vault.
 *
 * Owns the check of options, and what is said where there are none. Must not know which service stands behind it.
 *
 * @module
 */
import type { RecipientDocument } from "../crypto/sealed/recipient-document.ts";
import type { KekListRequest } from "../keks/kek-service.ts";
import {
  type CreateRecipientRequest,
  DOCUMENT_OPTIONS,
  type RecipientDocumentOptions,
  type RecipientInfo,
  RecipientListing,
  type RecipientSelector,
  type RecipientService,
  type RequireSenderRequest,
} from "../keks/recipient-service.ts";
import { CALL_OPTIONS, type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import { PortCalls, type VaultCalls } from "./calls.ts";
import { VaultSenders } from "./senders.ts";

/**
 * Makes recipients of contexts and changes their states (`coffer/sealed` encrypts for them). Every call throws ERR_UNSUPPORTED over a
 * service that has none, as WorkOS's.
 */
export class VaultRecipients {
  /** Who may seal to recipients that demand a sender. */
  readonly senders: VaultSenders;
  readonly #calls: PortCalls<RecipientService | undefined>;

  /** @param calls - which calls of the vault are under way */
  constructor(recipients: RecipientService | undefined, calls: VaultCalls) {
    this.#calls = new PortCalls(recipients, calls, "recipients");
    this.senders = new VaultSenders(this.#calls);
  }

  /** Makes a key pair for a context. @throws as `RecipientService.create` */
  create(request: CreateRecipientRequest, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.create", CHANGE_OPTIONS, options, (port, call) =>
      port.create(request, call),
    );
  }

  /**
   * Lists recipients by id: `await` it for a page, or `for await` over all. `timeout` is for each page.
   *
   * @throws RangeError ERR_INVALID_ARGUMENT for a bad limit
   */
  list(request: KekListRequest = {}, options: CallOptions = {}): RecipientListing {
    const fetch = this.#calls.pages("recipients.list", options, (port, page: KekListRequest, call) =>
      port.list(page, call),
    );
    return new RecipientListing(fetch, { ...request });
  }

  /** One recipient. @throws VaultError ERR_KEY_NOT_FOUND */
  get(selector: RecipientSelector, options: CallOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.get", CALL_OPTIONS, options, (port, call) => port.get(selector, call));
  }

  /** What is published: the public key of the newest version, signed. @throws as `RecipientService.document` */
  document(selector: RecipientSelector, options: RecipientDocumentOptions = {}): Promise<RecipientDocument> {
    return this.#calls.run("recipients.document", DOCUMENT_OPTIONS, options, (port, call) =>
      port.document(selector, call),
    );
  }

  /** Makes a new version. Older ones only open from now on. @throws as `RecipientService.rotate` */
  rotate(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.rotate", CHANGE_OPTIONS, options, (port, call) =>
      port.rotate(selector, call),
    );
  }

  /** Puts a recipient, or one version, out of use until `enable`. @throws as `RecipientService.disable` */
  disable(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.disable", CHANGE_OPTIONS, options, (port, call) =>
      port.disable(selector, call),
    );
  }

  /** Puts a disabled recipient, or one version, back into use. @throws as `RecipientService.enable` */
  enable(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.enable", CHANGE_OPTIONS, options, (port, call) =>
      port.enable(selector, call),
    );
  }

  /** Destroys the private keys of a recipient, or of one version, for good. @throws as `RecipientService.shred` */
  shred(selector: RecipientSelector, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.shred", CHANGE_OPTIONS, options, (port, call) =>
      port.shred(selector, call),
    );
  }

  /** Demands a sender of what a recipient opens from now on, or demands none. @throws VaultError ERR_KEY_NOT_FOUND */
  requireSender(request: RequireSenderRequest, options: ChangeOptions = {}): Promise<RecipientInfo> {
    return this.#calls.run("recipients.requireSender", CHANGE_OPTIONS, options, (port, call) =>
      port.requireSender(request, call),
    );
  }
}

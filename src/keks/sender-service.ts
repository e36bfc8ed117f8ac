/**
 * The SenderService port: who may seal data keys to a recipient that demands a sender (docs/spec/sealed-data-key.md section 9).
 *
 * Owns the contract, and the check of what is asked. Must not know who fulfils it.
 *
 * @module
 */
import { decodeBase64 } from "../base/base64.ts";
import type { Bytes } from "../base/bytes.ts";
import { Listing, type ListPage } from "../base/listing.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { isEd25519PublicKey } from "../crypto/curves/ed25519-keys.ts";
import { invalidRange, invalidType } from "../errors.ts";
import type { CallOptions, ChangeOptions } from "../keys/key-service.ts";
import { type KekListRequest, ownListRequest } from "./kek-service.ts";
import { SENDER_NAME_CHARS_MAX } from "./limits.ts";

/** A sender of a recipient. */
export interface SenderInfo {
  /** UUID text. It follows from the recipient and the public key. */
  readonly id: string;
  readonly recipientId: string;
  readonly name: string;
  /** Ed25519, base64 of 32 bytes. */
  readonly publicKey: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339: from then on nothing opens that this sender has signed. Null for one that does not expire. */
  readonly expiresAt: string | null;
  /** RFC 3339: when it was revoked. Null for one that is not. */
  readonly revokedAt: string | null;
}

/** A page of senders. */
export type SenderPage = ListPage<SenderInfo>;

/** Whose senders are listed. */
export interface SenderListRequest extends KekListRequest {
  readonly recipientId: string;
}

/** A list of senders: `await` it for the first page, or `for await` over every sender on every page. */
export class SenderListing extends Listing<SenderInfo, SenderListRequest, SenderPage> {}

/** A sender to be added. */
export interface AddSenderRequest {
  readonly recipientId: string;
  /** For people: 1 to 100 characters, no control characters. */
  readonly name: string;
  /** Ed25519, base64 of 32 bytes: what `createSenderKey` of coffer/sealed answers. */
  readonly publicKey: string;
  /** When it expires; default never. A moment that is over is refused. */
  readonly expiresAt?: Date | string | undefined;
}

/** A sender. */
export interface SenderSelector {
  readonly recipientId: string;
  /** The sender's. */
  readonly id: string;
}

/** A sender that is put back, and until when. */
export interface RenewSenderRequest extends SenderSelector {
  /** When it expires; default never. A moment that is over is refused. */
  readonly expiresAt?: Date | string | undefined;
}

/** The senders of recipients. Arguments are read before a call returns. */
export interface SenderService {
  /**
   * Adds a sender to a recipient's list.
   *
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT, also for a public key for which anybody can sign; VaultError
   *   ERR_KEY_NOT_FOUND for no such recipient; ERR_KEY_STATE for a key that is on the list, a list that is full, and an expiry that
   *   is over by the vault's clock
   */
  add(request: AddSenderRequest, options?: ChangeOptions): Promise<SenderInfo>;

  /** A page of a recipient's senders by id, those that were revoked too. @throws VaultError ERR_KEY_NOT_FOUND */
  list(request: SenderListRequest, options?: CallOptions): Promise<SenderPage>;

  /**
   * Revokes a sender: nothing opens that it has signed, until {@link renew}.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_STATE if it is revoked already
   */
  revoke(selector: SenderSelector, options?: ChangeOptions): Promise<SenderInfo>;

  /**
   * Gives a sender another expiry, and puts one back that was revoked.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_STATE for an expiry that is over by the vault's clock
   */
  renew(request: RenewSenderRequest, options?: ChangeOptions): Promise<SenderInfo>;
}

const ADD_NAMES = /* @__PURE__ */ optionNames<AddSenderRequest>({
  recipientId: true,
  name: true,
  publicKey: true,
  expiresAt: true,
});
const LIST_NAMES = /* @__PURE__ */ optionNames<SenderListRequest>({
  recipientId: true,
  limit: true,
  after: true,
});
const SELECTOR_NAMES = /* @__PURE__ */ optionNames<SenderSelector>({ recipientId: true, id: true });
const RENEW_NAMES = /* @__PURE__ */ optionNames<RenewSenderRequest>({
  recipientId: true,
  id: true,
  expiresAt: true,
});

/** A sender to be added, as it was asked for. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
export function ownAddSender(request: AddSenderRequest): {
  readonly recipientId: string;
  readonly name: string;
  readonly publicKey: Bytes;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | null;
} {
  const { recipientId, name, publicKey, expiresAt } = checked(request, ADD_NAMES, "senders.add");
  const isName =
    typeof name === "string" &&
    name !== "" &&
    [...name].length <= SENDER_NAME_CHARS_MAX &&
    // Control characters, and lone surrogates.
    !/[\p{Cc}\p{Cs}]/u.test(name);
  if (!isName) {
    throw invalidRange(`a sender's name has 1 to ${SENDER_NAME_CHARS_MAX} characters, no control characters`);
  }
  const key = typeof publicKey === "string" ? decodeBase64(publicKey) : undefined;
  if (key === undefined || !isEd25519PublicKey(key)) {
    throw invalidRange("publicKey must be base64 of an Ed25519 public key that only its owner signs with");
  }
  return { recipientId, name, publicKey: key, expiresAt: momentOf(expiresAt) };
}

/** A request for a page as it is now. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
export function ownSenderList(request: SenderListRequest): {
  readonly recipientId: string;
  readonly limit: number;
  readonly after: string | undefined;
} {
  const { recipientId } = checked(request, LIST_NAMES, "senders.list");
  return { recipientId, ...ownListRequest(request) };
}

/** A selector as it is now. @throws TypeError ERR_INVALID_ARGUMENT */
export function ownSenderSelector(selector: SenderSelector): SenderSelector {
  const { recipientId, id } = checkedId(checked(selector, SELECTOR_NAMES, "senders.revoke"));
  return { recipientId, id };
}

/** A request to renew as it is now. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
export function ownRenewSender(
  request: RenewSenderRequest,
): SenderSelector & { readonly expiresAt: number | null } {
  const { recipientId, id, expiresAt } = checkedId(checked(request, RENEW_NAMES, "senders.renew"));
  return { recipientId, id, expiresAt: momentOf(expiresAt) };
}

function checked<T extends { readonly recipientId: string }>(
  request: T,
  names: ReadonlySet<string>,
  call: string,
): T {
  if (typeof request?.recipientId !== "string") throw invalidType(`${call}: recipientId names a recipient`);
  checkOptions(request, names, call);
  return request;
}

function checkedId<T extends SenderSelector>(selector: T): T {
  if (typeof selector.id !== "string") throw invalidType("a sender is named by its id");
  return selector;
}

function momentOf(expiresAt: Date | string | undefined): number | null {
  if (expiresAt === undefined) return null;
  const isDate = typeof expiresAt === "string" || expiresAt instanceof Date;
  const moment = isDate ? new Date(expiresAt).getTime() : Number.NaN;
  if (!Number.isSafeInteger(moment) || moment <= 0) {
    throw invalidRange("expiresAt must be a Date or a moment in RFC 3339, after 1970");
  }
  return moment;
}

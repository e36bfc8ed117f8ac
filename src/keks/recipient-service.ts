/**
 * The RecipientService port: key pairs that others seal data keys to (docs/spec/sealed-data-key.md), and their states.
 *
 * Owns the contract, and the check of what is asked. Must not know who fulfils it.
 *
 * @module
 */
import { Listing, type ListPage } from "../base/listing.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import { type CanonicalContext, canonicalContext, type KeyContext } from "../crypto/keys/key-context.ts";
import { SEALED_SUITES, type SealedSuite } from "../crypto/keys/sealed-key-blob.ts";
import { RECIPIENT_AGE_MS_MAX } from "../crypto/limits.ts";
import type { RecipientDocument } from "../crypto/sealed/recipient-document.ts";
import { invalidRange, invalidType } from "../errors.ts";
import { CALL_OPTIONS, type CallOptions, type ChangeOptions } from "../keys/key-service.ts";
import type { KekListRequest } from "./kek-service.ts";
import { RECIPIENT_AGE_MS_DEFAULT } from "./limits.ts";
import type { SenderService } from "./sender-service.ts";

/** What a recipient's version is used for: documents and opening, opening only, nothing for now, nothing for ever. */
export type RecipientState = "active" | "decrypt-only" | "disabled" | "destroyed";

/** One version of a recipient. */
export interface RecipientVersionInfo {
  readonly version: number;
  readonly state: RecipientState;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** A recipient with its versions. */
export interface RecipientInfo {
  /** UUID text. */
  readonly id: string;
  /** Null for an environment-wide recipient: who seals to it states the context. */
  readonly context: KeyContext | null;
  readonly suite: SealedSuite;
  /** The state of the newest version: whether documents are given out. */
  readonly state: RecipientState;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Whether only what one of its senders has signed opens. */
  readonly requiresSender: boolean;
  /** The newest first. */
  readonly versions: readonly RecipientVersionInfo[];
}

/** A page of recipients. */
export type RecipientPage = ListPage<RecipientInfo>;

/** A list of recipients: `await` it for the first page, or `for await` over every recipient on every page. */
export class RecipientListing extends Listing<RecipientInfo, KekListRequest, RecipientPage> {}

/** A recipient, and optionally one version of it. */
export interface RecipientSelector {
  readonly id: string;
  /** One version, from 1; default all. */
  readonly version?: number | undefined;
}

/** For which context a recipient is made, or that it is for all of them. */
export interface CreateRecipientRequest {
  /** Needed, unless the recipient is to be environment-wide. */
  readonly context?: KeyContext | undefined;
  /**
   * Whether to make a recipient for all contexts of the environment instead: who seals to it states the context. Default false. It gives
   * up two things: who has its document can seal for every context, and a shred of a tenant's KEK does not reach its private key. The
   * vault refuses to open what was sealed for such a tenant and not absorbed, by rule and not by mathematics.
   */
  readonly environmentWide?: boolean | undefined;
  /** Default `x25519`. */
  readonly suite?: SealedSuite | undefined;
  /** Whether only what one of its senders has signed opens; default false. */
  readonly requireSender?: boolean | undefined;
}

/** Whether a recipient demands a sender from now on. */
export interface RequireSenderRequest {
  readonly id: string;
  readonly required: boolean;
}

/** How a document is made. */
export interface RecipientDocumentOptions extends CallOptions {
  /** Milliseconds until it expires: 1 to 400 days' worth; default 90 days. */
  readonly validMs?: number | undefined;
}

/** Makes recipients of contexts and changes their states. Arguments are read before a call returns. */
export interface RecipientService {
  /** Whether calls take `headers` and idempotency keys: only where they are requests. Default false. */
  readonly takesHeaders?: boolean;

  /** Who may seal to recipients that demand a sender. */
  readonly senders: SenderService;

  /**
   * Makes a key pair for a context. Its private key is wrapped under the KEKs of that context: who shreds one of these shreds what
   * was sealed and not yet absorbed. That of an environment-wide recipient is under a KEK of its own.
   *
   * @throws VaultError ERR_KEY_CONTEXT_INVALID, ERR_CONTEXT_NOT_ALLOWED, ERR_KEY_DISABLED, ERR_KEY_DESTROYED; ERR_UNSUPPORTED for
   *   a vault that is not authenticated, and for x-wing where the runtime has no ML-KEM
   */
  create(request: CreateRecipientRequest, options?: ChangeOptions): Promise<RecipientInfo>;

  /** A page of the environment's recipients, by id. @throws RangeError ERR_INVALID_ARGUMENT */
  list(request?: KekListRequest, options?: CallOptions): Promise<RecipientPage>;

  /** One recipient. @throws VaultError ERR_KEY_NOT_FOUND */
  get(selector: RecipientSelector, options?: CallOptions): Promise<RecipientInfo>;

  /**
   * What is published: the public key of the newest version, signed.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DISABLED or ERR_KEY_DESTROYED if that version, or a KEK of its private key, is
   */
  document(selector: RecipientSelector, options?: RecipientDocumentOptions): Promise<RecipientDocument>;

  /**
   * Makes a new version. Older ones only open from now on.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_STATE if the newest version is disabled; as `create`
   */
  rotate(selector: RecipientSelector, options?: ChangeOptions): Promise<RecipientInfo>;

  /** Puts a recipient, or one version, out of use until `enable`. @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED */
  disable(selector: RecipientSelector, options?: ChangeOptions): Promise<RecipientInfo>;

  /** Puts a disabled recipient, or one version, back into use. @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED */
  enable(selector: RecipientSelector, options?: ChangeOptions): Promise<RecipientInfo>;

  /**
   * Destroys the private keys of a recipient, or of one version: what was sealed to it and not absorbed is unreadable for good.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED
   */
  shred(selector: RecipientSelector, options?: ChangeOptions): Promise<RecipientInfo>;

  /**
   * Demands a sender from now on, or demands none: with one, nothing opens that no sender of the list has signed.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND
   */
  requireSender(request: RequireSenderRequest, options?: ChangeOptions): Promise<RecipientInfo>;
}

const CREATE_NAMES = /* @__PURE__ */ optionNames<CreateRecipientRequest>({
  context: true,
  environmentWide: true,
  suite: true,
  requireSender: true,
});
const REQUIRE_NAMES = /* @__PURE__ */ optionNames<RequireSenderRequest>({ id: true, required: true });
const SELECTOR_NAMES = /* @__PURE__ */ optionNames<RecipientSelector>({ id: true, version: true });
/** Names of {@link RecipientDocumentOptions}. */
export const DOCUMENT_OPTIONS = /* @__PURE__ */ optionNames<
  Omit<RecipientDocumentOptions, keyof CallOptions>
>({ validMs: true }, CALL_OPTIONS);

/** A request as it is now. @throws TypeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID */
export function ownCreateRequest(request: CreateRecipientRequest): {
  /** Undefined for an environment-wide recipient. */
  readonly context: CanonicalContext | undefined;
  readonly suite: SealedSuite;
  readonly requireSender: boolean;
} {
  if (request === undefined) throw invalidType("create: a recipient needs a context");
  checkOptions(request, CREATE_NAMES, "create");
  const { context, environmentWide = false, suite = "x25519", requireSender = false } = request;
  if (typeof environmentWide !== "boolean") throw invalidType("environmentWide must be true or false");
  if (environmentWide === (context !== undefined)) {
    throw invalidType("a recipient has a context, or is environmentWide: give one of both");
  }
  if (!SEALED_SUITES.some(({ name }) => name === suite)) throw invalidType("suite must be x25519 or x-wing");
  if (typeof requireSender !== "boolean") throw invalidType("requireSender must be true or false");
  const own = context === undefined ? undefined : canonicalContext(context);
  return { context: own, suite, requireSender };
}

/** A request to demand senders as it is now. @throws TypeError ERR_INVALID_ARGUMENT */
export function ownRequireSender(request: RequireSenderRequest): RequireSenderRequest {
  if (typeof request?.id !== "string") throw invalidType("a recipient is named by its id");
  checkOptions(request, REQUIRE_NAMES, "requireSender");
  const { id, required } = request;
  if (typeof required !== "boolean") throw invalidType("required must be true or false");
  return { id, required };
}

/** A selector as it is now. @throws TypeError ERR_INVALID_ARGUMENT */
export function ownRecipientSelector(selector: RecipientSelector): RecipientSelector {
  if (typeof selector?.id !== "string") throw invalidType("a recipient is named by its id");
  checkOptions(selector, SELECTOR_NAMES, "selector");
  const { id, version } = selector;
  if (version !== undefined && !(Number.isSafeInteger(version) && version > 0)) {
    throw invalidRange("version must be a whole number from 1");
  }
  return { id, version };
}

/** How long a document is to be valid. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
export function ownValidMs(options: RecipientDocumentOptions): number {
  checkOptions(options, DOCUMENT_OPTIONS, "document");
  const { validMs = RECIPIENT_AGE_MS_DEFAULT } = options;
  return checkWhole(validMs, 1, RECIPIENT_AGE_MS_MAX, "validMs");
}

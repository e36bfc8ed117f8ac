/**
 * The KekService port: the KEKs of an environment and their states.
 *
 * Owns the contract that every implementation fulfils (the embedded vault, a coffer server behind HTTP), and the check of
 * what names a KEK; one contract suite, test/contract/kek-service.ts, runs on all of them. Must not know any of them.
 *
 * @module
 */

import { Listing, type ListPage } from "../base/listing.ts";
import { optionNames } from "../base/options.ts";
import { checkWhole } from "../base/whole-numbers.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { invalidType, VaultError } from "../errors.ts";
import { type CallOptions, CHANGE_OPTIONS, type ChangeOptions } from "../keys/key-service.ts";
import { KEKS_PAGE_DEFAULT, KEKS_PAGE_MAX, SHRED_DELAY_MS_MAX } from "./limits.ts";

/**
 * What a KEK version may be used for: wrap and unwrap, unwrap only, nothing for now, nothing until its destruction is
 * taken back, nothing for ever (docs/spec/keyring.md section 1).
 */
export type KekState = "active" | "decrypt-only" | "disabled" | "pending-destroy" | "destroyed";

/** Names a KEK: by its id, or by the context entry that it stands for. */
export type KekSelector = { readonly kekId: string } | { readonly name: string; readonly value: string };

/** A KEK, and optionally one version of it. */
export type KekVersionSelector = KekSelector & {
  /** One version, from 1; default all. */
  readonly version?: number | undefined;
};

/** One version of a KEK. */
export interface KekVersionInfo {
  readonly version: number;
  readonly state: KekState;
  /** RFC 3339. */
  readonly createdAt: string;
  /** When a pending destruction is due, RFC 3339; null otherwise. */
  readonly destroyAt: string | null;
  /** Stored KV versions whose value can only be read with this version. */
  readonly kvVersions: number;
}

/** A KEK with its versions. */
export interface KekInfo {
  /** UUID text. */
  readonly id: string;
  readonly name: string;
  readonly value: string;
  /** The state of the newest version: whether data keys can be made. */
  readonly state: KekState;
  /** RFC 3339. */
  readonly createdAt: string;
  /** The newest first. */
  readonly versions: readonly KekVersionInfo[];
}

/** Which KEKs to list. */
export interface KekListRequest {
  /** KEKs of a page: 1 to 100, default 10. */
  readonly limit?: number | undefined;
  /** Id of the last KEK of the page before. */
  readonly after?: string | undefined;
}

/** A page of KEKs. */
export type KekPage = ListPage<KekInfo>;

/** A list of KEKs: `await` it for the first page, or `for await` over every KEK on every page. */
export class KekListing extends Listing<KekInfo, KekListRequest, KekPage> {}

/** How to shred. */
export interface ShredOptions extends ChangeOptions {
  /** Only tell what would become unreadable; change nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /**
   * Milliseconds until the KEK is destroyed, at most one year; until then it cannot be used, but `enable` takes the
   * shred back. Default 0: at once, for good.
   */
  readonly delayMs?: number | undefined;
}

/** Names of {@link ShredOptions}. */
export const SHRED_OPTIONS = /* @__PURE__ */ optionNames<Omit<ShredOptions, keyof ChangeOptions>>(
  { dryRun: true, delayMs: true },
  CHANGE_OPTIONS,
);

/**
 * How far a destroyed KEK is erased (docs/spec/revocation.md section 6). `physical`: its bytes are overwritten in the vault's
 * files. `logical`: no process uses it any more, but its bytes may be stored for some time to come, wrapped under the root key.
 */
export type Erasure = "physical" | "logical";

/** What a shred makes unreadable, or would. */
export interface ShredReport {
  readonly kekId: string;
  readonly name: string;
  readonly value: string;
  /** The versions that are destroyed, or would be. */
  readonly versions: readonly number[];
  readonly isDryRun: boolean;
  /** When they are destroyed, RFC 3339; null in a dry run. */
  readonly destroyAt: string | null;
  /**
   * How far the versions are erased by now; in a dry run and in a delayed shred: how far they will be. On PostgreSQL it is
   * `logical`: the bytes are gone when the root key that wrapped them is rotated and destroyed.
   */
  readonly erasure: Erasure;
  /**
   * Contexts that name the KEK. Everything encrypted under them with these versions becomes unreadable, however much
   * there is: the vault does not know the ciphertexts that applications keep.
   */
  readonly contexts: { readonly count: number; readonly sample: readonly KeyContext[] };
  /** Live KV objects whose current value becomes unreadable. */
  readonly kvObjects: { readonly count: number; readonly sample: readonly string[] };
  /** All stored KV versions, old ones and deleted objects' too, that become unreadable. */
  readonly kvVersions: number;
  /**
   * Versions of recipients whose private key becomes unreadable, and with it what was sealed to them and not absorbed. A rewrap
   * of the store does not reach them: rotate a recipient for a key under the newest KEKs.
   */
  readonly recipientVersions: number;
  /**
   * NOT covered by the shred: environment-wide recipients that keep a private key afterwards. The vault refuses to open what was sealed
   * to them for a context of the KEK and not absorbed, but the private key is still there. `sample` has their ids.
   */
  readonly uncoveredRecipients: { readonly count: number; readonly sample: readonly string[] };
}

/** Lists KEKs and changes their states. Arguments are read before a call returns. */
export interface KekService {
  /** Whether calls are requests over HTTP, which take `headers` and `idempotencyKey`; absent where they are not. */
  readonly takesHeaders?: boolean;

  /** A page of the environment's KEKs, by context name and value. @throws VaultError ERR_CURSOR_INVALID; RangeError */
  list(request?: KekListRequest, options?: CallOptions): Promise<KekPage>;

  /** One KEK. @throws VaultError ERR_KEY_NOT_FOUND */
  get(selector: KekSelector, options?: CallOptions): Promise<KekInfo>;

  /**
   * Makes a new version for future wraps; older ones only unwrap from now on. Also brings a destroyed KEK's context
   * back to use: for new data.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_STATE if the KEK is disabled or about to be destroyed
   */
  rotate(selector: KekSelector, options?: ChangeOptions): Promise<KekInfo>;

  /**
   * Puts a KEK, or one version, out of use until `enable`. Every process that holds the vault stops using it at once.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED; ERR_KEY_STATE while a destruction is pending
   */
  disable(selector: KekVersionSelector, options?: ChangeOptions): Promise<KekInfo>;

  /**
   * Puts a disabled KEK, or one version, back into use; also takes back a pending destruction.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED
   */
  enable(selector: KekVersionSelector, options?: ChangeOptions): Promise<KekInfo>;

  /**
   * Destroys a KEK, or one version, so that everything under it is unreadable for good; or tells what that would cost.
   *
   * @throws VaultError ERR_KEY_NOT_FOUND; ERR_KEY_DESTROYED; RangeError ERR_INVALID_ARGUMENT for a bad delay
   */
  shred(selector: KekVersionSelector, options?: ShredOptions): Promise<ShredReport>;
}

/** Whether a KEK is the one that is named. */
export function isNamed(kek: KekInfo, selector: KekSelector): boolean {
  return "kekId" in selector
    ? kek.id === selector.kekId
    : kek.name === selector.name && kek.value === selector.value;
}

/** A request as it is now. @throws TypeError or RangeError ERR_INVALID_ARGUMENT */
export function ownListRequest(request: KekListRequest): { limit: number; after: string | undefined } {
  const { limit = KEKS_PAGE_DEFAULT, after } = request;
  checkWhole(limit, 1, KEKS_PAGE_MAX, "limit");
  if (after !== undefined && typeof after !== "string") throw invalidType("after must be a KEK's id");
  return { limit, after };
}

/** Options as they are now. @throws RangeError ERR_INVALID_ARGUMENT for a bad delay */
export function ownShredOptions(options: ShredOptions): { isDryRun: boolean; delayMs: number } {
  const { dryRun, delayMs = 0 } = options;
  return { isDryRun: dryRun === true, delayMs: checkWhole(delayMs, 0, SHRED_DELAY_MS_MAX, "delayMs") };
}

/**
 * A selector as it is now.
 *
 * @throws TypeError ERR_INVALID_ARGUMENT for what names no KEK; VaultError ERR_KEY_NOT_FOUND for a version that no KEK has
 */
export function ownSelector(selector: KekVersionSelector): KekVersionSelector {
  if (typeof selector !== "object" || selector === null) throw invalidSelector();
  const { version } = selector;
  if (version !== undefined && !(Number.isSafeInteger(version) && version > 0)) {
    throw new VaultError("ERR_KEY_NOT_FOUND", "the KEK has no such version");
  }
  if ("kekId" in selector) {
    if (typeof selector.kekId !== "string") throw invalidSelector();
    return { kekId: selector.kekId, version };
  }
  const { name, value } = selector;
  if (typeof name !== "string" || typeof value !== "string") throw invalidSelector();
  return { name, value, version };
}

const invalidSelector = (): TypeError => invalidType("a KEK is named by id, or by name and value");

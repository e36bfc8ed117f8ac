/**
 * What a vault and its calls are told: options and their names.
 *
 * Owns the shapes and the lists of names that calls accept. Must not know what the calls do.
 *
 * @module
 */

import { NULLISH_OPTION, type NullishOption } from "../base/nullish.ts";
import { type OptionNames, optionNames } from "../base/options.ts";
import type { SyncCrypto } from "../crypto/ciphers/sync-crypto.ts";
import type { WritableLayout } from "../crypto/envelope/layouts.ts";
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { LOCAL_DECRYPT_OPTIONS, type LocalDecryptOptions } from "../crypto/local.ts";
import { NATIVE_SOURCE_OPTIONS } from "../crypto/native/range.ts";
import { NATIVE_STREAM_OPTIONS } from "../crypto/native/stream.ts";
import { HTTP_OPTIONS, type HttpOptions } from "../http/transport.ts";
import type { KekService } from "../keks/kek-service.ts";
import type { RecipientService } from "../keks/recipient-service.ts";
import type { DataKeyCacheOptions } from "../keys/data-key-cache.ts";
import { CALL_OPTIONS, type CallOptions, type KeyService } from "../keys/key-service.ts";
import type { LeaseLimits } from "../keys/lease-budget.ts";
import type { KvService } from "../kv/kv-service.ts";
import { REKEY_OPTIONS } from "../rekey/rekey.ts";

/** How a vault behaves, whatever stands behind it. */
export interface VaultBehaviour {
  /** Layout to write; default `iv12`, which most WorkOS SDKs read, or `native` with `requireCommitment`. */
  readonly layout?: WritableLayout | undefined;
  /**
   * Refuse to write and to read layouts that do not commit to their key, which are all of WorkOS's; decided before
   * any key is asked for. A call's own option goes before. Default false.
   */
  readonly requireCommitment?: boolean | undefined;
  /** Limits of the decrypt cache; default 60 s and 1,000 keys. */
  readonly cache?: DataKeyCacheOptions | undefined;
  /**
   * What encrypts at once, from `coffer/sync`, in browsers and on edge runtimes. Without it synchronous calls throw
   * ERR_UNSUPPORTED there. Node, Bun and Deno have their own.
   */
  readonly sync?: SyncCrypto | undefined;
}

/** A vault over services of one's own. */
export interface VaultPorts extends VaultBehaviour {
  /** Makes and unwraps data keys. */
  readonly keys: KeyService;
  /** Stores small secrets. */
  readonly kv: KvService;
  /** The KEKs under which data keys are wrapped; without it, calls of `vault.keks` throw ERR_UNSUPPORTED. */
  readonly keks?: KekService | undefined;
  /** Key pairs that others seal data keys to; without it, calls of `vault.recipients` throw ERR_UNSUPPORTED. */
  readonly recipients?: RecipientService | undefined;
}

/** A vault over ports, or over the WorkOS API: a coffer server's or WorkOS's own. */
export type VaultOptions = VaultPorts | (HttpOptions & VaultBehaviour & { readonly keys?: undefined });

/** Names of {@link VaultBehaviour}. */
export const BEHAVIOUR_OPTIONS = /* @__PURE__ */ optionNames<VaultBehaviour>({
  layout: true,
  requireCommitment: true,
  cache: true,
  sync: true,
});
/** Names of {@link VaultPorts}. */
export const PORTS_OPTIONS = /* @__PURE__ */ optionNames<Omit<VaultPorts, keyof VaultBehaviour>>(
  { keys: true, kv: true, keks: true, recipients: true },
  BEHAVIOUR_OPTIONS,
);
/** Names of the options of a vault over HTTP. */
export const HTTP_VAULT_OPTIONS = /* @__PURE__ */ optionNames<{ keys?: undefined }>(
  { keys: true },
  HTTP_OPTIONS,
  BEHAVIOUR_OPTIONS,
);

/** What `encrypt` and `encryptMany` take. */
export interface EncryptOptions extends CallOptions {
  /** Layout to write; default the vault's. */
  readonly layout?: WritableLayout | undefined;
  /** Refuse to write a layout that does not commit to its key; default the vault's. */
  readonly requireCommitment?: boolean | undefined;
  /**
   * Use one data key for several messages of the same context, within a budget: `true` for the default limits.
   * Default: a fresh data key per message.
   */
  readonly reuse?: boolean | LeaseLimits | undefined;
}

/** What `decrypt`, `decryptMany` and `upgrade` take. */
export interface DecryptOptions extends LocalDecryptOptions, CallOptions {
  /** The context that the ciphertext must have been encrypted under; another one is ERR_DECRYPT_FAILED. */
  readonly context?: KeyContext | undefined;
}

/** What `decryptSealed` answers. */
export interface SealedPlaintext<Data> {
  readonly data: Data;
  /**
   * The id of the data key, UUID text. Copies of a sealed ciphertext have the same one, and no two that were sealed apart have: who
   * keeps the ids that it has seen tells a replay by it. What is absorbed has another one. Messages of one lease share theirs.
   */
  readonly dataKeyId: string;
  /** The sender whose signature the sealed data key has, UUID text. Undefined where there is none, and for what is not sealed. */
  readonly sender: string | undefined;
}

/** Names of {@link EncryptOptions}. */
export const ENCRYPT_OPTIONS = /* @__PURE__ */ optionNames<Omit<EncryptOptions, keyof CallOptions>>(
  { layout: true, requireCommitment: true, reuse: true },
  CALL_OPTIONS,
);
/** What `encryptMany` takes. */
export interface EncryptManyOptions extends EncryptOptions, NullishOption {}

/** What `decryptMany` takes. */
export interface DecryptManyOptions extends DecryptOptions, NullishOption {}

/** Names of {@link EncryptManyOptions}. */
export const ENCRYPT_MANY_OPTIONS: OptionNames = new Set([...ENCRYPT_OPTIONS, ...NULLISH_OPTION]);
const CONTEXT_OPTION = /* @__PURE__ */ optionNames<Pick<DecryptOptions, "context">>({ context: true });
/** Names of {@link DecryptOptions}. */
export const DECRYPT_OPTIONS: OptionNames = new Set([
  ...LOCAL_DECRYPT_OPTIONS,
  ...CALL_OPTIONS,
  ...CONTEXT_OPTION,
]);
/** Names of {@link DecryptManyOptions}. */
export const DECRYPT_MANY_OPTIONS: OptionNames = new Set([...DECRYPT_OPTIONS, ...NULLISH_OPTION]);
/** Names of the options of `encryptStream` and `decryptStream`. */
export const STREAM_OPTIONS: OptionNames = new Set([
  ...CALL_OPTIONS,
  ...NATIVE_STREAM_OPTIONS,
  ...CONTEXT_OPTION,
]);
/** Names of the options of `openNativeSource` and `decryptRange`. */
export const SOURCE_OPTIONS: OptionNames = new Set([
  ...CALL_OPTIONS,
  ...NATIVE_SOURCE_OPTIONS,
  ...CONTEXT_OPTION,
]);
/** Names of the options of `rewrap`. */
export const REWRAP_OPTIONS: OptionNames = new Set([...REKEY_OPTIONS, ...CONTEXT_OPTION]);

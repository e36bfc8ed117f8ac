/**
 * What is derived from the root key (docs/spec/keyring.md section 2, authority.md section 1).
 *
 * Owns the two forms of a vault's wraps, the associated data of wrapped KEKs and vault keys, and the check by which a wrong root
 * key is known at once. Must not know storage or data keys.
 *
 * @module
 */

import { ascii, concatBytes, EMPTY, lengthPrefixed, u32, utf8 } from "../../base/bytes.ts";
import type { SyncAeadProvider } from "../../crypto/aead/aead.ts";
import { HERE } from "../../crypto/ciphers/of-call.ts";
import { KEY_BYTES } from "../../crypto/limits.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { SecretBytes } from "../../crypto/primitives/secret-bytes.ts";
import { isVaultError, VaultError } from "../../errors.ts";
import { openUnderNonce, sealUnderNonce } from "./sealing.ts";
import { ServiceKeys } from "./service-keys.ts";

/** What a wrapped KEK version is bound to. */
export interface KekIdentity {
  readonly environmentId: string;
  /** UUID text. */
  readonly kekId: string;
  /** 1 or more. */
  readonly version: number;
  readonly contextName: string;
  readonly contextValue: string;
}

/** How a vault's root key is used: as vaults did before they were authenticated, and since. */
interface RootForm {
  readonly wrapInfo: Uint8Array;
  readonly kekLabel: Uint8Array;
  /** Follows the vault id in the associated data of the check. */
  readonly checkData: Uint8Array;
  /** The service's keys are derived from the root key too, and not from vault keys. */
  readonly hasServiceKeys: boolean;
  /** The form that a vault of this one gets when it is authenticated. */
  readonly becomes: "authenticated" | undefined;
}

/** Names a form. */
export type RootFormName = "authenticated" | "plain";

/** The forms that there are. */
export const ROOT_FORMS: Readonly<Record<RootFormName, RootForm>> = {
  plain: {
    wrapInfo: ascii("coffer/v1/kek-wrap"),
    kekLabel: ascii("coffer/v1/kek-wrap"),
    checkData: EMPTY,
    hasServiceKeys: true,
    becomes: "authenticated",
  },
  authenticated: {
    wrapInfo: ascii("coffer/v2/wrap"),
    kekLabel: ascii("coffer/v2/kek-wrap"),
    checkData: ascii("authenticated"),
    hasServiceKeys: false,
    becomes: undefined,
  },
};

/** The names of all forms. */
export const ROOT_FORM_NAMES = Object.keys(ROOT_FORMS) as readonly RootFormName[];

const CHECK_INFO = ascii("coffer/v1/root-check");
const VAULT_KEY_LABEL = ascii("coffer/v2/vault-key");

/** The keys that are derived from a vault's root key, and what they wrap: KEKs and vault keys. */
export class RootKeys {
  readonly form: RootFormName;
  /** Only in the form that derives them from the root key. */
  readonly serviceKeys: ServiceKeys | undefined;
  /** The same root in the form that the vault gets when it is authenticated. */
  readonly authenticated: RootKeys | undefined;
  readonly #wrapKey: SecretBytes;
  readonly #checkKey: SecretBytes;
  readonly #vaultId: Uint8Array;
  readonly #provider: SyncAeadProvider;

  /**
   * @param root - 32 bytes; may be disposed of afterwards
   * @param vaultId - 16 bytes, public
   */
  constructor(root: SecretBytes, vaultId: Uint8Array, form: RootFormName) {
    const derive = (info: Uint8Array): SecretBytes =>
      new SecretBytes(hash.hkdf("sha256", root.bytes, vaultId, info, KEY_BYTES));
    this.form = form;
    this.#wrapKey = derive(ROOT_FORMS[form].wrapInfo);
    this.#checkKey = derive(CHECK_INFO);
    if (ROOT_FORMS[form].hasServiceKeys) {
      this.serviceKeys = new ServiceKeys({ webhookSecret: root, fingerprint: root }, vaultId);
    }
    const { becomes } = ROOT_FORMS[form];
    if (becomes !== undefined) this.authenticated = new RootKeys(root, vaultId, becomes);
    this.#vaultId = vaultId;
    this.#provider = HERE.providers.sync();
  }

  /** Makes a new random KEK; returns its wrapped form only. */
  create(identity: KekIdentity): Uint8Array {
    const kek = randomBytes(KEY_BYTES);
    try {
      return this.wrap(kek, identity);
    } finally {
      kek.fill(0);
    }
  }

  /** Wraps a KEK, which stays the caller's. */
  wrap(kek: Uint8Array, identity: KekIdentity): Uint8Array {
    return sealUnderNonce(this.#provider, this.#wrapKey, kek, this.#kekData(identity));
  }

  /**
   * @returns the KEK, 32 bytes, the caller's to zero; undefined if it is not wrapped under this root key, or the row was altered
   */
  unwrap(wrapped: Uint8Array, identity: KekIdentity): Uint8Array | undefined {
    return this.#open(this.#wrapKey, wrapped, this.#kekData(identity));
  }

  /** Wraps a vault key, which stays the caller's. */
  wrapVaultKey(key: Uint8Array, purpose: string, version: number): Uint8Array {
    return sealUnderNonce(this.#provider, this.#wrapKey, key, this.#vaultKeyData(purpose, version));
  }

  /** @returns the vault key, the caller's to zero; undefined as for {@link unwrap} */
  unwrapVaultKey(wrapped: Uint8Array, purpose: string, version: number): Uint8Array | undefined {
    return this.#open(this.#wrapKey, wrapped, this.#vaultKeyData(purpose, version));
  }

  /** A value to store, by which {@link isRightRoot} knows this root key and its form again. */
  createCheck(): Uint8Array {
    return sealUnderNonce(this.#provider, this.#checkKey, EMPTY, this.#checkData());
  }

  /** Whether the stored value was made with this root key in this form. */
  isRightRoot(check: Uint8Array): boolean {
    return this.#open(this.#checkKey, check, this.#checkData()) !== undefined;
  }

  dispose(): void {
    this.#wrapKey.dispose();
    this.#checkKey.dispose();
    this.serviceKeys?.dispose();
    this.authenticated?.dispose();
  }

  #open(key: SecretBytes, sealed: Uint8Array, associatedData: Uint8Array): Uint8Array | undefined {
    try {
      return openUnderNonce(this.#provider, key, sealed, associatedData);
    } catch (error) {
      if (isVaultError(error, "ERR_DECRYPT_FAILED")) return undefined;
      throw error;
    }
  }

  #checkData(): Uint8Array {
    return concatBytes(this.#vaultId, ROOT_FORMS[this.form].checkData);
  }

  #vaultKeyData(purpose: string, version: number): Uint8Array {
    return concatBytes(
      VAULT_KEY_LABEL,
      lengthPrefixed(this.#vaultId),
      lengthPrefixed(ascii(purpose)),
      u32(version),
    );
  }

  #kekData(identity: KekIdentity): Uint8Array {
    return concatBytes(
      ROOT_FORMS[this.form].kekLabel,
      lengthPrefixed(this.#vaultId),
      lengthPrefixed(utf8(identity.environmentId, "environment id")),
      lengthPrefixed(utf8(identity.kekId, "KEK id")),
      u32(identity.version),
      lengthPrefixed(utf8(identity.contextName, "context name")),
      lengthPrefixed(utf8(identity.contextValue, "context value")),
    );
  }
}

/** A KEK that is not wrapped as its row says. */
export function damagedWrap(kekId: string): VaultError {
  return new VaultError("ERR_STORAGE_CORRUPT", `the KEK ${kekId} is damaged in the vault's file`);
}

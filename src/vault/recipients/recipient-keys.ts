/**
 * Private keys of recipients, and what they open: sealed data keys (docs/spec/sealed-data-key.md).
 *
 * Owns the way from a sealed key blob to its data key, and what of it is kept in memory: private keys, for as long as no process has
 * changed a KEK or a recipient. Must not know changes of states.
 *
 * @module
 */
import { equalBytes } from "../../base/bytes.ts";
import type { HeldPrivateKey } from "../../crypto/hpke/kem.ts";
import { KEMS } from "../../crypto/hpke/kems.ts";
import { contextObject } from "../../crypto/keys/key-context.ts";
import { decodeSealedKeyBlob, type SealedKeyBlob } from "../../crypto/keys/sealed-key-blob.ts";
import { uuidToText } from "../../crypto/primitives/uuid.ts";
import { openSealedDataKeyBy } from "../../crypto/sealed/sealed-data-key.ts";
import type { SealedTools } from "../../crypto/sealed/tools.ts";
import { decryptFailed } from "../../errors.ts";
import type { RecipientState } from "../../keks/recipient-service.ts";
import type { Authority } from "../authority/authority.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { contextOfRecipient } from "../keks/environment-wide.ts";
import type { Keyring } from "../keks/keyring.ts";
import type { RingDataKey } from "../keks/ring.ts";
import { RECIPIENT_KEYS_MAX } from "../limits.ts";
import type { Database, WaitOptions } from "../storage/database.ts";
import {
  checkRecipient,
  checkUsable,
  findRecipient,
  type RecipientRow,
  unknownRecipient,
} from "./recipient-rows.ts";
import { checkedSender, type KeptSenders, readSenders } from "./signatures.ts";
import { toolsOf } from "./tools.ts";

/** A private key that is kept, and what its blobs must name. */
interface Kept {
  readonly key: HeldPrivateKey;
  readonly suite: string;
  /** Undefined for an environment-wide recipient. */
  readonly canonical: Uint8Array | undefined;
  readonly requiresSender: boolean;
  /** Read for the first signed blob. */
  readonly senders: KeptSenders | undefined;
}

/** Opens sealed data keys within one environment. */
export class RecipientKeys {
  readonly #database: Database;
  readonly #authority: Authority;
  readonly #environmentId: string;
  readonly #keyring: Keyring;
  readonly #now: () => number;
  readonly #tools: SealedTools;
  readonly #kept = new Map<string, Kept>();
  /** The counter of changes that #kept is true for. */
  #keptAt = -1;

  constructor(vault: OpenedVault, environmentId: string, keyring: Keyring) {
    const { database, authority, now } = vault;
    this.#database = database;
    this.#authority = authority;
    this.#tools = toolsOf(vault);
    this.#environmentId = environmentId;
    this.#keyring = keyring;
    this.#now = now;
  }

  /**
   * Opens a sealed data key.
   *
   * @param keyBlob - the sealed key blob
   * @param isVisible - whether the caller may know of a context; asked before anything of the recipient is looked at
   * @throws VaultError ERR_KEY_BLOB_MALFORMED, ERR_KEY_NOT_FOUND (none of this environment, or not visible), ERR_KEY_DISABLED,
   *   ERR_KEY_DESTROYED (the recipient's, those of a KEK of its private key, or, where the recipient is environment-wide, those of
   *   the newest KEKs of the blob's context), ERR_DECRYPT_FAILED, ERR_SENDER_REFUSED
   */
  async open(
    keyBlob: Uint8Array,
    isVisible: (context: SealedKeyBlob["context"]) => boolean,
    options: WaitOptions = {},
  ): Promise<RingDataKey> {
    const blob = decodeSealedKeyBlob(keyBlob);
    if (!isVisible(blob.context)) throw unknownRecipient();
    const name = nameOf(blob);
    let kept = this.#current().get(name);
    if (kept !== undefined && kept.canonical === undefined) {
      await this.#keyring.checkInUse(blob.context, options);
      // It may have been let go of meanwhile.
      kept = this.#current().get(name);
    }
    if (kept !== undefined && hasSenders(kept, blob)) return this.#open(kept, blob, keyBlob);
    const at = this.#keptAt;
    const loaded = await this.#load(blob, options);
    let isKept = false;
    try {
      if (loaded.canonical === undefined) await this.#keyring.checkInUse(blob.context, options);
      const opened = this.#open(loaded, blob, keyBlob);
      // Only what was loaded for the state that the others belong to may join them, and only if it has more than what is there.
      const other = this.#kept.get(name);
      const isMore = other === undefined || !hasSenders(other, blob);
      isKept = this.#keptAt === at && this.#database.changes().keks === at && isMore;
      return opened;
    } finally {
      if (isKept) this.#keep(name, loaded);
      else loaded.key.dispose();
    }
  }

  /**
   * Looks once whether the private keys that are kept are still good, for work on many blobs.
   *
   * @returns as {@link open}, but undefined where another private key is needed; of this moment, and so to be used before the caller
   *   waits for anything
   */
  kept(): (
    keyBlob: Uint8Array,
    isVisible: (context: SealedKeyBlob["context"]) => boolean,
  ) => RingDataKey | undefined {
    const all = this.#current();
    return (keyBlob, isVisible) => {
      const blob = decodeSealedKeyBlob(keyBlob);
      if (!isVisible(blob.context)) throw unknownRecipient();
      const kept = all.get(nameOf(blob));
      // For a recipient of a whole environment the context's KEKs are looked up.
      if (kept?.canonical === undefined || !hasSenders(kept, blob)) return undefined;
      return this.#open(kept, blob, keyBlob);
    };
  }

  /** Lets go of all private keys. */
  dispose(): void {
    for (const { key } of this.#kept.values()) key.dispose();
    this.#kept.clear();
  }

  /** A private key as it is stored. The caller's to dispose of. */
  async #load(blob: SealedKeyBlob, options: WaitOptions): Promise<Kept> {
    const { recipient, senders } = await this.#database.read(async (sql) => {
      const found = await findRecipient(sql, this.#environmentId, uuidToText(blob.recipientId), false);
      const known = await this.#authority.look(sql);
      checkRecipient(known, found);
      const isSigned = blob.senderId !== undefined;
      return {
        recipient: found,
        senders: isSigned ? await readSenders(sql, known, found.id, this.#now) : undefined,
      };
    }, options);
    const canonical = contextOfRecipient(recipient.stored)?.bytes;
    const { wrapped, publicKey } = keyPairOf(recipient, blob.version);
    const { key } = await this.#keyring.unwrap(wrapped, "recipient", options);
    try {
      const { suite, stored } = recipient;
      const requiresSender = stored.requires_sender !== 0;
      return {
        key: KEMS[suite].hold(this.#tools, key, publicKey),
        suite,
        canonical,
        requiresSender,
        senders,
      };
    } finally {
      key.fill(0);
    }
  }

  #open(kept: Kept, blob: SealedKeyBlob, keyBlob: Uint8Array): RingDataKey {
    // Who has the public key could seal for any context: the recipient's decides, if it has one.
    const isForIt = kept.canonical === undefined || equalBytes(kept.canonical, blob.context.bytes);
    if (kept.suite !== blob.suite || !isForIt) throw decryptFailed();
    // Before the private key is used ([SDK-53]).
    const sender = checkedSender(kept, blob, this.#now());
    return {
      key: openSealedDataKeyBy(this.#tools, blob, kept.key),
      id: uuidToText(blob.dataKeyId),
      blob: keyBlob,
      context: blob.context,
      keyContext: contextObject(blob.context),
      owner: "application",
      sender,
    };
  }

  /** The private keys that are kept, after a look whether they are still good. */
  #current(): ReadonlyMap<string, Kept> {
    const { keks: at } = this.#database.changes();
    if (at !== this.#keptAt) {
      this.dispose();
      this.#keptAt = at;
    }
    return this.#kept;
  }

  #keep(name: string, loaded: Kept): void {
    // A plain limit: starting afresh costs one load for each recipient.
    if (this.#kept.size >= RECIPIENT_KEYS_MAX) this.dispose();
    this.#kept.get(name)?.key.dispose();
    this.#kept.set(name, loaded);
  }
}

/**
 * The key pair of a version that may open, its private key wrapped.
 *
 * @throws VaultError ERR_KEY_NOT_FOUND, ERR_KEY_DISABLED, ERR_KEY_DESTROYED
 */
export function keyPairOf(
  { versions }: RecipientRow,
  version: number,
): { readonly wrapped: Uint8Array; readonly publicKey: Uint8Array } {
  const row = versions.find((found) => found.version === version);
  if (row === undefined) throw unknownRecipient();
  checkUsable(row.state as RecipientState);
  return { wrapped: row.wrapped as Uint8Array, publicKey: row.public_key as Uint8Array };
}

/** What names the private key of a blob. */
function nameOf({ recipientId, version }: SealedKeyBlob): string {
  return `${uuidToText(recipientId)}:${version}`;
}

/** Whether all is there that a blob needs. */
function hasSenders({ senders }: Kept, { senderId }: SealedKeyBlob): boolean {
  return senderId === undefined || (senders !== undefined && performance.now() < senders.until);
}

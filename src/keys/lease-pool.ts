/**
 * The leases behind `encrypt(…, { reuse })`: one per context and budget, replaced when used up.
 *
 * Owns which lease serves a message and when an old one goes. Must not know plaintexts.
 *
 * @module
 */
import { untilAborted } from "../base/concurrency.ts";
import { type SharedEntry, SharedLru } from "../base/shared-lru.ts";
import type { Ciphers } from "../crypto/ciphers/ciphers.ts";
import { checkedContext, identifyContext, type KeyContext } from "../crypto/keys/key-context.ts";
import type { HeldKeys } from "./held-keys.ts";
import type { CallOptions } from "./key-service.ts";
import { type CheckedLimits, exhausted } from "./lease-budget.ts";
import { type LeasedKey, settingsOf, takeLeasedKey } from "./leased-key.ts";
import { REUSED_CONTEXTS_MAX } from "./limits.ts";

/** Leases of one key service. */
export class LeasePool {
  readonly #heldKeys: HeldKeys;
  readonly #ciphers: Ciphers;
  readonly #leases = new SharedLru<LeasedKey>({ entriesMax: REUSED_CONTEXTS_MAX });

  /** @param heldKeys - of the service that makes the keys */
  constructor(heldKeys: HeldKeys, ciphers: Ciphers) {
    this.#heldKeys = heldKeys;
    this.#ciphers = ciphers;
  }

  /** How many leases are held. */
  get size(): number {
    return this.#leases.size;
  }

  /**
   * Runs `work` with a lease of `context` that has room for one message of `bytes` bytes.
   *
   * @throws what `createDataKey` throws; VaultError ERR_KEY_CONTEXT_INVALID, and ERR_DATA_KEY_EXHAUSTED for a message
   *   larger than a whole budget, both before any request
   */
  async use<T>(
    context: KeyContext,
    limits: CheckedLimits,
    bytes: number,
    work: (held: LeasedKey) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { maxMessages, maxBytes, maxAgeMs, onOutage } = limits;
    // No other lease would take it either.
    if (bytes > maxBytes) throw exhausted();
    const identified = identifyContext(context);
    const id = `${maxMessages} ${maxBytes} ${maxAgeMs} ${onOutage} ${identified.id}`;
    for (;;) {
      const known = this.#leases.get(id);
      const entry = known ?? this.#take(id, identified.context, limits, options.headers);
      this.#leases.hold(entry);
      try {
        const held = await untilAborted(entry.ready, options.signal);
        // The caller that took it is served whatever has become of it, so that every round serves one; but a caller
        // that waits with a signal is told later than those without, who may have used it up.
        const isFirst = known === undefined && held.budget.messagesLeft === maxMessages;
        if (isFirst || (!entry.isDropped && held.canEncrypt(bytes))) {
          this.#leases.touch(entry);
          return await work(held);
        }
        this.#leases.drop(entry);
      } finally {
        this.#leases.release(entry);
      }
    }
  }

  /** Lets go of every lease and holds none from now on; those in use are disposed of when their calls end. */
  dispose(): void {
    this.#leases.close();
  }

  /** @param read - the context as it was read, not yet checked: those equal to one that is held were, with it */
  #take(
    id: string,
    read: KeyContext,
    limits: CheckedLimits,
    headers: CallOptions["headers"],
  ): SharedEntry<LeasedKey> {
    const context = checkedContext(read);
    const settings = settingsOf(limits, this.#ciphers);
    // The request is shared: no caller's signal ends it. Its headers are those of the call that makes it.
    return this.#leases.add(id, takeLeasedKey(this.#heldKeys, context, settings, { headers }));
  }
}

/**
 * The leases behind `encrypt(…, { reuse })`: one per context and budget, replaced when used up.
 *
 * Owns which lease serves a message and when an old one goes. Must not know plaintexts.
 *
 * @module
 */
import {
  canonicalContext,
  contextObject,
  identifyContext,
  type KeyContext,
} from "../crypto/keys/key-context.ts";
import { type CallOptions, type KeyService, untilAborted } from "./key-service.ts";
import { checkLimits, exhausted, type Lease, type LeaseLimits, takeLease } from "./lease.ts";
import { REUSED_CONTEXTS_MAX } from "./limits.ts";

interface Held {
  readonly ready: Promise<Lease>;
  /** Calls that wait for the lease or use it: it is not disposed of under them. */
  users: number;
  isDropped: boolean;
}

/** Leases of one key service. */
export class LeasePool {
  readonly #service: KeyService;
  /** In order of use, the oldest first. */
  readonly #held = new Map<string, Held>();
  #isDisposed = false;

  constructor(service: KeyService) {
    this.#service = service;
  }

  /** How many leases are held. */
  get size(): number {
    return this.#held.size;
  }

  /**
   * Runs `work` with a lease of `context` that has room for one message of `bytes` bytes.
   *
   * @throws what `takeLease` throws; VaultError ERR_KEY_CONTEXT_INVALID, and ERR_DATA_KEY_EXHAUSTED for a message
   *   larger than a whole budget, both before any request
   */
  async use<T>(
    context: KeyContext,
    limits: LeaseLimits,
    bytes: number,
    work: (lease: Lease) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    // As they are now: the caller's object may change while this waits.
    const { maxMessages, maxBytes, maxAgeMs } = checkLimits(limits);
    // No other lease would take it either.
    if (bytes > maxBytes) throw exhausted();
    const identified = identifyContext(context);
    const id = `${maxMessages} ${maxBytes} ${maxAgeMs} ${identified.id}`;
    for (;;) {
      let held = this.#held.get(id);
      const isNew = held === undefined;
      if (held === undefined) held = this.#take(id, identified.context, { maxMessages, maxBytes, maxAgeMs });
      held.users += 1;
      try {
        const lease = await untilAborted(held.ready, options.signal);
        // Who took it is served whatever has become of it, so that every round serves somebody; but one who waits with
        // a signal is told later than those who wait without, who may have used it up.
        const isFirst = isNew && lease.messagesLeft === maxMessages;
        if (isFirst || (!held.isDropped && lease.canEncrypt(bytes))) {
          if (!held.isDropped) this.#touch(id, held);
          return await work(lease);
        }
        this.#drop(id, held);
      } finally {
        held.users -= 1;
        if (held.isDropped) disposeIfUnused(held);
      }
    }
  }

  /** Lets go of every lease and holds none from now on; those in use are disposed of when their calls end. */
  dispose(): void {
    this.#isDisposed = true;
    for (const [id, held] of [...this.#held]) this.#drop(id, held);
  }

  /** @param read - the context as it was read, not yet checked: those equal to one that is held were, with it */
  #take(id: string, read: KeyContext, limits: LeaseLimits): Held {
    const context = contextObject(canonicalContext(read));
    // The request is everybody's: no caller's signal ends it.
    const held: Held = { ready: takeLease(this.#service, context, limits), users: 0, isDropped: false };
    held.ready.catch(() => this.#drop(id, held));
    if (this.#isDisposed) {
      // For a call that was under way; nobody else's.
      held.isDropped = true;
      return held;
    }
    this.#held.set(id, held);
    if (this.#held.size > REUSED_CONTEXTS_MAX) {
      const [oldestId, oldest] = this.#held.entries().next().value as [string, Held];
      this.#drop(oldestId, oldest);
    }
    return held;
  }

  #touch(id: string, held: Held): void {
    if (this.#held.get(id) !== held) return;
    this.#held.delete(id);
    this.#held.set(id, held);
  }

  #drop(id: string, held: Held): void {
    // Another caller may have replaced it while this one waited.
    if (this.#held.get(id) === held) this.#held.delete(id);
    held.isDropped = true;
    disposeIfUnused(held);
  }
}

function disposeIfUnused(held: Held): void {
  if (held.users > 0) return;
  held.ready.then(
    (lease) => lease.dispose(),
    () => {}, // A lease that could not be taken holds no key.
  );
}

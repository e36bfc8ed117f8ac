/**
 * What a call or a batch has done with data keys, for the log of events.
 *
 * Owns which keys are told in one event (docs/spec/events.md section 1). Must not know how keys are made or unwrapped.
 *
 * @module
 */
import type { KeyContext } from "../../crypto/keys/key-context.ts";
import type { EventSink } from "../events/events.ts";
import type { RingDataKey } from "./ring.ts";

/** Data keys that were unwrapped, and those that were handed out wrapped. */
export class KeyUses {
  /** Ids of data keys that were unwrapped, in their order, by whose signature they have as sealed ones. */
  readonly #decrypted = new Map<string | undefined, string[]>();
  /** Ids of data keys by the object of their context, which is one for each ring. */
  readonly #read = new Map<KeyContext, string[]>();

  /** A key was unwrapped. */
  decrypted({ id, sender }: RingDataKey): this {
    addTo(this.#decrypted, sender, id);
    return this;
  }

  /** A key was handed out, wrapped for its context. */
  read({ id, keyContext }: RingDataKey): this {
    addTo(this.#read, keyContext, id);
    return this;
  }

  /** Notes one event for all keys that were unwrapped, of sealed ones one for those of each sender; and one for each context. */
  note(events: EventSink): void {
    for (const [sender, key_ids] of this.#decrypted) {
      const key_id = key_ids[0]!;
      const ids = key_ids.length === 1 ? { key_id } : { key_id, key_ids };
      events.note("vault.dek.decrypted", sender === undefined ? ids : { ...ids, sender_id: sender });
    }
    for (const [key_context, key_ids] of this.#read) events.note("vault.dek.read", { key_ids, key_context });
  }
}

function addTo<K>(lists: Map<K, string[]>, key: K, id: string): void {
  const ids = lists.get(key);
  if (ids === undefined) lists.set(key, [id]);
  else ids.push(id);
}

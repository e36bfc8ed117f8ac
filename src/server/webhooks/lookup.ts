/**
 * The addresses of receivers' names.
 *
 * Owns how many look-ups run at once: each takes one of the few threads that files and other look-ups need too, for as long
 * as the system's resolver likes. Must not know what an address is for.
 *
 * @module
 */
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { untilAborted } from "../../base/concurrency.ts";
import { WEBHOOK_LOOKUPS_MAX } from "../limits.ts";

/** Looks up names, each once however many ask at the same time. */
export class Lookups {
  readonly #underWay = new Map<string, Promise<LookupAddress[]>>();
  readonly #waiting: (() => void)[] = [];
  readonly #look: (name: string) => Promise<LookupAddress[]>;
  #running = 0;

  /** @param look - how one name is looked up; default the system's way */
  constructor(look: (name: string) => Promise<LookupAddress[]> = (name) => lookup(name, { all: true })) {
    this.#look = look;
  }

  /**
   * All addresses of a name.
   *
   * @param signal - ends the wait, not the look-up
   * @throws what the look-up throws, or the signal's reason
   */
  async addressesOf(name: string, signal: AbortSignal): Promise<LookupAddress[]> {
    signal.throwIfAborted();
    let found = this.#underWay.get(name);
    if (found === undefined) {
      found = this.#inTurn(name).finally(() => this.#underWay.delete(name));
      this.#underWay.set(name, found);
    }
    return untilAborted(found, signal);
  }

  async #inTurn(name: string): Promise<LookupAddress[]> {
    if (this.#running >= WEBHOOK_LOOKUPS_MAX) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await this.#look(name);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

/**
 * Which calls of a vault are under way, and whether it still takes calls.
 *
 * Owns the count and the end. Must not know what the calls do.
 *
 * @module
 */

import { type Settleable, settleable } from "../base/features.ts";
import { VaultError } from "../errors.ts";

/** The calls of one vault. */
export class VaultCalls {
  #isClosed = false;
  #underWay = 0;
  #settled: Settleable<void> | undefined;

  /** Runs a call, which {@link settled} waits for; its first part before this returns. @throws VaultError ERR_DISPOSED */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  /** Begins a call, which must {@link end}. @throws VaultError ERR_DISPOSED */
  begin(): void {
    this.checkOpen();
    this.#underWay += 1;
  }

  /** Ends a call that has begun. */
  end(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#settled?.resolve();
  }

  /** @throws VaultError ERR_DISPOSED once the vault takes no calls any more */
  checkOpen(): void {
    if (this.#isClosed) throw new VaultError("ERR_DISPOSED", "the vault has been closed");
  }

  /** Lets no call begin from now on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when no call is under way. */
  async settled(): Promise<void> {
    if (this.#underWay === 0) return;
    this.#settled ??= settleable();
    await this.#settled.promise;
  }
}

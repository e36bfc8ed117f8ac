/**
 * A bound on the bytes that all callers together make the server hold.
 *
 * Owns the account and the rule by which room is made: who has kept the server waiting longest is let go first, so that
 * those who take their answers and end their requests are served whatever others do. Must not know sockets.
 *
 * @module
 */

/** Bytes that may be held at once. */
export class Budget {
  readonly #bytesMax: number;
  /** Those that wait for a caller, the longest first. */
  readonly #waiting = new Set<Holding>();
  #bytes = 0;

  /** @param bytesMax - all holdings together, in bytes */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that are held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Begins a holding of no bytes.
   *
   * @param letGo - ends what is held because others need the room: called at most once, when it has been released already
   */
  open(letGo: () => void): Holding {
    const holding: Holding = new Holding(
      (bytes) => this.#grow(holding, bytes),
      () => this.#waiting.delete(holding),
      letGo,
    );
    this.#waiting.add(holding);
    return holding;
  }

  #grow(holding: Holding, bytes: number): boolean {
    this.#bytes += bytes;
    if (this.#bytes <= this.#bytesMax) return true;
    for (const oldest of this.#waiting) {
      oldest.release();
      oldest.letGo();
      if (this.#bytes <= this.#bytesMax) break;
    }
    return holding.isOpen && this.#bytes <= this.#bytesMax;
  }
}

/** What one caller makes the server hold. */
export class Holding {
  readonly letGo: () => void;
  readonly #account: (bytes: number) => boolean;
  readonly #leave: () => void;
  #bytes = 0;
  #isOpen = true;

  /** Made by {@link Budget.open}. */
  constructor(account: (bytes: number) => boolean, leave: () => void, letGo: () => void) {
    this.#account = account;
    this.#leave = leave;
    this.letGo = letGo;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Holds more.
   *
   * @returns whether there was room, or others could be let go; if not, the caller gives up and releases
   */
  grow(bytes: number): boolean {
    if (!this.#isOpen) return false;
    this.#bytes += bytes;
    return this.#account(bytes);
  }

  /** It no longer waits for its caller, and is not let go any more. */
  settle(): void {
    this.#leave();
  }

  /** Gives all of it back. */
  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#leave();
    this.#account(-this.#bytes);
  }
}

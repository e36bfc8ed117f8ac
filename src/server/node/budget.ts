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
   * Holds bytes that wait for no caller, until {@link giveBack}.
   *
   * @returns whether there was room, or others could be let go; if not, nothing is held
   */
  take(bytes: number): boolean {
    this.#bytes += bytes;
    this.#makeRoom();
    if (this.#bytes <= this.#bytesMax) return true;
    this.#bytes -= bytes;
    return false;
  }

  /** Gives back what was taken. */
  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }

  /**
   * Begins a holding of no bytes.
   *
   * @param letGo - ends what is held because others need the room: called at most once, when it has been released already
   */
  open(letGo: () => void): Holding {
    const holding: Holding = new Holding(
      {
        grow: (bytes) => this.#grow(holding, bytes),
        giveBack: (bytes) => this.giveBack(bytes),
        settle: () => this.#waiting.delete(holding),
      },
      letGo,
    );
    this.#waiting.add(holding);
    return holding;
  }

  #grow(holding: Holding, bytes: number): boolean {
    this.#bytes += bytes;
    this.#makeRoom();
    return holding.isOpen && this.#bytes <= this.#bytesMax;
  }

  #makeRoom(): void {
    if (this.#bytes <= this.#bytesMax) return;
    for (const oldest of this.#waiting) {
      oldest.release();
      oldest.letGo();
      if (this.#bytes <= this.#bytesMax) return;
    }
  }
}

/** What a holding tells the account. */
interface Account {
  grow(bytes: number): boolean;
  giveBack(bytes: number): void;
  settle(): void;
}

/** What one caller makes the server hold. */
export class Holding {
  readonly letGo: () => void;
  readonly #account: Account;
  #bytes = 0;
  #isOpen = true;

  /** Made by {@link Budget.open}. */
  constructor(account: Account, letGo: () => void) {
    this.#account = account;
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
    return this.#account.grow(bytes);
  }

  /** It no longer waits for its caller, and is not let go any more. */
  settle(): void {
    this.#account.settle();
  }

  /** Gives all of it back. */
  release(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#account.settle();
    this.#account.giveBack(this.#bytes);
  }
}

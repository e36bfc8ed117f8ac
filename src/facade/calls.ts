/**
 * Which calls of a vault are under way, and whether it still takes calls.
 *
 * Owns the count and the end. Must not know what the calls do.
 *
 * @module
 */

import { type Settleable, settleable } from "../base/features.ts";
import { checkOptions, type OptionNames } from "../base/options.ts";
import { VaultError } from "../errors.ts";
import { type CallTaker, checkedCall, runCall } from "../keys/calls.ts";
import { CALL_OPTIONS, type CallOptions, type ChangeOptions } from "../keys/key-service.ts";

/** The calls of one vault. */
export class VaultCalls {
  #isClosed = false;
  #underWay = 0;
  #settled: Settleable<void> | undefined;

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

/** What takes calls where a port is absent: all options, since the answer is that it is. */
const ABSENT: CallTaker = { takesHeaders: true };

/** The calls of a vault on one of its ports, which may be absent. */
export class PortCalls<Port extends CallTaker | undefined> {
  readonly port: Port;
  readonly #calls: VaultCalls;
  readonly #what: string;

  /** @param what - a key service has not, where the port is absent */
  constructor(port: Port, calls: VaultCalls, what = "") {
    this.port = port;
    this.#calls = calls;
    this.#what = what;
  }

  /** Who takes the options of calls. */
  get taker(): CallTaker {
    return this.port ?? ABSENT;
  }

  /**
   * Runs a call within its time, which {@link VaultCalls.settled} waits for; its first part before this returns.
   *
   * @param name - of the call, for the error of an unknown option
   * @param known - the names of its options
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_DISPOSED, ERR_SERVICE_TIMEOUT, ERR_UNSUPPORTED where
   *   the port is absent
   */
  async run<O extends ChangeOptions, T>(
    name: string,
    known: OptionNames,
    options: O,
    work: (port: NonNullable<Port>, call: O) => Promise<T>,
  ): Promise<T> {
    checkOptions(options, known, name);
    this.#calls.begin();
    try {
      return await runCall(options, this.taker, (call) => work(this.port ?? this.#refuse(), call));
    } finally {
      this.#calls.end();
    }
  }

  /**
   * Fetches the pages of a list, each as a call of its own, which {@link run} runs.
   *
   * @param name - of the call, for the error of an unknown option
   * @param options - read once, for all pages
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT
   */
  pages<Request, Page>(
    name: string,
    options: CallOptions,
    fetch: (port: NonNullable<Port>, request: Request, call: CallOptions) => Promise<Page>,
  ): (request: Request) => Promise<Page> {
    checkOptions(options, CALL_OPTIONS, name);
    const own = { ...checkedCall(options, this.taker) };
    return (request) => this.run(name, CALL_OPTIONS, own, (port, call) => fetch(port, request, call));
  }

  #refuse(): never {
    throw new VaultError("ERR_UNSUPPORTED", `this key service has no ${this.#what}`);
  }
}

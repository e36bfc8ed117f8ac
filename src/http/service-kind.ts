/**
 * What a service can do: coffer's own operations, or WorkOS's only.
 *
 * Owns the answer: told by an option, or asked of the service once for all callers (docs/spec/key-service-api.md section 5.2).
 * Must not know how to ask.
 *
 * @module
 */
import { untilAborted } from "../base/concurrency.ts";
import type { CallOptions } from "../keys/key-service.ts";
import { LACKING_MS } from "./limits.ts";

/**
 * Asks the service, with the headers of the call that needs to know. Rejects where its answer says nothing about what it can do.
 */
export type AskKind = (call: Pick<CallOptions, "headers">) => Promise<boolean>;

/** Whether a service has coffer's own operations. */
export class ServiceKind {
  readonly #told: boolean | undefined;
  readonly #ask: AskKind;
  readonly #now: () => number;
  #asking: Promise<boolean> | undefined;
  /** When a service that lacks them is asked again: it may have been a proxy that stood in for it for a while. */
  #askAgainAt = Number.POSITIVE_INFINITY;

  /** @param told - what an option or the service's name says; undefined to ask the service itself */
  constructor(told: boolean | undefined, ask: AskKind, now: () => number = () => performance.now()) {
    this.#told = told;
    this.#ask = ask;
    this.#now = now;
  }

  /** What is known without asking. */
  get told(): boolean | undefined {
    return this.#told;
  }

  /** @throws what asking throws; it is then asked anew the next time; the signal's reason */
  async hasExtensions({ signal, headers }: CallOptions): Promise<boolean> {
    if (this.#told !== undefined) return this.#told;
    if (this.#now() >= this.#askAgainAt) this.forget();
    this.#asking ??= this.#find(headers);
    return untilAborted(this.#asking, signal);
  }

  /** The service has answered otherwise than it was believed to: the next call asks anew. */
  forget(): void {
    this.#asking = undefined;
    this.#askAgainAt = Number.POSITIVE_INFINITY;
  }

  #find(headers: CallOptions["headers"]): Promise<boolean> {
    const asking = this.#ask({ headers }).then(
      (hasExtensions) => {
        if (!hasExtensions && this.#asking === asking) this.#askAgainAt = this.#now() + LACKING_MS;
        return hasExtensions;
      },
      (error: unknown) => {
        if (this.#asking === asking) this.forget();
        throw error;
      },
    );
    return asking;
  }
}

/**
 * What a service's answers tell of revocations (docs/spec/revocation.md section 4).
 *
 * Owns the newest revision that was heard, and when its request was sent. Must not know who holds keys.
 *
 * @module
 */
import type { Revision } from "../keys/revisions.ts";
import { revisionFromWire } from "../wire/revisions.ts";
import type { AnswerHeaders } from "./sender.ts";

/** The revision of the caller's environment, as far as it was heard. */
export class HeardRevision {
  /** Undefined as long as no answer has had one: the service sends none, or none has come. */
  newest: Revision | undefined;
  /** How often the service has said that it does not know the caller. */
  lockouts = 0;
  readonly #now: () => number;

  /** @param now - the clock, in milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /**
   * Hears an answer.
   *
   * @param sentAt - when its request was sent, in milliseconds since 1970
   * @returns the answer's own revision
   */
  hear(status: number, headers: AnswerHeaders, sentAt: number): Revision | undefined {
    if (status === 401) this.lockouts += 1;
    const id = revisionFromWire(headers);
    if (id === undefined) return undefined;
    const heard = { id, at: sentAt };
    // An answer that was overtaken by that to a later request says nothing of now. (A clock that was set back overtakes nothing.)
    const latest = this.newest?.at ?? sentAt;
    const isOvertaken = latest > sentAt && latest <= this.#now();
    if (!isOvertaken) this.newest = heard;
    return heard;
  }
}

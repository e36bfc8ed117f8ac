/**
 * The patience of a run: what fails in a way that may pass is tried again after a wait.
 *
 * Owns which failures these are, how often something is tried and how long the waits are. Must not know what is tried.
 *
 * @module
 */
import { untilAborted } from "../../base/concurrency.ts";
import { isVaultError, type VaultError } from "../../errors.ts";
import { LOOK_EVERY_MS, RETRIES, RETRY_MS } from "./limits.ts";
import { pauseFor } from "./pace.ts";

/** A wait of a run, because its source or its key service does not answer. */
export interface RunWait {
  /** What has failed. Its message names no value. */
  readonly error: VaultError;
  /** Milliseconds until the next try. */
  readonly waitMs: number;
  /** Tries that are left, with the next one. */
  readonly triesLeft: number;
}

/** What ends a run's waits, and who is told of them. */
export interface PatienceSetting {
  readonly isStopping: () => boolean;
  readonly signal: AbortSignal | undefined;
  readonly onWait: ((wait: RunWait) => void) | undefined;
}

/** Counts the failures of one work, and waits after each of them. */
export class Patience {
  readonly #setting: PatienceSetting;
  readonly #pause: typeof pauseFor;
  #failures = 0;

  constructor(setting: PatienceSetting, pause = pauseFor) {
    this.#setting = setting;
    this.#pause = pause;
  }

  /** The work has got on: failures before this no longer count. */
  reset(): void {
    this.#failures = 0;
  }

  /**
   * Waits until the work may be tried again, or the run is to stop.
   *
   * @throws the error, if it does not pass or the tries are used up; the signal's reason
   */
  async waitAfter(error: unknown): Promise<void> {
    const { isStopping, signal, onWait } = this.#setting;
    signal?.throwIfAborted();
    if (this.#failures >= RETRIES || !isVaultError(error) || !error.retryable) throw error;
    const waitMs = RETRY_MS * 2 ** this.#failures;
    if (!isStopping()) onWait?.({ error, waitMs, triesLeft: RETRIES - this.#failures });
    this.#failures += 1;
    for (let left = waitMs; left > 0 && !isStopping(); left -= LOOK_EVERY_MS) {
      await this.#pause(Math.min(left, LOOK_EVERY_MS), signal);
    }
  }
}

/**
 * Does a work that belongs to no range, again where it fails in a way that may pass.
 *
 * @param work - can be done twice to the effect of once
 * @throws what `work` throws, at once where the run is to stop; the signal's reason, without a wait for `work`
 */
export async function patiently<T>(
  work: () => Promise<T>,
  setting: PatienceSetting,
  pause = pauseFor,
): Promise<T> {
  const patience = new Patience(setting, pause);
  for (;;) {
    try {
      return await untilAborted(work(), setting.signal);
    } catch (error) {
      await patience.waitAfter(error);
      if (setting.isStopping()) throw error;
    }
  }
}

/**
 * The end of a server.
 *
 * Owns the order in which its parts end, and that it ends. Must not know what the parts are.
 *
 * @module
 */
import { STOP_MS_MAX } from "../limits.ts";

/** What is ended together. */
export interface Stopped {
  /** Takes no more requests, and waits for those under way. */
  readonly listening: { close(): Promise<void> };
  /** Begins no more deliveries, and waits for those under way. */
  readonly worker: { stop(): Promise<void> };
  /** Lets go of the storage, when nothing uses it any more. */
  readonly close: () => Promise<void>;
}

/**
 * Ends a server within 15 s, whatever clients, receivers and the storage do.
 *
 * @returns whether all of it ended by itself; if not, the process is to end without waiting for anything
 * @throws what the parts throw
 */
export async function stopServer({ listening, worker, close }: Stopped): Promise<boolean> {
  const isOver = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => isOver.resolve(false), STOP_MS_MAX);
  const inOrder = async (): Promise<boolean> => {
    // Each has a bound of its own; one after the other they would add up.
    await Promise.all([listening.close(), worker.stop()]);
    await close();
    return true;
  };
  try {
    return await Promise.race([inOrder(), isOver.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What processes that serve one port have in common.
 *
 * Owns the port and its form for a process that is alone. Must not know how processes speak to each other.
 *
 * @module
 */
import { Metrics } from "./metrics.ts";
import { RateLimiter } from "./rate-limiter.ts";

/** The processes that serve together, as one of them sees them. */
export interface ProcessGroup {
  /** What this process counts. */
  readonly metrics: Metrics;
  /**
   * Takes one request of an API key.
   *
   * @throws Problem 429 ERR_RATE_LIMITED with Retry-After; as a rejection where others must be asked
   */
  take(apiKeyId: string): void | Promise<void>;
  /** The metrics of all of them together, in Prometheus's text format. */
  renderMetrics(): string | Promise<string>;
}

/** A process that serves alone. @throws RangeError ERR_INVALID_ARGUMENT for a rate below 1 */
export function aloneGroup(requestsPerMinute: number | undefined): ProcessGroup {
  const metrics = new Metrics();
  const limiter = requestsPerMinute === undefined ? undefined : new RateLimiter(requestsPerMinute);
  return {
    metrics,
    take: (apiKeyId) => limiter?.take(apiKeyId),
    renderMetrics: () => metrics.render(),
  };
}

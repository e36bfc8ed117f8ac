/**
 * What the processes of a server say to each other.
 *
 * Owns the messages, as plain data. Must not know how they are sent.
 *
 * @module
 */
import type { MetricsSnapshot } from "../core/metrics.ts";

/** From a member to the process that started it. */
export type FromMember =
  | { readonly coffer: "take"; readonly apiKeyId: string; readonly count: number }
  | { readonly coffer: "collect"; readonly own: MetricsSnapshot }
  | { readonly coffer: "snapshot"; readonly own: MetricsSnapshot };

/** From the process that started it to a member. */
export type ToMember =
  | {
      readonly coffer: "taken";
      readonly apiKeyId: string;
      readonly granted: number;
      readonly retryAfterS: number;
    }
  | { readonly coffer: "collected"; readonly all: readonly MetricsSnapshot[] }
  | { readonly coffer: "snapshot" }
  | { readonly coffer: "stop" };

/**
 * Webhook signatures: made by the server, checked by receivers (docs/spec/events.md section 3).
 *
 * Owns the header `WorkOS-Signature: t=<ms>, v1=<hex>` in both directions. Must not know how events are delivered.
 *
 * @module
 */

import {
  ascii,
  type Bytes,
  concatBytes,
  equalBytes,
  fromHex,
  fromUtf8,
  toBytes,
  toHex,
} from "../base/bytes.ts";
import { checkOptions, optionNames } from "../base/options.ts";
import { hmacSha256 } from "../crypto/primitives/hmac-sha256.ts";
import { invalidRange, invalidType, VaultError } from "../errors.ts";

/** The header's name, as WorkOS sends it. */
export const SIGNATURE_HEADER = "WorkOS-Signature";

/** Milliseconds by which a signature's time may differ from the receiver's (WorkOS's SDKs: 180 s). */
export const TOLERANCE_MS_DEFAULT = 180_000;

/** Characters of the longest header that is looked at. Ours. */
const HEADER_CHARS_MAX = 1_000;
// Comma and space between the parts: some receivers split there, others cut at fixed places.
const HEADER = /^t=(\d{1,15}), ?v1=([0-9a-f]{64})$/;

/** An event as a receiver gets it. */
export interface WebhookEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** RFC 3339. */
  readonly created_at: string;
}

/** How to check a webhook's signature. */
export interface VerifyOptions {
  /** Milliseconds by which the signature's time may differ from now; default 180,000. */
  readonly toleranceMs?: number | undefined;
  /** The receiver's clock, in milliseconds since 1970; default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Names of {@link VerifyOptions}. */
const VERIFY_OPTIONS = /* @__PURE__ */ optionNames<VerifyOptions>({ toleranceMs: true, now: true });

/**
 * Signs a body.
 *
 * @param secret - the webhook's secret, as it was shown once
 * @param timeMs - milliseconds since 1970
 * @returns the header's value: HMAC-SHA-256 (FIPS 198-1) over time ‖ "." ‖ body
 */
export function signWebhook(body: Uint8Array, secret: string, timeMs: number): string {
  return `t=${timeMs}, v1=${toHex(mac(body, secret, String(timeMs)))}`;
}

/**
 * Checks a webhook and reads its event.
 *
 * @param body - exactly as it was received: before any JSON parser, whose output may differ from what was signed
 * @param header - the value of `WorkOS-Signature`
 * @param secret - the webhook's secret
 * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_WEBHOOK_INVALID for an absent, malformed, wrong or
 *   outdated signature alike
 */
export function verifyWebhook(
  body: string | Uint8Array,
  header: string | null | undefined,
  secret: string,
  options: VerifyOptions = {},
): WebhookEvent {
  checkOptions(options, VERIFY_OPTIONS, "verifyWebhook");
  if (typeof secret !== "string" || secret === "") throw invalidType("secret must be the webhook's secret");
  const toleranceMs = options.toleranceMs ?? TOLERANCE_MS_DEFAULT;
  if (!Number.isFinite(toleranceMs) || toleranceMs < 0)
    throw invalidRange("toleranceMs must be a number of at least 0");
  const bytes = toBytes(body, "body");
  const match = typeof header === "string" && header.length <= HEADER_CHARS_MAX ? HEADER.exec(header) : null;
  if (match === null) throw invalid();
  const [, time, signature] = match as unknown as [string, string, string];
  const isRight = equalBytes(mac(bytes, secret, time), fromHex(signature));
  const isTimely = Math.abs((options.now ?? Date.now)() - Number(time)) <= toleranceMs;
  if (!isRight || !isTimely) throw invalid();
  try {
    const { id, event, data, created_at } = JSON.parse(fromUtf8(bytes) as string) as WebhookEvent;
    const isObject = typeof data === "object" && data !== null && !Array.isArray(data);
    const isEvent = isObject && [id, event, created_at].every((text) => typeof text === "string");
    if (isEvent) return { id, event, data, created_at };
  } catch {
    // No JSON, or null.
  }
  throw invalid(); // Signed, but not an event of ours.
}

function mac(body: Uint8Array, secret: string, time: string): Bytes {
  return hmacSha256(toBytes(secret, "secret"), concatBytes(ascii(`${time}.`), body));
}

function invalid(): VaultError {
  return new VaultError("ERR_WEBHOOK_INVALID", "the webhook's signature is absent, wrong or outdated");
}

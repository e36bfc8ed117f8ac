/**
 * `workos.webhooks`: what receivers of webhooks call.
 *
 * Owns the SDK's names over `verifyWebhook`. Must not know how events are delivered.
 *
 * @module
 */
import { isArrayBuffer, isUint8Array } from "../base/bytes.ts";
import { isVaultError } from "../errors.ts";
import { TOLERANCE_MS_DEFAULT, verifyWebhook, type WebhookEvent } from "../wire/webhook.ts";
import { type Event, eventOf } from "./events.ts";
import { SignatureVerificationException } from "./exceptions.ts";

/** A webhook as it came: the bytes or the text that were signed, or the object that was made of them. */
export type WebhookPayload = string | Uint8Array | ArrayBuffer | Record<string, unknown>;

/** What is checked. */
export interface WebhookCheck {
  /** Best the raw body: an object is made into JSON again, which another parser may have changed. */
  payload: WebhookPayload;
  /** The value of the header `WorkOS-Signature`. */
  sigHeader: string;
  /** The webhook's secret. */
  secret: string;
  /** Milliseconds by which the signature's time may differ from now; default 180,000. */
  tolerance?: number;
}

/** Checks webhooks. */
export class Webhooks {
  /**
   * Checks a signature. An outdated one and one of the future are refused.
   *
   * @throws SignatureVerificationException
   */
  readonly verifyHeader = async (check: WebhookCheck): Promise<boolean> => {
    verified(check);
    return true;
  };

  /** Checks a signature and reads the event. @throws SignatureVerificationException */
  async constructEvent(check: WebhookCheck): Promise<Event> {
    return eventOf(verified(check));
  }
}

function verified({
  payload,
  sigHeader,
  secret,
  tolerance = TOLERANCE_MS_DEFAULT,
}: WebhookCheck): WebhookEvent {
  try {
    return verifyWebhook(bodyOf(payload), sigHeader, secret, { toleranceMs: tolerance });
  } catch (error) {
    if (!isVaultError(error, "ERR_WEBHOOK_INVALID")) throw error;
    throw new SignatureVerificationException(error.message);
  }
}

function bodyOf(payload: WebhookPayload): string | Uint8Array {
  if (typeof payload === "string" || isUint8Array(payload)) return payload;
  return isArrayBuffer(payload) ? new Uint8Array(payload) : JSON.stringify(payload);
}

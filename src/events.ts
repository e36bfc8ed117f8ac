/**
 * `coffer/events`: the kinds of events, the payload of each, and the check of a webhook's signature. Portable.
 *
 * @module
 */
export {
  EVENT_KINDS,
  type EventActorData,
  type EventDetails,
  type EventKind,
  EventKinds,
  type EventPayload,
  isEventOf,
  type WebhookEventOf,
} from "./wire/event-kinds.ts";
export { SIGNATURE_HEADER, type VerifyOptions, verifyWebhook, type WebhookEvent } from "./wire/webhook.ts";

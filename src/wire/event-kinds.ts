/**
 * The kinds of events and the payload of each, in the names of the wire (docs/spec/events.md section 1).
 *
 * Owns the one table that the vault records by and receivers read by. Must not know where events are kept, nor how they are
 * signed.
 *
 * @module
 */

import type { WebhookEvent } from "./webhook.ts";

/** The kinds by name (WorkOS OpenAPI, events). The two of BYOK belong to a feature that does not exist yet. */
export const EventKinds = {
  DataCreated: "vault.data.created",
  DataUpdated: "vault.data.updated",
  DataRead: "vault.data.read",
  DataDeleted: "vault.data.deleted",
  MetadataRead: "vault.metadata.read",
  NamesListed: "vault.names.listed",
  DekRead: "vault.dek.read",
  DekDecrypted: "vault.dek.decrypted",
  KekCreated: "vault.kek.created",
  KekDeleted: "vault.kek.deleted",
  ByokKeyVerificationCompleted: "vault.byok_key.verification_completed",
  ByokKeyDeleted: "vault.byok_key.deleted",
} as const;

/** The kind of an event. */
export type EventKind = (typeof EventKinds)[keyof typeof EventKinds];

/** All kinds, in the order of {@link EventKinds}. */
export const EVENT_KINDS = [
  EventKinds.DataCreated,
  EventKinds.DataUpdated,
  EventKinds.DataRead,
  EventKinds.DataDeleted,
  EventKinds.MetadataRead,
  EventKinds.NamesListed,
  EventKinds.DekRead,
  EventKinds.DekDecrypted,
  EventKinds.KekCreated,
  EventKinds.KekDeleted,
  EventKinds.ByokKeyVerificationCompleted,
  EventKinds.ByokKeyDeleted,
] as const;

/** Who acted. */
export interface EventActorData {
  readonly actor_id: string;
  readonly actor_source: "api" | "dashboard";
  readonly actor_name: string;
}

/** Of an object that was written. */
interface WrittenData {
  readonly kv_name: string;
  readonly key_id: string;
  readonly key_context: Readonly<Record<string, string>>;
}

/** Of a KEK. */
interface KekData {
  /** `name=value` of the context entry. */
  readonly key_name: string;
  readonly key_id: string;
}

/** What an event holds besides its actor, by kind. */
export interface EventDetails {
  readonly "vault.data.created": WrittenData;
  readonly "vault.data.updated": WrittenData;
  readonly "vault.data.read": { readonly kv_name: string; readonly key_id: string };
  readonly "vault.data.deleted": { readonly kv_name: string };
  readonly "vault.metadata.read": { readonly kv_name: string };
  readonly "vault.names.listed": Readonly<Record<never, never>>;
  readonly "vault.dek.read": {
    readonly key_ids: readonly string[];
    readonly key_context: Readonly<Record<string, string>>;
  };
  readonly "vault.dek.decrypted": {
    readonly key_id: string;
    /** Of a batch: all that were unwrapped, of the same sender, of which `key_id` is the first. */
    readonly key_ids?: readonly string[];
    /** Of a sealed data key: the sender whose signature it has; missing where there is none. */
    readonly sender_id?: string;
  };
  readonly "vault.kek.created": KekData;
  readonly "vault.kek.deleted": KekData & {
    /** Environment-wide recipients, by id, which the shred does not cover; missing where there is none. */
    readonly uncovered_recipients?: { readonly count: number; readonly sample: readonly string[] };
  };
  readonly "vault.byok_key.verification_completed": Readonly<Record<string, unknown>>;
  readonly "vault.byok_key.deleted": Readonly<Record<string, unknown>>;
}

/** The `data` of an event, by kind. */
export type EventPayload<Kind extends EventKind = EventKind> = EventActorData & EventDetails[Kind];

/** An event of one kind, as a webhook brings it. */
export interface WebhookEventOf<Kind extends EventKind> extends WebhookEvent {
  readonly event: Kind;
  readonly data: EventPayload<Kind> & WebhookEvent["data"];
}

/**
 * Whether an event is of a kind; its payload has that kind's type then. The signature vouches for the payload
 * (`verifyWebhook`): it is not looked at.
 */
export function isEventOf<Kind extends EventKind>(
  event: WebhookEvent,
  kind: Kind,
): event is WebhookEventOf<Kind> {
  return event.event === kind;
}

/**
 * Vault events as `@workos-inc/node` 11 has them: the kinds, their data, and the shapes of the wire.
 *
 * Owns types, and the step from the wire's names to the SDK's. Must not know signatures.
 *
 * @module
 */
import type { WebhookEvent } from "../wire/webhook.ts";
import type { KeyContext } from "./types.ts";

/** From where the act came. */
export type VaultActorSource = "api" | "dashboard";

/** Who acted. */
export interface VaultActor {
  actorId: string;
  actorSource: VaultActorSource;
  actorName: string;
}

/** Data of `vault.data.created` and `vault.data.updated`. */
export interface VaultDataMutatedEventData extends VaultActor {
  kvName: string;
  keyId: string;
  keyContext: KeyContext;
}

/** Data of `vault.data.created`. */
export type VaultDataCreatedEventData = VaultDataMutatedEventData;
/** Data of `vault.data.updated`. */
export type VaultDataUpdatedEventData = VaultDataMutatedEventData;

/** Data of `vault.data.read`. */
export interface VaultDataReadEventData extends VaultActor {
  kvName: string;
  keyId: string;
}

/** Data of `vault.data.deleted`. */
export interface VaultDataDeletedEventData extends VaultActor {
  kvName: string;
}

/** Data of `vault.metadata.read`. */
export interface VaultMetadataReadEventData extends VaultActor {
  kvName: string;
}

/** Data of `vault.names.listed`. */
export type VaultNamesListedEventData = VaultActor;

/** Data of `vault.kek.created`. */
export interface VaultKekCreatedEventData extends VaultActor {
  keyName: string;
  keyId: string;
}

/** Data of `vault.dek.read`. */
export interface VaultDekReadEventData extends VaultActor {
  keyIds: string[];
  keyContext: KeyContext;
}

/** Data of `vault.dek.decrypted`. */
export interface VaultDekDecryptedEventData extends VaultActor {
  keyId: string;
  /** Of a batch, which WorkOS does not have: all that were unwrapped, of which `keyId` is the first. */
  keyIds?: string[];
}

/** Who manages a customer's own key. */
export type VaultByokKeyProvider = "AWS_KMS" | "GCP_KMS" | "AZURE_KEY_VAULT";

/** Data of `vault.byok_key.verification_completed`, which coffer does not send yet. */
export interface VaultByokKeyVerificationCompletedEventData {
  organizationId: string;
  keyProvider: VaultByokKeyProvider;
  verified: boolean;
}

/** What all events have in common. */
export interface EventBase {
  id: string;
  /** RFC 3339. */
  createdAt: string;
  context: Record<string, unknown> | undefined;
}

/** An event of one kind. */
interface EventOf<Kind extends string, Data> extends EventBase {
  event: Kind;
  data: Data;
}

/** An object was created. */
export interface VaultDataCreatedEvent extends EventOf<"vault.data.created", VaultDataCreatedEventData> {}
/** An object was given a new value. */
export interface VaultDataUpdatedEvent extends EventOf<"vault.data.updated", VaultDataUpdatedEventData> {}
/** An object's value was read. */
export interface VaultDataReadEvent extends EventOf<"vault.data.read", VaultDataReadEventData> {}
/** An object was deleted. */
export interface VaultDataDeletedEvent extends EventOf<"vault.data.deleted", VaultDataDeletedEventData> {}
/** Names were listed. */
export interface VaultNamesListedEvent extends EventOf<"vault.names.listed", VaultNamesListedEventData> {}
/** An object's metadata was read. */
export interface VaultMetadataReadEvent extends EventOf<"vault.metadata.read", VaultMetadataReadEventData> {}
/** A KEK was made. */
export interface VaultKekCreatedEvent extends EventOf<"vault.kek.created", VaultKekCreatedEventData> {}
/** A data key was made. */
export interface VaultDekReadEvent extends EventOf<"vault.dek.read", VaultDekReadEventData> {}
/** A data key was unwrapped. */
export interface VaultDekDecryptedEvent extends EventOf<"vault.dek.decrypted", VaultDekDecryptedEventData> {}
/** A customer's own key was checked. */
export interface VaultByokKeyVerificationCompletedEvent
  extends EventOf<"vault.byok_key.verification_completed", VaultByokKeyVerificationCompletedEventData> {}

/** The vault's part of the SDK's `Event`. */
export type Event =
  | VaultDataCreatedEvent
  | VaultDataUpdatedEvent
  | VaultDataReadEvent
  | VaultDataDeletedEvent
  | VaultNamesListedEvent
  | VaultMetadataReadEvent
  | VaultKekCreatedEvent
  | VaultDekReadEvent
  | VaultDekDecryptedEvent
  | VaultByokKeyVerificationCompletedEvent;

/** The name of a kind. */
export type EventName = Event["event"];

/** An event of the wire in the SDK's names. Names within a key context are the caller's and stay as they are. */
export function eventOf(wire: WebhookEvent & { readonly context?: unknown }): Event {
  const { id, event, data, created_at, context } = wire;
  const own = Object.fromEntries(Object.entries(data).map(([name, value]) => [camelCase(name), value]));
  return { id, event, createdAt: created_at, context, data: own } as unknown as Event;
}

const camelCase = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

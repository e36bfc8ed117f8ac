/**
 * Senders on the wire: JSON bodies of `/coffer/v1/senders` to objects of the SenderService port, and back.
 *
 * Owns the names and shapes on both sides. Reading checks every field before it is used. Must not know HTTP.
 *
 * @module
 */
import type { SenderInfo, SenderPage } from "../keks/sender-service.ts";
import { listPageOf, objectOf, textOf, type Wire } from "./bodies.ts";

/** A sender as it is answered. */
export function senderToWire(sender: SenderInfo): Wire {
  return {
    id: sender.id,
    recipient_id: sender.recipientId,
    name: sender.name,
    public_key: sender.publicKey,
    created_at: sender.createdAt,
    expires_at: sender.expiresAt,
    revoked_at: sender.revokedAt,
  };
}

/** A page of senders as it is answered. */
export function senderPageToWire({ data, listMetadata }: SenderPage): Wire {
  return { data: data.map(senderToWire), list_metadata: { after: listMetadata.after } };
}

/** A sender that was answered. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function senderFromWire(wire: unknown): SenderInfo {
  const body = objectOf(wire, "sender");
  const text = (name: string): string => textOf(body[name], name);
  const moment = (name: string): string | null => (body[name] === null ? null : text(name));
  return {
    id: text("id"),
    recipientId: text("recipient_id"),
    name: text("name"),
    publicKey: text("public_key"),
    createdAt: text("created_at"),
    expiresAt: moment("expires_at"),
    revokedAt: moment("revoked_at"),
  };
}

/** A page that was answered. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function senderPageFromWire(wire: unknown): SenderPage {
  return listPageOf(wire, "senders", senderFromWire);
}

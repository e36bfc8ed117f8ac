/**
 * A session: on whose behalf keyring, store and lifecycle act.
 *
 * Owns the tuple of environment, actor, scope and event sink, and the SQL that keeps a scope. Must not know how a caller
 * was recognised.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import type { ContextEntry } from "../../crypto/keys/key-context.ts";
import type { EventActor, EventSink } from "../events/events.ts";
import type { SqlValue } from "../storage/database.ts";

export interface Session {
  readonly environmentId: string;
  readonly actor: EventActor;
  /** Entries that a context must have to be seen at all; empty for all contexts. */
  readonly scope: readonly ContextEntry[];
  readonly events: EventSink;
  /** Answers a repeated write with the first one's answer: the key as it is stored, and the request's fingerprint. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: Uint8Array } | undefined;
}

/** A condition on the context id in `column`, and its parameters: true for contexts within the session's scope. */
export function scopeCondition(
  session: Session,
  column: string,
): { sql: string; parameters: readonly SqlValue[] } {
  const one = `${column} IN (
    SELECT ck.context_id FROM context_keks ck JOIN keks k ON k.id = ck.kek_id
    WHERE k.environment_id = ? AND k.context_name = ? AND k.context_value = ?)`;
  return {
    sql: session.scope.map(() => ` AND ${one}`).join(""),
    parameters: session.scope.flatMap((entry) => [
      session.environmentId,
      utf8(entry.name, "context name"),
      utf8(entry.value, "context value"),
    ]),
  };
}

/**
 * Access: on whose behalf keyring, store and lifecycle act.
 *
 * Owns the tuple of environment, actor, scope and event sink, and everything that keeps a scope: the one refusal of a
 * context outside it, and the SQL that leaves out what is outside. Must not know how a caller was recognised.
 *
 * @module
 */
import { utf8 } from "../../base/bytes.ts";
import { keyBlobFormatAt } from "../../crypto/keys/key-blob.ts";
import type { CanonicalContext, ContextEntry } from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import type { EventActor, EventSink } from "../events/events.ts";
import type { SqlValue } from "../storage/database.ts";

/** Who acts in which environment, and how much of it they see. */
export interface Access {
  readonly environmentId: string;
  readonly actor: EventActor;
  /** Entries that a context must have to be seen at all; empty for all contexts. */
  readonly scope: readonly ContextEntry[];
  /** Whether data keys may be moved to contexts that lack, or change, an entry of their old one ([AUT-19]). */
  readonly mayRekeyAny: boolean;
  /** Whether sealed data keys are all that this caller may wrap anew ([SDK-27]). */
  readonly absorbsOnly: boolean;
  readonly events: EventSink;
}

/** Whether a context has all entries of the scope. */
export function isInScope(access: Access, entries: readonly ContextEntry[]): boolean {
  return access.scope.every((needed) =>
    entries.some((entry) => entry.name === needed.name && entry.value === needed.value),
  );
}

/** A context for something new. @throws VaultError ERR_CONTEXT_NOT_ALLOWED unless it is in the scope */
export function inScope(access: Access, context: CanonicalContext): CanonicalContext {
  if (isInScope(access, context.entries)) return context;
  throw new VaultError(
    "ERR_CONTEXT_NOT_ALLOWED",
    "the key context lacks an entry that this caller is bound to",
  );
}

/**
 * Refuses a rekey that would let others decrypt than before, for who may not decrypt. One that adds entries narrows.
 *
 * @throws VaultError ERR_CONTEXT_NOT_ALLOWED
 */
export function checkMove(access: Access, from: CanonicalContext, to: CanonicalContext): void {
  const isNarrower = from.entries.every((old) =>
    to.entries.some((entry) => entry.name === old.name && entry.value === old.value),
  );
  if (access.mayRekeyAny || isNarrower) return;
  throw new VaultError(
    "ERR_CONTEXT_NOT_ALLOWED",
    "the rekey changes or drops an entry of the key context: this caller needs decrypt or rekey:any for that",
  );
}

/** A condition on the context id in `column`, and its parameters: true for contexts in the scope. */
export function scopeCondition(
  access: Access,
  column: string,
): { sql: string; parameters: readonly SqlValue[] } {
  const one = `${column} IN (
    SELECT ck.context_id FROM context_keks ck JOIN keks k ON k.id = ck.kek_id
    WHERE k.environment_id = ? AND k.context_name = ? AND k.context_value = ?)`;
  return {
    sql: access.scope.map(() => ` AND ${one}`).join(""),
    parameters: access.scope.flatMap((entry) => [
      access.environmentId,
      utf8(entry.name, "context name"),
      utf8(entry.value, "context value"),
    ]),
  };
}

/**
 * Refuses to wrap anew what is not sealed, for who may only absorb ([SDK-27]).
 *
 * @throws VaultError ERR_CONTEXT_NOT_ALLOWED
 */
export function checkAbsorb(keyBlob: Uint8Array): void {
  if (keyBlobFormatAt(keyBlob, 0) === "sealed") return;
  throw new VaultError(
    "ERR_CONTEXT_NOT_ALLOWED",
    "this caller may only absorb sealed data keys: it needs rekey",
  );
}

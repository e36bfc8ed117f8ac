/**
 * Environment-wide recipients: how they are told from those of one context (docs/spec/sealed-data-key.md section 8).
 *
 * Owns the reserved context that they are stored with. Its KEK wraps their private keys. Must not know what they open.
 *
 * @module
 */
import { equalBytes } from "../../base/bytes.ts";
import { type CanonicalContext, canonicalContext } from "../../crypto/keys/key-context.ts";
import { VaultError } from "../../errors.ts";
import type { Row } from "../storage/database.ts";
import { storedContext } from "./rows.ts";

/** The reserved context ([SDK-40]). */
export const WIDE_CONTEXT: CanonicalContext = canonicalContext({ "coffer.environment-wide": "recipients" });

/** The context of a recipient; undefined if it is environment-wide. @param stored - its row, checked */
export function contextOfRecipient(stored: Row): CanonicalContext | undefined {
  return isWide(stored.canonical as Uint8Array) ? undefined : storedContext(stored.canonical);
}

/** The context whose KEKs wrap a new recipient's private key. @throws VaultError ERR_KEY_CONTEXT_INVALID for the reserved one */
export function wrappingContext(context: CanonicalContext | undefined): CanonicalContext {
  if (context === undefined) return WIDE_CONTEXT;
  if (!isWide(context.bytes)) return context;
  throw new VaultError(
    "ERR_KEY_CONTEXT_INVALID",
    "this key context is reserved for environment-wide recipients: make one of these instead",
  );
}

function isWide(canonical: Uint8Array): boolean {
  return equalBytes(canonical, WIDE_CONTEXT.bytes);
}

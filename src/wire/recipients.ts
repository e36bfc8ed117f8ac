/**
 * Recipients on the wire: JSON bodies of `/coffer/v1/recipients` to objects of the RecipientService port, and back. Documents of
 * recipients travel as they are.
 *
 * Owns the names and shapes on both sides. Reading checks every field before it is used. Must not know HTTP.
 *
 * @module
 */
import type { KeyContext } from "../crypto/keys/key-context.ts";
import { SEALED_SUITES, type SealedSuite } from "../crypto/keys/sealed-key-blob.ts";
import type { RecipientDocument, RecipientDocumentType } from "../crypto/sealed/recipient-document.ts";
import type { RecipientInfo, RecipientPage, RecipientState } from "../keks/recipient-service.ts";
import { contextOf, listOf, listPageOf, numberOf, objectOf, oneOf, textOf, type Wire } from "./bodies.ts";

const STATES: readonly RecipientState[] = ["active", "decrypt-only", "disabled", "destroyed"];

const TYPES: readonly RecipientDocumentType[] = ["coffer-recipient-v1", "coffer-environment-recipient-v1"];

const SUITES = /* @__PURE__ */ SEALED_SUITES.map(({ name }) => name);

/** A recipient as it is answered. */
export function recipientToWire(recipient: RecipientInfo): Wire {
  return {
    id: recipient.id,
    context: recipient.context,
    suite: recipient.suite,
    state: recipient.state,
    created_at: recipient.createdAt,
    requires_sender: recipient.requiresSender,
    versions: recipient.versions.map(({ version, state, createdAt }) => ({
      version,
      state,
      created_at: createdAt,
    })),
  };
}

/** A page of recipients as it is answered. */
export function recipientPageToWire({ data, listMetadata }: RecipientPage): Wire {
  return { data: data.map(recipientToWire), list_metadata: { after: listMetadata.after } };
}

/** A recipient that was answered. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function recipientFromWire(wire: unknown): RecipientInfo {
  const body = objectOf(wire, "recipient");
  return {
    id: textOf(body.id, "id"),
    context: contextOrNull(body.context),
    suite: suiteOf(body.suite),
    state: stateOf(body.state),
    createdAt: textOf(body.created_at, "created_at"),
    requiresSender: oneOf(body.requires_sender, [true, false], "requires_sender"),
    versions: listOf(body.versions, "versions").map((item) => {
      const version = objectOf(item, "version");
      return {
        version: numberOf(version.version, "version"),
        state: stateOf(version.state),
        createdAt: textOf(version.created_at, "created_at"),
      };
    }),
  };
}

/** A page that was answered. @throws VaultError ERR_SERVICE_BAD_RESPONSE */
export function recipientPageFromWire(wire: unknown): RecipientPage {
  return listPageOf(wire, "recipients", recipientFromWire);
}

/**
 * A document that was answered. Its form is checked; whether it may be sealed to, and its signature, are its sealer's matter.
 *
 * @throws VaultError ERR_SERVICE_BAD_RESPONSE
 */
export function recipientDocumentFromWire(wire: unknown): RecipientDocument {
  const body = objectOf(wire, "document");
  const text = (name: keyof RecipientDocument): string => textOf(body[name], name);
  return {
    type: oneOf(body.type, TYPES, "type"),
    id: text("id"),
    version: numberOf(body.version, "version"),
    suite: suiteOf(body.suite),
    context: contextOrNull(body.context),
    public_key: text("public_key"),
    issued_at: text("issued_at"),
    expires_at: text("expires_at"),
    signer: text("signer"),
    signature: text("signature"),
  };
}

/** Null where the recipient is environment-wide. */
function contextOrNull(value: unknown): KeyContext | null {
  return value === null ? null : contextOf(value);
}

function suiteOf(value: unknown): SealedSuite {
  return oneOf(value, SUITES, "suite");
}

function stateOf(value: unknown): RecipientState {
  return oneOf(textOf(value, "state"), STATES, "state");
}

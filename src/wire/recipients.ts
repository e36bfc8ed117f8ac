/**
 * Recipients on the wire: JSON bodies of `/coffer/v1/recipients` to objects of the RecipientService port, and back. Documents of
 * recipients travel as they are.
 *
 * Owns the names and shapes on both sides. Reading checks every field before it is used. Must not know HTTP.
 *
 * @module
 */
import { SEALED_SUITES, type SealedSuite } from "../crypto/keys/sealed-key-blob.ts";
import type { RecipientDocument } from "../crypto/sealed/recipient-document.ts";
import type { RecipientInfo, RecipientPage, RecipientState } from "../keks/recipient-service.ts";
import { badResponse, contextOf, listOf, numberOf, objectOf, textOf, type Wire } from "./bodies.ts";

const STATES: ReadonlySet<string> = new Set<RecipientState>([
  "active",
  "decrypt-only",
  "disabled",
  "destroyed",
]);

/** A recipient as it is answered. */
export function recipientToWire(recipient: RecipientInfo): Wire {
  return {
    id: recipient.id,
    context: recipient.context,
    suite: recipient.suite,
    state: recipient.state,
    created_at: recipient.createdAt,
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
    context: contextOf(body.context),
    suite: suiteOf(body.suite),
    state: stateOf(body.state),
    createdAt: textOf(body.created_at, "created_at"),
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
  const body = objectOf(wire, "recipients");
  const { after } = objectOf(body.list_metadata, "list_metadata");
  return {
    data: listOf(body.data, "data").map(recipientFromWire),
    listMetadata: { after: after === null ? null : textOf(after, "after") },
  };
}

/**
 * A document that was answered. Its form is checked; whether it may be sealed to, and its signature, are its sealer's matter.
 *
 * @throws VaultError ERR_SERVICE_BAD_RESPONSE
 */
export function recipientDocumentFromWire(wire: unknown): RecipientDocument {
  const body = objectOf(wire, "document");
  const text = (name: keyof RecipientDocument): string => textOf(body[name], name);
  if (body.type !== "coffer-recipient-v1") throw badResponse("type is none that is known");
  return {
    type: body.type,
    id: text("id"),
    version: numberOf(body.version, "version"),
    suite: suiteOf(body.suite),
    context: contextOf(body.context),
    public_key: text("public_key"),
    issued_at: text("issued_at"),
    expires_at: text("expires_at"),
    signer: text("signer"),
    signature: text("signature"),
  };
}

function suiteOf(value: unknown): SealedSuite {
  const suite = SEALED_SUITES.find(({ name }) => name === value);
  if (suite === undefined) throw badResponse("suite is none that is known");
  return suite.name;
}

function stateOf(value: unknown): RecipientState {
  const state = textOf(value, "state");
  if (!STATES.has(state)) throw badResponse("state is none that is known");
  return state as RecipientState;
}

/**
 * Documents of recipients for everybody: who asks has no API key, so that what is told costs little.
 *
 * Owns the way from an id to its environment, and the documents that are kept for a minute. Must not know HTTP.
 *
 * @module
 */
import type { RecipientDocument } from "../../crypto/sealed/recipient-document.ts";
import type { RecipientService } from "../../keks/recipient-service.ts";
import { PUBLIC_DOCUMENT_MS, RECIPIENT_KEYS_MAX } from "../limits.ts";
import type { Database } from "../storage/database.ts";
import { unknownRecipient } from "./recipient-rows.ts";

/** Recipients' documents of all environments of a vault. */
export class PublicDocuments {
  readonly #database: Database;
  readonly #now: () => number;
  readonly #recipientsOf: (environmentId: string) => RecipientService;
  readonly #kept = new Map<string, { readonly document: RecipientDocument; readonly until: number }>();
  /** The counter of changes that #kept is true for. */
  #keptAt = -1;

  /** @param recipientsOf - the recipients of an environment */
  constructor(
    database: Database,
    now: () => number,
    recipientsOf: (environmentId: string) => RecipientService,
  ) {
    this.#database = database;
    this.#now = now;
    this.#recipientsOf = recipientsOf;
  }

  /** The document of a recipient. @throws VaultError ERR_KEY_NOT_FOUND, ERR_KEY_DISABLED, ERR_KEY_DESTROYED */
  async find(id: string): Promise<RecipientDocument> {
    const { keks: at } = this.#database.changes();
    if (at !== this.#keptAt) {
      this.#kept.clear();
      this.#keptAt = at;
    }
    const kept = this.#kept.get(id);
    if (kept !== undefined && this.#now() < kept.until) return kept.document;
    const row = await this.#database.read((sql) =>
      sql.get("SELECT environment_id FROM recipients WHERE id = ?", id),
    );
    if (row === undefined) throw unknownRecipient();
    const document = await this.#recipientsOf(row.environment_id as string).document({ id });
    // A plain limit: starting afresh costs one signature for each recipient.
    if (this.#kept.size >= RECIPIENT_KEYS_MAX) this.#kept.clear();
    if (this.#keptAt === at) this.#kept.set(id, { document, until: this.#now() + PUBLIC_DOCUMENT_MS });
    return document;
  }
}

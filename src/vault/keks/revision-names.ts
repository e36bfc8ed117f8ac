/**
 * Names of revisions: what servers tell clients of revocations in an environment (docs/spec/revocation.md [REV-11]).
 *
 * Owns the names. They are the same on all servers of a vault, and say nothing but whether two revisions are the same. Must
 * not know HTTP.
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { utf8 } from "../../base/bytes.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { revisionOf } from "../storage/changes.ts";
import type { Database } from "../storage/database.ts";

/** Bytes of a name: half a SHA-256 tells more revisions apart than there can be. */
const NAME_BYTES = 15;

/** Names the revision of an environment. */
export class RevisionNames {
  readonly #database: Pick<Database, "changes" | "lookAfresh">;
  readonly #environmentId: string;
  readonly #prefix: string;
  #revision = Number.NaN;
  #name: string | undefined;

  constructor(database: Pick<Database, "changes" | "lookAfresh">, vaultId: string, environmentId: string) {
    this.#database = database;
    this.#environmentId = environmentId;
    this.#prefix = `${vaultId} ${environmentId}`;
  }

  /** At once; undefined where it is not known just now. */
  newest(): string | undefined {
    const newest = revisionOf(this.#database.changes(), this.#environmentId);
    if (newest !== this.#revision) {
      this.#revision = newest;
      this.#name = Number.isNaN(newest) ? undefined : nameOf(`${this.#prefix} ${newest}`);
    }
    return this.#name;
  }

  /**
   * After a look into the database: a client that was told none with its first key would take the service for one that has none.
   *
   * @returns undefined where it cannot be known: the storage is away
   */
  async afresh(): Promise<string | undefined> {
    try {
      await this.#database.lookAfresh();
    } catch {
      return undefined;
    }
    return this.newest();
  }
}

function nameOf(what: string): string {
  const digest = hash.sha256(utf8(`coffer/v1/revision ${what}`, "revision"));
  return encodeBase64(digest.subarray(0, NAME_BYTES)).replaceAll("+", "-").replaceAll("/", "_");
}

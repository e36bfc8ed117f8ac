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

/** Names the revision of an environment whenever it is called; undefined where it is not known just now. */
export function revisionNames(
  database: Database,
  vaultId: string,
  environmentId: string,
): () => string | undefined {
  let revision = Number.NaN;
  let name: string | undefined;
  return () => {
    const newest = revisionOf(database.changes(), environmentId);
    if (newest !== revision) {
      revision = newest;
      name = Number.isNaN(newest) ? undefined : nameOf(`${vaultId} ${environmentId} ${newest}`);
    }
    return name;
  };
}

function nameOf(what: string): string {
  const digest = hash.sha256(utf8(`coffer/v1/revision ${what}`, "revision"));
  return encodeBase64(digest.subarray(0, NAME_BYTES)).replaceAll("+", "-").replaceAll("/", "_");
}

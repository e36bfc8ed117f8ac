/**
 * Revisions on the wire (docs/spec/revocation.md section 4).
 *
 * Owns the header and what is read of it. Must not know what changes a revision.
 *
 * @module
 */

/** The header of each answer to a good API key. */
export const REVISION_HEADER = "coffer-revision";

const REVISION = /^[A-Za-z0-9_-]{1,64}$/;

/** The revision that an answer carries; undefined if none, or what is no revision. */
export function revisionFromWire(headers: Pick<Headers, "get">): string | undefined {
  const revision = headers.get(REVISION_HEADER);
  return revision !== null && REVISION.test(revision) ? revision : undefined;
}

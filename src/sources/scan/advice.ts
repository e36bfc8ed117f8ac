/**
 * What to do about what a census found.
 *
 * Owns the words. They hold counts, layouts and names of formats, never a value. Must not know how values are counted.
 *
 * @module
 */
import type { ForeignFormat } from "./recognise.ts";
import type { ColumnReport } from "./tally.ts";

/** Who writes a format, and where its key is. */
const WRITERS: Readonly<Record<ForeignFormat, string>> = {
  "crypto-js": "crypto-js (a passphrase, OpenSSL's salted form, without any authentication)",
  fernet: "Fernet",
  cloak: "@47ng/cloak or prisma-field-encryption",
  laravel: "Laravel's encrypter (its APP_KEY)",
  transit: "the transit engine of Vault or OpenBao",
  iron: "iron or iron-session",
  rails: "Rails' Active Record encryption",
  jwe: "a JOSE library (JWE)",
  age: "age",
  pgp: "OpenPGP",
  "ansible-vault": "ansible-vault",
  sops: "SOPS",
  dotenvx: "dotenvx",
  parts: "code of this application: nonce, perhaps a tag, and ciphertext with signs between them",
};

const values = (count: number): string => (count === 1 ? "1 value" : `${count} values`);

/** Sentences on what a column needs; none for one that holds plaintext only, or ciphertexts that are as they should be. */
export function adviceFor(column: ColumnReport): string[] {
  const { ciphertexts, plaintext, damaged, layouts, wrappedBy, keks, foreign, opaque } = column;
  const advice: string[] = [];
  const foreigners = Object.entries(foreign) as [ForeignFormat, number][];
  if (damaged > 0) {
    advice.push(
      `${values(damaged)} with the beginning of a ciphertext, but cut off or changed: check that the column is long enough, and restore from a backup`,
    );
  }
  if (plaintext > 0 && (ciphertexts > 0 || foreigners.length > 0)) {
    advice.push(
      `${values(plaintext)} of plaintext beside ciphertexts: find what still writes plaintext, then encrypt them`,
    );
  }
  const older = olderVersions(keks);
  if (older > 0)
    advice.push(
      `${older} references to older versions of KEKs: rewrap them (coffer rekey-data run), then the old versions can be shredded`,
    );
  if ((layouts.iv32 ?? 0) > 0) {
    advice.push(
      `${values(layouts.iv32!)} of the layout iv32, which is read only: re-encrypt them in another layout`,
    );
  }
  if ((wrappedBy.workos ?? 0) > 0) {
    advice.push(
      `${values(wrappedBy.workos!)} under data keys of WorkOS: a coffer vault does not unwrap those; docs/migration.md has the way over`,
    );
  }
  for (const [format, count] of foreigners) {
    advice.push(
      `${values(count)} in the form of ${WRITERS[format]}: coffer does not read it; decrypt there, then encrypt here`,
    );
  }
  if (opaque > 0 && ciphertexts === 0 && foreigners.length === 0) {
    advice.push(
      `${values(opaque)} of random bytes or digits: digests, tokens, or ciphertexts in a form that is not known here`,
    );
  }
  return advice;
}

/** References to versions of which the same column holds a newer one. */
function olderVersions(keks: ColumnReport["keks"]): number {
  const newest = new Map<string, number>();
  for (const { id, version = 0 } of keks) newest.set(id, Math.max(newest.get(id) ?? 0, version));
  return keks
    .filter(({ id, version = 0 }) => version < newest.get(id)!)
    .reduce((sum, { ciphertexts }) => sum + ciphertexts, 0);
}

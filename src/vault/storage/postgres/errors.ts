/**
 * PostgreSQL's errors, those of the library `pg`, of the network and of TLS, as ours.
 *
 * Owns the one table from a driver's code to our code, words that a person can act on, and whether to try again. The
 * database's own texts may show values, so none of them goes on: only its code does, in the message and as the cause, whose
 * code a log may print. Must not know connections or transactions.
 *
 * @module
 */
import { isVaultError, VaultError } from "../../../errors.ts";
import { failureOf, type Meaning, meaning } from "../meaning.ts";

const unavailable = (words: string, retryable: boolean): Meaning =>
  meaning("ERR_STORAGE_UNAVAILABLE", words, retryable);
const later = (words: string): Meaning => meaning("ERR_STORAGE_BUSY", words, true);
const readOnly = (words: string): Meaning => meaning("ERR_STORAGE_READ_ONLY", words);
const corrupt = (words: string): Meaning => meaning("ERR_STORAGE_CORRUPT", words);

const BROKEN = unavailable("the connection to the database broke", true);
const REFUSED_LOGIN = unavailable(
  "the database refused the user or its password: check both in the URL, and the server's pg_hba.conf",
  false,
);
const NO_TABLES = meaning(
  "ERR_STORAGE_SCHEMA",
  "the database lacks a table or column of coffer: run coffer migrate",
);

/** SQLSTATEs (PostgreSQL's manual, appendix A): five characters, or the two of a whole class. */
const STATES: Readonly<Record<string, Meaning>> = {
  "08": BROKEN,
  "08P01": unavailable("the database or a pooler before it did not understand the connection", false),
  // feature_not_supported: how a standby answers a transaction that wants to write.
  "0A000": readOnly("the database does not allow this: it may be a standby, name the primary server"),
  "25006": readOnly("the database is read-only: it may be a standby, name the primary server"),
  "25P03": unavailable("the database ended a transaction that waited too long between two statements", true),
  "25P04": later("a transaction took longer than the database allows"),
  "28": REFUSED_LOGIN,
  "3D000": unavailable("there is no database of this name: create it, or correct the name in the URL", false),
  "3F000": NO_TABLES,
  "40": later("the database is busy: other transactions came between"),
  "42501": unavailable(
    "the database's role lacks rights: grant it SELECT, INSERT, UPDATE and DELETE on coffer's tables, and to migrate CREATE",
    false,
  ),
  "42703": NO_TABLES,
  "42P01": NO_TABLES,
  "53": unavailable("the database is short of a resource", true),
  "53100": meaning("ERR_STORAGE_FULL", "the database's disk is full"),
  "53200": unavailable("the database is out of memory", true),
  "53300": later("the database has no connection left: raise its max_connections, or use fewer here"),
  "54000": unavailable("the database has reached a limit of its own: see its log", false),
  "55P03": later("a lock of the database was not to be had in time"),
  "57014": later("the database is busy: a statement took too long, or a lock was not to be had in time"),
  "57P": unavailable("the database is starting, shutting down, or ended this connection", true),
  "57P04": unavailable("the database was dropped", false),
  "58": unavailable("the database's disk or system failed: see its log", false),
  XX001: corrupt("the database is damaged"),
  XX002: corrupt("an index of the database is damaged"),
};
const STATE_UNKNOWN = unavailable("the database refused a statement", false);

const TLS_UNTRUSTED = unavailable(
  "the database's certificate is not trusted: name its CA with sslrootcert in the URL",
  false,
);

/** Codes of the system, of Node's resolver and of TLS (OpenSSL's X509_V_ERR names as Node gives them). */
const SYSTEM: Readonly<Record<string, Meaning>> = {
  ECONNREFUSED: unavailable(
    "nothing listens at the database's address: check host and port in the URL, and that it runs",
    true,
  ),
  ECONNRESET: BROKEN,
  EPIPE: BROKEN,
  ETIMEDOUT: unavailable("the database cannot be reached over the network", true),
  EHOSTUNREACH: unavailable("there is no way to the database's host", true),
  ENETUNREACH: unavailable("there is no way to the database's network", true),
  EHOSTDOWN: unavailable("the database's host is down", true),
  ENOTFOUND: unavailable("the database's host name is not known: check it in the URL", false),
  EAI_AGAIN: unavailable("the database's host name cannot be looked up at the moment", true),
  ENOENT: unavailable("there is no socket of a database at this path: check host and port in the URL", false),
  EACCES: unavailable("the system does not allow this process to reach the database", false),
  EPERM: unavailable("the system does not allow this process to reach the database", false),
  EMFILE: unavailable("this process has no file descriptor left (ulimit -n)", true),
  ENFILE: unavailable("this machine has no file descriptor left", true),
  EADDRNOTAVAIL: unavailable("this machine has no port left to reach the database from", true),
  SELF_SIGNED_CERT_IN_CHAIN: TLS_UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: TLS_UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TLS_UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: TLS_UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TLS_UNTRUSTED,
  CERT_UNTRUSTED: TLS_UNTRUSTED,
  CERT_SIGNATURE_FAILURE: TLS_UNTRUSTED,
  CERT_HAS_EXPIRED: unavailable("the database's certificate has expired", false),
  CERT_NOT_YET_VALID: unavailable("the database's certificate is not valid yet: check the clocks", false),
  CERT_REVOKED: unavailable("the database's certificate was revoked", false),
  UNABLE_TO_GET_CRL: unavailable("sslcrl names no revocation list of the certificate's CA", false),
  ERR_TLS_CERT_ALTNAME_INVALID: unavailable(
    "the database's certificate is for another host: name the host that it is for, or use sslmode=verify-ca",
    false,
  ),
};
const TLS_FAILED = unavailable(
  "TLS with the database could not be set up: check versions, certificate and key of both sides",
  false,
);
const SYSTEM_UNKNOWN = unavailable("the database cannot be reached", true);

const NO_TLS = "no TLS";
/** What `pg` says in words only; the first that fits. A change of its words makes an error less clear, not another one. */
const WORDS: readonly (readonly [pattern: RegExp, reason: string, meaning: Meaning])[] = [
  [
    /does not support SSL/,
    NO_TLS,
    unavailable("the database's server offers no TLS: turn it on there, or use sslmode=disable", false),
  ],
  [/error establishing an SSL/, "TLS", TLS_FAILED],
  [
    /exceeded when trying to connect/,
    "no connection free",
    later("all connections to the database are in use"),
  ],
  [
    /timeout/i,
    "no answer",
    unavailable("the database did not answer in time: check host and port, and the way there", true),
  ],
  [/SASL|SCRAM|password/i, "login", REFUSED_LOGIN],
  [/connection|client/i, "connection", BROKEN],
];

/** The five characters by which PostgreSQL names an error; undefined if it was not PostgreSQL that answered. */
export function sqlState(error: unknown): string | undefined {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === "string" && typeof severity === "string" && code.length === 5 ? code : undefined;
}

/** Whether PostgreSQL ends the connection with this error: what it was about to do may be done or not. */
export function isFatal(error: unknown): boolean {
  const { severity } = error as { severity?: unknown };
  return severity === "FATAL" || severity === "PANIC";
}

/** Whether the cause of one of our errors is that a server has no TLS. */
export function isWithoutTls(cause: unknown): boolean {
  return cause instanceof PostgresError && cause.code === NO_TLS;
}

/** What is left of a driver's error: the code of the database, the system or TLS. */
class PostgresError extends Error {
  override readonly name = "PostgresError";
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Any failure as ours; what is neither the storage's nor the connection's stays as it is. */
export function translate(error: unknown): unknown {
  if (isVaultError(error) || error instanceof RangeError) return error;
  const found = find(error);
  if (found === undefined) return error;
  const [reason, known] = found;
  return failureOf(known, reason, new PostgresError(reason));
}

function find(error: unknown): readonly [reason: string, meaning: Meaning] | undefined {
  const state = sqlState(error);
  if (state !== undefined) {
    const known = STATES[state] ?? STATES[state.slice(0, 3)] ?? STATES[state.slice(0, 2)];
    return [state, known ?? STATE_UNKNOWN];
  }
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === "string") {
    // Node's own codes of wrong calls are defects, its codes of TLS are not.
    const isTls = /^ERR_(TLS|SSL|OSSL)_|^CERT_|CRL|^HOSTNAME_MISMATCH$/.test(code);
    if (code.startsWith("ERR_") && !isTls) return undefined;
    return [code, SYSTEM[code] ?? (isTls ? TLS_FAILED : SYSTEM_UNKNOWN)];
  }
  // Several addresses of one host, none of which answered.
  if (Array.isArray(errors) && errors.length > 0) return find(errors[0]);
  if (!(error instanceof Error) || error instanceof TypeError) return undefined;
  const words = WORDS.find(([pattern]) => pattern.test(error.message));
  return words === undefined ? undefined : [words[1], words[2]];
}

/** The database said nothing for longer than it may take: whatever was sent has no answer. */
export function noAnswer(): VaultError {
  const [, reason, known] = WORDS[3]!;
  return failureOf(known, reason, new PostgresError(reason));
}

/** What a lost COMMIT of a write means. */
export function outcomeUnknown(cause?: unknown): VaultError {
  return new VaultError(
    "ERR_OUTCOME_UNKNOWN",
    "the connection broke while a change was being committed: it may or may not have happened",
    { cause },
  );
}

/** Whether it is not known what the server did: there was no answer, or only the one that ends a connection. */
export function isUnanswered(error: unknown): boolean {
  if (isVaultError(error)) return (error.cause as { name?: unknown } | undefined)?.name === "PostgresError";
  return sqlState(error) === undefined || isFatal(error);
}

/** Of calls on a database that was closed. */
export function closed(): VaultError {
  return new VaultError("ERR_DISPOSED", "the vault has been closed");
}

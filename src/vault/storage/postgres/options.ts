/**
 * How to reach a PostgreSQL database.
 *
 * Owns the options, their defaults, and the configuration of a connection that follows from them. Must not know what is
 * asked over it.
 *
 * @module
 */
import type { ClientConfig } from "pg";
import { optionNames } from "../../../base/options.ts";
import { invalidType, VaultError } from "../../../errors.ts";
import { checkRuntime } from "../../needed-runtime.ts";
import { type ConnectionLimits, Connections } from "./connection.ts";
import { closed, isWithoutTls } from "./errors.ts";
import { readTls } from "./url.ts";

/** How to reach a PostgreSQL database. */
export interface PostgresOptions {
  /**
   * `postgres://user:password@host:port/database?sslmode=…`. The parameters of TLS mean what they do to libpq, or are refused:
   * docs/postgres.md has the list.
   */
  readonly url: string;
  /** TLS beyond what the URL says: CA, client certificate and key, as PEM text. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  /** Connections at most; default 10. */
  readonly maxConnections?: number | undefined;
  /** Milliseconds to wait for a connection; default 5,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds that one statement may take on the server, waiting for locks included; default 10,000. */
  readonly statementTimeoutMs?: number | undefined;
  /**
   * Milliseconds after which the server's answer is no longer waited for, and the connection given up; default 5,000 more than
   * `statementTimeoutMs`, within which a server that can be reached answers.
   */
  readonly answerTimeoutMs?: number | undefined;
  /** Milliseconds after which an unused connection is closed; default 10,000. */
  readonly idleTimeoutMs?: number | undefined;
  /** Milliseconds that `close` waits for transactions under way before it breaks them off; default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
  /** Told what the user should know: for example that the server's certificate is not checked. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /**
   * Hear of other servers' changes by LISTEN, on a connection of its own; default true. Turn it off behind a pooler in
   * transaction mode: changes are then seen within half a second all the same.
   */
  readonly listen?: boolean | undefined;
}

/** Names of {@link PostgresOptions}. */
export const POSTGRES_OPTIONS = optionNames<PostgresOptions>({
  url: true,
  tls: true,
  maxConnections: true,
  connectTimeoutMs: true,
  statementTimeoutMs: true,
  answerTimeoutMs: true,
  idleTimeoutMs: true,
  closeTimeoutMs: true,
  onNotice: true,
  listen: true,
});

/** Connections at most unless told otherwise. Ours. */
const CONNECTIONS_DEFAULT = 10;
/** Milliseconds to wait for a connection unless told otherwise. Ours. */
const CONNECT_TIMEOUT_MS_DEFAULT = 5_000;
/** Milliseconds that one statement may take unless told otherwise. Ours. */
const STATEMENT_TIMEOUT_MS_DEFAULT = 10_000;
/** Milliseconds that an answer may come after the time of its statement, unless told otherwise. Ours. */
const ANSWER_MARGIN_MS = 5_000;
/** Milliseconds after which an unused connection is closed by default. As pg's own. */
const IDLE_TIMEOUT_MS_DEFAULT = 10_000;
/** Milliseconds that closing waits for transactions, unless told otherwise. Ours. */
const CLOSE_TIMEOUT_MS_DEFAULT = 5_000;
/** Milliseconds before the system asks whether a silent connection is alive. Ours. */
const KEEP_ALIVE_MS = 10_000;
/** Type ids of pg_type.dat. */
const OID_BYTEA = 17;
const OID_INT8 = 20;

/** The library. */
export type Pg = typeof import("pg");

/** Loads the library. @throws VaultError ERR_UNSUPPORTED */
export async function loadPg(): Promise<Pg> {
  checkRuntime();
  try {
    const module = await import("pg");
    return (module.default ?? module) as Pg;
  } catch (cause) {
    throw new VaultError("ERR_UNSUPPORTED", "PostgreSQL needs the package pg: npm install pg", { cause });
  }
}

/** The bounds of all waits. */
export function limitsOf(
  options: PostgresOptions,
): ConnectionLimits & { readonly statementTimeoutMs: number; readonly closeTimeoutMs: number } {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS_DEFAULT;
  return {
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS_DEFAULT,
    answerTimeoutMs: options.answerTimeoutMs ?? statementTimeoutMs + ANSWER_MARGIN_MS,
    idleTimeoutMs: options.idleTimeoutMs ?? IDLE_TIMEOUT_MS_DEFAULT,
    maxConnections: options.maxConnections ?? CONNECTIONS_DEFAULT,
    statementTimeoutMs,
    closeTimeoutMs: options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS_DEFAULT,
  };
}

/** How to connect; where TLS depends on what the server offers, that is found out once, by connecting. */
export async function settledConfig(
  pg: Pg,
  options: PostgresOptions,
  limits: ConnectionLimits,
): Promise<ClientConfig> {
  const { url, ssl, isOptional, isUnverified } = readTls(options.url, options.tls);
  let config = { ...clientConfig(pg, url), ssl };
  try {
    new pg.Client(config);
  } catch {
    throw invalidType("url must be postgres://user:password@host:port/database");
  }
  if (isOptional) {
    const connections = new Connections(pg, config, limits);
    try {
      (await connections.openOne()).breakOff(closed());
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (!isWithoutTls(cause)) throw error;
      config = { ...config, ssl: false };
    } finally {
      await connections.close();
    }
  }
  const host = new pg.Client(config).host;
  if (isUnverified && !/^(\/|127\.|localhost$|::1$)/.test(host)) {
    options.onNotice?.(
      config.ssl === false
        ? "the connection to the database is not encrypted: use sslmode=verify-full in its URL"
        : "the connection to the database is encrypted, but nobody checks who the server is: use sslmode=verify-full in its URL",
    );
  }
  return config;
}

function clientConfig(pg: Pg, url: string): ClientConfig {
  return {
    connectionString: url,
    application_name: "coffer",
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: {
      getTypeParser: ((oid: number, format?: "text" | "binary") => {
        if (oid === OID_INT8) return Number; // counts, sequences and milliseconds: all below 2^53
        const parser = pg.types.getTypeParser(oid, format as "text");
        if (oid !== OID_BYTEA) return parser;
        return (text: string) => Uint8Array.from(parser(text) as Uint8Array);
      }) as typeof pg.types.getTypeParser,
    },
  };
}

/**
 * Connections to an application's own database, as the vault connects to its own.
 *
 * Owns the way there: TLS as libpq means it, bounded waits, errors by the same table. Must not know what is read or written.
 *
 * @module
 */
import type { PgPool } from "../sources/postgres.ts";
import { type Connection, Connections } from "../vault/storage/postgres/connection.ts";
import { translate } from "../vault/storage/postgres/errors.ts";
import { limitsOf, loadPg, settledConfig } from "../vault/storage/postgres/options.ts";

/** Milliseconds that one statement on an application's database may take: counting a large table is slow. Ours. */
const STATEMENT_MS_MAX = 600_000;

/**
 * A pool of connections, which the caller ends.
 *
 * @param url - `postgres://…`
 * @param max - connections at most
 * @throws VaultError ERR_UNSUPPORTED without the package `pg`, and the storage's codes
 */
export async function openPostgresPool(
  url: string,
  onNotice: (notice: string) => void,
  max: number,
): Promise<PgPool & { end(): Promise<void> }> {
  const pg = await loadPg();
  const options = { url, onNotice };
  const limits = limitsOf(options);
  const config = await settledConfig(pg, options, limits);
  const pool = new pg.Pool({
    ...config,
    max,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    query_timeout: STATEMENT_MS_MAX,
  });
  // A connection that is lost while nobody uses it: the next one that is needed says so.
  pool.on("error", () => {});
  return pool;
}

/**
 * Runs `work` with one connection.
 *
 * @param url - `postgres://…`
 * @throws VaultError ERR_UNSUPPORTED without the package `pg`, and the storage's codes; what `work` throws
 */
export async function withPostgres<T>(
  url: string,
  onNotice: (notice: string) => void,
  signal: AbortSignal,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const pg = await loadPg();
  const options = { url, onNotice };
  const limits = limitsOf(options);
  const connections = new Connections(pg, await settledConfig(pg, options, limits), limits);
  try {
    return await connections.use(work, signal);
  } catch (error) {
    throw translate(error);
  } finally {
    await connections.close();
  }
}

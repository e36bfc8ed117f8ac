/**
 * Connections to an application's own database, as the vault connects to its own.
 *
 * Owns the way there: TLS as libpq means it, bounded waits, errors by the same table. Must not know what is read or written.
 *
 * @module
 */
import { type Connection, Connections } from "../vault/storage/postgres/connection.ts";
import { translate } from "../vault/storage/postgres/errors.ts";
import { limitsOf, loadPg, settledConfig } from "../vault/storage/postgres/options.ts";

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

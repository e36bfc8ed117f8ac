/**
 * Silence about the one warning that a user can do nothing about.
 *
 * Owns the filter; it must be in place before `node:sqlite` is first loaded, which is when Node 22 warns. Must not
 * hide anything else.
 *
 * @module
 */

const SQLITE_WARNING = /^SQLite is an experimental feature/;

/** Keeps Node from printing that its SQLite is experimental. All other warnings are printed as ever. */
export function hideSqliteWarning(): void {
  const emitWarning = process.emitWarning as (...args: unknown[]) => void;
  process.emitWarning = ((...args: unknown[]): void => {
    const [warning, kind] = args;
    const name = typeof kind === "object" && kind !== null ? (kind as { type?: unknown }).type : kind;
    if (name === "ExperimentalWarning" && SQLITE_WARNING.test(String(warning))) return;
    emitWarning.apply(process, args);
  }) as typeof process.emitWarning;
}

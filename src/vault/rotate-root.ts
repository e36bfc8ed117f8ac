/**
 * Another root for a vault (docs/spec/authority.md section 8): its KEKs and vault keys are wrapped anew, while servers run.
 *
 * Owns the order of the transactions, and that any of them may be the last one before the process is killed. Must not know where
 * root keys are kept.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { equalBytes } from "../base/bytes.ts";
import { VaultError } from "../errors.ts";
import { type Authority, unlessCorrupt } from "./authority/authority.ts";
import { putMeta } from "./authority/log.ts";
import type { OpenedVault } from "./authority/opened-vault.ts";
import { kekRecord, type RowRecord, recipientRecord, recordOf } from "./authority/record.ts";
import { dropOldVaultKeys, isBeingReplaced, PURPOSES, rewrapVaultKeys } from "./authority/vault-keys.ts";
import { KEK_COLUMNS, type KekRow, kekIdentity, kekRow, setWrapped } from "./keks/rows.ts";
import { SEALED_ROWS, SEALED_TABLES } from "./kv/sealed-rows.ts";
import { ROOT_ROTATION_KEKS, ROOT_ROTATION_PAUSE_MS, ROOT_ROTATION_ROWS } from "./limits.ts";
import { replaceVaultKeys } from "./replace-vault-keys.ts";
import type { RootKeys } from "./root/root-keys.ts";
import {
  ROOT_CHECK,
  ROOT_CHECK_NEXT,
  ROOT_LOCK,
  type RootChecks,
  storedChecks,
  WITH_ROOT,
} from "./root/roots.ts";
import type { Row, Sql, SqlValue } from "./storage/database.ts";

/** What a rotation of the root has done. */
export interface RootRotation {
  /** KEKs that were wrapped anew by this call; others had been by one before, or were made since. */
  readonly keks: number;
  /** Other rows that got their MAC under a new key: only where the root has leaked. */
  readonly rows: number;
  /** Ids of rows that are not as they were written: they are left as they are, and refused as before. */
  readonly damaged: readonly string[];
}

/** How a rotation is run. */
export interface RotateRootOptions {
  /**
   * The root key of now has leaked, or a copy of it may have: vault keys are made anew too, and every row that is
   * authenticated gets a MAC under a new key. A rotation that has begun so goes on so. Default false.
   */
  readonly hasLeaked?: boolean | undefined;
  /** Told how many KEKs and rows have been looked at, and about how many there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Ends it between two transactions, with the signal's reason; the next call goes on. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Wraps everything under another root. Goes on where one before was stopped.
 *
 * @param next - the next root; stays the caller's
 * @throws VaultError ERR_ROOT_KEY_WRONG if a rotation to another root has begun; the signal's reason
 */
export async function rotateRoot(
  vault: OpenedVault,
  next: RootKeys,
  options: RotateRootOptions = {},
): Promise<RootRotation> {
  const { database } = vault;
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const begun = await database.write((sql) => begin(sql, vault, next, options.hasLeaked === true));
  if (begun === undefined) return { keks: 0, rows: 0, damaged: [] };
  const damaged: string[] = [];
  let done = 0;
  let changed = 0;
  const total = await database.read((sql) => count(sql, begun.hasLeaked));
  const pages = async (table: string, page: (sql: Sql, from: From) => Promise<Page>): Promise<void> => {
    // What is made from here on is as it must be: a walk does not run after those who write.
    const newest = await database.read((sql) => sql.get(`SELECT max(id) AS newest FROM ${table}`));
    const to = (newest!.newest ?? "") as string;
    for (let after: string | undefined = ""; after !== undefined; ) {
      signal?.throwIfAborted();
      const from: From = [after, to];
      const part = await database.write((sql) => page(sql, from), WITH_ROOT);
      after = part.last;
      changed += part.changed;
      damaged.push(...part.damaged);
      done += part.looked;
      onProgress?.(done, Math.max(done, total));
      // One that goes on at once would keep others from SQLite's lock.
      if (after !== undefined) await sleep(ROOT_ROTATION_PAUSE_MS);
    }
  };
  const { authority } = vault;
  await pages("keks", (sql, from) => kekPage(sql, authority, next, from));
  const keks = changed;
  if (begun.hasLeaked) {
    for (const table of SEALED_TABLES) {
      await pages(table, (sql, from) => rowPage(sql, authority, table, from));
    }
    await pages("recipients", (sql, from) => recipientPage(sql, authority, from));
  }
  signal?.throwIfAborted();
  await database.write((sql) => end(sql, vault.authority, next));
  // The old wraps were overwritten.
  await database.scrub();
  return { keks, rows: changed - keks, damaged };
}

const SEALED_WITH_RECIPIENTS = [...Object.values(SEALED_ROWS), "SELECT id FROM recipients"];

async function count(sql: Sql, hasLeaked: boolean): Promise<number> {
  let total = 0;
  for (const select of ["SELECT id FROM keks", ...(hasLeaked ? SEALED_WITH_RECIPIENTS : [])]) {
    total += (await sql.get(`SELECT count(*) AS n FROM (${select}) AS found`))!.n as number;
  }
  return total;
}

/** The checks, which nothing else changes before the transaction's end. */
async function lockedChecks(sql: Sql): Promise<RootChecks> {
  await sql.lock(ROOT_LOCK);
  return storedChecks(sql);
}

/**
 * From here on all that is new is wrapped under the next root, and sealed under the newest vault keys: every process sees before
 * its next write that the checks are others.
 *
 * @returns undefined if the vault has that root already
 */
async function begin(
  sql: Sql,
  vault: OpenedVault,
  next: RootKeys,
  hasLeaked: boolean,
): Promise<{ readonly hasLeaked: boolean } | undefined> {
  const checks = await lockedChecks(sql);
  if (next.isRightRoot(checks.current)) return undefined;
  if (checks.next !== undefined && !next.isRightRoot(checks.next)) {
    throw new VaultError(
      "ERR_ROOT_KEY_WRONG",
      "a rotation to another root key has begun: end it with that one",
    );
  }
  const isReplacing = await isBeingReplaced(sql, "row-mac");
  if (checks.next === undefined || (hasLeaked && !isReplacing)) {
    await putMeta(sql, ROOT_CHECK_NEXT, next.createCheck());
  }
  if (hasLeaked && !isReplacing) await replaceVaultKeys(sql, vault, next);
  return { hasLeaked: hasLeaked || isReplacing };
}

/** Where a page begins, behind this id, and up to which id the walk goes. */
type From = readonly [after: string, to: string];

/** Chooses the rows of a page, in the order of their ids; the parameters are {@link From}. */
const ofPage = (rows: number): string => `id > ? AND id <= ? ORDER BY id LIMIT ${rows}`;

/** What one transaction has done. */
interface Page {
  readonly looked: number;
  readonly changed: number;
  readonly damaged: readonly string[];
  /** The last id of the page; undefined if there was none. */
  readonly last: string | undefined;
}

async function kekPage(sql: Sql, authority: Authority, next: RootKeys, from: From): Promise<Page> {
  await authority.prepare(sql);
  const keks = await keksWithVersions(sql, ofPage(ROOT_ROTATION_KEKS), from);
  return page(keks, (kek) => rewrapKek(sql, authority, next, kek));
}

/** A KEK's row with those of its versions, the lowest first. */
interface StoredKek extends KekRow {
  readonly versions: readonly Row[];
}

/** Some KEKs in the order of their ids. */
async function keksWithVersions(
  sql: Sql,
  which: string,
  parameters: readonly string[],
): Promise<StoredKek[]> {
  const found = await withVersions(
    sql,
    `SELECT k.*, v.version, v.state, v.wrapped, v.created_at AS version_created_at, v.destroy_at
     FROM (SELECT ${KEK_COLUMNS} FROM keks WHERE ${which}) AS k LEFT JOIN kek_versions v ON v.kek_id = k.id
     ORDER BY k.id, v.version`,
    parameters,
  );
  return found.map(({ stored, versions }) => ({ ...kekRow(stored), versions }));
}

/** Rows with those of their versions. One statement reads both, so that they are of one moment. */
async function withVersions(
  sql: Sql,
  select: string,
  parameters: readonly string[],
): Promise<{ readonly id: string; readonly stored: Row; readonly versions: readonly Row[] }[]> {
  const rows = await sql.all(select, ...parameters);
  return [...Map.groupBy(rows, ({ id }) => id as string)].map(([id, own]) => ({
    id,
    stored: own[0]!,
    versions: own
      .filter(({ version }) => version !== null)
      .map((row) => ({ ...row, created_at: row.version_created_at as SqlValue })),
  }));
}

/** @returns whether it was changed */
async function rewrapKek(sql: Sql, authority: Authority, next: RootKeys, found: StoredKek): Promise<boolean> {
  for (let kek: StoredKek | undefined = found; kek !== undefined; ) {
    const { id, stored, versions }: StoredKek = kek;
    await authority.check(sql, kekRecord(stored, versions), stored.mac);
    const wraps = new Map<SqlValue, Uint8Array>();
    for (const { version, wrapped } of versions) {
      if (wrapped === null) continue;
      const identity = kekIdentity(kek, version as number);
      const own = next.unwrap(wrapped as Uint8Array, identity);
      if (own === undefined) {
        const bytes = authority.roots.unwrap(wrapped as Uint8Array, identity);
        wraps.set(version as number, next.wrap(bytes, identity));
        bytes.fill(0);
      } else {
        own.fill(0);
      }
    }
    const changed = versions.map((row) => ({
      ...row,
      wrapped: wraps.get(row.version as number) ?? (row.wrapped as SqlValue),
    }));
    // The record keeps its generation: one that was put back stays older than its last change.
    const mac = authority.seal(kekRecord(stored, changed));
    if (equalBytes(mac as Uint8Array, stored.mac as Uint8Array)) return false;
    if (await putMac(sql, "keks", stored, mac)) {
      for (const [version, wrapped] of wraps) {
        await setWrapped(sql, id, version, wrapped);
      }
      return true;
    }
    // It was changed between: once more, with what it is now.
    kek = (await keksWithVersions(sql, "id = ?", [id]))[0];
  }
  return false;
}

/** Recipients: their versions are under KEKs, so only their MACs change. */
async function recipientPage(sql: Sql, authority: Authority, from: From): Promise<Page> {
  await authority.prepare(sql);
  const recipients = await withVersions(
    sql,
    `SELECT r.*, v.version, v.state, v.public_key, v.wrapped, v.created_at AS version_created_at
     FROM (SELECT * FROM recipients WHERE ${ofPage(ROOT_ROTATION_ROWS)}) AS r
     LEFT JOIN recipient_versions v ON v.recipient_id = r.id ORDER BY r.id, v.version`,
    from,
  );
  return page(recipients, ({ stored, versions }) =>
    sealAnew(sql, authority, "recipients", stored, recipientRecord(stored, versions)),
  );
}

async function rowPage(
  sql: Sql,
  authority: Authority,
  table: (typeof SEALED_TABLES)[number],
  from: From,
): Promise<Page> {
  await authority.prepare(sql);
  const rows = await sql.all(
    `SELECT * FROM (${SEALED_ROWS[table]}) AS found WHERE ${ofPage(ROOT_ROTATION_ROWS)}`,
    ...from,
  );
  return page(rows as readonly (Row & { readonly id: string })[], (row) =>
    sealAnew(sql, authority, table, row, recordOf(table, row)),
  );
}

/** Gives a row that is as it was written a MAC under the newest key. @returns whether it had an older one */
async function sealAnew(
  sql: Sql,
  authority: Authority,
  table: string,
  row: Row,
  record: RowRecord,
): Promise<boolean> {
  await authority.check(sql, record, row.mac);
  const mac = authority.seal(record);
  // A row that was changed between has its MAC under the newest key: every write has seen that key.
  return !equalBytes(mac as Uint8Array, row.mac as Uint8Array) && putMac(sql, table, row, mac);
}

/** Gives a row another MAC if it is still as it was read: the MAC it has covers all of it. */
async function putMac(sql: Sql, table: string, row: Row, mac: Uint8Array | null): Promise<boolean> {
  const changed = await sql.run(
    `UPDATE ${table} SET mac = ? WHERE id = ? AND mac = ?`,
    mac,
    row.id as string,
    row.mac as SqlValue,
  );
  return changed === 1;
}

async function page<T extends { readonly id: string }>(
  rows: readonly T[],
  change: (row: T) => Promise<boolean>,
): Promise<Page> {
  const damaged: string[] = [];
  let changed = 0;
  for (const row of rows) {
    const isChanged = await unlessCorrupt(() => change(row));
    if (isChanged === undefined) damaged.push(row.id);
    else if (isChanged) changed += 1;
  }
  return { looked: rows.length, changed, damaged, last: rows.at(-1)?.id };
}

/** The next root is the only one from here on, and so are the newest vault keys. */
async function end(sql: Sql, authority: Authority, next: RootKeys): Promise<void> {
  const checks = await lockedChecks(sql);
  // Another process has run the same rotation to its end.
  if (checks.next === undefined) return;
  for (const purpose of PURPOSES) await dropOldVaultKeys(sql, purpose);
  await rewrapVaultKeys(sql, authority.roots, next);
  await sql.run("UPDATE meta SET value = ? WHERE name = ?", checks.next, ROOT_CHECK);
  await sql.run("DELETE FROM meta WHERE name = ?", ROOT_CHECK_NEXT);
}

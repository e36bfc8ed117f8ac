/**
 * The opening of a vault: its root key found and proved, its identity read or made, and then its host.
 *
 * Owns the order of these. Must not know who asks for a vault, nor what is done with it.
 *
 * @module
 */
import { isUint8Array } from "../base/bytes.ts";
import type { SealedMlKem } from "../crypto/hpke/given-ml-kem.ts";
import { readyRandom } from "../crypto/primitives/random.ts";
import type { SecretBytes } from "../crypto/primitives/secret-bytes.ts";
import { UUID_BYTES, uuidV4 } from "../crypto/primitives/uuid.ts";
import { isVaultError, VaultError } from "../errors.ts";
import { clearExpiredAnswers } from "./access/idempotency.ts";
import { type Authority, openAuthority } from "./authority/authority.ts";
import { beginAuthority } from "./authority/begin.ts";
import { disposeVaultKeys } from "./authority/vault-keys.ts";
import { VaultHost } from "./host.ts";
import { destroyDueKeks } from "./keks/lifecycle.ts";
import { storedKeysWithOldLabel } from "./kv/old-label.ts";
import { findNextRootKey, findRootKey, type RootKeyRequest, rereadRootKeys } from "./root/root-key.ts";
import { ROOT_FORM_NAMES, RootKeys } from "./root/root-keys.ts";
import {
  checksAmong,
  type FindRoots,
  ROOT_CHECK,
  ROOT_CHECK_NEXT,
  type RootChecks,
  Roots,
} from "./root/roots.ts";
import type { Database } from "./storage/database.ts";

/** How to open a host. */
export interface HostOptions extends RootKeyRequest {
  /** Told what the user should know. */
  readonly onNotice: (notice: string) => void;
  /** The clock of stored times, in milliseconds. */
  readonly now: () => number;
  /** ML-KEM-768 where the runtime has none. */
  readonly mlKem?: SealedMlKem | undefined;
}

/**
 * Unlocks the vault in a database, which becomes the host's to close; a database without one gets one if `create` allows
 * it.
 *
 * @throws VaultError ERR_VAULT_NOT_FOUND, ERR_ROOT_KEY_WRONG, ERR_ROOT_KEY_MISSING, ERR_ROOT_KEY_INVALID, and the storage's codes
 */
export async function openHost(database: Database, options: HostOptions): Promise<VaultHost> {
  try {
    readyRandom();
    const { roots, vaultId } = await unlock(database, options);
    let authority: Authority;
    try {
      authority = await openAuthority(database, roots, vaultId, options.now);
    } catch (error) {
      roots.dispose();
      throw error;
    }
    try {
      const vault = { database, authority, vaultId, now: options.now, mlKem: options.mlKem };
      await destroyDueKeks(vault);
      await clearExpiredAnswers(vault);
      return new VaultHost(vault, await storedKeysWithOldLabel(database, authority), options);
    } catch (error) {
      authority.dispose();
      throw error;
    }
  } catch (error) {
    await database.close();
    throw error;
  }
}

interface Identity {
  readonly vaultId: Uint8Array;
  readonly checks: RootChecks;
}

const MADE_NOTICE = "there was no vault: made a new, empty one under the root key given";

/** Finds the root key and proves it; a vault without one gets one. */
async function unlock(
  database: Database,
  options: HostOptions,
): Promise<{ roots: Roots; vaultId: Uint8Array }> {
  const stored = await readIdentity(database);
  if (stored === undefined && !options.create) {
    throw new VaultError("ERR_VAULT_NOT_FOUND", "there is no vault in this database yet");
  }
  const root = findRootKey({ ...options, create: stored === undefined });
  try {
    for (const notice of root.notices) options.onNotice(notice);
    // Where the root key was there before, a vault may have been expected to be there as well.
    if (stored === undefined && root.source !== "created") options.onNotice(MADE_NOTICE);
    const { vaultId, checks } = stored ?? (await createIdentity(database, root.key, options.now()));
    let isFirst = true;
    const find: FindRoots = () => {
      const isFromFile = root.source === "file" || root.source === "created";
      const found = isFirst
        ? [root.key, findNextRootKey(options)].filter((key) => key !== undefined)
        : isFromFile
          ? rereadRootKeys(options)
          : [];
      const all = found.flatMap((key) => rootsOf(key, vaultId));
      for (const key of found) if (key !== root.key) key.dispose();
      isFirst = false;
      return all;
    };
    try {
      return { roots: new Roots(checks, find), vaultId };
    } catch (error) {
      if (!isVaultError(error, "ERR_ROOT_KEY_WRONG")) throw error;
      throw new VaultError(
        "ERR_ROOT_KEY_WRONG",
        checks.next === undefined
          ? `the root key (from: ${root.source}) is not the one of this vault`
          : `the root of this vault is being rotated: the root key (from: ${root.source}) and the next one are both needed`,
      );
    }
  } finally {
    root.key.dispose();
  }
}

/** A root key in all forms that a vault may have. */
function rootsOf(root: SecretBytes, vaultId: Uint8Array): readonly RootKeys[] {
  return ROOT_FORM_NAMES.map((form) => new RootKeys(root, vaultId, form));
}

async function createIdentity(database: Database, root: SecretBytes, now: number): Promise<Identity> {
  const vaultId = uuidV4();
  const rootKeys = new RootKeys(root, vaultId, "authenticated");
  try {
    await database.write(async (sql) => {
      // Another process may be making the same vault: the first one decides, and the others read its answer.
      const statement = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING";
      const isFirst = (await sql.run(statement, "vault_id", vaultId)) === 1;
      if (!isFirst) return;
      await sql.run(statement, ROOT_CHECK, rootKeys.createCheck());
      disposeVaultKeys(await beginAuthority(sql, rootKeys, now));
    });
  } finally {
    rootKeys.dispose();
  }
  return (await readIdentity(database))!;
}

async function readIdentity(database: Database): Promise<Identity | undefined> {
  const { rows, kek } = await database.read(async (sql) => ({
    rows: await sql.all(
      `SELECT name, value FROM meta WHERE name IN ('vault_id', '${ROOT_CHECK}', '${ROOT_CHECK_NEXT}')`,
    ),
    kek: await sql.get("SELECT id FROM keks LIMIT 1"),
  }));
  const vaultId = rows.find((row) => row.name === "vault_id")?.value;
  const checks = checksAmong(rows);
  // A vault that is only about to be made has no KEKs.
  if (rows.length === 0 && kek === undefined) return undefined;
  if (!(isUint8Array(vaultId) && vaultId.length === UUID_BYTES && checks !== undefined)) {
    throw new VaultError("ERR_STORAGE_CORRUPT", "the vault's identity is damaged in its file");
  }
  return { vaultId, checks };
}

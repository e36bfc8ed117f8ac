/**
 * Authenticating a vault that an older coffer made (docs/spec/authority.md section 6).
 *
 * Owns what is shown of it before, and the one transaction that gives every record its MAC and every KEK its new wrap. Must not
 * know who asks for it.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import { type ApiKeyInfo, apiKeyInfo } from "./access/api-keys.ts";
import { unlessCorrupt } from "./authority/authority.ts";
import { beginAuthority } from "./authority/begin.ts";
import { Macs } from "./authority/macs.ts";
import type { OpenedVault } from "./authority/opened-vault.ts";
import { kekRecord, type RowRecord, recordOf } from "./authority/record.ts";
import { disposeVaultKeys, serviceKeysOf } from "./authority/vault-keys.ts";
import { KEK_COLUMNS, kekIdentity, kekRow, setWrapped, storedVersions } from "./keks/rows.ts";
import { SEALED_ROWS } from "./kv/sealed-rows.ts";
import { AUTHENTICATE_PAGE } from "./limits.ts";
import { ROOT_CHECK, ROOT_LOCK, vaultChanged } from "./root/roots.ts";
import type { Row, Sql, SqlValue } from "./storage/database.ts";
import { updateRow } from "./storage/statements.ts";

/** What a vault holds whose rows decide: what somebody is to look at before it is believed. */
export interface AuthorityFindings {
  readonly isAuthenticated: boolean;
  readonly environments: readonly { readonly id: string; readonly name: string }[];
  /** How many versions of KEKs are in which state. */
  readonly kekVersions: Readonly<Record<string, number>>;
  readonly apiKeys: readonly ApiKeyInfo[];
  /** Ids of API keys that could rekey to other contexts and cannot any more: they lack `rekey:any` and `decrypt`. */
  readonly rekeyLimited: readonly string[];
  readonly webhooks: readonly { readonly id: string; readonly environmentId: string; readonly url: string }[];
  readonly objects: number;
}

/** What was authenticated. */
export interface AuthenticationReport extends AuthorityFindings {
  /** Ids of KEKs and webhooks that no key opens: they got no MAC, and are refused as they were before. */
  readonly damaged: readonly string[];
}

/** What is there. Changes nothing. */
export function authorityFindings({ database, authority }: OpenedVault): Promise<AuthorityFindings> {
  return database.read(async (sql) => {
    const environments = await sql.all("SELECT id, name FROM environments ORDER BY name");
    const states = await sql.all(
      "SELECT state, count(*) AS n FROM kek_versions GROUP BY state ORDER BY state",
    );
    const apiKeys = (await sql.all("SELECT * FROM api_keys ORDER BY created_at, id")).map(apiKeyInfo);
    const webhooks = await sql.all(
      "SELECT id, environment_id, url FROM webhooks WHERE disabled_at IS NULL ORDER BY created_at, id",
    );
    const objects = await sql.get("SELECT count(*) AS n FROM kv_objects");
    return {
      isAuthenticated: authority.isAuthenticated,
      environments: environments.map((row) => ({ id: row.id as string, name: row.name as string })),
      kekVersions: Object.fromEntries(states.map((row) => [row.state as string, row.n as number])),
      apiKeys,
      rekeyLimited: apiKeys.filter(isRekeyLimited).map(({ id }) => id),
      webhooks: webhooks.map((row) => ({
        id: row.id as string,
        environmentId: row.environment_id as string,
        url: row.url as string,
      })),
      objects: objects!.n as number,
    };
  });
}

function isRekeyLimited({ permissions, revokedAt }: ApiKeyInfo): boolean {
  return (
    revokedAt === null &&
    permissions.includes("rekey") &&
    !permissions.includes("decrypt") &&
    !permissions.includes("rekey:any")
  );
}

/**
 * Authenticates all that is there. Whoever has the vault open must open it again.
 *
 * @param vault - as it is not authenticated yet
 * @throws VaultError ERR_STORAGE_UNAVAILABLE if another process has done it since the vault was opened
 */
export async function authenticateVault(vault: OpenedVault): Promise<AuthenticationReport> {
  const findings = await authorityFindings(vault);
  const damaged = await vault.database.write((sql) => authenticateAll(sql, vault));
  // The old wraps were overwritten.
  await vault.database.scrub();
  return { ...findings, isAuthenticated: true, damaged };
}

async function authenticateAll(
  sql: Sql,
  { authority, vaultId, now }: OpenedVault,
): Promise<readonly string[]> {
  const root = authority.roots.newest.authenticated!;
  // First: it waits for those that write, and they for it.
  await sql.lock(ROOT_LOCK);
  const changed = await sql.run(
    "UPDATE meta SET value = ? WHERE name = ? AND value = ?",
    root.createCheck(),
    ROOT_CHECK,
    authority.roots.check,
  );
  if (changed === 0) throw vaultChanged();
  const keys = await beginAuthority(sql, root, now());
  const macs = new Macs(keys);
  const service = serviceKeysOf(keys, vaultId);
  const damaged: string[] = [];
  /** Runs `work` on a row, and notes one that no key opens. */
  const orDamaged = async (id: string, work: () => Promise<true>): Promise<void> => {
    if ((await unlessCorrupt(work)) === undefined) damaged.push(id);
  };
  const seal = (table: string, record: RowRecord, id: SqlValue): Promise<void> =>
    updateRow(sql, table, id, { mac: macs.of(record) });
  try {
    await eachRow(sql, `SELECT ${KEK_COLUMNS} FROM keks`, (row) =>
      orDamaged(row.id as string, async () => {
        const kek = kekRow(row);
        for (const { version, wrapped } of await storedVersions(sql, kek.id)) {
          if (wrapped === null) continue;
          const identity = kekIdentity(kek, version as number);
          const bytes = authority.roots.unwrap(wrapped as Uint8Array, identity);
          await setWrapped(sql, kek.id, version!, root.wrap(bytes, identity));
          bytes.fill(0);
        }
        await seal("keks", kekRecord(row, await storedVersions(sql, kek.id)), kek.id);
        return true;
      }),
    );
    for (const table of ["environments", "api_keys", "events"] as const) {
      await eachRow(sql, SEALED_ROWS[table], (row) => seal(table, recordOf(table, row), row.id!));
    }
    await eachRow(sql, SEALED_ROWS.webhooks, (row) =>
      orDamaged(row.id as string, async () => {
        const owner = utf8(row.id as string, "id");
        const secret = authority.serviceKeys.openSecret(row.sealed_secret as Uint8Array, owner);
        const sealed_secret = service.sealSecret(secret, owner);
        secret.fill(0);
        const mac = macs.of(recordOf("webhooks", { ...row, sealed_secret }));
        await updateRow(sql, "webhooks", row.id!, { sealed_secret, mac });
        return true;
      }),
    );
    for (const table of ["kv_objects", "kv_versions"] as const) {
      await eachRow(sql, SEALED_ROWS[table], (row) => seal(table, recordOf(table, row), row.id!));
    }
    // They are known by HMACs under keys that are no more.
    await sql.run("DELETE FROM idempotent_answers");
    await sql.raise("keks", "revocations", "api_keys");
    return damaged;
  } finally {
    service.dispose();
    disposeVaultKeys(keys);
  }
}

/** Runs `work` on all rows, a page at a time, in the order of their ids. */
async function eachRow(sql: Sql, select: string, work: (row: Row) => Promise<void>): Promise<void> {
  for (let after: SqlValue = ""; ; ) {
    const page: readonly Row[] = await sql.all(
      `SELECT * FROM (${select}) AS found WHERE id > ? ORDER BY id LIMIT ${AUTHENTICATE_PAGE}`,
      after,
    );
    for (const row of page) await work(row);
    if (page.length < AUTHENTICATE_PAGE) return;
    after = page.at(-1)!.id as SqlValue;
  }
}

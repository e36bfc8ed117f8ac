/**
 * Environments: the tenants of a vault.
 *
 * Owns their names and their rows. Must not know what is in them.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { OpenedVault } from "./authority/opened-vault.ts";
import { recordOf } from "./authority/record.ts";
import { newId } from "./ids.ts";
import { ENVIRONMENT_ID_PREFIX, ENVIRONMENT_NAME } from "./limits.ts";
import { WITH_ROOT } from "./root/roots.ts";
import type { SqlValue } from "./storage/database.ts";
import { insertRow, updateRow } from "./storage/statements.ts";

/** An environment: a tenant of a host. */
export interface EnvironmentInfo {
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

/** @throws VaultError ERR_ENVIRONMENT_INVALID unless it is 1 to 64 of a-z, 0-9, `-`, `_` */
export function checkEnvironmentName(name: string): void {
  if (typeof name === "string" && ENVIRONMENT_NAME.test(name)) return;
  throw new VaultError("ERR_ENVIRONMENT_INVALID", "an environment's name is 1 to 64 of a-z, 0-9, - and _");
}

/** Environments by name. @param which - a condition on their rows, and its parameters */
export function listEnvironments(
  { database, authority }: OpenedVault,
  which = "name = name",
  ...parameters: readonly SqlValue[]
): Promise<EnvironmentInfo[]> {
  return database.read(async (sql) => {
    const known = await authority.look(sql);
    const rows = await sql.all(
      `SELECT id, name, created_at, generation, mac FROM environments WHERE ${which} ORDER BY name`,
      ...parameters,
    );
    return rows.map((row) => {
      known.check(recordOf("environments", row), row.mac);
      return {
        id: row.id as string,
        name: row.name as string,
        createdAt: new Date(row.created_at as number).toISOString(),
      };
    });
  });
}

/** The environment of a name, made if there is none. @throws VaultError ERR_ENVIRONMENT_INVALID */
export async function environmentOf(vault: OpenedVault, name: string): Promise<EnvironmentInfo> {
  checkEnvironmentName(name);
  const { database, authority, now } = vault;
  const find = async (): Promise<EnvironmentInfo | undefined> =>
    (await listEnvironments(vault, "name = ?", name))[0];
  const found = await find();
  if (found !== undefined) return found;
  await database.write(async (sql) => {
    const id = newId(ENVIRONMENT_ID_PREFIX);
    const row = { id, name, created_at: now() };
    const inserted = await insertRow(sql, "environments", row, "ON CONFLICT (name) DO NOTHING");
    if (inserted === 0) return; // Another process was faster.
    const generation = await (await authority.change(sql)).append("environment", id);
    const mac = authority.seal(recordOf("environments", { ...row, generation }));
    await updateRow(sql, "environments", id, { generation, mac });
  }, WITH_ROOT);
  return (await find())!;
}

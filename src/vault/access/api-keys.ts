/**
 * API keys: who may ask a server for what.
 *
 * Owns their form, their rows (only a hash is stored) and the permissions and constraints that hang on one. Must not know
 * HTTP, nor how a caller is recognised (callers.ts).
 *
 * @module
 */
import { encodeBase64 } from "../../base/base64.ts";
import { utf8 } from "../../base/bytes.ts";
import { canonicalContext, contextObject, type KeyContext } from "../../crypto/keys/key-context.ts";
import { hash } from "../../crypto/primitives/hash.ts";
import { randomBytes } from "../../crypto/primitives/random.ts";
import { invalidRange, invalidType, VaultError } from "../../errors.ts";
import type { OpenedVault } from "../authority/opened-vault.ts";
import { recordOf } from "../authority/record.ts";
import { newId } from "../ids.ts";
import {
  API_KEY_BYTES,
  API_KEY_CHECKSUM_CHARS,
  API_KEY_ID_PREFIX,
  API_KEY_NAME_CHARS_MAX,
  API_KEY_PREFIX,
} from "../limits.ts";
import { WITH_ROOT } from "../root/roots.ts";
import type { Row } from "../storage/database.ts";
import { insertRow, updateRow } from "../storage/statements.ts";

/** What an API key may be allowed. Nothing is allowed that is not listed. */
export const PERMISSIONS = [
  "encrypt",
  "decrypt",
  "rekey",
  "rekey:any",
  "absorb",
  "kv:read",
  "kv:write",
  "admin",
] as const;

/** One thing that an API key may be allowed. */
export type Permission = (typeof PERMISSIONS)[number];

/** What is known of an API key; never the key. */
export interface ApiKeyInfo {
  readonly id: string;
  readonly name: string;
  readonly environmentId: string;
  readonly permissions: readonly Permission[];
  /** Entries that a context must have for this key to touch what is under it; empty for all contexts. */
  readonly constraints: KeyContext;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339, or null while the key is good. */
  readonly revokedAt: string | null;
}

/** The API keys of one database. */
export class ApiKeys {
  readonly #vault: OpenedVault;

  constructor(vault: OpenedVault) {
    this.#vault = vault;
  }

  /**
   * Makes a key.
   *
   * @param request.name - 1 to 100 characters
   * @param request.permissions - at least one
   * @param request.constraints - entries that contexts must have; default none
   * @returns the key, which is never shown again, and what is stored of it
   * @throws TypeError or RangeError ERR_INVALID_ARGUMENT; VaultError ERR_KEY_CONTEXT_INVALID
   */
  async create(
    environmentId: string,
    request: {
      readonly name: string;
      readonly permissions: readonly Permission[];
      readonly constraints?: KeyContext | undefined;
    },
  ): Promise<{ readonly key: string; readonly info: ApiKeyInfo }> {
    const { name } = request;
    if (
      typeof name !== "string" ||
      name === "" ||
      [...name].length > API_KEY_NAME_CHARS_MAX ||
      !name.isWellFormed()
    ) {
      throw invalidRange(`an API key's name has 1 to ${API_KEY_NAME_CHARS_MAX} characters`);
    }
    const permissions = [...new Set(request.permissions)];
    if (permissions.length === 0) throw invalidRange("an API key needs at least one permission");
    for (const permission of permissions) {
      if (!PERMISSIONS.includes(permission))
        throw invalidType(`a permission is one of ${PERMISSIONS.join(", ")}`);
    }
    const given = request.constraints;
    const constraints =
      given === undefined || Object.keys(given).length === 0 ? {} : contextObject(canonicalContext(given));
    if (permissions.includes("admin") && Object.keys(constraints).length > 0) {
      throw invalidRange("admin sees the whole environment: an API key with it cannot be constrained");
    }
    const secret = toBase64Url(randomBytes(API_KEY_BYTES));
    const key = `${API_KEY_PREFIX}${secret}${checksum(secret)}`;
    const row = {
      id: newId(API_KEY_ID_PREFIX),
      environment_id: environmentId,
      name,
      digest: digestOf(key),
      permissions: JSON.stringify(permissions),
      constraints: JSON.stringify(constraints),
      created_at: this.#vault.now(),
      revoked_at: null,
      generation: 0,
    };
    await this.#vault.database.write(async (sql) => {
      await this.#vault.authority.prepare(sql);
      const mac = this.#vault.authority.seal(recordOf("api_keys", row));
      await insertRow(sql, "api_keys", { ...row, mac });
    }, WITH_ROOT);
    return { key, info: apiKeyInfo(row) };
  }

  /** The keys of an environment, or of all, the newest first; revoked ones too. */
  list(environmentId?: string): Promise<ApiKeyInfo[]> {
    return this.#vault.database.read(async (sql) => {
      const known = await this.#vault.authority.look(sql);
      const rows = await sql.all(
        "SELECT * FROM api_keys WHERE environment_id = coalesce(?, environment_id) ORDER BY created_at DESC, id",
        environmentId ?? null,
      );
      for (const row of rows) known.check(recordOf("api_keys", row), row.mac);
      return rows.map(apiKeyInfo);
    });
  }

  /**
   * Revokes a key: from now on no server takes it. Revoking twice is the same.
   *
   * @throws VaultError ERR_API_KEY_NOT_FOUND
   */
  async revoke(id: string): Promise<ApiKeyInfo> {
    return this.#vault.database.write(async (sql) => {
      // Locks the row: what is read of it next stays so.
      await sql.run("UPDATE api_keys SET created_at = created_at WHERE id = ?", id);
      const row = await sql.get("SELECT * FROM api_keys WHERE id = ?", id);
      if (row === undefined) throw new VaultError("ERR_API_KEY_NOT_FOUND", "there is no such API key");
      const change = await this.#vault.authority.change(sql);
      change.check(recordOf("api_keys", row), row.mac);
      if (row.revoked_at !== null) return apiKeyInfo(row);
      const generation = await change.append("revoke", id);
      const changes = { revoked_at: this.#vault.now(), generation };
      const revoked = { ...row, ...changes };
      const mac = this.#vault.authority.seal(recordOf("api_keys", revoked));
      await updateRow(sql, "api_keys", id, { ...changes, mac });
      await sql.raise("api_keys");
      return apiKeyInfo(revoked);
    }, WITH_ROOT);
  }
}

/** What is stored of an API key. */
export function apiKeyInfo(row: Row): ApiKeyInfo {
  return {
    id: row.id as string,
    name: row.name as string,
    environmentId: row.environment_id as string,
    permissions: JSON.parse(row.permissions as string) as Permission[],
    constraints: JSON.parse(row.constraints as string) as KeyContext,
    createdAt: new Date(row.created_at as number).toISOString(),
    revokedAt: row.revoked_at === null ? null : new Date(row.revoked_at as number).toISOString(),
  };
}

/** base64url without padding (RFC 4648 section 5): 43 characters for 32 bytes. */
function toBase64Url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function checksum(secret: string): string {
  return toBase64Url(hash.sha256(utf8(`coffer/v1/api-key ${secret}`, "API key"))).slice(
    0,
    API_KEY_CHECKSUM_CHARS,
  );
}

/** How an API key is written: secret and checksum. */
export const KEY_FORM = /^sk_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{4})$/;

/** Whether its checksum is right: catches typing errors and foreign keys without asking the database. */
export function isWellFormedKey(key: string): boolean {
  const match = KEY_FORM.exec(key);
  return match !== null && checksum(match[1]!) === match[2];
}

/** SHA-256 of an API key: all that is stored of it. */
export function digestOf(key: string): Uint8Array {
  return hash.sha256(utf8(key, "API key"));
}

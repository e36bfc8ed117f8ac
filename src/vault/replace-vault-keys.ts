/**
 * Other vault keys for a vault whose root has leaked (docs/spec/authority.md [AUT-26]): the first transaction of its rotation.
 *
 * Owns what is sealed anew at once: the log, secrets of webhooks, the signing key. Must not know the rows whose MACs follow.
 *
 * @module
 */
import { utf8 } from "../base/bytes.ts";
import { unlessCorrupt } from "./authority/authority.ts";
import { Macs } from "./authority/macs.ts";
import type { OpenedVault } from "./authority/opened-vault.ts";
import { recordOf } from "./authority/record.ts";
import {
  createVaultKeys,
  disposeVaultKeys,
  dropOldVaultKeys,
  serviceKeysOf,
} from "./authority/vault-keys.ts";
import { SEALED_ROWS } from "./kv/sealed-rows.ts";
import { replaceSigningKey } from "./recipients/signing-key.ts";
import type { RootKeys } from "./root/root-keys.ts";
import type { Sql } from "./storage/database.ts";
import { updateRow } from "./storage/statements.ts";

/**
 * Makes all vault keys anew, wrapped under the next root only. The old ones for MACs stay, wrapped under the old root only, until
 * all rows have other MACs. What the others have sealed is sealed anew here, or forgotten.
 */
export async function replaceVaultKeys(sql: Sql, vault: OpenedVault, next: RootKeys): Promise<void> {
  const { authority, vaultId } = vault;
  const keys = await createVaultKeys(sql, next, vault.now());
  // Every process learns by the log's head that there are newer keys, before it checks a row under them.
  const macs = new Macs(keys);
  const service = serviceKeysOf(keys, vaultId);
  try {
    await authority.sealLogAnew(sql, macs);
    for (const row of await sql.all(SEALED_ROWS.webhooks)) {
      const owner = utf8(row.id as string, "id");
      const secret = await unlessCorrupt(async () => {
        await authority.check(sql, recordOf("webhooks", row), row.mac);
        return authority.serviceKeys.openSecret(row.sealed_secret as Uint8Array, owner);
      });
      if (secret === undefined) continue; // It is named when its page comes.
      const sealed_secret = service.sealSecret(secret, owner);
      secret.fill(0);
      const mac = macs.of(recordOf("webhooks", { ...row, sealed_secret }));
      await updateRow(sql, "webhooks", row.id!, { sealed_secret, mac });
    }
    // They are known by HMACs under a key that is no more.
    await sql.run("DELETE FROM idempotent_answers");
    for (const purpose of ["webhook-secret", "fingerprint"] as const) await dropOldVaultKeys(sql, purpose);
    await replaceSigningKey(sql, next, vault.now());
  } finally {
    service.dispose();
    disposeVaultKeys(keys);
  }
}

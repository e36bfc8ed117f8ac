// What holds keys is disposed of by `using`, where the compiler's libraries know it.
import { Vault, type VaultOptions } from "coffer";
import { openVault } from "coffer/vault";

export async function use(options: VaultOptions): Promise<Disposable & AsyncDisposable> {
  using vault = new Vault(options);
  using lease = await vault.lease({ organization_id: "org_1" });
  lease.encryptSync("s3cret");
  await using embedded = await openVault(":memory:");
  return embedded;
}

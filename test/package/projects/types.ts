// Results go where DOM and Web Crypto want bytes; with the settings of a new project.
import { type ItemResult, Vault, type VaultOptions } from "coffer";
import { decryptRange, localDecrypt, localEncrypt, localEncryptSync, nativeEncrypt } from "coffer/crypto";
import { VaultError, type VaultErrorCode } from "coffer/errors";
import { type SyncCrypto, wasm } from "coffer/sync";
import {
  createTestVault,
  type FaultOptions,
  type TestControl,
  type TestOperation,
  type TestVault,
} from "coffer/testing";

const key = { dataKey: "", encryptedKeys: "" };

export function atOnce(sync: SyncCrypto = wasm): string {
  new Vault({ sync }).dispose();
  return localEncryptSync("x", key, undefined, { sync });
}

export async function use(options: VaultOptions, text: string): Promise<VaultErrorCode | string> {
  const vault = new Vault(options);
  const plain: string = await vault.decrypt(text, "user:42");
  const results: ItemResult<string>[] = await vault.encryptMany([plain], { organization_id: "org_1" });
  try {
    return (await localEncrypt(plain, key)) + results.length;
  } catch (error) {
    return error instanceof VaultError ? error.code : "unknown";
  } finally {
    vault.dispose();
  }
}

export async function bytes(vault: Vault, text: string): Promise<Uint8Array[]> {
  return [
    await vault.decrypt(text, undefined, { as: "bytes" }),
    await localDecrypt(text, key, undefined, { as: "bytes" }),
    await nativeEncrypt("x", key),
    await decryptRange(new Uint8Array(1), key, 0, 1),
  ];
}

export async function tested(operation: TestOperation): Promise<Vault> {
  const options: FaultOptions = { times: 2, operation };
  const vault: TestVault = createTestVault({ seed: "types", actor: { id: "a", name: "A" } });
  const control: TestControl = vault.control;
  control.throttle({ ...options, retryAfterS: 1 });
  await control.revoke({ organization_id: "org_1" }, "shred");
  return vault;
}

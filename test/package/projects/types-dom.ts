// Bytes that coffer gives are bytes that the platform takes.
import type { Vault } from "coffer";
import { localDecrypt, nativeEncrypt } from "coffer/crypto";

const key = { dataKey: "", encryptedKeys: "" };

export async function give(vault: Vault, text: string): Promise<unknown[]> {
  const plain = await vault.decrypt(text, undefined, { as: "bytes" });
  const native = await nativeEncrypt("x", key);
  const local = await localDecrypt(text, key, undefined, { as: "bytes" });
  return [
    new Response(plain),
    new Blob([native]),
    await crypto.subtle.digest("SHA-256", local),
    fetch("https://example.com", { method: "PUT", body: native }),
    new Blob([text]).stream().pipeThrough(vault.encryptStream({ organization_id: "org_1" })),
  ];
}

// Bytes that coffer gives are bytes that the platform takes.
import type { Bytes, Vault } from "coffer";
import {
  type DataKey,
  decryptRange,
  localDecrypt,
  localDecryptSync,
  nativeDecrypt,
  nativeEncrypt,
  nativeEncryptSync,
  openNativeSource,
} from "coffer/crypto";

const key = { dataKey: "", encryptedKeys: "" };
const context = { organization_id: "org_1" };

async function answers(vault: Vault, text: string, dataKey: DataKey): Promise<Bytes[]> {
  const native = await nativeEncrypt("x", key);
  const reader = await openNativeSource(new Blob([native]), key);
  const lease = await vault.lease(context);
  const [one, two] = await Promise.all([
    vault.decryptMany([text], undefined, { as: "bytes" }),
    lease.decryptMany([text], undefined, { as: "bytes" }),
  ]);
  return [
    native,
    nativeEncryptSync("x", key),
    await nativeDecrypt(native, key),
    await localDecrypt(text, key, undefined, { as: "bytes" }),
    localDecryptSync(text, key, undefined, { as: "bytes" }),
    await decryptRange(native, key, 0),
    await reader.read(0, 1),
    await vault.decrypt(text, undefined, { as: "bytes" }),
    await vault.decryptRange(native, 0),
    await lease.decrypt(text, undefined, { as: "bytes" }),
    lease.decryptSync(text, undefined, { as: "bytes" }),
    ...[one, two].flat().map((result) => (result.ok ? result.value : native)),
    dataKey.keyBlob,
  ];
}

export async function give(vault: Vault, text: string, dataKey: DataKey): Promise<unknown[]> {
  const given: unknown[] = [];
  for (const bytes of await answers(vault, text, dataKey)) {
    given.push(
      new Response(bytes),
      new Blob([bytes]),
      await crypto.subtle.digest("SHA-256", bytes),
      fetch("https://example.com", { method: "PUT", body: bytes }),
    );
  }
  const sealed = new Blob([text]).stream().pipeThrough(vault.encryptStream(context));
  const opened = sealed.pipeThrough(vault.decryptStream());
  const reader = opened.getReader();
  const { value } = await reader.read();
  if (value !== undefined) given.push(new Blob([value]));
  return [...given, new Response(opened), sealed.pipeTo(new WritableStream<Uint8Array>())];
}

// What every project does with coffer: as an application would write it. `print` tells what became of it.
import { isCiphertext, isVaultError, Vault } from "coffer";
import { decryptStream, encryptStream, inspect, localDecrypt, localEncrypt } from "coffer/crypto";
import { VaultError } from "coffer/errors";

// Published by workos-go (cryptography_test.go): a data key and its wrapped form.
export const KEY = {
  dataKey: "hNjAWl++MJjDZ64dUeYlgJZDEbemRmdKvNHUnnRFUNg=",
  encryptedKeys:
    "V09TLkVLTS52MQAwMjA1ZTBlYy04MjhlLTU1OTQtOTZhYy1hNjhmYzgyNTdmYjcBATEBJGNmMjllNjhhLWYzMmQtNDI4YS05NDg2LTY5YjAyM2JmNjUyNAF0Y2YyOWU2OGEtZjMyZC00MjhhLTk0ODYtNjliMDIzYmY2NTI0uRXneWi4j8iJN4vYJQfGWJVDhk3ogkZmUda857GKGPgneo0xw+M7O5Tg/Z1WbfPPc+C5ncUpj1sHz5LUaU6uSyAO48f4CdpK3dn6UjErRUM=",
};

/** @param sync - what encrypts where there is no Web Crypto */
export async function smoke({ streams = true, sync } = {}) {
  const text = await localEncrypt("grüße 🔑", KEY, "user:42", { sync });
  check(isCiphertext(text) && inspect(text).layout === "iv12", "inspect");
  check((await localDecrypt(text, KEY, "user:42", { sync })) === "grüße 🔑", "round trip");
  check(
    await fails(() => localDecrypt(text, KEY, "user:43", { sync }), "ERR_DECRYPT_FAILED"),
    "wrong associated data",
  );
  const native = await localEncrypt(new Uint8Array(40_000), KEY, undefined, { layout: "native", sync });
  check((await localDecrypt(native, KEY, undefined, { as: "bytes", sync })).length === 40_000, "native");
  if (streams) {
    const source = new Blob([new Uint8Array(50_000).fill(7)]).stream();
    const there = source.pipeThrough(encryptStream(KEY)).pipeThrough(decryptStream(KEY));
    let size = 0;
    for (const reader = there.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
    }
    check(size === 50_000, "streams");
  }
  const vault = new Vault({ apiKey: "sk_example", baseUrl: "http://127.0.0.1:9" });
  check(await fails(() => vault.decrypt("bm90IGEgY2lwaGVydGV4dA=="), "ERR_NOT_CIPHERTEXT"), "vault");
  vault.dispose();
  return "smoke: ok";
}

async function fails(call, code) {
  try {
    await call();
    return false;
  } catch (error) {
    return isVaultError(error) && error instanceof VaultError && error.code === code;
  }
}

function check(isTrue, what) {
  if (!isTrue) throw new Error(`smoke: ${what} failed`);
}

/** Methods of a vault work without it: `const { encrypt } = vault`; they can be replaced and extended as before. */
import { expect, test, vi } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { openTestVault } from "../support/vaults.ts";

const KEY_CONTEXT = { organization_id: "org_1" };

test("every method can be taken off, of every class", async () => {
  const vault = await openTestVault();
  const { encrypt, decrypt, putKv, getName, encryptJson, decryptJson, close } = vault;
  expect(await decrypt(await encrypt("x", KEY_CONTEXT))).toBe("x");
  expect(await decryptJson(await encryptJson([1], KEY_CONTEXT))).toEqual([1]);
  await putKv({ name: "a", value: "1", keyContext: KEY_CONTEXT });
  expect((await getName({ name: "a" })).value).toBe("1");
  await close();
  await expect(encrypt("x", KEY_CONTEXT)).rejects.toMatchObject({ code: "ERR_DISPOSED" });
});

test("a vault lists no methods, and they can be replaced and extended", async () => {
  class Loud extends Vault {
    override async rewrap(ciphertext: string): Promise<string> {
      return `${await super.rewrap(ciphertext)}!`;
    }
  }
  const vault = new Loud({ keys: new MemoryKeyService(), kv: {} as KvService });
  expect(Object.keys(vault).sort()).toEqual(["keks", "keys", "recipients"]);
  const text = await vault.encrypt("x", KEY_CONTEXT);
  const { rewrap } = vault;
  expect(await rewrap(text)).toMatch(/!$/);
  vi.spyOn(vault, "encrypt").mockResolvedValue("mocked");
  expect(await vault.encrypt("x", KEY_CONTEXT)).toBe("mocked");
});

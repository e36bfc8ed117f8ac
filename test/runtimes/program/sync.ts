/**
 * Calls that answer at once: built in on Node, Bun and Deno, by the argument `sync` elsewhere, and what is said where it
 * was not passed.
 *
 * Portable; what is expected is the runner's to say.
 *
 * @module
 */
import { fromUtf8 } from "../../../src/base/bytes.ts";
import {
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
  nativeDecrypt,
  nativeEncrypt,
  nativeEncryptSync,
} from "../../../src/crypto/index.ts";
import { takeLease } from "../../../src/keys/index.ts";
import { noble, type SyncCrypto, wasm } from "../../../src/sync.ts";
import { SAMPLE_1 } from "../../support/samples.ts";
import { codeOf } from "./checks.ts";
import { type Context, sampleKey } from "./context.ts";

const CONTEXT = { organization_id: "org_1" };

export async function checkSync({ checks, input }: Context): Promise<void> {
  const { isBuiltIn, providers } = input.expected;
  using key = sampleKey();
  using lease = await takeLease(
    {
      id: "one published key",
      createDataKey: async () => sampleKey(),
      createDecrypt: async () => sampleKey(),
      createRekey: async () => sampleKey(),
    },
    CONTEXT,
  );
  // Without it: at once only where it is built in, later where there is Web Crypto.
  const text = localEncryptSync("later", key, "aad", { sync: noble });
  const canWait = isBuiltIn || providers.includes("webcrypto");
  if (canWait) {
    const later = await localEncrypt("later", key, "aad");
    checks.same(await localDecrypt(later, SAMPLE_1, "aad"), "later", "later, without sync");
    const native = await nativeDecrypt(await nativeEncrypt("native", SAMPLE_1, "aad"), key, "aad");
    checks.same(fromUtf8(native), "native", "native, without sync");
    checks.same(await lease.decrypt(await lease.encrypt("a")), "a", "a lease, without sync");
    const many = await lease.encryptMany(["a", "b"]);
    checks.same(many.filter(({ ok }) => ok).length, 2, "a batch, without sync");
  }
  for (const call of [
    () => localEncrypt("a", key),
    () => localDecrypt(text, key, "aad"),
    () => nativeEncrypt("a", key),
    () => lease.encrypt("a"),
  ]) {
    await checks.refuses(canWait ? "no error" : "ERR_UNSUPPORTED", call, "a call that waits, without sync");
  }
  for (const call of [
    () => localEncryptSync("a", key),
    () => localDecryptSync(text, key, "aad"),
    () => nativeEncryptSync("a", key),
    () => lease.encryptSync("a"),
  ]) {
    try {
      call();
      checks.ok(isBuiltIn, "a call at once, without sync, answers");
    } catch (error) {
      checks.same(codeOf(error), "ERR_UNSUPPORTED", "a call at once, without sync");
      checks.ok(!isBuiltIn && String(error).includes("coffer/sync"), "what it says names the import");
    }
  }
  // With it. workerd compiles nothing at run time; its own node:crypto, where it has that, serves then.
  const compiles = providers.includes("wasm") && !input.name.startsWith("workerd");
  const tries: (readonly [string, SyncCrypto, boolean])[] = [
    ["noble", noble, true],
    ["wasm", wasm, compiles || providers.includes("node")],
  ];
  for (const [name, sync, isThere] of tries) {
    const seal = (): string => localEncryptSync("at once", key, "aad", { sync });
    if (isThere) {
      checks.same(localDecryptSync(seal(), SAMPLE_1, "aad", { sync }), "at once", `sync: ${name}`);
      const later = canWait ? localDecrypt(seal(), key, "aad") : localDecrypt(seal(), key, "aad", { sync });
      checks.same(await later, "at once", `sync: ${name}, opened later`);
    } else {
      await checks.refuses("ERR_UNSUPPORTED", seal, `sync: ${name}`);
    }
  }
  const wrong = (): unknown => localEncryptSync("a", key, "", { sync: {} as never });
  await checks.refuses("ERR_INVALID_ARGUMENT", wrong, "a sync that is none");
}

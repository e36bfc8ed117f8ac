/** What encrypts at once: built in on Node, passed as `sync` elsewhere, and what is said where it was not. */
import { describe, expect, test } from "vitest";
import { type Runtime, runtime } from "../../src/base/runtime.ts";
import { NOBLE_ROW } from "../../src/crypto/aead/noble.ts";
import { WASM_ROW } from "../../src/crypto/aead/wasm.ts";
import { WEBCRYPTO_ROW } from "../../src/crypto/aead/webcrypto.ts";
import { Ciphers, ciphersWith } from "../../src/crypto/ciphers/ciphers.ts";
import { ciphersOf, HERE } from "../../src/crypto/ciphers/of-call.ts";
import { HERE as WEB } from "../../src/crypto/ciphers/web.ts";
import { makeFastWays } from "../../src/crypto/envelope/fast/fast-ways.ts";
import {
  decryptStream,
  encryptStream,
  localDecrypt,
  localDecryptSync,
  localEncrypt,
  localEncryptSync,
  nativeDecrypt,
  nativeDecryptSync,
  nativeEncrypt,
  nativeEncryptSync,
} from "../../src/crypto/index.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { nobleHash } from "../../src/crypto/primitives/hash-noble.ts";
import { Vault } from "../../src/index.ts";
import { takeLease } from "../../src/keys/index.ts";
import { noble, wasm, wasmModule } from "../../src/sync.ts";
import { buildModule } from "../../tools/wasm/aes-gcm.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { SAMPLE_1 } from "../support/samples.ts";

/** A browser's means, without and with what is passed. */
const WASM = ciphersWith(WEB, [WASM_ROW], { hash: nobleHash, makeShortWays: makeFastWays });
const NOBLE = ciphersWith(WEB, [NOBLE_ROW], { hash: nobleHash, makeShortWays: undefined });
const context = { tenant: "a" };

/** A runtime without `subtle`, as pages that were not loaded securely have it. */
const insecure = (rows = [WEBCRYPTO_ROW]): Ciphers =>
  new Ciphers({
    rows,
    runtime: { ...runtime, crypto: undefined, webcrypto: {} as Runtime["webcrypto"] },
    name: "browser",
    hash: rows.includes(NOBLE_ROW) ? nobleHash : undefined,
    makeShortWays: undefined,
  });

describe("on Node everything is built in", () => {
  test("and what is passed changes nothing", () => {
    expect(wasm).toBe(HERE);
    expect(noble).toBe(HERE);
    expect(ciphersOf(undefined)).toBe(HERE);
    expect(localDecryptSync(localEncryptSync("a", SAMPLE_1, "", { sync: wasm }), SAMPLE_1)).toBe("a");
  });

  test("a module that was compiled ahead of time is taken", () => {
    const sync = wasmModule(new runtime.wasm!.Module(Uint8Array.from(buildModule())));
    expect(sync).not.toBe(HERE);
    const text = localEncryptSync("a", SAMPLE_1, "aad", { sync, provider: "wasm" });
    expect(localDecryptSync(text, SAMPLE_1, "aad")).toBe("a");
  });
});

describe("in a browser", () => {
  const seals = [
    (sync: Ciphers) => localEncryptSync("a", SAMPLE_1, "", { sync }),
    (sync: Ciphers) => localEncryptSync("a", SAMPLE_1, "", { sync, layout: "native" }),
    (sync: Ciphers) => nativeEncryptSync("a", SAMPLE_1, "", { sync }),
  ];

  test("calls that answer at once say what to pass", () => {
    for (const call of seals) {
      const error = errorOf(() => call(WEB));
      expect(error.code).toBe("ERR_UNSUPPORTED");
      expect(error.message).toContain('{ sync: wasm } from "coffer/sync"');
    }
    const text = localEncryptSync("a", SAMPLE_1);
    expect(errorOf(() => localDecryptSync(text, SAMPLE_1, "", { sync: WEB })).code).toBe("ERR_UNSUPPORTED");
    const bytes = nativeEncryptSync("a", SAMPLE_1);
    expect(errorOf(() => nativeDecryptSync(bytes, SAMPLE_1, "", { sync: WEB })).code).toBe("ERR_UNSUPPORTED");
    expect(errorOf(() => WEB.expand(SAMPLE_1, new Uint8Array(0), 32)).code).toBe("ERR_UNSUPPORTED");
  });

  test("and work with it", () => {
    for (const sync of [WASM, NOBLE]) {
      for (const call of seals) call(sync);
      const text = localEncryptSync("a", SAMPLE_1, "aad", { sync });
      expect(localDecryptSync(text, SAMPLE_1, "aad", { sync })).toBe("a");
      const bytes = nativeEncryptSync("a", SAMPLE_1, "aad", { sync });
      expect(new TextDecoder().decode(nativeDecryptSync(bytes, SAMPLE_1, "aad"))).toBe("a");
    }
  });

  test("calls that wait need nothing: Web Crypto encrypts and derives", async () => {
    for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const) {
      const text = await localEncrypt("later", SAMPLE_1, "aad", { layout, sync: WEB });
      expect(localDecryptSync(text, SAMPLE_1, "aad")).toBe("later");
      expect(await localDecrypt(text, SAMPLE_1, "aad", { sync: WEB })).toBe("later");
      const wrong = await rejectionOf(() => localDecrypt(text, SAMPLE_1, "aae", { sync: WEB }));
      expect(wrong.code).toBe("ERR_DECRYPT_FAILED");
    }
    const data = new Uint8Array(40_000).fill(7);
    const native = await nativeEncrypt(data, SAMPLE_1, "aad", { sync: WEB });
    expect(nativeDecryptSync(native, SAMPLE_1, "aad")).toEqual(data);
    expect(await nativeDecrypt(native, SAMPLE_1, "aad", { sync: WEB })).toEqual(data);
    const through = new Blob([data])
      .stream()
      .pipeThrough(encryptStream(SAMPLE_1, "aad", { sync: WEB }))
      .pipeThrough(decryptStream(SAMPLE_1, "aad", { sync: WEB }));
    expect(await new Response(through).bytes()).toEqual(data);
  });

  test("a key in every form is read before the call waits", async () => {
    for (const layout of ["iv12", "native"] as const) {
      const bytes = Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64"));
      const held = new DataKey({ id: "a", key: bytes, encryptedKeys: SAMPLE_1.encryptedKeys });
      const given = { dataKey: bytes, encryptedKeys: SAMPLE_1.encryptedKeys };
      const sealed = [held, given].map((key) => localEncrypt("a", key, "", { layout, sync: WEB }));
      bytes.fill(0);
      for (const text of await Promise.all(sealed)) {
        expect(localDecryptSync(text, SAMPLE_1)).toBe("a");
        expect(await localDecrypt(text, held, "", { sync: WEB })).toBe("a");
      }
      held.dispose();
      const late = await rejectionOf(() => localEncrypt("a", held, "", { layout, sync: WEB }));
      expect(late.code).toBe("ERR_DISPOSED");
    }
  });

  test("a key that is no key is refused before Web Crypto has it", async () => {
    const short = { ...SAMPLE_1, dataKey: new Uint8Array(31) };
    const error = await rejectionOf(() => nativeEncrypt("a", short, "", { sync: WEB }));
    expect(error).toBeInstanceOf(RangeError);
  });

  test("a vault that was given it answers at once", async () => {
    const keys = new MemoryKeyService();
    const given = new Vault({ keys, kv: {} as never, sync: WASM });
    const lease = await given.lease(context);
    const text = lease.encryptSync("a");
    expect(lease.decryptSync(text)).toBe("a");
    expect(lease.encryptManySync(["b"])[0]!.ok).toBe(true);
    expect(await given.decrypt(text)).toBe("a");
    expect(await given.decrypt(text, "", { sync: WEB })).toBe("a");
    expect(lease.decryptSync(text, "", { sync: NOBLE })).toBe("a");
    given.dispose();

    const bare = new Vault({ keys, kv: {} as never, sync: WEB });
    const later = await bare.lease(context);
    expect(errorOf(() => later.encryptSync("a")).code).toBe("ERR_UNSUPPORTED");
    const [many] = later.encryptManySync(["a"]);
    expect(many).toMatchObject({ ok: false, error: { code: "ERR_UNSUPPORTED" } });
    const sealed = await later.encrypt("a");
    expect(await later.decrypt(sealed)).toBe("a");
    const [item] = await bare.decryptMany([await bare.encrypt("b", context)]);
    expect(item).toEqual({ ok: true, value: "b" });
    const reused = await bare.encrypt("c", context, undefined, { reuse: true });
    expect(await bare.decrypt(reused)).toBe("c");
    bare.dispose();
  });

  test("without subtle there must be something else", async () => {
    for (const call of [
      () => localEncrypt("a", SAMPLE_1, "", { sync: insecure() }),
      () => nativeEncrypt("a", SAMPLE_1, "", { sync: insecure() }),
      () => insecure().expandLater(SAMPLE_1, new Uint8Array(0), 32),
    ]) {
      const error = await rejectionOf(call);
      expect(error.code).toBe("ERR_UNSUPPORTED");
      expect(error.message).toContain("coffer/sync");
    }
    const sync = insecure([WEBCRYPTO_ROW, NOBLE_ROW]);
    const text = await localEncrypt("a", SAMPLE_1, "", { sync, layout: "native" });
    expect(await localDecrypt(text, SAMPLE_1, "", { sync })).toBe("a");
  });
});

test.each([true, {}, "wasm", null, 5])("%j is nothing to pass", async (sync) => {
  for (const error of [
    errorOf(() => localEncryptSync("a", SAMPLE_1, "", { sync: sync as never })),
    await rejectionOf(() => localEncrypt("a", SAMPLE_1, "", { sync: sync as never })),
    errorOf(() => new Vault({ keys: new MemoryKeyService(), kv: {} as never, sync: sync as never })),
    await rejectionOf(() => takeLease(new MemoryKeyService(), context, { sync: sync as never })),
  ]) {
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("coffer/sync");
  }
});

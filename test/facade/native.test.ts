/** The native format on the face: files, ranges, upgrades and the policy (docs/spec/native-envelope.md section 9). */
import { afterEach, describe, expect, test } from "vitest";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { nativeDecryptSync } from "../../src/crypto/native/one-shot.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KvService } from "../../src/kv/kv-service.ts";
import { openVault } from "../../src/vault/index.ts";
import { concat, fromBase64, seededBytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { cutAt, pump } from "../support/streams.ts";

const CONTEXT = { organization_id: "org_1" };
const PLAINTEXT = seededBytes(2, 50_000);
const NO_STORE = {} as KvService;

function vaultOver(keys: MemoryKeyService, options: { requireCommitment?: boolean } = {}): Vault {
  return new Vault({ keys, kv: NO_STORE, ...options });
}

describe("streams and ranges", () => {
  const keys = new MemoryKeyService();
  const vault = vaultOver(keys);

  test("there and back, with one key each way", async () => {
    const before = keys.requests.length;
    const sealed = await pump(cutAt(PLAINTEXT, 7_000), vault.encryptStream(CONTEXT, "file"));
    const opened = await pump(cutAt(sealed.bytes, 7_000), vault.decryptStream("file", { context: CONTEXT }));
    expect(opened).toEqual({ bytes: PLAINTEXT, error: undefined });
    expect(await vault.decryptRange(sealed.bytes, 20_000, 20_010, "file")).toEqual(
      PLAINTEXT.subarray(20_000, 20_010),
    );
    expect(await vault.decryptRange(sealed.bytes, 49_000, undefined, "file")).toEqual(
      PLAINTEXT.subarray(49_000),
    );
    using reader = await vault.openNativeSource(new Blob([sealed.bytes as never]), "file");
    expect(reader.size).toBe(PLAINTEXT.length);
    expect(keys.requests.slice(before)).toEqual(["createDataKey", "createDecrypt"]);
    expect(keys.handedOut[0]!.isDisposed).toBe(true);
  });

  test("wrong arguments, contexts and headers cost no request", async () => {
    const before = keys.requests.length;
    expect(errorOf(() => vault.encryptStream({})).code).toBe("ERR_KEY_CONTEXT_INVALID");
    expect(errorOf(() => vault.encryptStream(CONTEXT, 5 as never)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => vault.decryptStream("x", { context: {} })).code).toBe("ERR_KEY_CONTEXT_INVALID");
    const iv12 = fromBase64(await vaultOver(new MemoryKeyService()).encrypt("x", CONTEXT));
    expect((await pump([iv12], vault.decryptStream())).error).toMatchObject({ code: "ERR_NOT_CIPHERTEXT" });
    expect((await rejectionOf(() => vault.decryptRange(iv12, 0))).code).toBe("ERR_NOT_CIPHERTEXT");
    expect(keys.requests.length).toBe(before);
  });

  test("another context than expected is a failed decryption", async () => {
    const { bytes } = await pump([PLAINTEXT], vault.encryptStream(CONTEXT));
    const context = { organization_id: "org_2" };
    expect((await pump([bytes], vault.decryptStream("", { context }))).error).toMatchObject({
      code: "ERR_DECRYPT_FAILED",
    });
    expect((await rejectionOf(() => vault.decryptRange(bytes, 0, 1, "", { context }))).code).toBe(
      "ERR_DECRYPT_FAILED",
    );
  });

  test("a service that fails, and a signal, fail the stream", async () => {
    const failing = new MemoryKeyService();
    failing.failure = new Error("out of order");
    expect((await pump([PLAINTEXT], vaultOver(failing).encryptStream(CONTEXT))).error).toBe(failing.failure);
    const slow = new MemoryKeyService();
    const release = slow.hold();
    const reason = new Error("enough");
    const controller = new AbortController();
    const stream = vaultOver(slow).encryptStream(CONTEXT, "", { signal: controller.signal });
    const pumped = pump([PLAINTEXT], stream);
    controller.abort(reason);
    expect((await pumped).error).toBe(reason);
    release();
  });

  test("a disposed vault refuses", async () => {
    const gone = vaultOver(new MemoryKeyService());
    gone.dispose();
    expect(errorOf(() => gone.encryptStream(CONTEXT)).code).toBe("ERR_DISPOSED");
    expect(errorOf(() => gone.decryptStream()).code).toBe("ERR_DISPOSED");
    for (const call of [
      () => gone.upgrade("x"),
      () => gone.decryptRange(PLAINTEXT, 0),
      () => gone.openNativeSource(PLAINTEXT),
    ]) {
      expect((await rejectionOf(call)).code).toBe("ERR_DISPOSED");
    }
  });
});

describe("upgrade", () => {
  test.each(["iv12", "leb-first", "dotnet"] as const)(
    "from %s, same context and associated data",
    async (layout) => {
      const keys = new MemoryKeyService();
      const vault = vaultOver(keys);
      for (const data of ["text", "", PLAINTEXT]) {
        const old = await vault.encrypt(data, CONTEXT, "aad", { layout });
        const upgraded = await vault.upgrade(old, "aad");
        expect(inspect(upgraded).layout).toBe("native");
        expect(inspect(upgraded).encryptedKeys).not.toBe(inspect(old).encryptedKeys);
        const as = "bytes" as const;
        const [before, after] = [
          await vault.decrypt(old, "aad", { as }),
          await vault.decrypt(upgraded, "aad", { as, context: CONTEXT, requireCommitment: true }),
        ];
        expect(after).toEqual(before);
        expect(await vault.upgrade(upgraded, "aad")).toBe(upgraded);
      }
      // Every key was let go of but what the cache keeps.
      vault.dispose();
      await Promise.resolve();
      expect(keys.handedOut.filter((key) => !key.isDisposed)).toEqual([]);
    },
  );

  test("needs the context of services that do not tell it, and checks it with those that do", async () => {
    const mute = vaultOver(new MemoryKeyService({ tellsContext: false }));
    const old = await mute.encrypt("x", CONTEXT);
    expect((await rejectionOf(() => mute.upgrade(old))).code).toBe("ERR_UNSUPPORTED");
    expect(inspect(await mute.upgrade(old, "", { context: CONTEXT })).layout).toBe("native");
    const telling = vaultOver(new MemoryKeyService());
    const other = await telling.encrypt("x", CONTEXT);
    const wrong = { context: { organization_id: "org_2" } };
    expect((await rejectionOf(() => telling.upgrade(other, "", wrong))).code).toBe("ERR_DECRYPT_FAILED");
    expect((await rejectionOf(() => telling.upgrade(other, "wrong"))).code).toBe("ERR_DECRYPT_FAILED");
  });
});

describe("[NAT-24] requireCommitment", () => {
  test("is decided before any key is asked for, and a call's own option goes before", async () => {
    const keys = new MemoryKeyService();
    const [free, strict] = [vaultOver(keys), vaultOver(keys, { requireCommitment: true })];
    const old = await free.encrypt("x", CONTEXT);
    const native = await strict.encrypt("x", CONTEXT);
    expect(inspect(native).layout).toBe("native");
    const before = keys.requests.length;
    for (const call of [
      () => strict.encrypt("x", CONTEXT, "", { layout: "iv12" }),
      () => strict.encrypt("x", CONTEXT, "", { layout: "dotnet", reuse: true }),
      () => strict.lease(CONTEXT, { layout: "leb-first" }),
      () => strict.decrypt(old),
      () => strict.rekey(old, CONTEXT),
      () => strict.rewrap(old),
      () => strict.upgrade(old),
      () => free.encrypt("x", CONTEXT, "", { layout: "iv12", requireCommitment: true }),
      () => free.decrypt(old, "", { requireCommitment: true }),
      () => free.rekey(old, CONTEXT, { requireCommitment: true }),
      () => free.decrypt(native, "", { layouts: ["iv12", "leb-first"] }),
    ]) {
      expect((await rejectionOf(call)).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
    }
    for (const results of [await strict.rekeyMany([old], CONTEXT), await strict.rewrapMany([old])]) {
      expect(results).toMatchObject([{ ok: false, error: { code: "ERR_LAYOUT_NOT_ALLOWED" } }]);
    }
    expect(keys.requests.length).toBe(before);
    expect(
      errorOf(() => new Vault({ keys, kv: NO_STORE, layout: "iv12", requireCommitment: true })).code,
    ).toBe("ERR_LAYOUT_NOT_ALLOWED");

    expect(await strict.decrypt(native)).toBe("x");
    expect(await strict.decrypt(old, "", { requireCommitment: false })).toBe("x");
    expect(inspect(await strict.upgrade(old, "", { requireCommitment: false })).layout).toBe("native");
    expect(inspect(await free.encrypt("x", CONTEXT, "", { requireCommitment: true })).layout).toBe("native");
    expect(inspect(await strict.encrypt("x", CONTEXT, "", { requireCommitment: false })).layout).toBe(
      "native",
    );
    const iv12 = await strict.encrypt("x", CONTEXT, "", { requireCommitment: false, layout: "iv12" });
    expect(inspect(iv12).layout).toBe("iv12");
    expect(inspect(await strict.rekey(native, CONTEXT)).layout).toBe("native");
  });

  test("binds leases", async () => {
    const vault = vaultOver(new MemoryKeyService(), { requireCommitment: true });
    using lease = await vault.lease(CONTEXT);
    const text = await lease.encrypt("x", "aad");
    expect(inspect(text).layout).toBe("native");
    expect(inspect(lease.encryptSync("y")).layout).toBe("native");
    expect(lease.decryptSync(text, "aad")).toBe("x");
    expect(await lease.decrypt(text, "aad")).toBe("x");
    expect(errorOf(() => lease.encryptSync("x", "", { layout: "iv12" })).code).toBe("ERR_LAYOUT_NOT_ALLOWED");
    expect((await rejectionOf(() => lease.encrypt("x", "", { layout: "iv12" }))).code).toBe(
      "ERR_LAYOUT_NOT_ALLOWED",
    );
    using free = await vault.lease(CONTEXT, { requireCommitment: false, layout: "iv12" });
    const old = free.encryptSync("x");
    expect(inspect(old).layout).toBe("iv12");
    expect(errorOf(() => free.decryptSync(old, "", { requireCommitment: true })).code).toBe(
      "ERR_LAYOUT_NOT_ALLOWED",
    );
    expect(free.decryptSync(old)).toBe("x");
  });
});

describe("the embedded vault", () => {
  const opened: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const vault of opened.splice(0)) await vault.close();
  });

  test("streams, ranges, rekeys by splice and upgrades", async () => {
    const vault = await openVault({
      path: ":memory:",
      rootKey: new Uint8Array(32).fill(1),
      requireCommitment: true,
    });
    opened.push(vault);
    const { bytes } = await pump([PLAINTEXT], vault.encryptStream(CONTEXT, "aad"));
    const text = Buffer.from(bytes).toString("base64");
    const moved = fromBase64(await vault.rekey(text, { organization_id: "org_2" }));
    expect(moved).toHaveLength(bytes.length);
    // Header apart, not one byte has changed.
    const bodyAt = 6 + 2 + inspect(text).keyBlob.bytes;
    expect(Buffer.compare(moved.subarray(bodyAt), bytes.subarray(bodyAt))).toBe(0);
    for (const envelope of [bytes, moved]) {
      expect(await vault.decryptRange(envelope, 0, 5, "aad")).toEqual(PLAINTEXT.subarray(0, 5));
    }
    using key = await vault.createDecrypt({ keys: inspect(text).encryptedKeys });
    expect(concat(nativeDecryptSync(moved, key, "aad"))).toEqual(PLAINTEXT);
    const old = await vault.encrypt("x", CONTEXT, "", { layout: "iv12", requireCommitment: false });
    const upgraded = await vault.upgrade(old, "", { requireCommitment: false });
    expect(await vault.decrypt(upgraded, "", { context: CONTEXT })).toBe("x");
    expect(
      (await rejectionOf(() => openVault({ path: ":memory:", layout: "iv12", requireCommitment: true })))
        .code,
    ).toBe("ERR_LAYOUT_NOT_ALLOWED");
  });
});

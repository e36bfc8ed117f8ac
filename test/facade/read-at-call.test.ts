/**
 * What a caller passes is read before the call returns: every public call that waits, with everything that was passed
 * changed the moment it has returned. The result is that of the values at the time of the call.
 */

import { describe, expect, test } from "vitest";
import type { AeadProviderName } from "../../src/crypto/aead/aead.ts";
import type { WritableLayout } from "../../src/crypto/envelope/layouts.ts";
import {
  decryptRange,
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
  openNativeSource,
} from "../../src/crypto/index.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { Vault } from "../../src/facade/vault.ts";
import { takeLease } from "../../src/keys/index.ts";
import type { ItemResult } from "../../src/rekey/index.ts";
import { rekey, rekeyMany, rewrap, rewrapMany } from "../../src/rekey/index.ts";
import { openVault } from "../../src/vault/index.ts";
import { WorkOSVault } from "../../src/workos/vault.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { startServer } from "../support/server.ts";
import { spoil } from "../support/spoil.ts";
import { freshPath, openTestVault } from "../support/vaults.ts";

/** Calls with arguments of its own making, and spoils them as soon as the call has returned. */
async function spoiling<A extends object, T>(args: A, call: (args: A) => PromiseLike<T> | T): Promise<T> {
  const answer = call(args);
  spoil(args);
  return answer;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (array: Uint8Array): string => new TextDecoder().decode(array);
const TEXT = "what was passed ".repeat(4000); // Larger than a chunk of the native format.
const AAD = "user:42";
const RAW = Uint8Array.from(Buffer.from(SAMPLE_1.dataKey, "base64"));
const BLOB = { encryptedKeys: SAMPLE_1.encryptedKeys };
const dataKey = (): DataKey => new DataKey({ id: "id", key: RAW.slice(), ...BLOB });
const PROVIDERS: readonly (AeadProviderName | undefined)[] = [
  undefined,
  "node",
  "webcrypto",
  "wasm",
  "noble",
];
const LAYOUTS: readonly WritableLayout[] = ["iv12", "leb-first", "dotnet", "native"];
const values = <T>(results: readonly ItemResult<T>[]): T[] =>
  results.map((result) => {
    if (!result.ok) throw result.error;
    return result.value;
  });

describe.each(PROVIDERS)("[ENV-36] coffer/crypto by %s", (provider) => {
  const right = { dataKey: RAW, ...BLOB };

  test.each(LAYOUTS)("localEncrypt and localDecrypt, %s, with raw keys and held ones", async (layout) => {
    for (const data of [TEXT, "short"]) {
      for (const key of [
        { dataKey: RAW.slice(), ...BLOB },
        { dataKey: SAMPLE_1.dataKey, ...BLOB },
        dataKey(),
      ]) {
        const args = { data: bytes(data), key, aad: bytes(AAD), options: { layout, provider } };
        const sealed = await spoiling(args, (a) => localEncrypt(a.data, a.key, a.aad, a.options));
        expect(localDecryptSync(sealed, right, AAD)).toBe(data);
      }
      const sealed = localEncryptSync(data, right, AAD, { layout });
      for (const key of [{ dataKey: RAW.slice() }, { dataKey: SAMPLE_1.dataKey }, dataKey()]) {
        const args = { key, aad: bytes(AAD), options: { layouts: [layout], provider, as: "bytes" as const } };
        expect(text(await spoiling(args, (a) => localDecrypt(sealed, a.key, a.aad, a.options)))).toBe(data);
      }
    }
  });

  test("nativeEncrypt and nativeDecrypt", async () => {
    const args = {
      data: bytes(TEXT),
      key: { dataKey: RAW.slice(), ...BLOB },
      aad: bytes(AAD),
      options: { provider },
    };
    const sealed = await spoiling(args, (a) => nativeEncrypt(a.data, a.key, a.aad, a.options));
    expect(text(nativeDecryptSync(sealed, right, AAD))).toBe(TEXT);
    const given = { sealed, key: { dataKey: RAW.slice() }, aad: bytes(AAD), options: { provider } };
    expect(text(await spoiling(given, (a) => nativeDecrypt(a.sealed, a.key, a.aad, a.options)))).toBe(TEXT);
  });

  test("[NAT-27] encryptStream and decryptStream: a chunk until its write has resolved", async () => {
    const run = async (stream: TransformStream<Uint8Array, Uint8Array>, whole: Uint8Array, size: number) => {
      const reading = new Response(stream.readable).bytes();
      const writer = stream.writable.getWriter();
      const chunk = new Uint8Array(size);
      for (let at = 0; at < whole.length; at += size) {
        const part = chunk.subarray(0, Math.min(size, whole.length - at));
        part.set(whole.subarray(at, at + size));
        await writer.write(part);
        chunk.fill(0x58);
      }
      await writer.close();
      return reading;
    };
    for (const size of [7000, 16 * 1024, 40_000]) {
      const args = { key: { dataKey: RAW.slice(), ...BLOB }, aad: bytes(AAD), options: { provider } };
      const encrypting = await spoiling(args, (a) => encryptStream(a.key, a.aad, a.options));
      const sealed = await run(encrypting, bytes(TEXT), size);
      expect(text(nativeDecryptSync(sealed, right, AAD))).toBe(TEXT);
      const given = { key: { dataKey: RAW.slice() }, aad: bytes(AAD), options: { provider } };
      const decrypting = await spoiling(given, (a) => decryptStream(a.key, a.aad, a.options));
      expect(text(await run(decrypting, sealed, size))).toBe(TEXT);
    }
  });

  test("openNativeSource and decryptRange: all but the source", async () => {
    const sealed = nativeEncryptSync(TEXT, right, AAD);
    const args = () => ({ key: { dataKey: RAW.slice() }, aad: bytes(AAD), options: { provider } });
    const part = await spoiling(args(), (a) => decryptRange(sealed, a.key, 100, 30_000, a.aad, a.options));
    expect(text(part)).toBe(TEXT.slice(100, 30_000));
    using reader = await spoiling(args(), (a) => openNativeSource(sealed, a.key, a.aad, a.options));
    expect(text(await reader.read())).toBe(TEXT);
  });

  test("[NAT-28] a source that changes meanwhile does not decrypt, and never as something else", async () => {
    const sealed = nativeEncryptSync(TEXT, right, AAD);
    using reader = await openNativeSource(sealed, { dataKey: RAW }, AAD, { provider });
    const reading = reader.read();
    sealed.fill(0x58, 1000);
    expect((await rejectionOf(() => reading)).code).toBe("ERR_DECRYPT_FAILED");
  });

  test.each(LAYOUTS)("a lease, %s", async (layout) => {
    const service = new MemoryKeyService();
    const options = { layout, provider, maxMessages: 1000, maxBytes: 10_000_000, maxAgeMs: 60_000 };
    const args = { context: { organization_id: "org_1" }, options };
    using lease = await spoiling(args, (a) => takeLease(service, a.context, a.options));
    expect([lease.messagesLeft, lease.bytesLeft]).toEqual([1000, 10_000_000]);
    const own = service.handedOut[0]!;
    expect(own.context).toEqual({ organization_id: "org_1" });
    const one = { data: bytes(TEXT), aad: bytes(AAD), options: { layout } };
    const sealed = await spoiling(one, (a) => lease.encrypt(a.data, a.aad, a.options));
    expect(localDecryptSync(sealed, own, AAD)).toBe(TEXT);
    const opening = { aad: bytes(AAD), options: { as: "bytes" as const } };
    expect(text(await spoiling(opening, (a) => lease.decrypt(sealed, a.aad, a.options)))).toBe(TEXT);
    const many = {
      items: [bytes("1"), bytes(TEXT), { data: bytes("3"), associatedData: bytes("own") }, bytes("4")],
      aad: bytes(AAD),
      options: { layout },
    };
    const all = values(await spoiling(many, (a) => lease.encryptMany(a.items, a.aad, a.options)));
    const aads = [AAD, AAD, "own", AAD];
    expect(all.map((each, i) => localDecryptSync(each, own, aads[i]))).toEqual(["1", TEXT, "3", "4"]);
    const back = {
      items: all.map((ciphertext, i) => ({ ciphertext, associatedData: bytes(aads[i]!) })),
      aad: bytes("none"),
      options: { layouts: [layout] },
    };
    expect(values(await spoiling(back, (a) => lease.decryptMany(a.items, a.aad, a.options)))).toEqual([
      "1",
      TEXT,
      "3",
      "4",
    ]);
  });
});

describe("[ENV-36] a vault", async () => {
  const server = await startServer();
  const embedded = await openTestVault();
  const http = new Vault({ apiKey: server.key, baseUrl: server.url });
  const overPorts = new Vault({ keys: new MemoryKeyService(), kv: noStore() });
  const context = () => ({ organization_id: "org_1", app: "crm" });

  describe.each([
    ["over ports", overPorts],
    ["embedded", embedded],
    ["over HTTP", http],
  ])("%s", (_, vault) => {
    test.each(LAYOUTS)("encrypt and decrypt, %s", async (layout) => {
      const limits = () => ({ maxMessages: 100, maxBytes: 1_000_000, maxAgeMs: 60_000 });
      const reuses = [() => undefined, () => true, limits];
      // Twice: the second finds a lease that is held.
      for (const reuse of [...reuses, ...reuses]) {
        const args = {
          data: bytes(TEXT),
          context: context(),
          aad: bytes(AAD),
          options: { layout, reuse: reuse() },
        };
        const sealed = await spoiling(args, (a) =>
          vault.encrypt(a.data, a.context, a.aad, a.options as object),
        );
        const opening = () => ({
          aad: bytes(AAD),
          options: { as: "bytes" as const, layouts: [layout], context: context() },
        });
        expect(text(await spoiling(opening(), (a) => vault.decrypt(sealed, a.aad, a.options)))).toBe(TEXT);
        // From the cache.
        expect(text(await spoiling(opening(), (a) => vault.decrypt(sealed, a.aad, a.options)))).toBe(TEXT);
        expect(await spoiling({ aad: bytes(AAD) }, (a) => vault.decrypt(sealed, a.aad))).toBe(TEXT);
      }
    });

    test("encryptMany and decryptMany", async () => {
      for (const reuse of [undefined, { maxMessages: 100 }]) {
        const args = {
          items: [bytes("1"), { data: bytes(TEXT), associatedData: bytes("own"), context: { a: "b" } }],
          context: context(),
          aad: bytes(AAD),
          options: { reuse, layout: "dotnet" as const },
        };
        const sealed = values(
          await spoiling(args, (a) => vault.encryptMany(a.items, a.context, a.aad, a.options)),
        );
        const back = {
          items: [sealed[0]!, { ciphertext: sealed[1]!, associatedData: bytes("own") }],
          aad: bytes(AAD),
          options: { layouts: ["dotnet" as const], as: "text" as const },
        };
        const opened = await spoiling(back, (a) => vault.decryptMany(a.items, a.aad, a.options));
        expect(values(opened)).toEqual(["1", TEXT]);
        expect(await vault.decrypt(sealed[0]!, AAD, { context: context() })).toBe("1");
        expect(await vault.decrypt(sealed[1]!, "own", { context: { a: "b" } })).toBe(TEXT);
      }
    });

    test("upgrade, lease, createDataKey, createDecrypt, createRekey", async () => {
      const sealed = await vault.encrypt(TEXT, context(), AAD);
      const args = { aad: bytes(AAD), options: { context: context(), layouts: ["iv12" as const] } };
      const upgraded = await spoiling(args, (a) => vault.upgrade(sealed, a.aad, a.options));
      expect(await vault.decrypt(upgraded, AAD, { context: context(), layouts: ["native"] })).toBe(TEXT);
      const taking = { context: context(), options: { maxMessages: 7, layout: "dotnet" as const } };
      using lease = await spoiling(taking, (a) => vault.lease(a.context, a.options));
      expect(lease.messagesLeft).toBe(7);
      expect(
        await vault.decrypt(lease.encryptSync("x"), "", { context: context(), layouts: ["dotnet"] }),
      ).toBe("x");
      using key = await spoiling({ context: context() }, (a) => vault.createDataKey(a));
      expect(key.context).toEqual(context());
      using same = await spoiling({ keys: key.encryptedKeys }, (a) => vault.createDecrypt(a));
      expect([same.dataKey, same.encryptedKeys]).toEqual([key.dataKey, key.encryptedKeys]);
      const moving = { context: { a: "b" }, encryptedKeys: key.encryptedKeys };
      using moved = await spoiling(moving, (a) => vault.createRekey(a));
      expect([moved.dataKey, moved.context]).toEqual([key.dataKey, { a: "b" }]);
    });

    test("rekey, rewrap, and many", async () => {
      // With line breaks: only a lenient reader takes them, before and after the wait.
      const sealed = (await vault.encrypt(TEXT, context(), AAD)).replace(/(.{76})/g, "$1\n");
      const options = () => ({ lenient: true, layouts: ["iv12" as const] });
      const moving = () => ({
        list: Array(20).fill(sealed),
        context: { a: "b" },
        options: options(),
        batch: { ...options(), concurrency: 1 },
      });
      const moved = await spoiling(moving(), (a) => vault.rekey(sealed, a.context, a.options));
      expect(await vault.decrypt(moved, AAD, { context: { a: "b" } })).toBe(TEXT);
      const all = values(await spoiling(moving(), (a) => vault.rekeyMany(a.list, a.context, a.batch)));
      expect(all).toHaveLength(20);
      expect(await vault.decrypt(all[19]!, AAD, { context: { a: "b" } })).toBe(TEXT);
      const wrapped = await spoiling(moving(), (a) => vault.rewrap(sealed, a.options));
      expect(await vault.decrypt(wrapped, AAD, { context: context() })).toBe(TEXT);
      const rewrapped = values(await spoiling(moving(), (a) => vault.rewrapMany(a.list, a.batch)));
      expect(rewrapped).toHaveLength(20);
      expect(await vault.decrypt(rewrapped[19]!, AAD, { context: context() })).toBe(TEXT);
    });

    test("streams and ranges", async () => {
      const args = { context: context(), aad: bytes(AAD), options: { provider: "node" as const } };
      const encrypting = await spoiling(args, (a) => vault.encryptStream(a.context, a.aad, a.options));
      const sealed = await new Response(new Blob([TEXT]).stream().pipeThrough(encrypting as never)).bytes();
      const given = () => ({ aad: bytes(AAD), options: { context: context(), provider: "wasm" as const } });
      const decrypting = await spoiling(given(), (a) => vault.decryptStream(a.aad, a.options));
      const opened = new Blob([sealed as never]).stream().pipeThrough(decrypting as never);
      expect(await new Response(opened as ReadableStream<Uint8Array<ArrayBuffer>>).text()).toBe(TEXT);
      const range = await spoiling(given(), (a) => vault.decryptRange(sealed, 5, 40, a.aad, a.options));
      expect(text(range)).toBe(TEXT.slice(5, 40));
      using reader = await spoiling(given(), (a) => vault.openNativeSource(sealed, a.aad, a.options));
      expect(text(await reader.read(5, 40))).toBe(TEXT.slice(5, 40));
    });
  });

  describe.each([
    ["embedded", embedded],
    ["over HTTP", http],
  ])("the store, %s", (name, vault) => {
    test("createKv, updateKv, reads, lists, deletes", async () => {
      const create = { name: `${name} 1`, value: "first", keyContext: context() };
      const { id, versionId } = await spoiling(create, (a) => vault.createKv(a));
      expect(await vault.getKv({ id })).toMatchObject({ value: "first", name: `${name} 1` });
      const update = { id, value: "second", versionCheck: versionId };
      await spoiling(update, (a) => vault.updateKv(a));
      expect((await spoiling({ id }, (a) => vault.getKv(a))).value).toBe("second");
      expect((await spoiling({ id, versionId }, (a) => vault.getKv(a))).value).toBe("first");
      const read = await spoiling({ name: `${name} 1` }, (a) => vault.getName(a));
      expect([read.value, read.metadata.context]).toEqual(["second", context()]);
      expect((await spoiling({ id }, (a) => vault.listKvMetadata(a))).name).toBe(`${name} 1`);
      expect((await spoiling({ id }, (a) => vault.listKvVersions(a))).data).toHaveLength(2);
      const listing = () => ({ search: name, limit: 10, updatedAfter: new Date(Date.now() + 60_000) });
      expect((await spoiling(listing(), (a) => vault.listKv(a))).data).toEqual([]);
      const walk = { search: name };
      const iterated = vault.listKv(walk)[Symbol.asyncIterator]();
      spoil(walk);
      expect((await iterated.next()).value).toMatchObject({ id });
      await spoiling({ id }, (a) => vault.deleteKv(a));
      await spoiling({ id }, (a) => vault.undeleteKv(a));
      expect((await spoiling({ id }, (a) => vault.destroyKv(a))).destroyedVersions).toBe(2);
    });

    test("the names of WorkOS's SDK", async () => {
      const sdk = new WorkOSVault(vault);
      const pair = await spoiling({ context: context() }, (a) => sdk.createDataKey(a));
      expect(pair.context).toEqual(context());
      const opened = await spoiling({ keys: pair.encryptedKeys }, (a) => sdk.decryptDataKey(a));
      expect(opened.key).toBe(pair.dataKey.key);
      const moving = { context: { a: "b" }, encryptedKeys: pair.encryptedKeys };
      expect((await spoiling(moving, (a) => sdk.createRekey(a))).context).toEqual({ a: "b" });
      const sealed = await spoiling({ context: context() }, (a) => sdk.encrypt(TEXT, a.context, AAD));
      expect(await vault.decrypt(sealed, AAD, { context: context() })).toBe(TEXT);
      const create = { name: `${name} 2`, value: "first", context: context() };
      const { id } = await spoiling(create, (a) => sdk.createObject(a));
      await spoiling({ id, value: "second" }, (a) => sdk.updateObject(a));
      expect((await spoiling({ id }, (a) => sdk.readObject(a))).value).toBe("second");
      expect((await spoiling({ name: `${name} 2` }, (a) => sdk.readObjectByName(a))).value).toBe("second");
      const listing = { search: `${name} 2`, limit: 3 };
      const list = await spoiling(listing, (a) => sdk.listObjects(a));
      expect(list.data.map((each) => each.id)).toEqual([id]);
      expect(list.options.limit).toBe(3);
      await spoiling({ id }, (a) => sdk.deleteObject(a));
    });
  });

  test("openVault: the root key and every option", async () => {
    const path = freshPath();
    const rootKey = new Uint8Array(32).fill(7);
    const args = { path, rootKey: rootKey.slice(), environment: "staging", layout: "dotnet" as const };
    const vault = await spoiling(args, (a) => openVault(a));
    const sealed = await vault.encrypt("kept", context());
    const { environmentId } = vault;
    await vault.close();
    await using again = await openVault({ path, rootKey, environment: "staging", create: false });
    expect(again.environmentId).toBe(environmentId);
    expect(await again.decrypt(sealed, "", { layouts: ["dotnet"] })).toBe("kept");
  });

  test("keys: rotate, disable, enable, list, shred", async () => {
    const vault = await openTestVault();
    await vault.createDataKey({ context: { a: "1" } });
    const entry = () => ({ name: "a", value: "1" });
    expect((await spoiling(entry(), (a) => vault.keks.rotate(a))).versions).toHaveLength(2);
    expect((await spoiling(entry(), (a) => listKeks(vault, a))).map((kek) => kek.name)).toEqual(["a"]);
    await spoiling({ ...entry(), version: 1 }, (a) => vault.keks.disable(a));
    await spoiling({ ...entry(), version: 1 }, (a) => vault.keks.enable(a));
    const shred = { selector: { ...entry(), version: 1 }, options: { dryRun: true } };
    await spoiling(shred, (a) => vault.keks.shred(a.selector, a.options));
    const [kek] = await listKeks(vault, entry());
    expect(kek!.versions.map(({ state }) => state).sort()).toEqual(["active", "decrypt-only"]);
  });

  test("coffer/rekey over a service that reads late", async () => {
    const keys = new MemoryKeyService();
    const own = new Vault({ keys, kv: noStore() });
    const sealed = await own.encrypt("x", context());
    const args = () => ({
      list: [sealed, sealed],
      context: { a: "b" },
      options: { layouts: ["iv12" as const] },
    });
    const one = await spoiling(args(), (a) => rekey(keys, sealed, a.context, a.options));
    const [two] = values(await spoiling(args(), (a) => rekeyMany(keys, a.list, a.context, a.options)));
    for (const moved of [one, two!]) expect(await own.decrypt(moved, "", { context: { a: "b" } })).toBe("x");
    const late = { context: context(), layouts: ["iv12" as const] };
    expect(await own.decrypt(await spoiling(late, (a) => rewrap(keys, sealed, a)))).toBe("x");
    expect(values(await spoiling(args(), (a) => rewrapMany(keys, a.list, a.options)))).toHaveLength(2);
  });
});

test("[ENV-37] a data key that was made of bytes is the caller's to wipe, and is not wiped for it", () => {
  const raw = RAW.slice();
  const key = new DataKey({ id: "id", key: raw, ...BLOB });
  raw.fill(0);
  expect(key.dataKey).toBe(SAMPLE_1.dataKey);
  const kept = RAW.slice();
  new DataKey({ id: "id", key: kept, ...BLOB }).dispose();
  expect(kept).toEqual(RAW);
});

/** Recipients in a vault: made, rotated, disabled, shredded; what is sealed to them opens, is absorbed, and dies with its tenant. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { KEY_BLOB_BYTES_MAX } from "../../src/crypto/limits.ts";
import { readRecipient, sealTargetOf } from "../../src/crypto/sealed/recipient-document.ts";
import { sealNewDataKeySync } from "../../src/crypto/sealed/sealed-data-key.ts";
import { SealedEncryptor, type SealedEncryptorOptions, sealedLease } from "../../src/sealed/index.ts";
import type { EmbeddedVault } from "../../src/vault/index.ts";
import { base64, fromBase64 } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { DAY_MS, TOOLS } from "../support/recipients.ts";
import { filesOf, freshPath, openTestVault, ROOT_KEY, TestClock, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1", env: "prod" };
const KEK = { name: "organization_id", value: "org_1" };

let path: string;
let vault: EmbeddedVault;
let clock: TestClock;

beforeEach(async () => {
  path = freshPath(true);
  clock = new TestClock();
  vault = await openTestVault({ path, now: clock.now, cache: { maxEntries: 0 } });
});

const codeOf = async (call: () => PromiseLike<unknown>): Promise<string> => (await rejectionOf(call)).code;
const make = async (suite: "x25519" | "x-wing" = "x25519") =>
  vault.recipients.create({ context: CONTEXT, suite });

/** What a page has: the document, and nothing else. */
async function encryptorFor(
  id: string,
  options: Partial<SealedEncryptorOptions> = {},
): Promise<SealedEncryptor> {
  const recipient = await vault.recipients.document({ id });
  return new SealedEncryptor({ recipient: JSON.stringify(recipient), now: clock.now, ...options });
}

describe("what is sealed to a recipient", () => {
  test.each(["native", "iv12"] as const)(
    "the vault decrypts (%s), and absorbs ([SDK-22], [SDK-24])",
    async (layout) => {
      const { id } = await make();
      const encryptor = await encryptorFor(id, { layout });
      expect(encryptor.context).toEqual(CONTEXT);
      const sealed = await encryptor.encrypt("hello", "form 1");
      expect(await vault.decrypt(sealed, "form 1", { context: CONTEXT })).toBe("hello");
      const key = await vault.keys.createDecrypt({ keys: inspect(sealed).encryptedKeys });
      expect(key).toMatchObject({ id: inspect(sealed).keyBlob.dataKeyId, context: CONTEXT });

      const absorbed = await vault.rewrap(sealed);
      expect(inspect(absorbed)).toMatchObject({ layout, keyBlob: { format: "coffer" } });
      const ordinary = await vault.keys.createDecrypt({ keys: inspect(absorbed).encryptedKeys });
      expect(ordinary.dataKey).toBe(key.dataKey);
      expect(await vault.decrypt(absorbed, "form 1")).toBe("hello");
      expect(await vault.rewrap(absorbed)).toBe(absorbed);
      expect(await vault.decrypt(sealed, "form 1")).toBe("hello");

      const moved = await vault.rekey(sealed, { organization_id: "org_2" });
      expect(inspect(moved).keyBlob.format).toBe("coffer");
      expect(await vault.decrypt(moved, "form 1", { context: { organization_id: "org_2" } })).toBe("hello");
      const many = await vault.rewrapMany([sealed, absorbed]);
      expect(many.map((item) => item.ok && inspect(item.value).keyBlob.format)).toEqual(["coffer", "coffer"]);
    },
  );

  test("by a lease opens too", async () => {
    const { id } = await make();
    const lease = await sealedLease(await encryptorFor(id));
    const texts = [lease.encryptSync("a"), await lease.encrypt("b")];
    expect(await Promise.all(texts.map((text) => vault.decrypt(text)))).toEqual(["a", "b"]);
  });

  test.skipIf(TOOLS.mlKem === undefined)("with X-Wing opens too", async () => {
    const { id } = await make("x-wing");
    expect(await vault.decrypt(await (await encryptorFor(id)).encrypt("pq"))).toBe("pq");
  });

  /** To whom a page seals by hand. */
  const targetOf = async (id: string) => sealTargetOf(readRecipient(await vault.recipients.document({ id })));

  test("for another context, suite, version or recipient does not open ([SDK-22])", async () => {
    const { id } = await make();
    const target = await targetOf(id);
    const open = (changed: Partial<typeof target>) =>
      codeOf(() =>
        vault.keys.createDecrypt({
          keys: base64(sealNewDataKeySync(TOOLS, { ...target, ...changed }).keyBlob),
        }),
      );
    const other = await targetOf(
      (await vault.recipients.create({ context: { organization_id: "org_9" } })).id,
    );
    expect(await open({ context: other.context })).toBe("ERR_DECRYPT_FAILED");
    expect(await open({ publicKey: other.publicKey })).toBe("ERR_DECRYPT_FAILED");
    expect(await open({ version: 2 })).toBe("ERR_KEY_NOT_FOUND");
    expect(await open({ recipientId: new Uint8Array(16).fill(1) })).toBe("ERR_KEY_NOT_FOUND");
    const wing = await make("x-wing");
    const target2 = await targetOf(wing.id);
    expect(await open({ recipientId: target2.recipientId })).toBe("ERR_DECRYPT_FAILED");
    const elsewhere = await openTestVault({ path, environment: "other", now: clock.now });
    const sealed = base64(sealNewDataKeySync(TOOLS, target).keyBlob);
    expect(await codeOf(() => elsewhere.keys.createDecrypt({ keys: sealed }))).toBe("ERR_KEY_NOT_FOUND");
    await vault.keys.createDecrypt({ keys: sealed });
  });

  test("is held to the limits of key blobs and of contexts ([SDK-28], [SDK-2])", async () => {
    const { id } = await make();
    const target = await targetOf(id);
    const { keyBlob } = sealNewDataKeySync(TOOLS, target);
    const open = (blob: Uint8Array) => codeOf(() => vault.keys.createDecrypt({ keys: base64(blob) }));
    // The largest context there is makes a blob that is far from the limit.
    const entries = Array.from({ length: 10 }, (_, i) => [`${"n".repeat(119)}${i}`, "\u{1f511}".repeat(250)]);
    const largest = await vault.recipients.create({ context: Object.fromEntries(entries) });
    const encryptor = await encryptorFor(largest.id);
    const sealed = encryptor.encryptSync("x");
    expect(inspect(sealed).keyBlob.bytes).toBeLessThan(KEY_BLOB_BYTES_MAX / 4);
    expect(await vault.decrypt(sealed)).toBe("x");
    const long = new Uint8Array(KEY_BLOB_BYTES_MAX + 1);
    long.set(keyBlob);
    expect(await open(long)).toBe("ERR_KEY_BLOB_MALFORMED");
  });

  test("is told of by the shred of a KEK version, also in a dry run ([KEY-38])", async () => {
    const { id } = await make();
    const { id: other } = await make();
    await vault.keks.rotate(KEK);
    await vault.recipients.rotate({ id });
    await make();
    await vault.recipients.shred({ id: other });
    const count = async (version?: number): Promise<number> =>
      (await vault.keks.shred({ ...KEK, version }, { dryRun: true })).recipientVersions;
    expect([await count(1), await count(2), await count()]).toEqual([1, 2, 3]);
    expect((await vault.keks.shred({ ...KEK, version: 1 })).recipientVersions).toBe(1);
    await vault.decrypt(await (await encryptorFor(id)).encrypt("x"));
  });

  test("dies with its tenant, absorbed or not ([SDK-20], [SDK-23])", async () => {
    const { id } = await make();
    const sealed = await (await encryptorFor(id)).encrypt("x");
    const absorbed = await vault.rewrap(await (await encryptorFor(id)).encrypt("y"));
    await vault.decrypt(sealed);
    await vault.keks.shred(KEK);
    for (const text of [sealed, absorbed])
      expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.rewrap(sealed))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.recipients.document({ id }))).toBe("ERR_KEY_DESTROYED");
  });
});

describe("a recipient", () => {
  test("is made, listed and told ([SDK-20])", async () => {
    const made = await make();
    expect(made).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4/),
      context: CONTEXT,
      suite: "x25519",
      state: "active",
      createdAt: "2026-01-01T00:00:00.000Z",
      requiresSender: false,
      versions: [{ version: 1, state: "active", createdAt: "2026-01-01T00:00:00.000Z" }],
    });
    expect(await vault.recipients.get({ id: made.id })).toEqual(made);
    await make();
    const page = await vault.recipients.list({ limit: 1 });
    const rest = await vault.recipients.list({ limit: 1, after: page.listMetadata.after! });
    expect(new Set([...page.data, ...rest.data].map(({ id }) => id)).size).toBe(2);
    expect(rest.listMetadata.after).toBeNull();
    expect(await codeOf(() => vault.recipients.get({ id: "x" }))).toBe("ERR_KEY_NOT_FOUND");
  });

  test("keeps its private key as no data key ([SDK-20])", async () => {
    const { id } = await make();
    const wrapped = tamper(path, (db) =>
      db.prepare("SELECT wrapped FROM recipient_versions WHERE recipient_id = ?").get(id),
    )!.wrapped as Uint8Array;
    const keys = base64(wrapped);
    for (const call of [
      () => vault.keys.createDecrypt({ keys }),
      () => vault.keys.createRewrap!({ encryptedKeys: keys }),
      () => vault.keys.createRekey({ encryptedKeys: keys, context: CONTEXT }),
    ]) {
      expect(await codeOf(call)).toBe("ERR_DECRYPT_FAILED");
    }
  });

  test("is rotated: documents have the new version, old ciphertexts open ([SDK-21])", async () => {
    const { id } = await make();
    const sealed = await (await encryptorFor(id)).encrypt("old");
    const rotated = await vault.recipients.rotate({ id });
    expect(rotated.versions.map(({ version, state }) => [version, state])).toEqual([
      [2, "active"],
      [1, "decrypt-only"],
    ]);
    const document = await vault.recipients.document({ id });
    expect(document.version).toBe(2);
    expect(document.expires_at).toBe(new Date(clock.now() + 90 * DAY_MS).toISOString());
    expect(await vault.decrypt(sealed)).toBe("old");
    const encryptor = await encryptorFor(id, { signer: document.signer, minVersion: 2 });
    expect(await vault.decrypt(await encryptor.encrypt("new"))).toBe("new");
    await vault.keks.rotate(KEK);
    expect(await vault.decrypt(sealed)).toBe("old");
  });

  test("is disabled and enabled, whole or one version ([SDK-21], [SDK-23])", async () => {
    const { id } = await make();
    const sealed = await (await encryptorFor(id)).encrypt("x");
    const other = await openTestVault({ path, now: clock.now, cache: { maxEntries: 0 } });
    expect(await other.decrypt(sealed)).toBe("x");
    expect((await vault.recipients.disable({ id })).state).toBe("disabled");
    for (const holder of [vault, other])
      expect(await codeOf(() => holder.decrypt(sealed))).toBe("ERR_KEY_DISABLED");
    expect(await codeOf(() => vault.recipients.document({ id }))).toBe("ERR_KEY_DISABLED");
    expect(await codeOf(() => vault.recipients.rotate({ id }))).toBe("ERR_KEY_STATE");
    expect((await vault.recipients.enable({ id })).state).toBe("active");
    for (const holder of [vault, other]) expect(await holder.decrypt(sealed)).toBe("x");
    await vault.recipients.rotate({ id });
    await vault.recipients.disable({ id, version: 1 });
    expect(await codeOf(() => vault.decrypt(sealed))).toBe("ERR_KEY_DISABLED");
    expect((await vault.recipients.enable({ id, version: 1 })).versions[1]!.state).toBe("decrypt-only");
    expect(await codeOf(() => vault.recipients.disable({ id, version: 3 }))).toBe("ERR_KEY_NOT_FOUND");
  });

  test("is shredded for good; what was absorbed before stays ([SDK-23], [SDK-24], [SDK-25])", async () => {
    const { id } = await make();
    const sealed = await (await encryptorFor(id)).encrypt("x");
    const absorbed = await vault.rewrap(sealed);
    const wrapped = tamper(path, (db) => db.prepare("SELECT wrapped FROM recipient_versions").get())!
      .wrapped as Uint8Array;
    expect(filesOf(path).includes(Buffer.from(wrapped))).toBe(true);
    expect((await vault.recipients.shred({ id })).state).toBe("destroyed");
    expect(filesOf(path).includes(Buffer.from(wrapped))).toBe(false);
    expect(await codeOf(() => vault.decrypt(sealed))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.recipients.shred({ id }))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.recipients.enable({ id }))).toBe("ERR_KEY_DESTROYED");
    expect(await vault.decrypt(absorbed)).toBe("x");
    expect((await vault.recipients.rotate({ id })).state).toBe("active");
    expect(await vault.decrypt(await (await encryptorFor(id)).encrypt("new"))).toBe("new");
  });

  test("whose rows were altered or put back is refused ([SDK-25])", async () => {
    const { id } = await make();
    const sealed = await (await encryptorFor(id)).encrypt("x");
    const foreign = fromBase64(
      (await vault.recipients.document({ id: (await make("x25519")).id })).public_key,
    );
    const before = tamper(path, (db) => {
      const row = db.prepare("SELECT generation, mac FROM recipients WHERE id = ?").get(id)!;
      const version = db.prepare("SELECT public_key FROM recipient_versions WHERE recipient_id = ?").get(id)!;
      db.prepare("UPDATE recipient_versions SET public_key = ? WHERE recipient_id = ?").run(foreign, id);
      return { ...row, ...version } as Record<string, Uint8Array | number>;
    });
    expect(await codeOf(() => vault.recipients.document({ id }))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.recipients.rotate({ id }))).toBe("ERR_STORAGE_CORRUPT");
    tamper(path, (db) =>
      db
        .prepare("UPDATE recipient_versions SET public_key = ? WHERE recipient_id = ?")
        .run(before.public_key!, id),
    );
    await vault.recipients.disable({ id });
    tamper(path, (db) => {
      db.prepare("UPDATE recipient_versions SET state = 'active' WHERE recipient_id = ?").run(id);
      db.prepare("UPDATE recipients SET generation = ?, mac = ? WHERE id = ?").run(
        before.generation!,
        before.mac!,
        id,
      );
    });
    expect(await codeOf(() => vault.decrypt(sealed))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.recipients.list())).toBe("ERR_STORAGE_CORRUPT");
  });

  test("needs the vault's signing key as it was made ([SDK-26])", async () => {
    const { id } = await make();
    const signer = (await vault.recipients.document({ id })).signer;
    await make();
    expect((await vault.recipients.document({ id })).signer).toBe(signer);
    tamper(path, (db) => db.exec("UPDATE vault_keys SET wrapped = zeroblob(104) WHERE purpose = 'signing'"));
    expect(await codeOf(() => vault.recipients.document({ id }))).toBe("ERR_STORAGE_CORRUPT");
  });

  test("is not made in a vault that is not authenticated ([SDK-26])", async () => {
    const old = freshPath(true);
    const fixture = join(import.meta.dirname, "../fixtures/vault-0.1/vault.db.gz");
    writeFileSync(old, gunzipSync(readFileSync(fixture)), { mode: 0o600 });
    const before = await openTestVault({ path: old, rootKey: ROOT_KEY });
    expect(await codeOf(() => before.recipients.create({ context: CONTEXT }))).toBe("ERR_UNSUPPORTED");
  });

  test("wrong arguments are refused", async () => {
    const { recipients } = vault;
    for (const call of [
      () => recipients.create(undefined as never),
      () => recipients.create({ context: CONTEXT, suite: "p256" as never }),
      () => recipients.create({ contexts: CONTEXT } as never),
      () => recipients.get({} as never),
      () => recipients.disable({ id: "x", version: 0 }),
      () => recipients.document({ id: "x" }, { validMs: 401 * DAY_MS }),
      () => recipients.list({ limit: 0 }),
    ]) {
      expect(await codeOf(call)).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(await codeOf(() => recipients.create({ context: {} }))).toBe("ERR_KEY_CONTEXT_INVALID");
  });
});

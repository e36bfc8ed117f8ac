/** A rewrap moves the private keys of recipients too; a verification tells from the bytes what is left. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { SealedEncryptor } from "../../src/sealed/index.ts";
import { IdempotentWrites } from "../../src/vault/access/idempotency.ts";
import type { EmbeddedVault } from "../../src/vault/index.ts";
import { Keyring } from "../../src/vault/keks/keyring.ts";
import { RecipientLifecycle } from "../../src/vault/recipients/lifecycle.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { openTestDatabase } from "../support/authority.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { racingDatabase } from "../support/racing-database.ts";
import { freshPath, openTestVault, sessionOf, TEST_ACTOR, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

let path: string;
let vault: EmbeddedVault;
beforeEach(async () => {
  path = freshPath(true);
  vault = await openTestVault({ path, cache: { maxEntries: 0 } });
});

/** A recipient, and a text that was sealed to its newest version. */
async function sealed(
  plaintext: string,
  id?: string,
): Promise<{ readonly id: string; readonly text: string }> {
  const own = id ?? (await vault.recipients.create({ context: CONTEXT, suite: "x25519" })).id;
  const encryptor = new SealedEncryptor({
    recipient: JSON.stringify(await vault.recipients.document({ id: own })),
  });
  return { id: own, text: await encryptor.encrypt(plaintext) };
}

const rows = () =>
  tamper(path, (db) => db.prepare("SELECT * FROM recipient_versions ORDER BY recipient_id, version").all());

describe("a rewrap", () => {
  test("[KEY-60] moves the private keys of all versions of recipients, and nothing else of them", async () => {
    const first = await sealed("one");
    await vault.recipients.rotate({ id: first.id });
    const second = await sealed("two", first.id);
    const other = await sealed("three");
    await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const before = rows();
    const info = await vault.recipients.get({ id: first.id });
    expect(await vault.rewrapKv()).toEqual({ checked: 0, rewrapped: 0, skipped: 0 });
    expect(rows()).toEqual(before);
    await vault.keks.rotate(KEK);
    const progress: number[][] = [];
    const report = await vault.rewrapKv({ onProgress: (...at) => void progress.push(at) });
    expect(report).toEqual({ checked: 4, rewrapped: 4, skipped: 0 });
    expect(progress.at(-1)).toEqual([4, 4]);
    const after = rows();
    for (const [i, row] of after.entries()) {
      expect({ ...row, wrapped: null }).toEqual({ ...before[i], wrapped: null });
      expect(row.wrapped).not.toEqual(before[i]!.wrapped);
    }
    expect(await vault.recipients.get({ id: first.id })).toEqual(info);
    expect(await vault.rewrapKv()).toEqual({ checked: 0, rewrapped: 0, skipped: 0 });
    const account = await vault.keks.shred({ ...KEK, version: 1 }, { dryRun: true });
    expect([account.kvVersions, account.recipientVersions]).toEqual([0, 0]);
    await vault.keks.shred({ ...KEK, version: 1 });
    const again = await openTestVault({ path });
    for (const [text, plaintext] of [
      [first.text, "one"],
      [second.text, "two"],
      [other.text, "three"],
    ] as const)
      expect(await again.decrypt(text)).toBe(plaintext);
    // It may be changed afterwards: its record is whole.
    expect((await again.recipients.rotate({ id: first.id })).versions).toHaveLength(3);
  });

  test("[KEY-60] leaves what is out of use or destroyed, and takes what a recipient has put out of use", async () => {
    const lost = await sealed("lost");
    const disabled = await sealed("disabled");
    const destroyed = await sealed("destroyed");
    await vault.recipients.disable({ id: disabled.id });
    await vault.recipients.shred({ id: destroyed.id });
    await vault.keks.rotate(KEK);
    await vault.keks.disable({ ...KEK, version: 1 });
    expect(await vault.rewrapKv()).toEqual({ checked: 2, rewrapped: 0, skipped: 2 });
    await vault.keks.enable({ ...KEK, version: 1 });
    expect(await vault.rewrapKv()).toEqual({ checked: 2, rewrapped: 2, skipped: 0 });
    await vault.keks.shred({ ...KEK, version: 1 });
    await vault.recipients.enable({ id: disabled.id });
    expect(await vault.decrypt(lost.text)).toBe("lost");
    expect(await vault.decrypt(disabled.text)).toBe("disabled");
  });

  test("[KEY-60] refuses a recipient that is not as it was written, and one whose key is another's", async () => {
    const [one, two] = [await sealed("one"), await sealed("two")];
    await vault.keks.rotate(KEK);
    const before = rows();
    const ofTwo = before.find((row) => row.recipient_id === two.id)!.wrapped as Uint8Array;
    const wrappedOf = tamper(path, (db) =>
      db.prepare("SELECT wrapped FROM recipient_versions WHERE recipient_id = ?").get(one.id),
    )!.wrapped as Uint8Array;
    tamper(path, (db) =>
      db.prepare("UPDATE recipient_versions SET wrapped = ? WHERE recipient_id = ?").run(ofTwo, one.id),
    );
    const again = await openTestVault({ path });
    expect((await rejectionOf(() => again.rewrapKv())).code).toBe("ERR_STORAGE_CORRUPT");
    tamper(path, (db) =>
      db.prepare("UPDATE recipient_versions SET wrapped = ? WHERE recipient_id = ?").run(wrappedOf, one.id),
    );
    await again.rewrapKv();
    expect(await again.decrypt(one.text)).toBe("one");
    expect(await again.decrypt(two.text)).toBe("two");
  });

  test("[KEY-61] several at once, and recipients that are rotated meanwhile, lose no key", async () => {
    const made = await Promise.all(Array.from({ length: 12 }, (_, i) => sealed(`${i}`)));
    const other = await openTestVault({ path });
    await vault.keks.rotate(KEK);
    const reports = await Promise.all([
      vault.rewrapKv(),
      other.rewrapKv(),
      ...made.slice(0, 4).map(({ id }) => other.recipients.rotate({ id })),
    ]);
    expect(reports.slice(0, 2).map((report) => (report as { skipped: number }).skipped)).toEqual([0, 0]);
    await vault.rewrapKv();
    expect(await vault.verifyRewrap()).toMatchObject({ checked: 16, old: 0, unreadable: 0 });
    await vault.keks.shred({ ...KEK, version: 1 });
    for (const [i, { text }] of made.entries()) expect(await vault.decrypt(text)).toBe(`${i}`);
  });
});

describe("a key pair that is made while its KEK changes", () => {
  /** Recipients over the same file, with something happening between what they read and their first write. */
  async function recipientsWith(beforeWrite: () => Promise<void>) {
    const database = await openSqlite(path, { create: false, lockWaitMs: 10_000 });
    closing.push(() => database.close());
    const racing = racingDatabase(database, beforeWrite);
    const opened = await openTestDatabase(racing);
    const keyring = new Keyring(opened, vault.environmentId);
    const events = { append: async () => {}, note: () => {} };
    const access = {
      environmentId: vault.environmentId,
      actor: TEST_ACTOR,
      scope: [],
      mayRekeyAny: true,
      absorbsOnly: false,
      events,
    };
    return new RecipientLifecycle({ ...opened, keyring, access, writes: new IdempotentWrites(opened) });
  }

  test("[REV-1] is stored under the version that is the newest by then", async () => {
    const first = await sealed("first");
    const creating = await recipientsWith(async () => void (await vault.keks.rotate(KEK)));
    const made = await creating.create({ context: CONTEXT, suite: "x25519" });
    await vault.rewrapKv();
    const rotating = await recipientsWith(async () => void (await vault.keks.rotate(KEK)));
    await rotating.rotate({ id: first.id });
    const { keks } = await vault.verifyRewrap();
    expect(keks.map(({ version, recipientVersions }) => [version, recipientVersions])).toEqual([
      [2, 2],
      [3, 1],
    ]);
    await vault.rewrapKv();
    for (const version of [1, 2]) await vault.keks.shred({ ...KEK, version });
    for (const { id, text } of [await sealed("x", made.id), await sealed("x", first.id)])
      expect([id, await vault.decrypt(text)]).toEqual([id, "x"]);
  });

  test("[REV-1] is not stored under one that was shredded a moment before", async () => {
    await sealed("first");
    const creating = await recipientsWith(async () => void (await vault.keks.shred(KEK)));
    const create = () => creating.create({ context: CONTEXT, suite: "x25519" });
    expect((await rejectionOf(create)).code).toBe("ERR_KEY_DESTROYED");
    expect((await vault.recipients.list()).data).toHaveLength(1);
  });
});

describe("a verification", () => {
  test("[KEY-62] counts every wrapped key by what its bytes name, and writes nothing", async () => {
    const both = { ...CONTEXT, app: "a" };
    for (let i = 0; i < 3; i++) await vault.createKv({ name: `${i}`, value: "v", keyContext: CONTEXT });
    const { id } = await vault.createKv({ name: "both", value: "v", keyContext: both });
    await sealed("x");
    await vault.keks.rotate(KEK);
    await vault.updateKv({ id, value: "newer" });
    const { checked, old, unreadable, keks } = await vault.verifyRewrap();
    expect([checked, old, unreadable]).toEqual([6, 5, 0]);
    const own = (await vault.keks.get(KEK)).id;
    const counts = (kekId: string) =>
      keks
        .filter((count) => count.kekId === kekId)
        .map(({ version, state, kvVersions, recipientVersions }) => [
          version,
          state,
          kvVersions,
          recipientVersions,
        ]);
    expect(counts(own)).toEqual([
      [1, "decrypt-only", 4, 1],
      [2, "active", 1, 0],
    ]);
    expect(counts((await vault.keks.get({ name: "app", value: "a" })).id)).toEqual([[1, "active", 2, 0]]);
    // What the index of KEKs says is not asked.
    tamper(path, (db) => db.exec("DELETE FROM kv_version_keks"));
    const again = await openTestVault({ path });
    expect(await again.verifyRewrap()).toMatchObject({ checked: 6, old: 5 });
  });

  test("[KEY-62] tells damaged keys, and those of KEKs that the environment does not have", async () => {
    await vault.createKv({ name: "one", value: "v", keyContext: CONTEXT });
    await vault.createKv({ name: "two", value: "v", keyContext: CONTEXT });
    await vault.createKv({ name: "three", value: "v", keyContext: CONTEXT });
    const strange = await openTestVault({ path, environment: "other" });
    await strange.createKv({ name: "one", value: "v", keyContext: CONTEXT });
    expect(await vault.verifyRewrap()).toMatchObject({ checked: 3, old: 0, unreadable: 0 });
    tamper(path, (db) => {
      const blobs = db.prepare("SELECT id, key_blob FROM kv_versions ORDER BY id").all();
      const update = db.prepare("UPDATE kv_versions SET key_blob = ? WHERE id = ?");
      update.run(new Uint8Array(8), blobs[0]!.id!);
      update.run(blobs[3]!.key_blob!, blobs[1]!.id!);
    });
    const again = await openTestVault({ path });
    expect(await again.verifyRewrap()).toMatchObject({
      checked: 3,
      old: 0,
      unreadable: 2,
      keks: [{ kvVersions: 1 }],
    });
  });

  test("[KEY-62] goes on where a part ended, object by object and version by version", async () => {
    for (let i = 0; i < 7; i++) {
      const { id } = await vault.createKv({ name: `${i}`, value: "v", keyContext: CONTEXT });
      if (i % 3 === 0) for (let n = 0; n < 200; n++) await vault.updateKv({ id, value: `${n}` });
    }
    await sealed("x");
    expect(await vault.verifyRewrap()).toMatchObject({
      checked: 7 + 600 + 1,
      old: 0,
      keks: [{ kvVersions: 607 }],
    });
  });
});

describePostgres("on PostgreSQL", () => {
  test("[KEY-60] [KEY-62] private keys are moved, and counted", async () => {
    const host = await openTestPostgresHost(await freshDatabaseUrl());
    const { kv, keks, recipients } = await sessionOf(host);
    await kv.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const made = [];
    for (let i = 0; i < 3; i++) made.push(await recipients.create({ context: CONTEXT, suite: "x25519" }));
    await keks.rotate(KEK);
    expect(await kv.verifyRewrap()).toMatchObject({ checked: 4, old: 4 });
    const reports = await Promise.all([kv.rewrapKv(), kv.rewrapKv()]);
    expect(reports.map(({ skipped }) => skipped)).toEqual([0, 0]);
    expect(await kv.verifyRewrap()).toMatchObject({
      checked: 4,
      old: 0,
      keks: [{ version: 2, recipientVersions: 3 }],
    });
    await keks.shred({ ...KEK, version: 1 });
    for (const { id } of made) expect((await recipients.document({ id })).id).toBe(id);
    await host.close();
  });
});

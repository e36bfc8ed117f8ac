/** Environment-wide recipients in a vault: whose right is asked, what a shred does and does not, and what a vault says of it. */
import { beforeEach, describe, expect, test } from "vitest";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import type { KeyContext } from "../../src/crypto/keys/key-context.ts";
import { SealedEncryptor, sealedSender } from "../../src/sealed/index.ts";
import type { EmbeddedVault } from "../../src/vault/index.ts";
import { base64, fromBase64 } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { publicKeyPlain } from "../support/sealed-plain.ts";
import {
  freshPath,
  openTestHost,
  openTestVault,
  sessionOf,
  TEST_ACTOR,
  TestClock,
  tamper,
} from "../support/vaults.ts";

const ORG_1 = { organization_id: "org_1", env: "prod" };
const ORG_2 = { organization_id: "org_2", env: "prod" };
const KEK = { name: "organization_id", value: "org_1" };
const WIDE_KEK = { name: "coffer.environment-wide", value: "recipients" };

let path: string;
let vault: EmbeddedVault;
let clock: TestClock;
let id: string;

beforeEach(async () => {
  path = freshPath(true);
  clock = new TestClock();
  vault = await openTestVault({ path, now: clock.now, cache: { maxEntries: 0 } });
  id = (await vault.recipients.create({ environmentWide: true })).id;
});

const codeOf = async (call: () => PromiseLike<unknown>): Promise<string> => (await rejectionOf(call)).code;
/** What a shipper has: the document, and a context. */
async function seal(context: KeyContext, text = "x"): Promise<string> {
  const recipient = JSON.stringify(await vault.recipients.document({ id }));
  return new SealedEncryptor({ recipient, context, now: clock.now }).encrypt(text, "aad");
}
const read = (text: string): Promise<string> => vault.decrypt(text, "aad");

describe("what is sealed to an environment-wide recipient", () => {
  test("opens for the context that it states, and is absorbed under that context's KEKs ([SDK-43])", async () => {
    const one = await seal(ORG_1, "one");
    const two = await seal(ORG_2, "two");
    expect([await read(one), await read(two)]).toEqual(["one", "two"]);
    expect(await vault.decrypt(one, "aad", { context: ORG_1 })).toBe("one");
    const absorbed = await vault.rewrap(one);
    expect(inspect(absorbed).keyBlob.format).toBe("coffer");
    const moved = await vault.rekey(two, { organization_id: "org_3" });
    expect([await read(absorbed), await read(moved)]).toEqual(["one", "two"]);
    const report = await vault.keks.shred(KEK);
    expect(report.contexts.sample).toEqual([ORG_1]);
    expect(await codeOf(() => read(absorbed))).toBe("ERR_KEY_DESTROYED");
    expect(await read(moved)).toBe("two");
  });

  test("makes no KEK when it is opened, and one when it is absorbed ([SDK-43], [SDK-44])", async () => {
    const names = async () => (await vault.keks.list()).data.map(({ name, value }) => `${name}=${value}`);
    const sealed = await seal(ORG_1);
    expect(await read(sealed)).toBe("x");
    expect(await names()).toEqual(["coffer.environment-wide=recipients"]);
    await vault.rewrap(sealed);
    expect(await names()).toEqual([
      "coffer.environment-wide=recipients",
      "env=prod",
      "organization_id=org_1",
    ]);
  });

  test("of a context whose KEK is out of use is refused, absorbed or not, by every process ([SDK-44])", async () => {
    const other = await openTestVault({ path, now: clock.now, cache: { maxEntries: 0 } });
    const sealed = await seal(ORG_1);
    const untouched = await seal(ORG_2);
    // Never used together with env, and so a context of its own without a row.
    const alone = await seal({ organization_id: "org_1" });
    (await vault.createDataKey({ context: ORG_1 })).dispose();
    for (const holder of [vault, other]) expect(await holder.decrypt(sealed, "aad")).toBe("x");
    const expectRefused = async (code: string): Promise<void> => {
      for (const holder of [vault, other]) {
        for (const text of [sealed, alone]) {
          expect(await codeOf(() => holder.decrypt(text, "aad"))).toBe(code);
          expect(await codeOf(() => holder.rewrap(text))).toBe(code);
          expect(await codeOf(() => holder.rekey(text, ORG_2))).toBe(code);
        }
        expect(await holder.decrypt(untouched, "aad")).toBe("x");
      }
    };
    await vault.keks.disable(KEK);
    await expectRefused("ERR_KEY_DISABLED");
    await vault.keks.enable(KEK);
    for (const holder of [vault, other]) expect(await holder.decrypt(alone, "aad")).toBe("x");
    await vault.keks.shred(KEK, { delayMs: 60_000 });
    await expectRefused("ERR_KEY_DISABLED");
    await vault.keks.enable(KEK);
    await vault.keks.shred(KEK);
    await expectRefused("ERR_KEY_DESTROYED");
  });

  test("leaves a vault's cache of data keys with the shred ([SDK-44])", async () => {
    const caching = await openTestVault({ path, now: clock.now });
    const sealed = await seal(ORG_1);
    (await vault.createDataKey({ context: ORG_1 })).dispose();
    expect(await caching.decrypt(sealed, "aad")).toBe("x");
    await vault.keks.shred(KEK);
    expect(await codeOf(() => caching.decrypt(sealed, "aad"))).toBe("ERR_KEY_DESTROYED");
  });

  test("is not refused for older versions, and no more once a destroyed KEK is rotated: it is a rule ([SDK-44])", async () => {
    const sealed = await seal(ORG_1);
    (await vault.createDataKey({ context: ORG_1 })).dispose();
    await vault.keks.rotate(KEK);
    await vault.keks.shred({ ...KEK, version: 1 });
    expect(await read(sealed)).toBe("x");
    await vault.keks.shred(KEK);
    expect(await codeOf(() => read(sealed))).toBe("ERR_KEY_DESTROYED");
    await vault.keks.rotate(KEK);
    expect(await read(sealed)).toBe("x");
    await vault.recipients.shred({ id });
    expect(await codeOf(() => read(sealed))).toBe("ERR_KEY_DESTROYED");
  });

  test("is refused where the rows of a shredded KEK were deleted ([SDK-44])", async () => {
    const sealed = await seal(ORG_1);
    (await vault.createDataKey({ context: ORG_1 })).dispose();
    await vault.keks.shred(KEK);
    await vault.close();
    tamper(path, (db) => {
      db.exec("PRAGMA foreign_keys = OFF");
      db.exec("DELETE FROM kek_versions WHERE state = 'destroyed'");
      db.exec("DELETE FROM context_keks");
      db.exec("DELETE FROM contexts WHERE length(canonical) > 50");
      db.exec("DELETE FROM keks WHERE id NOT IN (SELECT kek_id FROM kek_versions)");
    });
    vault = await openTestVault({ path, now: clock.now });
    expect(await codeOf(() => read(sealed))).toBe("ERR_STORAGE_CORRUPT");
  });

  test("dies with its recipient's KEK, and with the recipient ([SDK-40])", async () => {
    const sealed = await seal(ORG_1);
    await vault.keks.disable(WIDE_KEK);
    expect(await codeOf(() => read(sealed))).toBe("ERR_KEY_DISABLED");
    await vault.keks.enable(WIDE_KEK);
    expect(await read(sealed)).toBe("x");
    const report = await vault.keks.shred(WIDE_KEK);
    expect(report).toMatchObject({ recipientVersions: 1, uncoveredRecipients: { count: 0, sample: [] } });
    expect(await codeOf(() => read(sealed))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.recipients.document({ id }))).toBe("ERR_KEY_DESTROYED");
  });

  test("is opened for callers with a right to the context that it states only ([SDK-22], [SDK-43])", async () => {
    const sealed = { one: await seal(ORG_1), two: await seal(ORG_2) };
    const host = await openTestHost({ path });
    const environment = await host.environment("default");
    const bound = host.session(environment.id, {
      actor: TEST_ACTOR,
      constraints: { organization_id: "org_1" },
    });
    const open = (text: string) => bound.keys.createDecrypt({ keys: inspect(text).encryptedKeys });
    expect((await open(sealed.one)).context).toEqual(ORG_1);
    expect(await codeOf(() => open(sealed.two))).toBe("ERR_KEY_NOT_FOUND");
    // Also once that context's KEK is out of use: its state is not told.
    (await vault.createDataKey({ context: ORG_2 })).dispose();
    await vault.keks.shred({ name: "organization_id", value: "org_2" });
    expect(await codeOf(() => open(sealed.two))).toBe("ERR_KEY_NOT_FOUND");
    const keys = inspect(sealed.one).encryptedKeys;
    const [moved] = await bound.keys.rekeyMany({ items: [{ context: ORG_2, encryptedKeys: keys }] });
    expect(moved).toMatchObject({ ok: false, error: { code: "ERR_CONTEXT_NOT_ALLOWED" } });
    expect(await codeOf(() => bound.recipients.create({ environmentWide: true }))).toBe(
      "ERR_CONTEXT_NOT_ALLOWED",
    );
    await host.close();
  });
});

describe("an environment-wide recipient", () => {
  test("is named by every report of a shred as not covered, while it keeps a private key ([SDK-45])", async () => {
    const { id: gone } = await vault.recipients.create({ environmentWide: true });
    const { id: off } = await vault.recipients.create({ environmentWide: true });
    await vault.recipients.create({ context: ORG_1 });
    await vault.recipients.disable({ id: off });
    await vault.recipients.shred({ id: gone });
    const uncoveredRecipients = { count: 2, sample: [id, off].sort() };
    const dry = await vault.keks.shred(KEK, { dryRun: true });
    expect(dry).toMatchObject({ recipientVersions: 1, uncoveredRecipients });
    expect(await vault.keks.shred(KEK)).toMatchObject({ recipientVersions: 1, uncoveredRecipients });
    await vault.recipients.shred({ id });
    await vault.recipients.shred({ id: off });
    expect((await vault.keks.shred({ name: "env", value: "prod" })).uncoveredRecipients.count).toBe(0);
    const host = await openTestHost({ path });
    const environment = await host.environment("default");
    const { data } = await host.events.list(environment.id, { limit: 100 });
    const deleted = data.filter(({ event }) => event === "vault.kek.deleted").map((event) => event.data);
    expect(deleted.map((details) => details.uncovered_recipients)).toEqual([uncoveredRecipients, undefined]);
    expect(Object.keys(deleted[1]!)).not.toContain("uncovered_recipients");
    await host.close();
  });

  test("has its private keys rewrapped, and counted, like others ([KEY-60], [KEY-62], [SDK-40])", async () => {
    const sealed = await seal(ORG_1);
    await vault.recipients.rotate({ id });
    await vault.keks.rotate(WIDE_KEK);
    expect(await vault.verifyRewrap()).toMatchObject({
      checked: 2,
      old: 2,
      keks: [{ recipientVersions: 2 }],
    });
    expect(await vault.rewrapKv()).toEqual({ checked: 2, rewrapped: 2, skipped: 0 });
    expect(await vault.verifyRewrap()).toMatchObject({
      old: 0,
      keks: [{ version: 2, recipientVersions: 2 }],
    });
    const report = await vault.keks.shred({ ...WIDE_KEK, version: 1 });
    expect(report).toMatchObject({ recipientVersions: 0, uncoveredRecipients: { count: 1, sample: [id] } });
    expect(await read(sealed)).toBe("x");
  });

  test("is not made of another, nor another of it, by who writes the database ([SDK-40], [AUT-6])", async () => {
    const { id: narrow } = await vault.recipients.create({ context: ORG_1 });
    const sealed = await seal(ORG_1);
    const canonicals = tamper(path, (db) => {
      const rows = db.prepare("SELECT id, canonical FROM recipients").all();
      const of = (which: string) => rows.find((row) => row.id === which)!.canonical as Uint8Array;
      db.prepare("UPDATE recipients SET canonical = ? WHERE id = ?").run(of(id), narrow);
      return { wide: of(id), narrow: of(narrow) };
    });
    expect(await codeOf(() => vault.recipients.document({ id: narrow }))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.recipients.list())).toBe("ERR_STORAGE_CORRUPT");
    tamper(path, (db) => {
      db.prepare("UPDATE recipients SET canonical = ? WHERE id = ?").run(canonicals.narrow, narrow);
      db.prepare("UPDATE recipients SET canonical = ? WHERE id = ?").run(canonicals.narrow, id);
    });
    const again = await openTestVault({ path, now: clock.now });
    expect(await codeOf(() => again.decrypt(sealed, "aad"))).toBe("ERR_STORAGE_CORRUPT");
    expect((await again.recipients.document({ id: narrow })).context).toEqual(ORG_1);
  });

  test("keeps its private key as no data key ([SDK-20], [SDK-40])", async () => {
    const wrapped = tamper(path, (db) => db.prepare("SELECT wrapped FROM recipient_versions").get())!
      .wrapped as Uint8Array;
    const keys = Buffer.from(wrapped).toString("base64");
    expect(fromBase64(keys)).toEqual(Uint8Array.from(wrapped));
    expect(await codeOf(() => vault.keys.createDecrypt({ keys }))).toBe("ERR_DECRYPT_FAILED");
    expect(await codeOf(() => vault.keys.createRewrap!({ encryptedKeys: keys }))).toBe("ERR_DECRYPT_FAILED");
  });

  test("may demand senders, whose signature is for one context only ([SDK-42], [SDK-51], [SDK-54])", async () => {
    const { id: demanding } = await vault.recipients.create({ environmentWide: true, requireSender: true });
    const seed = new Uint8Array(32).fill(9);
    await vault.recipients.senders.add({
      recipientId: demanding,
      name: "shipper",
      publicKey: base64(publicKeyPlain("ed25519", seed)),
    });
    const recipient = await vault.recipients.document({ id: demanding });
    const sender = sealedSender({ privateKey: seed });
    const encryptor = new SealedEncryptor({ recipient, context: ORG_1, now: clock.now, sender });
    const key = encryptor.createDataKeySync();
    const open = (blob: Uint8Array) => vault.keys.createDecrypt({ keys: base64(blob) });
    expect((await open(key.keyBlob)).context).toEqual(ORG_1);
    const at = Buffer.from(key.keyBlob).indexOf("org_1") + 4;
    const moved = Uint8Array.from(key.keyBlob).fill("2".charCodeAt(0), at, at + 1);
    expect(await codeOf(() => open(moved))).toBe("ERR_DECRYPT_FAILED");
    const unsigned = new SealedEncryptor({ recipient, context: ORG_1, now: clock.now });
    expect(await codeOf(() => open(unsigned.createDataKeySync().keyBlob))).toBe("ERR_SENDER_REFUSED");
    (await vault.createDataKey({ context: ORG_1 })).dispose();
    await vault.keks.shred(KEK);
    expect(await codeOf(() => open(key.keyBlob))).toBe("ERR_KEY_DESTROYED");
  });

  test("survives a rotation of the root ([AUT-20])", async () => {
    const sealed = await seal(ORG_1);
    await vault.close();
    const nextRootKey = Buffer.alloc(32, 7).toString("base64");
    const host = await openTestHost({ path, nextRootKey });
    await host.rotateRoot({ hasLeaked: true });
    await host.close();
    vault = await openTestVault({ path, now: clock.now, rootKey: nextRootKey });
    expect(await read(sealed)).toBe("x");
    expect(await read(await seal(ORG_2))).toBe("x");
  });
});

describePostgres("on PostgreSQL", () => {
  test("is made, opens, is refused after a shred, and is named by it ([SDK-43] to [SDK-45])", async () => {
    const host = await openTestPostgresHost(await freshDatabaseUrl());
    const { keys, keks, recipients } = await sessionOf(host);
    const made = await recipients.create({ environmentWide: true });
    const recipient = await recipients.document({ id: made.id });
    const sealed = new SealedEncryptor({ recipient, context: ORG_1 }).createDataKeySync();
    const open = () => keys.createDecrypt({ keys: sealed.encryptedKeys });
    expect((await open()).dataKey).toBe(sealed.dataKey);
    (await keys.createDataKey({ context: ORG_1 })).dispose();
    expect((await keks.shred(KEK)).uncoveredRecipients).toEqual({ count: 1, sample: [made.id] });
    expect(await codeOf(open)).toBe("ERR_KEY_DESTROYED");
    await host.close();
  });
});

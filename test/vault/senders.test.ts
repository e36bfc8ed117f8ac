/** Senders in a vault: which signatures count, what is answered to others, and that who writes the database adds and restores none. */
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { isReducedSignature } from "../../src/crypto/curves/curve.ts";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { decodeSealedKeyBlob } from "../../src/crypto/keys/sealed-key-blob.ts";
import type { RecipientDocument } from "../../src/crypto/sealed/recipient-document.ts";
import type { SenderInfo } from "../../src/keks/index.ts";
import { SealedEncryptor, sealedLease, sealedSender } from "../../src/sealed/index.ts";
import type { EmbeddedVault } from "../../src/vault/index.ts";
import { SENDERS_KEPT_MS, SENDERS_MAX } from "../../src/vault/limits.ts";
import { base64, concat, flipBit, fromBase64, hex } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { DAY_MS } from "../support/recipients.ts";
import { publicKeyPlain, signSenderPlain } from "../support/sealed-plain.ts";
import {
  freshPath,
  openTestHost,
  openTestVault,
  sessionOf,
  TEST_ACTOR,
  TestClock,
  tamper,
} from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const seedOf = (number: number): Uint8Array => new Uint8Array(32).fill(number);
const publicKeyOf = (number: number): string => base64(publicKeyPlain("ed25519", seedOf(number)));

let path: string;
let vault: EmbeddedVault;
let clock: TestClock;
let recipientId: string;
let document: RecipientDocument;

beforeEach(async () => {
  path = freshPath(true);
  clock = new TestClock();
  vault = await openTestVault({ path, now: clock.now, cache: { maxEntries: 0 } });
  recipientId = (await vault.recipients.create({ context: CONTEXT, requireSender: true })).id;
  document = await vault.recipients.document({ id: recipientId });
});

const codeOf = async (call: () => PromiseLike<unknown>): Promise<string> => (await rejectionOf(call)).code;
const encryptorOf = (number?: number, recipient = document): SealedEncryptor =>
  new SealedEncryptor({
    recipient,
    now: clock.now,
    sender: number === undefined ? undefined : sealedSender({ privateKey: seedOf(number) }),
  });
const blobOf = (number?: number): Uint8Array => encryptorOf(number).createDataKeySync().keyBlob;
const add = (number: number, expiresAt?: Date): Promise<SenderInfo> =>
  vault.recipients.senders.add({
    recipientId,
    name: `partner ${number}`,
    publicKey: publicKeyOf(number),
    expiresAt,
  });
const open = (blob: Uint8Array, by = vault) => by.keys.createDecrypt({ keys: base64(blob) });
const refusal = (blob: Uint8Array) => codeOf(() => open(blob));
/** The blob, signed anew by another key: it goes on naming its sender. */
const signedBy = (number: number, unsigned: Uint8Array): Uint8Array =>
  concat(unsigned, signSenderPlain(seedOf(number), unsigned));

describe("what a recipient demands", () => {
  test("a sender of the list, for every kind of use; and who it was is told ([SDK-54], [SDK-55])", async () => {
    const { id } = await add(1);
    const encryptor = encryptorOf(1);
    const sealed = await encryptor.encrypt("hello", "form 1");
    expect(inspect(sealed).keyBlob.sender).toBe(id);
    expect(await vault.decrypt(sealed, "form 1")).toBe("hello");
    expect(await vault.decrypt(await vault.rewrap(sealed), "form 1")).toBe("hello");
    const moved = await vault.rekey(sealed, { organization_id: "org_2" });
    expect(await vault.decrypt(moved, "form 1")).toBe("hello");
    const lease = await sealedLease(encryptor);
    expect(await vault.decrypt(lease.encryptSync("b"))).toBe("b");
    const { dataKeyId } = inspect(sealed).keyBlob;
    const told = await vault.decryptSealed(sealed, "form 1");
    expect(told).toEqual({ data: "hello", dataKeyId, sender: id });
    // A copy has the same id, and what is absorbed another.
    expect((await vault.decryptSealed(sealed, "form 1")).dataKeyId).toBe(dataKeyId);
    const bytes = await vault.decryptSealed(await vault.rewrap(sealed), "form 1", { as: "bytes" });
    expect([Buffer.from(bytes.data).toString(), bytes.sender]).toEqual(["hello", undefined]);
    expect(bytes.dataKeyId).not.toBe(dataKeyId);
    const key = await vault.keys.createRekey({
      encryptedKeys: inspect(sealed).encryptedKeys,
      context: { organization_id: "org_2" },
    });
    expect(key.sender).toBe(id);

    const unsigned = await encryptorOf().encrypt("x");
    for (const call of [
      () => vault.decrypt(unsigned),
      () => vault.rewrap(unsigned),
      () => vault.rekey(unsigned, { organization_id: "org_2" }),
    ]) {
      expect(await codeOf(call)).toBe("ERR_SENDER_REFUSED");
    }
    const other = await encryptorOf(2).encrypt("x");
    for (const call of [() => vault.decrypt(other), () => vault.rewrap(other)]) {
      expect(await codeOf(call)).toBe("ERR_DECRYPT_FAILED");
    }
  });

  test("a signature of another sender, or none of the blob, is like an altered blob ([SDK-54], [SDK-5])", async () => {
    await add(1);
    await add(2);
    const blob = blobOf(1);
    const { unsigned, signature, senderId } = decodeSealedKeyBlob(blob);
    (await open(blob)).dispose();
    const failures = new Set<string>();
    const refuse = async (what: string, wrong: Uint8Array) => {
      const { code, message, cause } = await rejectionOf(() => open(wrong));
      expect([what, code, cause]).toEqual([what, "ERR_DECRYPT_FAILED", undefined]);
      failures.add(message);
    };
    await refuse("signed by another of the list", signedBy(2, unsigned));
    await refuse("signed by one who is not on the list", signedBy(3, unsigned));
    await refuse("by one who is not on the list", blobOf(3));
    await refuse("signature of another blob", concat(unsigned, blobOf(1).subarray(-64)));
    await refuse("without label", concat(unsigned, signSenderPlain(seedOf(1), unsigned, "")));
    await refuse("zeros", concat(unsigned, new Uint8Array(64)));
    // S plus the order of the group: right for who reduces it.
    const order = hex(`edd3f55c1a631258d69cf7a2def9de14${"00".repeat(15)}10`);
    const more = Uint8Array.from(signature);
    for (let i = 0, carry = 0; i < 32; i++) {
      carry += more[32 + i]! + order[i]!;
      more[32 + i] = carry & 255;
      carry >>= 8;
    }
    expect(isReducedSignature(more)).toBe(false);
    await refuse("a signature that is not reduced", concat(unsigned, more));
    // Each part of the blob, also with a signature that is right for what it became.
    const idAt = unsigned.length - 64;
    for (const bit of [
      8 * 13,
      8 * 32 + 1,
      8 * (idAt - 32),
      8 * idAt,
      8 * (idAt + 20),
      8 * (unsigned.length - 1),
    ]) {
      const changed = flipBit(unsigned, bit);
      const isOther = bit < 8 * 33;
      for (const wrong of [concat(changed, signature), signedBy(1, changed)]) {
        if (isOther) expect(await refusal(wrong)).toBe("ERR_KEY_NOT_FOUND");
        else await refuse(`bit ${bit}`, wrong);
      }
    }
    const idOf2 = decodeSealedKeyBlob(blobOf(2)).senderId!;
    const at = Buffer.from(unsigned).indexOf(senderId!);
    const stolen = Uint8Array.from(unsigned);
    stolen.set(idOf2, at);
    await refuse("with a thief's name and signature", signedBy(2, stolen));
    expect(failures.size).toBe(1);
  });

  test("is not asked of another recipient's senders, also of the same key ([SDK-50])", async () => {
    await add(1);
    const { id } = await vault.recipients.create({ context: CONTEXT, requireSender: true });
    const sealed = encryptorOf(1, await vault.recipients.document({ id })).createDataKeySync();
    expect(await refusal(sealed.keyBlob)).toBe("ERR_DECRYPT_FAILED");
  });

  test("is kept over a rotation, and state and context are looked at first ([SDK-53])", async () => {
    await add(1);
    const blob = blobOf(1);
    await vault.recipients.rotate({ id: recipientId });
    document = await vault.recipients.document({ id: recipientId });
    for (const one of [blob, blobOf(1)]) (await open(one)).dispose();
    expect(await refusal(blobOf())).toBe("ERR_SENDER_REFUSED");
    await vault.recipients.disable({ id: recipientId });
    for (const one of [blob, blobOf(), blobOf(2)]) expect(await refusal(one)).toBe("ERR_KEY_DISABLED");
  });
});

test("a sender is looked at before the private key is used ([SDK-53])", async () => {
  const { id } = await add(1);
  const { unsigned } = decodeSealedKeyBlob(blobOf(1));
  const broken = signedBy(1, flipBit(unsigned, 8 * (unsigned.length - 1)));
  expect(await refusal(broken)).toBe("ERR_DECRYPT_FAILED");
  await vault.recipients.senders.revoke({ recipientId, id });
  // The private key would say that it does not open.
  expect(await refusal(broken)).toBe("ERR_SENDER_REFUSED");
});

test("an environment-wide recipient demands a sender too, for whatever context is stated ([SDK-43], [SDK-54])", async () => {
  const { id } = await vault.recipients.create({ environmentWide: true, requireSender: true });
  const recipient = await vault.recipients.document({ id });
  const { id: sender } = await vault.recipients.senders.add({
    recipientId: id,
    name: "shipper",
    publicKey: publicKeyOf(1),
  });
  const sealedBy = (number: number | undefined, value: string) =>
    new SealedEncryptor({
      recipient,
      context: { organization_id: value },
      now: clock.now,
      sender: number === undefined ? undefined : sealedSender({ privateKey: seedOf(number) }),
    }).encryptSync("x");
  const texts = ["org_1", "org_2"].map((value) => sealedBy(1, value));
  for (const text of [...texts, ...texts]) expect((await vault.decryptSealed(text)).sender).toBe(sender);
  const all = await vault.rewrapMany([...texts, sealedBy(2, "org_1"), sealedBy(undefined, "org_1")]);
  expect(all.map((item) => (item.ok ? "ok" : (item.error as { code?: string }).code))).toEqual([
    "ok",
    "ok",
    "ERR_DECRYPT_FAILED",
    "ERR_SENDER_REFUSED",
  ]);
});

describe("a signature where no sender is demanded", () => {
  test("is checked all the same ([SDK-53])", async () => {
    await vault.recipients.requireSender({ id: recipientId, required: false });
    const { id } = await add(1);
    expect((await open(blobOf())).sender).toBeUndefined();
    expect((await open(blobOf(1))).sender).toBe(id);
    const { unsigned } = decodeSealedKeyBlob(blobOf(1));
    for (const wrong of [blobOf(2), signedBy(2, unsigned)]) {
      expect(await refusal(wrong)).toBe("ERR_DECRYPT_FAILED");
    }
  });
});

describe("expiry and revocation", () => {
  test("an expired sender opens nothing, by the clock of the vault, until it is renewed ([SDK-57])", async () => {
    const { id } = await add(1, new Date(clock.now() + DAY_MS));
    const blob = blobOf(1);
    (await open(blob)).dispose();
    clock.advance(DAY_MS - 1);
    (await open(blob)).dispose();
    clock.advance(1);
    expect(await refusal(blob)).toBe("ERR_SENDER_REFUSED");
    // Who is not the sender learns nothing of it.
    expect(await refusal(signedBy(2, decodeSealedKeyBlob(blob).unsigned))).toBe("ERR_DECRYPT_FAILED");
    await vault.recipients.senders.renew({ recipientId, id, expiresAt: new Date(clock.now() + 1) });
    (await open(blob)).dispose();
    const past = { recipientId, id, expiresAt: new Date(clock.now()) };
    expect(await codeOf(() => vault.recipients.senders.renew(past))).toBe("ERR_KEY_STATE");
    expect(SENDERS_KEPT_MS).toBe(60_000);
  });

  test("a change is noticed by others at once, and by what they hold ([SDK-56])", async () => {
    const { id } = await add(1);
    const holder = await openTestVault({ path, now: clock.now });
    const sealed = await encryptorOf(1).encrypt("x");
    expect(await holder.decrypt(sealed)).toBe("x");
    // The key that is held tells it too.
    expect(await holder.decryptSealed(sealed)).toMatchObject({ data: "x", sender: id });
    await vault.recipients.senders.revoke({ recipientId, id });
    expect(await codeOf(() => holder.decrypt(sealed))).toBe("ERR_SENDER_REFUSED");
    await vault.recipients.senders.renew({ recipientId, id });
    expect(await holder.decrypt(sealed)).toBe("x");
    const unsigned = await encryptorOf().encrypt("y");
    await vault.recipients.requireSender({ id: recipientId, required: false });
    expect(await holder.decrypt(unsigned)).toBe("y");
    await vault.recipients.requireSender({ id: recipientId, required: true });
    expect(await codeOf(() => holder.decrypt(unsigned))).toBe("ERR_SENDER_REFUSED");
    await holder.close();
  });

  test("what was absorbed before stays", async () => {
    const { id } = await add(1);
    const absorbed = await vault.rewrap(await encryptorOf(1).encrypt("x"));
    await vault.recipients.senders.revoke({ recipientId, id });
    expect(await vault.decrypt(absorbed)).toBe("x");
  });
});

describe("who writes the database", () => {
  const corrupt = async (calls: readonly (() => PromiseLike<unknown>)[]): Promise<void> => {
    for (const call of calls) expect(await codeOf(call), String(call)).toBe("ERR_STORAGE_CORRUPT");
  };

  test("alters no sender, adds none, and takes no demand away ([SDK-56], [SDK-25])", async () => {
    const { id } = await add(1);
    const foreign = (await vault.recipients.create({ context: CONTEXT })).id;
    await vault.recipients.senders.add({ recipientId: foreign, name: "x", publicKey: publicKeyOf(2) });
    const blob = blobOf(1);
    const uses = [() => open(blob), () => vault.recipients.senders.list({ recipientId })];
    const changes: readonly [string, ...(string | number | Uint8Array)[]][] = [
      ["UPDATE senders SET name = 'y' WHERE id = ?", id],
      ["UPDATE senders SET public_key = ? WHERE id = ?", fromBase64(publicKeyOf(2)), id],
      ["UPDATE senders SET expires_at = 9e12 WHERE id = ?", id],
      ["UPDATE senders SET revoked_at = NULL, generation = 7 WHERE id = ?", id],
      ["UPDATE senders SET mac = NULL WHERE id = ?", id],
      ["UPDATE senders SET recipient_id = ? WHERE recipient_id = ?", recipientId, foreign],
    ];
    for (const [statement, ...parameters] of changes) {
      const rows = tamper(path, (db) => {
        const before = db.prepare("SELECT * FROM senders").all();
        db.prepare(statement).run(...parameters);
        db.exec("UPDATE counters SET value = value + 1");
        return before;
      });
      await corrupt(uses);
      tamper(path, (db) => {
        db.exec("DELETE FROM senders; UPDATE counters SET value = value + 1");
        for (const row of rows) {
          const names = Object.keys(row);
          const marks = names.map(() => "?").join(", ");
          db.prepare(`INSERT INTO senders (${names.join(", ")}) VALUES (${marks})`).run(
            ...(Object.values(row) as never[]),
          );
        }
      });
      (await open(blob)).dispose();
    }
    tamper(path, (db) =>
      db.exec("UPDATE recipients SET requires_sender = 0; UPDATE counters SET value = value + 1"),
    );
    await corrupt([() => open(blobOf()), () => vault.recipients.get({ id: recipientId })]);
  });

  test("puts no revoked sender back, not by an older row and not by none ([SDK-56], [AUT-10])", async () => {
    const { id } = await add(1);
    const blob = blobOf(1);
    const before = tamper(path, (db) => db.prepare("SELECT * FROM senders").get())!;
    await vault.recipients.senders.revoke({ recipientId, id });
    tamper(path, (db) =>
      db
        .prepare("UPDATE senders SET revoked_at = NULL, generation = ?, mac = ?")
        .run(before.generation as number, before.mac as Uint8Array),
    );
    await corrupt([() => open(blob), () => vault.recipients.senders.renew({ recipientId, id })]);
    tamper(path, (db) => db.exec("DELETE FROM senders"));
    await corrupt([() => add(1)]);
  });

  test("puts no recipient back that demanded none ([SDK-25], [AUT-10])", async () => {
    const { id } = await vault.recipients.create({ context: CONTEXT });
    const unsigned = encryptorOf(undefined, await vault.recipients.document({ id })).createDataKeySync();
    const read = () => tamper(path, (db) => db.prepare("SELECT * FROM recipients WHERE id = ?").get(id))!;
    const before = read();
    await vault.recipients.requireSender({ id, required: true });
    tamper(path, (db) =>
      db
        .prepare("UPDATE recipients SET requires_sender = 0, generation = ?, mac = ? WHERE id = ?")
        .run(before.generation as number, before.mac as Uint8Array, id),
    );
    await corrupt([() => open(unsigned.keyBlob)]);
  });
});

test("a list has an end ([SDK-58])", async () => {
  await add(1);
  // Rows of which nothing is asked but their number.
  tamper(path, (db) => {
    const insert = db.prepare(
      "INSERT INTO senders (id, recipient_id, name, public_key, created_at) VALUES (?, ?, 'x', x'00', 1)",
    );
    for (let i = 1; i < SENDERS_MAX - 1; i++) insert.run(`x${i}`, recipientId);
  });
  await add(2);
  expect(await codeOf(() => add(3))).toBe("ERR_KEY_STATE");
});

test("the log tells who sent what was opened ([SDK-55])", async () => {
  const { id } = await add(1);
  await vault.recipients.requireSender({ id: recipientId, required: false });
  const blobs = [blobOf(1), blobOf()];
  const host = await openTestHost({ path });
  const { environmentId } = await sessionOf(host);
  const { keys } = host.session(environmentId, { actor: TEST_ACTOR, events: "all" });
  const ids: string[] = [];
  for (const blob of blobs) ids.push((await keys.createDecrypt({ keys: base64(blob) })).id);
  await host.events.flush();
  const { data } = await host.events.list(environmentId, { limit: 100 });
  const opened = data.filter(({ event }) => event === "vault.dek.decrypted");
  const told = opened.map(({ data: { key_id, sender_id } }) => [key_id, sender_id]);
  expect(told).toEqual([
    [ids[0], id],
    [ids[1], undefined],
  ]);
  await host.close();
});

describePostgres("on PostgreSQL", () => {
  test("a sender expires by the database's clock, whatever that of the process is ([SDK-57])", async () => {
    const url = await freshDatabaseUrl();
    const real = await openTestPostgresHost(url);
    const { recipients } = await sessionOf(real);
    const { id } = await recipients.create({ context: CONTEXT, requireSender: true });
    const recipient = await recipients.document({ id });
    const addFor = (number: number, ms: number) =>
      recipients.senders.add({
        recipientId: id,
        name: "x",
        publicKey: publicKeyOf(number),
        expiresAt: new Date(Date.now() + ms),
      });
    await addFor(1, DAY_MS);
    // On a busy machine it may be over before it is added.
    let soon = 500;
    while (!(await addFor(2, soon).then(Boolean, () => false))) soon *= 2;
    const blobs = [1, 2].map((number) => {
      const sender = sealedSender({ privateKey: seedOf(number) });
      return new SealedEncryptor({ recipient, sender }).createDataKeySync().encryptedKeys;
    });
    // A year behind, and a year ahead.
    const hosts = await Promise.all(
      [-365, 365].map((days) => openTestPostgresHost(url, { now: () => Date.now() + days * DAY_MS })),
    );
    for (const host of hosts) {
      const { keys } = await sessionOf(host);
      (await keys.createDecrypt({ keys: blobs[0]! })).dispose();
    }
    await sleep(soon);
    for (const host of hosts) {
      const { keys } = await sessionOf(host);
      expect(await codeOf(() => keys.createDecrypt({ keys: blobs[1]! }))).toBe("ERR_SENDER_REFUSED");
      (await keys.createDecrypt({ keys: blobs[0]! })).dispose();
    }
    for (const host of [real, ...hosts]) await host.close();
  });
});

/** Jobs on a table of sealed ciphertexts: they are absorbed where they stand, by who may rekey and by who may only absorb. */
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { parseEnvelope } from "../../src/crypto/envelope/envelope.ts";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { Vault } from "../../src/index.ts";
import type { KeyService } from "../../src/keys/index.ts";
import { RekeyJob, type RekeyJobOptions } from "../../src/rekey/index.ts";
import {
  createSenderKey,
  SealedEncryptor,
  type SenderKey,
  sealedLeaseSync,
  sealedSender,
} from "../../src/sealed/index.ts";
import { sqliteTable } from "../../src/sources/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { startServer } from "../support/server.ts";

const CONTEXT = { organization_id: "org_1" };
const OTHER = { organization_id: "org_2" };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server with a recipient, and a table. */
async function setting() {
  const server = await startServer();
  const vault = new Vault({ apiKey: server.key, baseUrl: server.url, cache: { maxEntries: 0 } });
  const { id } = await vault.recipients.create({ context: CONTEXT });
  const encryptor = new SealedEncryptor({ recipient: await vault.recipients.document({ id }) });
  const database = new DatabaseSync(":memory:");
  closing.push(
    () => database.close(),
    () => vault.close(),
  );
  database.exec("CREATE TABLE messages (id INTEGER PRIMARY KEY, body TEXT)");
  const insert = database.prepare("INSERT INTO messages (body) VALUES (?)");
  const add = (texts: readonly string[]): void => {
    for (const text of texts) insert.run(text);
  };
  const bodies = (): string[] =>
    database
      .prepare("SELECT body FROM messages ORDER BY id")
      .all()
      .map((row) => row.body as string);
  const run = (keys: KeyService, options: Partial<RekeyJobOptions> = {}) => {
    const source = sqliteTable({ database, table: "messages", columns: ["body"] });
    return new RekeyJob({ keys, source, mode: "rewrap", ...options }).run();
  };
  return { server, vault, encryptor, id, add, bodies, run };
}

/** All of an envelope but its key blob. */
const payload = (text: string) => {
  const { keyBlob, ...rest } = parseEnvelope(text);
  return rest;
};
const formats = (texts: readonly string[]): string[] => texts.map((text) => inspect(text).keyBlob.format);

describe("a job absorbs", () => {
  test("what is sealed, of both layouts and under shared keys, and leaves all else ([SDK-24])", async () => {
    const { vault, encryptor, add, bodies, run } = await setting();
    const lease = sealedLeaseSync(encryptor, { layout: "iv12" });
    const before = [
      ...["a", "b"].map((text) => encryptor.encryptSync(text, "aad")),
      encryptor.encryptSync("c", "aad", { layout: "iv12" }),
      ...["d", "e"].map((text) => lease.encryptSync(text, "aad")),
      await vault.encrypt("f", CONTEXT, "aad"),
    ];
    lease.dispose();
    add(before);
    const report = await run(vault.keys);
    expect(report).toMatchObject({
      isComplete: true,
      leftBehind: 0,
      counts: { rows: 6, moved: 5, current: 1 },
    });
    const after = bodies();
    expect(formats(after)).toEqual(Array(6).fill("coffer"));
    for (const [i, text] of after.entries()) {
      expect(payload(text)).toEqual(payload(before[i]!));
      expect(await vault.decrypt(text, "aad", { context: CONTEXT })).toBe("abcdef"[i]);
    }
    expect(inspect(after[3]!).encryptedKeys).toBe(inspect(after[4]!).encryptedKeys);
    expect((await run(vault.keys)).counts).toMatchObject({ rows: 6, moved: 0, current: 6 });
  });

  test("what is sealed to an environment-wide recipient, each under its own context ([SDK-43], [SDK-44])", async () => {
    const { vault, add, bodies, run } = await setting();
    const { id } = await vault.recipients.create({ environmentWide: true });
    const recipient = await vault.recipients.document({ id });
    const gone = { organization_id: "org_3" };
    const before = [CONTEXT, OTHER, gone].map((context) =>
      new SealedEncryptor({ recipient, context }).encryptSync("x", "aad"),
    );
    add(before);
    (await vault.createDataKey({ context: gone })).dispose();
    await vault.keks.shred({ name: "organization_id", value: "org_3" });
    const report = await run(vault.keys);
    expect(report.counts).toMatchObject({ rows: 3, moved: 2 });
    expect(report.findings).toMatchObject([{ key: '["i3"]', reason: "ERR_KEY_DESTROYED" }]);
    const [one, two, three] = bodies();
    expect(await vault.decrypt(one!, "aad", { context: CONTEXT })).toBe("x");
    expect(await vault.decrypt(two!, "aad", { context: OTHER })).toBe("x");
    expect([formats([one!, two!, three!]), three]).toEqual([["coffer", "coffer", "sealed"], before[2]]);
    await vault.keks.shred({ name: "organization_id", value: "org_2" });
    expect(await vault.decrypt(one!, "aad")).toBe("x");
    expect(await rejectionOf(() => vault.decrypt(two!, "aad"))).toMatchObject({ code: "ERR_KEY_DESTROYED" });
  });

  test("what it may open, and lists the rest by its reason", async () => {
    const { vault, encryptor, id, add, bodies, run } = await setting();
    const lost = await vault.recipients.create({ context: CONTEXT });
    const forLost = new SealedEncryptor({ recipient: await vault.recipients.document({ id: lost.id }) });
    add([encryptor.encryptSync("a"), forLost.encryptSync("b")]);
    await vault.recipients.shred({ id: lost.id });
    expect((await run(vault.keys)).findings).toMatchObject([{ key: '["i2"]', reason: "ERR_KEY_DESTROYED" }]);
    expect(formats(bodies())).toEqual(["coffer", "sealed"]);
    add([encryptor.encryptSync("c")]);
    await vault.recipients.disable({ id });
    const report = await run(vault.keys);
    expect(report.counts).toMatchObject({ current: 1, unreadable: 2 });
    expect(report.findings.map(({ reason }) => reason)).toEqual(["ERR_KEY_DESTROYED", "ERR_KEY_DISABLED"]);
    await vault.recipients.enable({ id });
    expect((await run(vault.keys)).counts).toMatchObject({ moved: 1, unreadable: 1 });
  });

  test("what a sender has signed where that is demanded, and lists the rest by its reason ([SDK-54])", async () => {
    const { vault, add, bodies, run } = await setting();
    const { id } = await vault.recipients.create({ context: CONTEXT, requireSender: true });
    const recipient = await vault.recipients.document({ id });
    const [partner, stranger] = [await createSenderKey(), await createSenderKey()];
    await vault.recipients.senders.add({ recipientId: id, name: "partner", publicKey: partner.publicKey });
    const by = (key?: SenderKey) =>
      new SealedEncryptor({ recipient, sender: key && sealedSender({ privateKey: key.privateKey }) });
    add([
      by(partner).encryptSync("a"),
      by(stranger).encryptSync("b"),
      by().encryptSync("c"),
      by(partner).encryptSync("d"),
    ]);
    const report = await run(vault.keys);
    expect(report.counts).toMatchObject({ rows: 4, moved: 2 });
    expect(report.findings).toMatchObject([
      { key: '["i2"]', reason: "ERR_DECRYPT_FAILED" },
      { key: '["i3"]', reason: "ERR_SENDER_REFUSED" },
    ]);
    expect(formats(bodies())).toEqual(["coffer", "sealed", "sealed", "coffer"]);
  });

  test("by a key that may only absorb ([SDK-27])", async () => {
    const { server, vault, encryptor, add, bodies, run } = await setting();
    const apiKey = await server.apiKey(["absorb"]);
    const absorber = new Vault({ apiKey, baseUrl: server.url });
    closing.push(() => absorber.close());
    add([encryptor.encryptSync("a"), encryptor.encryptSync("b")]);
    const report = await run(absorber.keys, { check: "none" });
    expect(report).toMatchObject({ isComplete: true, counts: { rows: 2, moved: 2 } });
    expect(await Promise.all(bodies().map((text) => vault.decrypt(text)))).toEqual(["a", "b"]);
  });

  test("into another context, by rekey", async () => {
    const { vault, encryptor, add, bodies, run } = await setting();
    add([encryptor.encryptSync("a"), encryptor.encryptSync("b")]);
    const report = await run(vault.keys, { mode: "rekey", context: () => OTHER });
    expect(report.counts).toMatchObject({ rows: 2, moved: 2 });
    const opened = bodies().map((text) => vault.decrypt(text, undefined, { context: OTHER }));
    expect(await Promise.all(opened)).toEqual(["a", "b"]);
  });
});

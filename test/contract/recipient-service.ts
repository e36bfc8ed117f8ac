/**
 * What every RecipientService must do, in every implementation.
 *
 * Owns the contract of src/keks/recipient-service.ts as tests. A test file calls {@link recipientServiceContract} with a way to make an
 * environment. Must not know any implementation.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRecipient } from "../../src/crypto/sealed/recipient-document.ts";
import type { RecipientInfo, RecipientService } from "../../src/keks/index.ts";
import type { ChangeOptions, KeyService } from "../../src/keys/key-service.ts";
import { createSenderKey, SealedEncryptor, sealedSender } from "../../src/sealed/index.ts";
import { base64, hex } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { DAY_MS, ED25519_LOW_ORDER } from "../support/recipients.ts";

/** An environment to test, empty. */
export interface RecipientServiceSubject {
  readonly recipients: RecipientService;
  /** Of the same environment. */
  readonly keys: KeyService;
  /** Of another environment. */
  readonly foreign: RecipientService;
  close(): Promise<void>;
}

const UNKNOWN = "00000000-0000-4000-8000-000000000000";
const states = ({ versions }: RecipientInfo): string[] =>
  versions.map(({ version, state }) => `${version} ${state}`);

/** A sender with a key of its own, to be added. */
const senderFor = async (recipientId: string) => ({
  recipientId,
  name: "partner",
  publicKey: (await createSenderKey()).publicKey,
});

/** Runs the contract. */
export function recipientServiceContract(title: string, open: () => Promise<RecipientServiceSubject>): void {
  describe(`RecipientService: ${title}`, () => {
    let subject: RecipientServiceSubject;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.close());

    const codeOf = async (work: () => Promise<unknown>): Promise<string> => (await rejectionOf(work)).code;
    const make = (tenant: string): Promise<RecipientInfo> =>
      subject.recipients.create({ context: { tenant } });
    /** A sealed data key for the recipient as it is published now. */
    const seal = async (id: string) => {
      const recipient = await subject.recipients.document({ id });
      return new SealedEncryptor({ recipient }).createDataKeySync();
    };
    const opens = (encryptedKeys: string) => subject.keys.createDecrypt({ keys: encryptedKeys });

    test("lists by id, page by page, each once", async () => {
      const made = await Promise.all(["list-a", "list-b", "list-c"].map(make));
      const seen: RecipientInfo[] = [];
      let after: string | undefined;
      do {
        const page = await subject.recipients.list({ limit: 2, after });
        expect(page.data.length).toBeLessThanOrEqual(2);
        seen.push(...page.data);
        after = page.listMetadata.after ?? undefined;
      } while (after !== undefined);
      const ids = seen.map(({ id }) => id);
      expect(ids).toEqual([...new Set(ids)].sort());
      for (const recipient of made) expect(seen).toContainEqual(recipient);
    });

    test("makes one, with version 1 active, and gets it by its id ([SDK-20])", async () => {
      const made = await make("one");
      expect(made).toMatchObject({ context: { tenant: "one" }, suite: "x25519", state: "active" });
      expect(made.versions).toEqual([{ version: 1, state: "active", createdAt: made.createdAt }]);
      expect(new Date(made.createdAt).toISOString()).toBe(made.createdAt);
      expect(await subject.recipients.get({ id: made.id })).toEqual(made);
    });

    test("gives out a document, valid for as long as it was asked, that opens ([SDK-21], [SDK-22])", async () => {
      const { id } = await make("document");
      const document = await subject.recipients.document({ id }, { validMs: DAY_MS });
      const { expiresAt, issuedAt, version } = readRecipient(document);
      expect([expiresAt - issuedAt, version, document.context]).toEqual([DAY_MS, 1, { tenant: "document" }]);
      const longer = readRecipient(await subject.recipients.document({ id }));
      expect(longer.expiresAt - longer.issuedAt).toBe(90 * DAY_MS);
      using key = await seal(id);
      using opened = await opens(key.encryptedKeys);
      expect(opened.dataKey).toBe(key.dataKey);
    });

    test("rotates: documents have the newest version, older ones only open", async () => {
      const { id } = await make("rotated");
      using old = await seal(id);
      expect(states(await subject.recipients.rotate({ id }))).toEqual(["2 active", "1 decrypt-only"]);
      expect((await subject.recipients.document({ id })).version).toBe(2);
      (await opens(old.encryptedKeys)).dispose();
    });

    test("disables and enables, all versions or one ([SDK-23])", async () => {
      const { id } = await make("disabled");
      using key = await seal(id);
      await subject.recipients.rotate({ id });
      expect(states(await subject.recipients.disable({ id, version: 1 }))).toEqual([
        "2 active",
        "1 disabled",
      ]);
      expect(await codeOf(() => opens(key.encryptedKeys))).toBe("ERR_KEY_DISABLED");
      expect((await subject.recipients.disable({ id })).state).toBe("disabled");
      expect(await codeOf(() => subject.recipients.document({ id }))).toBe("ERR_KEY_DISABLED");
      expect(await codeOf(() => subject.recipients.rotate({ id }))).toBe("ERR_KEY_STATE");
      expect(states(await subject.recipients.enable({ id }))).toEqual(["2 active", "1 decrypt-only"]);
      (await opens(key.encryptedKeys)).dispose();
    });

    test("shreds one version, and all, for good ([SDK-23])", async () => {
      const { id } = await make("shredded");
      using old = await seal(id);
      await subject.recipients.rotate({ id });
      using key = await seal(id);
      expect(states(await subject.recipients.shred({ id, version: 1 }))).toEqual(["2 active", "1 destroyed"]);
      expect(await codeOf(() => opens(old.encryptedKeys))).toBe("ERR_KEY_DESTROYED");
      (await opens(key.encryptedKeys)).dispose();
      expect((await subject.recipients.shred({ id })).state).toBe("destroyed");
      expect(await codeOf(() => subject.recipients.document({ id }))).toBe("ERR_KEY_DESTROYED");
      for (const change of ["disable", "enable", "shred"] as const) {
        expect(await codeOf(() => subject.recipients[change]({ id })), change).toBe("ERR_KEY_DESTROYED");
      }
      expect(states(await subject.recipients.rotate({ id }))[0]).toBe("3 active");
    });

    describe("environment-wide", () => {
      const makeWide = () => subject.recipients.create({ environmentWide: true });
      const sealFor = async (id: string, tenant: string) => {
        const recipient = await subject.recipients.document({ id });
        return new SealedEncryptor({ recipient, context: { tenant } }).createDataKeySync();
      };

      test("is made by name only, has no context, and is listed and told ([SDK-40])", async () => {
        const made = await makeWide();
        expect(made).toMatchObject({ context: null, suite: "x25519", state: "active" });
        expect(await subject.recipients.get({ id: made.id })).toEqual(made);
        const listed: RecipientInfo[] = [];
        for (let after: string | null | undefined; after !== null; ) {
          const page = await subject.recipients.list({ limit: 100, after });
          listed.push(...page.data);
          after = page.listMetadata.after;
        }
        expect(listed).toContainEqual(made);
        const { recipients } = subject;
        for (const wrong of [
          { environmentWide: true, context: { tenant: "x" } },
          { environmentWide: false },
          { environmentWide: "yes" },
          {},
        ]) {
          expect(await codeOf(() => recipients.create(wrong as never))).toBe("ERR_INVALID_ARGUMENT");
        }
        const reserved = { "coffer.environment-wide": "recipients" };
        expect(await codeOf(() => recipients.create({ context: reserved }))).toBe("ERR_KEY_CONTEXT_INVALID");
      });

      test("is given out in a document without a context, and opens for the one that is stated ([SDK-41] to [SDK-43])", async () => {
        const { id } = await makeWide();
        const document = await subject.recipients.document({ id }, { validMs: DAY_MS });
        expect(document).toMatchObject({ type: "coffer-environment-recipient-v1", context: null });
        for (const tenant of ["wide-a", "wide-b"]) {
          using key = await sealFor(id, tenant);
          using opened = await opens(key.encryptedKeys);
          expect([opened.dataKey, opened.context]).toEqual([key.dataKey, { tenant }]);
        }
      });

      test("is rotated, disabled, enabled and shredded like others ([SDK-23], [SDK-40])", async () => {
        const { id } = await makeWide();
        using old = await sealFor(id, "wide-states");
        expect(states(await subject.recipients.rotate({ id }))).toEqual(["2 active", "1 decrypt-only"]);
        (await opens(old.encryptedKeys)).dispose();
        using key = await sealFor(id, "wide-states");
        await subject.recipients.disable({ id, version: 1 });
        expect(await codeOf(() => opens(old.encryptedKeys))).toBe("ERR_KEY_DISABLED");
        await subject.recipients.enable({ id, version: 1 });
        (await opens(old.encryptedKeys)).dispose();
        await subject.recipients.shred({ id, version: 1 });
        expect(await codeOf(() => opens(old.encryptedKeys))).toBe("ERR_KEY_DESTROYED");
        (await opens(key.encryptedKeys)).dispose();
        expect(await subject.recipients.shred({ id })).toMatchObject({ context: null, state: "destroyed" });
        expect(await codeOf(() => opens(key.encryptedKeys))).toBe("ERR_KEY_DESTROYED");
      });
    });

    test("knows nothing of another environment", async () => {
      const { id } = await make("ours");
      const { foreign } = subject;
      expect((await foreign.list()).data).toEqual([]);
      for (const call of ["get", "document", "rotate", "disable", "enable", "shred"] as const) {
        expect(await codeOf(() => foreign[call]({ id })), call).toBe("ERR_KEY_NOT_FOUND");
      }
      const sender = await subject.recipients.senders.add(await senderFor(id));
      const calls: (() => Promise<unknown>)[] = [
        () => foreign.requireSender({ id, required: true }),
        async () => foreign.senders.add(await senderFor(id)),
        () => foreign.senders.list({ recipientId: id }),
        () => foreign.senders.revoke({ recipientId: id, id: sender.id }),
        () => foreign.senders.renew({ recipientId: id, id: sender.id }),
      ];
      for (const call of calls) expect(await codeOf(call), String(call)).toBe("ERR_KEY_NOT_FOUND");
      expect((await subject.recipients.get({ id })).state).toBe("active");
    });

    test("has a list of senders, page by page ([SDK-50], [SDK-56])", async () => {
      const { id: recipientId } = await make("senders");
      const { senders } = subject.recipients;
      const expiresAt = new Date(Date.now() + DAY_MS);
      const first = await senders.add({
        ...(await senderFor(recipientId)),
        name: "Partner \u{1f511}",
        expiresAt,
      });
      expect(first).toMatchObject({ recipientId, name: "Partner \u{1f511}", revokedAt: null });
      expect(first.expiresAt).toBe(expiresAt.toISOString());
      expect(new Date(first.createdAt).toISOString()).toBe(first.createdAt);
      const others = [
        await senders.add(await senderFor(recipientId)),
        await senders.add(await senderFor(recipientId)),
      ];
      expect(others.map((sender) => sender.expiresAt)).toEqual([null, null]);
      const page = await senders.list({ recipientId, limit: 2 });
      const rest = await senders.list({ recipientId, limit: 2, after: page.listMetadata.after! });
      const sorted = [first, ...others].sort((a, b) => (a.id < b.id ? -1 : 1));
      expect([...page.data, ...rest.data]).toEqual(sorted);
      expect(rest.listMetadata.after).toBeNull();
      expect((await senders.list({ recipientId: (await make("no senders")).id })).data).toEqual([]);
    });

    test("opens only what a sender has signed where that is demanded, and tells who ([SDK-54], [SDK-55])", async () => {
      const { recipients, keys } = subject;
      const { id } = await recipients.create({ context: { tenant: "demanding" }, requireSender: true });
      expect((await recipients.get({ id })).requiresSender).toBe(true);
      const key = await createSenderKey();
      const sender = sealedSender({ privateKey: key.privateKey });
      const unsigned = (await seal(id)).encryptedKeys;
      const document = await recipients.document({ id });
      const signed = new SealedEncryptor({ recipient: document, sender }).createDataKeySync();
      expect(signed.sender).toBeUndefined();
      expect(await codeOf(() => opens(unsigned))).toBe("ERR_SENDER_REFUSED");
      expect(await codeOf(() => opens(signed.encryptedKeys))).toBe("ERR_DECRYPT_FAILED");

      const added = await recipients.senders.add({
        recipientId: id,
        name: "partner",
        publicKey: key.publicKey,
      });
      using opened = await opens(signed.encryptedKeys);
      expect([opened.dataKey, opened.id, opened.sender]).toEqual([signed.dataKey, signed.id, added.id]);
      const many = { keys: [signed.encryptedKeys, unsigned] };
      const [one, two] = await keys.unwrapMany!(many);
      expect(one).toMatchObject({ ok: true, value: { sender: added.id } });
      expect(two).toMatchObject({ ok: false, error: { code: "ERR_SENDER_REFUSED" } });
      expect((await keys.checkMany!(many)).map(({ ok }) => ok)).toEqual([true, false]);
      const [absorbed, refused] = await keys.rewrapMany!({ encryptedKeys: many.keys });
      expect(absorbed).toMatchObject({ ok: true, value: { sender: added.id } });
      expect(refused).toMatchObject({ ok: false, error: { code: "ERR_SENDER_REFUSED" } });
      const context = { tenant: "demanding", more: "1" };
      const [moved] = await keys.rekeyMany!({ items: [{ context, encryptedKeys: signed.encryptedKeys }] });
      expect(moved).toMatchObject({ ok: true, value: { sender: added.id } });
      const alone = await keys.createRewrap!({ encryptedKeys: signed.encryptedKeys });
      expect(alone.sender).toBe(added.id);
      // Absorbed, it is a data key like others.
      expect((await opens(alone.encryptedKeys)).sender).toBeUndefined();

      expect((await recipients.requireSender({ id, required: false })).requiresSender).toBe(false);
      expect((await opens(unsigned)).sender).toBeUndefined();
      expect((await opens(signed.encryptedKeys)).sender).toBe(added.id);
      expect((await recipients.requireSender({ id, required: true })).requiresSender).toBe(true);
      expect(await codeOf(() => opens(unsigned))).toBe("ERR_SENDER_REFUSED");
    });

    test("revokes and renews a sender ([SDK-54], [SDK-56])", async () => {
      const { recipients } = subject;
      const { id: recipientId } = await make("revoked");
      const key = await createSenderKey();
      const recipient = await recipients.document({ id: recipientId });
      const sender = sealedSender({ privateKey: key.privateKey });
      const { encryptedKeys } = new SealedEncryptor({ recipient, sender }).createDataKeySync();
      const added = await recipients.senders.add({ recipientId, name: "partner", publicKey: key.publicKey });
      const selector = { recipientId, id: added.id };
      (await opens(encryptedKeys)).dispose();
      const revoked = await recipients.senders.revoke(selector);
      expect(revoked).toEqual({ ...added, revokedAt: expect.any(String) });
      // Whether a sender is demanded or not.
      expect(await codeOf(() => opens(encryptedKeys))).toBe("ERR_SENDER_REFUSED");
      expect(await codeOf(() => recipients.senders.revoke(selector))).toBe("ERR_KEY_STATE");
      const again = { recipientId, name: "partner", publicKey: key.publicKey };
      expect(await codeOf(() => recipients.senders.add(again))).toBe("ERR_KEY_STATE");
      const expiresAt = "2100-01-01T00:00:00.000Z";
      expect(await recipients.senders.renew({ ...selector, expiresAt })).toEqual({ ...added, expiresAt });
      (await opens(encryptedKeys)).dispose();
      expect(await recipients.senders.renew(selector)).toEqual(added);
      expect((await recipients.senders.list({ recipientId })).data).toEqual([added]);
    });

    test("refuses what is not there, and what is wrong", async () => {
      const { recipients } = subject;
      const { id } = await make("refused");
      expect(await codeOf(() => recipients.disable({ id, version: 9 }))).toBe("ERR_KEY_NOT_FOUND");
      const unknownSender = { recipientId: id, id: UNKNOWN };
      for (const call of ["revoke", "renew"] as const) {
        expect(await codeOf(() => recipients.senders[call](unknownSender))).toBe("ERR_KEY_NOT_FOUND");
      }
      for (const unknown of [UNKNOWN, "x", "document"]) {
        expect(await codeOf(() => recipients.get({ id: unknown }))).toBe("ERR_KEY_NOT_FOUND");
        expect(await codeOf(() => recipients.document({ id: unknown }))).toBe("ERR_KEY_NOT_FOUND");
      }
      const wrong: (() => Promise<unknown>)[] = [
        () => recipients.create(undefined as never),
        () => recipients.create({ context: { tenant: "x" }, suite: "p256" as never }),
        () => recipients.get({} as never),
        () => recipients.disable({ id, version: 0 }),
        () => recipients.document({ id }, { validMs: 401 * DAY_MS }),
        () => recipients.list({ limit: 0 }),
        () => recipients.list({ limit: 101 }),
        () => recipients.create({ context: { tenant: "x" }, requireSender: 1 as never }),
        () => recipients.requireSender({ id } as never),
        () => recipients.requireSender({ required: true } as never),
        () => recipients.senders.list({} as never),
        () => recipients.senders.list({ recipientId: id, limit: 0 }),
        () => recipients.senders.revoke({ recipientId: id } as never),
        () => recipients.senders.renew({ recipientId: id, id: UNKNOWN, expiresAt: "soon" }),
        async () => recipients.senders.add({ ...(await senderFor(id)), name: "" }),
        async () => recipients.senders.add({ ...(await senderFor(id)), name: "n".repeat(101) }),
        async () => recipients.senders.add({ ...(await senderFor(id)), name: "a\nb" }),
        async () => recipients.senders.add({ ...(await senderFor(id)), publicKey: "AAAA" }),
      ];
      // [SDK-52]
      for (const point of ED25519_LOW_ORDER) {
        wrong.push(() =>
          recipients.senders.add({ recipientId: id, name: "x", publicKey: base64(hex(point)) }),
        );
      }
      for (const work of wrong) expect(await codeOf(work), String(work)).toBe("ERR_INVALID_ARGUMENT");
      const over = { ...(await senderFor(id)), expiresAt: new Date(1) };
      expect(await codeOf(() => recipients.senders.add(over))).toBe("ERR_KEY_STATE");
      expect(await codeOf(() => recipients.create({ context: {} }))).toBe("ERR_KEY_CONTEXT_INVALID");
      expect(states(await recipients.get({ id }))).toEqual(["1 active"]);
    });

    test("ends with the signal's reason and refuses nonsense for a call, in every call, and changes nothing", async () => {
      const { recipients } = subject;
      const { id } = await make("told");
      const before = await recipients.list({ limit: 100 });
      const sender = await senderFor(id);
      const calls: ((options: ChangeOptions) => Promise<unknown>)[] = [
        (options) => recipients.create({ context: { tenant: "told" } }, options),
        (options) => recipients.list({}, options),
        (options) => recipients.get({ id }, options),
        (options) => recipients.document({ id }, options),
        (options) => recipients.rotate({ id }, options),
        (options) => recipients.disable({ id }, options),
        (options) => recipients.enable({ id }, options),
        (options) => recipients.shred({ id }, options),
        (options) => recipients.requireSender({ id, required: true }, options),
        (options) => recipients.senders.add(sender, options),
        (options) => recipients.senders.list({ recipientId: id }, options),
        (options) => recipients.senders.revoke({ recipientId: id, id: UNKNOWN }, options),
        (options) => recipients.senders.renew({ recipientId: id, id: UNKNOWN }, options),
      ];
      const reason = new Error("enough");
      for (const call of calls) {
        const signal = AbortSignal.abort(reason);
        expect(await call({ signal }).catch((thrown: unknown) => thrown), String(call)).toBe(reason);
        expect(await rejectionOf(() => call({ timeout: 0 }))).toBeInstanceOf(RangeError);
        const headers = recipients.takesHeaders === true ? { authorization: "Bearer x" } : { "x-trace": "1" };
        expect(await codeOf(() => call({ headers }))).toBe("ERR_INVALID_ARGUMENT");
      }
      const told = recipients.takesHeaders === true ? { headers: { "x-trace": "1" } } : {};
      expect(await recipients.list({ limit: 100 }, { ...told, timeout: 60_000 })).toEqual(before);
    });
  });
}

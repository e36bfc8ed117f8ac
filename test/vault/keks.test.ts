/** The life of KEKs: every transition and every refusal of docs/spec/keyring.md section 1. */

import { beforeEach, describe, expect, test } from "vitest";
import { type EmbeddedVault, type KekState, SHRED_DELAY_MS_MAX } from "../../src/vault/index.ts";
import { fromBase64, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { filesOf, freshPath, openTestVault, TestClock, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };
const HOUR = 3_600_000;

let path: string;
let vault: EmbeddedVault;
let clock: TestClock;

beforeEach(async () => {
  path = freshPath(true);
  clock = new TestClock();
  vault = await openTestVault({ path, now: clock.now });
});

const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

/** States of all versions, the newest first. */
const states = async (of: EmbeddedVault = vault): Promise<KekState[]> =>
  (await listKeks(of, KEK))[0]!.versions.map((version) => version.state);

const counters = (): unknown =>
  tamper(path, (db) => db.prepare("SELECT name, value FROM counters ORDER BY name").all());

/** Everything that is stored of KEKs, to see that nothing has changed. */
const everything = (): unknown =>
  tamper(path, (db) => [
    db.prepare("SELECT * FROM kek_versions ORDER BY kek_id, version").all(),
    db.prepare("SELECT * FROM counters ORDER BY name").all(),
    db.prepare("SELECT count(*) AS n FROM events").all(),
  ]);

const contains = (files: Buffer, bytes: Uint8Array): boolean => files.includes(Buffer.from(bytes));

describe("a KEK", () => {
  test("[KEY-1] is made at first use, version 1, active", async () => {
    expect(await listKeks(vault)).toEqual([]);
    expect(await codeOf(() => listKeks(vault, KEK))).toBe("ERR_KEY_NOT_FOUND");
    await vault.encrypt("x", CONTEXT);
    await vault.encrypt("y", CONTEXT);
    expect(await listKeks(vault)).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
        ...KEK,
        state: "active",
        createdAt: "2026-01-01T00:00:00.000Z",
        versions: [
          {
            version: 1,
            state: "active",
            createdAt: "2026-01-01T00:00:00.000Z",
            destroyAt: null,
            kvVersions: 0,
          },
        ],
      },
    ]);
  });

  test("[KEY-1] is one per entry, byte by byte, and shared between contexts", async () => {
    for (const context of [
      CONTEXT,
      { ...CONTEXT, env: "prod" },
      { env: "prod" },
      { env: "Prod" },
      { env: "prod " },
      { Env: "prod" },
      { env: "é" },
      { env: "e\u0301" },
      { env: "a\0b" },
      { env: "a" },
    ]) {
      await vault.encrypt("x", context);
    }
    const keks = await listKeks(vault);
    expect(keks.map((kek) => [kek.name, kek.value])).toEqual([
      ["Env", "prod"],
      ["env", "Prod"],
      ["env", "a"],
      ["env", "a\0b"],
      ["env", "e\u0301"],
      ["env", "prod"],
      ["env", "prod "],
      ["env", "é"],
      ["organization_id", "org_1"],
    ]);
    for (const kek of keks) {
      expect(await listKeks(vault, { kekId: kek.id })).toEqual([kek]);
      expect(await listKeks(vault, { name: kek.name, value: kek.value })).toEqual([kek]);
    }
  });

  test("counts the stored versions that need each of its versions", async () => {
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    await vault.keks.rotate(KEK);
    await vault.updateKv({ id, value: "w" });
    await vault.updateKv({ id, value: "x" });
    const counts = async () => (await listKeks(vault, KEK))[0]!.versions.map((version) => version.kvVersions);
    expect(await counts()).toEqual([2, 1]);
    await vault.destroyKv({ id });
    expect(await counts()).toEqual([0, 0]);
  });

  test.each([
    [null],
    ["organization_id=org_1"],
    [{}],
    [{ name: "organization_id" }],
    [{ name: "organization_id", value: 7 }],
  ])("is not named by %j", async (selector) => {
    await vault.encrypt("x", CONTEXT);
    for (const call of [
      () => listKeks(vault, selector as never),
      () => vault.keks.rotate(selector as never),
      () => vault.keks.disable(selector as never),
      () => vault.keks.enable(selector as never),
      () => vault.keks.shred(selector as never),
    ]) {
      // Without a selector, all are listed.
      if (selector === undefined) continue;
      expect(await codeOf(call)).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(await states()).toEqual(["active"]);
  });

  test.each([
    [{ kekId: "no such id" }],
    [{ kekId: "" }],
    [{ name: "organization_id", value: "org_2" }],
    [{ name: "organization_id", value: "" }],
    [{ ...KEK, version: 2 }],
    [{ ...KEK, version: 0 }],
    [{ ...KEK, version: "1" }],
    [{ ...KEK, version: null }],
    [{ ...KEK, version: Number.NaN }],
  ])("[KEY-5] that is not there is not changed: %j", async (selector) => {
    await vault.encrypt("x", CONTEXT);
    const before = everything();
    for (const call of [
      () => vault.keks.disable(selector as never),
      () => vault.keks.enable(selector as never),
      () => vault.keks.shred(selector as never),
      () => vault.keks.shred(selector as never, { dryRun: true }),
      ...("version" in selector ? [] : [() => vault.keks.rotate(selector as never)]),
    ]) {
      expect(await codeOf(call)).toBe("ERR_KEY_NOT_FOUND");
    }
    expect(everything()).toEqual(before);
  });

  test("named by a lone surrogate is not taken for the one of its replacement", async () => {
    await vault.encrypt("x", { organization_id: "\ufffd" });
    const error = await rejectionOf(() => vault.keks.shred({ name: "organization_id", value: "\ud800" }));
    expect(["ERR_KEY_NOT_FOUND", "ERR_TEXT_MALFORMED"]).toContain(error.code);
    expect((await listKeks(vault))[0]!.state).toBe("active");
  });
});

describe("[KEY-5] transitions", () => {
  type Act = "rotate" | "disable" | "enable" | "shred" | "delayed" | "cancelled" | "due";

  const act = async (what: Act, version?: number): Promise<void> => {
    const selector = version === undefined ? KEK : { ...KEK, version };
    if (what === "rotate") await vault.keks.rotate(KEK);
    if (what === "disable") await vault.keks.disable(selector);
    if (what === "enable" || what === "cancelled") await vault.keks.enable(selector);
    if (what === "shred") await vault.keks.shred(selector);
    if (what === "delayed") await vault.keks.shred(selector, { delayMs: HOUR });
    if (what === "due") {
      clock.advance(HOUR);
      await vault.close();
      vault = await openTestVault({ path, now: clock.now });
    }
  };

  /** From a state of the newest and the one before it, by a call on one version or all, to states or a refusal. */
  const table: readonly (readonly [
    before: readonly (readonly [Act, number?])[],
    call: readonly [Act, number?],
    after: string,
  ])[] = [
    [[], ["rotate"], "active decrypt-only"],
    [[["rotate"]], ["rotate"], "active decrypt-only decrypt-only"],
    [[["disable"]], ["rotate"], "ERR_KEY_STATE"],
    [[["delayed"]], ["rotate"], "ERR_KEY_STATE"],
    [[["shred"]], ["rotate"], "active destroyed"],
    [[["rotate"], ["disable", 1]], ["rotate"], "active decrypt-only disabled"],
    [[["rotate"], ["delayed", 1]], ["rotate"], "active decrypt-only pending-destroy"],
    [[["rotate"], ["shred", 2]], ["rotate"], "active destroyed decrypt-only"],
    [[["rotate"], ["disable", 2]], ["rotate"], "ERR_KEY_STATE"],

    [[], ["disable"], "disabled"],
    [[], ["disable", 1], "disabled"],
    [[["rotate"]], ["disable"], "disabled disabled"],
    [[["rotate"]], ["disable", 1], "active disabled"],
    [[["rotate"]], ["disable", 2], "disabled decrypt-only"],
    [[["disable"]], ["disable"], "disabled"],
    [[["delayed"]], ["disable"], "ERR_KEY_STATE"],
    [[["rotate"], ["delayed", 1]], ["disable"], "ERR_KEY_STATE"],
    [[["rotate"], ["delayed", 1]], ["disable", 2], "disabled pending-destroy"],
    [[["shred"]], ["disable"], "ERR_KEY_DESTROYED"],
    [[["rotate"], ["shred", 1]], ["disable"], "disabled destroyed"],
    [[["rotate"], ["shred", 1]], ["disable", 1], "ERR_KEY_DESTROYED"],

    [[], ["enable"], "active"],
    [[["disable"]], ["enable"], "active"],
    [[["rotate"], ["disable"]], ["enable"], "active decrypt-only"],
    [[["rotate"], ["disable"]], ["enable", 1], "disabled decrypt-only"],
    [[["rotate"], ["disable"]], ["enable", 2], "active disabled"],
    [[["delayed"]], ["cancelled"], "active"],
    [[["rotate"], ["delayed"]], ["cancelled", 1], "pending-destroy decrypt-only"],
    [[["shred"]], ["enable"], "ERR_KEY_DESTROYED"],
    [[["rotate"], ["disable"], ["shred", 2]], ["enable"], "destroyed decrypt-only"],
    [[["rotate"], ["shred", 1]], ["enable", 1], "ERR_KEY_DESTROYED"],

    [[], ["shred"], "destroyed"],
    [[["rotate"]], ["shred"], "destroyed destroyed"],
    [[["rotate"]], ["shred", 1], "active destroyed"],
    [[["rotate"]], ["shred", 2], "destroyed decrypt-only"],
    [[["disable"]], ["shred"], "destroyed"],
    [[["delayed"]], ["shred"], "destroyed"],
    [[["shred"]], ["shred"], "ERR_KEY_DESTROYED"],
    [[["rotate"], ["shred", 1]], ["shred"], "destroyed destroyed"],
    [[["shred"]], ["delayed"], "ERR_KEY_DESTROYED"],

    [[], ["delayed"], "pending-destroy"],
    [[["disable"]], ["delayed"], "pending-destroy"],
    [[["delayed"]], ["due"], "destroyed"],
    [[["rotate"], ["delayed", 1]], ["due"], "active destroyed"],
    [[["delayed"], ["cancelled"]], ["due"], "active"],
    [[["rotate"], ["delayed"], ["cancelled", 2]], ["due"], "active destroyed"],
  ];

  test.each(
    table.map(
      ([before, call, after]) =>
        [[...before, call].map((step) => step.join(" ")).join(", "), before, call, after] as const,
    ),
  )("[KEY-6] [KEY-7] %s", async (_, before, call, after) => {
    await vault.encrypt("x", CONTEXT);
    for (const [what, version] of before) await act(what, version);
    if (after.startsWith("ERR_")) {
      const stored = everything();
      expect(await codeOf(() => act(...call))).toBe(after);
      expect(everything()).toEqual(stored);
      return;
    }
    await act(...call);
    const now = await states();
    expect(now.join(" ")).toBe(after);
    expect(now.slice(1)).not.toContain("active");
    // What each state allows.
    const made = await vault.encrypt("y", CONTEXT).catch((error) => error.code);
    const newest = now[0]!;
    if (newest === "active") expect(await vault.decrypt(made)).toBe("y");
    else expect(made).toBe(newest === "destroyed" ? "ERR_KEY_DESTROYED" : "ERR_KEY_DISABLED");
  });

  test("[KEY-4] a version is used or not by its own state, whatever the others'", async () => {
    const first = await vault.encrypt("first", CONTEXT);
    await vault.keks.rotate(KEK);
    const second = await vault.encrypt("second", CONTEXT);
    const readable = async () =>
      Promise.all([first, second].map((text) => vault.decrypt(text).catch((error) => error.code)));
    expect(await readable()).toEqual(["first", "second"]);
    await vault.keks.disable({ ...KEK, version: 1 });
    expect(await readable()).toEqual(["ERR_KEY_DISABLED", "second"]);
    await vault.keks.enable({ ...KEK, version: 1 });
    await vault.keks.disable({ ...KEK, version: 2 });
    expect(await readable()).toEqual(["first", "ERR_KEY_DISABLED"]);
    await vault.keks.shred({ ...KEK, version: 1 });
    expect(await readable()).toEqual(["ERR_KEY_DESTROYED", "ERR_KEY_DISABLED"]);
  });

  test("[KEY-40] each raises the counters it must", async () => {
    await vault.encrypt("x", CONTEXT);
    const raised = async (call: () => Promise<unknown>): Promise<[number, number]> => {
      const read = () =>
        Object.fromEntries((counters() as { name: string; value: number }[]).map((c) => [c.name, c.value]));
      const before = read();
      await call();
      const after = read();
      return [after.keks! - before.keks!, after.revocations! - before.revocations!];
    };
    expect(await raised(() => vault.encrypt("x", { other: "1" }))).toEqual([0, 0]);
    expect(await raised(() => vault.keks.rotate(KEK))).toEqual([1, 0]);
    expect(await raised(() => vault.keks.disable({ ...KEK, version: 1 }))).toEqual([1, 1]);
    expect(await raised(() => vault.keks.enable(KEK))).toEqual([1, 0]);
    expect(await raised(() => vault.keks.shred(KEK, { dryRun: true }))).toEqual([0, 0]);
    expect(await raised(() => vault.keks.shred(KEK, { delayMs: HOUR }))).toEqual([1, 1]);
    expect(await raised(() => act("due"))).toEqual([1, 1]);
    expect(await raised(() => vault.keks.rotate(KEK))).toEqual([1, 0]);
    expect(await raised(() => vault.keks.shred(KEK))).toEqual([1, 1]);
  });

  test("[KEY-7] a version is never made twice: each rotation has its own random KEK", async () => {
    await vault.encrypt("x", CONTEXT);
    const wrapped = (): Set<string> =>
      new Set(
        tamper(path, (db) =>
          db
            .prepare("SELECT wrapped FROM kek_versions WHERE wrapped IS NOT NULL")
            .all()
            .map((row) => Buffer.from(row.wrapped as Uint8Array).toString("hex")),
        ),
      );
    for (let i = 0; i < 10; i++) await vault.keks.rotate(KEK);
    expect(wrapped().size).toBe(11);
    expect((await listKeks(vault, KEK))[0]!.versions.map((version) => version.version)).toEqual(
      Array.from({ length: 11 }, (_, i) => 11 - i),
    );
  });

  test("[KEY-5] rotations at the same time give one version each, one of them active", async () => {
    await vault.encrypt("x", CONTEXT);
    const other = await openTestVault({ path });
    await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? vault : other).keks.rotate(KEK)));
    const [kek] = await listKeks(vault, KEK);
    expect(kek!.versions).toHaveLength(13);
    expect(kek!.versions.filter((version) => version.state === "active")).toHaveLength(1);
    expect(kek!.state).toBe("active");
  });
});

describe("a shred", () => {
  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, SHRED_DELAY_MS_MAX + 1, "1"])(
    "with a delay of %s is refused",
    async (delayMs) => {
      await vault.encrypt("x", CONTEXT);
      expect(await codeOf(() => vault.keks.shred(KEK, { delayMs: delayMs as number }))).toBe(
        "ERR_INVALID_ARGUMENT",
      );
      expect(await states()).toEqual(["active"]);
    },
  );

  test("[KEY-8] with a delay waits, can be taken back, and tells when it is due", async () => {
    const text = await vault.encrypt("x", CONTEXT);
    const report = await vault.keks.shred(KEK, { delayMs: SHRED_DELAY_MS_MAX });
    expect(report).toMatchObject({ destroyAt: "2027-01-01T00:00:00.000Z", isDryRun: false });
    expect((await listKeks(vault, KEK))[0]!.versions[0]).toMatchObject({
      state: "pending-destroy",
      destroyAt: "2027-01-01T00:00:00.000Z",
    });
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DISABLED");
    clock.advance(SHRED_DELAY_MS_MAX - 1);
    const early = await openTestVault({ path, now: clock.now });
    expect(await states(early)).toEqual(["pending-destroy"]);
    await vault.keks.enable(KEK);
    expect(await vault.decrypt(text)).toBe("x");
    expect((await listKeks(vault, KEK))[0]!.versions[0]).toMatchObject({ state: "active", destroyAt: null });
  });

  test("[KEY-8] that is due is done when the vault is opened, in whatever environment", async () => {
    const text = await vault.encrypt("x", CONTEXT);
    await vault.keks.shred(KEK, { delayMs: HOUR });
    clock.advance(HOUR);
    const other = await openTestVault({ path, environment: "other", now: clock.now });
    expect(await listKeks(other)).toEqual([]);
    // The first vault is told, though it has not been opened anew.
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.keks.enable(KEK))).toBe("ERR_KEY_DESTROYED");
    expect(await states()).toEqual(["destroyed"]);
  });

  test("[KEY-38] as a dry run changes nothing and counts right", async () => {
    const contexts = [CONTEXT, { ...CONTEXT, env: "prod" }, { ...CONTEXT, env: "test" }, { env: "prod" }];
    for (const [i, keyContext] of contexts.entries()) {
      await vault.createKv({ name: `object ${i}`, value: "v", keyContext });
      clock.advance(1); // Contexts are shown in the order of their first use.
    }
    const { id: updated } = await vault.getName({ name: "object 1" });
    await vault.keks.rotate(KEK);
    await vault.updateKv({ id: updated, value: "w" });
    const { id: deleted } = await vault.createKv({ name: "deleted", value: "v", keyContext: CONTEXT });
    await vault.deleteKv({ id: deleted });
    const { id: destroyed } = await vault.createKv({ name: "destroyed", value: "v", keyContext: CONTEXT });
    await vault.destroyKv({ id: destroyed });
    const [kek] = await listKeks(vault, KEK);
    await vault.close();
    vault = await openTestVault({ path, now: clock.now });
    const before = everything();
    const report = await vault.keks.shred(KEK, { dryRun: true, delayMs: 5 });
    expect(everything()).toEqual(before);
    expect(report).toEqual({
      kekId: kek!.id,
      ...KEK,
      versions: [1, 2],
      isDryRun: true,
      destroyAt: null,
      erasure: "physical",
      contexts: { count: 3, sample: contexts.slice(0, 3) },
      kvObjects: { count: 3, sample: ["object 0", "object 1", "object 2"] },
      kvVersions: 5, // one each of objects 0 and 2, two of object 1, one that was deleted
      recipientVersions: 0,
      uncoveredRecipients: { count: 0, sample: [] },
    });
    const one = await vault.keks.shred({ ...KEK, version: 1 }, { dryRun: true });
    expect(one).toMatchObject({
      versions: [1],
      kvObjects: { count: 2, sample: ["object 0", "object 2"] },
      kvVersions: 3,
    });
    const two = await vault.keks.shred({ ...KEK, version: 2 }, { dryRun: true });
    expect(two).toMatchObject({
      versions: [2],
      kvObjects: { count: 1, sample: ["object 1"] },
      kvVersions: 2,
    });

    // And the deed is what the dry run has told.
    const deed = await vault.keks.shred(KEK);
    expect(deed).toEqual({ ...report, isDryRun: false, destroyAt: new Date(clock.time).toISOString() });
    let unreadable = 0;
    for (let i = 0; i < 4; i++) {
      unreadable += await vault.getName({ name: `object ${i}` }).then(
        () => 0,
        (error) => (error.code === "ERR_KEY_DESTROYED" ? 1 : 100),
      );
    }
    expect(unreadable).toBe(3);
    expect(await vault.getName({ name: "object 3" })).toMatchObject({ value: "v" });
    expect(await codeOf(() => vault.keks.shred(KEK, { dryRun: true }))).toBe("ERR_KEY_DESTROYED");
  });

  test("[KEY-38] counts all and shows a sample of many", async () => {
    await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        vault.createKv({
          name: `object ${String(i).padStart(2, "0")}`,
          value: "v",
          keyContext: { ...CONTEXT, n: `${i}` },
        }),
      ),
    );
    const report = await vault.keks.shred(KEK, { dryRun: true });
    expect(report.contexts.count).toBe(30);
    expect(report.contexts.sample).toHaveLength(20);
    expect(report.kvObjects.count).toBe(30);
    expect(report.kvObjects.sample).toHaveLength(20);
    expect(report.kvVersions).toBe(30);
  });

  test("[KEY-21] leaves the wrapped KEK nowhere in the vault's files, among many others", async () => {
    for (let i = 0; i < 200; i++) await vault.encrypt("x", { organization_id: `tenant ${i}` });
    const victims = [3, 77, 199].map((i) => ({ name: "organization_id", value: `tenant ${i}` }));
    for (const victim of victims) await vault.keks.rotate(victim);
    const wrapped = (value: string): Uint8Array[] =>
      tamper(path, (db) =>
        db
          .prepare(
            "SELECT wrapped FROM kek_versions v JOIN keks k ON k.id = v.kek_id WHERE context_value = ? AND wrapped IS NOT NULL",
          )
          .all(utf8Bytes(value))
          .map((row) => row.wrapped as Uint8Array),
      );
    for (const victim of victims) {
      const gone = wrapped(victim.value);
      expect(gone).toHaveLength(2);
      for (const bytes of gone) expect(contains(filesOf(path), bytes)).toBe(true);
      await vault.keks.shred(victim);
      const files = filesOf(path);
      for (const bytes of gone) {
        // No part of them either: the nonce, the key, the commitment.
        for (let at = 0; at < 104; at += 8) {
          expect(contains(files, bytes.subarray(at, at + 8)), `bytes from ${at}`).toBe(false);
        }
      }
    }
    const kept = wrapped("tenant 100");
    expect(contains(filesOf(path), kept[0]!)).toBe(true);
  });

  test("[KEY-21] [KEY-34] leaves a destroyed value nowhere in the vault's files", async () => {
    const large = "y".repeat(20_000);
    const { id, versionId } = await vault.createKv({ name: "n", value: "small", keyContext: CONTEXT });
    await vault.updateKv({ id, value: large });
    for (let i = 0; i < 20; i++) await vault.createKv({ name: `${i}`, value: large, keyContext: CONTEXT });
    const bytes = tamper(path, (db) =>
      db.prepare("SELECT sealed, key_blob FROM kv_versions WHERE object_id = ?").all(id),
    ).flatMap((row) => [row.sealed as Uint8Array, row.key_blob as Uint8Array]);
    expect(bytes).toHaveLength(4);
    await vault.destroyKv({ id, versionId });
    await vault.destroyKv({ id });
    const files = filesOf(path);
    for (const part of bytes) {
      for (const at of [0, 12, part.length - 16]) {
        // A key blob begins with a magic and ids that others share; its secrets are at its end.
        if (part.length < 200 && part.length > 100 && at < part.length - 16) continue;
        expect(contains(files, part.subarray(at, at + 16)), `${part.length} bytes, from ${at}`).toBe(false);
      }
    }
  });

  test("makes everything under the KEK unreadable, for good", async () => {
    const text = await vault.encrypt("x", { ...CONTEXT, env: "prod" });
    using lease = await vault.lease(CONTEXT);
    lease.encryptSync("x");
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    await vault.keks.shred(KEK);
    for (const call of [
      () => vault.decrypt(text),
      () => vault.rekey(text, { a: "b" }),
      () => vault.rewrap(text),
      () => vault.getKv({ id }),
      () => vault.updateKv({ id, value: "w" }),
      () => vault.encrypt("x", { ...CONTEXT, env: "prod" }),
      () => vault.lease(CONTEXT),
    ]) {
      expect(await codeOf(call)).toBe("ERR_KEY_DESTROYED");
    }
    // The object is still listed, and can go.
    expect((await vault.listKv()).data).toHaveLength(1);
    expect((await vault.listKvVersions({ id })).data).toHaveLength(1);
    await vault.deleteKv({ id });
    await vault.keks.rotate(KEK);
    expect(await vault.decrypt(await vault.encrypt("new", CONTEXT))).toBe("new");
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DESTROYED");
  });
});

test("[KEY-46] [KEY-47] nothing that is answered or thrown shows a KEK or a context that was not asked for", async () => {
  await vault.encrypt("x", CONTEXT);
  const wrapped = tamper(path, (db) => db.prepare("SELECT wrapped FROM kek_versions").get()!.wrapped);
  const secrets = [fromBase64("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="), wrapped as Uint8Array];
  expectNoTrace(await listKeks(vault), secrets);
  expectNoTrace(await vault.keks.shred(KEK, { dryRun: true }), secrets);
  expectNoTrace(vault, [...secrets, utf8Bytes("org_1")]);
  await vault.keks.disable(KEK);
  for (const call of [
    () => vault.keks.rotate(KEK),
    () => vault.encrypt("x", CONTEXT),
    () => listKeks(vault, { name: "organization_id", value: "org_2" }),
  ]) {
    expectNoTrace(await rejectionOf(call), [...secrets, utf8Bytes("org_1"), utf8Bytes("org_2")]);
  }
});

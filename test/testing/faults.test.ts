/** What a test can make happen to a test vault, and what its seed decides. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { inspect, Vault } from "../../src/index.ts";
import { createTestVault, type TestOperation, type TestVault } from "../../src/testing/index.ts";
import { fromBase64 } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";

const CONTEXT = { organization_id: "org_1" };

const codeOf = async (work: () => Promise<unknown>): Promise<string> => (await rejectionOf(work)).code;

/** Every call that can fail, on a vault with an object and a ciphertext. */
async function calls(vault: TestVault): Promise<Record<TestOperation, () => Promise<unknown>>> {
  const { id } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
  const gone = await vault.createKv({ name: "b", value: "1", keyContext: CONTEXT });
  await vault.deleteKv({ id: gone.id });
  const text = await vault.encrypt("s3cret", CONTEXT);
  const kek = { name: "organization_id", value: "org_1" };
  return {
    createDataKey: () => vault.encrypt("s3cret", CONTEXT),
    createDecrypt: () => vault.decrypt(text),
    createRekey: () => vault.rekey(text, { organization_id: "org_2" }),
    createRewrap: () => vault.rewrap(text),
    createKv: () => vault.createKv({ name: "c", value: "1", keyContext: CONTEXT }),
    getKv: () => vault.getKv({ id }),
    getName: () => vault.getName({ name: "a" }),
    updateKv: () => vault.updateKv({ id, value: "2" }),
    listKv: async () => await vault.listKv(),
    listKvVersions: () => vault.listKvVersions({ id }),
    listKvMetadata: () => vault.listKvMetadata({ id }),
    undeleteKv: () => vault.undeleteKv({ id: gone.id }),
    rewrapKv: () => vault.rewrapKv(),
    verifyRewrap: () => vault.verifyRewrap(),
    deleteKv: () => vault.deleteKv({ id }),
    destroyKv: () => vault.destroyKv({ id }),
    "keks.list": async () => await vault.keks.list(),
    "keks.get": () => vault.keks.get(kek),
    "keks.rotate": () => vault.keks.rotate(kek),
    "keks.disable": () => vault.keks.disable(kek),
    "keks.enable": () => vault.keks.enable(kek),
    "keks.shred": () => vault.keks.shred(kek),
  };
}

const READS = new Set<string>([
  ...["createDataKey", "createDecrypt", "createRekey", "createRewrap", "getKv", "getName", "listKv"],
  ...["listKvVersions", "listKvMetadata", "verifyRewrap", "keks.list", "keks.get"],
]);

describe("faults", () => {
  test("[TST-7] each call fails as over HTTP, once, and then works", async () => {
    const vault = createTestVault();
    for (const [operation, call] of Object.entries(await calls(vault)) as [
      TestOperation,
      () => Promise<unknown>,
    ][]) {
      vault.control.throttle({ operation, retryAfterS: 7 });
      const throttled = await rejectionOf(call);
      expect(throttled).toMatchObject({
        code: "ERR_SERVICE_RATE_LIMITED",
        status: 429,
        retryable: true,
      });
      expect(throttled.message).toContain("7 s");
      vault.control.timeOut({ operation });
      const lost = READS.has(operation)
        ? { code: "ERR_SERVICE_TIMEOUT", retryable: true }
        : { code: "ERR_OUTCOME_UNKNOWN", retryable: false };
      expect(await rejectionOf(call)).toMatchObject(lost);
      expect(vault.control.faultsLeft).toBe(0);
      await call();
    }
  });

  test("[TST-7] [TST-8] of a lost answer all is done, of a refused call nothing", async () => {
    const vault = createTestVault();
    const { id } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
    vault.control.throttle();
    expect(await codeOf(() => vault.updateKv({ id, value: "throttled" }))).toBe("ERR_SERVICE_RATE_LIMITED");
    vault.control.timeOut();
    expect(await codeOf(() => vault.updateKv({ id, value: "timed out" }))).toBe("ERR_OUTCOME_UNKNOWN");
    expect((await vault.getKv({ id })).value).toBe("1");
    vault.control.loseAnswer();
    expect(await codeOf(() => vault.updateKv({ id, value: "lost" }))).toBe("ERR_OUTCOME_UNKNOWN");
    expect((await vault.getKv({ id })).value).toBe("lost");
    vault.control.loseAnswer({ operation: "keks.shred" });
    const kek = { name: "organization_id", value: "org_1" };
    expect(await codeOf(() => vault.keks.shred(kek))).toBe("ERR_OUTCOME_UNKNOWN");
    expect(await codeOf(() => vault.getKv({ id }))).toBe("ERR_KEY_DESTROYED");
    vault.control.loseAnswer({ operation: "getKv" });
    // What the service would have said is lost with its answer.
    expect(await codeOf(() => vault.getKv({ id }))).toBe("ERR_SERVICE_TIMEOUT");
  });

  test("a wrong argument is told before a fault, and does not use it up", async () => {
    const vault = createTestVault();
    vault.control.throttle();
    expect(await codeOf(() => vault.getKv({ id: 5 as never }))).toBe("ERR_INVALID_ARGUMENT");
    expect(await codeOf(() => vault.encrypt("x", {}))).toBe("ERR_KEY_CONTEXT_INVALID");
    expect(await codeOf(() => vault.keys.createDecrypt({ keys: "" }))).toBe("ERR_KEY_BLOB_MALFORMED");
    expect(await codeOf(() => vault.keks.get({ kekId: 5 as never }))).toBe("ERR_INVALID_ARGUMENT");
    expect(vault.control.faultsLeft).toBe(1);
  });

  test("are planned by operation and number, and taken back", async () => {
    const vault = createTestVault();
    vault.control.throttle({ times: 2, operation: "createDecrypt" });
    const text = await vault.encrypt("s3cret", CONTEXT);
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_SERVICE_RATE_LIMITED");
    expect(vault.control.faultsLeft).toBe(1);
    vault.control.clearFaults();
    expect(vault.control.faultsLeft).toBe(0);
    expect(await vault.decrypt(text)).toBe("s3cret");
    vault.control.throttle({ times: 2 });
    const results = await vault.encryptMany(
      ["1", "2", "3"].map((org) => ({ data: org, context: { org } })),
      CONTEXT,
    );
    expect(results.map(({ ok }) => ok).sort()).toEqual([false, false, true]);
  });

  test("[TST-5] the seed decides which of the next calls fail", async () => {
    const failing = async (seed: string): Promise<string> => {
      const vault = createTestVault({ seed });
      vault.control.throttle({ times: 10, among: 40 });
      let pattern = "";
      for (let i = 0; i < 40; i++) {
        pattern += await vault.encrypt("x", CONTEXT).then(
          () => ".",
          () => "!",
        );
      }
      expect(vault.control.faultsLeft).toBe(0);
      return pattern;
    };
    const pattern = await failing("one");
    expect(pattern.replaceAll(".", "")).toBe("!".repeat(10));
    expect(await failing("one")).toBe(pattern);
    expect(await failing("two")).not.toBe(pattern);
  });

  test("nonsense is refused, before anything is planned", () => {
    const { control } = createTestVault();
    for (const wrong of [
      { times: 0 },
      { times: 1.5 },
      { times: 3, among: 2 },
      { times: 1_000_001 },
      { operation: "encrypt" },
      { retryAfterS: -1 },
      { unknown: 1 },
    ]) {
      expect(errorOf(() => control.throttle(wrong as never)).code).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(errorOf(() => control.timeOut({ retryAfterS: 1 } as never)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(control.faultsLeft).toBe(0);
    expect(errorOf(() => createTestVault({ seed: 5 as never })).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => createTestVault({ sed: "x" } as never)).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => createTestVault({ now: 5 as never })).code).toBe("ERR_INVALID_ARGUMENT");
    expect(errorOf(() => createTestVault({ actor: { id: "x" } as never })).code).toBe("ERR_INVALID_ARGUMENT");
  });
});

describe("revocation", () => {
  test("ends what is under the context, at once, and nothing else", async () => {
    const vault = createTestVault();
    const [text, other] = [
      await vault.encrypt("s3cret", CONTEXT),
      await vault.encrypt("kept", { other: "1" }),
    ];
    await vault.decrypt(text);
    using lease = await vault.lease(CONTEXT);
    using kept = await vault.lease({ other: "1" });
    lease.encryptSync("before");
    await vault.control.revoke(CONTEXT);
    expect(errorOf(() => lease.encryptSync("after")).code).toBe("ERR_LEASE_EXPIRED");
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DISABLED");
    expect(await codeOf(() => vault.lease(CONTEXT))).toBe("ERR_KEY_DISABLED");
    kept.encryptSync("still");
    expect(await vault.decrypt(other)).toBe("kept");
    await vault.keks.enable({ name: "organization_id", value: "org_1" });
    expect(await vault.decrypt(text)).toBe("s3cret");
  });

  test("makes the KEKs that are not there yet, so that a test can begin with it", async () => {
    const vault = createTestVault();
    await vault.control.revoke({ a: "1", b: "2" }, "shred");
    expect(await codeOf(() => vault.encrypt("x", { a: "1" }))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.encrypt("x", { b: "2", c: "3" }))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.control.revoke({}))).toBe("ERR_KEY_CONTEXT_INVALID");
    expect(await codeOf(() => vault.control.revoke(CONTEXT, "end" as never))).toBe("ERR_INVALID_ARGUMENT");
  });

  test("goes past planned faults", async () => {
    const vault = createTestVault();
    vault.control.throttle({ times: 5 });
    await vault.control.revoke(CONTEXT);
    expect(vault.control.faultsLeft).toBe(5);
  });

  test("a delayed shred is done when the clock is there, a lease knows it too", async () => {
    let now = 1_000_000;
    const vault = createTestVault({ now: () => now, cache: { maxEntries: 0 } });
    using lease = await vault.lease(CONTEXT, { maxAgeMs: 86_400_000 });
    const text = await vault.encrypt("s3cret", CONTEXT);
    await vault.keks.shred({ name: "organization_id", value: "org_1" }, { delayMs: 3_600_000 });
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DISABLED");
    await vault.keks.enable({ name: "organization_id", value: "org_1" });
    expect(await vault.decrypt(text)).toBe("s3cret");
    await vault.keks.shred({ name: "organization_id", value: "org_1" }, { delayMs: 3_600_000 });
    now += 3_600_000;
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DESTROYED");
    expect(errorOf(() => lease.encryptSync("x")).code).toBe("ERR_LEASE_EXPIRED");
  });
});

describe("expiry", () => {
  test("ends every lease there is, and empties the decrypt cache; new ones live", async () => {
    const vault = createTestVault();
    const text = await vault.encrypt("s3cret", CONTEXT);
    await vault.decrypt(text);
    using lease = await vault.lease(CONTEXT);
    vault.control.expireLeases();
    expect(errorOf(() => lease.encryptSync("x")).code).toBe("ERR_LEASE_EXPIRED");
    expect(await codeOf(() => lease.encrypt("x"))).toBe("ERR_LEASE_EXPIRED");
    vault.control.throttle({ operation: "createDecrypt" });
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_SERVICE_RATE_LIMITED");
    using next = await vault.lease(CONTEXT);
    expect(await vault.decrypt(next.encryptSync("x"))).toBe("x");
  });
});

describe("the seed", () => {
  const story = async (seed?: string) => {
    const vault = createTestVault({ ...(seed === undefined ? {} : { seed }), now: () => 1_000 });
    const metadata = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
    const next = await vault.updateKv({ id: metadata.id, value: "2" });
    const text = await vault.encrypt("s3cret", CONTEXT);
    using key = await vault.createDataKey({ context: { ...CONTEXT, env: "x" } });
    return {
      ids: [metadata, next, inspect(text).keyBlob, key.id, await vault.keks.list()],
      text,
      key: key.dataKey,
      blob: key.encryptedKeys,
    };
  };

  test("[TST-5] the same seed gives the same ids, another one others", async () => {
    const [one, again, other] = [await story("s"), await story("s"), await story("t")];
    expect(again.ids).toEqual(one.ids);
    expect(JSON.stringify(other.ids)).not.toBe(JSON.stringify(one.ids));
    expect((await story()).ids).toEqual((await story()).ids);
  });

  test("[TST-6] keys, nonces and names are random whatever the seed", async () => {
    const stories = await Promise.all(Array.from({ length: 20 }, () => story("s")));
    expect(new Set(stories.map(({ key }) => key)).size).toBe(20);
    expect(new Set(stories.map(({ text }) => text.slice(0, 16))).size).toBe(20);
    expect(new Set(stories.map(({ blob }) => String(fromBase64(blob).subarray(-104, -80)))).size).toBe(20);
    expect(new Set(stories.map(({ blob }) => String(fromBase64(blob).subarray(-80)))).size).toBe(20);
  });
});

describe("as a Vault", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
  });

  test("is one, with its methods in hand too", async () => {
    const { encrypt, decrypt, control, lease, ...rest } = createTestVault({
      actor: { id: "me", name: "Me" },
    });
    expect(rest).toBeInstanceOf(Object);
    control.throttle();
    expect(await codeOf(() => encrypt("x", CONTEXT))).toBe("ERR_SERVICE_RATE_LIMITED");
    expect(await decrypt(await encrypt("x", CONTEXT))).toBe("x");
    using held = await lease(CONTEXT);
    expect(await decrypt(await held.encrypt("y"))).toBe("y");
    const vault = createTestVault({ actor: { id: "me", name: "Me" } });
    expect(vault).toBeInstanceOf(Vault);
    const made = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
    expect(made.updatedBy).toEqual({ id: "me", name: "Me" });
    expect(await codeOf(() => vault.lease(CONTEXT, { unknown: 1 } as never))).toBe("ERR_INVALID_ARGUMENT");
    expect(await codeOf(() => vault.lease(CONTEXT, null as never))).toBe("ERR_INVALID_ARGUMENT");
    await vault.close();
    expect(await codeOf(() => vault.encrypt("x", CONTEXT))).toBe("ERR_DISPOSED");
  });

  test("works where every timer is faked, and dates are those of the fake", async () => {
    vi.useFakeTimers({
      now: 0,
      toFake: [
        "setTimeout",
        "clearTimeout",
        "setInterval",
        "clearInterval",
        "setImmediate",
        "clearImmediate",
        "Date",
        "performance",
        "queueMicrotask",
      ],
    });
    const vault = createTestVault();
    const text = await vault.encrypt("s3cret", CONTEXT, undefined, { timeout: 1_000 });
    expect(await vault.decrypt(text)).toBe("s3cret");
    expect(await vault.decryptMany([text, null])).toEqual([
      { ok: true, value: "s3cret" },
      { ok: true, value: null },
    ]);
    const { updatedAt } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
    expect(updatedAt).toBe("1970-01-01T00:00:00.000Z");
    const lease = await vault.lease(CONTEXT, { maxAgeMs: 60_000 });
    lease.encryptSync("x");
    vi.advanceTimersByTime(60_000);
    expect(errorOf(() => lease.encryptSync("x")).code).toBe("ERR_LEASE_EXPIRED");
    await vault.close();
  });

  test("says where it is made in production", () => {
    const notices: string[] = [];
    createTestVault({ onNotice: (notice) => notices.push(notice) });
    expect(notices).toEqual([]);
    vi.stubEnv("NODE_ENV", "production");
    createTestVault({ onNotice: (notice) => notices.push(notice) });
    expect(notices).toHaveLength(1);
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    createTestVault();
    expect(warn).toHaveBeenCalledWith(notices[0]);
    warn.mockRestore();
  });
});

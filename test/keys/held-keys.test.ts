/** Holders of data keys and revocations, by a service that says when it is asked (docs/spec/revocation.md sections 2 to 4). */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { DataKey } from "../../src/crypto/keys/data-key.ts";
import { VaultError } from "../../src/errors.ts";
import { DataKeyCache } from "../../src/keys/data-key-cache.ts";
import { HeldKeys } from "../../src/keys/held-keys.ts";
import { Lease } from "../../src/keys/lease.ts";
import type { LeaseLimits } from "../../src/keys/lease-budget.ts";
import { leaseSettings, takeLeasedKey } from "../../src/keys/leased-key.ts";
import { REVISION_LIMITS_HTTP, REVISION_LIMITS_LOCAL, REVISION_ROUND_MS_MAX } from "../../src/keys/limits.ts";
import type { Revision, RevisionId, RevisionLimits, RevisionSource } from "../../src/keys/revisions.ts";
import { rejectionOf } from "../support/errors.ts";
import { MemoryKeyService } from "../support/memory-service.ts";
import { TestClock } from "../support/vaults.ts";

/** A service that tells revisions as an HTTP client hears them: with answers, and when it asks. */
class TellingService extends MemoryKeyService {
  readonly clock = new TestClock();
  /** At the service; the client knows `heard`. */
  revision = 0;
  heard: Revision | undefined;
  readonly refused = new Set<string>();
  /** What was asked: `refresh`, or how many references. */
  readonly asked: (string | number)[] = [];
  outage: VaultError | undefined;
  readonly source: RevisionSource & { lockouts: number };

  constructor(limits: RevisionLimits = REVISION_LIMITS_HTTP) {
    super();
    this.source = {
      limits,
      lockouts: 0,
      newest: () => this.heard,
      of: (key) => this.#under.get(key),
      refresh: async () => {
        this.asked.push("refresh");
        await this.#reach();
      },
      check: async (keys) => {
        this.asked.push(keys.length);
        await this.#reach();
        const results = keys.map((key) =>
          this.refused.has(key)
            ? { ok: false as const, error: new VaultError("ERR_KEY_DISABLED", "disabled") }
            : { ok: true as const, value: true },
        );
        return { revision: this.heard, results };
      },
    };
  }

  get revisions(): RevisionSource {
    return this.source;
  }

  readonly #under = new WeakMap<DataKey, RevisionId>();

  override async createDataKey(...request: Parameters<MemoryKeyService["createDataKey"]>): Promise<DataKey> {
    return this.#answered(await super.createDataKey(...request));
  }

  override async createDecrypt(...request: Parameters<MemoryKeyService["createDecrypt"]>): Promise<DataKey> {
    const { keys } = request[0];
    if (this.refused.has(keys)) throw new VaultError("ERR_KEY_DISABLED", "disabled");
    return this.#answered(await super.createDecrypt(...request));
  }

  /** Any answer. */
  answer(): void {
    this.heard = { id: this.revision, at: this.clock.now() };
  }

  /** A revocation that refuses some references. */
  revokeKeys(...keys: string[]): void {
    this.revision += 1;
    for (const key of keys) this.refused.add(key);
  }

  #answered(key: DataKey): DataKey {
    this.answer();
    this.#under.set(key, this.revision);
    return key;
  }

  async #reach(): Promise<void> {
    await Promise.resolve();
    if (this.outage !== undefined) throw this.outage;
    this.answer();
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

let service: TellingService;
let clock: TestClock;
let heldKeys: HeldKeys;
const useService = (made: TellingService): void => {
  service = made;
  ({ clock } = made);
  heldKeys = new HeldKeys(service, clock.now);
};
beforeEach(() => useService(new TellingService()));
afterEach(() => {
  vi.restoreAllMocks();
});

interface TakenLease {
  readonly lease: Lease;
  readonly reference: string;
}

async function taken(tenant: string, limits: LeaseLimits = {}): Promise<TakenLease> {
  const settings = leaseSettings({ ...limits, now: clock.now });
  const held = await takeLeasedKey(heldKeys, { tenant }, settings);
  return { lease: new Lease(held), reference: service.handedOut.at(-1)!.encryptedKeys };
}

describe("a lease", () => {
  test("[REV-8] [REV-13] ends when its own reference is refused, and no other does", async () => {
    const [mine, other] = [await taken("mine"), await taken("other")];
    service.revokeKeys(mine.reference);
    service.answer();
    clock.advance(100);
    // Beside the call.
    for (const { lease } of [mine, other]) lease.encryptSync("x");
    await settle();
    expect(service.asked).toEqual([2]);
    clock.advance(100);
    expect(codeOf(() => mine.lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(codeOf(() => mine.lease.decryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(service.handedOut[0]!.isDisposed).toBe(true);
    for (let i = 0; i < 10; i++) {
      clock.advance(100);
      other.lease.encryptSync("x");
    }
    await settle();
    expect(service.asked).toEqual([2]);
  });

  test("[REV-13] is asked about with all others, 100 a call, one round at a time", async () => {
    const leases = [];
    for (let i = 0; i < 250; i++) leases.push((await taken(`${i}`)).lease);
    service.revokeKeys();
    service.answer();
    clock.advance(100);
    for (const lease of leases) lease.encryptSync("x");
    await settle();
    expect(service.asked).toEqual([100, 100, 50]);
  });

  test("[REV-13] is asked about before those that are not used", async () => {
    const unused: TakenLease[] = [];
    for (let i = 0; i < 150; i++) unused.push(await taken(`unused ${i}`));
    const { lease, reference } = await taken("used");
    service.revokeKeys(reference);
    service.answer();
    clock.advance(100);
    const { check } = service.source;
    service.source.check = (keys, options) => {
      if (service.asked.length > 0) return new Promise(() => {});
      return check!(keys, options);
    };
    lease.encryptSync("x");
    await settle();
    clock.advance(100);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(codeOf(() => unused[0]!.lease.encryptSync("x"))).toBe("none");
  });

  test("[REV-14] a look counts from when it was asked for, also if the answer tells no revision", async () => {
    const { lease } = await taken("a");
    service.revision += 1;
    service.answer();
    service.source.check = async (keys) => {
      clock.advance(9_000);
      return { revision: undefined, results: keys.map(() => ({ ok: true as const, value: true })) };
    };
    clock.advance(100);
    lease.encryptSync("x");
    await settle();
    service.source.check = () => new Promise(() => {});
    clock.advance(6_001);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
  });

  test("[REV-14] starts a look at a use when the last one is older than 5 s; any answer is one", async () => {
    const { lease } = await taken("a");
    clock.advance(5_000);
    lease.encryptSync("x");
    await settle();
    expect(service.asked).toEqual([]);
    clock.advance(100);
    lease.encryptSync("x");
    lease.encryptSync("x");
    await settle();
    // The revision is still the same: nothing has to be asked.
    expect(service.asked).toEqual(["refresh"]);
    clock.advance(4_000);
    service.answer();
    clock.advance(4_000);
    lease.encryptSync("x");
    await settle();
    expect(service.asked).toEqual(["refresh"]);
  });

  test("[REV-15] refuses to seal when its last look is older than 15 s, opens, and seals after a look", async () => {
    const { lease } = await taken("a");
    const text = lease.encryptSync("x");
    service.outage = new VaultError("ERR_SERVICE_UNAVAILABLE", "away");
    clock.advance(15_000);
    lease.encryptSync("x");
    await settle();
    clock.advance(1_000);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    expect(codeOf(() => lease.encryptManySync(["x"]))).toBe("ERR_LEASE_STALE");
    expect(lease.canEncrypt(0)).toBe(false);
    expect(lease.decryptSync(text)).toBe("x");
    for (const call of [() => lease.encrypt("x"), () => lease.encryptMany(["x"])]) {
      const error = (await rejectionOf(call)) as VaultError;
      expect([error.code, error.retryable]).toEqual(["ERR_LEASE_STALE", true]);
    }
    await settle();
    service.outage = undefined;
    clock.advance(1_000);
    // It asks, and the next one knows.
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    await settle();
    clock.advance(100);
    expect(lease.decryptSync(lease.encryptSync("y"))).toBe("y");
  });

  test("[REV-15] calls that wait look first, with what they were given when they were called", async () => {
    const { lease } = await taken("a");
    clock.advance(60_000);
    const bytes = Uint8Array.of(1, 2, 3);
    const sealing = lease.encrypt(bytes, bytes);
    bytes.fill(9);
    const opened = await lease.decrypt(await sealing, Uint8Array.of(1, 2, 3), { as: "bytes" });
    expect([...opened]).toEqual([1, 2, 3]);
    clock.advance(60_000);
    const many = lease.encryptMany([bytes, "text"], bytes);
    bytes.fill(1);
    const results = await many;
    const [first, second] = results.map((result) => (result as { value: string }).value);
    const aad = Uint8Array.of(9, 9, 9);
    expect([...lease.decryptSync(first!, aad, { as: "bytes" })]).toEqual([9, 9, 9]);
    expect(lease.decryptSync(second!, aad)).toBe("text");
    expect(service.asked).toEqual(["refresh", "refresh"]);
  });

  test("[REV-15] with onOutage: continue goes on, and still ends when it hears of a revocation", async () => {
    const { lease, reference } = await taken("a", { onOutage: "continue" });
    service.outage = new VaultError("ERR_SERVICE_UNAVAILABLE", "away");
    for (let i = 0; i < 20; i++) {
      clock.advance(60_000);
      lease.encryptSync("x");
      await settle();
    }
    service.revokeKeys(reference);
    service.outage = undefined;
    clock.advance(1_000);
    lease.encryptSync("x");
    await settle();
    clock.advance(100);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
  });

  test.each([0, "yes", null])("[REV-15] refuses onOutage: %j", async (onOutage) => {
    await expect(taken("a", { onOutage } as never)).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("[REV-16] ends after a 401, with all others", async () => {
    const [a, b] = [await taken("a"), await taken("b")];
    service.source.lockouts += 1;
    clock.advance(100);
    for (const { lease } of [a, b]) {
      expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    }
    expect(service.handedOut.every((key) => key.isDisposed)).toBe(true);
    expect(service.asked).toEqual([]);
  });

  test("[REV-17] a clock that was set back makes a look older", async () => {
    const { lease } = await taken("a");
    clock.advance(60_000);
    await lease.encrypt("x");
    clock.advance(-20_000);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    await settle();
    clock.advance(100);
    lease.encryptSync("x");
  });

  test("[REV-17] a round that gets no answer is given up by the clock, and another one begun", async () => {
    const { lease } = await taken("a");
    const { refresh } = service.source;
    let asked = 0;
    service.source.refresh = () => {
      asked += 1;
      return new Promise(() => {});
    };
    clock.advance(6_000);
    lease.encryptSync("x");
    clock.advance(REVISION_ROUND_MS_MAX);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    expect(asked).toBe(1);
    service.source.refresh = refresh!;
    clock.advance(100);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    await settle();
    clock.advance(100);
    lease.encryptSync("x");
  });

  test("[REV-17] a call that waits for a round which nothing ends waits no longer than two may take", async () => {
    const { lease } = await taken("a");
    service.source.refresh = () => new Promise(() => {});
    clock.advance(16_000);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    const times: number[] = [];
    const over = new AbortController();
    vi.spyOn(AbortSignal, "timeout").mockImplementation((milliseconds) => {
      times.push(milliseconds);
      return over.signal;
    });
    const call = rejectionOf(() => lease.encrypt("x"));
    await settle();
    over.abort();
    expect((await call).code).toBe("ERR_LEASE_STALE");
    expect(times).toEqual([REVISION_ROUND_MS_MAX, REVISION_ROUND_MS_MAX]);
  });

  test("[REV-15] a call that waits begins a round of its own where the one under way ends without an answer", async () => {
    const { lease } = await taken("a");
    const { refresh } = service.source;
    service.source.refresh = ({ signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    clock.advance(5_050);
    lease.encryptSync("x");
    // The process was busy: nothing was sent, and the round has little time left.
    clock.advance(9_960);
    service.source.refresh = refresh!;
    const sealed = lease.encrypt("x");
    heldKeys.quit();
    expect(await lease.decrypt(await sealed)).toBe("x");
  });

  test("[REV-17] questions under way are broken off when the vault is closed", async () => {
    const { lease } = await taken("a");
    let signal: AbortSignal | undefined;
    service.source.refresh = (options) => {
      ({ signal } = options);
      return new Promise(() => {});
    };
    clock.advance(5_001);
    lease.encryptSync("x");
    expect(signal!.aborted).toBe(false);
    heldKeys.quit();
    expect(signal!.aborted).toBe(true);
    lease.encryptSync("x");
  });

  test("[REV-18] of a service that tells none lives as long as its age, and asks nothing", async () => {
    const { lease } = await taken("a");
    service.heard = undefined;
    const silent = new HeldKeys(service, clock.now);
    const key = await MemoryKeyService.prototype.createDataKey.call(service, { context: { tenant: "b" } });
    const held = silent.hold(key, silent.newest(), () => {});
    clock.advance(3_000_000);
    expect(held.look()).toBe("good");
    await settle();
    expect(service.asked).toEqual([]);
    lease.dispose();
  });
});

describe("a lease in the vault's own process", () => {
  test("[REV-9] asks at the next look, and refuses to seal a second after the last one that was good", async () => {
    useService(new TellingService(REVISION_LIMITS_LOCAL));
    const newest = { get: () => ({ id: service.revision }) };
    service.source.newest = () => newest.get();
    const [mine, other] = [await taken("mine"), await taken("other")];
    service.revokeKeys(mine.reference);
    clock.advance(99);
    mine.lease.encryptSync("x");
    await settle();
    expect(service.asked).toEqual([]);
    clock.advance(1);
    mine.lease.encryptSync("x");
    await settle();
    clock.advance(100);
    expect(codeOf(() => mine.lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    other.lease.encryptSync("x");
    // Where the revision is not known, and nothing can be asked: for a second.
    newest.get = () => ({ id: Number.NaN });
    service.outage = new VaultError("ERR_STORAGE_UNAVAILABLE", "away");
    for (let i = 0; i < 10; i++) {
      clock.advance(100);
      other.lease.encryptSync("x");
      await settle();
    }
    clock.advance(100);
    expect(codeOf(() => other.lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    newest.get = () => ({ id: service.revision });
    clock.advance(100);
    other.lease.encryptSync("x");
  });
});

describe("the decrypt cache", () => {
  const dataKeyOf = (key: DataKey): string => key.dataKey;

  async function cached(count: number): Promise<{ cache: DataKeyCache; keys: string[] }> {
    const cache = new DataKeyCache({ now: clock.now }, heldKeys);
    const keys: string[] = [];
    for (let i = 0; i < count; i++) {
      const made = await service.createDataKey({ context: { tenant: `${i}` } });
      keys.push(made.encryptedKeys);
      await cache.use(service, made.encryptedKeys, dataKeyOf);
    }
    service.asked.length = 0;
    return { cache, keys };
  }

  test("[REV-8] [REV-10] asks before it uses a key after a change, drops what is refused and keeps the rest", async () => {
    const { cache, keys } = await cached(3);
    const before = service.count("createDecrypt");
    service.revokeKeys(keys[1]!);
    service.answer();
    await cache.use(service, keys[0]!, dataKeyOf);
    expect(service.asked).toEqual([3]);
    expect(cache.size).toBe(2);
    await expect(cache.use(service, keys[1]!, dataKeyOf)).rejects.toMatchObject({ code: "ERR_KEY_DISABLED" });
    const results = await cache.useMany(service, keys, dataKeyOf);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
    expect(service.count("createDecrypt")).toBe(before);
  });

  test("[REV-10] a batch asks once for what is in doubt", async () => {
    const { cache, keys } = await cached(5);
    const before = service.count("createDecrypt");
    service.revokeKeys(keys[2]!);
    service.answer();
    const results = await cache.useMany(service, keys, dataKeyOf);
    expect(results.map(({ ok }) => ok)).toEqual([true, true, false, true, true]);
    expect(service.asked).toEqual([5]);
    expect(service.count("createDecrypt")).toBe(before);
  });

  test("a batch of keys that are kept takes one look, and a single one as well", async () => {
    const { cache, keys } = await cached(20);
    const newest = vi.spyOn(service.source, "newest");
    const results = await cache.useMany(service, keys, dataKeyOf);
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(newest).toHaveBeenCalledTimes(1);
    await cache.use(service, keys[0]!, dataKeyOf);
    expect(newest).toHaveBeenCalledTimes(2);
  });

  test("[REV-10] what cannot be asked for is unwrapped anew", async () => {
    const { cache, keys } = await cached(1);
    service.revokeKeys();
    service.answer();
    service.outage = new VaultError("ERR_SERVICE_UNAVAILABLE", "away");
    const before = service.count("createDecrypt");
    await cache.use(service, keys[0]!, dataKeyOf);
    expect(service.count("createDecrypt")).toBe(before + 1);
  });

  test("[REV-10] what cannot be asked for is unwrapped anew in a batch too", async () => {
    const { cache, keys } = await cached(2);
    service.revokeKeys(keys[1]!);
    service.answer();
    service.outage = new VaultError("ERR_SERVICE_UNAVAILABLE", "away");
    const results = await cache.useMany(service, keys, dataKeyOf);
    expect(results.map(({ ok }) => ok)).toEqual([true, false]);
  });

  test("[REV-13] asks nothing while nothing has changed, and never for what it has let go of", async () => {
    const { cache, keys } = await cached(3);
    await cache.use(service, keys[0]!, dataKeyOf);
    await cache.useMany(service, keys, dataKeyOf);
    expect(service.asked).toEqual([]);
    cache.clear();
    await cache.use(service, keys[2]!, dataKeyOf);
    service.revokeKeys();
    service.answer();
    await cache.use(service, keys[2]!, dataKeyOf);
    expect(service.asked).toEqual([1]);
  });

  test("[REV-10] a key that was asked for before a revocation is not used by a call that began after it", async () => {
    const { cache } = await cached(0);
    const { encryptedKeys } = await service.createDataKey({ context: { tenant: "a" } });
    const open = service.hold();
    const first = cache.use(service, encryptedKeys, dataKeyOf);
    service.refused.add(encryptedKeys);
    open();
    // It was answered under the revision before; another answer has told of the new one.
    await first;
    service.revision += 1;
    service.answer();
    expect(((await rejectionOf(() => cache.use(service, encryptedKeys, dataKeyOf))) as VaultError).code).toBe(
      "ERR_KEY_DISABLED",
    );
  });

  test("[REV-16] goes after a 401", async () => {
    const { cache, keys } = await cached(2);
    service.source.lockouts += 1;
    const before = service.count("createDecrypt");
    await cache.use(service, keys[0]!, dataKeyOf);
    expect(service.count("createDecrypt")).toBe(before + 1);
    expect(cache.size).toBe(1);
  });

  test("[REV-18] lives by its age where the service is away and has told of nothing", async () => {
    const { cache, keys } = await cached(1);
    service.outage = new VaultError("ERR_SERVICE_UNAVAILABLE", "away");
    const before = service.count("createDecrypt");
    clock.advance(59_999);
    await cache.use(service, keys[0]!, dataKeyOf);
    expect(service.count("createDecrypt")).toBe(before);
  });
});

/** Revocations over HTTP: what servers tell, and what clients do with it (docs/spec/revocation.md section 4). */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { VaultError } from "../../src/errors.ts";
import { HttpKeyService, Transport } from "../../src/http/index.ts";
import { Vault } from "../../src/index.ts";
import type { Lease } from "../../src/keys/lease.ts";
import { rejectionOf } from "../support/errors.ts";
import { describePostgres, freshDatabaseUrl, openTestPostgresHost } from "../support/postgres.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { eventually, openTestVault } from "../support/vaults.ts";

const REVISION = "coffer-revision";
const MINE = { organization_id: "org_mine" };
const OTHER = { organization_id: "org_other" };
const KEK = { name: "organization_id", value: "org_mine" };

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(async () => {
  vi.useRealTimers();
  await server.close();
});

const revisionOf = async (key = server.key): Promise<string | null> =>
  (await server.call("GET", "/coffer/v1/status", undefined, { key })).headers.get(REVISION);
const disable = (key = server.key) => server.call("POST", "/coffer/v1/keks/disable", KEK, { key });

describe("a server", () => {
  test("[REV-11] tells a revision with each answer to a good key, refusals too, and to no other", async () => {
    const { headers } = await server.call("POST", "/vault/v1/keys/data-key", { context: MINE });
    const revision = headers.get(REVISION)!;
    expect(revision).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    const weak = await server.apiKey(["decrypt"]);
    for (const [method, path, key] of [
      ["GET", "/coffer/v1/status", server.key],
      ["GET", "/vault/v1/kv/secret_0", server.key],
      ["POST", "/vault/v1/keys/decrypt", weak],
      ["GET", "/coffer/v1/keks", weak],
    ] as const) {
      const body = method === "POST" ? { keys: "AAAA" } : undefined;
      const answer = await server.call(method, path, body, { key });
      expect([path, answer.headers.get(REVISION)]).toEqual([path, revision]);
    }
    const other = `${server.key.slice(0, -1)}${server.key.endsWith("_") ? "-" : "_"}`;
    for (const key of [null, other]) expect(await revisionOf(key as string)).toBeNull();
  });

  test("[REV-6] [REV-11] changes it with each disable and shred in the environment, and with nothing else", async () => {
    await server.call("POST", "/vault/v1/keys/data-key", { context: MINE });
    const theirs = await server.apiKey(undefined, { environment: "theirs" });
    await server.call("POST", "/vault/v1/keys/data-key", { context: MINE }, { key: theirs });
    const [before, foreign] = [await revisionOf(), await revisionOf(theirs)];
    expect(foreign).not.toBe(before);
    for (const what of ["rotate", "enable"]) await server.call("POST", `/coffer/v1/keks/${what}`, KEK);
    expect(await revisionOf()).toBe(before);
    const own = await disable();
    expect(own.status).toBe(200);
    // Of before the operation.
    expect(own.headers.get(REVISION)).toBe(before);
    const disabled = await revisionOf();
    await server.call("POST", "/coffer/v1/keks/shred", KEK);
    expect(new Set([before, disabled, await revisionOf()]).size).toBe(3);
    expect(await revisionOf(theirs)).toBe(foreign);
    await disable(theirs);
    expect(await revisionOf(theirs)).not.toBe(foreign);
  });

  test("[REV-12] says which keys are good, as decrypt does, to every key and without telling any", async () => {
    const make = async (context: object, key = server.key): Promise<string> =>
      (await server.call("POST", "/vault/v1/keys/data-key", { context }, { key })).body.encrypted_keys;
    const theirs = await server.apiKey(undefined, { environment: "theirs" });
    const keys = [await make(MINE), await make(OTHER), await make(MINE, theirs), "AAAA"];
    const altered = `${keys[1]!.slice(0, -6)}AAAAAA`;
    await disable();
    const bound = await server.apiKey(["kv:read"], { constraints: OTHER });
    for (const key of [server.key, bound]) {
      const { status, body, text } = await server.call(
        "POST",
        "/coffer/v1/keys/check",
        { keys: [...keys, altered] },
        { key },
      );
      expect(status).toBe(200);
      expect(text).not.toContain("data_key");
      const decrypted = await server.call(
        "POST",
        "/coffer/v1/keys/decrypts",
        { keys: [...keys, altered] },
        { key: key === bound ? await server.apiKey(["decrypt"], { constraints: OTHER }) : key },
      );
      const codes = (results: { code?: string; ok?: true }[]): string[] =>
        results.map((result) => result.code ?? "ok");
      expect(codes(body.results)).toEqual(codes(decrypted.body.results));
      expect(codes(body.results)[1]).toBe("ok");
      expect(codes(body.results).filter((code) => code === "ok")).toHaveLength(1);
    }
    for (const wrong of [{ keys: [] }, { keys: new Array(101).fill("AAAA") }, { keys: "AAAA" }]) {
      expect((await server.call("POST", "/coffer/v1/keys/check", wrong)).status).toBe(422);
    }
  });
});

/** A client's vault, and the paths that it asks for. */
function clientOf(apiKey = server.key, url = server.url): { vault: Vault; asked: string[] } {
  const asked: string[] = [];
  const vault = new Vault({
    baseUrl: url,
    apiKey,
    maxRetries: 0,
    fetch: (input, init) => {
      asked.push(new URL(String(input)).pathname);
      return fetch(input, init);
    },
  });
  return { vault, asked };
}

/** Moves the clock that clients look at; their timers and sockets go on. */
function passMs(milliseconds: number): void {
  vi.setSystemTime(Date.now() + milliseconds);
}

const codeOf = (call: () => unknown): string => {
  try {
    call();
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

/** Uses a lease until its state is settled; each use is 100 ms after the one before. */
async function comesTo(lease: Lease, code: string): Promise<void> {
  await eventually(() => {
    passMs(100);
    return codeOf(() => lease.encryptSync("x")) === code;
  }, `a lease that answers ${code}`);
}

describe("a client", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
  });

  test.each(["disable", "shred"])(
    "[REV-8] [REV-13] [REV-14] hears of a %s by another, within 5 s and a request, and drops nothing else",
    async (how) => {
      const { vault, asked } = clientOf();
      using mine = await vault.lease(MINE);
      using other = await vault.lease(OTHER);
      const text = await vault.encrypt("x", MINE);
      const kept = await vault.encrypt("y", OTHER);
      for (const ciphertext of [text, kept]) await vault.decrypt(ciphertext);
      asked.length = 0;
      expect((await server.call("POST", `/coffer/v1/keks/${how}`, KEK)).status).toBe(200);
      mine.encryptSync("x");
      passMs(5_001);
      // Beside the call.
      mine.encryptSync("x");
      await comesTo(mine, "ERR_LEASE_EXPIRED");
      other.encryptSync("x");
      expect(asked).toEqual(["/coffer/v1/status", "/coffer/v1/keys/check"]);
      // The cache was asked about in the same round.
      expect(await vault.decrypt(kept)).toBe("y");
      expect(asked).toHaveLength(2);
      expect((await rejectionOf(() => vault.decrypt(text))).code).toBe(
        how === "disable" ? "ERR_KEY_DISABLED" : "ERR_KEY_DESTROYED",
      );
      await vault.close();
    },
  );

  test("[REV-13] any answer tells of a revocation: the next decryption asks first", async () => {
    const { vault, asked } = clientOf();
    const text = await vault.encrypt("x", MINE);
    const kept = await vault.encrypt("y", OTHER);
    for (const ciphertext of [text, kept, text, kept]) await vault.decrypt(ciphertext);
    await disable();
    await vault.encrypt("z", OTHER);
    asked.length = 0;
    expect(await vault.decrypt(kept)).toBe("y");
    expect(asked).toEqual(["/coffer/v1/keys/check"]);
    expect((await rejectionOf(() => vault.decrypt(text))).code).toBe("ERR_KEY_DISABLED");
    await vault.close();
  });

  test("[REV-8] keeps what it holds when another environment's keys are revoked", async () => {
    const theirs = await server.apiKey(undefined, { environment: "theirs" });
    await server.call("POST", "/vault/v1/keys/data-key", { context: MINE }, { key: theirs });
    const { vault, asked } = clientOf();
    using lease = await vault.lease(MINE);
    await disable(theirs);
    await vault.encrypt("x", MINE);
    passMs(100);
    asked.length = 0;
    lease.encryptSync("x");
    expect(asked).toEqual([]);
    await vault.close();
  });

  test("[REV-15] refuses to seal 15 s after the service was last heard, unless told to continue; reuse takes a new lease", async () => {
    const { vault } = clientOf();
    using lease = await vault.lease(MINE);
    using steady = await vault.lease(MINE, { onOutage: "continue" });
    await vault.encrypt("x", MINE, undefined, { reuse: true });
    await vault.encrypt("x", MINE, undefined, { reuse: { onOutage: "continue" } });
    await server.close();
    passMs(15_001);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_STALE");
    expect((await rejectionOf(() => lease.encrypt("x"))).code).toBe("ERR_LEASE_STALE");
    steady.encryptSync("x");
    await vault.encrypt("x", MINE, undefined, { reuse: { onOutage: "continue" } });
    const reused = await rejectionOf(() => vault.encrypt("x", MINE, undefined, { reuse: true }));
    expect(reused.code).toBe("ERR_SERVICE_UNAVAILABLE");
    await vault.close();
  });

  test("[REV-16] drops all that it holds when its API key is revoked", async () => {
    const key = await server.apiKey();
    const { vault } = clientOf(key);
    using lease = await vault.lease(MINE);
    const text = await vault.encrypt("x", MINE);
    await vault.decrypt(text);
    const { id } = (await server.host.apiKeys.list()).find((info) => info.name === "test")!;
    for (const info of await server.host.apiKeys.list()) {
      if (info.name === "test") await server.host.apiKeys.revoke(info.id);
    }
    expect(id).toBeDefined();
    passMs(5_001);
    lease.encryptSync("x");
    await comesTo(lease, "ERR_LEASE_EXPIRED");
    expect((await rejectionOf(() => vault.decrypt(text))).code).toMatch(/UNAUTHENTICATED/);
    await vault.close();
  });

  test("[REV-18] of a service without revisions asks nothing, and its lease lives by its age", async () => {
    const asked: string[] = [];
    const vault = new Vault({
      baseUrl: server.url,
      apiKey: server.key,
      extensions: false,
      fetch: async (input, init) => {
        asked.push(new URL(String(input)).pathname);
        const answer = await fetch(input, init);
        const headers = new Headers(answer.headers);
        headers.delete(REVISION);
        return new Response(answer.body, { status: answer.status, headers });
      },
    });
    using lease = await vault.lease(MINE);
    await disable();
    asked.length = 0;
    passMs(3_599_000);
    lease.encryptSync("x");
    passMs(2_000);
    expect(codeOf(() => lease.encryptSync("x"))).toBe("ERR_LEASE_EXPIRED");
    expect(asked).toEqual([]);
    await vault.close();
  });

  test("[REV-12] can ask by itself", async () => {
    const service = new HttpKeyService(new Transport({ baseUrl: server.url, apiKey: server.key }));
    using key = await service.createDataKey({ context: MINE });
    const codes = async (): Promise<string[]> =>
      (await service.checkMany({ keys: [key.encryptedKeys, "AAAA"] })).map((result) =>
        result.ok ? "ok" : (result.error as VaultError).code.slice(0, 7),
      );
    expect(await codes()).toEqual(["ok", "ERR_KEY"]);
    await disable();
    expect((await codes())[0]).toBe("ERR_KEY");
  });
});

describe("an embedded vault", () => {
  test("[REV-8] [REV-9] [REV-10] one tenant's disable ends its own leases and cached keys, and nobody else's", async () => {
    const vault = await openTestVault();
    using mine = await vault.lease(MINE);
    using other = await vault.lease(OTHER);
    const text = await vault.encrypt("x", OTHER);
    const lost = await vault.encrypt("x", MINE);
    for (const ciphertext of [text, lost]) await vault.decrypt(ciphertext);
    vi.useFakeTimers({ toFake: ["Date"] });
    await vault.keks.disable(KEK);
    expect((await rejectionOf(() => vault.decrypt(lost))).code).toBe("ERR_KEY_DISABLED");
    await comesTo(mine, "ERR_LEASE_EXPIRED");
    passMs(100);
    other.encryptSync("x");
    expect(await vault.decrypt(text)).toBe("x");
  });
});

describePostgres("servers of one vault", () => {
  test("[REV-11] tell the same revision, and hear of each other's within a second", async () => {
    const url = await freshDatabaseUrl();
    const servers = [];
    for (let i = 0; i < 2; i++) servers.push(await startServer({ host: await openTestPostgresHost(url) }));
    const [one, two] = servers as [TestServer, TestServer];
    const key = one.key;
    await one.call("POST", "/vault/v1/keys/data-key", { context: MINE });
    const told = async (by: TestServer): Promise<string | null> =>
      (await by.call("GET", "/coffer/v1/status", undefined, { key })).headers.get(REVISION);
    const before = await told(one);
    await eventually(async () => (await told(two)) === before, "the same revision");
    await one.call("POST", "/coffer/v1/keks/disable", KEK);
    const after = await told(one);
    expect(after).not.toBe(before);
    await eventually(async () => (await told(two)) === after, "the next revision");
    for (const each of servers) {
      await each.close();
      await each.host.close();
    }
  });
});

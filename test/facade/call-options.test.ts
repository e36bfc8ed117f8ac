/**
 * Per call: a time for all of it, headers on each of its requests, an idempotency key. Over a key service that can be held up,
 * over a vault in memory, and over HTTP.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import type { CallOptions, ChangeOptions } from "../../src/keys/key-service.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";
import { startServer } from "../support/server.ts";
import { openTestHost, openTestVault } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const CODE = "ERR_SERVICE_TIMEOUT";

type Call = (options: CallOptions) => Promise<unknown>;

/** Calls of a vault that ask for a data key, with ciphertexts whose keys are not in its cache. */
async function keyCalls(vault: Vault, made: Vault): Promise<Record<string, Call>> {
  const one = await made.encrypt("x", CONTEXT);
  const native = await made.encrypt("x".repeat(100), CONTEXT, "", { layout: "native" });
  const bytes = Buffer.from(native, "base64");
  const fields = await made.encryptFields({ a: 1 }, ["a"], CONTEXT);
  const through = async (
    stream: TransformStream<Uint8Array, Uint8Array>,
    data: Uint8Array,
  ): Promise<unknown> =>
    new Response(new Blob([Uint8Array.from(data)]).stream().pipeThrough(stream)).arrayBuffer();
  return {
    encrypt: (options) => vault.encrypt("x", CONTEXT, "", options),
    "encrypt with reuse": (options) => vault.encrypt("x", CONTEXT, "", { ...options, reuse: true }),
    encryptMany: async (options) => valuesOf(await vault.encryptMany(["x"], CONTEXT, "", options)),
    encryptJson: (options) => vault.encryptJson({}, CONTEXT, "", options),
    encryptFields: (options) => vault.encryptFields({ a: 1 }, ["a"], CONTEXT, options),
    lease: (options) => vault.lease(CONTEXT, options),
    decrypt: (options) => vault.decrypt(one, "", options),
    decryptMany: async (options) => valuesOf(await vault.decryptMany([one], "", options)),
    decryptFields: (options) => vault.decryptFields(fields, ["a"], options),
    upgrade: (options) => vault.upgrade(one, "", options),
    rekey: (options) => vault.rekey(one, CONTEXT, options),
    rekeyMany: (options) => vault.rekeyMany([one], CONTEXT, options),
    rewrap: (options) => vault.rewrap(one, options),
    rewrapMany: (options) => vault.rewrapMany([one], options),
    createDataKey: (options) => vault.createDataKey({ context: CONTEXT }, options),
    encryptStream: (options) => through(vault.encryptStream(CONTEXT, "", options), new Uint8Array(10)),
    decryptStream: (options) => through(vault.decryptStream("", options), bytes),
    openNativeSource: (options) => vault.openNativeSource(bytes, "", options),
    decryptRange: (options) => vault.decryptRange(bytes, 0, 1, "", options),
  };
}

/** Results of a batch; the error of an item is thrown. */
function valuesOf(results: readonly { ok: boolean; error?: unknown }[]): unknown {
  for (const result of results) if (!result.ok) throw result.error;
  return results;
}

describe("over a key service that answers late", () => {
  const keys = new MemoryKeyService();
  const ports = { keys, kv: noStore() };
  let calls: Record<string, Call>;

  beforeAll(async () => {
    calls = await keyCalls(new Vault({ ...ports, cache: { maxEntries: 0 } }), new Vault(ports));
  });

  test("every call ends with its time, and the next one is served", async () => {
    const goOn = keys.hold();
    const errors = await Promise.all(
      Object.entries(calls).map(async ([name, call]) => [
        name,
        await rejectionOf(() => call({ timeout: 20 })),
      ]),
    );
    goOn();
    for (const [name, error] of errors as [string, { code: string }][]) expect(error.code, name).toBe(CODE);
    for (const call of Object.values(calls)) await call({ timeout: 60_000 });
  });

  test("a time that is nonsense is a RangeError of every call, before anything is asked", async () => {
    const before = keys.requests.length;
    for (const [name, call] of Object.entries(calls)) {
      const error = await rejectionOf(async () => call({ timeout: 0 }));
      expect(error, name).toBeInstanceOf(RangeError);
      expect(error.code, name).toBe("ERR_INVALID_ARGUMENT");
    }
    expect(keys.requests.length).toBe(before);
  });

  test("headers are refused by every call, before anything is asked", async () => {
    const before = keys.requests.length;
    for (const [name, call] of Object.entries(calls)) {
      const error = await rejectionOf(async () => call({ headers: { "x-trace": "1" } }));
      expect(error.code, name).toBe("ERR_INVALID_ARGUMENT");
      expect(error.message, name).toContain("over HTTP");
    }
    expect(keys.requests.length).toBe(before);
  });

  test("one time is for the whole of a call that asks twice", async () => {
    const vault = new Vault({ ...ports, cache: { maxEntries: 0 } });
    const text = await vault.encrypt("x", CONTEXT);
    const goOn = keys.hold();
    const signals: (AbortSignal | undefined)[] = [];
    const upgrading = vault.upgrade(text, "", { timeout: 60_000 });
    signals.push(keys.signals.at(-1));
    goOn();
    await upgrading;
    signals.push(keys.signals.at(-1));
    // What unwraps is shared, and has no caller's signal; what makes the new key has the call's.
    expect(signals).toEqual([undefined, expect.any(AbortSignal)]);
  });
});

test("a cached key does not let nonsense pass", async () => {
  const vault = await openTestVault();
  const text = await vault.encrypt("x", CONTEXT);
  expect(await vault.decrypt(text)).toBe("x");
  expect(await vault.decrypt(text)).toBe("x");
  expect(await rejectionOf(() => vault.decrypt(text, "", { timeout: -1 }))).toBeInstanceOf(RangeError);
  const refused = await rejectionOf(() => vault.decrypt(text, "", { headers: { "x-trace": "1" } }));
  expect(refused.code).toBe("ERR_INVALID_ARGUMENT");
  expect(await vault.decrypt(text, "", { timeout: 1_000 })).toBe("x");
});

test("an embedded vault refuses headers and idempotency keys, and says why", async () => {
  const vault = await openTestVault();
  const { id } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
  const kek = { name: "organization_id", value: "org_1" };
  const headers = { "x-trace": "1" };
  const idempotencyKey = "once";
  for (const call of [
    () => vault.getKv({ id }, { headers }),
    () => vault.putKv({ name: "a", value: "2" }, { headers }),
    () => vault.keks.get(kek, { headers }),
    () => vault.updateKv({ id, value: "2" }, { idempotencyKey }),
    () => vault.keks.rotate(kek, { idempotencyKey }),
  ]) {
    const error = await rejectionOf(call);
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("over HTTP");
  }
  expect(errorOf(() => vault.listKv({}, { headers })).message).toContain("over HTTP");
  expect(errorOf(() => vault.keks.list({}, { headers })).message).toContain("over HTTP");
});

describe("over HTTP", () => {
  /** A vault over a server, and what it sends. */
  const open = async () => {
    const host = await openTestHost();
    const server = await startServer({ host });
    const sent: { method: string; path: string; headers: Headers }[] = [];
    const vault = new Vault({
      baseUrl: server.url,
      apiKey: server.key,
      cache: { maxEntries: 0 },
      fetch: async (input, init) => {
        const { pathname: path } = new URL(String(input));
        sent.push({ method: init?.method ?? "GET", path, headers: new Headers(init?.headers) });
        return fetch(input, init);
      },
    });
    return {
      vault,
      sent,
      close: async () => {
        await server.close();
        await host.close();
      },
    };
  };

  test("[API-76] headers go with each request of the call, that which asks what the service is too, and with no other", async () => {
    const { vault, sent, close } = await open();
    const headers = { "X-Trace": "t-1" };
    const text = await vault.encrypt("x", CONTEXT);
    const { id } = await vault.putKv({ name: "a", value: "1", keyContext: CONTEXT });
    const kek = { name: "organization_id", value: "org_1" };
    const calls: Record<string, Call> = {
      ...(await keyCalls(vault, vault)),
      getKv: (options) => vault.getKv({ id }, options),
      getName: (options) => vault.getName({ name: "a" }, options),
      updateKv: (options) => vault.updateKv({ id, value: "2" }, options),
      putKv: (options) => vault.putKv({ name: "a", value: "3" }, options),
      putKvJson: (options) => vault.putKvJson({ name: "a", value: 3 }, options),
      getKvJson: (options) => vault.getKvJson({ name: "a" }, options),
      listKv: async (options) => await vault.listKv({}, options),
      listKvVersions: (options) => vault.listKvVersions({ id }, options),
      listKvMetadata: (options) => vault.listKvMetadata({ id }, options),
      deleteKv: (options) => vault.deleteKv({ id }, options),
      undeleteKv: (options) => vault.undeleteKv({ id }, options),
      destroyKv: (options) => vault.destroyKv({ id }, options),
      rewrapKv: (options) => vault.rewrapKv(options),
      verifyRewrap: (options) => vault.verifyRewrap(options),
      "keks.list": async (options) => await vault.keks.list({}, options),
      "keks.get": (options) => vault.keks.get(kek, options),
      "keks.rotate": (options) => vault.keks.rotate(kek, options),
      "keks.disable": (options) => vault.keks.disable(kek, options),
      "keks.enable": (options) => vault.keks.enable(kek, options),
      "keks.shred": (options) => vault.keks.shred(kek, { ...options, dryRun: true }),
      createDecrypt: async (options) => {
        using key = await vault.createDataKey({ context: CONTEXT }, options);
        return vault.createDecrypt({ keys: key.encryptedKeys }, options);
      },
    };
    for (const [name, call] of Object.entries(calls)) {
      sent.length = 0;
      await call({ headers, timeout: 60_000 });
      expect(sent.length, name).toBeGreaterThan(0);
      for (const request of sent) expect(request.headers.get("x-trace"), name).toBe("t-1");
    }
    sent.length = 0;
    await vault.decrypt(text);
    expect(sent.map((request) => request.headers.get("x-trace"))).toEqual([null]);
    await close();

    const fresh = await open();
    await fresh.vault.putKv({ name: "a", value: "1", keyContext: CONTEXT }, { headers });
    expect(fresh.sent[0]!.path).toBe("/vault/v1/kv/name/a");
    expect(fresh.sent.map(({ path }) => path)).toContain("/coffer/v1/status");
    for (const request of fresh.sent) expect(request.headers.get("x-trace"), request.path).toBe("t-1");
    await fresh.close();
  });

  test("a change happens once per idempotency key; calls that may make several do not take one", async () => {
    const { vault, sent, close } = await open();
    const once: ChangeOptions = { idempotencyKey: "job-17" };
    const request = { name: "a", value: "1", keyContext: CONTEXT };
    const first = await vault.createKv(request, once);
    expect(await vault.createKv(request, once)).toEqual(first);
    const keys = sent
      .filter(({ method }) => method === "POST")
      .map(({ headers }) => headers.get("idempotency-key"));
    expect(keys).toEqual(["job-17", "job-17"]);
    const other = await rejectionOf(() => vault.createKv({ ...request, value: "2" }, once));
    expect(other.code).toBe("ERR_IDEMPOTENCY_CONFLICT");
    const kek = { name: "organization_id", value: "org_1" };
    const rotated = await vault.keks.rotate(kek, { idempotencyKey: "job-18" });
    expect(await vault.keks.rotate(kek, { idempotencyKey: "job-18" })).toEqual(rotated);
    for (const call of [
      () => vault.putKv({ name: "a", value: "1" }, once as CallOptions),
      () => vault.encrypt("x", CONTEXT, "", once as CallOptions),
      () => vault.rewrapKv(once as CallOptions),
    ]) {
      expect((await rejectionOf(call)).message).toContain('unknown option "idempotencyKey"');
    }
    await close();
  });

  test("[API-77] a time that is over between attempts ends the call; a change that may be made is ERR_OUTCOME_UNKNOWN", async () => {
    for (const [call, code] of [
      [(vault: Vault) => vault.encrypt("x", CONTEXT, "", { timeout: 50 }), CODE],
      [(vault: Vault) => vault.updateKv({ id: "a", value: "x" }, { timeout: 50 }), "ERR_OUTCOME_UNKNOWN"],
      [(vault: Vault) => vault.getKv({ id: "a" }, { timeout: 50 }), CODE],
    ] as const) {
      let attempts = 0;
      const vault = new Vault({
        apiKey: "sk_1",
        baseUrl: "https://vault.example",
        extensions: true,
        fetch: async () => {
          attempts += 1;
          return Response.json({}, { status: 503, headers: { "retry-after": "30" } });
        },
      });
      const error = await rejectionOf(() => call(vault));
      expect(error.code).toBe(code);
      expect(attempts).toBe(1);
    }
  });

  test("a time that is over before anything could be done says so, also of a change", async () => {
    const vault = new Vault({
      apiKey: "sk_1",
      baseUrl: "https://vault.example",
      extensions: true,
      fetch: async () => Response.json({}, { status: 429, headers: { "retry-after": "30" } }),
    });
    const error = await rejectionOf(() => vault.updateKv({ id: "a", value: "x" }, { timeout: 50 }));
    expect(error.code).toBe(CODE);
  });

  test("words of a service that repeat a header are not told", async () => {
    const vault = new Vault({
      apiKey: "sk_1",
      baseUrl: "https://vault.example",
      extensions: true,
      fetch: async () => Response.json({ message: "no: canary-of-a-gateway" }, { status: 400 }),
    });
    const headers = { "x-gateway": "canary-of-a-gateway" };
    const error = await rejectionOf(() => vault.getKv({ id: "a" }, { headers }));
    expect(error.message).not.toContain("canary");
  });
});

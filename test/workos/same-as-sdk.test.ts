/**
 * The adapter against the SDK it stands in for: one script, run through `@workos-inc/node` 11 and through
 * `coffer/workos`, against one coffer server.
 *
 * Owns the claim that results, types and exceptions are the same, and the list of what differs.
 *
 * @module
 */
import { afterAll, beforeAll, describe, expect, expectTypeOf, test } from "vitest";
import { WorkOS as Sdk } from "workos-node-11";
import { isVaultError } from "../../src/errors.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KeyService } from "../../src/keys/key-service.ts";
import { createApp, type Listening, listen } from "../../src/server/index.ts";
import { PERMISSIONS } from "../../src/vault/access/api-keys.ts";
import type { VaultHost } from "../../src/vault/host.ts";
import {
  ConflictException,
  GenericServerException,
  NotFoundException,
  OauthException,
  RateLimitExceededException,
  UnauthorizedException,
  UnprocessableEntityException,
  WorkOS,
  type WorkOSVault,
} from "../../src/workos/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { openTestHost, TEST_ACTOR } from "../support/vaults.ts";

/** What both have; the SDK's own type is the one that code was written for. */
type SdkVault = Sdk["vault"];

const CONTEXT = { organization_id: "org_1" };

let host: VaultHost;
let server: Listening;

beforeAll(async () => {
  host = await openTestHost();
  server = await listen(createApp({ host }), { port: 0 });
});

afterAll(async () => {
  await server.close();
  await host.close();
});

/** An environment of one's own, with a key that may do everything. */
async function environment(name: string) {
  const { id } = await host.environment(name);
  const { key } = await host.apiKeys.create(id, { name: TEST_ACTOR.name, permissions: PERMISSIONS });
  return { id, key };
}

const at = () => ({ apiHostname: "127.0.0.1", port: Number(new URL(server.url).port), https: false });

const CLIENTS: Record<string, (environment: { id: string; key: string }) => SdkVault | WorkOSVault> = {
  sdk: ({ key }) => new Sdk(key, { ...at(), maxRetries: 0 }).vault,
  "adapter with the SDK's options": ({ key }) => new WorkOS(key, { ...at(), maxRetries: 0 }).vault,
  "adapter over the WorkOS API only": ({ key }) =>
    new WorkOS({ apiKey: key, baseUrl: server.url, extensions: false }).vault,
  "adapter over an embedded vault": ({ id }) => {
    const { keys, kv } = host.session(id, { actor: TEST_ACTOR });
    return new WorkOS({ vault: new Vault({ keys, kv }) }).vault;
  },
};
const ADAPTERS = Object.keys(CLIENTS).slice(1);

interface State {
  id: string;
  versionId: string;
  cursor: string;
  encryptedKeys: string;
  ciphertext: string;
}

/** One call after the other; later ones use what earlier ones answered. */
const SCRIPT: Record<string, (vault: SdkVault, state: State) => Promise<unknown>> = {
  create: async (vault, state) => {
    const made = await vault.createObject({ name: "a/b é", value: "one", context: CONTEXT });
    state.id = made.id;
    state.versionId = made.versionId as string;
    return made;
  },
  "create under a taken name": (vault) =>
    vault.createObject({ name: "a/b é", value: "two", context: CONTEXT }),
  "create with a context that is no text": (vault) =>
    vault.createObject({ name: "b", value: "one", context: { organization_id: 1 } }),
  "create with an empty context": (vault) => vault.createObject({ name: "b", value: "one", context: {} }),
  "create with a value that is no text": (vault) =>
    vault.createObject({ name: "b", value: 1 as never, context: CONTEXT }),
  "create with an empty name": (vault) => vault.createObject({ name: "", value: "one", context: CONTEXT }),
  "read by an empty name": (vault) => vault.readObjectByName(""),
  "create with a name of 201 characters": (vault) =>
    vault.createObject({ name: "x".repeat(201), value: "one", context: CONTEXT }),
  "create with a value that is too large": (vault) =>
    vault.createObject({ name: "b", value: "x".repeat(65_537), context: CONTEXT }),
  read: (vault, { id }) => vault.readObject({ id }),
  "read what is not there": (vault) => vault.readObject({ id: "kv_nothing" }),
  "read without an id": (vault) => vault.readObject({ id: "" }),
  "read by name": (vault) => vault.readObjectByName("a/b é"),
  "read by name in options": (vault) => vault.readObjectByName({ name: "a/b é" }),
  "read by a name that is not there": (vault) => vault.readObjectByName("nothing"),
  describe: (vault, { id }) => vault.describeObject({ id }),
  "describe what is not there": (vault) => vault.describeObject({ id: "kv_nothing" }),
  update: (vault, { id, versionId }) => vault.updateObject({ id, value: "two", versionCheck: versionId }),
  "update what somebody else has changed": (vault, { id, versionId }) =>
    vault.updateObject({ id, value: "three", versionCheck: versionId }),
  "update without a check": (vault, { id }) => vault.updateObject({ id, value: "three" }),
  "update with a value that is no text": (vault, { id }) => vault.updateObject({ id, value: null as never }),
  "update what is not there": (vault) => vault.updateObject({ id: "kv_nothing", value: "x" }),
  versions: (vault, { id }) => vault.listObjectVersions({ id }),
  "update with an empty check": (vault, { id }) =>
    vault.updateObject({ id, value: "four", versionCheck: "" }),
  "versions of what is not there": (vault) => vault.listObjectVersions({ id: "kv_nothing" }),
  "list all": async (vault) => {
    for (let i = 0; i < 11; i++)
      await vault.createObject({ name: `list-${i}`, value: "x", context: CONTEXT });
    return (await vault.listObjects()).autoPagination();
  },
  "list the first page": async (vault, state) => {
    const page = await vault.listObjects();
    state.cursor = page.listMetadata.before as string;
    return { object: page.object, data: page.data, listMetadata: page.listMetadata, options: page.options };
  },
  "list the next page": async (vault, { cursor }) => {
    const page = await vault.listObjects({ limit: 2, after: cursor });
    return { data: page.data, listMetadata: page.listMetadata, all: await page.autoPagination() };
  },
  "list what comes before": async (vault, { cursor }) =>
    (await vault.listObjects({ limit: 3, before: cursor, order: "desc" })).data,
  "list from the oldest": async (vault) => (await vault.listObjects({ order: "asc", limit: 3 })).data,
  "list with a limit that is text": async (vault) => (await vault.listObjects({ limit: "5" as never })).data,
  "list as JSON": async (vault) => Object.keys(JSON.parse(JSON.stringify(await vault.listObjects()))),
  "list by name": async (vault) => (await vault.listObjects({ search: "list-1" })).data,
  "list what changed since": async (vault) => (await vault.listObjects({ updatedAfter: new Date(0) })).data,
  "list what changed later": async (vault) =>
    (await vault.listObjects({ updatedAfter: new Date("2100-01-01") })).data,
  "list with a cursor that is none": (vault) => vault.listObjects({ after: "nonsense" }),
  "list too many": (vault) => vault.listObjects({ limit: 1_000 }),
  "delete with an empty check of what is not there": (vault) =>
    vault.deleteObject({ id: "kv_nothing", versionCheck: "" }),
  "delete what somebody else has changed": (vault, { id, versionId }) =>
    vault.deleteObject({ id, versionCheck: versionId }),
  delete: (vault, { id }) => vault.deleteObject({ id }),
  "delete twice": (vault, { id }) => vault.deleteObject({ id }),
  "read what was deleted": (vault, { id }) => vault.readObject({ id }),
  "create under a name that was freed": (vault) =>
    vault.createObject({ name: "a/b é", value: "one", context: CONTEXT }),
  "make a data key": async (vault, state) => {
    const pair = await vault.createDataKey({ context: CONTEXT });
    state.encryptedKeys = pair.encryptedKeys;
    return pair;
  },
  "make a data key of several entries": (vault) => vault.createDataKey({ context: { b: "2", a: "1" } }),
  "make a data key for no context": (vault) => vault.createDataKey({ context: {} }),
  "make a data key for a context that is no text": (vault) => vault.createDataKey({ context: { a: null } }),
  "unwrap a data key": (vault, { encryptedKeys }) => vault.decryptDataKey({ keys: encryptedKeys }),
  "unwrap nonsense": (vault) => vault.decryptDataKey({ keys: "AAAA" }),
  "unwrap an altered key": (vault, { encryptedKeys }) =>
    vault.decryptDataKey({ keys: altered(encryptedKeys) }),
  rekey: (vault, { encryptedKeys }) =>
    vault.createRekey({ context: { organization_id: "org_2" }, encryptedKeys }),
  "rekey nonsense": (vault) => vault.createRekey({ context: CONTEXT, encryptedKeys: "AAAA" }),
  encrypt: async (vault, state) => {
    state.ciphertext = await vault.encrypt("s3cret é \u{1f511}", CONTEXT, "user:42");
    // The layout is in the length.
    return { length: state.ciphertext.length };
  },
  decrypt: (vault, { ciphertext }) => vault.decrypt(ciphertext, "user:42"),
  "decrypt with other associated data": (vault, { ciphertext }) => vault.decrypt(ciphertext, "user:43"),
  "decrypt without associated data": (vault, { ciphertext }) => vault.decrypt(ciphertext),
  "decrypt altered data": (vault, { ciphertext }) => vault.decrypt(altered(ciphertext), "user:42"),
  "encrypt nothing": async (vault) => vault.decrypt(await vault.encrypt("", CONTEXT, ""), undefined),
  "encrypt with associated data of null": async (vault) =>
    vault.decrypt(await vault.encrypt("x", CONTEXT, null as never), null as never),
  "encrypt a number": async (vault) => vault.decrypt(await vault.encrypt(5 as never, CONTEXT)),
  "encrypt undefined": async (vault) => vault.decrypt(await vault.encrypt(undefined as never, CONTEXT)),
  "encrypt for a context that is no text": (vault) => vault.encrypt("x", { a: 1 }),
};

/** The last byte before the padding flipped. */
function altered(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  bytes[bytes.length - 1]! ^= 1;
  return bytes.toString("base64");
}

/** What must be equal: values and types, but of random ids only that they are there. */
const RANDOM = new Set(["id", "environmentId", "keyId", "versionId", "etag", "key", "encryptedKeys"]);

function shape(value: unknown, key = ""): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "bad date" : "date";
  if (Array.isArray(value)) return value.map((item) => shape(item));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, shape(entry, name)]));
  }
  const isRandom = RANDOM.has(key) || key === "before" || key === "after" || key === "dataKey";
  if (isRandom && typeof value === "string" && value !== "") return "random";
  return value;
}

async function play(client: string): Promise<Record<string, unknown>> {
  const place = await environment(client.toLowerCase().replaceAll(/[^a-z]+/g, "-"));
  const vault = CLIENTS[client]!(place) as SdkVault;
  const state = {} as State;
  const seen: Record<string, unknown> = {};
  for (const [step, call] of Object.entries(SCRIPT)) {
    try {
      seen[step] = { answer: shape(await call(vault, state)) };
    } catch (error) {
      const { name, status, message, requestID } = error as Record<string, string>;
      // Ids of objects are part of the message.
      const said = message?.replaceAll(state.id, "ID");
      seen[step] = { name, status, said, isRequest: typeof requestID, isError: error instanceof Error };
    }
  }
  return seen;
}

/**
 * Refusals that tell the same in other words: the adapter's Vault refuses these before any request, and does not repeat
 * what a service said.
 */
const OTHER_WORDS = /that is no text|list too many|list with a cursor that is none/;

function compared(seen: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(seen).map(([step, outcome]) =>
      OTHER_WORDS.test(step) ? [step, { ...(outcome as object), said: "" }] : [step, outcome],
    ),
  );
}

describe("the SDK and the adapter", () => {
  let expected: Record<string, unknown>;
  beforeAll(async () => {
    expected = await play("sdk");
  });

  test.each(ADAPTERS)("%s answers the same", async (client) => {
    expect(compared(await play(client))).toEqual(compared(expected));
  });

  test("have the same types", () => {
    // A list's page has private parts in the SDK, which nothing else can have.
    expectTypeOf<WorkOSVault>().toExtend<Omit<Pick<SdkVault, keyof WorkOSVault>, "listObjects">>();
  });

  test("the script meets every exception that it should", () => {
    const names = Object.values(expected).map((outcome) => (outcome as { name?: string }).name);
    expect(new Set(names)).toEqual(
      new Set([
        undefined,
        "NotFoundException",
        "ConflictException",
        "UnprocessableEntityException",
        "OauthException",
        "OperationError",
      ]),
    );
  });

  test("page to the end, over more than a page of the largest size", async () => {
    const place = await environment("many");
    const session = host.session(place.id, { actor: TEST_ACTOR });
    const names = Array.from({ length: 205 }, (_, i) => `n-${i}`);
    for (const name of names) await session.kv.createKv({ name, value: "x", keyContext: CONTEXT });
    for (const client of Object.keys(CLIENTS)) {
      const vault = CLIENTS[client]!(place) as SdkVault;
      const all = await (await vault.listObjects({ order: "asc" })).autoPagination();
      expect(all.map(({ name }) => name)).toEqual(names);
      const later = await vault.listObjects({ order: "asc", after: all[99]!.id });
      expect((await later.autoPagination()).map(({ name }) => name)).toEqual(names.slice(100));
    }
  });

  test.each(Object.keys(CLIENTS).slice(0, 3))("%s: an API key that is unknown", async (client) => {
    const vault = CLIENTS[client]!({ id: "", key: "sk_unknown" }) as SdkVault;
    expect(await rejectionOf(() => vault.readObject({ id: "x" }))).toMatchObject({
      name: "UnauthorizedException",
      status: 401,
      message: "Could not authorize the request. Maybe your API key is invalid?",
    });
  });

  test.each(Object.keys(CLIENTS).slice(0, 3))("%s: an API key that may not", async (client) => {
    const { id } = await host.environment("narrow");
    const { key } = await host.apiKeys.create(id, { name: "narrow", permissions: ["kv:read"] });
    const vault = CLIENTS[client]!({ id, key }) as SdkVault;
    const error = await rejectionOf(() => vault.createDataKey({ context: CONTEXT }));
    expect(error).toMatchObject({ name: "OauthException", status: 403 });
  });

  test("a rate limit", async () => {
    const { key } = await environment("limited");
    const limited = await listen(createApp({ host, requestsPerMinute: 1 }), { port: 0 });
    try {
      const options = { ...at(), port: Number(new URL(limited.url).port), maxRetries: 0 };
      for (const vault of [new Sdk(key, options).vault, new WorkOS(key, options).vault] as SdkVault[]) {
        const refusals = [];
        for (let i = 0; i < 2; i++) refusals.push(await vault.listObjects().catch((error: unknown) => error));
        expect(refusals.at(-1)).toMatchObject({ name: "RateLimitExceededException", status: 429 });
      }
    } finally {
      await limited.close();
    }
  });

  test("a wrapped key inside a ciphertext that was altered", async () => {
    const place = await environment("blob");
    for (const client of Object.keys(CLIENTS)) {
      const vault = CLIENTS[client]!(place) as SdkVault;
      const bytes = Buffer.from(await vault.encrypt("s3cret", CONTEXT), "base64");
      // Behind nonce, tag and length, and behind what names the KEK.
      bytes[28 + 2 + 150]! ^= 1;
      const error = await rejectionOf(() => vault.decrypt(bytes.toString("base64")));
      // Only a service can have told the one from the other.
      expect(error).toMatchObject(
        client === "adapter over an embedded vault"
          ? { name: "OperationError" }
          : { name: "OauthException", status: 400, message: "Error: Invalid encrypted key." },
      );
    }
  });

  test("open each other's ciphertexts", async () => {
    const place = await environment("exchange");
    const vaults = Object.keys(CLIENTS).map((client) => CLIENTS[client]!(place) as SdkVault);
    for (const writer of vaults) {
      const written = await writer.encrypt("s3cret \u{1f511}", CONTEXT, "user:42");
      for (const reader of vaults) expect(await reader.decrypt(written, "user:42")).toBe("s3cret \u{1f511}");
    }
  });
});

describe("the adapter alone", () => {
  const answering = (status: number, body: unknown, headers: Record<string, string> = {}): WorkOSVault =>
    new WorkOS({
      apiKey: "sk_test",
      baseUrl: "https://vault.example",
      maxRetries: 0,
      fetch: async () =>
        new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers }),
    }).vault;

  test.each([
    [401, UnauthorizedException],
    [404, NotFoundException],
    [409, ConflictException],
    [422, UnprocessableEntityException],
    [429, RateLimitExceededException],
    [400, OauthException],
    [403, OauthException],
    [500, GenericServerException],
    [503, GenericServerException],
    [504, GenericServerException],
  ] as const)("status %i is the class of its name", async (status, expected) => {
    const vault = answering(status, { error: "no" }, { "x-request-id": "req_1" });
    const error = await rejectionOf(() => vault.readObject({ id: "x" }));
    expect(error).toBeInstanceOf(expected);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: expected.name, status, requestID: "req_1" });
    expect(isVaultError(error.cause)).toBe(true);
  });

  test("a rate limit is a server exception too, as in the SDK", async () => {
    const error = await rejectionOf(() => answering(429, {}).readObject({ id: "x" }));
    expect(error).toBeInstanceOf(GenericServerException);
    expect(error).toMatchObject({ retryAfter: null });
  });

  test("an answer that makes no sense is a server exception", async () => {
    const error = await rejectionOf(() => answering(200, { id: 1 }).readObject({ id: "x" }));
    expect(error).toMatchObject({ name: "GenericServerException", code: "ERR_SERVICE_BAD_RESPONSE" });
  });

  test("no answer is a server exception", async () => {
    const vault = new WorkOS("sk_test", {
      baseUrl: "https://vault.example",
      maxRetries: 0,
      fetch: () => Promise.reject(new TypeError("fetch failed")),
    }).vault;
    const error = await rejectionOf(() => vault.readObject({ id: "x" }));
    expect(error).toMatchObject({ name: "GenericServerException", status: 503 });
  });

  test("what WorkOS may leave out is null", async () => {
    const list = { data: [{ id: "1", name: "n" }], list_metadata: { after: null } };
    const page = await answering(200, list).listObjects();
    expect(page.data).toEqual([{ id: "1", name: "n", updatedAt: null }]);
    expect(page.listMetadata).toEqual({ before: null, after: null });
    const metadata = {
      id: "1",
      environment_id: "e",
      key_id: "k",
      updated_at: "2026-01-01T00:00:00.000Z",
      updated_by: { id: "u", name: "U" },
      context: { a: "b" },
      version_id: null,
    };
    const described = await answering(200, { id: "1", name: "n", metadata }).describeObject({ id: "1" });
    expect(described.metadata).toMatchObject({
      versionId: null,
      updatedAt: new Date("2026-01-01T00:00:00.000Z"),
    });
  });

  test("reads every layout and says what is none; the SDK reads one and asks the service about the rest", async () => {
    const place = await environment("layouts");
    const { keys, kv } = host.session(place.id, { actor: TEST_ACTOR });
    using vault = new Vault({ keys, kv });
    const adapter = new WorkOS({ vault }).vault;
    for (const layout of ["iv12", "leb-first", "dotnet", "native"] as const) {
      expect(await adapter.decrypt(await vault.encrypt("s3cret", CONTEXT, "a", { layout }), "a")).toBe(
        "s3cret",
      );
    }
    expect(await rejectionOf(() => adapter.decrypt("AAAA"))).toMatchObject({
      name: "OauthException",
      status: 400,
      code: "ERR_NOT_CIPHERTEXT",
    });
  });

  test("refuses to encrypt objects and null, of which the SDK encrypts the name of the class", async () => {
    const place = await environment("objects");
    const sdk = CLIENTS.sdk!(place) as SdkVault;
    const own = CLIENTS["adapter with the SDK's options"]!(place) as SdkVault;
    for (const [data, said] of [
      [{ a: 1 }, "[object Object]"],
      [null, "null"],
    ]) {
      expect(await sdk.decrypt(await sdk.encrypt(data as never, CONTEXT))).toBe(said);
      const error = await rejectionOf(() => own.encrypt(data as never, CONTEXT));
      expect(error).toMatchObject({ name: "UnprocessableEntityException", status: 422 });
    }
  });

  test("wrong arguments of encrypt and decrypt stay what they are", async () => {
    const place = await environment("arguments");
    const { keys, kv } = host.session(place.id, { actor: TEST_ACTOR });
    using vault = new Vault({ keys, kv });
    const adapter = new WorkOS({ vault }).vault;
    expect(await rejectionOf(() => adapter.decrypt(1 as never))).toBeInstanceOf(TypeError);
  });

  test("a request under way that is no refusal is handed on", async () => {
    const broken = { readObject: () => Promise.reject(new RangeError("of the application")) };
    using vault = new Vault({ keys: {} as KeyService, kv: { getKv: broken.readObject } as never });
    const error = await rejectionOf(() => new WorkOS({ vault }).vault.readObject({ id: "x" }));
    expect(error).toMatchObject({ name: "RangeError", message: "of the application" });
  });

  test("needs an API key, or a vault", () => {
    expect(() => new WorkOS({ apiHostname: "vault.example", apiKey: "" })).toThrow(TypeError);
    expect(() => new WorkOS("sk_test", { apiHostname: "vault.example", https: false })).toThrow(RangeError);
    expect(new WorkOS("sk_test").vault).toBeDefined();
    expect(
      new WorkOS("sk_test", { apiHostname: "vault.example", port: 8443, timeout: 1_000 }).vault,
    ).toBeDefined();
  });
});

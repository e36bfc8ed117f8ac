/**
 * Arguments are checked once: how often each call of a vault runs the checks, as V8 counts them. What a service answers
 * over HTTP is checked too: its context, its wrapped key and the key itself.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import type { KeyContext } from "../../src/crypto/keys/key-context.ts";
import { Vault } from "../../src/facade/vault.ts";
import { HttpKeyService, Transport } from "../../src/http/index.ts";
import type { KeyService } from "../../src/keys/key-service.ts";
import type { Lease } from "../../src/keys/lease.ts";
import { callCounts } from "../support/call-counts.ts";
import { openTestHost, openTestVault, sessionOf } from "../support/vaults.ts";

/** What is counted, and the one function that does each check. */
const CHECKS = {
  context: "canonicalEntries",
  aad: "associatedDataBytes",
  layout: "checkLayout",
  data: "checkPlaintext",
  budget: "checkLimits",
  ciphertext: "parseEnvelope",
  wrapped: "keyBlobFromText",
  base64: "decodeBase64",
} as const;

type Counts = Partial<Record<keyof typeof CHECKS, number>>;

const CONTEXT: KeyContext = { organization_id: "org_1", kind: "x" };
const NAMES = Object.values(CHECKS);

/** The checks that ran at least once. */
async function checksOf(work: () => unknown): Promise<Counts> {
  const counts = await callCounts(NAMES, work);
  const entries = Object.entries(CHECKS).map(([check, name]) => [check, counts[name]] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

/** What calls are made on. */
interface Subject {
  readonly vault: Vault;
  readonly keys: KeyService;
  /** A ciphertext, and its wrapped key. */
  readonly text: string;
  readonly encryptedKeys: string;
  readonly lease: Lease;
}

/** Makes a budget or a context one that no call has had before. */
let counter = 0;
/** Calls with the checks of their own arguments, and of what a service answers over HTTP. */
const CALLS: readonly [name: string, call: (s: Subject) => unknown, own: Counts, answered?: Counts][] = [
  [
    "encrypt",
    // Of a context that was checked before.
    ({ vault }) => vault.encrypt("x", CONTEXT, "aad"),
    { aad: 1, layout: 1, data: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "encrypt native bytes",
    ({ vault }) => vault.encrypt(Uint8Array.of(1), CONTEXT, "aad", { layout: "native" }),
    { aad: 1, layout: 1, data: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "encrypt with reuse, the first time",
    ({ vault }) => vault.encrypt("x", CONTEXT, "aad", { reuse: { maxMessages: 1000 + counter++ } }),
    { context: 1, aad: 1, layout: 1, data: 1, budget: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "encryptMany",
    ({ vault }) => vault.encryptMany(["x", "y", "z"], CONTEXT, "aad"),
    { context: 1, aad: 1, layout: 1, data: 3 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "encryptMany with reuse",
    ({ vault }) =>
      vault.encryptMany(["x", "y"], CONTEXT, "aad", { reuse: { maxMessages: 1000 + counter++ } }),
    { context: 1, aad: 1, layout: 1, data: 2, budget: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "decrypt",
    ({ vault, text }) => vault.decrypt(text, "aad"),
    { aad: 1, ciphertext: 1, wrapped: 1, base64: 2 },
    { base64: 1 },
  ],
  [
    "decrypt of an expected context",
    ({ vault, text }) => vault.decrypt(text, "aad", { context: CONTEXT }),
    { context: 1, aad: 1, ciphertext: 1, wrapped: 1, base64: 2 },
    { context: 1, base64: 1 },
  ],
  [
    "decryptMany",
    ({ vault, text }) => vault.decryptMany([text, text], "aad"),
    { aad: 1, ciphertext: 2, wrapped: 1, base64: 3 },
    { base64: 1 },
  ],
  [
    "upgrade",
    ({ vault, text }) => vault.upgrade(text, "aad"),
    { aad: 1, ciphertext: 1, wrapped: 1, base64: 2 },
    { context: 2, wrapped: 1, base64: 3 },
  ],
  [
    "rekey",
    ({ vault, text }) => vault.rekey(text, CONTEXT),
    { context: 1, ciphertext: 1, wrapped: 1, base64: 2 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "rekeyMany",
    ({ vault, text }) => vault.rekeyMany([text, text], CONTEXT),
    { context: 1, ciphertext: 2, wrapped: 1, base64: 3 },
    { context: 1, wrapped: 1, base64: 1 },
  ],
  [
    "rewrap",
    ({ vault, text }) => vault.rewrap(text),
    { ciphertext: 1, wrapped: 1, base64: 2 },
    { wrapped: 1, base64: 1 },
  ],
  [
    "createDataKey",
    ({ vault }) => vault.createDataKey({ context: CONTEXT }),
    { context: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "createDecrypt",
    ({ vault, encryptedKeys }) => vault.createDecrypt({ keys: encryptedKeys }),
    { wrapped: 1, base64: 1 },
    { base64: 1 },
  ],
  [
    "createRekey",
    ({ vault, encryptedKeys }) => vault.createRekey({ context: CONTEXT, encryptedKeys }),
    { context: 1, wrapped: 1, base64: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "lease",
    ({ vault }) => vault.lease(CONTEXT),
    { context: 1, layout: 1, budget: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  // The doors of the port check by themselves.
  [
    "createDataKey of the key service",
    ({ keys }) => keys.createDataKey({ context: CONTEXT }),
    { context: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
  [
    "createRekey of the key service",
    ({ keys, encryptedKeys }) => keys.createRekey({ context: CONTEXT, encryptedKeys }),
    { context: 1, wrapped: 1, base64: 1 },
    { context: 1, wrapped: 1, base64: 2 },
  ],
];

/** Calls of a lease, which ask no service. */
const LEASE_CALLS: readonly [name: string, call: (s: Subject) => unknown, own: Counts][] = [
  ["lease.encrypt", ({ lease }) => lease.encrypt("x", "aad"), { aad: 1, data: 1 }],
  [
    "lease.encryptSync",
    ({ lease }) => lease.encryptSync("x", "aad", { layout: "dotnet" }),
    { aad: 1, data: 1, layout: 1 },
  ],
  ["lease.encryptMany", ({ lease }) => lease.encryptMany(["x", "y"], "aad"), { aad: 1, data: 2 }],
  [
    "lease.encryptMany, native",
    ({ lease }) => lease.encryptMany(["x", "y"], "aad", { layout: "native" }),
    { aad: 1, data: 2, layout: 1 },
  ],
];

function sum(own: Counts, answered: Counts = {}): Counts {
  const total: Counts = { ...own };
  for (const name of Object.keys(answered) as (keyof Counts)[]) {
    total[name] = (total[name] ?? 0) + answered[name]!;
  }
  return total;
}

describe("embedded", () => {
  let subject: Subject;
  beforeAll(async () => {
    const { keys, kv } = await sessionOf(await openTestHost());
    const vault = new Vault({ keys, kv, cache: { maxAgeMs: 0 } });
    const text = await vault.encrypt("x", CONTEXT, "aad");
    // What is read from storage once for all calls is read here.
    await vault.decrypt(text, "aad");
    const { encryptedKeys } = await vault.createDataKey({ context: CONTEXT });
    subject = { vault, keys, text, encryptedKeys, lease: await vault.lease(CONTEXT) };
  });

  test.each([...CALLS, ...LEASE_CALLS])("%s", async (_, call, own) => {
    expect(await checksOf(() => call(subject))).toEqual(own);
  });
});

describe("over HTTP", () => {
  let subject: Subject;
  beforeAll(async () => {
    subject = await overHttp();
    await subject.vault.encrypt("x", CONTEXT);
  });

  test.each(CALLS)("%s", async (_, call, own, answered) => {
    expect(await checksOf(() => call(subject))).toEqual(sum(own, answered));
  });
});

describe("what is held is not checked again", () => {
  test("a context of before is checked once, and a new one when it comes", async () => {
    const { vault } = await overHttp();
    const encrypt = (): Promise<string> => vault.encrypt("x", CONTEXT);
    // The second is of the context that the service answers.
    expect(await checksOf(encrypt)).toMatchObject({ context: 2 });
    expect(await checksOf(encrypt)).toMatchObject({ context: 1 });
  });

  test("a context whose data key is reused", async () => {
    const vault = await openTestVault();
    const encrypt = (): Promise<string> => vault.encrypt("x", CONTEXT, "aad", { reuse: true });
    await encrypt();
    expect(await checksOf(encrypt)).toEqual({ aad: 1, layout: 1, data: 1 });
  });

  test("contexts of a batch are checked once for all items that share them", async () => {
    const vault = await openTestVault();
    const items = [0, 1, 2, 0, 1, 2].map((i) => ({ data: "x", context: { organization_id: `org_${i}` } }));
    const encrypt = () => vault.encryptMany(items, CONTEXT, "aad");
    // The first time their KEKs are made.
    await encrypt();
    expect(await checksOf(encrypt)).toEqual({ context: 4, aad: 1, layout: 1, data: 6 });
  });

  test("a ciphertext whose data key is cached is not taken apart", async () => {
    const vault = await openTestVault();
    const text = await vault.encrypt("x", CONTEXT, "aad");
    await vault.decrypt(text, "aad");
    expect(await checksOf(() => vault.decrypt(text, "aad"))).toEqual({ aad: 1 });
  });
});

/** A vault over a service that always answers the same data key. */
async function overHttp(): Promise<Subject> {
  const source = await openTestVault();
  const text = await source.encrypt("x", CONTEXT, "aad");
  const { encryptedKeys } = inspect(text);
  const key = await source.createDecrypt({ keys: encryptedKeys });
  const wire = { id: key.id, data_key: key.dataKey, encrypted_keys: encryptedKeys, context: CONTEXT };
  const answer = JSON.stringify({ ...wire, results: [wire] });
  const fetch = async (): Promise<Response> =>
    new Response(answer, { headers: { "content-type": "application/json" } });
  const http = { apiKey: "sk_test", baseUrl: "https://service.example", extensions: true, fetch };
  const vault = new Vault({ ...http, cache: { maxAgeMs: 0 } });
  const lease = await vault.lease(CONTEXT);
  return { vault, keys: new HttpKeyService(new Transport(http)), text, encryptedKeys, lease };
}

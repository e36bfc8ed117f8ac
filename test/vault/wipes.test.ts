/**
 * What a vault has unwrapped is zeroed: KEKs, the keys that wrap data keys, and the data keys of stored values
 * (docs/spec/keyring.md [KEY-48]).
 *
 * Owns the watch over derivations, from which the tests learn what must be gone. Must not know how root keys wrap.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { HERE } from "../../src/crypto/ciphers/of-call.ts";
import { canonicalContext } from "../../src/crypto/keys/key-context.ts";
import { hash } from "../../src/crypto/primitives/hash.ts";
import { KcXaesKey } from "../../src/crypto/primitives/xaes.ts";
import type { VaultHost } from "../../src/vault/host.ts";
import { type KeptRings, Keyring } from "../../src/vault/keks/keyring.ts";
import type { SessionParts } from "../../src/vault/keks/session-parts.ts";
import { KvValues } from "../../src/vault/kv/values.ts";
import { fromBase64 } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { freshPath, openTestHost, sessionOf, TEST_ACTOR } from "../support/vaults.ts";
import { hex, wipedBy } from "../support/wiped.ts";

// Small, so that a test can reach it.
vi.mock("../../src/vault/limits.ts", async (original) => ({
  ...(await original<object>()),
  CONTEXT_CACHE_MAX: 2,
}));

const WRAP_INFO = "coffer/v1/data-key-wrap";
const CONTEXT = { organization_id: "org_1", region: "eu" };
const KEK_DIGITS = 64;
/** A data key that is unwrapped is zeroed in the memory of the module that opened it, and by who asked for it. */
const UNWRAPPED = 2;

/** What wrapping keys were derived from, and what came out, as hexadecimal text. */
let derived: { readonly input: string; readonly key: string }[] = [];

beforeEach(() => {
  derived = [];
  const { hkdf } = hash;
  vi.spyOn(hash, "hkdf").mockImplementation((...args) => {
    const [, input, , info] = args;
    const key = Reflect.apply(hkdf, hash, args);
    if (Buffer.from(info).toString() === WRAP_INFO) derived.push({ input: hex(input), key: hex(key) });
    return key;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** How often a range that is exactly this was zeroed. */
const times = (wiped: readonly string[], bytes: string): number =>
  wiped.filter((range) => range === bytes).length;

/** What a held wrapping key has derived for its CMAC: zeroed when it is let go of. */
async function tracesOf(wrappingKey: string): Promise<string> {
  const held = new KcXaesKey(HERE.providers.sync(), Buffer.from(wrappingKey, "hex"));
  const { wiped } = await wipedBy(() => held.dispose());
  // The key's own copy, which every wrapping key's owner has zeroed long before, is none of it.
  const traces = wiped.filter((range) => range.length === 32);
  expect(traces).toHaveLength(1);
  return traces[0]!;
}

/** Both KEKs of the context that a wrapping key was derived from. */
const keksOf = ({ input }: { input: string }): string[] => [
  input.slice(0, KEK_DIGITS),
  input.slice(KEK_DIGITS),
];

/** The random bytes that began with a data key: key and nonce. */
function keyDrawn(wiped: readonly string[]): string {
  const drawn = wiped.filter((range) => range.length === 2 * (32 + 24));
  expect(drawn).toHaveLength(1);
  return drawn[0]!.slice(0, KEK_DIGITS);
}

async function open(
  path = freshPath(true),
): Promise<{ host: VaultHost; session: Awaited<ReturnType<typeof sessionOf>> }> {
  const host = await openTestHost({ path });
  return { host, session: await sessionOf(host) };
}

/** A vault with a data key, opened anew: it keeps no ring yet. */
async function openWithKey(): Promise<
  Awaited<ReturnType<typeof open>> & { readonly encryptedKeys: string; readonly key: string }
> {
  const path = freshPath(true);
  const maker = await open(path);
  const { encryptedKeys, dataKey } = await maker.session.keys.createDataKey({ context: CONTEXT });
  await maker.host.close();
  return { ...(await open(path)), encryptedKeys, key: hex(fromBase64(dataKey)) };
}

test("KEKs, what they are joined to and what is derived of them are zeroed as soon as they are used", async () => {
  const { host, session } = await open();
  const { wiped } = await wipedBy(() => session.keys.createDataKey({ context: CONTEXT }));
  expect(derived).toHaveLength(1);
  expect(times(wiped, derived[0]!.input)).toBe(1);
  // Once after it was made and wrapped, once after it was unwrapped.
  for (const kek of keksOf(derived[0]!)) expect(times(wiped, kek)).toBe(2);
  expect(times(wiped, derived[0]!.key)).toBe(1);
  await host.close();
});

test("a data key that was made is zeroed where it was drawn, and where its object was made of it", async () => {
  const { host, session } = await open();
  const { wiped, value } = await wipedBy(() => session.keys.createDataKey({ context: CONTEXT }));
  const key = hex(fromBase64(value.dataKey));
  expect(keyDrawn(wiped)).toBe(key);
  expect(times(wiped, key)).toBe(1);
  const disposing = await wipedBy(() => value.dispose());
  expect(times(disposing.wiped, key)).toBe(1);
  await host.close();
});

test("a data key that was only to be wrapped anew is zeroed", async () => {
  const { host, session, encryptedKeys, key } = await openWithKey();
  // The first loads its ring, and the second finds it kept.
  for (let i = 0; i < 2; i++) {
    const { wiped } = await wipedBy(() => session.keys.rewrapMany!({ encryptedKeys: [encryptedKeys] }));
    expect(times(wiped, key)).toBe(UNWRAPPED);
  }
  await host.close();
});

test("a data key that was only looked at, or that a refused rekey has unwrapped, is zeroed", async () => {
  const { host, session, encryptedKeys, key } = await openWithKey();
  // The first loads its ring, and the second finds it kept.
  for (let i = 0; i < 2; i++) {
    const looking = await wipedBy(() => session.keys.checkMany!({ keys: [encryptedKeys] }));
    expect(looking.value).toEqual([{ ok: true, value: true }]);
    expect(times(looking.wiped, key)).toBe(UNWRAPPED);
  }
  const bound = host.session(session.environmentId, { actor: TEST_ACTOR, mayRekeyAny: false });
  const refused = await wipedBy(() =>
    rejectionOf(() => bound.keys.createRekey({ context: { organization_id: "org_2" }, encryptedKeys })),
  );
  expect(refused.value.code).toBe("ERR_CONTEXT_NOT_ALLOWED");
  expect(times(refused.wiped, key)).toBe(UNWRAPPED);
  await host.close();
});

test("of several data keys, those that were made before one failed are zeroed", async () => {
  const { host, session } = await open();
  await session.keys.createDataKey({ context: CONTEXT });
  const { kept } = Keyring.prototype;
  const made: string[] = [];
  vi.spyOn(Keyring.prototype, "kept").mockImplementation(function (this: Keyring) {
    const rings = kept.call(this);
    const make: KeptRings["make"] = (context) => {
      if (made.length === 2) throw new Error("enough");
      const key = rings.make(context)!;
      made.push(hex(key.key));
      return key;
    };
    return { ...rings, make };
  });
  const { wiped } = await wipedBy(() =>
    session.keys.createDataKeys!({ context: CONTEXT, count: 3 }).catch(() => {}),
  );
  expect(made).toHaveLength(2);
  for (const key of made) expect(times(wiped, key)).toBe(1);
  await host.close();
});

test("the data key of a stored value is zeroed when the value was written, and when it was read", async () => {
  const { host, session } = await open();
  const writing = await wipedBy(() => session.kv.createKv({ name: "n", value: "v", keyContext: CONTEXT }));
  const key = keyDrawn(writing.wiped);
  expect(times(writing.wiped, key)).toBe(1);
  const reading = await wipedBy(() => session.kv.getKv({ id: writing.value.id }));
  expect(times(reading.wiped, key)).toBe(UNWRAPPED);
  await session.keks.rotate({ name: "region", value: "eu" });
  const moving = await wipedBy(() => session.kv.rewrapKv!());
  expect(times(moving.wiped, key)).toBe(UNWRAPPED);
  await host.close();
});

test("[KEY-48] a wrapping key is let go of with a change of a KEK, with the vault, and where another takes its place", async () => {
  const { host, session } = await open();
  const created = await wipedBy(() => session.keys.createDataKey({ context: CONTEXT }));
  const [first] = derived;
  const trace = await tracesOf(first!.key);
  expect(times(created.wiped, trace)).toBe(0);
  await session.keks.rotate({ name: "region", value: "eu" });
  // Two that load the same at the same time: one of them is kept, and the other goes.
  const both = await wipedBy(() =>
    Promise.all([1, 2].map(() => session.keys.createDataKey({ context: CONTEXT }))),
  );
  expect(times(both.wiped, trace)).toBe(1);
  expect(derived).toHaveLength(3);
  const second = await tracesOf(derived[1]!.key);
  expect(derived[2]).toEqual(derived[1]);
  expect(times(both.wiped, second)).toBe(1);
  const closing = await wipedBy(() => host.close());
  expect(times(closing.wiped, second)).toBe(1);
});

test("wrapping keys of more contexts than are kept: that of the one longest unused is let go of, not one earlier", async () => {
  const { host, session } = await open();
  const use = (org: string) => session.keys.createDataKey({ context: { org } });
  // Contexts that exist: what makes a KEK forgets all.
  for (const org of ["1", "2", "3"]) await use(org);
  await session.keks.rotate({ name: "org", value: "3" });
  derived = [];
  for (const org of ["1", "2", "1", "2"]) await use(org);
  expect(derived).toHaveLength(2);
  const traces = [await tracesOf(derived[0]!.key), await tracesOf(derived[1]!.key)];
  const { wiped } = await wipedBy(() => use("3"));
  expect(traces.map((trace) => times(wiped, trace))).toEqual([1, 0]);
  await host.close();
});

test("the data key of a value whose object claims another context is zeroed before the value is refused", async () => {
  const key = new Uint8Array(32).fill(7);
  const keyring = { unwrap: async () => ({ key, context: canonicalContext(CONTEXT) }) };
  const access = { environmentId: "e" };
  const values = new KvValues({ keyring, access } as unknown as SessionParts);
  const canonical = canonicalContext({ organization_id: "org_2" }).bytes;
  const row = { id: "o", version_id: "v", name: "n", sealed: key.slice(), key_blob: key.slice(), canonical };
  expect((await rejectionOf(() => values.open(row, {}))).code).toBe("ERR_STORAGE_CORRUPT");
  expect(key).toEqual(new Uint8Array(32));
});

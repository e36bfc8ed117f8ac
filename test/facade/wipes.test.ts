/** What a vault copies of plaintexts and keys is zeroed when the call ends: arrays are looked at as they are wiped. */
import { afterEach, expect, test, vi } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import { HttpKeyService, Transport } from "../../src/http/index.ts";
import { fromBase64 } from "../support/bytes.ts";
import { MemoryKeyService, noStore } from "../support/memory-service.ts";

const CONTEXT = { organization_id: "org_1" };
const TEXT = "a plaintext that is looked for";
const BYTES = new TextEncoder().encode(TEXT);

afterEach(() => {
  vi.restoreAllMocks();
});

/** What whole arrays held when they were zeroed during `work`, as hexadecimal text. */
async function wipedBy(work: () => Promise<unknown>): Promise<string[]> {
  const wiped: string[] = [];
  const { fill } = Uint8Array.prototype;
  vi.spyOn(Uint8Array.prototype, "fill").mockImplementation(function (this: Uint8Array, ...args) {
    if (args.length === 1 && args[0] === 0) wiped.push(hex(this));
    return Reflect.apply(fill, this, args);
  });
  await work();
  return wiped;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const newVault = (): Vault => new Vault({ keys: new MemoryKeyService(), kv: noStore() });

test("encrypt wipes its copy of bytes, not the caller's", async () => {
  const vault = newVault();
  const given = BYTES.slice();
  expect(await wipedBy(() => vault.encrypt(given, CONTEXT))).toContain(hex(BYTES));
  expect(given).toEqual(BYTES);
});

test("encrypt wipes the bytes of a text", async () => {
  const encoded: Uint8Array[] = [];
  const { encode } = TextEncoder.prototype;
  vi.spyOn(TextEncoder.prototype, "encode").mockImplementation(function (this: unknown, text) {
    const bytes = Reflect.apply(encode, this, [text]);
    if (text === TEXT) encoded.push(bytes);
    return bytes;
  });
  await newVault().encrypt(TEXT, CONTEXT);
  expect(encoded.map(hex)).toEqual(["00".repeat(BYTES.length)]);
});

test("encrypt with reuse wipes its copy of bytes, not the caller's", async () => {
  const vault = newVault();
  const given = BYTES.slice();
  expect(await wipedBy(() => vault.encrypt(given, CONTEXT, "", { reuse: true }))).toContain(hex(BYTES));
  expect(given).toEqual(BYTES);
});

test("upgrade wipes the plaintext in between", async () => {
  const vault = newVault();
  const text = await vault.encrypt(BYTES, CONTEXT);
  expect(await wipedBy(() => vault.upgrade(text))).toContain(hex(BYTES));
});

test("the key service over HTTP wipes the key of an answer", async () => {
  const key = await new MemoryKeyService().createDataKey({ context: CONTEXT });
  const { id, dataKey, encryptedKeys } = key;
  const answer = JSON.stringify({ id, data_key: dataKey, encrypted_keys: encryptedKeys, context: CONTEXT });
  const fetch = async (): Promise<Response> => new Response(answer);
  const http = { apiKey: "sk_test", baseUrl: "https://service.example", extensions: true, fetch };
  const service = new HttpKeyService(new Transport(http));
  const wiped = await wipedBy(() => service.createDataKey({ context: CONTEXT }));
  expect(wiped).toContain(hex(fromBase64(dataKey)));
});

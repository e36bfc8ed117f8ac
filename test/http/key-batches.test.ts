/** Batches of data keys over HTTP: cut to the size of a request, and no answer is taken for another item's. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HttpKeyService, Transport } from "../../src/http/index.ts";
import { Vault } from "../../src/index.ts";
import { rekeyKeys, rewrapKeys, unwrapKeys } from "../../src/keys/batch-calls.ts";
import { rejectionOf } from "../support/errors.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { freshPath, openTestHost } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
type Answer = { results: Record<string, unknown>[] };

let server: TestServer;
let requests: { path: string; bytes: number }[];
beforeAll(async () => {
  server = await startServer({ host: await openTestHost({ path: freshPath() }) });
});
afterAll(async () => {
  await server.close();
  await server.host.close();
});

/** A service whose answers to batches are changed on their way. */
function serviceWith(change: (answer: Answer) => unknown): HttpKeyService {
  requests = [];
  return new HttpKeyService(
    new Transport({
      baseUrl: server.url,
      apiKey: server.key,
      extensions: true,
      maxRetries: 0,
      fetch: async (input, init) => {
        const { pathname: path } = new URL(String(input));
        requests.push({ path, bytes: String(init?.body ?? "").length });
        const response = await fetch(input, init);
        const answer = (await response.json()) as Answer;
        return Response.json(Array.isArray(answer.results) ? change(answer) : answer, response);
      },
    }),
  );
}

async function wrappedKeys(count: number): Promise<string[]> {
  const keys = await serviceWith((answer) => answer).createDataKeys({ context: CONTEXT, count });
  for (const key of keys) key.dispose();
  return keys.map((key) => key.encryptedKeys);
}

const codesOf = (results: readonly { ok: boolean; error?: Error }[]): unknown[] =>
  results.map((result) => (result.error as { code?: string } | undefined)?.code ?? "ok");

describe("batches over HTTP", () => {
  test("250 ciphertexts cost three requests, and what they share is asked for once", async () => {
    requests = [];
    const service = serviceWith((answer) => answer);
    const vault = new Vault({ keys: service, kv: {} as never, cache: { maxAgeMs: 0 } });
    const texts = await Promise.all(Array.from({ length: 249 }, (_, i) => vault.encrypt(`${i}`, CONTEXT)));
    texts.push(texts[0]!);
    for (const move of [
      () => vault.rewrapMany(texts),
      () => vault.rekeyMany(texts, { organization_id: "org_2" }),
      () => vault.decryptMany(texts),
    ]) {
      requests.length = 0;
      const results = await move();
      expect(results.every((result) => result.ok)).toBe(true);
      expect(requests).toHaveLength(3);
    }
    const plain = await vault.decryptMany(texts);
    expect(plain[248]).toEqual({ ok: true, value: "248" });
  });

  test("an answer in another order is nobody's", async () => {
    const keys = await wrappedKeys(3);
    const service = serviceWith((answer) => ({ results: answer.results.toReversed() }));
    const mixed = ["ERR_SERVICE_BAD_RESPONSE", "ok", "ERR_SERVICE_BAD_RESPONSE"];
    expect(codesOf(await rewrapKeys(service, keys, {}))).toEqual(mixed);
    expect(codesOf(await unwrapKeys(service, keys, {}))).toEqual(mixed);
    const items = keys.map((encryptedKeys, i) => ({
      encryptedKeys,
      context: { organization_id: `org_${i}` },
    }));
    expect(codesOf(await rekeyKeys(service, items, {}))).toEqual(mixed);
  });

  test("too few or too many results are an error of the whole request", async () => {
    const keys = await wrappedKeys(2);
    for (const change of [
      ({ results }: Answer) => ({ results: results.slice(1) }),
      ({ results }: Answer) => ({ results: [...results, results[0]] }),
      () => ({ results: {} }),
      () => ({}),
    ]) {
      const error = await rejectionOf(() => rewrapKeys(serviceWith(change), keys, {}));
      expect(error.code).toBe("ERR_SERVICE_BAD_RESPONSE");
    }
  });

  test("an error inside a 200 is its item's, and so is a result that is none", async () => {
    const keys = await wrappedKeys(4);
    const service = serviceWith(({ results }) => ({
      results: [{ error: "KEK is disabled", code: "ERR_KEY_DISABLED" }, results[1], "x", { error: "?" }],
    }));
    expect(codesOf(await rewrapKeys(service, keys, {}))).toEqual([
      "ERR_KEY_DISABLED",
      "ok",
      "ERR_SERVICE_BAD_RESPONSE",
      "ERR_SERVICE_REJECTED",
    ]);
  });

  test("an id that is not the wrapped key's is refused", async () => {
    const keys = await wrappedKeys(1);
    const service = serviceWith(({ results }) => ({ results: [{ ...results[0], id: "another" }] }));
    expect(codesOf(await rewrapKeys(service, keys, {}))).toEqual(["ERR_SERVICE_BAD_RESPONSE"]);
    expect(codesOf(await unwrapKeys(service, keys, {}))).toEqual(["ERR_SERVICE_BAD_RESPONSE"]);
  });

  test("long wrapped keys of others go in several requests, each within what a server takes", async () => {
    const long = Buffer.concat([Buffer.from("WOS.EKM.v1\0"), Buffer.alloc(60_000)]).toString("base64");
    const results = await unwrapKeys(
      serviceWith((answer) => answer),
      Array(20).fill(long),
      {},
    );
    expect(results).toHaveLength(20);
    expect(results.every((result) => !result.ok)).toBe(true);
    expect(requests.length).toBeGreaterThan(1);
    expect(Math.max(...requests.map(({ bytes }) => bytes))).toBeLessThan(1024 * 1024);
  });
});

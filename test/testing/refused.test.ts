/** What test vaults write is refused by all that is no test vault, and the other way round. */
import { beforeAll, describe, expect, test } from "vitest";
import { localDecrypt, nativeDecrypt } from "../../src/crypto/index.ts";
import { inspect, isCiphertext, Vault } from "../../src/index.ts";
import { createTestVault, type TestVault } from "../../src/testing/index.ts";
import { WorkOS } from "../../src/workos/index.ts";
import { fromBase64, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { SAMPLE_1, SAMPLE_ENVELOPES } from "../support/samples.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { openTestVault } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1", env: "test" };
const LAYOUTS = ["iv12", "leb-first", "dotnet", "native"] as const;

let vault: TestVault;
let server: TestServer;
let ciphertexts: { readonly layout: (typeof LAYOUTS)[number]; readonly text: string }[];
let encryptedKeys: string;

beforeAll(async () => {
  vault = createTestVault();
  server = await startServer();
  ciphertexts = [];
  for (const layout of LAYOUTS) {
    ciphertexts.push({ layout, text: await vault.encrypt("s3cret", CONTEXT, "aad", { layout }) });
  }
  encryptedKeys = (await vault.createDataKey({ context: CONTEXT })).encryptedKeys;
});

const codeOf = async (work: () => Promise<unknown>): Promise<string> => (await rejectionOf(work)).code;

describe("a test vault's ciphertexts", () => {
  test("[TST-1] [TST-4] have their layout, and name their blob, its data key and its KEKs", async () => {
    for (const { layout, text } of ciphertexts) {
      const info = inspect(text);
      expect(info.layout).toBe(layout);
      expect(info.keyBlob).toMatchObject({ format: "test", bytes: 132 + 2 * 20 });
      const keks = await Promise.all(info.keyBlob.keks.map(({ id }) => vault.keks.get({ kekId: id })));
      expect(keks.map(({ name }) => name)).toEqual(["env", "organization_id"]);
      expect(info.keyBlob.keks.map(({ version }) => version)).toEqual([1, 1]);
      expect(isCiphertext(text)).toBe(true);
      expect(await vault.decrypt(text, "aad")).toBe("s3cret");
    }
    expect(fromBase64(encryptedKeys).subarray(0, 11)).toEqual(utf8Bytes("CFR.TST.v1\0"));
  });

  test("[TST-4] are moved and rewrapped as others", async () => {
    const { text } = ciphertexts[0]!;
    const moved = await vault.rekey(text, { organization_id: "org_2" });
    expect(inspect(moved).keyBlob.dataKeyId).toBe(inspect(text).keyBlob.dataKeyId);
    await vault.keks.rotate({ name: "organization_id", value: "org_2" });
    const rewrapped = await vault.rewrap(moved);
    expect(inspect(rewrapped).keyBlob.keks[0]!.version).toBe(2);
    expect(await vault.decrypt(rewrapped, "aad")).toBe("s3cret");
  });

  test("[TST-2] are refused by an embedded vault", async () => {
    const embedded = await openTestVault();
    for (const { text } of ciphertexts) {
      const error = await rejectionOf(() => embedded.decrypt(text, "aad"));
      expect(error.code).toBe("ERR_KEY_BLOB_MALFORMED");
      expect(error.message).toContain("test vault");
      expect(await codeOf(() => embedded.rekey(text, CONTEXT))).toBe("ERR_KEY_BLOB_MALFORMED");
      expect(await codeOf(() => embedded.rewrap(text))).toBe("ERR_KEY_BLOB_MALFORMED");
      const [result] = await embedded.decryptMany([text], "aad");
      expect(result).toMatchObject({ ok: false, error: { code: "ERR_KEY_BLOB_MALFORMED" } });
    }
  });

  test("[TST-2] are refused by a server", async () => {
    for (const [path, body] of [
      ["/vault/v1/keys/decrypt", { keys: encryptedKeys }],
      ["/vault/v1/keys/rekey", { context: CONTEXT, encrypted_keys: encryptedKeys }],
      ["/coffer/v1/keys/decrypt", { keys: encryptedKeys }],
    ] as const) {
      const { status, body: answer } = await server.call("POST", path, body);
      expect(status).toBe(400);
      expect(answer.code).toBe("ERR_KEY_BLOB_MALFORMED");
    }
    for (const [path, body] of [
      ["/coffer/v1/keys/decrypts", { keys: [encryptedKeys] }],
      ["/coffer/v1/keys/check", { keys: [encryptedKeys] }],
      ["/coffer/v1/keys/rewraps", { encrypted_keys: [encryptedKeys] }],
      ["/coffer/v1/keys/rekeys", { items: [{ context: CONTEXT, encrypted_keys: encryptedKeys }] }],
    ] as const) {
      const { body: answer } = await server.call("POST", path, body);
      expect(answer.results).toMatchObject([{ code: "ERR_KEY_BLOB_MALFORMED" }]);
    }
  });

  test("[TST-2] are refused by a client over HTTP, which does not send them, under WorkOS's names too", async () => {
    const sent: string[] = [];
    const options = {
      apiKey: server.key,
      baseUrl: server.url,
      fetch: async (...args: Parameters<typeof fetch>): Promise<Response> => {
        sent.push(`${new Request(...args).method} ${new URL(new Request(...args).url).pathname}`);
        return fetch(...args);
      },
    };
    const client = new Vault(options);
    const workos = new WorkOS({ vault: new Vault(options) }).vault;
    for (const { text } of ciphertexts) {
      for (const call of [
        () => client.decrypt(text, "aad"),
        () => client.rekey(text, CONTEXT),
        () => client.rewrap(text),
      ]) {
        const error = await rejectionOf(call);
        expect(error.code).toBe("ERR_KEY_BLOB_MALFORMED");
        expect(error.message).toContain("test vault");
      }
      const refused = await rejectionOf(() => workos.decrypt(text, "aad"));
      expect(refused).toMatchObject({ status: 400, code: "ERR_KEY_BLOB_MALFORMED" });
      const [result] = await client.decryptMany([text], "aad");
      expect(result).toMatchObject({ ok: false, error: { code: "ERR_KEY_BLOB_MALFORMED" } });
    }
    expect(await codeOf(() => client.createDecrypt({ keys: encryptedKeys }))).toBe("ERR_KEY_BLOB_MALFORMED");
    expect(await codeOf(() => client.createRekey({ context: CONTEXT, encryptedKeys }))).toBe(
      "ERR_KEY_BLOB_MALFORMED",
    );
    // Only whether the service has batches was asked.
    expect(sent).toEqual(["GET /coffer/v1/status"]);
  });

  test("[TST-2] a blob of a test vault that a service answers is no answer", async () => {
    const client = new Vault({
      apiKey: "sk_example",
      baseUrl: "http://127.0.0.1:9",
      fetch: async () =>
        Response.json({
          context: CONTEXT,
          data_key: SAMPLE_1.dataKey,
          encrypted_keys: encryptedKeys,
          id: "x",
        }),
    });
    expect(await codeOf(() => client.createDataKey({ context: CONTEXT }))).toBe("ERR_SERVICE_BAD_RESPONSE");
  });

  test("do not open with a data key of anywhere else; with the test vault's own they do", async () => {
    using own = await vault.createDecrypt({ keys: inspect(ciphertexts[0]!.text).encryptedKeys });
    expect(await localDecrypt(ciphertexts[0]!.text, { dataKey: own.dataKey }, "aad")).toBe("s3cret");
    for (const { layout, text } of ciphertexts) {
      const open =
        layout === "native"
          ? () => nativeDecrypt(fromBase64(text), { dataKey: SAMPLE_1.dataKey }, "aad")
          : () => localDecrypt(text, { dataKey: SAMPLE_1.dataKey }, "aad");
      expect(await codeOf(open)).toBe("ERR_DECRYPT_FAILED");
    }
  });
});

describe("a test vault", () => {
  test("[TST-3] refuses what real ones wrote", async () => {
    const embedded = await openTestVault();
    for (const text of [await embedded.encrypt("s3cret", CONTEXT), ...Object.values(SAMPLE_ENVELOPES)]) {
      const error = await rejectionOf(() => vault.decrypt(text, "seq1"));
      expect(error.code).toBe("ERR_KEY_BLOB_MALFORMED");
      expect(error.message).toContain("test vault");
    }
  });

  test("[TST-3] refuses those of another test vault, of the same seed too", async () => {
    const [one, other] = [createTestVault({ seed: "same" }), createTestVault({ seed: "same" })];
    const [text, same] = await Promise.all([one, other].map((each) => each.encrypt("s3cret", CONTEXT)));
    expect(inspect(text!).keyBlob.dataKeyId).toBe(inspect(same!).keyBlob.dataKeyId);
    expect(await codeOf(() => other.decrypt(text!))).toBe("ERR_KEY_NOT_FOUND");
    expect(await codeOf(() => one.decrypt(same!))).toBe("ERR_KEY_NOT_FOUND");
  });
});

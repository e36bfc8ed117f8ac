/**
 * docs/spec/keyring.md holds: its worked example is recomputed from the page alone, a vault is built from its numbers
 * and opened, and what the vault itself writes is taken apart again.
 */
import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { inspectKeyBlob } from "../../src/crypto/keys/key-blob-info.ts";
import { SecretBytes } from "../../src/crypto/primitives/secret-bytes.ts";
import { ServiceKeys } from "../../src/vault/root/service-keys.ts";
import { openSqlite } from "../../src/vault/storage/sqlite/open.ts";
import { base64, fromBase64, toHexText, utf8Bytes } from "../support/bytes.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import {
  canonicalForm,
  detached,
  hkdf,
  joined,
  kcXaes,
  kcXaesOpened,
  kekAssociatedData,
  keyBlobBytes,
  type ReferenceKek,
  uuid5,
  uuidBytes,
  uuidText,
  valueAssociatedData,
  wrapAssociatedData,
  wrappingKey,
} from "../support/keyring-reference.ts";
import { SAMPLE_1, SAMPLE_2, TRUNCATED_SAMPLE } from "../support/samples.ts";
import { freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";
import { REPOSITORY_ROOT } from "../support/vectors.ts";

const page = readFileSync(join(REPOSITORY_ROOT, "docs/spec/keyring.md"), "utf8");

/** The bytes that the page gives under a heading. */
function given(heading: string): Uint8Array {
  const match = new RegExp(`^${heading}, (\\d+) bytes\\n((?:[0-9a-f]{2}[ \\n])+)`, "m").exec(page);
  if (match === null) throw new Error(`the page has no "${heading}"`);
  const bytes = Uint8Array.from(Buffer.from(match[2]!.replace(/\s/g, ""), "hex"));
  expect(bytes.length, heading).toBe(Number(match[1]));
  return bytes;
}

/** `from`, `from + 1`, … */
function counting(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => from + i);
}

const ROOT = counting(0x00, 32);
const VAULT_ID = uuidBytes("00112233-4455-4677-8899-aabbccddeeff");
const ENVIRONMENT = "environment_0123456789ABCDEF0123456789ABCDEF";
const KEKS: readonly ReferenceKek[] = [
  {
    id: "11111111-1111-4111-8111-111111111111",
    version: 1,
    name: "env",
    value: "prod",
    key: counting(0xa0, 32),
  },
  {
    id: "22222222-2222-4222-8222-222222222222",
    version: 3,
    name: "organization_id",
    value: "org_1",
    key: counting(0xc0, 32),
  },
];
const DATA_KEY = counting(0xe0, 32);
const OBJECT = "secret_0123456789ABCDEF0123456789ABCDEF";
const VERSION = "0123456789abcdef0123456789abcdef";
const NAME = "db/password";

describe("the worked example", () => {
  test("[KEY-12] [KEY-13] [KEY-14] [KEY-15] the root key's part is what the page says", () => {
    const checkKey = hkdf(ROOT, VAULT_ID, "coffer/v1/root-check");
    const kekKey = hkdf(ROOT, VAULT_ID, "coffer/v1/kek-wrap");
    expect(given("check key")).toEqual(checkKey);
    expect(given("KEK key")).toEqual(kekKey);
    const nonce = counting(0x10, 24);
    expect(given("root check")).toEqual(joined(nonce, kcXaes(checkKey, nonce, new Uint8Array(0), VAULT_ID)));
    expect(given("associated data of the first wrapped KEK")).toEqual(
      kekAssociatedData(VAULT_ID, ENVIRONMENT, KEKS[0]!),
    );
    for (const [i, heading] of ["first wrapped KEK", "second wrapped KEK"].entries()) {
      const n = counting(0x30 + 0x20 * i, 24);
      const kek = KEKS[i]!;
      const aad = kekAssociatedData(VAULT_ID, ENVIRONMENT, kek);
      expect(given(heading)).toEqual(joined(n, kcXaes(kekKey, n, kek.key, aad)));
      expect(kcXaesOpened(kekKey, n, given(heading).subarray(24), aad)).toEqual(kek.key);
    }
  });

  test("[KEY-23] [KEY-24] [KEY-25] [KEY-27] the data key's part is what the page says", () => {
    const id = uuid5(uuidBytes(KEKS[0]!.id), DATA_KEY);
    expect(page).toContain(`\`${uuidText(id)}\``);
    expect(given("wrapping key")).toEqual(wrappingKey(KEKS));
    const aad = wrapAssociatedData(ENVIRONMENT, KEKS, id);
    expect(given("associated data of the wrapped data key")).toEqual(aad);
    const nonce = counting(0x70, 24);
    expect(given("key blob")).toEqual(
      keyBlobBytes(id, KEKS, nonce, kcXaes(wrappingKey(KEKS), nonce, DATA_KEY, aad)),
    );
    expect(given("key blob")).toHaveLength(132 + 20 * 2);
  });

  test("[KEY-30] [KEY-31] the value's part is what the page says", () => {
    const aad = valueAssociatedData(ENVIRONMENT, OBJECT, VERSION, NAME);
    expect(given("associated data of the value")).toEqual(aad);
    const sealed = detached(DATA_KEY, counting(0x90, 24), utf8Bytes("hunter2"), aad);
    expect(given("sealed value")).toEqual(sealed);
    expect(page).toContain(`etag is \`${etagOf(sealed)}\``);
  });
});

test("[KEY-12] the keys of webhooks' secrets and of fingerprints are derived as the page says", () => {
  const root = new SecretBytes(Uint8Array.from(ROOT));
  const keys = new ServiceKeys({ webhookSecret: root, fingerprint: root }, VAULT_ID);
  const owner = utf8Bytes("webhook_1");
  const sealed = keys.sealSecret(utf8Bytes("whsec_1"), owner);
  const key = hkdf(ROOT, VAULT_ID, "coffer/v1/webhook-secret");
  expect(kcXaesOpened(key, sealed.subarray(0, 24), sealed.subarray(24), owner)).toEqual(utf8Bytes("whsec_1"));
  expect(keys.openSecret(sealed, owner)).toEqual(utf8Bytes("whsec_1"));
  expect(errorOf(() => keys.openSecret(sealed, utf8Bytes("webhook_2"))).code).toBe("ERR_STORAGE_CORRUPT");
  const hmac = createHmac("sha256", hkdf(ROOT, VAULT_ID, "coffer/v1/idempotency"))
    .update("request")
    .digest();
  expect(keys.fingerprint(utf8Bytes("request"))).toEqual(Uint8Array.from(hmac));
  const keyed = createHmac("sha256", hkdf(ROOT, VAULT_ID, "coffer/v1/idempotency-key"))
    .update("\0\0\0\x05env_1\0\0\0\x05key_1\0\0\0\x02id")
    .digest("hex");
  expect(keys.idempotencyKey("env_1", "key_1", "id")).toBe(keyed);
  const answer = keys.sealAnswer(utf8Bytes("{}"), [utf8Bytes("env_1"), utf8Bytes("ab")]);
  const bytes = Uint8Array.from(Buffer.from(answer, "base64"));
  const answerKey = hkdf(ROOT, VAULT_ID, "coffer/v1/idempotent-answer");
  const bound = utf8Bytes("\0\0\0\x05env_1\0\0\0\x02ab");
  expect(kcXaesOpened(answerKey, bytes.subarray(0, 24), bytes.subarray(24), bound)).toEqual(utf8Bytes("{}"));
  for (const [text, owner] of [
    [answer, ["env_2", "ab"]],
    [answer, ["env_1ab"]],
    ["no base64!", ["env_1", "ab"]],
    ["AAAA", ["env_1", "ab"]],
  ] as const) {
    expect(errorOf(() => keys.openAnswer(text, owner.map(utf8Bytes))).code).toBe("ERR_STORAGE_CORRUPT");
  }
  keys.dispose();
});

test("[KEY-29] of WorkOS's key blobs as much is told as can be read", () => {
  for (const sample of [SAMPLE_1, SAMPLE_2, TRUNCATED_SAMPLE]) {
    const blob = fromBase64(sample.encryptedKeys);
    const expected = { format: "workos", dataKeyId: sample.dataKeyId, keks: [{ id: sample.kekId }] };
    expect(inspectKeyBlob(blob)).toMatchObject(expected);
    // The data key's id and its KEK's hang together as ours do.
    if (!("dataKey" in sample)) continue;
    expect(uuidText(uuid5(uuidBytes(sample.kekId), fromBase64(sample.dataKey)))).toBe(sample.dataKeyId);
    // Cut off anywhere behind the magic, it is no error.
    for (let end = 11; end < blob.length; end++) {
      const { keks } = inspectKeyBlob(blob.subarray(0, end));
      expect(keks).toEqual(end < 88 ? [] : [{ id: sample.kekId }]);
    }
  }
});

describe("a vault built from the page", () => {
  const path = freshPath();

  beforeAll(async () => {
    // The tables are made by the code; every row is made here.
    await (await openSqlite(path, { create: true, lockWaitMs: 1_000 })).close();
    tamper(path, (db) => {
      const put = (table: string, row: Record<string, string | number | Uint8Array | null>): void => {
        const names = Object.keys(row);
        db.prepare(
          `INSERT INTO ${table} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`,
        ).run(...Object.values(row));
      };
      put("meta", { name: "vault_id", value: VAULT_ID });
      put("meta", { name: "root_check", value: given("root check") });
      put("environments", { id: ENVIRONMENT, name: "default", created_at: 1 });
      const wrapped = [given("first wrapped KEK"), given("second wrapped KEK")];
      put("contexts", {
        id: "context",
        environment_id: ENVIRONMENT,
        canonical: canonicalForm(KEKS),
        created_at: 1,
      });
      for (const [i, kek] of KEKS.entries()) {
        put("keks", {
          id: kek.id,
          environment_id: ENVIRONMENT,
          context_name: utf8Bytes(kek.name),
          context_value: utf8Bytes(kek.value),
          created_at: 1,
        });
        put("kek_versions", {
          kek_id: kek.id,
          version: kek.version,
          state: "active",
          wrapped: wrapped[i]!,
          created_at: 1,
        });
        put("context_keks", { context_id: "context", kek_id: kek.id });
      }
      const sealed = given("sealed value");
      const blob = given("key blob");
      put("kv_objects", {
        id: OBJECT,
        environment_id: ENVIRONMENT,
        name: NAME,
        context_id: "context",
        current_version: VERSION,
        created_at: 1,
        updated_at: 1,
      });
      put("kv_versions", {
        id: VERSION,
        object_id: OBJECT,
        number: 1,
        key_id: uuidText(uuid5(uuidBytes(KEKS[0]!.id), DATA_KEY)),
        key_blob: blob,
        sealed,
        size: sealed.length + blob.length,
        etag: etagOf(sealed),
        created_at: 1,
        created_by_id: "nobody",
        created_by_name: "nobody",
      });
    });
  });

  test("[KEY-12] [KEY-25] [AUT-14] opens, and gives the data key for its key blob", async () => {
    const vault = await openTestVault({ path, rootKey: ROOT });
    expect(vault.environmentId).toBe(ENVIRONMENT);
    // The page uses one data key for both; as long as a value has it like this, nobody else gets it.
    const refused = await rejectionOf(() => vault.createDecrypt({ keys: base64(given("key blob")) }));
    expect(refused.code).toBe("ERR_DECRYPT_FAILED");
    expect(await vault.rewrapKv()).toEqual({ checked: 1, rewrapped: 1, skipped: 0 });
    using key = await vault.createDecrypt({ keys: base64(given("key blob")) });
    expect(fromBase64(key.dataKey)).toEqual(DATA_KEY);
    expect(key.id).toBe(uuidText(uuid5(uuidBytes(KEKS[0]!.id), DATA_KEY)));
    expect(key.context).toEqual({ organization_id: "org_1", env: "prod" });
  });

  test("[KEY-30] opens, and reads the value", async () => {
    const vault = await openTestVault({ path, rootKey: ROOT });
    expect(await vault.getName({ name: NAME })).toMatchObject({ id: OBJECT, value: "hunter2" });
    const { data } = await vault.listKvVersions({ id: OBJECT });
    expect(data[0]).toMatchObject({ size: 85 + 172, etag: `"${etagOf(given("sealed value"))}"` });
  });
});

describe("what the vault writes", () => {
  /** Everything under one object, taken apart by the page alone. */
  test("[KEY-12] [KEY-14] [KEY-23] [KEY-24] [KEY-25] [KEY-27] [KEY-30] [AUT-3] [AUT-4] [AUT-13] is what the page says", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    const keyContext = { b: "2", a: "1", "\u{10000}": "3", "\u{ff61}": "4" };
    const { id } = await vault.createKv({ name: "n", value: "old", keyContext });
    await vault.keks.rotate({ name: "b", value: "2" });
    await vault.keks.rotate({ name: "b", value: "2" });
    await vault.updateKv({ id, value: "v\u{1f511}" });
    const rows = <T>(sql: string): T[] => tamper(path, (db) => db.prepare(sql).all() as T[]);
    const meta = new Map(
      rows<{ name: string; value: Uint8Array }>("SELECT * FROM meta").map((row) => [row.name, row.value]),
    );
    const vaultId = meta.get("vault_id")!;
    const root = fromBase64(ROOT_KEY);
    const check = meta.get("root_check")!;
    expect(check).toHaveLength(72);
    const checkKey = hkdf(root, vaultId, "coffer/v1/root-check");
    const checkData = joined(vaultId, Buffer.from("authenticated"));
    expect(kcXaesOpened(checkKey, check.subarray(0, 24), check.subarray(24), checkData)).toHaveLength(0);

    const wrapKey = hkdf(root, vaultId, "coffer/v2/wrap");
    const keks = new Map<string, ReferenceKek>();
    type KekRow = {
      id: string;
      context_name: Uint8Array;
      context_value: Uint8Array;
      version: number;
      wrapped: Uint8Array;
    };
    for (const row of rows<KekRow>(
      "SELECT k.id, context_name, context_value, version, wrapped FROM keks k JOIN kek_versions ON kek_id = k.id",
    )) {
      const kek = {
        id: row.id,
        version: row.version,
        name: Buffer.from(row.context_name).toString(),
        value: Buffer.from(row.context_value).toString(),
      };
      expect(row.wrapped).toHaveLength(104);
      const aad = kekAssociatedData(vaultId, vault.environmentId, kek, "coffer/v2/kek-wrap");
      const key = kcXaesOpened(wrapKey, row.wrapped.subarray(0, 24), row.wrapped.subarray(24), aad);
      expect(key).toHaveLength(32);
      keks.set(`${kek.name} ${kek.version}`, { ...kek, key });
    }
    expect(keks.size).toBe(6);
    expect(new Set([...keks.values()].map((kek) => toHexText(kek.key))).size).toBe(6);

    // UTF-8 order: U+FF61 before U+10000, which UTF-16 would turn round.
    const ring = ["a 1", "b 3", "\u{ff61} 1", "\u{10000} 1"].map((name) => keks.get(name)!);
    type VersionRow = { id: string; key_id: string; key_blob: Uint8Array; sealed: Uint8Array; etag: string };
    const version = rows<VersionRow>("SELECT * FROM kv_versions WHERE number = 2")[0]!;
    const blob = version.key_blob;
    const [dataKeyId, nonce, wrapped] = [
      blob.subarray(11, 27),
      blob.subarray(28 + 80, 52 + 80),
      blob.subarray(52 + 80),
    ];
    expect(Uint8Array.from(blob)).toEqual(keyBlobBytes(dataKeyId, ring, nonce, wrapped));
    const wrapAad = wrapAssociatedData(vault.environmentId, ring, dataKeyId, "coffer/v1/kv-data-key");
    const dataKey = kcXaesOpened(wrappingKey(ring), nonce, wrapped, wrapAad);
    expect(uuid5(uuidBytes(ring[0]!.id), dataKey)).toEqual(Uint8Array.from(dataKeyId));
    expect(version.key_id).toBe(uuidText(dataKeyId));

    const { sealed } = version;
    const aad = valueAssociatedData(vault.environmentId, id, version.id, "n");
    expect(Uint8Array.from(sealed)).toEqual(
      detached(dataKey, sealed.subarray(6, 30), utf8Bytes("v\u{1f511}"), aad),
    );
    expect(version.etag).toBe(etagOf(sealed));
  });

  test("[KEY-13] [KEY-22] takes every nonce and key afresh", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    for (let i = 0; i < 30; i++)
      await vault.createKv({ name: `${i}`, value: "v", keyContext: { n: `${i}` } });
    tamper(path, (db) => {
      const starts = (sql: string): string[] =>
        db
          .prepare(sql)
          .all()
          .map((row) => toHexText(Object.values(row)[0] as Uint8Array));
      for (const sql of [
        "SELECT substr(wrapped, 1, 24) FROM kek_versions",
        "SELECT substr(wrapped, 25, 32) FROM kek_versions",
        "SELECT substr(key_blob, 49, 24) FROM kv_versions",
        "SELECT substr(key_blob, 73, 32) FROM kv_versions",
        "SELECT substr(sealed, 7, 24) FROM kv_versions",
      ]) {
        expect(new Set(starts(sql)).size, sql).toBe(30);
      }
    });
  });
});

function etagOf(sealed: Uint8Array): string {
  return createHash("sha256").update(sealed).digest("hex").slice(0, 32);
}

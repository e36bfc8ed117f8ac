/** Vault keys, MACs and the log as docs/spec/authority.md writes them down, read from a vault by the page alone. */
import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { SecretBytes } from "../../../src/crypto/primitives/secret-bytes.ts";
import { Macs } from "../../../src/vault/authority/macs.ts";
import { recordBytes } from "../../../src/vault/authority/record.ts";
import { AUTHORITY_LOG_MAX } from "../../../src/vault/limits.ts";
import { openSqlite } from "../../../src/vault/storage/sqlite/open.ts";
import { openTestDatabase } from "../../support/authority.ts";
import { fromBase64 } from "../../support/bytes.ts";
import { errorOf, rejectionOf } from "../../support/errors.ts";
import { field, hkdf, joined, kcXaesOpened, u32Bytes } from "../../support/keyring-reference.ts";
import { freshPath, openTestHost, openTestVault, ROOT_KEY, sessionOf, tamper } from "../../support/vaults.ts";

type Value = string | number | null | Uint8Array;
type Row = Record<string, Value>;

const ORG = { organization_id: "org_1" };

/** Section 2, written once more. */
function record(table: string, values: readonly Value[]): Uint8Array {
  return joined(
    field("coffer/v2/row"),
    field(table),
    u32Bytes(values.length),
    ...values.map((value) => {
      if (value === null) return Uint8Array.of(0);
      if (typeof value === "number") return joined(Uint8Array.of(1), field(String(value)));
      if (typeof value === "string") return joined(Uint8Array.of(2), field(value));
      return joined(Uint8Array.of(3), field(value));
    }),
  );
}

function macOf(key: Uint8Array, table: string, values: readonly Value[]): Uint8Array {
  const mac = createHmac("sha256", key).update(record(table, values)).digest();
  return joined(u32Bytes(1), mac);
}

const bytes = (value: Value | undefined): Uint8Array => Uint8Array.from(value as Uint8Array);

/** The vault keys of a file, by the root key alone. */
function vaultKeysOf(path: string): Record<string, Uint8Array> {
  return tamper(path, (db) => {
    const vaultId = bytes(db.prepare("SELECT value FROM meta WHERE name = 'vault_id'").get()!.value as Value);
    const wrapKey = hkdf(fromBase64(ROOT_KEY), vaultId, "coffer/v2/wrap");
    const rows = db.prepare("SELECT * FROM vault_keys").all() as Row[];
    return Object.fromEntries(
      rows.map(({ purpose, version, wrapped }) => {
        const aad = joined(
          Buffer.from("coffer/v2/vault-key"),
          field(vaultId),
          field(purpose as string),
          u32Bytes(version as number),
        );
        const sealed = bytes(wrapped);
        return [purpose, kcXaesOpened(wrapKey, sealed.subarray(0, 24), sealed.subarray(24), aad)];
      }),
    );
  });
}

async function filled(): Promise<string> {
  const path = freshPath(true);
  const host = await openTestHost({ path });
  const { keks, keys, kv, environmentId } = await sessionOf(host);
  (await keys.createDataKey({ context: ORG })).dispose();
  await kv.createKv({ name: "n", value: "v", keyContext: ORG });
  await host.apiKeys.create(environmentId, { name: "k", permissions: ["decrypt"] });
  await host.webhooks.create(environmentId, { url: "https://hooks.example/" });
  await keks.rotate({ name: "organization_id", value: "org_1" });
  await keks.disable({ name: "organization_id", value: "org_1", version: 1 });
  await host.close();
  return path;
}

test("[AUT-1] [AUT-2] vault keys are random, wrapped by the root, and the inputs of what seals webhooks' secrets", async () => {
  const path = await filled();
  const keys = vaultKeysOf(path);
  expect(Object.keys(keys).sort()).toEqual(["event-mac", "fingerprint", "row-mac", "webhook-secret"]);
  expect(new Set(Object.values(keys).map((key) => Buffer.from(key).toString("hex"))).size).toBe(4);
  const { id, sealed, vaultId } = tamper(path, (db) => {
    const row = db.prepare("SELECT id, sealed_secret FROM webhooks").get() as Row;
    const meta = db.prepare("SELECT value FROM meta WHERE name = 'vault_id'").get() as Row;
    return { id: row.id as string, sealed: bytes(row.sealed_secret), vaultId: bytes(meta.value) };
  });
  const secretKey = hkdf(keys["webhook-secret"]!, vaultId, "coffer/v1/webhook-secret");
  const secret = kcXaesOpened(secretKey, sealed.subarray(0, 24), sealed.subarray(24), Buffer.from(id));
  expect(Buffer.from(secret).toString()).toMatch(/^whsec_/);
  // Two vaults under one root key have nothing in common.
  expect(vaultKeysOf(await filled())).not.toEqual(keys);
});

test("[AUT-5] every record has the MAC that the page says", async () => {
  const path = await filled();
  const { "row-mac": key, "event-mac": eventKey } = vaultKeysOf(path) as Record<
    "row-mac" | "event-mac",
    Uint8Array
  >;
  tamper(path, (db) => {
    const all = (statement: string): Row[] => db.prepare(statement).all() as Row[];
    const columns = {
      environments: "id name created_at generation",
      api_keys: "id environment_id name digest permissions constraints created_at revoked_at generation",
      webhooks: "id environment_id url kinds sealed_secret created_at disabled_at generation",
    };
    for (const [table, names] of Object.entries(columns)) {
      const rows = all(`SELECT * FROM ${table}`);
      expect(rows).toHaveLength(1);
      const values = names.split(" ").map((name) => rows[0]![name]!);
      expect(bytes(rows[0]!.mac), table).toEqual(
        macOf(
          key,
          table,
          values.map((value) => value ?? null),
        ),
      );
    }
    const kek = all("SELECT * FROM keks")[0]!;
    const versions = all("SELECT * FROM kek_versions ORDER BY version");
    expect(versions).toHaveLength(2);
    const values = [
      ..."id environment_id context_name context_value created_at generation"
        .split(" ")
        .map((name) => kek[name]!),
      ...versions.flatMap((row) =>
        "version state wrapped created_at destroy_at".split(" ").map((name) => row[name] ?? null),
      ),
    ];
    expect(bytes(kek.mac)).toEqual(macOf(key, "keks", values));
    expect(kek.generation).toBe(3);
    const object = all(
      `SELECT o.*, c.canonical, v.number AS current_number, v.generation AS current_generation FROM kv_objects o JOIN contexts c ON c.id = o.context_id
       JOIN kv_versions v ON v.id = o.current_version`,
    )[0]!;
    const names =
      "id environment_id name canonical current_version current_number current_generation created_at updated_at deleted_at".split(
        " ",
      );
    expect(bytes(object.mac)).toEqual(
      macOf(
        key,
        "kv_objects",
        names.map((name) => object[name] ?? null),
      ),
    );
    const events = all("SELECT * FROM events");
    expect(events.map(({ kind }) => kind)).toEqual(["vault.kek.created", "vault.data.created"]);
    for (const event of events) {
      const values = "id environment_id kind data created_at generation".split(" ");
      expect(bytes(event.mac)).toEqual(
        macOf(
          eventKey,
          "events",
          values.map((name) => event[name]!),
        ),
      );
    }
  });
});

test("[AUT-5] a MAC names the version of its key: of others nothing is known, and keys that were let go of make none", () => {
  const keys = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  const [row, event] = keys.map((key) => new Map([[1, new SecretBytes(key)]]));
  const macs = new Macs({ "row-mac": row!, "event-mac": event! });
  const mac = macs.of({ table: "t", values: [1] });
  expect(macs.knows(mac)).toBe(true);
  const unknown = Uint8Array.from(mac).fill(9, 0, 4);
  for (const other of [
    unknown,
    mac.subarray(0, 35),
    joined(mac, mac),
    { ...mac, length: mac.length },
    null,
  ]) {
    expect(macs.knows(other)).toBe(false);
  }
  macs.dispose();
  expect(keys).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  expect(errorOf(() => macs.of({ table: "t", values: [1] })).code).toBe("ERR_DISPOSED");
});

test("[AUT-5] no two records have the same bytes", () => {
  const records = [
    ["t", ["a", "b"]],
    ["t", ["ab", ""]],
    ["t", ["", "ab"]],
    ["t", ["ab"]],
    ["ta", ["b"]],
    ["t", [null, "ab"]],
    ["t", [1]],
    ["t", ["1"]],
    ["t", [Uint8Array.of(0x31)]],
    ["t", [-1]],
    ["t", [null]],
    ["t", []],
    ["t", ["é\u{1f511}"]],
  ] as const;
  const texts = records.map(([table, values]) => {
    const made = recordBytes({ table, values });
    expect(Uint8Array.from(made)).toEqual(record(table, values));
    return Buffer.from(made).toString("hex");
  });
  expect(new Set(texts).size).toBe(records.length);
});

describe("the log", () => {
  test("[AUT-8] [AUT-9] is a chain of MACs that ends in its head, and has an entry for each change", async () => {
    const path = await filled();
    const key = vaultKeysOf(path)["row-mac"]!;
    tamper(path, (db) => {
      const entries = db.prepare("SELECT * FROM authority_log ORDER BY generation").all() as Row[];
      expect(entries.map(({ kind }) => kind)).toEqual(["environment", "rotate", "disable"]);
      let before: Uint8Array | null = null;
      for (const [i, entry] of entries.entries()) {
        expect(entry.generation).toBe(i + 1);
        const values = [entry.generation!, entry.kind!, entry.subject!, entry.at!, before];
        expect(bytes(entry.mac)).toEqual(macOf(key, "authority_log", values));
        before = bytes(entry.mac);
      }
      const head = bytes(
        db.prepare("SELECT value FROM meta WHERE name = 'authority_head'").get()!.value as Value,
      );
      expect(head.subarray(0, 44)).toEqual(joined(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 3), before!));
      expect(head.subarray(44)).toEqual(macOf(key, "head", [3, before]));
      const carried = db.prepare("SELECT generation FROM events ORDER BY sequence DESC LIMIT 1").get();
      expect(carried!.generation).toBeLessThanOrEqual(3);
    });
  });

  test("[AUT-11] is compacted, and a vault is opened by its snapshot and what comes after", async () => {
    const path = freshPath(true);
    const host = await openTestHost({ path });
    const session = await sessionOf(host);
    const contexts = ["a", "b", "c"].map((value) => ({ name: "org", value }));
    for (const { value } of contexts)
      (await session.keys.createDataKey({ context: { org: value } })).dispose();
    const { id } = await session.keks.rotate(contexts[2]!);
    const old = tamper(path, (db) => ({
      kek: db.prepare("SELECT * FROM keks WHERE id = ?").get(id) as Row,
      versions: db.prepare("SELECT * FROM kek_versions WHERE kek_id = ?").all(id) as Row[],
    }));
    await session.keks.rotate(contexts[2]!);
    // Another process, whose log in memory is then from before.
    const other = await openTestHost({ path });
    // A change of a KEK each; an enable changes nothing but the log.
    await Promise.all(
      Array.from({ length: AUTHORITY_LOG_MAX + 20 }, (_, i) => session.keks.enable(contexts[i % 2]!)),
    );
    const left = tamper(path, (db) => {
      const snapshot = db.prepare("SELECT value FROM meta WHERE name = 'authority_snapshot'").get();
      const value = bytes(snapshot!.value as Value);
      // An environment and three KEKs.
      const entries = value.subarray(44, -36);
      expect(entries.length).toBe(4 * 24);
      const kek = db.prepare("SELECT * FROM keks WHERE id = ?").get(id) as Row;
      const entry = [kek.environment_id!, bytes(kek.context_name), bytes(kek.context_value)];
      const name = `kek:${createHash("sha256").update(record("kek", entry)).digest("hex")}`;
      const subject = createHash("sha256").update(name).digest().subarray(0, 16);
      expect(Buffer.from(entries).includes(subject)).toBe(true);
      return db.prepare("SELECT count(*) AS n FROM authority_log").get()!.n as number;
    });
    expect(left).toBeLessThan(30);
    // What has been compacted is known: an old record is refused, by whoever opened the vault when.
    tamper(path, (db) => {
      db.prepare("DELETE FROM kek_versions WHERE kek_id = ? AND version = 3").run(id);
      for (const row of old.versions) {
        db.prepare("UPDATE kek_versions SET state = ? WHERE kek_id = ? AND version = ?").run(
          row.state!,
          id,
          row.version!,
        );
      }
      db.prepare("UPDATE keks SET generation = ?, mac = ? WHERE id = ?").run(
        old.kek.generation!,
        old.kek.mac!,
        id,
      );
      db.exec("UPDATE counters SET value = value + 1");
    });
    for (const opened of [host, other, await openTestHost({ path })]) {
      const { keys } = await sessionOf(opened);
      (await keys.createDataKey({ context: { org: "a" } })).dispose();
      const error = await rejectionOf(() => keys.createDataKey({ context: { org: "c" } }));
      expect([error.code, error.message]).toEqual(["ERR_STORAGE_CORRUPT", expect.stringContaining(id)]);
      await opened.close();
    }
  });

  test("[AUT-10] a change that fails leaves no trace in it, nor in the memory of the process", async () => {
    const path = freshPath(true);
    const vault = await openTestVault({ path });
    (await vault.createDataKey({ context: ORG })).dispose();
    const database = await openSqlite(path, { create: false, lockWaitMs: 1_000 });
    const { authority } = await openTestDatabase(database);
    const { generation } = authority;
    const failed = database.write(async (sql) => {
      await (await authority.change(sql)).append("rotate", "nothing");
      throw new Error("undone");
    });
    expect((await rejectionOf(() => failed)).message).toBe("undone");
    await database.read((sql) => authority.look(sql));
    expect(authority.generation).toBe(generation);
    authority.dispose();
    await database.close();
    await vault.keks.rotate({ name: "organization_id", value: "org_1" });
    (await vault.createDataKey({ context: ORG })).dispose();
  });
});

test("[AUT-13] the store's data keys are refused to applications", async () => {
  const path = freshPath(true);
  const vault = await openTestVault({ path });
  await vault.createKv({ name: "n", value: "v", keyContext: ORG });
  const blob = tamper(path, (db) =>
    bytes(db.prepare("SELECT key_blob FROM kv_versions").get()!.key_blob as Value),
  );
  const keys = Buffer.from(blob).toString("base64");
  expect((await rejectionOf(() => vault.createDecrypt({ keys }))).code).toBe("ERR_DECRYPT_FAILED");
  const rekey = () => vault.createRekey({ context: { organization_id: "org_2" }, encryptedKeys: keys });
  expect((await rejectionOf(rekey)).code).toBe("ERR_DECRYPT_FAILED");
  expect((await vault.getName({ name: "n" })).value).toBe("v");
});

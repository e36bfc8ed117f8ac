/** Another root for a vault: while servers run, killed at any point, and the old root dead afterwards. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openFileHost, openPostgresHost, type VaultHost } from "../../../src/vault/index.ts";
import { workplace } from "../../support/cli.ts";
import { rejectionOf } from "../../support/errors.ts";
import { describePostgres, freshDatabaseUrl } from "../../support/postgres.ts";
import { killRotations } from "../../support/root-rotation-kills.ts";
import { filesOf, freshPath, ROOT_KEY, TEST_ACTOR, tamper } from "../../support/vaults.ts";

const NEXT = Buffer.alloc(32, 9).toString("base64");
const ORG = { organization_id: "org_1" };
/** A vault that an older coffer made. */
const OLD_VAULT = join(import.meta.dirname, "../../fixtures/vault-0.1/vault.db.gz");
/** RFC 8032 section 7.1, test 1. */
const SENDER_KEY = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const silent = { onNotice: () => {} };

afterEach(() => vi.unstubAllEnvs());

async function sessionOf(host: VaultHost) {
  return host.session((await host.environment("default")).id, { actor: TEST_ACTOR });
}

async function filled(host: VaultHost): Promise<string> {
  const { keys, kv, keks, recipients, environmentId } = await sessionOf(host);
  const { encryptedKeys } = await keys.createDataKey({ context: ORG });
  const { id: recipientId } = await recipients.create({ context: ORG, requireSender: true });
  await recipients.senders.add({ recipientId, name: "partner", publicKey: SENDER_KEY });
  await keks.rotate({ name: "organization_id", value: "org_1" });
  await keks.disable({ name: "organization_id", value: "org_1", version: 1 });
  await keks.enable({ name: "organization_id", value: "org_1", version: 1 });
  await kv.createKv({ name: "n", value: "v", keyContext: { ...ORG, region: "eu" } });
  await host.webhooks.create(environmentId, { url: "https://hooks.example/" });
  return encryptedKeys;
}

async function expectWhole(host: VaultHost, encryptedKeys: string, context: string): Promise<void> {
  const { keys, kv, keks, recipients, environmentId } = await sessionOf(host);
  const [recipient] = (await recipients.list()).data;
  await recipients.document({ id: recipient!.id });
  await recipients.rotate({ id: recipient!.id });
  expect((await recipients.senders.list({ recipientId: recipient!.id })).data).toHaveLength(1);
  (await keys.createDecrypt({ keys: encryptedKeys })).dispose();
  expect((await kv.getName({ name: "n" })).value).toBe("v");
  (await keys.createDataKey({ context: { made: context } })).dispose();
  await keks.rotate({ name: "made", value: context });
  expect(await host.webhooks.list(environmentId)).toHaveLength(1);
}

describe("in a file", () => {
  test("[AUT-20] [AUT-22] the next root is made beside the old one and takes its place; the old one opens nothing", async () => {
    const path = freshPath(true);
    const host = await openFileHost({ path, ...silent });
    const text = await filled(host);
    const running = await openFileHost({ path, ...silent });
    const oldRoot = readFileSync(`${path}.root-key`, "utf8");
    const wraps = tamper(path, (db) =>
      db
        .prepare(
          "SELECT wrapped FROM kek_versions WHERE wrapped IS NOT NULL UNION SELECT wrapped FROM vault_keys",
        )
        .all(),
    );
    const log = tamper(path, (db) => db.prepare("SELECT count(*) AS n FROM authority_log").get()!.n);
    const { keks, damaged, keptIn } = await host.rotateRoot();
    expect([keks, damaged]).toEqual([2, []]);
    expect(readFileSync(keptIn!, "utf8")).toBe(oldRoot);
    expect(readFileSync(`${path}.root-key`, "utf8")).not.toBe(oldRoot);
    expect(existsSync(`${path}.root-key.next`)).toBe(false);
    expect(tamper(path, (db) => db.prepare("SELECT count(*) AS n FROM authority_log").get()!.n)).toBe(log);
    await expectWhole(host, text, "by the one that rotated");
    await expectWhole(running, text, "by one that was running");
    await host.close();
    await running.close();
    const fresh = await openFileHost({ path, ...silent });
    await expectWhole(fresh, text, "by one that was opened afterwards");
    await fresh.close();
    const bytes = filesOf(path);
    for (const { wrapped } of wraps) expect(bytes.includes(Buffer.from(wrapped as Uint8Array))).toBe(false);
    const refused = await rejectionOf(() => openFileHost({ path, rootKey: oldRoot.trim(), ...silent }));
    expect(refused.code).toBe("ERR_ROOT_KEY_WRONG");
  });

  test("[AUT-20] by variables: both are needed until it is done", async () => {
    const path = freshPath(true);
    vi.stubEnv("COFFER_ROOT_KEY", ROOT_KEY);
    const host = await openFileHost({ path, ...silent });
    const text = await filled(host);
    expect((await rejectionOf(() => host.rotateRoot())).code).toBe("ERR_ROOT_KEY_MISSING");
    await host.close();
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", NEXT);
    const rotating = await openFileHost({ path, ...silent });
    const running = await openFileHost({ path, ...silent });
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error("stopped"));
    const stopped = await rejectionOf(() => rotating.rotateRoot({ signal: stop.signal, onProgress }));
    expect(stopped.message).toBe("stopped");
    expect(await running.isRootRotating()).toBe(true);
    await expectWhole(running, text, "while it is under way");
    const half = await openFileHost({ path, ...silent });
    await expectWhole(half, text, "by one that was opened while it is under way");
    await half.close();
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", "");
    for (const rootKey of [ROOT_KEY, NEXT]) {
      const error = await rejectionOf(() => openFileHost({ path, rootKey, ...silent }));
      expect([error.code, error.message]).toEqual([
        "ERR_ROOT_KEY_WRONG",
        expect.stringContaining("both needed"),
      ]);
    }
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", Buffer.alloc(32, 8).toString("base64"));
    const other = await rejectionOf(() => openFileHost({ path, ...silent }));
    expect(other.code).toBe("ERR_ROOT_KEY_WRONG");
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", NEXT);
    expect((await rotating.rotateRoot()).keptIn).toBeUndefined();
    await expectWhole(running, text, "when it is done");
    // Once more changes nothing.
    expect((await rotating.rotateRoot()).keks).toBe(0);
    for (const each of [rotating, running]) await each.close();
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", "");
    expect((await rejectionOf(() => openFileHost({ path, ...silent }))).code).toBe("ERR_ROOT_KEY_WRONG");
    vi.stubEnv("COFFER_ROOT_KEY", NEXT);
    const fresh = await openFileHost({ path, ...silent });
    await expectWhole(fresh, text, "under the next root");
    await fresh.close();
  });

  test("[AUT-21] killed between its end and the change of the file, the vault opens, and the next run ends it", async () => {
    const path = freshPath(true);
    const host = await openFileHost({ path, ...silent });
    const text = await filled(host);
    const oldRoot = readFileSync(`${path}.root-key`, "utf8");
    const { keptIn } = await host.rotateRoot();
    await host.close();
    writeFileSync(`${path}.root-key.next`, readFileSync(`${path}.root-key`), { mode: 0o600 });
    writeFileSync(`${path}.root-key`, oldRoot, { mode: 0o600 });
    const opened = await openFileHost({ path, ...silent });
    await expectWhole(opened, text, "with the file of before");
    expect((await opened.rotateRoot()).keks).toBe(0);
    await opened.close();
    expect(readdirSync(dirname(path)).filter((name) => name.endsWith(".next"))).toEqual([]);
    expect(readFileSync(keptIn!, "utf8")).toBe(oldRoot);
    await (await openFileHost({ path, ...silent })).close();
  });

  test("[AUT-20] an altered KEK is left, and stays refused; an old one stays old", async () => {
    const path = freshPath(true);
    const host = await openFileHost({ path, ...silent });
    const text = await filled(host);
    const id = tamper(path, (db) => {
      const row = db.prepare("SELECT id FROM keks WHERE context_name = CAST('region' AS BLOB)").get()!;
      db.prepare("UPDATE kek_versions SET created_at = 5 WHERE kek_id = ?").run(row.id as string);
      return row.id as string;
    });
    expect((await host.rotateRoot()).damaged).toEqual([id]);
    const { keys, kv } = await sessionOf(host);
    (await keys.createDecrypt({ keys: text })).dispose();
    await host.close();
    const fresh = await openFileHost({ path, ...silent });
    expect((await rejectionOf(async () => (await sessionOf(fresh)).kv.getName({ name: "n" }))).code).toBe(
      "ERR_STORAGE_CORRUPT",
    );
    await fresh.close();
    expect(kv).toBeDefined();
  });

  test("[AUT-21] [AUT-22] killed 3 times under load, it ends: nothing is unreadable, and the old root is dead", async () => {
    const report = await killRotations(freshPath(), { keks: 200, kills: 3, hasLeaked: true });
    expect(report).toMatchObject({ kills: 3, unreadable: 0, isOldRootAlive: false });
    expect(report.written).toBeGreaterThan(0);
  }, 300_000);

  test("coffer root generate, check and rotate", async () => {
    const { run, json, out, path } = workplace();
    await out(["environments", "create", "one"]);
    const { rootKey } = await json(["root", "generate"]);
    expect(Buffer.from(rootKey, "base64")).toHaveLength(32);
    expect((await run(["root", "rotate"])).code).not.toBe(0);
    expect(await json(["root", "rotate", "--yes"])).toMatchObject({ keks: 0, damaged: [] });
    expect(await out(["root", "check"])).toContain("is the one of this vault");
    const wrong = await run(["root", "check"], { env: { COFFER_ROOT_KEY: rootKey } });
    expect([wrong.code, wrong.err]).not.toEqual([0, ""]);
    expect(existsSync(path("vault.db.root-key"))).toBe(true);
  });
});

describe("if the root leaked", () => {
  const versionsOf = (path: string) =>
    tamper(path, (db) =>
      db.prepare("SELECT purpose, version, wrapped FROM vault_keys ORDER BY purpose, version").all(),
    );
  const oldMacs = (path: string, version: number): string[] =>
    tamper(path, (db) =>
      [
        "environments",
        "api_keys",
        "webhooks",
        "keks",
        "recipients",
        "senders",
        "kv_objects",
        "events",
      ].filter(
        (table) =>
          db
            .prepare(`SELECT count(*) AS n FROM ${table} WHERE substr(mac, 1, 4) = ?`)
            .get(Buffer.from([0, 0, 0, version]))!.n !== 0,
      ),
    );

  test("[AUT-26] vault keys and MACs are made anew, and what was sealed under the old ones is refused", async () => {
    const path = freshPath(true);
    const host = await openFileHost({ path, ...silent });
    const text = await filled(host);
    const { environmentId } = await sessionOf(host);
    const { key } = await host.apiKeys.create(environmentId, { name: "k", permissions: ["decrypt"] });
    const running = await openFileHost({ path, ...silent });
    const before = versionsOf(path);
    const rows = tamper(path, (db) => db.prepare("SELECT * FROM environments").all());
    const { keks, rows: renewed, damaged } = await host.rotateRoot({ hasLeaked: true });
    expect([keks, damaged]).toEqual([2, []]);
    expect(renewed).toBeGreaterThan(5);
    expect(versionsOf(path).map(({ purpose, version }) => `${purpose} ${version}`)).toEqual([
      "event-mac 2",
      "fingerprint 2",
      "row-mac 2",
      "signing 2",
      "webhook-secret 2",
    ]);
    expect(oldMacs(path, 1)).toEqual([]);
    await expectWhole(host, text, "by the one that rotated");
    await expectWhole(running, text, "by one that was running");
    expect(await running.callers("changes").authenticate(key)).toBeDefined();
    expect((await running.events.list(environmentId, { limit: 100 })).data.length).toBeGreaterThan(3);
    expect(oldMacs(path, 1)).toEqual([]);
    for (const each of [host, running]) await each.close();
    // Who has the old root and the old rows puts them back.
    tamper(path, (db) => {
      const back = db.prepare("UPDATE environments SET mac = ? WHERE id = ?");
      for (const row of rows) back.run(row.mac as Uint8Array, row.id as string);
    });
    const fresh = await openFileHost({ path, ...silent });
    expect((await rejectionOf(() => fresh.environment("default"))).code).toBe("ERR_STORAGE_CORRUPT");
    await fresh.close();
    tamper(path, (db) => {
      const row = before.find(({ purpose }) => purpose === "row-mac")!;
      db.prepare("INSERT INTO vault_keys (purpose, version, wrapped, created_at) VALUES (?, 1, ?, 0)").run(
        row.purpose as string,
        row.wrapped as Uint8Array,
      );
    });
    expect((await rejectionOf(() => openFileHost({ path, ...silent }))).code).toBe("ERR_STORAGE_CORRUPT");
  });

  test("[AUT-26] [AUT-21] a rotation that has begun becomes one, and goes on as one; altered rows are named and stay refused", async () => {
    const path = freshPath(true);
    const host = await openFileHost({ path, ...silent });
    const text = await filled(host);
    const running = await openFileHost({ path, ...silent });
    const id = tamper(path, (db) => {
      const row = db.prepare("SELECT id FROM events LIMIT 1").get()!;
      db.prepare("UPDATE events SET data = '{}' WHERE id = ?").run(row.id as string);
      return row.id as string;
    });
    const once = async (options: { readonly hasLeaked?: boolean }) => {
      const stop = new AbortController();
      const onProgress = () => stop.abort(new Error("stopped"));
      await rejectionOf(() => host.rotateRoot({ ...options, onProgress, signal: stop.signal }));
    };
    await once({});
    await expectWhole(running, text, "1");
    await once({ hasLeaked: true });
    await expectWhole(running, text, "2");
    // It is not said again.
    expect((await host.rotateRoot()).damaged).toEqual([id]);
    await expectWhole(running, text, "3");
    expect(oldMacs(path, 1)).toEqual(["events"]);
    expect(versionsOf(path)).toHaveLength(5);
    for (const each of [host, running]) await each.close();
    const fresh = await openFileHost({ path, ...silent });
    await expectWhole(fresh, text, "4");
    await fresh.close();
  });
});

describe("what is refused", () => {
  test("[AUT-20] the same root key, no root key, another one than the one that a rotation has begun with", async () => {
    const path = freshPath(true);
    const open = (nextRootKey: string | Uint8Array) =>
      openFileHost({ path, rootKey: ROOT_KEY, nextRootKey, ...silent });
    const same = await open(ROOT_KEY);
    const refused = await rejectionOf(() => same.rotateRoot());
    expect([refused.code, refused.message]).toEqual([
      "ERR_ROOT_KEY_INVALID",
      expect.stringContaining("the root key itself"),
    ]);
    expect(await same.isRootRotating()).toBe(false);
    await same.close();
    expect((await rejectionOf(() => open("short"))).code).toBe("ERR_ROOT_KEY_INVALID");
    const one = await open(NEXT);
    const other = await open(Buffer.alloc(32, 8));
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error("stopped"));
    await filled(one);
    await rejectionOf(() => one.rotateRoot({ signal: stop.signal, onProgress }));
    const late = await rejectionOf(() => other.rotateRoot());
    expect([late.code, late.message]).toEqual([
      "ERR_ROOT_KEY_WRONG",
      expect.stringContaining("another root key has begun"),
    ]);
    await one.rotateRoot();
    const over = await rejectionOf(() => other.rotateRoot());
    expect(over.code).toBe("ERR_STORAGE_UNAVAILABLE");
    for (const each of [one, other]) await each.close();
  });

  test("[AUT-20] a vault that is not authenticated", async () => {
    const path = freshPath(true);
    writeFileSync(path, gunzipSync(readFileSync(OLD_VAULT)), { mode: 0o600 });
    const host = await openFileHost({ path, rootKey: ROOT_KEY, ...silent });
    const refused = await rejectionOf(() => host.rotateRoot());
    expect([refused.code, refused.message]).toEqual([
      "ERR_UNSUPPORTED",
      expect.stringContaining("coffer migrate --authenticate"),
    ]);
    await host.close();
  });

  test("[AUT-20] what a process asks for that has the old root only: it reads what is left, and is told to open again", async () => {
    const path = freshPath(true);
    const old = await openFileHost({ path, rootKey: ROOT_KEY, ...silent });
    const text = await filled(old);
    const rotating = await openFileHost({ path, rootKey: ROOT_KEY, nextRootKey: NEXT, ...silent });
    await rotating.rotateRoot();
    const { keys, kv } = await sessionOf(old);
    const write = await rejectionOf(() => kv.createKv({ name: "x", value: "v", keyContext: ORG }));
    const read = await rejectionOf(() => keys.createDecrypt({ keys: text }));
    expect([write.code, read.code]).toEqual(["ERR_STORAGE_UNAVAILABLE", "ERR_STORAGE_UNAVAILABLE"]);
    expect(read.message).toContain("open it again");
    for (const each of [old, rotating]) await each.close();
  });
});

test("[AUT-21] two rotations at once to the same root end as one", async () => {
  const path = freshPath(true);
  const hosts = await Promise.all([1, 2].map(() => openFileHost({ path, ...silent })));
  const text = await filled(hosts[0]!);
  const done = await Promise.all(hosts.map((host) => host.rotateRoot()));
  expect(done.flatMap(({ damaged }) => damaged)).toEqual([]);
  expect(done.filter(({ keptIn }) => keptIn !== undefined)).toHaveLength(1);
  for (const [i, host] of hosts.entries()) await expectWhole(host, text, `${i}`);
  for (const host of hosts) await host.close();
  const fresh = await openFileHost({ path, ...silent });
  await expectWhole(fresh, text, "afterwards");
  await fresh.close();
});

describePostgres("in PostgreSQL", () => {
  test("[AUT-20] [AUT-22] [AUT-26] while others write", async () => {
    const url = await freshDatabaseUrl();
    vi.stubEnv("COFFER_ROOT_KEY", ROOT_KEY);
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", NEXT);
    const open = () => openPostgresHost({ url, listen: false, ...silent });
    const rotating = await open();
    const running = await open();
    const text = await filled(running);
    const { kv } = await sessionOf(running);
    const writes = Array.from({ length: 40 }, async (_, i) =>
      kv.createKv({ name: `${i}`, value: "v", keyContext: { n: `${i}` } }),
    );
    await rotating.rotateRoot({ hasLeaked: true });
    await Promise.all(writes);
    await expectWhole(running, text, "by one that was running");
    for (const each of [rotating, running]) await each.close();
    vi.stubEnv("COFFER_ROOT_KEY_NEXT", "");
    expect((await rejectionOf(open)).code).toBe("ERR_ROOT_KEY_WRONG");
    vi.stubEnv("COFFER_ROOT_KEY", NEXT);
    const fresh = await open();
    await expectWhole(fresh, text, "under the next root");
    for (let i = 0; i < 40; i++) await (await sessionOf(fresh)).kv.getName({ name: `${i}` });
    await fresh.close();
  });
});

/**
 * Who writes the database without the root key can destroy, not grant, move or re-enable: rows altered, put in, put back from a
 * backup, exchanged, copied from elsewhere; the log with a gap, a fork, a wrong head. On SQLite and on PostgreSQL, each against
 * the host that is running and one that is opened afterwards.
 */
import { createHash } from "node:crypto";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { Vault } from "../../../src/index.ts";
import type { VaultHost } from "../../../src/vault/host.ts";
import {
  type AttackedVaults,
  attackedDatabases,
  attackedFiles,
  insert,
  type Row,
  type Run,
} from "../../support/attacked-vaults.ts";
import { rejectionOf } from "../../support/errors.ts";
import { describePostgres } from "../../support/postgres.ts";
import { freshPath, openTestHost, TEST_ACTOR, tamper } from "../../support/vaults.ts";

/** What the prepared vault holds. */
interface Filled {
  readonly environment: string;
  readonly other: string;
  readonly narrow: { readonly id: string; readonly key: string };
  readonly wide: { readonly id: string; readonly key: string };
  readonly revoked: { readonly id: string; readonly key: string };
  readonly texts: Readonly<Record<"a" | "b" | "c" | "d", string>>;
  readonly keks: Readonly<Record<"a" | "b" | "c" | "d", string>>;
  readonly objects: { readonly a: string; readonly d: string };
  readonly webhooks: { readonly live: string; readonly gone: string };
  /** All tables, before KEKs were rotated, disabled and shredded, a key revoked and an object updated. */
  readonly before: ReadonlyMap<string, readonly Row[]>;
}

const TABLES = [
  "meta",
  "environments",
  "keks",
  "kek_versions",
  "contexts",
  "context_keks",
  "kv_objects",
  "kv_versions",
  "api_keys",
  "webhooks",
  "vault_keys",
  "authority_log",
];

async function fill(host: VaultHost, run: Run): Promise<Filled> {
  const environment = (await host.environment("default")).id;
  const other = (await host.environment("other")).id;
  const vault = vaultOf(host, environment);
  const context = (value: string) => ({ organization_id: `org_${value}` });
  const kek = async (value: string): Promise<string> =>
    (await vault.keks!.get({ name: "organization_id", value: `org_${value}` })).id;
  const texts = {
    a: await vault.encrypt("of a", context("a")),
    b: await vault.encrypt("of b", context("b")),
    c: await vault.encrypt("of c", context("c")),
    d: await vault.encrypt("of d", context("d")),
  };
  await vaultOf(host, other).encrypt("elsewhere", context("a"));
  const create = (name: string) =>
    vault.createKv({ name, value: `first of ${name}`, keyContext: context(name) });
  const objects = { a: (await create("a")).id, d: (await create("d")).id };
  const apiKey = async (name: string, permissions: readonly ("decrypt" | "admin")[], isNarrow: boolean) => {
    const constraints = isNarrow ? context("d") : undefined;
    const { key, info } = await host.apiKeys.create(environment, { name, permissions, constraints });
    return { key, id: info.id };
  };
  const narrow = await apiKey("narrow", ["decrypt"], true);
  const wide = await apiKey("wide", ["admin"], false);
  const revoked = await apiKey("revoked", ["admin"], false);
  const webhook = () => host.webhooks.create(environment, { url: "https://hooks.example/one" });
  const webhooks = { live: (await webhook()).id, gone: (await webhook()).id };
  const before = new Map<string, readonly Row[]>();
  for (const table of TABLES) before.set(table, await run(`SELECT * FROM ${table}`));
  const keks = { a: await kek("a"), b: await kek("b"), c: await kek("c"), d: await kek("d") };
  await vault.keks!.rotate({ kekId: keks.a });
  await vault.keks!.disable({ kekId: keks.b });
  await vault.keks!.shred({ kekId: keks.c });
  await host.apiKeys.revoke(revoked.id);
  await host.webhooks.remove(environment, webhooks.gone);
  await vault.updateKv({ id: objects.a, value: "second of a" });
  return { environment, other, narrow, wide, revoked, texts, keks, objects, webhooks, before };
}

function vaultOf(host: VaultHost, environmentId: string): Vault {
  const { keys, kv, keks } = host.session(environmentId, { actor: TEST_ACTOR });
  return new Vault({ keys, kv, keks });
}

/** One thing that is refused. */
interface Attack {
  readonly title: string;
  readonly attack: (run: Run, filled: Filled) => Promise<unknown>;
  /** What must not work any more. */
  readonly use: (host: VaultHost, filled: Filled) => Promise<unknown>;
  /** A host that had read the log before does not read it again. */
  readonly isOnlySeenWhenOpened?: true;
  /** What the refusal names. */
  readonly names: string | ((filled: Filled) => string);
}

const OWN_KEY = ownApiKey();

/** An API key in coffer's form that coffer has not made. */
function ownApiKey(): string {
  const secret = Buffer.alloc(32, 7).toString("base64url");
  const sum = createHash("sha256").update(`coffer/v1/api-key ${secret}`).digest("base64url").slice(0, 4);
  return `sk_${secret}${sum}`;
}

const asCaller = (key: string) => (host: VaultHost) => host.callers("changes").authenticate(key);
const decrypts = (which: keyof Filled["texts"]) => (host: VaultHost, filled: Filled) =>
  vaultOf(host, filled.environment).decrypt(filled.texts[which]);
const reads = (which: keyof Filled["objects"]) => (host: VaultHost, filled: Filled) =>
  vaultOf(host, filled.environment).getKv({ id: filled.objects[which] });
const namesKek = (which: keyof Filled["keks"]) => (filled: Filled) => filled.keks[which];

/** Puts rows back as they were. */
async function putBack(run: Run, filled: Filled, table: string, column: string, id: string): Promise<void> {
  await run(`DELETE FROM ${table} WHERE ${column} = ?`, id);
  for (const row of filled.before.get(table)!.filter((old) => old[column] === id))
    await insert(run, table, row);
}

/** A row of a table. */
async function only(run: Run, table: string, id: string): Promise<Row> {
  return (await run(`SELECT * FROM ${table} WHERE id = ?`, id))[0]!;
}

const ATTACKS: readonly Attack[] = [
  {
    title: "an API key that was put in",
    attack: (run, { environment }) =>
      insert(run, "api_keys", {
        id: "key_of_mine",
        environment_id: environment,
        name: "mine",
        digest: Uint8Array.from(createHash("sha256").update(OWN_KEY).digest()),
        permissions: '["admin","decrypt"]',
        constraints: "{}",
        created_at: 1,
      }),
    use: asCaller(OWN_KEY),
    names: "key_of_mine",
  },
  {
    title: "an API key with the digest of one's own",
    attack: (run, { wide }) =>
      run(
        "UPDATE api_keys SET digest = ? WHERE id = ?",
        Uint8Array.from(createHash("sha256").update(OWN_KEY).digest()),
        wide.id,
      ),
    use: asCaller(OWN_KEY),
    names: ({ wide }) => wide.id,
  },
  ...(
    [
      ["permissions", '["admin","decrypt"]'],
      ["constraints", "{}"],
      ["name", "another"],
      ["created_at", 5],
      ["generation", 1],
    ] as const
  ).map(
    ([column, value]): Attack => ({
      title: `an API key with other ${column}`,
      attack: (run, { narrow }) => run(`UPDATE api_keys SET ${column} = ? WHERE id = ?`, value, narrow.id),
      use: (host, { narrow }) => asCaller(narrow.key)(host),
      names: ({ narrow }) => narrow.id,
    }),
  ),
  {
    title: "an API key that was moved to another environment",
    attack: (run, { narrow, other }) =>
      run("UPDATE api_keys SET environment_id = ? WHERE id = ?", other, narrow.id),
    use: (host, { narrow }) => asCaller(narrow.key)(host),
    names: ({ narrow }) => narrow.id,
  },
  {
    title: "an API key with the MAC of another one",
    attack: (run, { narrow, wide }) =>
      run(
        "UPDATE api_keys SET permissions = '[\"admin\"]', mac = (SELECT mac FROM api_keys WHERE id = ?) WHERE id = ?",
        wide.id,
        narrow.id,
      ),
    use: (host, { narrow }) => asCaller(narrow.key)(host),
    names: ({ narrow }) => narrow.id,
  },
  {
    title: "an API key whose revocation was taken back",
    attack: (run, { revoked }) => run("UPDATE api_keys SET revoked_at = NULL WHERE id = ?", revoked.id),
    use: (host, { revoked }) => asCaller(revoked.key)(host),
    names: ({ revoked }) => revoked.id,
  },
  {
    title: "an API key as it was before it was revoked",
    attack: (run, filled) => putBack(run, filled, "api_keys", "id", filled.revoked.id),
    use: (host, { revoked }) => asCaller(revoked.key)(host),
    names: ({ revoked }) => revoked.id,
  },
  {
    title: "an API key without a MAC",
    attack: (run, { narrow }) => run("UPDATE api_keys SET mac = NULL WHERE id = ?", narrow.id),
    use: (host, { narrow }) => asCaller(narrow.key)(host),
    names: ({ narrow }) => narrow.id,
  },
  {
    title: "a rotation that was undone by hand",
    attack: async (run, { keks }) => {
      await run("DELETE FROM kek_versions WHERE kek_id = ? AND version = 2", keks.a);
      await run("UPDATE kek_versions SET state = 'active' WHERE kek_id = ?", keks.a);
    },
    use: decrypts("a"),
    names: namesKek("a"),
  },
  {
    title: "a rotation that was undone by old rows",
    attack: async (run, filled) => {
      await putBack(run, filled, "kek_versions", "kek_id", filled.keks.a);
      await putBack(run, filled, "keks", "id", filled.keks.a);
    },
    use: decrypts("a"),
    names: namesKek("a"),
  },
  {
    title: "a KEK that was enabled by hand",
    attack: (run, { keks }) => run("UPDATE kek_versions SET state = 'active' WHERE kek_id = ?", keks.b),
    use: decrypts("b"),
    names: namesKek("b"),
  },
  {
    title: "a KEK as it was before it was disabled",
    attack: async (run, filled) => {
      await putBack(run, filled, "kek_versions", "kek_id", filled.keks.b);
      await putBack(run, filled, "keks", "id", filled.keks.b);
    },
    use: decrypts("b"),
    names: namesKek("b"),
  },
  {
    title: "a shred that was undone by one old row",
    attack: (run, filled) => putBack(run, filled, "kek_versions", "kek_id", filled.keks.c),
    use: decrypts("c"),
    names: namesKek("c"),
  },
  {
    title: "a shred that was undone by all old rows",
    attack: async (run, filled) => {
      await putBack(run, filled, "kek_versions", "kek_id", filled.keks.c);
      await putBack(run, filled, "keks", "id", filled.keks.c);
    },
    use: decrypts("c"),
    names: namesKek("c"),
  },
  {
    title: "a KEK with another time",
    attack: (run, { keks }) => run("UPDATE kek_versions SET created_at = 5 WHERE kek_id = ?", keks.d),
    use: decrypts("d"),
    names: namesKek("d"),
  },
  {
    title: "a KEK for another entry",
    attack: (run, { keks }) =>
      run("UPDATE keks SET context_value = ? WHERE id = ?", Uint8Array.from(Buffer.from("org_x")), keks.d),
    use: decrypts("d"),
    names: namesKek("d"),
  },
  {
    title: "a KEK with the versions of one in another environment",
    attack: async (run, { other, keks }) => {
      const [row] = await run(
        "SELECT v.* FROM kek_versions v JOIN keks k ON k.id = v.kek_id WHERE k.environment_id = ?",
        other,
      );
      await run("DELETE FROM kek_versions WHERE kek_id = ?", keks.d);
      await insert(run, "kek_versions", { ...row!, kek_id: keks.d });
    },
    use: decrypts("d"),
    names: namesKek("d"),
  },
  {
    title: "a KEK of another generation",
    attack: (run, { keks }) => run("UPDATE keks SET generation = generation + 5 WHERE id = ?", keks.a),
    use: decrypts("a"),
    names: namesKek("a"),
  },
  {
    title: "a KEK that is changed after it was altered",
    attack: (run, { keks }) => run("UPDATE kek_versions SET state = 'active' WHERE kek_id = ?", keks.b),
    use: (host, { environment, keks }) => vaultOf(host, environment).keks!.rotate({ kekId: keks.b }),
    names: namesKek("b"),
  },
  {
    title: "an object with an old current version",
    attack: (run, { objects }) =>
      run(
        `UPDATE kv_objects SET current_version = (SELECT id FROM kv_versions WHERE object_id = ? AND number = 1) WHERE id = ?`,
        objects.a,
        objects.a,
      ),
    use: reads("a"),
    names: ({ objects }) => objects.a,
  },
  {
    title: "an object's row as it was before an update",
    attack: (run, filled) => putBack(run, filled, "kv_objects", "id", filled.objects.a),
    use: reads("a"),
    names: ({ objects }) => objects.a,
  },
  {
    title: "an object that was moved to another context, before it is updated",
    attack: (run, { objects }) =>
      run(
        "UPDATE kv_objects SET context_id = (SELECT context_id FROM kv_objects WHERE id = ?) WHERE id = ?",
        objects.d,
        objects.a,
      ),
    use: (host, { environment, objects }) =>
      vaultOf(host, environment).updateKv({ id: objects.a, value: "for others" }),
    names: ({ objects }) => objects.a,
  },
  {
    title: "an object whose context was rewritten",
    attack: (run, { objects }) =>
      run(
        `UPDATE contexts SET canonical = ? WHERE id = (SELECT context_id FROM kv_objects WHERE id = ?)`,
        Uint8Array.from(Buffer.from("ctx1\0\0\0\x01\0\0\0\x01a\0\0\0\x01b")),
        objects.a,
      ),
    use: (host, { environment, objects }) =>
      vaultOf(host, environment).updateKv({ id: objects.a, value: "for others" }),
    names: ({ objects }) => objects.a,
  },
  {
    title: "an object in a list",
    attack: (run, { objects }) => run("UPDATE kv_objects SET name = 'x' WHERE id = ?", objects.a),
    use: (host, { environment }) => host.session(environment, { actor: TEST_ACTOR }).kv.listKv(),
    names: ({ objects }) => objects.a,
  },
  {
    title: "a webhook with another URL",
    attack: (run, { webhooks }) =>
      run("UPDATE webhooks SET url = 'https://attacker.example/' WHERE id = ?", webhooks.live),
    use: (host, { environment }) => host.webhooks.list(environment),
    names: ({ webhooks }) => webhooks.live,
  },
  {
    title: "a webhook as it was before it was removed",
    attack: (run, filled) => putBack(run, filled, "webhooks", "id", filled.webhooks.gone),
    use: (host, { environment }) => host.webhooks.list(environment),
    names: ({ webhooks }) => webhooks.gone,
  },
  {
    title: "a webhook that was doubled",
    attack: async (run, { webhooks }) =>
      insert(run, "webhooks", { ...(await only(run, "webhooks", webhooks.live)), id: "webhook_2" }),
    use: (host, { environment }) => host.webhooks.list(environment),
    names: "webhook_2",
  },
  {
    title: "environments with each other's names",
    attack: async (run, { environment, other }) => {
      await run("UPDATE environments SET name = 'swap' WHERE id = ?", environment);
      await run("UPDATE environments SET name = 'default' WHERE id = ?", other);
      await run("UPDATE environments SET name = 'other' WHERE id = ?", environment);
    },
    use: (host) => host.environment("default"),
    names: ({ other }) => other,
  },
  {
    title: "an environment that was put in",
    attack: (run) => insert(run, "environments", { id: "environment_X", name: "x", created_at: 1 }),
    use: (host) => host.environment("x"),
    names: "environment_X",
  },
  {
    title: "a log with a gap",
    isOnlySeenWhenOpened: true,
    attack: (run) => run("DELETE FROM authority_log WHERE generation = 4"),
    use: (host) => host.environment("made anew".replace(" ", "-")),
    names: "log",
  },
  {
    title: "a log with a changed entry",
    isOnlySeenWhenOpened: true,
    attack: (run, { keks }) => run("UPDATE authority_log SET subject = ? WHERE kind = 'disable'", keks.d),
    use: decrypts("b"),
    names: "log",
  },
  {
    title: "a log with a foreign entry at its end",
    isOnlySeenWhenOpened: true,
    attack: async (run) => {
      const rows = await run("SELECT * FROM authority_log ORDER BY generation DESC LIMIT 1");
      await insert(run, "authority_log", { ...rows[0]!, generation: (rows[0]!.generation as number) + 1 });
    },
    use: decrypts("d"),
    names: "log",
  },
  {
    title: "a log without a head",
    attack: (run) => run("DELETE FROM meta WHERE name = 'authority_head'"),
    use: decrypts("d"),
    names: "log",
  },
  {
    title: "a log with an old head",
    attack: (run, filled) => putBack(run, filled, "meta", "name", "authority_head"),
    use: decrypts("d"),
    names: "log",
  },
  {
    title: "a log that was put back whole, under records that are newer",
    attack: async (run, filled) => {
      await putBack(run, filled, "meta", "name", "authority_head");
      await run("DELETE FROM authority_log");
      for (const row of filled.before.get("authority_log")!) await insert(run, "authority_log", row);
    },
    use: decrypts("a"),
    names: "log",
  },
  {
    title: "log and KEK put back whole, under stored versions and events that are newer",
    attack: async (run, filled) => {
      await putBack(run, filled, "meta", "name", "authority_head");
      await run("DELETE FROM authority_log");
      for (const row of filled.before.get("authority_log")!) await insert(run, "authority_log", row);
      await putBack(run, filled, "kek_versions", "kek_id", filled.keks.b);
      await putBack(run, filled, "keks", "id", filled.keks.b);
    },
    use: reads("a"),
    names: "log",
  },
  {
    title: "a value under an application's data key",
    attack: async (run, { objects, texts }) => {
      const blob = Buffer.from(
        Buffer.from(texts.a, "base64").toString("latin1").split("CFR.EKM.v1\0")[1]!,
        "latin1",
      );
      const bytes = Uint8Array.from(Buffer.concat([Buffer.from("CFR.EKM.v1\0"), blob])).subarray(0, 152);
      await run(
        "UPDATE kv_versions SET key_label = 1, key_blob = ? WHERE object_id = ? AND number = 2",
        bytes,
        objects.a,
      );
    },
    use: reads("a"),
    names: "the stored version",
  },
];

/** Those by which no host opens the vault any more. */
const NOT_OPENED: readonly Omit<Attack, "use">[] = [
  {
    title: "a vault key that was altered",
    attack: (run, { before }) =>
      run(
        "UPDATE vault_keys SET wrapped = ? WHERE purpose = 'row-mac'",
        before.get("vault_keys")![1]!.wrapped!,
      ),
    names: "vault key",
  },
  {
    title: "vault keys that were taken away",
    attack: (run) => run("DELETE FROM vault_keys"),
    names: "vault key",
  },
  {
    title: "a log that was taken away",
    attack: (run) => run("DELETE FROM authority_log"),
    names: "log",
  },
];

function suite(dialect: AttackedVaults): void {
  let filled: Filled;
  const hosts: VaultHost[] = [];
  beforeAll(async () => {
    filled = await dialect.prepare(fill);
  });
  afterEach(async () => {
    for (const host of hosts.splice(0)) await host.close();
    await dialect.cleanUp();
  });

  async function attacked(attack: Attack["attack"]) {
    const { host, run, reopen } = await dialect.open();
    hosts.push(host);
    await attack(run, filled);
    // As a change of coffer's own would: the host that runs looks afresh.
    await run("UPDATE counters SET value = value + 1");
    return { host, reopen };
  }

  function expectRefusal(error: { code: string; message: string }, { names }: Pick<Attack, "names">): void {
    expect(error.code).toBe("ERR_STORAGE_CORRUPT");
    expect(error.message).toContain(typeof names === "string" ? names : names(filled));
    expect(error.message).not.toMatch(/org_|hooks\.example|first of|second of|sk_/);
  }

  test("what was not attacked works", async () => {
    const { host } = await attacked(async () => {});
    const vault = vaultOf(host, filled.environment);
    expect(await vault.decrypt(filled.texts.a)).toBe("of a");
    expect(await vault.decrypt(filled.texts.d)).toBe("of d");
    expect((await rejectionOf(() => vault.decrypt(filled.texts.b))).code).toBe("ERR_KEY_DISABLED");
    expect((await rejectionOf(() => vault.decrypt(filled.texts.c))).code).toBe("ERR_KEY_DESTROYED");
    expect((await vault.getKv({ id: filled.objects.a })).value).toBe("second of a");
    expect((await asCaller(filled.narrow.key)(host))?.apiKey.id).toBe(filled.narrow.id);
    expect(await asCaller(filled.revoked.key)(host)).toBeUndefined();
    expect(await host.webhooks.list(filled.environment)).toHaveLength(1);
  });

  test.each(ATTACKS)("[AUT-6] [AUT-7] [AUT-9] [AUT-10] [AUT-12] [AUT-23] $title", async (one) => {
    const { host, reopen } = await attacked(one.attack);
    if (one.isOnlySeenWhenOpened !== true) expectRefusal(await rejectionOf(() => one.use(host, filled)), one);
    // One that is opened now refuses it then, or does not even open.
    const error = await rejectionOf(async () => {
      const fresh = await reopen();
      hosts.push(fresh);
      return one.use(fresh, filled);
    });
    expectRefusal(error, one);
  });

  test.each(NOT_OPENED)("[AUT-2] [AUT-9] $title", async (one) => {
    const { reopen } = await attacked(one.attack);
    expectRefusal(await rejectionOf(reopen), one);
  });

  test("[AUT-4] a vault without its MACs and vault keys is not taken for one that was never authenticated", async () => {
    const { reopen } = await attacked(async (run) => {
      await run("DELETE FROM vault_keys");
      await run("DELETE FROM authority_log");
      await run("DELETE FROM meta WHERE name LIKE 'authority%'");
      for (const table of ["environments", "api_keys", "webhooks", "keks", "kv_objects"]) {
        await run(`UPDATE ${table} SET mac = NULL`);
      }
    });
    expect((await rejectionOf(reopen)).code).toBe("ERR_STORAGE_CORRUPT");
  });

  test("[AUT-6] rows of another vault under the same root key", async () => {
    const path = freshPath(true);
    const otherVault = await openTestHost({ path });
    hosts.push(otherVault);
    const { id } = await otherVault.environment("default");
    const { key, info } = await otherVault.apiKeys.create(id, { name: "mine", permissions: ["admin"] });
    const row = tamper(path, (db) => db.prepare("SELECT * FROM api_keys").get() as Row);
    const { host } = await attacked((run) =>
      insert(run, "api_keys", { ...row, environment_id: filled.environment }),
    );
    expectRefusal(await rejectionOf(() => asCaller(key)(host)), { names: info.id });
  });

  test("[AUT-6] nothing is delivered to a webhook that was altered", async () => {
    const { host } = await attacked((run) =>
      run("UPDATE webhooks SET url = 'https://attacker.example/' WHERE id = ?", filled.webhooks.live),
    );
    await vaultOf(host, filled.environment).createKv({
      name: "new",
      value: "v",
      keyContext: { organization_id: "org_d" },
    });
    expect(await host.webhooks.claim(new Map([[filled.webhooks.live, 10]]))).toEqual([]);
  });

  test("who is bound to a context sees nothing else, whatever the rows say that SQL narrows by", async () => {
    const { host } = await attacked(async (run, { keks, objects }) => {
      // The object of a seems to be under the KEK of d too.
      const object = await only(run, "kv_objects", objects.a);
      await insert(run, "context_keks", { context_id: object.context_id!, kek_id: keks.d });
    });
    const { kv } = host.session(filled.environment, {
      actor: TEST_ACTOR,
      constraints: { organization_id: "org_d" },
    });
    expect((await rejectionOf(() => kv.getKv({ id: filled.objects.a }))).code).toBe("ERR_KV_NOT_FOUND");
    expect((await kv.getKv({ id: filled.objects.d })).value).toBe("first of d");
  });
}

describe("SQLite", () => suite(attackedFiles()));

describePostgres("PostgreSQL", () => suite(attackedDatabases()));

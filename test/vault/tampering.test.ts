/** Rows that were altered: what is bound to its place is refused everywhere else. */
import { beforeEach, describe, expect, test } from "vitest";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { flipBit } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";

const A = { organization_id: "org_a" };
const B = { organization_id: "org_b" };

let path: string;
let vault: EmbeddedVault;
let text: string;
let ids: { a: string; a2: string; b: string };

beforeEach(async () => {
  path = freshPath(true);
  vault = await openTestVault({ path });
  text = await vault.encrypt("of a", A);
  await vault.encrypt("of b", B);
  ids = {
    a: (await vault.createKv({ name: "a", value: "value of a", keyContext: A })).id,
    a2: (await vault.createKv({ name: "a2", value: "value of a2", keyContext: A })).id,
    b: (await vault.createKv({ name: "b", value: "value of b", keyContext: B })).id,
  };
  await vault.updateKv({ id: ids.a, value: "newer value of a" });
});

/** The vault after a change of its file. */
async function altered(change: (run: (sql: string, ...parameters: (string | Uint8Array)[]) => void) => void) {
  await vault.close();
  tamper(path, (db) => change((sql, ...parameters) => void db.prepare(sql).run(...parameters)));
  vault = await openTestVault({ path });
  return vault;
}

const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

/** Bytes of one column of one row. */
function stored(sql: string): Uint8Array {
  return tamper(path, (db) => Object.values(db.prepare(sql).get()!)[0] as Uint8Array);
}

const KEK_A = "(SELECT id FROM keks WHERE context_value = CAST('org_a' AS BLOB))";
const KEK_B = "(SELECT id FROM keks WHERE context_value = CAST('org_b' AS BLOB))";

describe("[KEY-14] a wrapped KEK", () => {
  test("with any byte changed is refused", async () => {
    const wrapped = stored(`SELECT wrapped FROM kek_versions WHERE kek_id = ${KEK_A}`);
    for (let at = 0; at < wrapped.length; at += 5) {
      await altered((run) =>
        run(
          `UPDATE kek_versions SET wrapped = ? WHERE kek_id = ${KEK_A}`,
          flipBit(wrapped, at * 8 + (at % 8)),
        ),
      );
      expect(await codeOf(() => vault.decrypt(text)), `byte ${at}`).toBe("ERR_STORAGE_CORRUPT");
      expect(await codeOf(() => vault.encrypt("x", A))).toBe("ERR_STORAGE_CORRUPT");
      expect(await codeOf(() => vault.getKv({ id: ids.a }))).toBe("ERR_STORAGE_CORRUPT");
      expect(await vault.decrypt(await vault.encrypt("y", B))).toBe("y");
    }
  });

  test.each([
    ["cut off", (wrapped: Uint8Array) => wrapped.subarray(0, 103)],
    ["only a nonce", (wrapped: Uint8Array) => wrapped.subarray(0, 24)],
    ["empty", () => new Uint8Array(0)],
    ["longer", (wrapped: Uint8Array) => new Uint8Array([...wrapped, 0])],
    ["all zero", () => new Uint8Array(104)],
  ])("%s is refused", async (_, change) => {
    const wrapped = change(stored(`SELECT wrapped FROM kek_versions WHERE kek_id = ${KEK_A}`));
    await altered((run) => run(`UPDATE kek_versions SET wrapped = ? WHERE kek_id = ${KEK_A}`, wrapped));
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_STORAGE_CORRUPT");
  });

  test.each([
    [
      "of another KEK",
      `UPDATE kek_versions SET wrapped = (SELECT wrapped FROM kek_versions WHERE kek_id = ${KEK_B}) WHERE kek_id = ${KEK_A}`,
    ],
    ["under another version", `UPDATE kek_versions SET version = 2 WHERE kek_id = ${KEK_A}`],
    ["for another name", `UPDATE keks SET context_name = CAST('user_id' AS BLOB) WHERE id = ${KEK_A}`],
    ["for another value", `UPDATE keks SET context_value = CAST('org_c' AS BLOB) WHERE id = ${KEK_A}`],
  ])("%s is refused", async (_, statement) => {
    await altered((run) => run(statement));
    const codes = await Promise.all(
      [A, { user_id: "org_a" }, { organization_id: "org_c" }].map((context) =>
        vault.encrypt("x", context).then(
          () => "made",
          (error) => error.code as string,
        ),
      ),
    );
    // A caller who names the entry that the row now claims does not get the key of another one.
    expect(codes).toContain("ERR_STORAGE_CORRUPT");
    expect(["ERR_STORAGE_CORRUPT", "ERR_KEY_NOT_FOUND"]).toContain(await codeOf(() => vault.decrypt(text)));
    expect(["ERR_STORAGE_CORRUPT", "ERR_KEY_NOT_FOUND"]).toContain(
      await codeOf(() => vault.getKv({ id: ids.a })),
    );
  });

  test("of another environment is refused", async () => {
    const other = await openVault({ path, rootKey: ROOT_KEY, environment: "other" });
    await other.encrypt("x", A);
    await other.close();
    await altered((run) =>
      run(
        `UPDATE kek_versions SET wrapped = (SELECT v.wrapped FROM kek_versions v JOIN keks k ON k.id = v.kek_id
           JOIN environments e ON e.id = k.environment_id WHERE e.name = 'default' AND k.context_value = CAST('org_a' AS BLOB))
         WHERE kek_id = (SELECT k.id FROM keks k JOIN environments e ON e.id = k.environment_id WHERE e.name = 'other')`,
      ),
    );
    const foreign = await openVault({ path, rootKey: ROOT_KEY, environment: "other" });
    expect(await codeOf(() => foreign.encrypt("x", A))).toBe("ERR_STORAGE_CORRUPT");
    await foreign.close();
    expect(await vault.decrypt(text)).toBe("of a");
  });

  test("of another vault with the same root key is refused", async () => {
    const otherPath = freshPath(true);
    const other = await openTestVault({ path: otherPath });
    await other.encrypt("x", A);
    await other.close();
    const wrapped = tamper(otherPath, (db) => db.prepare("SELECT wrapped FROM kek_versions").get()!.wrapped);
    await altered((run) =>
      run(`UPDATE kek_versions SET wrapped = ? WHERE kek_id = ${KEK_A}`, wrapped as Uint8Array),
    );
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_STORAGE_CORRUPT");
  });

  test.each(["active", "decrypt-only", "disabled", "pending-destroy"])(
    "that is gone is not taken for there because its state says %s",
    async (state) => {
      await vault.keks.shred({ name: "organization_id", value: "org_a" });
      await altered((run) => run(`UPDATE kek_versions SET state = ? WHERE kek_id = ${KEK_A}`, state));
      const codes = ["ERR_STORAGE_CORRUPT", "ERR_KEY_DISABLED"];
      expect(codes).toContain(await codeOf(() => vault.decrypt(text)));
      expect(codes).toContain(await codeOf(() => vault.encrypt("x", A)));
      expect(await codeOf(() => listKeks(vault))).toBe("ERR_STORAGE_CORRUPT");
    },
  );

  test("with a state that there is not makes no key", async () => {
    await altered((run) => run(`UPDATE kek_versions SET state = 'primary' WHERE kek_id = ${KEK_A}`));
    expect(await codeOf(() => vault.encrypt("x", A))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_STORAGE_CORRUPT");
  });

  test("without versions is damage", async () => {
    await altered((run) => run(`DELETE FROM kek_versions WHERE kek_id = ${KEK_A}`));
    for (const call of [
      () => vault.encrypt("x", A),
      () => listKeks(vault),
      () => vault.keks.rotate({ name: "organization_id", value: "org_a" }),
      () => vault.keks.shred({ name: "organization_id", value: "org_a" }),
    ]) {
      expect(await codeOf(call)).toBe("ERR_STORAGE_CORRUPT");
    }
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_NOT_FOUND");
  });
});

describe("[KEY-32] a stored value", () => {
  const refused = [
    "ERR_DECRYPT_FAILED",
    "ERR_STORAGE_CORRUPT",
    "ERR_KEY_BLOB_MALFORMED",
    "ERR_KEY_NOT_FOUND",
  ];
  const current = (id: string): string => `(SELECT current_version FROM kv_objects WHERE id = '${id}')`;

  test("with any byte of its sealed form or its key blob changed is refused", async () => {
    for (const column of ["sealed", "key_blob"]) {
      const bytes = stored(`SELECT ${column} FROM kv_versions WHERE id = ${current(ids.a2)}`);
      await vault.close();
      for (let at = 0; at < bytes.length; at += 3) {
        tamper(path, (db) =>
          db
            .prepare(`UPDATE kv_versions SET ${column} = ? WHERE id = ${current(ids.a2)}`)
            .run(flipBit(bytes, at * 8 + (at % 8))),
        );
        vault = await openTestVault({ path });
        expect(refused, `${column}, byte ${at}`).toContain(await codeOf(() => vault.getKv({ id: ids.a2 })));
        expect(refused).toContain(await codeOf(() => vault.getName({ name: "a2" })));
        await vault.close();
      }
      tamper(path, (db) =>
        db.prepare(`UPDATE kv_versions SET ${column} = ? WHERE id = ${current(ids.a2)}`).run(bytes),
      );
      vault = await openTestVault({ path });
      expect((await vault.getKv({ id: ids.a2 })).value).toBe("value of a2");
    }
  });

  test.each([
    ["sealed form of another object", ["sealed"], "a2"],
    ["key blob of another object", ["key_blob"], "a2"],
    ["sealed form and key blob of another object", ["sealed", "key_blob"], "a2"],
    ["everything of an object under another context", ["sealed", "key_blob", "key_id"], "b"],
  ] as const)("with the %s is refused", async (_, columns, from) => {
    await altered((run) => {
      for (const column of columns) {
        run(
          `UPDATE kv_versions SET ${column} = (SELECT ${column} FROM kv_versions WHERE id = ${current(ids[from])})
           WHERE id = ${current(ids.a)}`,
        );
      }
    });
    expect(refused).toContain(await codeOf(() => vault.getKv({ id: ids.a })));
    expect((await vault.getKv({ id: ids.b })).value).toBe("value of b");
  });

  test("with the name of another object is refused under both names", async () => {
    await altered((run) => {
      run(`UPDATE kv_objects SET name = 'swap' WHERE id = '${ids.a}'`);
      run(`UPDATE kv_objects SET name = 'a' WHERE id = '${ids.a2}'`);
      run(`UPDATE kv_objects SET name = 'a2' WHERE id = '${ids.a}'`);
    });
    expect(await codeOf(() => vault.getName({ name: "a" }))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.getName({ name: "a2" }))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.getKv({ id: ids.a }))).toBe("ERR_STORAGE_CORRUPT");
  });

  test("an old version put in the place of the current one is refused", async () => {
    const versions = (await vault.listKvVersions({ id: ids.a })).data.map((version) => version.id);
    await altered((run) => {
      run("UPDATE kv_versions SET id = 'swap' WHERE id = ?", versions[0]!);
      run("UPDATE kv_versions SET id = ? WHERE id = ?", versions[0]!, versions[1]!);
      run("UPDATE kv_versions SET id = ? WHERE id = 'swap'", versions[1]!);
    });
    expect(await codeOf(() => vault.getKv({ id: ids.a }))).toBe("ERR_STORAGE_CORRUPT");
  });

  test("given to another object, with its version, is refused", async () => {
    await altered((run) => {
      run(`UPDATE kv_versions SET object_id = '${ids.a2}', number = 9 WHERE id = ${current(ids.a)}`);
      run(`UPDATE kv_objects SET current_version = ${current(ids.a)} WHERE id = '${ids.a2}'`);
    });
    expect(await codeOf(() => vault.getKv({ id: ids.a2 }))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.getKv({ id: ids.a }))).toBe("ERR_KV_NOT_FOUND");
  });

  test("of an object that claims another context is refused", async () => {
    await altered((run) =>
      run(
        `UPDATE kv_objects SET context_id = (SELECT context_id FROM kv_objects WHERE id = '${ids.b}') WHERE id = '${ids.a}'`,
      ),
    );
    expect(await codeOf(() => vault.getKv({ id: ids.a }))).toBe("ERR_STORAGE_CORRUPT");
    expect(await codeOf(() => vault.getName({ name: "a" }))).toBe("ERR_STORAGE_CORRUPT");
    expect((await vault.getKv({ id: ids.b })).value).toBe("value of b");
  });

  test("of an object whose context was rewritten is refused", async () => {
    const canonical = stored(`SELECT canonical FROM contexts ORDER BY length(canonical) LIMIT 1`);
    for (const changed of [
      flipBit(canonical, 8 * (canonical.length - 1)),
      new Uint8Array(0),
      canonical.subarray(1),
    ]) {
      await altered((run) =>
        run("UPDATE contexts SET canonical = ? WHERE canonical = ?", changed, canonical),
      );
      const codes = await Promise.all([
        codeOf(() => vault.getKv({ id: ids.a })).catch(() => "read"),
        codeOf(() => vault.getKv({ id: ids.b })).catch(() => "read"),
      ]);
      expect(codes.sort()).toEqual(["ERR_STORAGE_CORRUPT", "read"]);
      await altered((run) =>
        run("UPDATE contexts SET canonical = ? WHERE canonical = ?", canonical, changed),
      );
    }
  });

  test("of an object that was moved to another environment is refused", async () => {
    const other = await openVault({ path, rootKey: ROOT_KEY, environment: "other" });
    await altered((run) => {
      run(`UPDATE kv_objects SET environment_id = ? WHERE id = '${ids.a}'`, other.environmentId);
    });
    expect(refused).toContain(await codeOf(() => other.getKv({ id: ids.a })));
    expect(await codeOf(() => vault.getKv({ id: ids.a }))).toBe("ERR_KV_NOT_FOUND");
    // Nor together with its KEK, its context and all.
    await altered((run) => {
      run(`UPDATE keks SET environment_id = ? WHERE id = ${KEK_A}`, other.environmentId);
      run("UPDATE contexts SET environment_id = ?", other.environmentId);
    });
    expect(refused).toContain(await codeOf(() => other.getKv({ id: ids.a })));
    await other.close();
  });
});

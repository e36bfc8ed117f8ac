/** Vaults that are missing where one was, files that vanish under an open vault, and keys in the place of paths. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openFileHost, openVault } from "../../src/vault/index.ts";
import { looksLikeKey } from "../../src/vault/root/key-text.ts";
import { rejectionOf } from "../support/errors.ts";
import { freshDirectory, freshPath, openTestVault, ROOT_KEY } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const SILENT = { onNotice: () => {} };

let savedVariable: string | undefined;
beforeEach(() => {
  savedVariable = process.env.COFFER_ROOT_KEY;
  delete process.env.COFFER_ROOT_KEY;
});
afterEach(() => {
  if (savedVariable === undefined) delete process.env.COFFER_ROOT_KEY;
  else process.env.COFFER_ROOT_KEY = savedVariable;
});

/** A vault with its root key beside it, closed. */
async function makeVault(path: string): Promise<string> {
  const vault = await openVault({ path, ...SILENT });
  const text = await vault.encrypt("x", CONTEXT);
  await vault.close();
  return text;
}

describe("[KEY-55] a vault that is missing beside its root key", () => {
  const ways: readonly (readonly [string, (path: string) => void])[] = [
    ["removed", (path) => rmSync(path)],
    ["cut to nothing", (path) => truncateSync(path, 0)],
    ["moved away", (path) => renameSync(path, `${path}.old`)],
    [
      "a link that leads nowhere",
      (path) => {
        rmSync(path);
        symlinkSync(`${path}.gone`, path);
      },
    ],
  ];
  test.each(ways)("is refused: %s", async (_, lose) => {
    for (const create of [undefined, true, false]) {
      const path = freshPath();
      await makeVault(path);
      const key = readFileSync(`${path}.root-key`, "utf8");
      lose(path);
      const before = readdirSync(dirname(path)).sort();
      const error = await rejectionOf(() => openVault({ path, create, ...SILENT }));
      expect(error.code).toBe("ERR_VAULT_LOST");
      expect(error.message).toContain("coffer restore");
      expect(error.message).not.toContain(path);
      // Nothing was made, nor changed.
      expect(readdirSync(dirname(path)).sort()).toEqual(before);
      expect(readFileSync(`${path}.root-key`, "utf8")).toBe(key);
      // With the key from elsewhere as well: the file says that a vault was here.
      process.env.COFFER_ROOT_KEY = key.trim();
      expect((await rejectionOf(() => openFileHost({ path, ...SILENT }))).code).toBe("ERR_VAULT_LOST");
      delete process.env.COFFER_ROOT_KEY;
      // Without the key's file a new vault is made.
      renameSync(`${path}.root-key`, `${path}.old-key`);
      if (create !== false) await makeVault(path);
    }
  });

  test("is refused also where the key has another name in the same directory", async () => {
    const path = freshPath();
    const rootKeyPath = join(dirname(path), "my.key");
    await (await openVault({ path, rootKeyPath, ...SILENT })).close();
    rmSync(path);
    expect((await rejectionOf(() => openVault({ path, rootKeyPath, ...SILENT }))).code).toBe(
      "ERR_VAULT_LOST",
    );
  });

  test.each([
    ["a variable", "variable"],
    ["an argument", "argument"],
    ["a file elsewhere", "file"],
  ])("is made with a notice, or not made, where the key comes from elsewhere: %s", async (_, from) => {
    const path = freshPath();
    const rootKeyPath = join(freshDirectory(), "mounted.key");
    if (from === "variable") process.env.COFFER_ROOT_KEY = ROOT_KEY;
    if (from === "file") writeFileSync(rootKeyPath, ROOT_KEY, { mode: 0o600 });
    const given = from === "argument" ? { rootKey: ROOT_KEY } : from === "file" ? { rootKeyPath } : {};
    expect((await rejectionOf(() => openVault({ path, create: false, ...given }))).code).toBe(
      "ERR_VAULT_NOT_FOUND",
    );
    expect(existsSync(path)).toBe(false);
    const notices: string[] = [];
    const onNotice = (notice: string): void => void notices.push(notice);
    await (await openVault({ path, onNotice, ...given })).close();
    expect(notices).toEqual([expect.stringContaining("made a new, empty one")]);
    await (await openVault({ path, onNotice, ...given })).close();
    expect(notices).toHaveLength(1);
  });

  test("is not what a vault is that another process is making, or has begun to make", async () => {
    const path = freshPath();
    await makeVault(path);
    const made = readFileSync(`${path}.root-key`, "utf8");
    // Its tables are there and its key's file too; the process ended before the two were tied together.
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(path);
    database.exec(
      "PRAGMA foreign_keys = OFF; DELETE FROM meta; DELETE FROM vault_keys; DELETE FROM authority_log; DELETE FROM events; DELETE FROM environments; DELETE FROM kek_versions; DELETE FROM context_keks; DELETE FROM contexts; DELETE FROM keks",
    );
    database.close();
    await makeVault(path);
    expect(readFileSync(`${path}.root-key`, "utf8")).toBe(made);
  });
});

describe("[KEY-10] links", () => {
  test("do not hide the root key, which is beside the file that they lead to", async () => {
    const path = freshPath();
    const text = await makeVault(path);
    const link = join(freshDirectory(), "link.db");
    symlinkSync(path, link);
    const vault = await openVault({ path: link, create: false });
    expect(await vault.decrypt(text)).toBe("x");
    await vault.close();
    // The same where it is lost.
    rmSync(path);
    expect((await rejectionOf(() => openVault({ path: link, ...SILENT }))).code).toBe("ERR_VAULT_LOST");
    expect(readdirSync(dirname(link))).toEqual(["link.db"]);
  });

  test("a root key that is made for a link's file is found by either name", async () => {
    const path = freshPath();
    const link = join(freshDirectory(), "link.db");
    symlinkSync(path, link);
    const text = await makeVault(link);
    expect(readdirSync(dirname(path)).sort()).toEqual(["vault.db", "vault.db.root-key"]);
    for (const name of [path, link]) {
      const vault = await openVault({ path: name });
      expect(await vault.decrypt(text)).toBe("x");
      await vault.close();
    }
  });

  test("a root key that is a link to nowhere is a typed error, for a new vault and an old one", async () => {
    const rootKeyPath = join(freshDirectory(), "link.key");
    symlinkSync(join(freshDirectory(), "not mounted"), rootKeyPath);
    const path = freshPath();
    expect((await rejectionOf(() => openVault({ path, rootKeyPath, ...SILENT }))).code).toBe(
      "ERR_ROOT_KEY_MISSING",
    );
    const other = freshPath();
    await makeVault(other);
    rmSync(`${other}.root-key`);
    symlinkSync("nowhere", `${other}.root-key`);
    const error = await rejectionOf(() => openVault({ path: other }));
    expect(error).toMatchObject({ code: "ERR_ROOT_KEY_MISSING" });
    expect(error.message).toContain("leads nowhere");
  });
});

describe("[KEY-57] the files of an open vault", () => {
  const ways: readonly (readonly [string, (path: string) => void])[] = [
    ["the vault is removed", (path) => rmSync(path)],
    [
      "the vault and its journal are removed",
      (path) => {
        rmSync(path);
        rmSync(`${path}-wal`);
      },
    ],
    ["the journal is removed", (path) => rmSync(`${path}-wal`)],
    ["the vault is moved", (path) => renameSync(path, `${path}.moved`)],
    [
      "another file takes its place",
      (path) => {
        copyFileSync(path, `${path}.copy`);
        renameSync(`${path}.copy`, path);
      },
    ],
    ["its directory is removed", (path) => rmSync(dirname(path), { recursive: true })],
  ];
  test.each(ways)("no write is acknowledged: %s", async (_, lose) => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    await vault.createKv({ name: "before", value: "v", keyContext: CONTEXT });
    lose(path);
    const error = await rejectionOf(() => vault.createKv({ name: "after", value: "v", keyContext: CONTEXT }));
    expect(error.code).toBe("ERR_VAULT_LOST");
    // Nor afterwards; and reads say so too.
    expect(
      (await rejectionOf(() => vault.createKv({ name: "a", value: "v", keyContext: CONTEXT }))).code,
    ).toBe("ERR_VAULT_LOST");
    expect((await rejectionOf(() => vault.listKv())).code).toBe("ERR_VAULT_LOST");
    await vault.close();
  });

  test("reads notice it within a second or so", async () => {
    const path = freshPath();
    const host = await openFileHost({ path, rootKey: ROOT_KEY, ...SILENT });
    await host.check();
    rmSync(path);
    const until = performance.now() + 10_000;
    let code = "none";
    while (code === "none" && performance.now() < until) {
      code = await host.check().then(
        () => "none",
        (error) => error.code,
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(code).toBe("ERR_VAULT_LOST");
    await host.close();
  });

  test("closing the old one takes nothing from the vault in its place", async () => {
    const path = freshPath();
    const old = await openTestVault({ path });
    await old.createKv({ name: "old", value: "v", keyContext: CONTEXT });
    for (const suffix of ["", "-wal", "-shm"]) renameSync(`${path}${suffix}`, `${path}.old${suffix}`);
    const now = await openTestVault({ path });
    await now.createKv({ name: "new", value: "v", keyContext: CONTEXT });
    expect((await rejectionOf(() => old.createKv({ name: "a", value: "v", keyContext: CONTEXT }))).code).toBe(
      "ERR_VAULT_LOST",
    );
    await old.close();
    expect(existsSync(`${path}-wal`)).toBe(true);
    await now.createKv({ name: "newer", value: "v", keyContext: CONTEXT });
    await now.close();
    const again = await openTestVault({ path });
    expect((await again.listKv()).data.map(({ name }) => name)).toEqual(["newer", "new"]);
  });

  test("may be opened by a link, and under a relative path after the directory was changed", async () => {
    const path = freshPath();
    const link = join(freshDirectory(), "link.db");
    symlinkSync(path, link);
    const cwd = process.cwd();
    process.chdir(dirname(link));
    try {
      const vault = await openTestVault({ path: "link.db" });
      process.chdir("/");
      await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
      rmSync(`${path}-wal`);
      expect(
        (await rejectionOf(() => vault.createKv({ name: "a", value: "v", keyContext: CONTEXT }))).code,
      ).toBe("ERR_VAULT_LOST");
    } finally {
      process.chdir(cwd);
    }
  });
});

describe("[KEY-56] in the place of a path", () => {
  const hex = Buffer.from(ROOT_KEY, "base64").toString("hex");
  const url = Buffer.alloc(32, 0xfb).toString("base64url");
  const keys = [
    ROOT_KEY,
    ROOT_KEY.slice(0, -1),
    url,
    `${url}=`,
    hex,
    hex.toUpperCase(),
    `${ROOT_KEY}\n`,
    `sk_${url}abcd`,
    `whsec_${url}`,
  ];

  test.each(keys)("a key is refused and not shown: %#", async (key) => {
    expect(looksLikeKey(key)).toBe(true);
    const directory = freshDirectory();
    const cwd = process.cwd();
    process.chdir(directory);
    try {
      for (const options of [{ path: key }, { path: "vault.db", rootKeyPath: key }]) {
        const error = await rejectionOf(() => openVault({ ...options, ...SILENT }));
        expect(error.code).toBe("ERR_INVALID_ARGUMENT");
        expect(String(error)).not.toContain(key.trim().slice(0, 20));
      }
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      process.chdir(cwd);
    }
  });

  test.each([
    "vault.db",
    "/var/lib/coffer/vault.db",
    `./${ROOT_KEY}`,
    "a".repeat(42),
    "f".repeat(63),
    "sk_short",
    "",
  ])("a path is none: %s", (path) => {
    expect(looksLikeKey(path)).toBe(false);
  });

  test("a URL, a directory, an empty text are refused", async () => {
    const directory = freshDirectory();
    const cwd = process.cwd();
    process.chdir(directory);
    try {
      for (const path of [
        "http://127.0.0.1:8200",
        "https://vault.example.com",
        "https:/vault.example.com",
        "postgres://coffer@db/coffer",
        "postgresql://db",
        pathToFileURL(join(directory, "vault.db")).href,
        "",
        "new/",
        "./",
        "a\0b",
      ]) {
        expect((await rejectionOf(() => openVault({ path, ...SILENT }))).code, path).toBe(
          "ERR_INVALID_ARGUMENT",
        );
      }
      expect(readdirSync(directory)).toEqual([]);
      mkdirSync("there");
      expect((await rejectionOf(() => openVault({ path: "there", ...SILENT }))).code).toBe(
        "ERR_STORAGE_UNAVAILABLE",
      );
    } finally {
      process.chdir(cwd);
    }
  });
});

/** Opening a vault: what is made, with which modes; root keys from everywhere; several processes at once. */

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isVaultError } from "../../src/errors.ts";
import { type OpenFileOptions, type OpenVaultOptions, openVault } from "../../src/vault/index.ts";
import { base64, fromBase64, toHexText, utf8Bytes } from "../support/bytes.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { expectNoTrace } from "../support/secrets.ts";
import { VaultProcess } from "../support/vault-process.ts";
import { filesOf, freshDirectory, freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const OTHER_KEY = base64(new Uint8Array(32).fill(0x77));

const mode = (path: string): number => statSync(path).mode & 0o777;
const codeOf = async (options: string | OpenVaultOptions): Promise<string> =>
  (await rejectionOf(() => openVault(options))).code;

let savedVariable: string | undefined;
beforeEach(() => {
  savedVariable = process.env.COFFER_ROOT_KEY;
  delete process.env.COFFER_ROOT_KEY;
});
afterEach(() => {
  if (savedVariable === undefined) delete process.env.COFFER_ROOT_KEY;
  else process.env.COFFER_ROOT_KEY = savedVariable;
});

describe("a new vault", () => {
  test("[KEY-16] is made in a directory that is made, both closed to others, whatever the umask", async () => {
    const umask = process.umask(0);
    try {
      const path = join(freshDirectory(), "new", "deep", "vault.db");
      const vault = await openTestVault({ path });
      await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
      for (const name of readdirSync(dirname(path)))
        expect(mode(join(dirname(path), name)), name).toBe(0o600);
      expect(readdirSync(dirname(path)).sort()).toEqual(["vault.db", "vault.db-shm", "vault.db-wal"]);
      expect(mode(dirname(path))).toBe(0o700);
      expect(mode(dirname(dirname(path)))).toBe(0o700);
    } finally {
      process.umask(umask);
    }
  });

  test("that another process makes meanwhile is looked at as it is at one moment", async () => {
    const path = freshPath();
    const other = new DatabaseSync(path, { timeout: 0 });
    const prepare = DatabaseSync.prototype.prepare;
    vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function (this: DatabaseSync, sql) {
      const statement = prepare.call(this, sql);
      if (sql !== "PRAGMA user_version") return statement;
      vi.restoreAllMocks();
      try {
        other.exec("BEGIN; CREATE TABLE t (a); PRAGMA user_version = 6; COMMIT");
      } catch (error) {
        // The lock of who looks keeps the other waiting.
        expect((error as Error).message).toContain("locked");
        other.exec("ROLLBACK");
      }
      return statement;
    });
    const vault = await openTestVault({ path });
    await vault.close();
    other.close();
  });

  test.runIf(existsSync("/proc/self"))(
    "says so where no directory can be made, and does not try forever",
    async () => {
      const error = await openVault({ path: "/proc/coffer/vault.db" }).catch((e: unknown) => e);
      expect(isVaultError(error, "ERR_STORAGE_UNAVAILABLE")).toBe(true);
    },
  );

  test("leaves a directory that is there as it is", async () => {
    const directory = freshDirectory();
    chmodSync(directory, 0o755);
    await openTestVault({ path: join(directory, "vault.db") });
    expect(mode(directory)).toBe(0o755);
  });

  test("is not made where it must not be", async () => {
    const path = join(freshDirectory(), "missing", "vault.db");
    expect(await codeOf({ path, rootKey: ROOT_KEY, create: false })).toBe("ERR_VAULT_NOT_FOUND");
    expect(existsSync(dirname(path))).toBe(false);
  });

  test("keeps everything for the next time", async () => {
    const path = freshPath();
    const first = await openTestVault({ path });
    const text = await first.encrypt("s3cret", CONTEXT, "aad");
    const { id } = await first.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    await first.close();
    // Nothing is left in the journal.
    expect(readdirSync(dirname(path))).toEqual(["vault.db"]);
    const second = await openTestVault({ path, create: false });
    expect(second.environmentId).toBe(first.environmentId);
    expect(await second.decrypt(text, "aad")).toBe("s3cret");
    expect((await second.getKv({ id })).value).toBe("v");
  });

  test("in memory is another one each time", async () => {
    const one = await openVault(":memory:");
    const other = await openVault(":memory:");
    const text = await one.encrypt("x", CONTEXT);
    expect(await one.decrypt(text)).toBe("x");
    expect((await rejectionOf(() => other.decrypt(text))).code).toBe("ERR_KEY_NOT_FOUND");
    await one.close();
    await other.close();
  });

  test("may have any path", async () => {
    const directory = freshDirectory();
    const cwd = process.cwd();
    process.chdir(directory);
    try {
      for (const path of [
        "plain.db",
        "./:memory:",
        "file:odd.db",
        "file:a?mode=memory",
        "ü \u{1f511}.db",
        "%41.db",
      ]) {
        const vault = await openVault({ path, rootKey: ROOT_KEY });
        const text = await vault.encrypt("x", CONTEXT);
        await vault.close();
        expect(statSync(join(directory, path)).size, path).toBeGreaterThan(4096);
        expect(mode(join(directory, path)), path).toBe(0o600);
        const again = await openVault({ path, rootKey: ROOT_KEY, create: false });
        expect(await again.decrypt(text)).toBe("x");
        await again.close();
      }
      expect(readdirSync(directory)).toHaveLength(6);
    } finally {
      process.chdir(cwd);
    }
  });

  test("may be opened through a link", async () => {
    const path = freshPath();
    const link = join(freshDirectory(), "link.db");
    const first = await openTestVault({ path });
    const text = await first.encrypt("x", CONTEXT);
    symlinkSync(path, link);
    const second = await openTestVault({ path: link });
    expect(await second.decrypt(text)).toBe("x");
  });
});

describe("bad options", () => {
  test.each([
    [{ path: "" }],
    [{ path: 7 }],
    [{}],
    [{ path: ":memory:", lockWaitMs: -1 }],
    [{ path: ":memory:", lockWaitMs: 1.5 }],
    [{ path: ":memory:", lockWaitMs: 600_001 }],
    [{ path: ":memory:", cache: { maxAgeMs: -1 } }],
    [{ path: ":memory:", cache: { maxEntries: Number.NaN } }],
    [{ path: ":memory:", layout: "none" }],
  ])("%j", async (options) => {
    expect(await codeOf({ rootKey: ROOT_KEY, ...(options as OpenVaultOptions) })).toBe(
      "ERR_INVALID_ARGUMENT",
    );
  });

  test("a layout that is not written", async () => {
    expect(await codeOf({ path: ":memory:", layout: "iv32" as never })).toBe("ERR_LAYOUT_NOT_ALLOWED");
  });

  test.each(["", "Upper", "a b", "-a", "a".repeat(65), "é", "a\0", "../x", 7])(
    "environment %j",
    async (environment) => {
      const path = freshPath();
      expect(await codeOf({ path, rootKey: ROOT_KEY, environment: environment as string })).toBe(
        "ERR_ENVIRONMENT_INVALID",
      );
      expect(existsSync(path)).toBe(false);
    },
  );

  test("bad options make nothing", async () => {
    const path = freshPath();
    expect(await codeOf({ path, rootKey: ROOT_KEY, layout: "none" as never })).toBe("ERR_INVALID_ARGUMENT");
    expect(await codeOf({ path, rootKey: ROOT_KEY, cache: { maxAgeMs: -1 } })).toBe("ERR_INVALID_ARGUMENT");
    expect(await codeOf({ path, rootKey: "bad" })).toBe("ERR_ROOT_KEY_INVALID");
    expect(existsSync(path)).toBe(false);
  });
});

describe("environments", () => {
  test("[KEY-2] are found again by name, and keep to themselves", async () => {
    const path = freshPath();
    const [a, b] = [
      await openTestVault({ path, environment: "a" }),
      await openTestVault({ path, environment: "b-2_x" }),
    ];
    expect(a.environmentId).toMatch(/^environment_[0-9A-F]{32}$/);
    expect(a.environmentId).not.toBe(b.environmentId);
    const again = await openTestVault({ path, environment: "a" });
    expect(again.environmentId).toBe(a.environmentId);
    const text = await a.encrypt("x", CONTEXT);
    expect(await again.decrypt(text)).toBe("x");
    expect((await rejectionOf(() => b.decrypt(text))).code).toBe("ERR_KEY_NOT_FOUND");
    expect((await rejectionOf(() => b.rekey(text, CONTEXT))).code).toBe("ERR_KEY_NOT_FOUND");
    expect((await rejectionOf(() => b.rewrap(text))).code).toBe("ERR_KEY_NOT_FOUND");
    expect(await listKeks(b)).toEqual([]);
    const [kek] = await listKeks(a);
    for (const call of [
      () => listKeks(b, { kekId: kek!.id }),
      () => b.keks.rotate({ kekId: kek!.id }),
      () => b.keks.disable(CONTEXT_ENTRY),
      () => b.keks.enable({ kekId: kek!.id }),
      () => b.keks.shred({ kekId: kek!.id }),
      () => b.keks.shred({ kekId: kek!.id }, { dryRun: true }),
    ]) {
      expect((await rejectionOf(call)).code).toBe("ERR_KEY_NOT_FOUND");
    }
    expect(await a.decrypt(text)).toBe("x");
  });
});

const CONTEXT_ENTRY = { name: "organization_id", value: "org_1" };

describe("the root key", () => {
  test("[KEY-10] [KEY-11] is made beside the vault once, closed to others, and the user is told", async () => {
    const umask = process.umask(0);
    const path = freshPath();
    try {
      const notices: string[] = [];
      const onNotice = (notice: string): void => void notices.push(notice);
      const first = await openVault({ path, onNotice });
      const text = await first.encrypt("x", CONTEXT);
      await first.close();
      expect(notices).toHaveLength(1);
      expect(notices[0]).toContain(".root-key");
      // A key may stand where a path was meant: no message repeats one.
      expect(notices[0]).not.toContain(path);
      const file = readFileSync(`${path}.root-key`, "utf8");
      expect(file).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
      expect(notices[0]).not.toContain(file.trim());
      expect(mode(`${path}.root-key`)).toBe(0o600);
      expect(readdirSync(dirname(path)).sort()).toEqual(["vault.db", "vault.db.root-key"]);
      const second = await openVault({ path, onNotice });
      expect(await second.decrypt(text)).toBe("x");
      await second.close();
      expect(notices).toHaveLength(1);
      expect(readFileSync(`${path}.root-key`, "utf8")).toBe(file);
    } finally {
      process.umask(umask);
    }
  });

  test("[KEY-11] is told by a process warning where there is no listener", async () => {
    const path = freshPath();
    const warned = Promise.withResolvers<Error>();
    process.once("warning", warned.resolve);
    const vault = await openVault(path);
    await vault.close();
    const warning = await warned.promise;
    expect(warning.name).toBe("CofferNotice");
    expect(warning.message).toContain("created the root key");
  });

  test("[KEY-12] is nowhere in the vault's files", async () => {
    const path = freshPath();
    const vault = await openVault({ path, onNotice: () => {} });
    await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const text = readFileSync(`${path}.root-key`, "utf8").trim();
    const files = filesOf(path);
    expect(files.includes(Buffer.from(text, "base64"))).toBe(false);
    expect(files.includes(text)).toBe(false);
    await vault.close();
  });

  test("[KEY-10] is the argument's before the environment's before the file's", async () => {
    const path = freshPath();
    const first = await openVault({ path, onNotice: () => {} });
    const text = await first.encrypt("x", CONTEXT);
    await first.close();
    const right = readFileSync(`${path}.root-key`, "utf8").trim();
    const opens = async (options: Partial<OpenFileOptions>): Promise<string> => {
      const vault = await openVault({ path, ...options });
      const plain = await vault.decrypt(text);
      await vault.close();
      return plain;
    };
    expect(await opens({})).toBe("x");
    expect(await opens({ rootKey: right })).toBe("x");
    expect(await opens({ rootKey: fromBase64(right) })).toBe("x");
    process.env.COFFER_ROOT_KEY = OTHER_KEY;
    expect(await codeOf(path)).toBe("ERR_ROOT_KEY_WRONG");
    expect(await opens({ rootKey: right })).toBe("x");
    process.env.COFFER_ROOT_KEY = `  ${right}\n`;
    expect(await opens({})).toBe("x");
    expect(await codeOf({ path, rootKey: OTHER_KEY })).toBe("ERR_ROOT_KEY_WRONG");
    rmSync(`${path}.root-key`);
    expect(await opens({})).toBe("x");
    expect(existsSync(`${path}.root-key`)).toBe(false);
    process.env.COFFER_ROOT_KEY = "";
    expect(await codeOf(path)).toBe("ERR_ROOT_KEY_MISSING");
  });

  test("[KEY-10] is found where it is said to be", async () => {
    const path = freshPath();
    const rootKeyPath = join(freshDirectory(), "elsewhere.key");
    const vault = await openVault({ path, rootKeyPath, onNotice: () => {} });
    const text = await vault.encrypt("x", CONTEXT);
    await vault.close();
    expect(readdirSync(dirname(path))).toEqual(["vault.db"]);
    expect(mode(rootKeyPath)).toBe(0o600);
    const again = await openVault({ path, rootKeyPath });
    expect(await again.decrypt(text)).toBe("x");
    await again.close();
    expect(await codeOf({ path, rootKeyPath: join(freshDirectory(), "missing", "x") })).toBe(
      "ERR_ROOT_KEY_MISSING",
    );
  });

  test("[KEY-10] [KEY-11] that is missing is not made anew for a vault that has one", async () => {
    const path = freshPath();
    await (await openVault({ path, onNotice: () => {} })).close();
    rmSync(`${path}.root-key`);
    const error = await rejectionOf(() => openVault(path));
    expect(error.code).toBe("ERR_ROOT_KEY_MISSING");
    expect(error.message).toContain(".root-key");
    expect(existsSync(`${path}.root-key`)).toBe(false);
  });

  test("[KEY-15] that is wrong is refused at open, and nothing is changed", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    const before = readFileSync(path);
    const error = await rejectionOf(() => openVault({ path, rootKey: OTHER_KEY, environment: "another" }));
    expect(error.code).toBe("ERR_ROOT_KEY_WRONG");
    expectNoTrace(error, [fromBase64(OTHER_KEY), fromBase64(ROOT_KEY)]);
    expect(readFileSync(path)).toEqual(before);
    const vault = await openTestVault({ path });
    expect(tamper(path, (db) => db.prepare("SELECT name FROM environments").all())).toEqual([
      { name: "default" },
    ]);
    await vault.close();
  });

  const malformed: readonly (readonly [string, string | Uint8Array | number])[] = [
    ["no base64", "canary-of-a-root-key-0123456789-not-base64!"],
    ["31 bytes", base64(new Uint8Array(31).fill(0x5a))],
    ["33 bytes", base64(new Uint8Array(33).fill(0x5a))],
    ["unpadded", ROOT_KEY.replace("=", "")],
    ["base64url", base64(new Uint8Array(32).fill(0xfb)).replaceAll("+", "-").replaceAll("/", "_")],
    ["stray bits", `${base64(new Uint8Array(32)).slice(0, -2)}B=`],
    ["hexadecimal", "5a".repeat(32)],
    ["white space inside", `${ROOT_KEY.slice(0, 20)}\n${ROOT_KEY.slice(20)}`],
  ];

  test.each(malformed)("[KEY-9] is refused, and not shown, if malformed: %s", async (_, key) => {
    const secrets = [utf8Bytes(String(key))];
    const fromArgument = await rejectionOf(() => openVault({ path: freshPath(), rootKey: key as string }));
    process.env.COFFER_ROOT_KEY = String(key);
    const fromVariable = await rejectionOf(() => openVault({ path: freshPath() }));
    delete process.env.COFFER_ROOT_KEY;
    const path = freshPath();
    await (await openTestVault({ path })).close();
    writeFileSync(`${path}.root-key`, `${key}\n`, { mode: 0o600 });
    const fromFile = await rejectionOf(() => openVault({ path }));
    for (const error of [fromArgument, fromVariable, fromFile]) {
      expect(error.code).toBe("ERR_ROOT_KEY_INVALID");
      expectNoTrace(error, secrets);
    }
    expect(fromVariable.message).toContain("COFFER_ROOT_KEY");
    expect(fromFile.message).toContain("the file beside the vault");
  });

  test.each([
    ["31 bytes", new Uint8Array(31)],
    ["none", new Uint8Array(0)],
    ["a number", 32],
    ["an object", {}],
  ])("[KEY-9] is refused as an argument: %s", async (_, rootKey) => {
    expect(await codeOf({ path: ":memory:", rootKey: rootKey as never })).toBe("ERR_ROOT_KEY_INVALID");
  });

  test("[KEY-9] in an empty, a huge or no real file is refused", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    writeFileSync(`${path}.root-key`, "");
    expect(await codeOf(path)).toBe("ERR_ROOT_KEY_INVALID");
    writeFileSync(`${path}.root-key`, `${ROOT_KEY}${" ".repeat(2000)}`);
    expect(await codeOf(path)).toBe("ERR_ROOT_KEY_INVALID");
    rmSync(`${path}.root-key`);
    mkdirSync(`${path}.root-key`);
    expect(await codeOf(path)).toBe("ERR_ROOT_KEY_INVALID");
  });

  test("is not kept: the caller's array stays the caller's", async () => {
    const rootKey = fromBase64(ROOT_KEY);
    const vault = await openTestVault({ rootKey });
    expect(base64(rootKey)).toBe(ROOT_KEY);
    rootKey.fill(0);
    await vault.encrypt("x", CONTEXT);
    expectNoTrace(vault, [fromBase64(ROOT_KEY)]);
  });

  test("[KEY-11] in a file that others may read is mentioned each time", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    writeFileSync(`${path}.root-key`, `\n ${ROOT_KEY} \r\n`);
    for (const permissions of [0o644, 0o640, 0o604, 0o660]) {
      chmodSync(`${path}.root-key`, permissions);
      const notices: string[] = [];
      await (await openVault({ path, onNotice: (notice) => void notices.push(notice) })).close();
      expect(notices, permissions.toString(8)).toEqual([
        expect.stringContaining("the file beside the vault"),
      ]);
      expect(notices[0]).not.toContain(ROOT_KEY);
    }
    chmodSync(`${path}.root-key`, 0o600);
    await (await openVault({ path, onNotice: (notice) => expect.unreachable(notice) })).close();
  });

  test("whose directory is missing is a typed error", async () => {
    const rootKeyPath = join(freshDirectory(), "missing", "key");
    const error = await rejectionOf(() => openVault({ path: freshPath(), rootKeyPath }));
    expect(isVaultError(error, "ERR_STORAGE_UNAVAILABLE")).toBe(true);
  });
});

describe("several processes", () => {
  test("[KEY-11] [KEY-15] make the same vault at the same time: one root key, one environment", async () => {
    const path = join(freshDirectory(), "new", "vault.db");
    const processes = Array.from({ length: 4 }, () => new VaultProcess());
    const answers = (await Promise.all(processes.map((process) => process.call("open", { path })))) as {
      environmentId: string;
      notices: string[];
    }[];
    expect(new Set(answers.map((answer) => answer.environmentId)).size).toBe(1);
    expect(answers.filter((answer) => answer.notices.some((n) => n.startsWith("created")))).toHaveLength(1);
    const texts = (await Promise.all(
      processes.map((process, i) => process.call("encrypt", `from ${i}`, CONTEXT)),
    )) as string[];
    for (const process of processes) {
      for (const [i, text] of texts.entries()) expect(await process.call("decrypt", text)).toBe(`from ${i}`);
    }
    await Promise.all(processes.map((process) => process.end()));
    // Nothing half-made. (A journal stays where several close in the same moment.)
    const left = readdirSync(dirname(path)).filter((name) => !/-(wal|shm)$/.test(name));
    expect(left.sort()).toEqual(["vault.db", "vault.db.root-key"]);
    // All four met in one KEK.
    const vault = await openVault(path);
    expect(await listKeks(vault)).toHaveLength(1);
    await vault.close();
  });

  test("[KEY-1] make the same KEK at the same time: it is one", async () => {
    const path = freshPath();
    await (await openTestVault({ path })).close();
    const processes = Array.from({ length: 2 }, () => new VaultProcess({ COFFER_ROOT_KEY: ROOT_KEY }));
    await Promise.all(processes.map((process) => process.call("open", { path })));
    const contexts = Array.from({ length: 10 }, (_, i) => ({ a: `${i}`, b: `${i % 3}` }));
    const texts = (
      await Promise.all(
        processes.map((process) =>
          Promise.all(contexts.map((context) => process.call("encrypt", JSON.stringify(context), context))),
        ),
      )
    ).flat() as string[];
    const vault = await openTestVault({ path });
    for (const [i, text] of texts.entries()) {
      expect(await vault.decrypt(text)).toBe(JSON.stringify(contexts[i % 10]));
    }
    const keks = await listKeks(vault);
    expect(keks).toHaveLength(13);
    expect(keks.every((kek) => kek.versions.length === 1)).toBe(true);
    await Promise.all(processes.map((process) => process.end()));
  });
});

describe("odd circumstances", () => {
  test("a vault file has mode 0600, and openssl finds no secret in it", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    const canary = "canary-of-a-stored-value";
    await vault.createKv({ name: "n", value: canary, keyContext: CONTEXT });
    await vault.encrypt(canary, CONTEXT);
    const files = filesOf(path);
    for (const notation of [canary, base64(utf8Bytes(canary)), toHexText(utf8Bytes(canary))]) {
      expect(files.includes(notation)).toBe(false);
    }
  });

  test("an ordinary user cannot open another one's vault", async (context) => {
    context.skip(process.getuid?.() !== 0, "only root can become another user here");
    const path = freshPath();
    chmodSync(dirname(path), 0o755);
    await (await openTestVault({ path })).close();
    const script = `
      const { openVault } = await import(${JSON.stringify(join(process.cwd(), "src/vault/index.ts"))});
      process.setuid(65534);
      openVault({ path: ${JSON.stringify(path)}, rootKey: ${JSON.stringify(ROOT_KEY)} }).then(
        () => console.log("opened"), (error) => console.log(error.code, error.name));`;
    const out = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(out.trim()).toBe("ERR_STORAGE_UNAVAILABLE VaultError");
  });
});

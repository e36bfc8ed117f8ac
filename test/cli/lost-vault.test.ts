/** Commands and vaults that are not there: who makes one, who refuses; keys and URLs in the place of paths. */
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CANARY, workplace } from "../support/cli.ts";

const ORG_1 = ["--context", "organization_id=org_1"];
const ROOT_KEY = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

describe("[KEY-55] a vault that is missing", () => {
  test("is made by no command that only reads, nor by those that need what is in it", async () => {
    const { run, directory } = workplace();
    for (const args of [
      ["kv", "list"],
      ["kv", "get", "n"],
      ["keys", "list"],
      ["keys", "rotate", "a=b"],
      ["kv", "delete", "n", "--yes"],
      ["api-keys", "list"],
      ["environments", "list"],
      ["status"],
      ["decrypt", "AAAA"],
      ["server", "--port", "0"],
      ["backup", "copy.db"],
    ]) {
      const ran = await run(args, { env: { COFFER_ROOT_KEY: ROOT_KEY } });
      expect(ran.code, args.join(" ")).not.toBe(0);
      expect(readdirSync(directory), args.join(" ")).toEqual([]);
    }
  });

  test("is made by commands that write, with a notice where the key is there before", async () => {
    const { run, path } = workplace();
    const made = await run(["encrypt", "x", ...ORG_1], { env: { COFFER_ROOT_KEY: ROOT_KEY } });
    expect(made).toMatchObject({ code: 0, err: expect.stringContaining("made a new, empty one") });
    expect(existsSync(path("vault.db.root-key"))).toBe(false);
  });

  test("beside its root key is refused by every command, with what to do", async () => {
    const { run, out, path, directory } = workplace();
    await out(["encrypt", "x", ...ORG_1]);
    rmSync(path("vault.db"));
    for (const args of [
      ["encrypt", "x", ...ORG_1],
      ["kv", "put", "n", "v", ...ORG_1],
      ["kv", "list"],
      ["api-keys", "create", "n", "--permission", "encrypt"],
      ["environments", "create", "n"],
      ["server", "--create", "--port", "0"],
      ["status"],
    ]) {
      const ran = await run(args);
      expect(ran, args.join(" ")).toMatchObject({ code: 2, err: expect.stringContaining("ERR_VAULT_LOST") });
      expect(ran.err).toContain("restore");
    }
    expect(readdirSync(directory)).toEqual(["vault.db.root-key"]);
  });

  test("[API-75] is made by a server only if it is told to", async () => {
    const { run, start, path } = workplace();
    mkdirSync(path("mount"));
    const where = ["--vault", path("mount/vault.db"), "--port", "0", "--log", "none"];
    const env = { COFFER_ROOT_KEY: ROOT_KEY };
    expect(await run(["server", ...where], { env })).toMatchObject({
      code: 2,
      err: expect.stringContaining("--create"),
    });
    expect(readdirSync(path("mount"))).toEqual([]);
    const { child, ended } = start(["server", "--create", ...where], { env });
    await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
    child.kill("SIGTERM");
    expect((await ended).code).toBe(0);
    expect(existsSync(path("mount/vault.db"))).toBe(true);
  });
});

describe("[KEY-56] in the place of a path", () => {
  /** A key that the support looks for on standard error as well: no run may show it. */
  const key = `${CANARY}${"A".repeat(43 - CANARY.length)}`;

  test("a key is refused in every option and variable, and nothing is made", async () => {
    const { run, directory } = workplace();
    const cases: (readonly [readonly string[], Readonly<Record<string, string>>?])[] = [
      [["encrypt", "x", ...ORG_1, "--vault", key]],
      [["encrypt", "x", ...ORG_1, "--root-key-file", key]],
      [["kv", "list", "--root-key-file", key]],
      [["encrypt", "x", ...ORG_1], { COFFER_VAULT: key }],
      [["encrypt", `@${key}`, ...ORG_1]],
      [["encrypt", "x", "--context-json", `@${key}`]],
      [["encrypt", "x", ...ORG_1, "--aad", `@${key}`]],
      [["status", "--database", key]],
      [["status"], { COFFER_DATABASE: key, COFFER_VAULT: "" }],
      [["status", "--server", key]],
      [["kv", "list"], { COFFER_BASE_URL: key }],
      [["encrypt-file", key, ...ORG_1]],
      [["decrypt-file", key, "--out", "x"]],
      [["cat", key]],
      [["encrypt-file", "vault.db", ...ORG_1, "--out", key]],
    ];
    for (const [args, env] of cases) {
      const ran = await run(args, { env: { ...env } });
      expect(ran.code, args.join(" ")).toBe(1);
      expect(ran.err, args.join(" ")).toContain("ERR_USAGE");
      expect(readdirSync(directory), args.join(" ")).toEqual([]);
    }
  });

  test("a path where the root key is meant is told so", async () => {
    const { run } = workplace();
    const ran = await run(["encrypt", "x", ...ORG_1], { env: { COFFER_ROOT_KEY: `/run/secrets/${CANARY}` } });
    expect(ran).toMatchObject({ code: 2, err: expect.stringContaining("not the path of its file") });
  });

  test("a URL or a directory is refused, and the right option named", async () => {
    const { run, directory } = workplace();
    for (const [vault, hint] of [
      ["http://127.0.0.1:8200", "--server"],
      ["https://vault.example.com", "--server"],
      ["postgres://coffer@db/coffer", "--database"],
      ["file:///tmp/vault.db", "path"],
      ["new/", "directory"],
    ] as const) {
      for (const command of [
        ["encrypt", "x", ...ORG_1],
        ["environments", "create", "n"],
      ]) {
        const ran = await run([...command, "--vault", vault]);
        expect(ran).toMatchObject({ code: 1, err: expect.stringContaining(hint) });
      }
    }
    expect((await run(["status", "--database", "./vault.db"])).err).toContain("--vault");
    expect((await run(["status", "--database", "http://127.0.0.1"])).err).toContain("--server");
    expect(readdirSync(directory)).toEqual([]);
  });
});

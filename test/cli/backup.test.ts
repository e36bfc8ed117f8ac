/** `coffer backup` and `restore`, as docs/backup.md shows them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../tools/root.ts";
import { workplace } from "../support/cli.ts";
import { describePostgres, freshDatabaseUrl } from "../support/postgres.ts";

const ORG_1 = ["--context", "organization_id=org_1"];
const PAGE = readFileSync(join(ROOT, "docs/backup.md"), "utf8");

test("the commands of docs/backup.md, in their order", async () => {
  const { out, shell, directory, path } = workplace();
  await out(["kv", "put", "a", "1", ...ORG_1]);
  const commands = [...PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].map((match) => match[1]!.trim());
  expect(commands).toHaveLength(4);
  const [make, prove, putBack, anchor] = commands as [string, string, string, string];
  expect(await shell(make)).toMatchObject({ code: 0, out: expect.stringContaining("backed up") });
  await out(["kv", "put", "later", "2", ...ORG_1]);
  mkdirSync(path("elsewhere"));
  expect(await shell(anchor)).toMatchObject({ code: 0 });
  expect(await shell(prove)).toMatchObject({ code: 0, out: expect.stringContaining("1 of a sample") });
  const restored = await shell(putBack);
  expect(restored).toMatchObject({ code: 0, err: expect.stringContaining("before-restore-") });
  expect(await out(["kv", "list"])).not.toContain("later");
  expect(await out(["kv", "get", "a"])).toBe("1");
  // The copy is older than the anchor: it tells, also of one that was wanted.
  expect(await shell(anchor)).toMatchObject({ code: 3, err: expect.stringContaining("ERR_ANCHOR_MISMATCH") });
  expect(readdirSync(directory).filter((name) => name.includes("before-restore"))).toHaveLength(1);
});

test("the program of docs/backup.md", async () => {
  const { out, path } = workplace();
  await out(["kv", "put", "a", "1", ...ORG_1]);
  const [code] = [...PAGE.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!);
  const script = path("program.ts");
  writeFileSync(
    script,
    code!
      .replace('"coffer/vault"', JSON.stringify(join(ROOT, "src/vault/index.ts")))
      .replaceAll(/"((?:vault|copy)[^"]*\.(?:db|root-key))"/g, (_, name: string) =>
        JSON.stringify(path(name)),
      ),
  );
  await import(script);
  expect(
    await out(["kv", "get", "a", "--vault", path("copy.db"), "--root-key-file", path("vault.db.root-key")]),
  ).toBe("1");
});

test("standard output takes a backup, a file is not replaced unasked, and a key is no file", async () => {
  const { run, out, path, shell, directory } = workplace();
  await out(["kv", "put", "a", "1", ...ORG_1]);
  expect((await shell("coffer backup - > piped.db")).code).toBe(0);
  expect(await run(["restore", "piped.db", "--check"])).toMatchObject({ code: 0 });
  expect(await run(["backup", "piped.db"])).toMatchObject({
    code: 1,
    err: expect.stringContaining("ERR_FILE_EXISTS"),
  });
  expect((await run(["backup", "piped.db", "--force"])).code).toBe(0);
  expect((await run(["backup", "A".repeat(43)])).err).toContain("ERR_USAGE");
  expect((await run(["backup"])).code).toBe(1);
  expect((await run(["restore", path("none.db"), "--check"])).code).toBe(2);
  expect(readdirSync(directory).filter((name) => name.includes("tmp"))).toEqual([]);
});

describePostgres("on PostgreSQL", () => {
  test("it looks, and names pg_dump without the password", async () => {
    const { run } = workplace();
    const url = new URL(await freshDatabaseUrl());
    url.password = "s3cret";
    const env = { COFFER_ROOT_KEY: "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=" };
    // A database without a vault has nothing to back up.
    expect((await run(["backup", "--database", url.href], { env })).code).toBe(2);
    await run(["environments", "create", "default", "--database", url.href], { env });
    const ran = await run(["backup", "--database", url.href], { env });
    expect(ran).toMatchObject({ code: 0, out: expect.stringContaining("pg_dump") });
    expect(ran.out + ran.err).not.toContain("s3cret");
    expect((await run(["restore", "x.db", "--database", url.href], { env })).err).toContain("pg_restore");
  });
});

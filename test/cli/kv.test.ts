/** `coffer kv`, run as a process. */
import { existsSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CANARY, workplace } from "../support/cli.ts";

const SECRET = `pa55 ${CANARY}`;
const APP = ["--context", "app=billing"];

test("put makes an object and then new versions; get prints exactly what was put", async () => {
  const { out, json, path } = workplace();
  const table = await out(["kv", "put", "db", ...APP], { stdin: `${SECRET} 1\n` });
  expect(table).toMatch(/^created +db\nid +secret_[0-9A-F]{32}\nversion +[0-9a-f]{32}\n$/);
  const first = await json(["kv", "metadata", "db"]);
  writeFileSync(path("value"), `${SECRET} 2`);
  const updated = await json(["kv", "put", "db", "@value"]);
  expect(updated).toMatchObject({ created: false, id: first.id, name: "db" });
  expect(await out(["kv", "get", "db"])).toBe(`${SECRET} 2`);
  expect(await out(["kv", "get", "db", "--version", first.metadata.versionId])).toBe(`${SECRET} 1\n`);
  expect(await out(["kv", "get", "--id", first.id])).toBe(`${SECRET} 2`);
  expect(await out(["kv", "get", "db", "--field", "metadata.context.app"])).toBe("billing");
  expect(await json(["kv", "get", "db"])).toMatchObject({ name: "db", value: `${SECRET} 2` });

  const versions = await json(["kv", "versions", "db"]);
  expect(versions.data.map((version: { currentVersion: boolean }) => version.currentVersion)).toEqual([
    true,
    false,
  ]);
  const lines = (await out(["kv", "versions", "db"])).split("\n");
  expect(lines[0]).toMatch(/^VERSION +CREATED +STATE +BYTES$/);
  expect(lines[2]).toMatch(new RegExp(`^${first.metadata.versionId} +\\S+ +old +\\d+$`));
  expect(await out(["kv", "metadata", "db"])).toMatch(/^context +app=billing$/m);
});

test("put refuses what it must, and changes nothing then", async () => {
  const { run, out, path } = workplace();
  // Nothing to update and no context: not even a vault is made.
  const none = await run(["kv", "put", "db", SECRET]);
  expect(none.code).toBe(2);
  expect(none.err).toContain("(ERR_VAULT_NOT_FOUND)");
  expect(existsSync(path("vault.db"))).toBe(false);

  const version = await out(["kv", "put", "db", SECRET, ...APP, "--field", "metadata.versionId"]);
  for (const [args, code, error] of [
    [["db", "x", ...APP, "--create-only"], 2, "ERR_KV_EXISTS"],
    [["db", "x", "--create-only"], 1, "ERR_USAGE"],
    [["other", "x"], 1, "ERR_USAGE"],
    [["other", "x", ...APP, "--version-check", version], 2, "ERR_KV_NOT_FOUND"],
    [["db", "x", "--context", `app=${CANARY}`], 2, "ERR_KV_CONTEXT_DIFFERS"],
    [["db", "x", "--version-check", "0".repeat(32)], 2, "ERR_KV_VERSION_CONFLICT"],
    [["", "x", ...APP], 1, "ERR_KV_NAME_INVALID"],
    [["..", "x", ...APP], 1, "ERR_KV_NAME_INVALID"],
    [["db"], 1, "ERR_USAGE"],
  ] as const) {
    const ran = await run(["kv", "put", ...args]);
    expect(ran, args.join(" ")).toMatchObject({ code, out: "" });
    expect(ran.err).toContain(`(${error})`);
  }
  const big = await run(["kv", "put", "db"], { stdin: "x".repeat(65_537) });
  expect(big).toMatchObject({ code: 1, out: "" });
  expect(big.err).toContain("(ERR_KV_VALUE_TOO_LARGE)");
  const binary = await run(["kv", "put", "db"], { stdin: Uint8Array.of(0xff) });
  expect(binary).toMatchObject({ code: 1, out: "" });
  expect(binary.err).toContain("(ERR_TEXT_MALFORMED)");

  expect(await out(["kv", "metadata", "db", "--field", "metadata.versionId"])).toBe(version);
  const update = ["kv", "put", "db", "2", "--version-check", version];
  const [one, two] = await Promise.all([run(update), run(update)]);
  expect([one.code, two.code].sort()).toEqual([0, 2]);
  // The same context, in another order or form, is no other one.
  await out(["kv", "put", "db", "3", "--context-json", '{"app":"billing"}']);
});

test("delete hides, undelete brings back, destroy erases; several of one name are not guessed between", async () => {
  const { run, out, json } = workplace();
  const id = await out(["kv", "put", "db", SECRET, ...APP, "--field", "id"]);
  expect(await json(["kv", "delete", "db"])).toEqual({ id, name: "db", success: true });
  expect((await run(["kv", "get", "db"])).code).toBe(2);
  expect(await json(["kv", "list", "--deleted"])).toMatchObject({ data: [{ id, name: "db" }] });
  expect(await out(["kv", "undelete", "db"])).toMatch(/^undeleted +db$/m);
  expect(await out(["kv", "get", "db"])).toBe(SECRET);
  const again = await run(["kv", "undelete", "db"]);
  expect(again.code).toBe(2);
  expect(again.err).toContain("(ERR_KV_NOT_FOUND)");

  // A second object of the same name, while the first is deleted.
  await out(["kv", "delete", "--id", id]);
  const second = await out(["kv", "put", "db", "2", ...APP, "--field", "id"]);
  const unclear = await run(["kv", "destroy", "db", "--yes"]);
  expect(unclear.code).toBe(2);
  expect(unclear.err).toContain("(ERR_KV_AMBIGUOUS)");
  expect(unclear.err).toContain(`--id ${id} `);
  expect(unclear.err).toContain(`--id ${second} `);
  await out(["kv", "delete", "db"]);
  expect((await run(["kv", "undelete", "db"])).err).toContain("(ERR_KV_AMBIGUOUS)");

  const unasked = await run(["kv", "destroy", "--id", id]);
  expect(unasked.code).toBe(1);
  expect(unasked.err).toContain("(ERR_NOT_CONFIRMED)");
  expect(await json(["kv", "destroy", "--id", id, "--yes"])).toEqual({ id, destroyedVersions: 1 });
  const lost = await run(["kv", "undelete", "--id", id]);
  expect(lost.code).toBe(2);
  expect(lost.err).toContain("(ERR_KV_VERSION_DESTROYED)");
});

test("destroy takes one version, or a live object by its name; what cannot be read can still be found", async () => {
  const { run, out, json } = workplace();
  const old = await out(["kv", "put", "db", SECRET, ...APP, "--field", "metadata.versionId"]);
  await out(["kv", "put", "db", `${SECRET} 2`]);
  expect(await json(["kv", "destroy", "db", "--version", old, "--yes"])).toMatchObject({
    destroyedVersions: 1,
  });
  expect(await out(["kv", "versions", "db"])).toMatch(new RegExp(`^${old} .* old, destroyed +0$`, "m"));
  expect((await run(["kv", "get", "db", "--version", old])).err).toContain("(ERR_KV_VERSION_DESTROYED)");
  expect(await out(["kv", "get", "db"])).toBe(`${SECRET} 2`);

  await out(["keys", "disable", "app=billing"]);
  expect((await run(["kv", "get", "db"])).err).toContain("(ERR_KEY_DISABLED)");
  expect(await out(["kv", "metadata", "db", "--field", "name"])).toBe("db");
  expect(await out(["kv", "delete", "db"])).toMatch(/^deleted +db$/m);
  await out(["kv", "undelete", "db"]);
  expect(await out(["kv", "destroy", "db", "--yes"])).toMatch(/^versions +1$/m);
});

test("list goes page by page, or over all, and shows names that cannot steer a terminal", async () => {
  const { out, json, run } = workplace();
  const names = ["a", "b", "red\u001b[31m\n", "\u{202e}d", "e"];
  for (const name of names) await out(["kv", "put", name, "x", ...APP]);
  const page = await run(["kv", "list", "--limit", "2", "--order", "asc"]);
  expect(page.out).toMatch(/^NAME +ID +UPDATED\na +secret_\S+ +\S+\nb +/);
  const next = /--after (\S+),/.exec(page.err)?.[1];
  const rest = await json(["kv", "list", "--after", next!, "--order", "asc", "--all"]);
  expect(rest.data.map((object: { name: string }) => object.name)).toEqual(names.slice(2));
  const all = await run(["kv", "list"]);
  expect(all.err).toBe("");
  expect(all.out).toContain("red\\u001b[31m\\n  ");
  expect(all.out).toContain("\\u202ed ");
  expect(all.out.split("\n")).toHaveLength(names.length + 2);
  expect(await json(["kv", "list", "--search", "d", "--field", "data.0.name"]).catch(() => undefined)).toBe(
    undefined,
  );
  expect(await out(["kv", "list", "--search", "e", "--limit", "1", "--field", "data.0.name"])).toBe("e");
  for (const args of [
    ["--limit", "0"],
    ["--limit", "1e1"],
    ["--all", "--limit", "5"],
    ["--order", CANARY],
  ]) {
    expect(await run(["kv", "list", ...args])).toMatchObject({ code: 1, out: "" });
  }
  const cursor = await run(["kv", "list", "--after", CANARY]);
  expect(cursor.code).toBe(1);
  expect(cursor.err).toContain("(ERR_CURSOR_INVALID)");
});

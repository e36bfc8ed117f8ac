/** Anchors: a consistent older state of everything, which nothing in it shows, is found against one that is kept elsewhere. */
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { type Anchor, parseAnchor, type VaultHost } from "../../../src/vault/index.ts";
import { workplace } from "../../support/cli.ts";
import { rejectionOf } from "../../support/errors.ts";
import { freshDirectory, freshPath, openTestHost, ROOT_KEY, sessionOf } from "../../support/vaults.ts";
import { REPOSITORY_ROOT } from "../../support/vectors.ts";

const ORG = { name: "organization_id", value: "org_1" };

async function filled(path: string): Promise<VaultHost> {
  const host = await openTestHost({ path });
  const { keys, kv } = await sessionOf(host);
  (await keys.createDataKey({ context: { organization_id: "org_1" } })).dispose();
  await kv.createKv({ name: "n", value: "v", keyContext: { organization_id: "org_1" } });
  return host;
}

type Work = (host: VaultHost) => Promise<unknown>;

test.each<[string, Work, string]>([
  [
    "a KEK that was disabled",
    async (host) => (await sessionOf(host)).keks.disable(ORG),
    "the log of changes of authority had 2 entries and has 1",
  ],
  [
    "a value that was put",
    async (host) =>
      (await sessionOf(host)).kv.createKv({
        name: "m",
        value: "v",
        keyContext: { organization_id: "org_1" },
      }),
    "kv_versions had 2 rows and has 1",
  ],
  [
    "a value that was deleted",
    async (host) => {
      const { kv } = await sessionOf(host);
      return kv.deleteKv({ id: (await kv.getName({ name: "n" })).id });
    },
    "is missing; events had",
  ],
  [
    "an API key that was made",
    async (host) =>
      host.apiKeys.create((await host.environment("default")).id, { name: "k", permissions: ["decrypt"] }),
    "api_keys had 1 rows and has 0",
  ],
])("[AUT-27] an older copy without %s is found", async (_, work, says) => {
  const path = freshPath(true);
  const host = await filled(path);
  await host.close();
  copyFileSync(path, `${path}.old`);
  const later = await openTestHost({ path });
  await work(later);
  const anchor = parseAnchor(JSON.stringify(await later.anchor()));
  expect(await later.anchor(anchor)).toMatchObject({ rows: anchor.rows, lastChange: anchor.lastChange });
  await later.close();
  copyFileSync(`${path}.old`, path);
  const restored = await openTestHost({ path });
  const error = await rejectionOf(() => restored.anchor(anchor));
  expect([error.code, error.message]).toEqual(["ERR_ANCHOR_MISMATCH", expect.stringContaining(says)]);
  expect(error.message).not.toMatch(/org_1|organization_id/);
  await restored.close();
});

test("[AUT-27] another history of the same length is found: an older copy in which others were changed since", async () => {
  const path = freshPath(true);
  const host = await filled(path);
  await host.close();
  copyFileSync(path, `${path}.old`);
  const change = async (kind: "disable" | "rotate", times: number): Promise<Anchor> => {
    const opened = await openTestHost({ path });
    const { keks } = await sessionOf(opened);
    for (let i = 0; i < times; i++) await keks[kind](ORG);
    const anchor = await opened.anchor();
    await opened.close();
    return anchor;
  };
  const anchor = await change("disable", 1);
  for (const times of [1, 2]) {
    copyFileSync(`${path}.old`, path);
    await change("rotate", times);
    const forked = await openTestHost({ path });
    const error = await rejectionOf(() => forked.anchor(anchor));
    expect([error.code, error.message]).toEqual([
      "ERR_ANCHOR_MISMATCH",
      expect.stringContaining("entry 2 of the log of changes of authority is another one"),
    ]);
    await forked.close();
  }
});

test("[AUT-27] another vault is found, and one whose newest event is another", async () => {
  const host = await filled(freshPath(true));
  const anchor = await host.anchor();
  const other = await filled(freshPath(true));
  expect((await rejectionOf(() => other.anchor(anchor))).message).toContain("it is another vault");
  const changed = { ...anchor, lastEvent: { ...anchor.lastEvent!, digest: "00".repeat(32) } };
  expect((await rejectionOf(() => host.anchor(changed))).message).toContain("is another one");
  await host.close();
  await other.close();
});

test("[AUT-27] what is no anchor is refused", async () => {
  const host = await openTestHost();
  const anchor = await host.anchor();
  await host.close();
  expect(parseAnchor(JSON.stringify(anchor))).toEqual(anchor);
  for (const text of [
    "",
    "null",
    "[]",
    "{}",
    JSON.stringify({ ...anchor, format: "coffer/v2/anchor" }),
    JSON.stringify({ ...anchor, vaultId: 1 }),
    JSON.stringify({ ...anchor, madeAt: "soon" }),
    JSON.stringify({ ...anchor, lastChange: { generation: 1, mac: "ab" } }),
    JSON.stringify({ ...anchor, lastChange: { generation: -1, mac: "00".repeat(36) } }),
    JSON.stringify({ ...anchor, lastEvent: { id: "x" } }),
    JSON.stringify({ ...anchor, rows: {} }),
  ]) {
    expect(() => parseAnchor(text), text).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
  }
});

test("[AUT-27] coffer status --anchor writes one, compares it, and tells of an older copy", async () => {
  const path = freshPath(true);
  const file = join(freshDirectory(true), "vault.anchor");
  const env = { COFFER_ROOT_KEY: ROOT_KEY };
  const { run, json } = workplace();
  await (await filled(path)).close();
  copyFileSync(path, `${path}.old`);
  const host = await openTestHost({ path });
  await (await sessionOf(host)).keks.disable(ORG);
  await host.close();
  const made = await run(["status", "--vault", path, "--anchor", file], { env });
  expect([made.code, made.out]).toEqual([0, expect.stringMatching(/anchor +written/)]);
  const first = readFileSync(file, "utf8");
  expect(first).not.toMatch(/org_1|organization_id/);
  const again = (await json(["status", "--vault", path, "--anchor", file], { env })) as Record<
    string,
    unknown
  >;
  expect(again.anchoredBefore).toBe(parseAnchor(first).madeAt);
  copyFileSync(`${path}.old`, path);
  const kept = readFileSync(file, "utf8");
  const older = await run(["status", "--vault", path, "--anchor", file], { env });
  expect([older.code, older.err]).toEqual([3, expect.stringContaining("ERR_ANCHOR_MISMATCH")]);
  expect(readFileSync(file, "utf8")).toBe(kept);
  // What is no anchor is not overwritten.
  writeFileSync(file, "something else");
  const damaged = await run(["status", "--vault", path, "--anchor", file], { env });
  expect([damaged.code, readFileSync(file, "utf8")]).toEqual([1, "something else"]);
  const onServer = await run(["status", "--server", "http://127.0.0.1:1", "--anchor", `${file}.2`], { env });
  expect([onServer.code, existsSync(`${file}.2`)]).toEqual([1, false]);
});

test("[AUT-27] a vault that was authenticated when it was anchored, and is not, is found", async () => {
  const path = freshPath(true);
  const old = join(REPOSITORY_ROOT, "test/fixtures/vault-0.1/vault.db.gz");
  writeFileSync(path, gunzipSync(readFileSync(old)), { mode: 0o600 });
  const host = await openTestHost({ path });
  const plain = await host.anchor();
  expect(plain.lastChange).toBeNull();
  // One that says nothing of the log is compared by the rest.
  await host.anchor(plain);
  const anchor = { ...plain, lastChange: { generation: 0, mac: "00".repeat(36) } };
  const { message } = await rejectionOf(() => host.anchor(anchor));
  expect(message).toContain("it was authenticated, and is not");
  await host.close();
});

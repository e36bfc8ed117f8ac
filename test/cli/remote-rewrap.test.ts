/** A rewrap over HTTP: in parts, with progress, ended between two of them, and gone on with. */
import { expect, test } from "vitest";
import { Vault } from "../../src/facade/vault.ts";
import { rejectionOf } from "../support/errors.ts";
import { startServer } from "../support/server.ts";
import { sessionOf } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };
const KEK = { name: "organization_id", value: "org_1" };

test("[API-70] [KEY-39] each request is a part; after an abort it goes on with what is left", async () => {
  const server = await startServer();
  const { kv, keks } = await sessionOf(server.host);
  await Promise.all(
    Array.from({ length: 2_100 }, (_, i) => kv.createKv({ name: `${i}`, value: "v", keyContext: CONTEXT })),
  );
  await keks.rotate(KEK);
  const vault = new Vault({ apiKey: server.key, baseUrl: server.url, extensions: true });
  const controller = new AbortController();
  const reason = new Error("enough");
  let seen = 0;
  const aborted = await rejectionOf(() =>
    vault.rewrapKv({
      signal: controller.signal,
      onProgress: (done, total) => {
        expect(total).toBe(2_100);
        seen = done;
        controller.abort(reason);
      },
    }),
  );
  expect(aborted).toBe(reason);
  expect(seen).toBeGreaterThan(0);
  expect(seen).toBeLessThanOrEqual(1_000);
  const progress: [number, number][] = [];
  const rest = await vault.rewrapKv({ onProgress: (done, total) => void progress.push([done, total]) });
  expect(rest).toEqual({ checked: 2_100 - seen, rewrapped: 2_100 - seen, skipped: 0 });
  expect(progress.length).toBeGreaterThan(1);
  expect(progress.at(-1)).toEqual([2_100 - seen, 2_100 - seen]);
  expect((await keks.get(KEK)).versions.map((version) => version.kvVersions)).toEqual([2_100, 0]);
  const bad = await server.call("POST", "/coffer/v1/keks/rewrap-kv?after=x", undefined, { key: server.key });
  expect([bad.status, bad.body.code]).toEqual([400, "ERR_CURSOR_INVALID"]);
  await vault.close();
});

test("[API-81] [KEY-62] a verification over HTTP says the same as one in the vault's process", async () => {
  const server = await startServer();
  const { kv, keks, recipients } = await sessionOf(server.host);
  for (let i = 0; i < 3; i++) await kv.createKv({ name: `${i}`, value: "v", keyContext: CONTEXT });
  await recipients.create({ context: CONTEXT, suite: "x25519" });
  await keks.rotate(KEK);
  const vault = new Vault({ apiKey: server.key, baseUrl: server.url, extensions: true });
  const progress: [number, number][] = [];
  const report = await vault.verifyRewrap({ onProgress: (...at) => void progress.push(at) });
  expect(report).toMatchObject({ checked: 4, old: 4, unreadable: 0, keks: [{ version: 1, kvVersions: 3 }] });
  expect(report).toEqual(await kv.verifyRewrap());
  expect(progress).toEqual([[4, 4]]);
  expect(await vault.rewrapKv()).toEqual({ checked: 4, rewrapped: 4, skipped: 0 });
  expect(await vault.verifyRewrap()).toMatchObject({ old: 0, keks: [{ version: 2, recipientVersions: 1 }] });
  const bad = await server.call("GET", "/coffer/v1/keks/wrapped-keys?after=x", undefined, {
    key: server.key,
  });
  expect([bad.status, bad.body.code]).toEqual([400, "ERR_CURSOR_INVALID"]);
  await vault.close();
});

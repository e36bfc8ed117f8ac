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

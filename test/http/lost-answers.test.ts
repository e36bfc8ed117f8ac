/**
 * [API-46] Answers that are lost after a change was made: a service with idempotency keys makes it once and says so; of one
 * without them a repetition that conflicts with itself is unknown, never failed.
 */

import { describe, expect, test } from "vitest";
import { VaultError } from "../../src/errors.ts";
import { Vault } from "../../src/facade/vault.ts";
import { Transport } from "../../src/http/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { startServer } from "../support/server.ts";

const CONTEXT = { organization_id: "org_1" };

/** Loses the first answer to each change, once the service has given it. */
function losing(keys: (string | null)[]): typeof fetch {
  const lost = new Set<string>();
  return async (input, init) => {
    const answer = await fetch(input, init);
    const key = new Headers(init?.headers).get("idempotency-key");
    if (init?.method !== "GET") keys.push(key);
    if (init?.method === "GET" || key === null || lost.has(key)) return answer;
    lost.add(key);
    await answer.arrayBuffer();
    throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
  };
}

describe("[API-46] a coffer server makes each change once", () => {
  test("create, update, delete, undelete, destroy", async () => {
    const server = await startServer();
    const keys: (string | null)[] = [];
    const vault = new Vault({ apiKey: server.key, baseUrl: server.url, fetch: losing(keys) });
    const { id } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
    const first = (await vault.listKvVersions({ id })).data;
    expect(first).toHaveLength(1);
    await vault.updateKv({ id, value: "2", versionCheck: first[0]!.id });
    expect((await vault.listKvVersions({ id })).data).toHaveLength(2);
    await vault.deleteKv({ id });
    await vault.undeleteKv({ id });
    expect((await vault.getKv({ id })).value).toBe("2");
    expect(await vault.destroyKv({ id, versionId: first[0]!.id })).toEqual({ destroyedVersions: 1 });
    // Two attempts of each of five changes, under one key each.
    expect(keys).toHaveLength(10);
    expect(new Set(keys).size).toBe(5);
  });
});

describe("[API-46] what looks after KEKs is done once", () => {
  test("rotate makes one version, and shred, disable and enable succeed though their answers are lost", async () => {
    const server = await startServer();
    const keys: (string | null)[] = [];
    const vault = new Vault({
      apiKey: server.key,
      baseUrl: server.url,
      extensions: true,
      fetch: losing(keys),
    });
    (await vault.createDataKey({ context: CONTEXT })).dispose();
    const kek = { name: "organization_id", value: "org_1" };
    const rotated = await vault.keks.rotate(kek);
    expect(rotated.versions.map(({ version }) => version)).toEqual([2, 1]);
    expect((await vault.keks.get(kek)).versions).toHaveLength(2);
    expect((await vault.keks.disable(kek)).state).toBe("disabled");
    expect((await vault.keks.enable(kek)).state).toBe("active");
    const report = await vault.keks.shred(kek);
    expect(report.versions).toEqual([1, 2]);
    expect((await vault.keks.get(kek)).state).toBe("destroyed");
    await vault.close();
  });

  test("a webhook is made once, and its secret told again to the same request", async () => {
    const server = await startServer();
    const transport = new Transport({ apiKey: server.key, baseUrl: server.url, fetch: losing([]) });
    const made = await transport.send<{ id: string; secret: string }>({
      method: "POST",
      path: ["coffer", "v1", "webhooks"],
      body: { url: "https://hooks.example.com/" },
    });
    expect(made.secret).toMatch(/^whsec_/);
    const { data } = await transport.send<{ data: { id: string }[] }>({
      method: "GET",
      path: ["coffer", "v1", "webhooks"],
    });
    expect(data.map(({ id }) => id)).toEqual([made.id]);
  });
});

describe("[API-46] of a service without idempotency keys", () => {
  /** Answers as WorkOS does: a change is made, and a second time it is in conflict with itself. */
  function hosted(conflict: number): typeof fetch {
    let requests = 0;
    return async () => {
      requests += 1;
      if (requests === 1)
        throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
      return Response.json({ error: conflict === 404 ? "Not Found" : "Conflict" }, { status: conflict });
    };
  }
  const vaultOf = (fetch: typeof globalThis.fetch): Vault => new Vault({ apiKey: "sk_1", fetch });
  const CHANGES: [string, number, (vault: Vault) => Promise<unknown>][] = [
    ["create", 409, (vault) => vault.createKv({ name: "a", value: "1", keyContext: CONTEXT })],
    ["update", 409, (vault) => vault.updateKv({ id: "kv_1", value: "1", versionCheck: "v_1" })],
    ["delete", 404, (vault) => vault.deleteKv({ id: "kv_1" })],
  ];

  test.each(CHANGES)("%s that may have been made is unknown (%d)", async (_, conflict, change) => {
    const error = await rejectionOf(() => change(vaultOf(hosted(conflict))));
    expect(error).toMatchObject({ code: "ERR_OUTCOME_UNKNOWN", status: conflict, retryable: false });
    expect((error as VaultError).cause).toBeInstanceOf(VaultError);
  });

  test.each(CHANGES)("%s that was refused at once has failed (%d)", async (_, conflict, change) => {
    const refusing: typeof fetch = async () =>
      Response.json({ error: conflict === 404 ? "Not Found" : "Conflict" }, { status: conflict });
    const error = await rejectionOf(() => change(vaultOf(refusing)));
    expect(["ERR_KV_EXISTS", "ERR_KV_VERSION_CONFLICT", "ERR_KV_NOT_FOUND"]).toContain(
      (error as VaultError).code,
    );
  });
});

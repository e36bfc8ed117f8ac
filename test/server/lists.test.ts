/** Lists over HTTP: what queries may be, pages of KEKs, and what wrapped keys tell of KEKs. */

import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { encodeBase64 } from "../../src/base/base64.ts";
import { decodeKeyBlob, encodeKeyBlob } from "../../src/crypto/keys/key-blob.ts";
import { Vault } from "../../src/facade/vault.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { startServer } from "../support/server.ts";
import { eventually, freshPath, openTestHost, sessionOf } from "../support/vaults.ts";

describe("[API-8] queries", () => {
  test("empty ones are absent in lists, and what is no plain number or moment is refused", async () => {
    const server = await startServer();
    for (const list of ["/vault/v1/kv", "/coffer/v1/kv", "/coffer/v1/keks", "/coffer/v1/events"]) {
      const empty =
        "?limit=&order=&deleted=&before=&after=&search=&updatedAfter=&updated_after=&name=&value=&kek_id=";
      expect((await server.call("GET", list + empty)).status, list).toBe(200);
      for (const limit of ["0x2", "1e0", "1.0", "+1", "-1", "0", "101", " 1", "1_0", "٣", "NaN"]) {
        const { status, body } = await server.call("GET", `${list}?limit=${encodeURIComponent(limit)}`);
        expect([status, body.code], `${list} ${limit}`).toEqual([400, "ERR_REQUEST_INVALID"]);
        expect(body.message).toBe(body.error);
      }
      expect((await server.call("GET", `${list}?limit=07`)).status).toBe(200);
    }
    for (const moment of ["2026-01-31T12:00:00", "foo 1", "0", "11/12/2026", "2026-02-30T00:00:00Z"]) {
      const { status } = await server.call("GET", `/vault/v1/kv?updatedAfter=${encodeURIComponent(moment)}`);
      expect(status, moment).toBe(400);
    }
    const { status } = await server.call(
      "GET",
      `/vault/v1/kv?updatedAfter=${encodeURIComponent(String(new Date()))}`,
    );
    expect(status).toBe(200);
  });
});

describe("[API-57] KEKs", () => {
  test("come in pages, each once and in order; the client follows them", async () => {
    const server = await startServer();
    const session = await sessionOf(server.host);
    const values = Array.from({ length: 123 }, (_, i) => `org_${String(i).padStart(3, "0")}`);
    for (const organization_id of values.toReversed()) {
      (await session.keys.createDataKey({ context: { organization_id } })).dispose();
    }
    const seen: string[] = [];
    let after: string | null = null;
    let pages = 0;
    do {
      const target: string = `/coffer/v1/keks?limit=50${after === null ? "" : `&after=${after}`}`;
      const { status, body } = await server.call("GET", target);
      expect(status).toBe(200);
      seen.push(...body.data.map((kek: { value: string }) => kek.value));
      after = body.list_metadata.after;
      pages += 1;
    } while (after !== null);
    expect(seen).toEqual(values);
    expect(pages).toBe(3);
    expect((await server.call("GET", "/coffer/v1/keks")).body.data).toHaveLength(10);

    const vault = new Vault({ baseUrl: server.url, apiKey: server.key, extensions: true });
    expect((await listKeks(vault)).map((kek) => kek.value)).toEqual(values);
    const one = await listKeks(vault, { name: "organization_id", value: "org_077" });
    expect(one.map((kek) => kek.value)).toEqual(["org_077"]);
    expect(await listKeks(vault, { kekId: one[0]!.id })).toEqual(one);
    expect(
      await rejectionOf(() => listKeks(vault, { name: "organization_id", value: "none" })),
    ).toMatchObject({
      code: "ERR_KEY_NOT_FOUND",
    });
  });

  test("with a cursor of another environment, or half a name, are refused", async () => {
    const server = await startServer();
    const other = await sessionOf(server.host, "other");
    (await other.keys.createDataKey({ context: { a: "b" } })).dispose();
    const [kek] = (await other.keks.list()).data;
    for (const after of [kek!.id, "x"]) {
      const { status, body } = await server.call("GET", `/coffer/v1/keks?after=${after}`);
      expect([status, body.code]).toEqual([400, "ERR_CURSOR_INVALID"]);
    }
    expect((await server.call("GET", "/coffer/v1/keks?name=a")).status).toBe(400);
    expect((await server.call("GET", `/coffer/v1/keks?kek_id=${kek!.id}`)).status).toBe(404);
  });
});

describe("[API-58] a wrapped key that is put together from ids", () => {
  test("tells nothing of another context's KEK, whatever its state and place", async () => {
    const server = await startServer();
    const session = await sessionOf(server.host);
    const keyOf = async (context: Record<string, string>) => {
      const key = await session.keys.createDataKey({ context });
      return decodeKeyBlob(Buffer.from(key.encryptedKeys, "base64"));
    };
    const own = await keyOf({ organization_id: "org_1" });
    const states = {
      active: await keyOf({ region: "active" }),
      disabled: await keyOf({ region: "disabled" }),
      destroyed: await keyOf({ region: "destroyed" }),
    };
    await session.keks.disable({ name: "region", value: "disabled" });
    await session.keks.shred({ name: "region", value: "destroyed" });
    const key = await server.apiKey(["decrypt", "rekey"], { constraints: { organization_id: "org_1" } });
    const unknown = { id: Uint8Array.from({ length: 16 }, () => 7), version: 1 };
    const answers = new Set<string>();
    for (const foreign of [
      states.active.keks[0]!,
      states.disabled.keks[0]!,
      states.destroyed.keks[0]!,
      unknown,
    ]) {
      for (const keks of [
        [own.keks[0]!, foreign],
        [foreign, own.keks[0]!],
        [own.keks[0]!, foreign, foreign],
      ]) {
        const keys = encodeBase64(encodeKeyBlob({ ...own, keks }));
        for (const [target, body] of [
          ["/vault/v1/keys/decrypt", { keys }],
          ["/vault/v1/keys/rekey", { context: { organization_id: "org_1" }, encrypted_keys: keys }],
        ] as const) {
          const { status, text } = await server.call("POST", target, body, { key });
          answers.add(`${status} ${text}`);
        }
      }
    }
    expect([...answers]).toHaveLength(1);
    expect([...answers][0]).toContain("ERR_DECRYPT_FAILED");
  });
});

describe("[API-40] /readyz", () => {
  test("is 503 while nothing can be written, although reads are answered", async () => {
    const path = freshPath();
    const server = await startServer({ host: await openTestHost({ path, lockWaitMs: 20 }) });
    expect((await server.call("GET", "/readyz")).status).toBe(200);
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await eventually(async () => (await server.call("GET", "/readyz")).status === 503, "not ready");
    expect((await server.call("GET", "/vault/v1/kv")).status).toBe(200);
    expect((await server.call("GET", "/healthz")).status).toBe(200);
    other.exec("ROLLBACK");
    other.close();
    await eventually(async () => (await server.call("GET", "/readyz")).status === 200, "ready again");
  });
});

/**
 * docs/migration.md: its code, run as it stands there.
 *
 * @module
 */
import { createCipheriv } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { Vault } from "../../src/facade/vault.ts";
import type { KvListRequest, KvPage, KvService, KvSummary } from "../../src/kv/kv-service.ts";
import { ROOT } from "../../tools/root.ts";
import { rejectionOf } from "../support/errors.ts";
import { WorkOsLookingKeys } from "../support/stub-key-service.ts";
import { openTestVault } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

interface Sides {
  readonly workos: Vault;
  readonly coffer: Vault;
}

interface Code {
  decryptBoth(sides: Sides, ciphertext: string, associatedData?: string): Promise<string>;
  moveCiphertext(
    sides: Sides,
    target: keyof Sides,
    row: { ciphertext: string; context: Record<string, string>; associatedData?: string },
  ): Promise<string>;
  copyObjects(
    from: Vault,
    to: Vault,
  ): Promise<{
    copied: string[];
    there: string[];
    failed: { id: string; name: string; error: unknown }[];
  }>;
}

let directory: string;
let code: Code;
let sides: Sides;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "coffer-migration-"));
  const text = readFileSync(join(ROOT, "docs/migration.md"), "utf8");
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!);
  const modules = await Promise.all(
    blocks.map((block, i) => {
      const path = join(directory, `block-${i}.ts`);
      writeFileSync(path, block.replaceAll('from "coffer"', `from "${ROOT}/src/index.ts"`));
      return import(path);
    }),
  );
  code = Object.assign({}, ...modules) as Code;
  sides = {
    workos: new Vault({ keys: new WorkOsLookingKeys(), kv: {} as KvService }),
    coffer: await openTestVault(),
  };
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("ciphertexts", () => {
  test("are read by the vault that made their key", async () => {
    for (const side of ["workos", "coffer"] as const) {
      const written = await sides[side].encrypt("s3cret", CONTEXT, "user:42");
      expect(await code.decryptBoth(sides, written, "user:42")).toBe("s3cret");
    }
    expect(await rejectionOf(async () => code.decryptBoth(sides, "AAAA"))).toMatchObject({
      code: "ERR_NOT_CIPHERTEXT",
    });
  });

  test("are moved in both directions, once", async () => {
    for (const [from, target] of [
      ["workos", "coffer"],
      ["coffer", "workos"],
    ] as const) {
      const ciphertext = await sides[from].encrypt("s3cret", CONTEXT, "user:42");
      const row = { ciphertext, context: CONTEXT, associatedData: "user:42" };
      const moved = await code.moveCiphertext(sides, target, row);
      expect(inspect(moved).keyBlob.format).toBe(target);
      expect(await sides[target].decrypt(moved, "user:42")).toBe("s3cret");
      expect(await code.moveCiphertext(sides, target, { ...row, ciphertext: moved })).toBe(moved);
    }
  });
});

describe("layouts", () => {
  test.each(["iv12", "leb-first", "dotnet", "native"] as const)(
    "%s stays when a row is moved",
    async (layout) => {
      const ciphertext = await sides.workos.encrypt("s3cret", CONTEXT, "user:42", { layout });
      const moved = await code.moveCiphertext(sides, "coffer", {
        ciphertext,
        context: CONTEXT,
        associatedData: "user:42",
      });
      expect(inspect(moved)).toMatchObject({ layout, keyBlob: { format: "coffer" } });
      expect(await sides.coffer.decrypt(moved, "user:42")).toBe("s3cret");
    },
  );

  test("iv32, which cannot be written, becomes iv12", async () => {
    using key = await sides.workos.createDataKey({ context: CONTEXT });
    const blob = Buffer.from(key.encryptedKeys, "base64");
    const nonce = Buffer.alloc(32, 7);
    const bytes = Buffer.from(key.dataKey, "base64");
    const cipher = createCipheriv("aes-256-gcm", bytes, nonce);
    const sealed = Buffer.concat([cipher.update("s3cret"), cipher.final()]);
    const length = blob.length < 128 ? [blob.length] : [(blob.length & 127) | 128, blob.length >> 7];
    const envelope = Buffer.concat([nonce, cipher.getAuthTag(), Buffer.from(length), blob, sealed]);
    const ciphertext = envelope.toString("base64");
    expect(inspect(ciphertext).layout).toBe("iv32");
    const moved = await code.moveCiphertext(sides, "coffer", { ciphertext, context: CONTEXT });
    expect(inspect(moved).layout).toBe("iv12");
    expect(await sides.coffer.decrypt(moved)).toBe("s3cret");
  });
});

describe("objects", () => {
  test("that are refused are named, and the others are copied", async () => {
    const from = await openTestVault();
    const to = await openTestVault();
    for (const name of ["a", "b", "c"]) await from.createKv({ name, value: name, keyContext: CONTEXT });
    const refusing = {
      createKv: async (request: { name: string; value: string; keyContext: Record<string, string> }) => {
        if (request.name === "b") throw new Error("refused");
        return await to.createKv(request);
      },
    };
    const target = new Vault({ keys: new WorkOsLookingKeys(), kv: refusing as unknown as KvService });
    const { copied, there, failed } = await code.copyObjects(from, target);
    expect([copied, there]).toEqual([["c", "a"].toSorted(), []]);
    expect(failed).toEqual([{ id: expect.any(String), name: "b", error: new Error("refused") }]);
    expect((await to.getName({ name: "c" })).value).toBe("c");
  });

  /** How services give cursors: where the next page's cursor stands, given those of this page. */
  const CURSORS: Record<string, (page: KvPage<KvSummary>, asked: KvListRequest) => KvPage<KvSummary>> = {
    "both, as coffer": (page) => page,
    "as `before`, as the hosted service was seen to": ({ data, listMetadata }) => ({
      data,
      listMetadata: { before: listMetadata.after, after: null },
    }),
    "as `after`, and `before` points back": ({ data, listMetadata }, asked) => ({
      data,
      listMetadata: { after: listMetadata.after, before: asked.after === undefined ? null : data[0]!.id },
    }),
  };

  test.each(Object.keys(CURSORS))("are copied from services that give cursors: %s", async (cursors) => {
    const from = await openTestVault();
    const to = await openTestVault();
    const names = Array.from({ length: 205 }, (_, i) => `n-${i}`);
    for (const name of names) await from.createKv({ name, value: `of ${name}`, keyContext: CONTEXT });
    const seenAs = {
      getKv: (request: { id: string }) => from.getKv(request),
      listKv: async (request: KvListRequest) => CURSORS[cursors]!(await from.listKv(request), request),
    };
    await to.createKv({ name: "n-3", value: "newer", keyContext: CONTEXT });
    const source = new Vault({ keys: new WorkOsLookingKeys(), kv: seenAs as unknown as KvService });
    const first = await code.copyObjects(source, to);
    expect(first).toEqual({ copied: names.filter((name) => name !== "n-3"), there: ["n-3"], failed: [] });
    expect(await to.getName({ name: "n-204" })).toMatchObject({
      value: "of n-204",
      metadata: { context: CONTEXT },
    });
    expect((await to.getName({ name: "n-3" })).value).toBe("newer");
    expect((await code.copyObjects(source, to)).copied).toEqual([]);
  });
});

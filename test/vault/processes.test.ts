/** What one connection or process does to a KEK, the others notice at once; and what killed processes leave behind. */

import { describe, expect, test } from "vitest";
import { type EmbeddedVault, openVault } from "../../src/vault/index.ts";
import { rejectionOf } from "../support/errors.ts";
import { listKeks } from "../support/keks.ts";
import { VaultProcess } from "../support/vault-process.ts";
import { eventually, filesOf, freshPath, openTestVault, ROOT_KEY, tamper } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1", env: "prod" };
const KEK = { name: "organization_id", value: "org_1" };

const codeOf = async (call: () => Promise<unknown>): Promise<string> => (await rejectionOf(call)).code;

/** The code that a lease comes to fail with: it may go on for 100 ms. */
async function leaseEnds(encrypt: () => Promise<string>): Promise<void> {
  let code = "";
  await eventually(async () => {
    code = await encrypt();
    return code !== "none";
  }, "the end of the lease");
  expect(code).toBe("ERR_LEASE_EXPIRED");
}

describe("another connection", () => {
  for (const how of ["disable", "shred", "delayed shred"] as const) {
    test(`[KEY-41] [KEY-44] notices a ${how} with its next call, whatever it has kept`, async () => {
      const path = freshPath();
      const [one, other] = [await openTestVault({ path }), await openTestVault({ path })];
      const text = await one.encrypt("x", CONTEXT);
      const { id } = await one.createKv({ name: "n", value: "v", keyContext: CONTEXT });
      using lease = await other.lease(CONTEXT);
      // Everything is kept now: the data key, the wrapping keys by context and by blob, a lease, a reused key.
      for (let i = 0; i < 3; i++) {
        expect(await other.decrypt(text)).toBe("x");
        await other.encrypt("y", CONTEXT);
        await other.encrypt("y", CONTEXT, undefined, { reuse: true });
        await other.getKv({ id });
      }
      lease.encryptSync("x");
      if (how === "disable") await one.keks.disable(KEK);
      else await one.keks.shred(KEK, how === "shred" ? {} : { delayMs: 3_600_000 });
      const code = how === "shred" ? "ERR_KEY_DESTROYED" : "ERR_KEY_DISABLED";
      for (const vault of [other, one]) {
        for (const call of [
          () => vault.decrypt(text),
          () => vault.encrypt("y", CONTEXT),
          () => vault.getKv({ id }),
          () => vault.updateKv({ id, value: "w" }),
          () => vault.rekey(text, { a: "b" }),
          () => vault.rewrap(text),
          () => vault.lease(CONTEXT),
          () => vault.createDecrypt({ keys: lease.keyId === "" ? "" : encryptedKeysOf(text) }),
        ]) {
          expect(await codeOf(call)).toBe(code);
        }
      }
      await leaseEnds(async () => {
        try {
          lease.encryptSync("x");
          return "none";
        } catch (error) {
          return (error as { code: string }).code;
        }
      });
      if (how === "shred") return;
      await one.keks.enable(KEK);
      expect(await other.decrypt(text)).toBe("x");
      expect((await other.getKv({ id })).value).toBe("v");
    });
  }

  test("[KEY-41] uses a new version from its next call on", async () => {
    const path = freshPath();
    const [one, other] = [await openTestVault({ path }), await openTestVault({ path })];
    for (let version = 1; version <= 3; version++) {
      const { keyBlob } = (await import("../../src/index.ts")).inspect(await other.encrypt("x", CONTEXT));
      expect(keyBlob.keks.map((kek) => kek.version)).toEqual([1, version]);
      await one.keks.rotate(KEK);
    }
  });

  test("[KEY-44] a reused data key is not used for another message after a disable, as soon as that is noticed", async () => {
    const path = freshPath();
    const [one, other] = [await openTestVault({ path }), await openTestVault({ path })];
    await other.encrypt("x", CONTEXT, undefined, { reuse: true });
    await one.keks.disable(KEK);
    let code = "none";
    await eventually(async () => {
      code = await other.encrypt("x", CONTEXT, undefined, { reuse: true }).then(
        () => "none",
        (error) => error.code,
      );
      return code !== "none";
    }, "the end of the reused key");
    expect(code).toBe("ERR_KEY_DISABLED");
    await one.keks.enable(KEK);
    const text = await other.encrypt("y", CONTEXT, undefined, { reuse: true });
    expect(await one.decrypt(text)).toBe("y");
  });

  test("[KEY-41] disables that run beside reads: after each answer, nothing is read any more", async () => {
    const path = freshPath();
    const vaults = [await openTestVault({ path }), await openTestVault({ path })];
    const text = await vaults[0]!.encrypt("x", CONTEXT);
    for (let round = 0; round < 25; round++) {
      const [one, other] = round % 2 === 0 ? vaults : [...vaults].reverse();
      const reads = Array.from({ length: 5 }, () =>
        other!.decrypt(text).then(
          () => "read",
          (error) => error.code as string,
        ),
      );
      await one!.keks.disable(KEK);
      expect(await codeOf(() => other!.decrypt(text))).toBe("ERR_KEY_DISABLED");
      for (const read of reads) expect(["read", "ERR_KEY_DISABLED"]).toContain(await read);
      await one!.keks.enable(KEK);
      expect(await other!.decrypt(text)).toBe("x");
    }
  });
});

describe("another process", () => {
  test("[KEY-41] [KEY-44] notices at once; its lease within a moment", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    const other = new VaultProcess({ COFFER_ROOT_KEY: ROOT_KEY });
    await other.call("open", { path });
    const text = (await other.call("encrypt", "x", CONTEXT)) as string;
    const made = (await other.call("createKv", { name: "n", value: "v", keyContext: CONTEXT })) as {
      id: string;
    };
    await other.call("takeLease", CONTEXT);
    for (let i = 0; i < 2; i++) {
      expect(await other.call("decrypt", text)).toBe("x");
      await other.call("leaseEncrypt", "x");
      await other.call("getKv", { id: made.id });
    }
    await vault.keks.disable(KEK);
    expect(await other.codeOf("decrypt", text)).toBe("ERR_KEY_DISABLED");
    expect(await other.codeOf("getKv", { id: made.id })).toBe("ERR_KEY_DISABLED");
    await leaseEnds(() => other.codeOf("leaseEncrypt", "x"));
    await vault.keks.enable(KEK);
    expect(await other.call("decrypt", text)).toBe("x");
    await other.call("takeLease", CONTEXT);
    await other.call("leaseEncrypt", "x");
    // And the other way round: what it does, this one notices.
    expect(await vault.decrypt(text)).toBe("x");
    using lease = await vault.lease(CONTEXT);
    await other.call("shred", KEK);
    expect(await codeOf(() => vault.decrypt(text))).toBe("ERR_KEY_DESTROYED");
    expect(await codeOf(() => vault.encrypt("x", CONTEXT))).toBe("ERR_KEY_DESTROYED");
    await leaseEnds(() => other.codeOf("leaseEncrypt", "x"));
    await leaseEnds(async () =>
      lease.encrypt("x").then(
        () => "none",
        (error) => error.code,
      ),
    );
    await other.end();
  });

  test("[KEY-21] [REV-20] that reads keeps a shredded KEK in the journal only as long as it reads", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path, lockWaitMs: 50 });
    await vault.encrypt("x", CONTEXT);
    const wrapped = tamper(path, (db) =>
      db
        .prepare("SELECT wrapped FROM kek_versions v JOIN keks k ON k.id = v.kek_id WHERE context_name = ?")
        .get(Buffer.from("organization_id")),
    )!.wrapped as Uint8Array;
    const other = new VaultProcess();
    await other.call("holdRead", path);
    // The shred is answered all the same: it is durable, and no caller of the vault can use the KEK.
    expect((await vault.keks.shred(KEK)).erasure).toBe("logical");
    expect(await codeOf(() => vault.encrypt("x", CONTEXT))).toBe("ERR_KEY_DESTROYED");
    expect(filesOf(path).includes(Buffer.from(wrapped))).toBe(true);
    await other.call("letGo");
    await eventually(async () => {
      await vault.createKv({ name: `${performance.now()}`, value: "v", keyContext: { a: "b" } });
      return !filesOf(path).includes(Buffer.from(wrapped));
    }, "the journal being emptied");
    await other.end();
  });

  test("[KEY-21] that reads for a moment only is waited for", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    await vault.encrypt("x", CONTEXT);
    const wrapped = tamper(path, (db) => db.prepare("SELECT wrapped FROM kek_versions").all()).map((row) =>
      Buffer.from(row.wrapped as Uint8Array),
    );
    const other = new VaultProcess();
    await other.call("holdRead", path);
    const shreds = Promise.all([vault.keks.shred(KEK), vault.keks.shred({ name: "env", value: "prod" })]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await other.call("letGo");
    for (const { erasure } of await shreds) expect(erasure).toBe("physical");
    const files = filesOf(path);
    for (const bytes of wrapped) expect(files.includes(bytes)).toBe(false);
    await other.end();
  });

  test("[KEY-21] that was killed before it could empty the journal: the next one does", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    await vault.encrypt("x", CONTEXT);
    await vault.close();
    // As after a kill between the commit of a shred and its scrub: written, not emptied.
    const other = new VaultProcess();
    await other.call("holdRead", path);
    await other.call("letGo");
    const wrapped = tamper(path, (db) => {
      const row = db.prepare("SELECT wrapped FROM kek_versions LIMIT 1").get()!;
      return Buffer.from(row.wrapped as Uint8Array);
    });
    const killed = new VaultProcess({ COFFER_ROOT_KEY: ROOT_KEY });
    await killed.call("open", { path });
    await killed.call("holdLockAndErase", path);
    expect(filesOf(path).includes(wrapped)).toBe(true);
    await killed.kill();
    expect(filesOf(path).includes(wrapped)).toBe(true);
    const next = await openTestVault({ path });
    expect(filesOf(path).includes(wrapped)).toBe(false);
    await next.close();
    await other.end();
  });

  test("[KEY-18] that is killed in the middle of a write leaves nothing of it, and no lock", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path });
    const other = new VaultProcess();
    await other.call("holdLock", path);
    const waiting = vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    await other.kill();
    const { id } = await waiting;
    expect((await vault.getKv({ id })).value).toBe("v");
  });

  test("[KEY-19] several that write all the time lose nothing and give each other turns", async () => {
    const path = freshPath();
    const vault = await openTestVault({ path, lockWaitMs: 20_000 });
    const processes = [0, 1].map(() => new VaultProcess({ COFFER_ROOT_KEY: ROOT_KEY }));
    await Promise.all(processes.map((process) => process.call("open", { path, lockWaitMs: 20_000 })));
    const { id } = await vault.createKv({ name: "shared", value: "0", keyContext: CONTEXT });
    const put = (name: string) => ({ name, value: `value of ${name}`, keyContext: CONTEXT });
    await Promise.all([
      ...processes.flatMap((process, p) =>
        Array.from({ length: 30 }, async (_, i) => {
          await process.call("createKv", put(`${p} ${i}`));
          await process.call("updateKv", { id, value: `${p} ${i}` });
        }),
      ),
      ...Array.from({ length: 30 }, (_, i) => vault.createKv(put(`own ${i}`))),
    ]);
    const names = [];
    for await (const object of vault.listKv({ limit: 100 })) names.push(object.name);
    expect(names).toHaveLength(91);
    expect((await vault.listKvVersions({ id })).data).toHaveLength(61);
    for (const name of names.filter((other) => other !== "shared")) {
      expect((await vault.getName({ name })).value).toBe(`value of ${name}`);
    }
    await Promise.all(processes.map((process) => process.end()));
  });
});

/** The wrapped data key of a ciphertext. */
function encryptedKeysOf(text: string): string {
  const bytes = Buffer.from(text, "base64");
  const start = bytes.indexOf("CFR.EKM.v1\0");
  return bytes.subarray(start, start + 172).toString("base64");
}

describe("closing", () => {
  const open = (): Promise<EmbeddedVault> => openVault({ path: freshPath(), rootKey: ROOT_KEY });

  test("[KEY-48] lets calls that are under way finish, however many steps they have", async () => {
    const vault = await open();
    const text = await vault.encrypt("x", { first: "1" });
    const { id } = await vault.createKv({ name: "before", value: "v", keyContext: CONTEXT });
    const doomed = await vault.createKv({ name: "doomed", value: "v", keyContext: CONTEXT });
    await vault.encrypt("x", { last: "1" });
    const calls = [
      vault.encrypt("x", { new: "1" }),
      vault.encrypt("x", { new: "2" }, undefined, { reuse: true }),
      vault.encrypt("x", { new: "2" }, undefined, { reuse: { maxMessages: 1 } }),
      vault.encrypt("x", { new: "2" }, undefined, { reuse: { maxMessages: 1 } }),
      vault.decrypt(text),
      vault.rekey(text, { new: "3" }),
      vault.rekeyMany([text, text], { new: "4" }),
      vault.rewrap(text),
      vault.createKv({ name: "n", value: "v", keyContext: { new: "5" } }),
      vault.updateKv({ id, value: "w" }),
      vault.getKv({ id }),
      vault.createDataKey({ context: { new: "6" } }).then((key) => key.dispose()),
      vault.lease({ new: "7" }).then((lease) => lease.dispose()),
      vault.rewrapKv(),
      vault.keks.rotate({ name: "first", value: "1" }),
      vault.keks.shred({ name: "last", value: "1" }),
      vault.listKv().then((page) => page),
      vault.destroyKv({ id: doomed.id }),
    ];
    await vault.close();
    for (const [i, result] of (await Promise.allSettled(calls)).entries()) {
      expect(result.status === "rejected" ? result.reason : undefined, `call ${i}`).toBeUndefined();
    }
  });

  test("[KEY-48] makes every later call ERR_DISPOSED", async () => {
    const vault = await open();
    const text = await vault.encrypt("x", CONTEXT);
    const { id } = await vault.createKv({ name: "n", value: "v", keyContext: CONTEXT });
    const lease = await vault.lease(CONTEXT);
    const listing = vault.listKv();
    await vault.close();
    for (const call of [
      () => vault.encrypt("x", CONTEXT),
      () => vault.encrypt("x", CONTEXT, undefined, { reuse: true }),
      () => vault.decrypt(text),
      () => vault.lease(CONTEXT),
      () => vault.rekey(text, CONTEXT),
      () => vault.rekeyMany([text], CONTEXT),
      () => vault.rewrap(text),
      () => vault.rewrapMany([text]),
      () => vault.createDataKey({ context: CONTEXT }),
      () => vault.createDecrypt({ keys: "x" }),
      () => vault.decryptDataKey({ keys: "x" }),
      () => vault.createRekey({ context: CONTEXT, encryptedKeys: "x" }),
      () => vault.createKv({ name: "o", value: "v", keyContext: CONTEXT }),
      () => vault.getKv({ id }),
      () => vault.getName({ name: "n" }),
      () => vault.updateKv({ id, value: "w" }),
      () => vault.deleteKv({ id }),
      async () => await listing,
      () => vault.listKvVersions({ id }),
      () => vault.listKvMetadata({ id }),
      () => vault.undeleteKv({ id }),
      () => vault.destroyKv({ id }),
      () => listKeks(vault),
      () => vault.keks.rotate(KEK),
      () => vault.keks.disable(KEK),
      () => vault.keks.enable(KEK),
      () => vault.keks.shred(KEK),
      () => vault.rewrapKv(),
    ]) {
      expect(await codeOf(call), String(call)).toBe("ERR_DISPOSED");
    }
    // A lease that was handed out is the caller's; it finds out as soon as it looks.
    await eventually(() => {
      try {
        lease.encryptSync("x");
        return false;
      } catch (error) {
        expect(["ERR_DISPOSED", "ERR_LEASE_EXPIRED"]).toContain((error as { code: string }).code);
        return true;
      }
    }, "the end of the lease");
    expect(() => lease.encryptSync("x")).toThrow();
    lease.dispose();
    await vault.close();
  });

  test("[KEY-48] can be done several times, and by `await using`", async () => {
    let kept: EmbeddedVault;
    {
      await using vault = await open();
      kept = vault;
      await vault.encrypt("x", CONTEXT);
    }
    expect(await codeOf(() => kept.encrypt("x", CONTEXT))).toBe("ERR_DISPOSED");
    await Promise.all([kept.close(), kept.close()]);
  });

  test("[KEY-48] leaves another vault on the same file alone", async () => {
    const path = freshPath();
    const [one, other] = [await openTestVault({ path }), await openTestVault({ path })];
    const text = await one.encrypt("x", CONTEXT);
    await one.close();
    expect(await other.decrypt(text)).toBe("x");
  });

  test("is not needed to end a process", async () => {
    const path = freshPath();
    const other = new VaultProcess({ COFFER_ROOT_KEY: ROOT_KEY });
    await other.call("open", { path });
    const text = (await other.call("encrypt", "x", CONTEXT)) as string;
    await other.call("decrypt", text);
    await other.call("takeLease", CONTEXT);
    const made = (await other.call("createKv", { name: "n", value: "v", keyContext: CONTEXT })) as {
      id: string;
    };
    await expect(other.call("exit")).rejects.toThrow("ended");
    const vault = await openTestVault({ path });
    expect(await vault.decrypt(text)).toBe("x");
    expect((await vault.getKv({ id: made.id })).value).toBe("v");
  });
});

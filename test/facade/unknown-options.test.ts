/** Unknown options are refused in every public call, before anything is done; the nearest name is told. */
import { describe, expect, test } from "vitest";
import { localDecrypt, localDecryptSync, localEncrypt, localEncryptSync } from "../../src/crypto/index.ts";
import { fetchSource, Vault, verifyWebhook } from "../../src/index.ts";
import { DataKeyCache } from "../../src/keys/index.ts";
import { createApp, listen, WebhookWorker } from "../../src/server/index.ts";
import {
  backupVault,
  checkBackup,
  migratePostgres,
  openFileHost,
  openPostgresHost,
  openVault,
  restoreVault,
} from "../../src/vault/index.ts";
import { SAMPLE_1 } from "../support/samples.ts";
import { openTestHost, openTestVault, ROOT_KEY } from "../support/vaults.ts";

const CONTEXT = { organization_id: "org_1" };

/** No type lets it pass: this is what JavaScript, and a mistyped name in an object made elsewhere, give. */
const ODD = { singal: undefined } as never;

type Call = () => unknown;

async function calls(): Promise<Record<string, Call>> {
  const vault = await openTestVault();
  const lease = await vault.lease(CONTEXT);
  const host = await openTestHost();
  const text = await vault.encrypt("x", CONTEXT);
  const kek = { name: "organization_id", value: "org_1" };
  const { id } = await vault.createKv({ name: "a", value: "1", keyContext: CONTEXT });
  const bytes = new Uint8Array(0);
  const app = createApp({ host });
  return {
    Vault: () => new Vault({ apiKey: "sk_1", baseUrl: "https://x.example", ...(ODD as object) }),
    "Vault over ports": () => new Vault({ keys: {} as never, kv: {} as never, ...(ODD as object) }),
    "Vault's cache": () => new Vault({ apiKey: "sk_1", cache: ODD }),
    encrypt: () => vault.encrypt("x", CONTEXT, "", ODD),
    "encrypt's reuse": () => vault.encrypt("x", CONTEXT, "", { reuse: ODD }),
    decrypt: () => vault.decrypt(text, "", ODD),
    encryptMany: () => vault.encryptMany(["x"], CONTEXT, "", ODD),
    "encryptMany's reuse": () => vault.encryptMany(["x"], CONTEXT, "", { reuse: ODD }),
    decryptMany: () => vault.decryptMany([text], "", ODD),
    encryptJson: () => vault.encryptJson({}, CONTEXT, "", ODD),
    decryptJson: () => vault.decryptJson(text, "", ODD),
    encryptFields: () => vault.encryptFields({ a: 1 }, ["a"], CONTEXT, ODD),
    decryptFields: () => vault.decryptFields({ a: text }, ["a"], ODD),
    putKvJson: () => vault.putKvJson({ name: "a", value: 1 }, ODD),
    getKvJson: () => vault.getKvJson({ name: "a" }, ODD),
    upgrade: () => vault.upgrade(text, "", ODD),
    encryptStream: () => vault.encryptStream(CONTEXT, "", ODD),
    decryptStream: () => vault.decryptStream("", ODD),
    openNativeSource: () => vault.openNativeSource(bytes, "", ODD),
    decryptRange: () => vault.decryptRange(bytes, 0, 1, "", ODD),
    lease: () => vault.lease(CONTEXT, ODD),
    rekey: () => vault.rekey(text, CONTEXT, ODD),
    rekeyMany: () => vault.rekeyMany([text], CONTEXT, ODD),
    rewrap: () => vault.rewrap(text, ODD),
    rewrapMany: () => vault.rewrapMany([text], ODD),
    createDataKey: () => vault.createDataKey({ context: CONTEXT }, ODD),
    createDecrypt: () => vault.createDecrypt({ keys: "" }, ODD),
    decryptDataKey: () => vault.decryptDataKey({ keys: "" }, ODD),
    createRekey: () => vault.createRekey({ context: CONTEXT, encryptedKeys: "" }, ODD),
    createKv: () => vault.createKv({ name: "b", value: "1", keyContext: CONTEXT }, ODD),
    getKv: () => vault.getKv({ id }, ODD),
    getName: () => vault.getName({ name: "a" }, ODD),
    updateKv: () => vault.updateKv({ id, value: "2" }, ODD),
    putKv: () => vault.putKv({ name: "a", value: "2" }, ODD),
    deleteKv: () => vault.deleteKv({ id }, ODD),
    listKv: () => vault.listKv({}, ODD),
    listKvVersions: () => vault.listKvVersions({ id }, ODD),
    listKvMetadata: () => vault.listKvMetadata({ id }, ODD),
    undeleteKv: () => vault.undeleteKv({ id }, ODD),
    destroyKv: () => vault.destroyKv({ id }, ODD),
    "keks.list": () => vault.keks.list({}, ODD),
    "keks.get": () => vault.keks.get(kek, ODD),
    "keks.rotate": () => vault.keks.rotate(kek, ODD),
    "keks.disable": () => vault.keks.disable(kek, ODD),
    "keks.enable": () => vault.keks.enable(kek, ODD),
    "keks.shred": () => vault.keks.shred(kek, ODD),
    rewrapKv: () => vault.rewrapKv(ODD),
    verifyRewrap: () => vault.verifyRewrap(ODD),
    "lease.encrypt": () => lease.encrypt("x", "", ODD),
    "lease.encryptSync": () => lease.encryptSync("x", "", ODD),
    "lease.decrypt": () => lease.decrypt(text, "", ODD),
    "lease.decryptSync": () => lease.decryptSync(text, "", ODD),
    "lease.encryptMany": () => lease.encryptMany(["x"], "", ODD),
    "lease.encryptManySync": () => lease.encryptManySync(["x"], "", ODD),
    "lease.decryptMany": () => lease.decryptMany([text], "", ODD),
    "lease.decryptManySync": () => lease.decryptManySync([text], "", ODD),
    localEncrypt: () => localEncrypt("x", SAMPLE_1, "", ODD),
    localEncryptSync: () => localEncryptSync("x", SAMPLE_1, "", ODD),
    localDecrypt: () => localDecrypt(text, SAMPLE_1, "", ODD),
    localDecryptSync: () => localDecryptSync(text, SAMPLE_1, "", ODD),
    DataKeyCache: () => new DataKeyCache(ODD),
    fetchSource: () => fetchSource("https://x.example/", ODD),
    verifyWebhook: () => verifyWebhook("{}", "t=1, v1=00", "whsec", ODD),
    openVault: () => openVault({ path: ":memory:", rootKey: ROOT_KEY, ...(ODD as object) }),
    openFileHost: () => openFileHost({ path: ":memory:", rootKey: ROOT_KEY, ...(ODD as object) }),
    openPostgresHost: () => openPostgresHost({ url: "postgres://127.0.0.1:1/x", ...(ODD as object) }),
    migratePostgres: () => migratePostgres({ url: "postgres://127.0.0.1:1/x", ...(ODD as object) }),
    backupVault: () => backupVault("vault.db", "backup.db", ODD),
    checkBackup: () => checkBackup("backup.db", ODD),
    restoreVault: () => restoreVault("backup.db", "vault.db", ODD),
    createApp: () => createApp({ host, ...(ODD as object) }),
    listen: () => listen(app, ODD),
    WebhookWorker: () => new WebhookWorker({ webhooks: host.webhooks, ...(ODD as object) }),
  };
}

describe("an unknown option", () => {
  test("is refused by every call, and nothing was done", async () => {
    const all = await calls();
    for (const [name, call] of Object.entries(all)) {
      let error: unknown = "nothing was thrown";
      try {
        await call();
      } catch (thrown) {
        error = thrown;
      }
      expect(error, name).toBeInstanceOf(TypeError);
      expect(error, name).toMatchObject({
        code: "ERR_INVALID_ARGUMENT",
        message: expect.stringContaining('"singal"'),
      });
    }
  });

  test("is told with the name that was probably meant", () => {
    expect(() => new Vault({ apiKey: "sk_1", baseURL: "https://vault.example.com" } as never)).toThrow(
      'unknown option "baseURL"; did you mean baseUrl?',
    );
    expect(() => new Vault({ apiKey: "sk_1", url: "https://vault.example.com" } as never)).toThrow("baseUrl");
  });
});

/** SealedEncryptor: what it writes opens with the recipient's private key alone, and what it refuses. */
import { describe, expect, test } from "vitest";
import { decodeBase64 } from "../../src/base/base64.ts";
import { runtime } from "../../src/base/runtime.ts";
import { WEBCRYPTO_ROW } from "../../src/crypto/aead/webcrypto.ts";
import { Ciphers } from "../../src/crypto/ciphers/ciphers.ts";
import { Curves } from "../../src/crypto/curves/choose.ts";
import { WEB_CURVES_ROW } from "../../src/crypto/curves/webcrypto.ts";
import { inspect } from "../../src/crypto/envelope/inspect.ts";
import { DataKey } from "../../src/crypto/keys/data-key.ts";
import { decodeSealedKeyBlob } from "../../src/crypto/keys/sealed-key-blob.ts";
import { localDecrypt } from "../../src/crypto/local.ts";
import { decryptStream } from "../../src/crypto/native/stream.ts";
import type { RecipientDocument } from "../../src/crypto/sealed/recipient-document.ts";
import { openSealedDataKey } from "../../src/crypto/sealed/sealed-data-key.ts";
import { findFields } from "../../src/facade/fields.ts";
import {
  encryptSealedFields,
  encryptSealedStream,
  SealedEncryptor,
  type SealedEncryptorOptions,
  type SealedLeaseOptions,
  type SealedStreamOptions,
  sealedLease,
  sealedLeaseSync,
  tweetnacl,
} from "../../src/sealed/index.ts";
import { noble } from "../../src/sync.ts";
import { errorOf, rejectionOf } from "../support/errors.ts";
import { CONTEXT, DAY_MS, ISSUED_AT, makeRecipient, TOOLS, VALID_AT } from "../support/recipients.ts";

const { document, privateKey } = makeRecipient();
const now = () => VALID_AT;
const encryptorOf = (options: Partial<SealedEncryptorOptions> = {}) =>
  new SealedEncryptor({ recipient: document, now, ...options });

/** The data key of a sealed blob, by the private key. */
function keyOf(encryptedKeys: string): DataKey {
  const blob = decodeSealedKeyBlob(decodeBase64(encryptedKeys)!);
  return new DataKey({ id: "", key: openSealedDataKey(TOOLS, blob, privateKey), encryptedKeys });
}
const open = (text: string, associatedData?: string | Uint8Array) =>
  localDecrypt(text, keyOf(inspect(text).encryptedKeys), associatedData as string);

describe("for an environment-wide recipient", () => {
  const wide = makeRecipient({ context: null }).document;
  const encryptorFor = (context?: Record<string, string>) =>
    new SealedEncryptor({ recipient: wide, context, now });

  test("a sealed encryptor is told the context, and binds what it seals to it ([SDK-42])", async () => {
    const told = { tenant: "1", env: "prod" };
    const encryptor = encryptorFor(told);
    told.tenant = "2";
    expect(encryptor.context).toEqual({ env: "prod", tenant: "1" });
    const lease = await sealedLease(encryptor);
    const { field } = await encryptSealedFields(encryptor, { field: "x" }, ["field"]);
    for (const text of [
      await encryptor.encrypt("x"),
      encryptor.encryptSync("x"),
      lease.encryptSync("x"),
      field,
    ]) {
      const { context } = decodeSealedKeyBlob(decodeBase64(inspect(text).encryptedKeys)!);
      expect(context.entries.map(({ name, value }) => `${name}=${value}`)).toEqual(["env=prod", "tenant=1"]);
    }
    expect(await open(await encryptor.encrypt("x"))).toBe("x");
    using key = await encryptor.createDataKey();
    expect(key.context).toEqual(encryptor.context);
  });

  test("one that is told none, a wrong one, or one too many is refused ([SDK-42])", () => {
    const argument = { code: "ERR_INVALID_ARGUMENT" };
    expect(errorOf(() => encryptorFor())).toMatchObject(argument);
    expect(errorOf(() => encryptorFor({}))).toMatchObject({ code: "ERR_KEY_CONTEXT_INVALID" });
    expect(errorOf(() => encryptorOf({ context: CONTEXT }))).toMatchObject(argument);
  });
});

describe("a sealed encryptor", () => {
  test.each(["native", "iv12"] as const)(
    "writes %s, which the recipient opens ([SDK-13])",
    async (layout) => {
      const encryptor = encryptorOf({ layout });
      const texts = [
        await encryptor.encrypt("héllo", "row 1"),
        encryptor.encryptSync("héllo", "row 1"),
        await encryptor.encrypt(new TextEncoder().encode("héllo"), "row 1"),
        encryptor.encryptSync(new TextEncoder().encode("héllo"), "row 1"),
        await encryptorOf().encrypt("héllo", "row 1", { layout }),
      ];
      for (const text of texts) {
        expect(inspect(text)).toMatchObject({
          layout,
          keyBlob: { format: "sealed", recipient: { version: 1 } },
        });
        expect(await open(text, "row 1")).toBe("héllo");
        expect(await rejectionOf(() => open(text, "row 2"))).toMatchObject({ code: "ERR_DECRYPT_FAILED" });
      }
      expect(new Set(texts.map((text) => inspect(text).keyBlob.dataKeyId)).size).toBe(texts.length);
    },
  );

  test("writes native unless told otherwise, and no layout but two ([SDK-13])", async () => {
    expect(inspect(encryptorOf().encryptSync("x")).layout).toBe("native");
    const refusal = { code: "ERR_LAYOUT_NOT_ALLOWED" };
    for (const layout of ["dotnet", "leb-first", "iv32"] as never[]) {
      expect(errorOf(() => encryptorOf({ layout }))).toMatchObject(refusal);
      expect(errorOf(() => encryptorOf().encryptSync("x", undefined, { layout }))).toMatchObject(refusal);
      expect(await rejectionOf(() => sealedLease(encryptorOf(), { layout }))).toMatchObject(refusal);
    }
  });

  test("encrypts JSON", async () => {
    const { encryptJson } = encryptorOf();
    expect(await open(await encryptJson({ a: [1, null] }))).toBe('{"a":[1,null]}');
    expect(await rejectionOf(() => encryptJson(undefined))).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("encrypts fields, each bound to its path, under one data key", async () => {
    const form = { name: "Ada", contact: { phone: "1", note: 7 }, kept: true };
    const sealed = await encryptSealedFields(encryptorOf(), form, ["name", "contact.note"], {
      associatedData: "form 1",
    });
    expect(sealed).toMatchObject({ kept: true, contact: { phone: "1" } });
    expect(form.contact.note).toBe(7);
    const texts = [sealed.name, sealed.contact.note as unknown as string];
    expect(new Set(texts.map((text) => inspect(text).encryptedKeys)).size).toBe(1);
    const [name, note] = findFields(form, ["name", "contact.note"], "form 1");
    expect(await open(texts[0]!, name!.associatedData)).toBe('"Ada"');
    expect(await open(texts[1]!, note!.associatedData)).toBe("7");
    expect(await rejectionOf(() => open(texts[1]!, name!.associatedData))).toMatchObject({
      code: "ERR_DECRYPT_FAILED",
    });
    expect(await rejectionOf(() => encryptSealedFields(encryptorOf(), form, ["none"]))).toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
  });

  test("encrypts streams", async () => {
    const plaintext = new Uint8Array(40_000).fill(5);
    const through = new Blob([plaintext]).stream().pipeThrough(encryptSealedStream(encryptorOf(), "file"));
    const opened = through.pipeThrough(decryptStream((keys, use) => use(keyOf(keys)), "file"));
    expect(new Uint8Array(await new Response(opened).arrayBuffer())).toEqual(plaintext);
    const failing = encryptSealedStream(encryptorOf({ recipient: wronglySigned() }));
    expect(await rejectionOf(() => new Response(failing.readable).arrayBuffer())).toMatchObject({
      code: "ERR_RECIPIENT_INVALID",
    });
  });

  test("holds one data key for many messages, within a budget ([SDK-13])", async () => {
    for (const lease of [
      await sealedLease(encryptorOf(), { maxMessages: 4, layout: "iv12" }),
      sealedLeaseSync(encryptorOf(), { maxMessages: 4, layout: "iv12" }),
    ]) {
      const batch = await lease.encryptMany(["a", { data: "b", associatedData: "x" }], "y");
      const texts = [...batch.map((item) => (item as { value: string }).value), lease.encryptSync("c")];
      expect(new Set(texts.map((text) => inspect(text).encryptedKeys)).size).toBe(1);
      expect(await Promise.all([open(texts[0]!, "y"), open(texts[1]!, "x"), open(texts[2]!)])).toEqual([
        "a",
        "b",
        "c",
      ]);
      await lease.encrypt("d");
      expect(errorOf(() => lease.encryptSync("e"))).toMatchObject({ code: "ERR_DATA_KEY_EXHAUSTED" });
      lease.dispose();
    }
  });

  test("lends its sync to leases, fields and streams of it, unless they are told otherwise", async () => {
    let imported = 0;
    /** Ciphers that count the keys that are imported: one for each data key that is sealed, and those that encrypt. */
    const counted = new Ciphers({
      rows: [
        {
          ...WEBCRYPTO_ROW,
          start: (available) => {
            const provider = WEBCRYPTO_ROW.start(available)!;
            const importKey = (key: Uint8Array) => {
              imported++;
              return provider.importKey(key);
            };
            return { ...provider, importKey };
          },
        },
      ],
      runtime: { ...runtime, crypto: undefined },
      name: "browser",
      hash: undefined,
      makeShortWays: undefined,
    });
    const encryptor = encryptorOf({ sync: counted });
    const importsOf = async (work: () => Promise<unknown>): Promise<number> => {
      const before = imported;
      await work();
      return imported - before;
    };
    const stream = (options?: SealedStreamOptions) => {
      const through = new Blob(["x"]).stream().pipeThrough(encryptSealedStream(encryptor, "", options));
      return new Response(through).arrayBuffer();
    };
    const lease = async (options?: SealedLeaseOptions) => {
      using held = await sealedLease(encryptor, options);
      return await held.encrypt("x");
    };
    // A provider is tried when it starts.
    await encryptor.createDataKey();
    expect(await importsOf(() => encryptor.createDataKey())).toBe(1);
    expect(await importsOf(() => lease())).toBe(2);
    expect(await importsOf(() => encryptSealedFields(encryptor, { name: "Ada" }, ["name"]))).toBe(2);
    expect(await importsOf(() => stream())).toBe(2);
    expect(await importsOf(() => lease({ sync: noble }))).toBe(1);
    expect(await importsOf(() => stream({ sync: noble }))).toBe(1);
  });

  test("in a browser without tweetnacl answers later, with it at once", async () => {
    const sync = new Ciphers({
      rows: [WEBCRYPTO_ROW],
      runtime: { ...runtime, crypto: undefined },
      name: "browser",
      hash: undefined,
      makeShortWays: undefined,
    });
    const curves = new Curves([WEB_CURVES_ROW], { crypto: undefined, webcrypto: runtime.webcrypto });
    const encryptor = encryptorOf({ sync, curves });
    expect(await open(await encryptor.encrypt("x"))).toBe("x");
    expect(errorOf(() => encryptorOf({ sync, curves }).encryptSync("x"))).toMatchObject({
      code: "ERR_UNSUPPORTED",
    });
    const withNacl = encryptorOf({ curves: tweetnacl });
    expect(await open(withNacl.encryptSync("x"))).toBe("x");
  });
});

describe("a document", () => {
  test("is trusted as it came, or by a signer that was given ([SDK-11])", () => {
    expect(encryptorOf()).toMatchObject({ trust: "first-use", signer: document.signer, context: CONTEXT });
    expect(encryptorOf({ signer: document.signer }).trust).toBe("pinned");
    expect(encryptorOf({ recipient: JSON.stringify(document) }).context).toEqual(CONTEXT);
    const { signer } = makeRecipient({ signingNumber: 2 }).document;
    expect(errorOf(() => encryptorOf({ signer }))).toMatchObject({ code: "ERR_RECIPIENT_INVALID" });
  });

  test("whose signature is wrong seals nothing ([SDK-10])", async () => {
    const encryptor = encryptorOf({ recipient: wronglySigned() });
    for (const error of [
      await rejectionOf(() => encryptor.encrypt("x")),
      await rejectionOf(() => encryptor.encrypt("x")),
      errorOf(() => encryptor.encryptSync("x")),
      errorOf(() => encryptorOf({ recipient: wronglySigned() }).createDataKeySync()),
    ]) {
      expect(error).toMatchObject({ code: "ERR_RECIPIENT_INVALID" });
    }
  });

  test("that is too old seals nothing, also when it grows old in use ([SDK-12])", async () => {
    let time = VALID_AT;
    const encryptor = encryptorOf({ now: () => time });
    encryptor.encryptSync("x");
    time = ISSUED_AT + 90 * DAY_MS;
    const refusal = { code: "ERR_RECIPIENT_EXPIRED" };
    expect(errorOf(() => encryptor.encryptSync("x"))).toMatchObject(refusal);
    expect(await rejectionOf(() => encryptor.encrypt("x"))).toMatchObject(refusal);
    expect(errorOf(() => encryptorOf({ now: () => time }))).toMatchObject(refusal);
    expect(errorOf(() => encryptorOf({ minVersion: 2 }))).toMatchObject({ code: "ERR_RECIPIENT_INVALID" });
  });

  test("unknown options are refused", async () => {
    const refusal = { code: "ERR_INVALID_ARGUMENT" };
    expect(errorOf(() => new SealedEncryptor(undefined as never))).toMatchObject(refusal);
    expect(errorOf(() => encryptorOf({ recipients: document } as never))).toMatchObject(refusal);
    const encryptor = encryptorOf();
    expect(errorOf(() => encryptor.encryptSync("x", "", { signal: 1 } as never))).toMatchObject(refusal);
    expect(errorOf(() => sealedLeaseSync(encryptor, { provider: "node" } as never))).toMatchObject(refusal);
    expect(errorOf(() => encryptSealedStream(encryptor, "", { layout: "iv12" } as never))).toMatchObject(
      refusal,
    );
    expect(
      await rejectionOf(() => encryptSealedFields(encryptor, {}, [], { aad: 1 } as never)),
    ).toMatchObject(refusal);
  });

  test("neither encryptor nor data key prints a key", () => {
    const encryptor = encryptorOf();
    const key = encryptor.createDataKeySync();
    expect(JSON.stringify([encryptor, key])).not.toContain(key.dataKey);
    expect(key.context).toEqual(CONTEXT);
    key.dispose();
  });
});

function wronglySigned(): RecipientDocument {
  return { ...document, version: 2 };
}
